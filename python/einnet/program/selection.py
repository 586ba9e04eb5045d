"""Choosing one candidate for each subprogram: every candidate is proved, the fastest measured wins.

The original is always among the candidates. A candidate that is not proved equal is dropped with
its reason, never used and never timed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from einnet.expr.program import Definition, Program
from einnet.options import Options
from einnet.program.subprograms import Candidate, Subprogram
from einnet.runtime.measure import Samples
from einnet.tuning.candidates import time_candidates
from einnet.verify.certificate import Certificate
from einnet.verify.plan import VerifiedProgram, verify_plan

ORIGINAL = "original"


@dataclass(frozen=True)
class Choice:
    """The candidate that a subprogram gets, its proof, and what was measured.

    `samples` holds a row for each timed candidate by name, `original` among them, and is empty if
    nothing was measured; `name` is the chosen one's; `dropped` says why candidates were refused.
    """

    subprogram: Subprogram
    name: str
    candidate: Candidate
    certificate: Certificate
    samples: dict[str, Samples]
    dropped: tuple[str, ...]


def choose(subprogram: Subprogram, constants: frozenset[str], options: Options) -> Choice:
    """Verify the candidates, time those that are proved, take the fastest."""
    reference = _as_program(subprogram.definition, (subprogram.definition,), constants)
    proved: dict[str, tuple[Candidate, VerifiedProgram]] = {}
    dropped: list[str] = []
    for number, candidate in enumerate(subprogram.candidates):
        plan = replace(reference, statements=candidate.statements)
        verified = verify_plan(reference, plan, seed=options.seed, rounds=options.rounds)
        name = ORIGINAL if candidate.is_original else f"{candidate.operator} ({number})"
        if isinstance(verified, VerifiedProgram):
            proved[name] = candidate, verified
        else:
            dropped.append(f"{name}: {verified}")
    samples: dict[str, Samples] = {}
    if options.measure and len(proved) > 1:
        programs = {name: verified for name, (_, verified) in proved.items()}
        samples = time_candidates(programs, options.repetitions, options.seed)
        best = min(samples, key=lambda name: samples[name].median)
    else:
        best = min(proved, key=lambda name: proved[name][0].estimate)
    candidate, verified = proved[best]
    return Choice(subprogram, best, candidate, verified.certificate, samples, tuple(dropped))


def _as_program(
    definition: Definition, statements: tuple[Definition, ...], constants: frozenset[str]
) -> Program:
    weights = frozenset(t.name for t in definition.operands if t.name in constants)
    return Program(
        definition.result.name, definition.operands, statements, (definition.result,), weights
    )
