"""The kernel of a window: a block copies what it may read into shared memory, then adds it up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod

from mlir import ir
from mlir.dialects import arith, gpu, scf, vector

from einnet.bridge.unroll import unrolled
from einnet.codegen.gpu.chunks import align_shared
from einnet.codegen.gpu.digits import with_digits
from einnet.codegen.gpu.flat import flat_buffers
from einnet.codegen.gpu.frame import Kernel, Launch, Memories, write_kernel
from einnet.codegen.gpu.functions import arithmetic_of, arithmetic_type
from einnet.codegen.gpu.gather import enumerated, memory_order
from einnet.codegen.gpu.host import BYTES, Buffer
from einnet.codegen.gpu.skipping import thinned
from einnet.codegen.gpu.values import (
    Access,
    Indices,
    at,
    integer_type,
    offset,
    tensor_of,
)
from einnet.codegen.gpu.window import Window, bodies_of, layout_of, shape_after
from einnet.codegen.gpu.writer import Writer
from einnet.expr.index import Range, bounds, var
from einnet.expr.nodes import Body, Call, Factor, Read, Tensor, Term, Within, box_of
from einnet.expr.program import Definition
from einnet.expr.transform import outside

_TOGETHER = 8
"""Copies of a thread whose loads are issued before any is stored."""

_WINDOW = "%window"
"""What the tensor in shared memory is called."""


def build_window(definition: Definition, buffers: Mapping[str, Buffer], schedule: Window) -> Kernel:
    """The kernel. The schedule is one of `windows` of the definition and buffers."""
    return _Windowed(definition, buffers, schedule).kernel()


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
        layout = layout_of(self.scope, buffers, self.result, schedule, self.tensor)
        if layout is None:
            raise ValueError(f"{schedule} is no schedule of '{definition.result.name}'")
        self.layout = layout
        self.points, bodies, self.ranges = bodies_of(self.scope, self.result, schedule)
        # Guards of the terms keep reads inside: no others are wanted.
        most = max(bounds(index, self.ranges)[1] for index in layout.index.values())
        self.window = Tensor(_WINDOW, (max(most + 1, layout.elements),), self.tensor.dtype)
        self.bodies = [self._from_window(body) for body in bodies]
        self.shape = shape_after(self.result, schedule.repeats)

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
