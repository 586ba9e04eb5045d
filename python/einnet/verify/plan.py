"""Programs that may be lowered: those that the verifier proved equal to their reference."""

from __future__ import annotations

from dataclasses import dataclass, field

from einnet.expr.program import Program
from einnet.verify.certificate import Certificate
from einnet.verify.equivalence import Different, Equal, Undecided, compare
from einnet.verify.segment import DEFAULT_BUDGET, Budget


@dataclass(frozen=True)
class _Seal:
    """Held by this file alone."""


_SEAL = _Seal()


@dataclass(frozen=True)
class VerifiedProgram:
    """A program with the proof that it equals its reference. Only `verify_plan` makes one."""

    program: Program
    certificate: Certificate
    seal: _Seal = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.seal is not _SEAL:
            raise TypeError("only verify_plan makes a VerifiedProgram")


def verify_plan(
    reference: Program,
    plan: Program,
    *,
    seed: int = 0,
    rounds: int = 2,
    budget: Budget = DEFAULT_BUDGET,
) -> VerifiedProgram | Different | Undecided:
    """The plan, sealed, if it equals the reference; otherwise why it was not accepted."""
    verdict = compare(reference, plan, seed=seed, rounds=rounds, budget=budget)
    if isinstance(verdict, Equal):
        return VerifiedProgram(plan, verdict.certificate, _SEAL)
    return verdict
