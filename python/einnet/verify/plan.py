"""Programs that may be lowered: those that the verifier proved equal to their reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from einnet.expr.program import Program
from einnet.verify.certificate import Certificate
from einnet.verify.change import parting
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


def verify_plans(
    reference: Program,
    plans: Sequence[Program],
    *,
    seed: int = 0,
    rounds: int = 2,
    budget: Budget = DEFAULT_BUDGET,
) -> tuple[VerifiedProgram | Different | Undecided, ...]:
    """As `verify_plan`, for plans that have much in common: one after the first that is proved is
    compared with that one, and only where the two part. If they are not shown equal so, it is
    compared with the reference."""
    found: list[VerifiedProgram | Different | Undecided] = []
    first: VerifiedProgram | None = None
    for plan in plans:
        verdict = None
        parts = None if first is None else parting(first.program, plan)
        if first is not None and parts is not None:
            part = compare(*parts, seed=seed, rounds=rounds, budget=budget)
            if isinstance(part, Equal):
                verdict = VerifiedProgram(plan, _both(first.certificate, part.certificate), _SEAL)
        if verdict is None:
            verdict = verify_plan(reference, plan, seed=seed, rounds=rounds, budget=budget)
        if first is None and isinstance(verdict, VerifiedProgram):
            first = verdict
        found.append(verdict)
    return tuple(found)


def _both(first: Certificate, second: Certificate) -> Certificate:
    """The certificate of what two proofs together show."""
    return replace(
        first,
        segments=(*first.segments, *second.segments),
        comparisons=first.comparisons + second.comparisons,
    )
