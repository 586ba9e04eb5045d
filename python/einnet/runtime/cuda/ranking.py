"""Ranking alternatives that compute the same: who agrees, a glance at each, heats of the best.

All of them are run once, which also loads their code, and compared; each is then timed by a few
short replays; those that can still win meet in heats, interleaved, ever fewer of them in ever more
rounds. Whatever fails on the way is left out with its reason, and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from einnet.runtime.cuda.algorithm import Candidate, Record, Unsupported
from einnet.runtime.cuda.call import Prepared


@dataclass(frozen=True)
class Heat:
    """At most `entrants` are timed against each other in `rounds` rounds: the fastest so far, of
    those that take at most `hopeless` times as long as the best."""

    entrants: int
    hopeless: float
    rounds: int


HEATS = (Heat(entrants=16, hopeless=1.5, rounds=3), Heat(entrants=6, hopeless=1.2, rounds=8))
"""A glance is short and of high clocks; steady work, for which plans are chosen, may draw the
board's full power and rank them otherwise: hence the first heat is wide."""


class Bench(Protocol):
    """Where alternatives are tried: on buffers of their own, the same for all."""

    def alone(self) -> AbstractContextManager[None]:
        """While it lasts, no other process measures on the device; the rest is called within."""
        ...

    def run(self, prepared: Prepared) -> NDArray[Any]:
        """Elements of the result of one run, from the same contents of all buffers; the result
        held something else before. `Unsupported`: it fails."""
        ...

    def glance(self, prepared: Prepared) -> float:
        """Seconds, roughly, of what was run already. `Unsupported`: it fails, or no graph can hold
        it."""
        ...

    def time(self, prepared: Mapping[str, Prepared], rounds: int) -> Mapping[str, float]:
        """Seconds of each, medians of interleaved rounds; those that fail are not in it."""
        ...


@dataclass(frozen=True)
class Ranking:
    """Algorithms with their seconds, the fastest first: those of the last heat before those that
    did not come so far. `dropped` says why others are not among them; `waiting`, `checking` and
    `timing` are the seconds that it took until no other process measured, to compare the results
    and to time them."""

    order: tuple[tuple[Record, float], ...]
    dropped: tuple[str, ...]
    waiting: float
    checking: float
    timing: float


def rank(found: Sequence[Candidate], bench: Bench, tolerance: float) -> Ranking:
    """Rank the candidates whose results agree with the first one's up to a relative `tolerance`.

    `Unsupported`: none is left; it says why of each.
    """
    came = perf_counter()
    with bench.alone():
        started = perf_counter()
        sound, dropped = agreeing(found, bench.run, tolerance)
        checked = perf_counter()
        order, failed = tournament(sound, bench)
        timed = perf_counter()
    dropped += failed
    if not order:
        raise Unsupported(f"none of {len(found)} alternatives runs: {'; '.join(dropped)}")
    return Ranking(tuple(order), tuple(dropped), started - came, checked - started, timed - checked)


def agreeing(
    found: Sequence[Candidate], run: Callable[[Prepared], NDArray[Any]], tolerance: float
) -> tuple[list[Candidate], list[str]]:
    """The candidates that run and whose result agrees with that of the first that does and has a
    finite one; if none has, as a logarithm of random numbers, with the first that runs. And why the
    others are dropped."""
    kept: list[Candidate] = []
    odd: list[Candidate] = []
    dropped: list[str] = []
    reference: NDArray[np.float64] | None = None
    first: NDArray[np.float64] | None = None
    for candidate in found:
        name = candidate.algorithm["name"]
        try:
            result = np.asarray(run(candidate.prepared), np.float64)
        except Unsupported as error:
            dropped.append(f"{name}: {error}")
            continue
        if reference is None:
            if not np.isfinite(result).all():
                first = result if first is None else first
                if relative_difference(result, first) <= tolerance:
                    odd.append(candidate)
                else:
                    dropped.append(f"{name}: it computes no finite result")
                continue
            reference = result
        difference = relative_difference(result, reference)
        if difference <= tolerance:
            kept.append(candidate)
        else:
            dropped.append(f"{name}: its result differs by {difference:.1e}")
    if reference is None:
        return odd, dropped
    dropped += [f"{c.algorithm['name']}: it computes no finite result" for c in odd]
    return kept, dropped


def tournament(
    found: Sequence[Candidate], bench: Bench
) -> tuple[list[tuple[Record, float]], list[str]]:
    """The candidates with their seconds as `Ranking` orders them, and why others are dropped."""
    standing: list[_Timed] = []
    dropped: list[str] = []
    for candidate in found:
        try:
            standing.append((bench.glance(candidate.prepared), candidate))
        except Unsupported as error:
            dropped.append(f"{candidate.algorithm['name']}: {error}")
    behind: list[_Timed] = []
    for heat in HEATS:
        standing, out, failed = _run(heat, standing, bench)
        behind = out + behind
        dropped += failed
    standing.sort(key=_seconds)
    return [(candidate.algorithm, time) for time, candidate in standing + behind], dropped


_Timed = tuple[float, Candidate]


def _seconds(entry: _Timed) -> float:
    return entry[0]


def _run(
    heat: Heat, entries: Sequence[_Timed], bench: Bench
) -> tuple[list[_Timed], list[_Timed], list[str]]:
    """Who was timed in the heat, who did not enter it, and why others are dropped. If all that
    enter fail, the next do."""
    waiting = sorted(entries, key=_seconds)
    timed: list[_Timed] = []
    failed: list[str] = []
    while waiting and not timed:
        slowest = heat.hopeless * waiting[0][0]
        entered = [c for time, c in waiting[: heat.entrants] if time <= slowest]
        waiting = waiting[len(entered) :]
        times = bench.time({f"{i}": c.prepared for i, c in enumerate(entered)}, heat.rounds)
        for i, candidate in enumerate(entered):
            if f"{i}" in times:
                timed.append((times[f"{i}"], candidate))
            else:
                failed.append(f"{candidate.algorithm['name']}: it cannot be replayed")
    return timed, waiting, failed


def relative_difference(result: NDArray[Any], reference: NDArray[Any]) -> float:
    """`|result - reference| / |reference|` in the Euclidean norm, of the finite elements; infinite
    if other elements are not the same in both."""
    wide, other = np.asarray(reference, np.float64), np.asarray(result, np.float64)
    finite = np.isfinite(wide)
    if not finite.all():
        if not np.array_equal(other[~finite], wide[~finite], equal_nan=True):
            return float("inf")
        wide, other = wide[finite], other[finite]
    difference = _norm(other - wide)
    if not np.isfinite(difference):
        return float("inf")
    return difference / max(_norm(wide), float(np.finfo(np.float64).tiny))


def _norm(values: NDArray[np.float64]) -> float:
    """The Euclidean norm. Not numpy's, whose BLAS wakes threads for it: milliseconds, not tens of
    microseconds, of a search's time for each algorithm."""
    return float(np.sqrt(np.square(values).sum()))
