"""Whole programs to choose among by measurement: combinations of the subprograms' candidates.

What a candidate costs depends on its neighbours: an eOperator beside it is fused with it or not, a
layout is absorbed or not. So whole programs are measured: the cheapest by estimate, the original,
and the cheapest with another candidate for one subprogram at a time, or for all subprograms of a
joint plan; and after that the combination of what was best for each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from einnet.expr.check import check_program
from einnet.expr.program import Program, without_dead
from einnet.program.absorbing import absorb
from einnet.program.folding import fold_constants
from einnet.program.fusion import fuse_eoperators, share_definitions
from einnet.program.joint import spliced
from einnet.program.subprograms import Candidate, Subprogram
from einnet.runtime.cuda.forms import ORIGINAL
from einnet.verify.plan import VerifiedProgram, verify_plans

CHEAPEST = "cheapest by estimate"
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
    shared = share_definitions(spliced(program, plans))
    fused = fold_constants(fuse_eoperators(shared))
    result = without_dead(fold_constants(fuse_eoperators(absorb(fused))))
    check_program(result)
    return result


def variants(
    program: Program, subprograms: Sequence[Subprogram], limit: int
) -> tuple[Variant, ...]:
    """At most `limit` different programs: the cheapest by estimate first, then the original, then
    the cheapest with one subprogram's candidate exchanged, or the candidates of a joint plan, each
    one's next cheapest first.

    In the original a library computes each subprogram as the model has it, or, where none does, a
    generated kernel.
    """
    cheapest = _cheapest(subprograms)
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
    """The first variant with every exchange that was faster by more than the share `noise`, that
    which saved most first, of those that change no subprogram twice; None if that was measured
    already.

    `seconds` are those of the measured variants by name; one that has none did not run.
    """
    first = measured[0]
    exchanges: list[tuple[float, Choices, frozenset[int]]] = []
    for variant in measured[1:]:
        changed = _changed(first.choices, variant.choices)
        took = seconds.get(variant.name)
        if took is None or took >= seconds[first.name] * (1 - noise):
            continue
        if len(changed) == 1 or _is_exchange(subprograms, first.choices, variant.choices):
            exchanges.append((took, variant.choices, changed))
    best = list(first.choices)
    exchanged = frozenset[int]()
    for _, choices, changed in sorted(exchanges, key=lambda e: e[0]):
        if not changed & exchanged:
            exchanged |= changed
            for place in changed:
                best[place] = choices[place]
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
    verdicts = verify_plans(program, [v.program for v in found], seed=seed, rounds=rounds)
    for variant, verified in zip(found, verdicts, strict=True):
        if isinstance(verified, VerifiedProgram):
            proved.append((variant, verified))
        else:
            dropped.append(f"{variant.name}: {verified}")
    return Proved(tuple(proved), tuple(dropped))


def _cheapest(subprograms: Sequence[Subprogram]) -> Choices:
    """Each subprogram's cheapest candidate by estimate, or those of a joint plan where it is
    cheaper than what it takes the place of."""
    choices = tuple(s.candidates.index(s.best) for s in subprograms)
    for place, number in _joint_parts(subprograms):
        changed = exchanged(subprograms, choices, place, number)
        if _estimate(subprograms, changed) < _estimate(subprograms, choices):
            choices = changed
    return choices


def _joint_parts(subprograms: Sequence[Subprogram]) -> Iterator[tuple[int, int]]:
    """The place and number of the first candidate of each joint plan."""
    for place, subprogram in enumerate(subprograms):
        for number, candidate in enumerate(subprogram.candidates):
            if candidate.joint and candidate.joint[0] == subprogram.name:
                yield place, number


def _estimate(subprograms: Sequence[Subprogram], choices: Choices) -> float:
    chosen = zip(subprograms, choices, strict=True)
    return sum(s.candidates[number].estimate for s, number in chosen)


def exchanged(subprograms: Sequence[Subprogram], base: Choices, place: int, number: int) -> Choices:
    """The base with another candidate for the subprogram at a place, the others of its joint plan
    with it; the rest of a joint plan that is left gets what is cheapest alone."""
    places = {s.name: n for n, s in enumerate(subprograms)}
    choices = list(base)
    wanted = subprograms[place].candidates[number]
    for name in wanted.joint or (subprograms[place].name,):
        at = places[name]
        for other in subprograms[at].candidates[choices[at]].joint:
            left = subprograms[places[other]]
            choices[places[other]] = left.candidates.index(left.best)
    choices[place] = number
    for name in wanted.joint:
        choices[places[name]] = next(
            n
            for n, c in enumerate(subprograms[places[name]].candidates)
            if (c.joint, c.operator) == (wanted.joint, wanted.operator)
        )
    return tuple(choices)


def _changed(base: Choices, choices: Choices) -> frozenset[int]:
    return frozenset(n for n, (a, b) in enumerate(zip(base, choices, strict=True)) if a != b)


def _is_exchange(subprograms: Sequence[Subprogram], base: Choices, choices: Choices) -> bool:
    """Whether the choices are the base with one candidate exchanged, or with a joint plan."""
    return any(
        exchanged(subprograms, base, place, choices[place]) == choices
        for place in _changed(base, choices)
    )


def _swaps(subprograms: Sequence[Subprogram], base: Choices) -> list[tuple[str, Choices]]:
    """The base with one exchange, in words: each subprogram's next cheapest before anyone's third,
    and what costs least more first."""
    swaps: list[tuple[int, float, str, Choices]] = []
    before = _estimate(subprograms, base)
    for place, subprogram in enumerate(subprograms):
        order = [n for n in _by_estimate(subprogram) if n != base[place]]
        least = subprogram.best.estimate
        for rank, number in enumerate(order):
            candidate = subprogram.candidates[number]
            tied = candidate.joint and candidate.joint[0] != subprogram.name
            if tied or candidate.estimate > _FAR_DEARER * least:
                continue
            choices = exchanged(subprograms, base, place, number)
            name = f"{'+'.join(candidate.joint) or subprogram.name}: {_named(candidate)}"
            swaps.append((rank, _estimate(subprograms, choices) - before, name, choices))
    return [(name, choices) for _, _, name, choices in sorted(swaps)]


def _named(candidate: Candidate) -> str:
    if candidate.is_original:
        return "generated kernel"
    return candidate.name + (" as written" if candidate.as_written else "")


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
