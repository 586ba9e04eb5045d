"""Whole programs to choose among by measurement: combinations of the subprograms' candidates.

What a candidate costs depends on its neighbours: an eOperator beside it is fused with it or not, a
layout is absorbed or not. So whole programs are measured: the cheapest by estimate, the original,
and the cheapest with another candidate for one subprogram at a time; and after that the combination
of what was best for each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from einnet.expr.check import check_program
from einnet.expr.program import Program, splice, without_dead
from einnet.program.absorbing import absorb
from einnet.program.folding import fold_constants
from einnet.program.fusion import fuse_eoperators, share_definitions
from einnet.program.subprograms import Candidate, Subprogram
from einnet.verify.plan import VerifiedProgram, verify_plan

CHEAPEST = "cheapest by estimate"
ORIGINAL = "original"
COMBINED = "combined"

_FAR_DEARER = 10.0
"""A candidate whose estimate is this many times the cheapest one's is not worth a measurement of
its own; as part of the original it has one."""

Choices = tuple[int, ...]
"""The number of the candidate that each subprogram gets."""


@dataclass(frozen=True)
class Variant:
    """A whole program with one candidate for each subprogram, not proved yet. `name` is unique
    among the variants of a program."""

    name: str
    choices: Choices
    program: Program


@dataclass(frozen=True)
class Proved:
    """The variants that were proved equal to the program, with their proofs, and why others were
    dropped."""

    variants: tuple[tuple[Variant, VerifiedProgram], ...]
    dropped: tuple[str, ...]


def assembled(program: Program, subprograms: Sequence[Subprogram], choices: Choices) -> Program:
    """The program with the chosen plans: fused, constants folded, layouts and scales absorbed."""
    chosen = zip(subprograms, choices, strict=True)
    plans = {s.name: s.candidates[number].statements for s, number in chosen}
    shared = share_definitions(splice(program, plans))
    fused = fold_constants(fuse_eoperators(shared))
    result = without_dead(fold_constants(fuse_eoperators(absorb(fused))))
    check_program(result)
    return result


def variants(
    program: Program, subprograms: Sequence[Subprogram], limit: int
) -> tuple[Variant, ...]:
    """At most `limit` different programs: the cheapest by estimate first, then the original, then
    the cheapest with one subprogram's candidate exchanged, each one's next cheapest first.

    In the original a library computes each subprogram as the model has it, or, where none does, a
    generated kernel.
    """
    cheapest = tuple(_by_estimate(s)[0] for s in subprograms)
    found: list[Variant] = []
    for name, choices in [
        (CHEAPEST, cheapest),
        (ORIGINAL, tuple(_as_written(s) for s in subprograms)),
        *_swaps(subprograms, cheapest),
    ]:
        if len(found) >= limit:
            break
        if any(v.choices == choices for v in found):
            continue
        variant = Variant(name, choices, assembled(program, subprograms, choices))
        if all(v.program != variant.program for v in found):
            found.append(variant)
    return tuple(found)


def combined(
    program: Program,
    subprograms: Sequence[Subprogram],
    measured: Sequence[Variant],
    seconds: Mapping[str, float],
    noise: float = 0.0,
) -> Variant | None:
    """The first variant with every exchange of one candidate that was faster by more than the share
    `noise`, the fastest for each subprogram; None if that was measured already.

    `seconds` are those of the measured variants by name; one that has none did not run.
    """
    first = measured[0]
    best = list(first.choices)
    least = [seconds[first.name] * (1 - noise)] * len(best)
    for variant in measured[1:]:
        changed = [p for p, n in enumerate(variant.choices) if n != first.choices[p]]
        if len(changed) != 1 or variant.name not in seconds:
            continue
        (place,) = changed
        if seconds[variant.name] < least[place]:
            least[place] = seconds[variant.name]
            best[place] = variant.choices[place]
    choices = tuple(best)
    if any(v.choices == choices for v in measured):
        return None
    return Variant(COMBINED, choices, assembled(program, subprograms, choices))


def verified_variants(
    program: Program, found: Sequence[Variant], *, seed: int = 0, rounds: int = 2
) -> Proved:
    """The variants that are proved equal to the program as a whole."""
    proved: list[tuple[Variant, VerifiedProgram]] = []
    dropped: list[str] = []
    for variant in found:
        verified = verify_plan(program, variant.program, seed=seed, rounds=rounds)
        if isinstance(verified, VerifiedProgram):
            proved.append((variant, verified))
        else:
            dropped.append(f"{variant.name}: {verified}")
    return Proved(tuple(proved), tuple(dropped))


def _swaps(subprograms: Sequence[Subprogram], base: Choices) -> list[tuple[str, Choices]]:
    """The base with one candidate exchanged, in words: each subprogram's next cheapest before
    anyone's third, and what costs least more first."""
    swaps: list[tuple[int, float, str, Choices]] = []
    for place, subprogram in enumerate(subprograms):
        order = _by_estimate(subprogram)
        least = subprogram.candidates[order[0]].estimate
        for rank, number in enumerate(order[1:]):
            candidate = subprogram.candidates[number]
            if candidate.estimate > _FAR_DEARER * least:
                continue
            choices = (*base[:place], number, *base[place + 1 :])
            name = f"{subprogram.name}: {_named(candidate)}"
            swaps.append((rank, candidate.estimate - least, name, choices))
    return [(name, choices) for _, _, name, choices in sorted(swaps)]


def _named(candidate: Candidate) -> str:
    if candidate.is_original:
        return "generated kernel"
    return candidate.operator + (" as written" if candidate.as_written else "")


def _by_estimate(subprogram: Subprogram) -> list[int]:
    """The candidates' numbers, the cheapest first."""
    candidates = subprogram.candidates
    return sorted(range(len(candidates)), key=lambda number: candidates[number].estimate)


def _as_written(subprogram: Subprogram) -> int:
    """The candidate that computes the subprogram as the model has it."""
    for number, candidate in enumerate(subprogram.candidates):
        if candidate.as_written:
            return number
    return len(subprogram.candidates) - 1
