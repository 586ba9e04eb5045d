"""Which threads share a long sum: schedules of `codegen.gpu.reduce`.

Sums that read everything once go along memory. In a contraction each element is read for many
results, which a thread then computes together, a tile of them: how many loads a product costs is
what decides.
"""

from __future__ import annotations

from collections.abc import Iterator as Iterable_
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Literal

from einnet.codegen.gpu.flat import Flat, others, side, stride
from einnet.codegen.gpu.functions import arithmetic_type
from einnet.codegen.gpu.host import BYTES, Buffer
from einnet.codegen.gpu.sums import SHUFFLED, is_whole, sum_of
from einnet.codegen.gpu.values import VECTOR_BYTES, reads_of, tensor_of
from einnet.expr.index import iterators_of
from einnet.expr.nodes import Iterator, Read
from einnet.expr.program import Definition

_LONG = 32
"""Sums of fewer points than this are left to one thread."""

WARP = 32
_MOST_GROUP = 512
_COLUMN_THREADS = 512
_SECTOR_BYTES = 32
"""What memory delivers at least: fewer bytes side by side waste bandwidth."""

_MULTIPROCESSORS = 132
_BUSY = _MULTIPROCESSORS * 1024
"""Threads that keep the memory of an H100 busy."""

_STEPS = 8
"""A thread that steps through a sum fewer times than this had better be fewer threads."""

UNROLL = 4
"""Vectors of one read that a thread loads before it adds them."""

_MOST_SIDE = 8
"""Results of a tile along one iterator."""

_REGISTERS = 72
"""Of a thread, for a tile's sums and one vector of each load."""

_IN_FLIGHT = 16
"""Vectors that a thread with a tile loads before it uses them."""

_FILLED = _MULTIPROCESSORS * 128
"""Threads enough where each has many loads in flight."""

_LARGE = 8
"""Reads of this many times fewer elements than the largest are left to the caches."""


@dataclass(frozen=True)
class Reduce:
    """`group` threads share a sum, `outputs` times in a block, in vectors of `vector` elements.

    `axis` counts the iterators that are left of the sum (row) or of the results (column) when those
    that memory does not tell apart are one: it is the contiguous one. All but it are powers of two.
    In a row, threads may share several sums: `tile` says how many neighbours along which of the
    results' iterators, in all no more than a group or a warp has threads.
    """

    form: Literal["row", "column"]
    axis: int
    vector: int
    group: int
    outputs: int
    unroll: int = UNROLL
    tile: tuple[tuple[int, int], ...] = ()


def reductions(definition: Definition, buffers: Mapping[str, Buffer]) -> tuple[Reduce, ...]:
    """The default, then others. Empty if there is not exactly one long sum, if it reads nothing
    side by side, or if results side by side keep the GPU busy alone; but never where a sum is
    nested that only this kernel computes (`sums.is_whole`)."""
    flat = sum_of(definition, buffers)
    if flat is None or arithmetic_type(definition) not in SHUFFLED:
        return ()
    points = prod(i.extent for i in flat.summation)
    results = prod(i.extent for i in flat.traversal)
    if points < _LONG:
        return ()
    names = {i.name for i in flat.summation}
    inner = dict.fromkeys(r for r, _ in reads_of(flat.bodies[0]))
    reads = [r for r in inner if iterators_of(r.index[0]) & names]
    needed = is_whole(definition)
    found = _contiguous(flat, reads) or (("row", 0, None) if needed else None)
    if found is None:
        return ()
    form, axis, read = found
    width = size = 1
    if read is not None:
        iterator = (flat.summation if form == "row" else flat.traversal)[axis]
        size = BYTES[buffers[tensor_of(read).name].dtype]
        moves = [others(read.index[0], iterator.name)]
        width = side(VECTOR_BYTES // size, iterator.extent, moves)
    unroll = max(1, UNROLL // max(1, len(reads)))
    if form == "column":
        columns = _columns(axis, width, size, points, results, unroll)
        return columns or ((Reduce("column", axis, width, 1, WARP, unroll),) if needed else ())
    tiled = _tiled(flat, reads, axis, width, size, points // width, results)
    return tiled or _rows(axis, width, points // width, results, unroll)


def _contiguous(
    flat: Flat, reads: Sequence[Read]
) -> tuple[Literal["row", "column"], int, Read] | None:
    """The axis along which neighbouring threads had better go: the contiguous one of a large read,
    along which no other large read strides. The results' own if a read slides along both. Where
    others stride, the sum's: too few threads would be worse."""
    large = sorted(reads, key=lambda r: -_elements(flat, r))
    large = [r for r in large if _elements(flat, r) * _LARGE >= _elements(flat, large[0])]
    for read in large:
        sides: tuple[tuple[Literal["row", "column"], tuple[Iterator, ...]], ...] = (
            ("column", flat.traversal),
            ("row", flat.summation),
        )
        for form, iterators in sides:
            for axis, iterator in enumerate(iterators):
                if stride(read.index[0], iterator.name) == 1 and all(
                    stride(r.index[0], iterator.name) in (0, 1) for r in large
                ):
                    return form, axis, read
    results = prod(i.extent for i in flat.traversal)
    for read in large:
        for axis, iterator in enumerate(flat.summation):
            if stride(read.index[0], iterator.name) == 1 and results < _BUSY:
                return "row", axis, read
    return None


@dataclass(frozen=True)
class _Tile:
    """Neighbouring results along iterators of the results, by number: how many there are, and how
    many loads a thread needs for a vector of each of their sums."""

    sides: tuple[tuple[int, int], ...]
    results: int
    loads: int


def _tiled(
    flat: Flat, reads: Sequence[Read], axis: int, width: int, size: int, steps: int, results: int
) -> tuple[Reduce, ...]:
    """Rows for a contraction that has work for many threads even in tiles."""
    along = flat.summation[axis].name
    tiles = [
        t
        for t in _tiles(flat, reads, along, width)
        if t.results + t.loads * -(-width * size // 4) <= _REGISTERS
        and results // t.results * steps >= _FILLED
    ]
    best = min(tiles, key=lambda t: (t.loads / t.results, t.results), default=None)
    if best is None or best.results == 1:
        return ()
    smaller = [t for t in tiles if 2 * t.results <= best.results]
    others_ = sorted(smaller, key=lambda t: t.loads / t.results)
    return tuple(s for t in (best, *others_[:1]) for s in _sized(t, axis, width, steps, results))


def _sized(tile: _Tile, axis: int, width: int, steps: int, results: int) -> Iterable_[Reduce]:
    """Schedules with the tile, for one group and for twice as many threads."""
    count = results // tile.results
    group = 1 << max(2, (tile.results - 1).bit_length())
    while group < _MOST_GROUP and count * group < _FILLED and steps >= 4 * group:
        group *= 2
    unroll = max(1, _IN_FLIGHT // tile.loads)
    for threads in (group, 2 * group):
        if threads > _MOST_GROUP or steps < threads:
            continue
        outputs = max(1, 256 // threads)
        while outputs > max(1, WARP // threads) and count < outputs * _MULTIPROCESSORS:
            outputs //= 2
        yield Reduce("row", axis, width, threads, outputs, unroll, tile.sides)


def _tiles(flat: Flat, reads: Sequence[Read], along: str, width: int) -> Iterable_[_Tile]:
    sides = [[n for n in range(1, _MOST_SIDE + 1) if not i.extent % n] for i in flat.traversal]
    for counts in product(*sides):
        loads = 0
        for read in reads:
            step = stride(read.index[0], along)
            vectors = width if step not in (0, 1) else 1
            loads += vectors * prod(
                n
                for i, n in zip(flat.traversal, counts, strict=True)
                if stride(read.index[0], i.name) != 0
            )
        if prod(counts) <= WARP:
            chosen = tuple((d, n) for d, n in enumerate(counts) if n > 1)
            yield _Tile(chosen, prod(counts), loads)


def _rows(axis: int, width: int, steps: int, results: int, unroll: int) -> tuple[Reduce, ...]:
    group = min(WARP, _floor_power(steps))
    while group < _MOST_GROUP and (
        steps >= 2 * group * _STEPS or (results * group < _BUSY and steps >= 2 * group)
    ):
        group *= 2
    found: list[Reduce] = []
    for threads in (group, 2 * group):
        if threads > _MOST_GROUP or (found and steps < threads):
            continue
        outputs = max(1, WARP // threads)
        while outputs * threads < 128 and results >= 4 * _MULTIPROCESSORS * outputs:
            outputs *= 2
        found.append(Reduce("row", axis, width, threads, outputs, unroll))
    return tuple(found)


def _columns(
    axis: int, width: int, size: int, points: int, results: int, unroll: int
) -> tuple[Reduce, ...]:
    def blocks(width: int, outputs: int) -> int:
        return -(-results // (width * outputs))

    outputs = WARP
    while width > 1 and blocks(width, outputs) < 2 * _MULTIPROCESSORS:
        width //= 2
    while outputs * width * size > _SECTOR_BYTES and blocks(width, outputs) < _MULTIPROCESSORS:
        outputs //= 2
    group = 1
    while (
        group * outputs < _COLUMN_THREADS
        and group < 128
        and points >= 2 * group * _STEPS
        and (results // width) * group < _BUSY
    ):
        group *= 2
    if group == 1:
        return ()
    # A block of whole warps.
    while group * outputs < WARP:
        outputs *= 2
    found = [Reduce("column", axis, width, group, outputs, unroll)]
    if group > 2 and group * outputs > WARP:
        found.append(Reduce("column", axis, width, group // 2, outputs, unroll))
    return tuple(found)


def _floor_power(number: int) -> int:
    return 1 << (number.bit_length() - 1)


def _elements(flat: Flat, read: Read) -> int:
    iterators = flat.traversal + flat.summation
    return prod(i.extent for i in iterators if stride(read.index[0], i.name) != 0)
