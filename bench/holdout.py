"""Variants that nobody tuned for: operators drawn with a seed that the reader chooses.

A variant is a convolution, a transposed convolution or a banded product of one to three spatial
dimensions with random kernel, stride, padding, dilation and sizes. Its iterators are renamed, the
dimensions of its operands and result permuted, its operands swapped. Each has to become a matrix
product, and a dense operator of stride 1 and dilation 1 where there is one.

There is one with a window on an axis if two taps read elements one step of the window apart for
one output, and two outputs read such elements by one tap. Along an axis with stride s and dilation
d, g their greatest common divisor, taps s/g apart read the same residue class modulo s, and so do
outputs d/g apart. For a transposed convolution both are s apart. Only reads inside the input count.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import gcd
from random import Random
from typing import NamedTuple

from bench.measure import timed, verify
from bench.rows import LARGE, Bounds, Outcome, outcome, program_of
from bench.starts import Axis, Start, convolution, g2bmm, transposed
from einnet.expr.nodes import Iterator, Read, Scope, Tensor, Term
from einnet.expr.transform import rename
from einnet.operators.banded import G2BMM
from einnet.operators.contraction import Match, estimate
from einnet.operators.convolution import any_convolution
from einnet.operators.cost import CPU
from einnet.operators.product import PRODUCT
from einnet.operators.target import Target
from einnet.search.converge import FIRST, Limits, search

VARIANTS = 40
MISSES_OF_PRODUCT = 1
MISSES_OF_DENSE = 2

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Variant:
    """A start, its dense target, and the number of windows that its dense form has (0: none)."""

    name: str
    start: Start
    rank: int
    dense: Target
    windows: int


@dataclass(frozen=True)
class Reached:
    """One variant and target: states and CPU seconds, whether found and verified, and in limits."""

    name: str
    target: str
    first_visited: int
    first_seconds: float
    visited: int
    seconds: float
    found: str
    verified: bool
    problem: str

    @property
    def counts(self) -> bool:
        return not self.problem


@dataclass(frozen=True)
class HeldOut:
    """All variants of one seed, and what fell short."""

    seed: int
    product: tuple[Reached, ...]
    dense: tuple[Reached, ...]
    short: tuple[str, ...]


def draw(seed: int, number: int = VARIANTS) -> list[Variant]:
    """The variants of a seed."""
    random = Random(seed)
    return [_variant(random) for _ in range(number)]


def _variant(random: Random) -> Variant:
    kind = random.choices(("conv", "convT", "g2bmm"), (5, 3, 2))[0]
    if kind == "g2bmm":
        batch, m, k = random.randint(1, 4), random.randint(20, 200), random.randint(2, 32)
        width, dilation = random.randint(1, 8), random.randint(1, 5)
        start = g2bmm(batch, m, k, width, dilation)
        name = f"g2bmm b{batch} m{m} k{k} W{width} d{dilation}"
        return Variant(name, disguised(start, random), 1, G2BMM, int(m > dilation))
    rank = random.randint(1, 3)
    while True:
        axes = tuple(_axis(random, rank, kind) for _ in range(rank))
        extents = [_output(a, kind) for a in axes]
        if all(e > 0 for e in extents):
            break
    batch, channels, filters = (random.randint(1, 4), *(random.randint(2, 16) for _ in "cf"))
    make = convolution if kind == "conv" else transposed
    start = make(batch, channels, filters, axes)
    shown = " ".join(map(_shown, axes))
    name = f"{kind} n{batch} c{channels} f{filters} {shown}"
    windows = sum(_has_window(a, kind) for a in axes)
    return Variant(name, disguised(start, random), rank, any_convolution(rank), windows)


def _axis(random: Random, rank: int, kind: str) -> Axis:
    kernel = random.randint(1, 9 if rank == 1 else 5)
    extent = random.randint(5, {1: 60, 2: 30, 3: 12}[rank])
    stride = random.randint(1, 4)
    if kind == "convT":
        extra = random.randint(0, min(stride - 1, 1))
        return Axis(extent, kernel, stride, random.randint(0, kernel // 2), 1, extra)
    dilation = random.randint(1, 3)
    return Axis(extent, kernel, stride, random.randint(0, dilation * (kernel - 1)), dilation)


def _shown(axis: Axis) -> str:
    return (
        f"[{axis.extent} k{axis.kernel} s{axis.stride} p{axis.padding} d{axis.dilation}"
        f"{f' op{axis.output_padding}' if axis.output_padding else ''}]"
    )


def _output(a: Axis, kind: str) -> int:
    if kind == "conv":
        return (a.extent + 2 * a.padding - a.dilation * (a.kernel - 1) - 1) // a.stride + 1
    return (a.extent - 1) * a.stride - 2 * a.padding + a.kernel + a.output_padding


def _has_window(a: Axis, kind: str) -> bool:
    """Whether the axis has a dense window, see the head of this file."""

    def counts(h: int, r: int) -> bool:
        if kind == "conv":
            return 0 <= a.stride * h + a.dilation * r - a.padding < a.extent
        e = h + a.padding - r
        return e % a.stride == 0 and 0 <= e // a.stride < a.extent

    live = {(h, r) for h in range(_output(a, kind)) for r in range(a.kernel) if counts(h, r)}
    common = gcd(a.stride, a.dilation)
    along_taps = a.stride // common
    along_outputs = a.dilation // common if kind == "conv" else a.stride
    return any((h, r + along_taps) in live for h, r in live) and any(
        (h + along_outputs, r) in live for h, r in live
    )


def disguised(start: Start, random: Random) -> Start:
    """The same computation with other names and orders."""
    scope = start.scope
    names = [i.name for i in scope.traversal + scope.summation]
    letters = random.sample(_LETTERS, len(names))
    renamed = rename(scope, dict(zip(names, (f"{c}{c}" for c in letters), strict=True)))
    tensors: list[Tensor] = []

    def permuted(read: Read) -> Read:
        source = read.source
        assert isinstance(source, Tensor)
        order = random.sample(range(len(read.index)), len(read.index))
        tensor = replace(source, shape=tuple(source.shape[p] for p in order))
        tensors.append(tensor)
        return Read(tensor, tuple(read.index[p] for p in order))

    def shuffled(iterators: Sequence[Iterator]) -> tuple[Iterator, ...]:
        return tuple(random.sample(iterators, len(iterators)))

    reads = [permuted(read) for read in renamed.term.reads]
    random.shuffle(reads)
    body = (Term(tuple(reads), renamed.term.guards, renamed.term.coefficient),)
    changed = Scope(shuffled(renamed.traversal), shuffled(renamed.summation), body)
    return Start(changed, tuple(tensors), start.weights)


def reach(variant: Variant, target: Target, windows: int) -> Reached:
    """Search one variant for one target with at least so many windows, and verify what counts."""
    start = variant.start
    reference = program_of(start)
    bounds = LARGE if variant.rank > 2 else Bounds()

    def cost(match: Match) -> float:
        return estimate(match, CPU, start.weights)

    def run(limits: Limits) -> Outcome:
        return outcome(search(start.scope, cost, limits, target), reference)

    first, first_seconds = _timed(lambda: run(FIRST), bounds.first_seconds)
    best, seconds = _timed(lambda: run(Limits()), bounds.seconds)
    wanted = [d for d in best.found if len(d.kernel) >= windows]
    early = first.found[:1]
    verified = verify(reference, [*early, *wanted[:1]])
    problems = [
        "" if early else "no first match",
        "" if wanted else "not found",
        "" if verified.equal == verified.compared else "not shown equal",
        "" if first.visited <= bounds.first_visited else f"first visited {first.visited}",
        "" if first_seconds <= bounds.first_seconds else f"first took {first_seconds:.3f} s",
        "" if best.visited <= bounds.visited else f"visited {best.visited}",
        "" if seconds <= bounds.seconds else f"took {seconds:.3f} s",
    ]
    return Reached(
        variant.name,
        target.name,
        first.visited,
        first_seconds,
        best.visited,
        seconds,
        wanted[0].text if wanted else "",
        verified.equal == verified.compared,
        ", ".join(p for p in problems if p),
    )


class _Timed(NamedTuple):
    outcome: Outcome
    seconds: float


def _timed(search: Callable[[], Outcome], limit: float) -> _Timed:
    """One run, and two more if it took too long: another process may have been in the way."""
    result, seconds = timed(search, 1)
    if seconds > limit:
        seconds = min(seconds, timed(search, 2)[1])
    return _Timed(result, seconds)


def run(seed: int, number: int = VARIANTS) -> HeldOut:
    """Draw, search and verify; prints a line for each variant and target."""
    begin = time.process_time()
    product: list[Reached] = []
    dense: list[Reached] = []
    for variant in draw(seed, number):
        product.append(reach(variant, PRODUCT, 0))
        _print(product[-1])
        if variant.windows:
            dense.append(reach(variant, variant.dense, variant.windows))
            _print(dense[-1])
    short: list[str] = []
    for what, results, misses in (
        ("product", product, MISSES_OF_PRODUCT),
        ("dense form", dense, MISSES_OF_DENSE),
    ):
        reached = sum(r.counts for r in results)
        print(f"{what}: {reached} of {len(results)} reached, verified and within the limits")
        if reached < len(results) - misses:
            short.append(f"{what}: {len(results) - reached} of {len(results)} missed")
    print(f"{time.process_time() - begin:.0f} s in all")
    return HeldOut(seed, tuple(product), tuple(dense), tuple(short))


def _print(r: Reached) -> None:
    print(
        f"{r.name:75s} {r.target:7s} {r.first_visited:3d} {1e3 * r.first_seconds:4.0f} ms "
        f"{r.visited:4d} {1e3 * r.seconds:4.0f} ms  {r.found}"
        f"{f'  MISSED: {r.problem}' if r.problem else ''}",
        flush=True,
    )
