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

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod

from mlir import ir
from mlir.dialects import arith, gpu, scf, vector

from einnet.bridge.unroll import unrolled
from einnet.codegen.gpu.chunks import align_shared
from einnet.codegen.gpu.digits import with_digits
from einnet.codegen.gpu.flat import flat_buffers
from einnet.codegen.gpu.frame import Kernel, Launch, Memories, write_kernel
from einnet.codegen.gpu.functions import arithmetic_of, arithmetic_type
from einnet.codegen.gpu.gather import Repeat, enumerated, memory_order, residues
from einnet.codegen.gpu.host import BYTES, Buffer
from einnet.codegen.gpu.skipping import thinned
from einnet.codegen.gpu.values import (
    VECTOR_BYTES,
    Access,
    Indices,
    at,
    integer_type,
    offset,
    reads_of,
    tensor_of,
)
from einnet.codegen.gpu.writer import Writer
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
from einnet.expr.nodes import Body, Call, Factor, Read, Scope, Tensor, Term, Within, box_of
from einnet.expr.program import Definition
from einnet.expr.transform import outside

_SLACK = 1024
_BUDGETS = (24 * 1024, 48 * 1024 - _SLACK)
"""Bytes of windows that are offered: small ones leave room for several blocks on a multiprocessor,
large ones overlap less. Runs may be a vector longer; a block has 48 KB of static shared memory."""

_FEWEST = 4
"""A tensor of which a position reads fewer elements than this is no sum to stage."""

_SCATTERED = 2
"""A warp's read is worth staging if it touches this many times the sectors that it has to."""

_OVERLAP = 2.5
"""How many times the windows may hold a tensor's elements, on average."""

_BLOCKS = 264
"""Two blocks for each multiprocessor of an H100: tiles are made smaller where there are fewer."""

_NARROW = 0.15
"""What it costs that copies are half as wide."""

_SECTOR_BYTES = 32
_WARP = 32
_THREADS = (64, 256)
_TOGETHER = 8
"""Copies of a thread whose loads are issued before any is stored."""

_FEW_COPIES = 8
"""Of one thread, where more threads can be had."""

_MOST_COPIES = 64
"""Of one thread: they are unrolled."""

_WINDOW = "%window"
"""What the tensor in shared memory is called."""


@dataclass(frozen=True)
class Window:
    """Tiles of `tile` positions along each dimension of the result, counted after `repeats`, whose
    neighbours one thread computes; the operand of that number is read from shared memory."""

    operand: int
    tile: tuple[int, ...]
    repeats: tuple[Repeat, ...]
    block: int


def windows(definition: Definition, buffers: Mapping[str, Buffer]) -> tuple[Window, ...]:
    """The default, then one with a larger tile. Empty if warps find what they read side by side, or
    windows would be too large or overlap too much."""
    result = buffers[definition.result.name]
    scope = unrolled(thinned(definition.scope))
    if not result.elements or not scope.body:
        return ()
    counts: dict[Tensor, int] = {}
    for read, _ in reads_of(scope.body):
        counts[tensor_of(read)] = counts.get(tensor_of(read), 0) + 1
    sums = prod(i.extent for i in scope.summation)
    tensor = max(counts, key=lambda t: (buffers[t.name].elements, t.name))
    if counts[tensor] * sums < _FEWEST or not _is_scattered(scope, tensor, buffers, result):
        return ()
    operand = definition.operands.index(tensor)
    repeats = residues(scope, range(len(result.shape)))
    shape = _shape(result, repeats)
    points = prod(r.count for r in repeats)
    one = _layout(scope, buffers, result, Window(operand, (1,) * len(shape), repeats, 64), tensor)
    if one is None:
        return ()
    found: list[Window] = []
    for budget in _BUDGETS:
        tile = _tile(shape, one, budget, points)
        if tile is None:
            continue
        layout = _layout(scope, buffers, result, Window(operand, tile, repeats, 64), tensor)
        if layout is None or layout.bytes > budget + _SLACK:
            continue
        wanted = max(prod(tile), layout.copies(_FEW_COPIES))
        least, most = _THREADS
        block = max(least, min(most, -(-wanted // _WARP) * _WARP))
        if layout.copies(block) <= _MOST_COPIES:
            found.append(Window(operand, tile, repeats, block))
    return tuple(dict.fromkeys(found))


def build_window(definition: Definition, buffers: Mapping[str, Buffer], schedule: Window) -> Kernel:
    """The kernel. The schedule is one of `windows` of the definition and buffers."""
    return _Windowed(definition, buffers, schedule).kernel()


@dataclass(frozen=True)
class _Layout:
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


def _shape(result: Buffer, repeats: Sequence[Repeat]) -> tuple[int, ...]:
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
    shape = _shape(result, schedule.repeats)
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


def _bodies(
    scope: Scope, result: Buffer, schedule: Window
) -> tuple[list[dict[str, Index]], list[Body], dict[str, Range]]:
    ranges = _ranges(scope, _shape(result, schedule.repeats), schedule.tile)
    points = _points(scope, result, schedule)
    return points, [at(scope.body, values, ranges) for values in points], ranges


def _layout(
    scope: Scope, buffers: Mapping[str, Buffer], result: Buffer, schedule: Window, tensor: Tensor
) -> _Layout | None:
    """None if the window of a block does not move with it by a constant for each step."""
    _, bodies, ranges = _bodies(scope, result, schedule)
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
    return _Layout(
        origin, rows, run, pad, vector_, index, reach, innermost, BYTES[buffer.dtype], steps
    )


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


def _tile(shape: Sequence[int], one: _Layout, budget: int, points: int) -> tuple[int, ...] | None:
    """The tile whose windows overlap least, with enough blocks; None if all are too large."""
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
        window = 1
        for extent, steps in one.reach:
            window *= extent + sum(steps[f"%p{d}"] * (side - 1) for d, side in enumerate(tile))
        # A run is a vector longer at most, at each end.
        if window * one.size > budget:
            continue
        blocks = prod(-(-extent // side) for extent, side in zip(shape, tile, strict=True))
        narrow = sum(
            one.steps[f"%p{d}"] * side % most != 0
            for most in (VECTOR_BYTES // one.size, VECTOR_BYTES // one.size // 2)
            for d, (extent, side) in enumerate(zip(shape, tile, strict=True))
            if side < extent
        )
        cost = window * blocks * max(1.0, _BLOCKS / blocks) * (1 + _NARROW * narrow)
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


class _Windowed:
    """Iterators: `%b` digits of the block's number, `%p` of a position in its tile, both by
    dimension; `%r` rows of the window and `%v` vectors of a row, for copies."""

    def __init__(
        self, definition: Definition, buffers: Mapping[str, Buffer], schedule: Window
    ) -> None:
        self.definition = definition
        self.buffers = buffers
        self.schedule = schedule
        self.result = buffers[definition.result.name]
        self.scope = unrolled(thinned(definition.scope))
        self.tensor = definition.operands[schedule.operand]
        layout = _layout(self.scope, buffers, self.result, schedule, self.tensor)
        if layout is None:
            raise ValueError(f"{schedule} is no schedule of '{definition.result.name}'")
        self.layout = layout
        self.points, bodies, self.ranges = _bodies(self.scope, self.result, schedule)
        # Guards of the terms keep reads inside: no others are wanted.
        most = max(bounds(index, self.ranges)[1] for index in layout.index.values())
        self.window = Tensor(_WINDOW, (max(most + 1, layout.elements),), self.tensor.dtype)
        self.bodies = [self._from_window(body) for body in bodies]
        self.shape = _shape(self.result, schedule.repeats)

    def _from_window(self, body: Body) -> Body:
        """The body with reads of the window; zero extension becomes a guard of the term."""
        terms: list[Term] = []
        for term in body:
            guards = list(term.guards)
            factors: list[Factor] = []
            for factor in term.factors:
                if isinstance(factor, Call):
                    arguments = tuple(map(self._from_window, factor.arguments))
                    factors.append(Call(factor.function, arguments))
                elif tensor_of(factor) == self.tensor:
                    guards += outside(factor.index, box_of(self.tensor), self.ranges)
                    factors.append(Read(self.window, (self.layout.index[factor],)))
                else:
                    factors.append(factor)
            terms.append(replace(term, factors=tuple(factors), guards=tuple(dict.fromkeys(guards))))
        return at(tuple(terms), {}, self.ranges)

    def kernel(self) -> Kernel:
        blocks = prod(self.ranges[f"%b{d}"].extent for d in range(len(self.shape)))
        dtype = self.buffers[self.tensor.name].dtype
        shared = f"memref<{self.layout.elements}x{dtype}, #gpu.address_space<workgroup>>"
        launch = Launch((blocks, 1, 1), (self.schedule.block, 1, 1), (shared,))
        return write_kernel(self.definition, self.buffers, self.schedule, launch, self._emit)

    def _emit(self, memories: Memories, shared: Sequence[ir.Value]) -> None:
        align_shared(shared)
        layout, block = self.layout, self.schedule.block
        copied = layout.copies(block) * block * layout.vector
        reach = {**self.ranges, "%copied": Range(0, copied)}
        whole: Body = (Term((Read(self.tensor, (layout.origin,)),)),)
        dtype = self.buffers[self.tensor.name].dtype
        window = Buffer(_WINDOW, (layout.elements,), (1,), dtype, "temporary")
        buffers = {**self.buffers, _WINDOW: window}
        wide = max(
            [
                integer_type([whole], flat_buffers(self.buffers), reach),
                integer_type(self.bodies, buffers, reach),
            ],
            key=lambda t: t.width,
        )
        number = arith.index_cast(wide, gpu.block_id(gpu.Dimension.x))
        lane = arith.index_cast(wide, gpu.thread_id(gpu.Dimension.x))
        order = [f"%b{d}" for d in memory_order(self.result)]
        extents = {n: self.ranges[n].extent for n in reversed(order)}
        indices = with_digits(Indices(wide, self.ranges, {}), number, extents)
        self._copy(indices, lane, memories[self.tensor.name], shared[0])
        gpu.barrier()
        self._compute(indices, lane, {**memories, _WINDOW: shared[0]}, buffers)

    def _copy(self, indices: Indices, lane: ir.Value, memory: ir.Value, window: ir.Value) -> None:
        """Each thread copies every so manieth vector of the window."""
        layout, block = self.layout, self.schedule.block
        total = layout.elements // layout.vector
        for first in range(0, total, _TOGETHER * block):
            starts = range(first, min(total, first + _TOGETHER * block), block)
            whole = [s for s in starts if s + block <= total]
            self._copy_vectors(indices, lane, whole, memory, window)
            for start in starts[len(whole) :]:
                last = arith.subi(indices.number(total), indices.number(start))
                inside = scf.IfOp(arith.cmpi(arith.CmpIPredicate.ult, lane, last))
                with ir.InsertionPoint(inside.then_block):
                    self._copy_vectors(indices.inside({}), lane, [start], memory, window)
                    scf.yield_([])

    def _copy_vectors(
        self,
        indices: Indices,
        lane: ir.Value,
        starts: Sequence[int],
        memory: ir.Value,
        window: ir.Value,
    ) -> None:
        layout = self.layout
        buffer = self.buffers[self.tensor.name]
        type_ = ir.VectorType.get([layout.vector], ir.Type.parse(buffer.dtype))
        alignment = layout.vector * BYTES[buffer.dtype]
        loaded: list[tuple[ir.Value, ir.Value]] = []
        for start in starts:
            number = arith.addi(lane, indices.number(start)) if start else lane
            digits = {"%v": layout.run // layout.vector}
            digits |= {f"%r{k}": extent for k, (extent, _) in reversed([*enumerate(layout.rows)])}
            here = with_digits(indices, number, digits)
            place = layout.origin - layout.pad + var("%v") * layout.vector
            for k, (_, stride) in enumerate(layout.rows):
                place = place + var(f"%r{k}") * stride
            low, high = bounds(place, here.ranges)
            last = buffer.elements - layout.vector
            guards = () if low >= 0 and high <= last else (Within(place, 0, last + 1),)
            address = here.address(Access(self.tensor.name, place, guards))
            run = vector.load(type_, memory, [address], alignment=alignment)
            target = arith.muli(number, indices.number(layout.vector))
            loaded.append((run, arith.index_cast(ir.IndexType.get(), target)))
        for run, target in loaded:
            vector.store(run, window, [target], alignment=alignment)

    def _compute(
        self, indices: Indices, lane: ir.Value, memories: Memories, buffers: Mapping[str, Buffer]
    ) -> None:
        """Each thread computes every so manieth position of the tile."""
        positions, block = prod(self.schedule.tile), self.schedule.block
        rounds = -(-positions // block)
        if rounds == 1:
            self._compute_one(indices, lane, memories, buffers)
            return
        low, high, step = (indices.number(n) for n in (0, rounds * block, block))
        loop = scf.ForOp(low, high, step, [])
        with ir.InsertionPoint(loop.body):
            number = arith.addi(loop.induction_variable, lane)
            self._compute_one(indices.inside({}), number, memories, buffers)
            scf.yield_([])

    def _compute_one(
        self, indices: Indices, number: ir.Value, memories: Memories, buffers: Mapping[str, Buffer]
    ) -> None:
        tile, names = self.schedule.tile, [f"%p{d}" for d in range(len(self.shape))]
        order = memory_order(self.result)
        found = enumerated(number, indices.integer, self.ranges, {names[d]: tile[d] for d in order})
        here = Indices(
            indices.integer,
            {**indices.ranges, **found.ranges},
            {**indices.values, **found.values},
            found.digits,
        )
        conditions = list(self._inside(here, number))
        if not conditions:
            self._write(here, memories, buffers)
            return
        condition = conditions[0]
        for other in conditions[1:]:
            condition = arith.andi(condition, other)
        inside = scf.IfOp(condition)
        with ir.InsertionPoint(inside.then_block):
            self._write(here.inside({}), memories, buffers)
            scf.yield_([])

    def _inside(self, here: Indices, number: ir.Value) -> Iterator[ir.Value]:
        """That there is such a position in the tile, and in the result."""
        positions = prod(self.schedule.tile)
        if positions % self.schedule.block:
            yield arith.cmpi(arith.CmpIPredicate.ult, number, here.number(positions))
        for d, (extent, side) in enumerate(zip(self.shape, self.schedule.tile, strict=True)):
            if extent % side:
                position = var(f"%b{d}") * side + var(f"%p{d}")
                holds = here.holds((Within(position, 0, extent),))
                assert holds is not None
                yield holds

    def _write(self, here: Indices, memories: Memories, buffers: Mapping[str, Buffer]) -> None:
        arithmetic = arithmetic_of(arithmetic_type(self.definition))
        writer = Writer(arithmetic, memories, buffers, self.definition.result.name)
        totals = writer.totals(here, self.scope.summation, self.bodies, unroll=8)
        places = [offset(values.values(), self.result) for values in self.points]
        writer.store(here, places, totals)
