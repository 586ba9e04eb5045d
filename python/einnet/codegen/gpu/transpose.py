"""Kernels that read along one axis and write along another: transposition in shared memory.

A block computes a tile of `rows` positions along the axis that is contiguous in the result (o) by
`columns` along the axis that is contiguous in what it reads (a), at one position of all others:

    load    each thread loads units of `across` x `down` elements, `across` of them side by side
            along a, and turns them in registers
    stage   ... and stores them as chunks of `down` elements along o into shared memory
    write   each thread takes chunks, computes the body at their positions, and stores vectors

The number of a chunk in shared memory, counted down the columns, is taken xor (a div across), so
that neither the stores (threads in a row are at one place down and step across) nor the loads (at
one place across and step down) meet in a bank. Global and shared memory both see 16-byte accesses.

What is staged is the element itself; reads that are no transposition are loaded at the write, and
guards and functions are computed there. Where reads divide o (the phases of a transposed
convolution) no tile of elements makes a tile of results: the body is then computed early, where a
runs along the threads, and results are staged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from mlir import ir
from mlir.dialects import arith, gpu, memref, scf, vector

from einnet.bridge.scalar import convert
from einnet.bridge.unroll import unrolled
from einnet.codegen.gpu.chunks import align_shared, load_chunk, packed, store_chunk
from einnet.codegen.gpu.digits import digits_of, with_digits
from einnet.codegen.gpu.flat import Flat, flat_buffers, flat_of, others, side, stride
from einnet.codegen.gpu.frame import Kernel, Launch, Memories, write_kernel
from einnet.codegen.gpu.functions import arithmetic_of, arithmetic_type
from einnet.codegen.gpu.host import BYTES, Buffer
from einnet.codegen.gpu.values import (
    VECTOR_BYTES,
    Access,
    Elements,
    Indices,
    at,
    integer_type,
    offset,
    tensor_of,
)
from einnet.expr.index import Index, Range, substitute, var
from einnet.expr.nodes import Body, Read, Tensor, Term, Within
from einnet.expr.program import Definition
from einnet.expr.transform import Values

_SHORT = 8
"""An axis of fewer positions than this is no side of a tile: most of its threads would idle."""

_TILE_BYTES = 16384
"""What a tile of one staged read holds. An SM holds so many of them at once that the bytes in
flight are several times its share of what the memory needs, 20 KB on an H100."""

_SHARED_BYTES = 48 * 1024
"""Static shared memory of a block."""

_WARP = 32
_THREADS = 256
_BANKS_BYTES = 128
"""What the banks of shared memory deliver at once."""

_BLOCKS = 264
"""Two blocks for each multiprocessor of an H100: tiles are made smaller where there are fewer."""

_LEAST_SIDE = 32

_LARGE = 8
"""Reads of this many times fewer elements than the largest are left to the caches."""

_UNIT_SIDE = 8
"""Elements along a side of a unit: a thread turns 64 in its registers at most."""

_UNIT_BYTES = 256
"""What the units of all such reads hold together: 64 registers, and more for what becomes of it."""

_TOGETHER = 4
"""Chunks whose loads are issued before any of them is computed."""


@dataclass(frozen=True)
class Transpose:
    """Tiles of `rows` positions along the axis `output` by `columns` along the axis `input`, in
    units of `down` by `across`; all of them are powers of two.

    The axes count the iterators that are left when those that memory does not tell apart are one
    (`flat.flat_of`): `output` is contiguous in the result, and `input` in what is read. `early` is
    a body that is computed where it is loaded: then results are staged instead of elements.
    """

    output: int
    input: int
    rows: int
    columns: int
    down: int
    across: int
    threads: int
    early: bool = False


def transposes(definition: Definition, buffers: Mapping[str, Buffer]) -> tuple[Transpose, ...]:
    """The default, then a smaller tile. Empty if nothing is read across the result's contiguous
    axis, an axis is short, or a sum is left."""
    flat = _flat(definition, buffers)
    if flat is None:
        return ()
    extents = [i.extent for i in flat.traversal]
    result = buffers[definition.result.name].dtype
    output = next(
        (n for n, i in enumerate(flat.traversal) if stride(flat.output, i.name) == 1), None
    )
    if output is None or extents[output] < _SHORT:
        return ()
    found = _across(flat, output)
    if found is None:
        return ()
    axis, reads, early = found
    o, a = flat.traversal[output].name, flat.traversal[axis].name
    sizes = [BYTES[buffers[tensor_of(r).name].dtype] for r in reads]
    held = [BYTES[result]] if early else sizes
    down = side(
        min(_UNIT_SIDE, VECTOR_BYTES // BYTES[result]), extents[output], [others(flat.output, o)]
    )
    moves = [others(r.index[0], a) for r in reads]
    across = side(min(_UNIT_SIDE, VECTOR_BYTES // max(sizes)), extents[axis], moves)
    while down * across > 1 and down * across * sum(sizes) > _UNIT_BYTES:
        down, across = _halved(down, across)
    batch = prod(extents) // extents[output] // extents[axis]
    offered: list[Transpose] = []
    elements = min(_TILE_BYTES // max(held), _SHARED_BYTES // sum(held))
    for most in (elements, elements // 4):
        rows, columns = _tile(extents[output], extents[axis], batch, most)
        rows, columns = max(rows, down), max(columns, across)
        if rows * columns < _WARP:
            continue
        tall, wide = down, across
        # Smaller units rather than threads without one.
        while (rows // tall) * (columns // wide) < _WARP:
            tall, wide = _halved(tall, wide)
        # As many threads as there are units, and at least a row of units or of chunks.
        threads = min(_THREADS, (rows // tall) * (columns // wide))
        if threads >= max(rows // tall, columns // wide):
            offered.append(Transpose(output, axis, rows, columns, tall, wide, threads, early))
    return tuple(dict.fromkeys(offered))


def _across(flat: Flat, output: int) -> tuple[int, tuple[Read, ...], bool] | None:
    """The axis along which most elements are side by side that the output's axis steps over; their
    reads; and whether the body has to be computed early for them: where a read divides the output's
    axis, what it reads for a tile is no tile. None if these are a small part of what is read."""
    o = flat.traversal[output].name
    large = max((_elements(flat, [r]) for r in flat.reads), default=0)
    best: tuple[int, int, tuple[Read, ...], bool] | None = None
    for axis, iterator in enumerate(flat.traversal):
        a = iterator.name
        if axis == output or iterator.extent < _SHORT:
            continue
        along = [r for r in flat.reads if stride(r.index[0], a) == 1]
        reads = tuple(r for r in along if stride(r.index[0], o) not in (0, 1))
        staged = staged_reads(flat, o, a)
        early = reads != staged and all(
            stride(r.index[0], a) in (0, 1)
            for r in flat.reads
            if _elements(flat, [r]) * _LARGE >= large
        )
        reads = reads if early else staged
        elements = _elements(flat, reads)
        if elements * _LARGE >= large and (best is None or elements > best[0]):
            best = elements, axis, reads, early
    return None if best is None or not best[0] else best[1:]


def staged_reads(flat: Flat, o: str, a: str) -> tuple[Read, ...]:
    """The reads of elements that are side by side along a, and apart along o."""
    if o == a:
        return ()
    return tuple(
        r for r in flat.reads if stride(r.index[0], a) == 1 and _apart(stride(r.index[0], o))
    )


def _apart(distance: int | None) -> bool:
    return distance is not None and abs(distance) > 1


def _elements(flat: Flat, reads: Sequence[Read]) -> int:
    """How many elements the reads fetch, each once."""
    return sum(
        prod(i.extent for i in flat.traversal if stride(r.index[0], i.name) != 0) for r in reads
    )


def _flat(definition: Definition, buffers: Mapping[str, Buffer]) -> Flat | None:
    """The definition over flat memory; None if a sum is left."""
    scope = unrolled(definition.scope)
    if scope.summation:
        return None
    position = [var(i.name) for i in scope.traversal]
    output = offset(position, buffers[definition.result.name])
    return flat_of(scope.traversal, (), (scope.body,), output, buffers)


def _tile(height: int, width: int, batch: int, elements: int) -> tuple[int, int]:
    """Rows and columns of at most `elements`, near a square where the axes are long; smaller where
    there would be too few blocks."""
    rows, columns = _power(height), _power(width)
    while rows * columns > elements:
        rows, columns = _halved(rows, columns)
    while (
        max(rows, columns) > _LEAST_SIDE
        and batch * -(-height // rows) * -(-width // columns) < _BLOCKS
    ):
        rows, columns = _halved(rows, columns)
    return rows, columns


def _halved(rows: int, columns: int) -> tuple[int, int]:
    return (rows // 2, columns) if rows > columns else (rows, columns // 2)


def _power(extent: int) -> int:
    """The smallest power of two that is not smaller."""
    return 1 << (extent - 1).bit_length()


def build_transpose(
    definition: Definition, buffers: Mapping[str, Buffer], schedule: Transpose
) -> Kernel:
    """The kernel. The schedule is one of `transposes` of the definition and buffers."""
    flat = _flat(definition, buffers)
    if flat is None:
        raise ValueError(f"a sum is left in {definition.result.name}, which no transposition adds")
    return _Transposition(definition, buffers, schedule, flat).kernel()


@dataclass(frozen=True)
class _Staged:
    """What goes through shared memory as elements of type `dtype`: the values of a body, computed
    in `arithmetic`, which are read again as `read`."""

    read: Read
    body: Body
    dtype: str
    arithmetic: str


class _Transposition:
    """Iterators besides the definition's: `%ot` and `%at` count tiles, `%ou` and `%au` units of a
    tile, `%oc` chunks of a column and `%ac` columns."""

    def __init__(
        self,
        definition: Definition,
        buffers: Mapping[str, Buffer],
        schedule: Transpose,
        flat: Flat,
    ) -> None:
        self.definition = definition
        self.buffers = buffers
        self.flat_buffers = flat_buffers(buffers)
        self.schedule = schedule
        self.flat = flat
        along, across = flat.traversal[schedule.output], flat.traversal[schedule.input]
        self.o, self.a = along.name, across.name
        self.inside = (
            Within(var(self.o), 0, along.extent),
            Within(var(self.a), 0, across.extent),
        )
        # Neighbouring blocks step along a first: they read neighbouring parts of the same rows.
        self.grid = {
            "%at": -(-across.extent // schedule.columns),
            "%ot": -(-along.extent // schedule.rows),
        }
        self.grid |= {
            i.name: i.extent for i in reversed(flat.traversal) if i.name not in (self.o, self.a)
        }
        self.chunks = schedule.rows // schedule.down
        result = definition.result
        dtype, arithmetic = buffers[result.name].dtype, arithmetic_type(definition)
        (body,) = flat.bodies
        if schedule.early:
            again = Read(Tensor(result.name, (buffers[result.name].elements,)), (flat.output,))
            self.staged = [_Staged(again, self._inside(body), dtype, arithmetic)]
            self.written: Body = (Term((again,)),)
            self.arithmetic = dtype
        else:
            self.staged = [self._element(r) for r in staged_reads(flat, self.o, self.a)]
            self.written, self.arithmetic = body, arithmetic

    def _element(self, read: Read) -> _Staged:
        """A read itself; 0 outside its tensor."""
        dtype = self.buffers[tensor_of(read).name].dtype
        body = self._inside((Term((read,), self.flat.inside[read]),))
        return _Staged(read, body, dtype, dtype)

    def _inside(self, body: Body) -> Body:
        """The body where there are positions. Beyond them, where a tile may reach, it would not be
        stored, but loaded."""
        return tuple(replace(t, guards=(*t.guards, *self.inside)) for t in body)

    def kernel(self) -> Kernel:
        schedule = self.schedule
        slots = schedule.columns * self.chunks
        size = slots * schedule.down
        workgroup = tuple(
            f"memref<{size}x{staged.dtype}, #gpu.address_space<workgroup>>"
            for staged in self.staged
        )
        launch = Launch((prod(self.grid.values()), 1, 1), (schedule.threads, 1, 1), workgroup)
        return write_kernel(self.definition, self.buffers, schedule, launch, self._emit)

    def _emit(self, memories: Memories, tiles: Sequence[ir.Value]) -> None:
        align_shared(tiles)
        rows, columns = self.schedule.rows, self.schedule.columns
        reach = {
            **self.flat.ranges,
            self.o: Range(0, self.grid["%ot"] * rows),
            self.a: Range(0, self.grid["%at"] * columns),
            "%block": Range(0, prod(self.grid.values())),
        }
        written: Body = (Term((Read(self.definition.result, (self.flat.output,)),)),)
        integer = integer_type([*self.flat.bodies, written], self.flat_buffers, reach)
        block = arith.index_cast(integer, gpu.block_id(gpu.Dimension.x))
        thread = arith.index_cast(integer, gpu.thread_id(gpu.Dimension.x))
        indices = Indices(
            integer,
            {name: Range(0, extent) for name, extent in self.grid.items()},
            digits_of(block, self.grid, integer),
        )
        self._stage(indices, thread, memories, tiles)
        gpu.barrier()
        self._write(indices, thread, memories, tiles)

    def _stage(
        self, indices: Indices, thread: ir.Value, memories: Memories, tiles: Sequence[ir.Value]
    ) -> None:
        """Load this thread's units, turn them, and store their chunks; 0 outside the tensors."""
        down, across = self.schedule.down, self.schedule.across
        units = self.schedule.columns // across
        step = self.schedule.threads // units
        indices = with_digits(indices, thread, {"%au": units, "%ou": step})
        loaded: list[tuple[ir.Value, Index, list[list[ir.Value]]]] = []
        for staged, tile in zip(self.staged, tiles, strict=True):
            for first in range(0, self.schedule.rows // down, step):
                row = var("%ou") + first
                loaded.append((tile, row, self._unit(staged, row, indices, memories)))
        for tile, row, unit in loaded:
            for j, chunk in enumerate(unit):
                column, group = var("%au") * across + j, indices.value(var("%au"))
                store_chunk(chunk, tile, self._slot(indices, column, group, row, tile))

    def _unit(
        self, staged: _Staged, row: Index, indices: Indices, memories: Memories
    ) -> list[list[ir.Value]]:
        """The values of one unit, by columns."""
        down, across = self.schedule.down, self.schedule.across
        unit = [
            [
                at(staged.body, self._position(row * down + i, column), indices.ranges)
                for i in range(down)
            ]
            for column in (var("%au") * across + j for j in range(across))
        ]
        arithmetic = arithmetic_of(staged.arithmetic)
        elements = Elements(arithmetic, indices, memories, self.flat_buffers)
        elements.load(body for chunk in unit for body in chunk)
        type_ = ir.Type.parse(staged.dtype)
        return [[convert(elements.body(body), type_) for body in chunk] for chunk in unit]

    def _write(
        self, indices: Indices, thread: ir.Value, memories: Memories, tiles: Sequence[ir.Value]
    ) -> None:
        """Take this thread's chunks and store what the body is at their positions."""
        step = self.schedule.threads // self.chunks
        indices = with_digits(indices, thread, {"%oc": self.chunks, "%ac": step})
        whole: list[Index] = []
        for first in range(0, self.schedule.columns, step):
            column = var("%ac") + first
            position = self._position(var("%oc") * self.schedule.down, column)
            (inside,) = at((Term((), self.inside),), position, indices.ranges) or (None,)
            if inside is None:
                continue
            condition = indices.holds(inside.guards)
            if condition is None:
                whole.append(column)
                continue
            branch = scf.IfOp(condition)
            with ir.InsertionPoint(branch.then_block):
                self._write_chunks(indices.inside({}), [column], memories, tiles)
                scf.yield_([])
        together = max(1, _TOGETHER // len(self.staged))
        for first in range(0, len(whole), together):
            self._write_chunks(indices, whole[first : first + together], memories, tiles)

    def _write_chunks(
        self,
        indices: Indices,
        columns: Sequence[Index],
        memories: Memories,
        tiles: Sequence[ir.Value],
    ) -> None:
        """Compute and store one chunk of each column."""
        down, ranges = self.schedule.down, indices.ranges
        ready: dict[Read, ir.Value] = {}
        places: list[Index] = []
        bodies: list[list[Body]] = []
        for column in columns:
            lanes = [self._position(var("%oc") * down + k, column) for k in range(down)]
            group = indices.quotient(column, self.schedule.across)
            for staged, tile in zip(self.staged, tiles, strict=True):
                read = staged.read
                slot = self._slot(indices, column, group, var("%oc"), tile)
                chunk = load_chunk(tile, slot, down)
                for element, lane in zip(chunk, lanes, strict=True):
                    here = Read(read.source, (substitute(read.index[0], lane, ranges),))
                    ready[here] = element
            places.append(substitute(self.flat.output, lanes[0], ranges))
            bodies.append([at(self.written, lane, ranges) for lane in lanes])
        arithmetic = arithmetic_of(self.arithmetic)
        elements = Elements(arithmetic, indices, memories, self.flat_buffers, ready)
        elements.load(body for lanes in bodies for body in lanes)
        name = self.definition.result.name
        dtype = self.buffers[name].dtype
        type_ = ir.Type.parse(dtype)
        for place, lanes in zip(places, bodies, strict=True):
            values = [convert(elements.body(body), type_) for body in lanes]
            address = indices.address(Access(name, place, ()))
            if down == 1:
                memref.store(values[0], memories[name], [address])
                continue
            alignment = down * BYTES[dtype]
            vector.store(packed(values), memories[name], [address], alignment=alignment)

    def _position(self, row: Index, column: Index) -> Values:
        """The definition's iterators at a row and a column of the block's tile."""
        return {
            self.o: var("%ot") * self.schedule.rows + row,
            self.a: var("%at") * self.schedule.columns + column,
        }

    def _slot(
        self, indices: Indices, column: Index, group: ir.Value, chunk: Index, tile: ir.Value
    ) -> ir.Value:
        """Where a chunk of a column is staged; `group` is `column div across`.

        One to one: with s the chunk's number in the order of columns it is s xor (s div d) mod m,
        with d = across * chunks > 1 and m a power of two that divides the number of chunks.
        """
        size = BYTES[str(ir.MemRefType(tile.type).element_type)] * self.schedule.down
        most = min(max(1, _BANKS_BYTES // size), self.schedule.columns * self.chunks)
        slot = indices.value(column * self.chunks + chunk)
        if self.schedule.across * self.chunks > 1:
            slot = arith.xori(slot, arith.andi(group, indices.number(most - 1)))
        return arith.index_cast(ir.IndexType.get(), slot)
