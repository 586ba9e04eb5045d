"""Choosing one candidate for each subprogram: every candidate is proved, the fastest measured wins.

A joint plan of several subprograms is compared with what was chosen for each. The original is
always among the candidates. A candidate that is not proved equal is dropped with its reason, never
used and never timed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from einnet.expr.program import Definition, Program
from einnet.options import Options
from einnet.program.folding import fold_constants
from einnet.program.fusion import fuse_eoperators
from einnet.program.joint import Joint, entered, part_of, spliced
from einnet.program.subprograms import Candidate, Subprogram
from einnet.runtime.measure import Samples
from einnet.tuning.candidates import time_candidates
from einnet.verify.certificate import Certificate
from einnet.verify.plan import VerifiedProgram, verify_plan

ORIGINAL = "original"
APART = "apart"
"""What the samples of a joint plan are compared with: the members' own choices."""


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


@dataclass(frozen=True)
class Proved:
    """The candidates of a subprogram that were proved, by name, and why others were refused."""

    subprogram: Subprogram
    candidates: Mapping[str, tuple[Candidate, VerifiedProgram]]
    dropped: tuple[str, ...]


def prove(subprogram: Subprogram, constants: frozenset[str], options: Options) -> Proved:
    """Verify the candidates."""
    reference = _as_program(subprogram.definition, (subprogram.definition,), constants)
    proved: dict[str, tuple[Candidate, VerifiedProgram]] = {}
    dropped: list[str] = []
    for number, candidate in enumerate(subprogram.candidates):
        plan = replace(reference, statements=candidate.statements)
        verified = verify_plan(reference, plan, seed=options.seed, rounds=options.rounds)
        name = f"{candidate.name} ({number})" if candidate.operator else ORIGINAL
        if isinstance(verified, VerifiedProgram):
            proved[name] = candidate, verified
        else:
            dropped.append(f"{name}: {verified}")
    return Proved(subprogram, proved, tuple(dropped))


def choose(proved: Proved, options: Options) -> Choice:
    """Time the candidates that are proved, take the fastest."""
    samples: dict[str, Samples] = {}
    found = proved.candidates
    if options.measure and len(found) > 1:
        programs = {name: verified for name, (_, verified) in found.items()}
        samples = time_candidates(programs, options.repetitions, options.seed)
        best = min(samples, key=lambda name: samples[name].median)
    else:
        best = min(found, key=lambda name: found[name][0].estimate)
    candidate, verified = found[best]
    certificate = verified.certificate
    return Choice(proved.subprogram, best, candidate, certificate, samples, proved.dropped)


@dataclass(frozen=True)
class ProvedJoint:
    """A joint plan, and the part of the program that it computes: as it was chosen apart from the
    plan, and by the plan, both proved."""

    joint: Joint
    apart: VerifiedProgram
    together: VerifiedProgram


def prove_joint(
    program: Program, joint: Joint, choices: Sequence[Choice], options: Options
) -> ProvedJoint | str:
    """Verify the part of the program that a joint plan computes; why it is not used if it is not
    proved."""
    part = part_of(program, joint.names)
    chosen = {
        c.subprogram.name: c.candidate.statements
        for c in choices
        if c.subprogram.name in joint.plans
    }
    proved: list[VerifiedProgram] = []
    for plans in (chosen, joint.plans):
        plan = fold_constants(fuse_eoperators(spliced(part, plans)))
        verified = verify_plan(part, plan, seed=options.seed, rounds=options.rounds)
        if not isinstance(verified, VerifiedProgram):
            return f"{joint.operator}, mutant {joint.mutant}: {verified}"
        proved.append(verified)
    return ProvedJoint(joint, *proved)


def choose_joint(
    proved: ProvedJoint, choices: Sequence[Choice], options: Options
) -> tuple[Choice, ...]:
    """The choices, or, where the joint plan takes less time than them, that for its members."""
    joint = proved.joint
    members = [c for c in choices if c.subprogram.name in joint.plans]
    name = f"{joint.operator}, mutant {joint.mutant}"
    samples: dict[str, Samples] = {}
    if options.measure:
        programs = {APART: proved.apart, name: proved.together}
        samples = time_candidates(programs, options.repetitions, options.seed)
        wins = samples[name].median < samples[APART].median
    else:
        wins = joint.estimate < sum(c.candidate.estimate for c in members)
    if not wins:
        return tuple(choices)
    entries = {s.name: s for s in entered([c.subprogram for c in members], joint)}
    return tuple(
        replace(
            choice,
            subprogram=entries[choice.subprogram.name],
            name=name,
            candidate=entries[choice.subprogram.name].candidates[-2],
            certificate=proved.together.certificate,
            samples=samples,
        )
        if choice.subprogram.name in entries
        else choice
        for choice in choices
    )


def _as_program(
    definition: Definition, statements: tuple[Definition, ...], constants: frozenset[str]
) -> Program:
    weights = frozenset(t.name for t in definition.operands if t.name in constants)
    return Program(
        definition.result.name, definition.operands, statements, (definition.result,), weights
    )
