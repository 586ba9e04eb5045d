"""Gathering from a window in shared memory: for sums of elements that lie across the warp.

    L<n,h,w> S<r:5,s:5> T[n,h+r-2,w+s-2,r,s]

Threads in a row want elements 25 apart, and an element beside a wanted one is wanted by another
thread: each line of memory is asked for over and over. Here a block computes a box of the result,
its tile. It first copies what the tile's positions may read, its window of the tensor, into shared
memory: whole runs of it, as long as they are in memory. What windows of neighbouring blocks share
is read by both, mostly from the L2 cache.

A window is a box of the tensor's index space and keeps the tensor's own order, so that copies are
vectors. It may reach out of the tensor: what is copied there is some other element, and is not
used, since zero-extension is a guard of the term that reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

from einnet.bridge.unroll import unrolled
from einnet.codegen.gpu.gather import Repeat, memory_order, residues
from einnet.codegen.gpu.host import BYTES, Buffer
from einnet.codegen.gpu.skipping import thinned
from einnet.codegen.gpu.values import (
    VECTOR_BYTES,
    at,
    offset,
    reads_of,
    tensor_of,
)
from einnet.expr.index import (
    FloorDiv,
    Index,
    Range,
    Ranges,
    bounds,
    constant,
    evaluate,
    iterators_of,
    linear,
    var,
)
from einnet.expr.nodes import Body, Read, Scope, Tensor
from einnet.expr.program import Definition


@dataclass(frozen=True)
class _Aim:
    """What a tile is made for. A window has at most `budget` bytes: small ones leave room for
    several blocks on a multiprocessor, large ones overlap less. There are `blocks`, or the tile is
    made smaller: two for each multiprocessor of an H100, or, where one wave of blocks does it all,
    three for every four. `run` is what copying a run costs besides its own bytes."""

    budget: int
    blocks: int
    run: int


_LINE_BYTES = 128
_SLACK = 1024
_SMALL, _LARGE = 24 * 1024, 48 * 1024 - _SLACK
"""Runs may be a vector longer; a block has 48 KB of static shared memory."""

_AIMS = (
    _Aim(_SMALL, 264, 0),
    _Aim(_SMALL, 264, _LINE_BYTES),
    _Aim(_LARGE, 264, 0),
    _Aim(_SMALL, 100, _LINE_BYTES),
)

_FEWEST = 4
"""A tensor of which a position reads fewer elements than this is no sum to stage."""

_SCATTERED = 2
"""A warp's read is worth staging if it touches this many times the sectors that it has to."""

_NARROW = 0.15
"""What it costs that copies are half as wide."""

_SECTOR_BYTES = 32
_WARP = 32
_THREADS = (64, 256)
_FEW_COPIES = 4
"""Of one thread, where more threads can be had."""

_MOST_COPIES = 64
"""Of one thread: they are unrolled."""


@dataclass(frozen=True)
class Window:
    """Tiles of `tile` positions along each dimension of the result, counted after `repeats`, whose
    neighbours one thread computes; the operand of that number is read from shared memory."""

    operand: int
    tile: tuple[int, ...]
    repeats: tuple[Repeat, ...]
    block: int


def windows(definition: Definition, buffers: Mapping[str, Buffer]) -> tuple[Window, ...]:
    """The default, then others with larger tiles. Empty if warps find what they read side by side,
    or windows would be too large."""
    result = buffers[definition.result.name]
    scope = unrolled(thinned(definition.scope))
    if not result.elements or not scope.body:
        return ()
    counts: dict[Tensor, int] = {}
    for read, _ in reads_of(scope.body):
        counts[tensor_of(read)] = counts.get(tensor_of(read), 0) + 1
    if not counts:
        return ()
    sums = prod(i.extent for i in scope.summation)
    tensor = max(counts, key=lambda t: (buffers[t.name].elements, t.name))
    if not tensor.shape or counts[tensor] * sums < _FEWEST:
        return ()
    if not _is_scattered(scope, tensor, buffers, result):
        return ()
    operand = definition.operands.index(tensor)
    repeats = residues(scope, range(len(result.shape)))
    shape = shape_after(result, repeats)
    points = prod(r.count for r in repeats)
    one = layout_of(scope, buffers, result, Window(operand, (1,) * len(shape), repeats, 64), tensor)
    if one is None:
        return ()
    found: list[Window] = []
    for aim in _AIMS:
        tile = _tile(shape, one, points, aim)
        if tile is None:
            continue
        layout = layout_of(scope, buffers, result, Window(operand, tile, repeats, 64), tensor)
        if layout is None or layout.bytes > aim.budget + _SLACK:
            continue
        wanted = max(prod(tile), layout.copies(_FEW_COPIES))
        least, most = _THREADS
        block = max(least, min(most, -(-wanted // _WARP) * _WARP))
        if layout.copies(block) <= _MOST_COPIES:
            found.append(Window(operand, tile, repeats, block))
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True)
class Layout:
    """Where the window of a block is in its tensor, and where its elements are in shared memory.

    `origin` is the number of the tensor's element that is the window's first, over the blocks'
    digits; `rows` are the extents and strides of the dimensions that are not part of a run, outer
    ones first; a run is `run` elements side by side, of which the first `pad` come before the
    window's own. Copies move `vector` elements. `index` is the place of each read in the window.
    """

    origin: Index
    rows: tuple[tuple[int, int], ...]
    run: int
    pad: int
    vector: int
    index: Mapping[Read, Index]
    reach: tuple[tuple[int, Mapping[str, int]], ...]
    """Of each dimension, its extent in a window of one position, and by how much each of the tile's
    iterators moves it."""
    innermost: Mapping[str, int]
    """The same of the tensor's contiguous dimension."""
    outer: tuple[int, ...]
    """The tensor's dimensions that are not part of a run."""
    size: int
    """Bytes of an element."""
    steps: Mapping[str, int]
    """By how many elements each of the tile's iterators moves what is read."""

    @property
    def elements(self) -> int:
        return self.run * prod(extent for extent, _ in self.rows)

    @property
    def bytes(self) -> int:
        return self.elements * self.size

    def copies(self, threads: int) -> int:
        return -(-self.elements // self.vector // threads)


def shape_after(result: Buffer, repeats: Sequence[Repeat]) -> tuple[int, ...]:
    counts = {r.dimension: r.count for r in repeats}
    return tuple(n // counts.get(d, 1) for d, n in enumerate(result.shape))


def _ranges(scope: Scope, shape: Sequence[int], tile: Sequence[int]) -> dict[str, Range]:
    """Of the sums' iterators, and of the digits `%b` of blocks and `%p` of positions in a tile."""
    ranges = {i.name: i.range for i in scope.summation}
    for d, (extent, side) in enumerate(zip(shape, tile, strict=True)):
        ranges[f"%b{d}"] = Range(0, -(-extent // side))
        ranges[f"%p{d}"] = Range(0, side)
    return ranges


def _points(scope: Scope, result: Buffer, schedule: Window) -> list[dict[str, Index]]:
    """The positions that a thread computes: the scope's iterators over the digits."""
    found: list[dict[str, Index]] = []
    shape = shape_after(result, schedule.repeats)
    for chosen in product(*(range(r.count) for r in schedule.repeats)):
        values = {
            # A dimension in one tile is that tile's: its windows do not move.
            i.name: var(f"%p{d}") + (var(f"%b{d}") * side if side < extent else 0)
            for d, (i, side, extent) in enumerate(
                zip(scope.traversal, schedule.tile, shape, strict=True)
            )
        }
        for repeat, number in zip(schedule.repeats, chosen, strict=True):
            name = scope.traversal[repeat.dimension].name
            values[name] = values[name] * repeat.count + number
        found.append(values)
    return found


def bodies_of(
    scope: Scope, result: Buffer, schedule: Window
) -> tuple[list[dict[str, Index]], list[Body], dict[str, Range]]:
    ranges = _ranges(scope, shape_after(result, schedule.repeats), schedule.tile)
    points = _points(scope, result, schedule)
    return points, [at(scope.body, values, ranges) for values in points], ranges


def layout_of(
    scope: Scope, buffers: Mapping[str, Buffer], result: Buffer, schedule: Window, tensor: Tensor
) -> Layout | None:
    """None if the window of a block does not move with it by a constant for each step."""
    _, bodies, ranges = bodies_of(scope, result, schedule)
    reads = dict.fromkeys(r for body in bodies for r, _ in reads_of(body) if tensor_of(r) == tensor)
    moving: tuple[Index, ...] | None = None
    local: dict[Read, list[Index]] = {}
    for read in reads:
        parts = [_split(e) for e in read.index]
        if any(p is None for p in parts):
            return None
        outer = tuple(p[0] for p in parts if p is not None)
        if moving is not None and outer != moving:
            return None
        moving = outer
        local[read] = [p[1] for p in parts if p is not None]
    if moving is None:
        return None
    shape = buffers[tensor.name].shape
    edges = [[bounds(e, ranges) for e in column] for column in zip(*local.values(), strict=True)]
    low = [min(lo for lo, _ in column) for column in edges]
    high = [max(hi for _, hi in column) for column in edges]
    # Where the window does not move, it need not reach out of the tensor.
    high = [
        hi if m != constant(0) else max(lo, min(hi, n - 1))
        for m, lo, hi, n in zip(moving, low, high, shape, strict=True)
    ]
    extents = [hi - lo + 1 for lo, hi in zip(low, high, strict=True)]
    buffer = buffers[tensor.name]
    whole = [
        m == constant(0) and lo == 0 and extent == n
        for m, lo, extent, n in zip(moving, low, extents, buffer.shape, strict=True)
    ]
    run, inner = _run(buffer, extents, whole)
    outer_dims = [d for d in memory_order(buffer) if d not in inner and extents[d] > 1]
    origin = offset([m + lo for m, lo in zip(moving, low, strict=True)], buffer)
    vector_ = VECTOR_BYTES // BYTES[buffer.dtype]
    moves = [
        buffer.elements,
        *(c for _, c in origin.terms),
        *(buffer.strides[d] for d in outer_dims),
    ]
    while any(step % vector_ for step in moves):
        vector_ //= 2
    pad = origin.const % vector_
    run = -(-(run + pad) // vector_) * vector_
    strides = {d: buffer.strides[d] for d in inner}
    pitch = run
    for d in reversed(outer_dims):
        strides[d] = pitch
        pitch *= extents[d]
    index: dict[Read, Index] = {}
    for read, parts in local.items():
        place = constant(pad)
        for d, (part, lo) in enumerate(zip(parts, low, strict=True)):
            place = place + (part - lo) * strides.get(d, 0)
        index[read] = place
    reach = tuple(
        (
            extent,
            {n: max(abs(p[d].coefficient(n)) for p in local.values()) for n in _tile_names(ranges)},
        )
        for d, extent in enumerate(extents)
    )
    rows = tuple((extents[d], buffer.strides[d]) for d in outer_dims)
    innermost = reach[memory_order(buffer)[-1]][1]
    first = offset(next(iter(reads)).index, buffer)
    steps = {n: first.coefficient(n) for n in _tile_names(ranges)}
    outside = tuple(d for d in range(len(extents)) if d not in inner)
    return Layout(
        origin, rows, run, pad, vector_, index, reach, innermost, outside, BYTES[buffer.dtype],
        steps,
    )  # fmt: skip


def _tile_names(ranges: Ranges) -> list[str]:
    return [name for name in ranges if name.startswith("%p")]


def _split(index: Index) -> tuple[Index, Index] | None:
    """An index as what moves with the block and the rest; None if it divides what does, or what
    moves within a tile."""
    moving: list[tuple[object, int]] = []
    for atom, coefficient in index.terms:
        if isinstance(atom, FloorDiv):
            if any(name.startswith("%") for name in iterators_of(atom.operand)):
                return None
        elif atom.name.startswith("%b"):
            moving.append((atom, coefficient))
    outer = linear(0, moving)  # pyright: ignore[reportArgumentType]
    return outer, index - outer


def _run(buffer: Buffer, extents: Sequence[int], whole: Sequence[bool]) -> tuple[int, list[int]]:
    """The elements side by side of a window, and the dimensions that make them up."""
    run, inner = 1, list[int]()
    for d in reversed(memory_order(buffer)):
        if buffer.shape[d] == 1 and extents[d] == 1:
            continue
        if buffer.strides[d] != run:
            break
        inner.append(d)
        if not whole[d]:
            return run * extents[d], inner
        run *= buffer.shape[d]
    return run, inner


def _tile(shape: Sequence[int], one: Layout, points: int, aim: _Aim) -> tuple[int, ...] | None:
    """The tile whose windows take the least copying; None if all are too large."""
    sides = [_sides(extent) for extent in shape]
    for d, extent in enumerate(shape):
        # A few elements side by side are not torn apart: runs would be no vectors.
        if extent <= _WARP and one.innermost.get(f"%p{d}"):
            sides[d] = [extent]
    best: tuple[float, tuple[int, ...]] | None = None
    for tile in product(*sides):
        positions = prod(tile)
        if positions * points < min(_THREADS[0], prod(shape)):
            continue
        extents = [
            extent + sum(steps[f"%p{d}"] * (side - 1) for d, side in enumerate(tile))
            for extent, steps in one.reach
        ]
        window = prod(extents) * one.size
        # A run is a vector longer at most, at each end.
        if window > aim.budget:
            continue
        window += aim.run * prod(extents[d] for d in one.outer)
        blocks = prod(-(-extent // side) for extent, side in zip(shape, tile, strict=True))
        narrow = sum(
            one.steps[f"%p{d}"] * side % most != 0
            for most in (VECTOR_BYTES // one.size, VECTOR_BYTES // one.size // 2)
            for d, (extent, side) in enumerate(zip(shape, tile, strict=True))
            if side < extent
        )
        cost = window * blocks * max(1.0, aim.blocks / blocks) * (1 + _NARROW * narrow)
        if best is None or (cost, -positions) < (best[0], -prod(best[1])):
            best = cost, tile
    return None if best is None else best[1]


def _sides(extent: int) -> list[int]:
    """Powers of two and divisors of an extent."""
    powers = (1 << k for k in range(extent.bit_length()))
    return sorted({*powers, *(n for n in range(1, extent + 1) if extent % n == 0)})


def _is_scattered(
    scope: Scope, tensor: Tensor, buffers: Mapping[str, Buffer], result: Buffer
) -> bool:
    """Whether a warp in the middle of the result, in its order in memory, reads the tensor from
    many more sectors than its elements would fill."""
    read = next(r for r, _ in reads_of(scope.body) if tensor_of(r) == tensor)
    place = offset(read.index, buffers[tensor.name])
    size = BYTES[buffers[tensor.name].dtype]
    names = [i.name for i in scope.traversal]
    order = memory_order(result)
    middle = prod(scope.extents) // 2
    touched: set[int] = set()
    lanes = min(_WARP, prod(scope.extents) - middle)
    for number in range(middle, middle + lanes):
        values = {i.name: i.lo for i in scope.summation}
        for d in reversed(order):
            number, digit = divmod(number, scope.extents[d])
            values[names[d]] = digit
        touched.add(evaluate(place, values.__getitem__, 0) * size // _SECTOR_BYTES)
    return len(touched) * _SECTOR_BYTES >= _SCATTERED * lanes * size
