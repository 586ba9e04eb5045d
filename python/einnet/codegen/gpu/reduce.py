"""Kernels of long sums with few results: threads share a sum, then add up what each of them has.

    row     the sum runs along memory: `group` threads in a row step through it together, each with
            vectors of `vector` elements; partial sums meet by warp shuffles, then in shared memory
    column  the results lie along memory: `outputs` threads in a row own vectors of `vector`
            results, and `group` such rows of threads share the sum; they meet in shared memory

What is left of the definition around its one long sum (factors that the sum does not vary,
functions, other terms) is computed once for each result, by one thread.

In a row, threads may share the sums of a tile of results, for which they load each element once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from math import prod

from mlir import ir
from mlir.dialects import arith, gpu, memref, scf, vector

from einnet.bridge.scalar import convert
from einnet.codegen.gpu.chunks import align_shared, load_chunk, packed, store_chunk
from einnet.codegen.gpu.digits import digits_of
from einnet.codegen.gpu.flat import Flat, flat_buffers, stride
from einnet.codegen.gpu.frame import Kernel, Launch, Memories, write_kernel
from einnet.codegen.gpu.functions import arithmetic_of, arithmetic_type
from einnet.codegen.gpu.host import BYTES, Buffer
from einnet.codegen.gpu.reductions import UNROLL, WARP, Reduce
from einnet.codegen.gpu.sums import TOTAL, sum_of
from einnet.codegen.gpu.values import (
    Access,
    Elements,
    Indices,
    at,
    integer_type,
    reads_of,
    runs,
)
from einnet.expr.index import Index, Range, Ranges, constant, floordiv, mod, substitute, var
from einnet.expr.nodes import (
    Body,
    Guard,
    Iterator,
    Read,
    Tensor,
    Term,
    Within,
)
from einnet.expr.program import Definition
from einnet.expr.transform import Values


def build_reduce(definition: Definition, buffers: Mapping[str, Buffer], schedule: Reduce) -> Kernel:
    """The kernel. The schedule is one of `reductions` of the definition and buffers."""
    flat = sum_of(definition, buffers)
    if flat is None:
        raise ValueError(f"{definition.result.name} is not made of one long sum")
    return _Reduction(definition, buffers, schedule, flat).kernel()


class _Reduction:
    """Iterators besides the definition's: `%part` counts the threads that share a sum, `%round` the
    times that they step through it together, `%tile` the results of a tile. The definition's own
    count vectors where they run along the schedule's axis, and tiles where there are any."""

    def __init__(
        self,
        definition: Definition,
        buffers: Mapping[str, Buffer],
        schedule: Reduce,
        flat: Flat,
    ) -> None:
        self.definition = definition
        self.buffers = buffers
        self.flat_buffers = flat_buffers(buffers)
        self.schedule = schedule
        self.flat = flat
        self.dtype = arithmetic_type(definition)
        self.is_row = schedule.form == "row"
        iterators = flat.summation if self.is_row else flat.traversal
        self.axis = iterators[schedule.axis].name
        self.tile = {flat.traversal[d].name: n for d, n in schedule.tile}
        # Memory order: neighbouring numbers are neighbours in memory, as far as that can be.
        self.results = self._counted(flat.traversal, [flat.output])
        self.points = self._counted(
            flat.summation, [r.index[0] for r, _ in reads_of(flat.bodies[0])]
        )
        self.count = prod(self.results.values())
        self.lanes = 1 if self.is_row else schedule.vector
        self.warps = schedule.group // WARP if self.is_row else 0
        self.sums = prod(self.tile.values())

    def _counted(
        self, iterators: tuple[Iterator, ...], addresses: Sequence[Index]
    ) -> dict[str, int]:
        """The iterators' extents, in vectors along the axis and in tiles; that of the smallest
        steps first."""

        def step(iterator: Iterator) -> tuple[bool, int]:
            steps = [abs(stride(a, iterator.name) or 0) for a in addresses]
            return iterator.name != self.axis, max(steps, default=0)

        extents: dict[str, int] = {}
        for iterator in sorted(iterators, key=step):
            width = self.schedule.vector if iterator.name == self.axis else 1
            extents[iterator.name] = iterator.extent // width // self.tile.get(iterator.name, 1)
        return extents

    def kernel(self) -> Kernel:
        schedule = self.schedule
        threads = schedule.group * schedule.outputs
        if self.is_row:
            slots = schedule.outputs * self.warps * self.sums if self.warps > 1 else 0
        else:
            slots = threads * self.lanes
        memory = f"memref<{slots}x{self.dtype}, #gpu.address_space<workgroup>>"
        workgroup = (memory,) if slots else ()
        launch = Launch((-(-self.count // schedule.outputs), 1, 1), (threads, 1, 1), workgroup)
        return write_kernel(self.definition, self.buffers, schedule, launch, self._emit)

    def _emit(self, memories: Memories, shared: Sequence[ir.Value]) -> None:
        schedule = self.schedule
        align_shared(shared)
        # Numbers of the last round may exceed those of the points, by less than a round.
        slack = schedule.group * schedule.unroll
        reach = {
            **self.flat.ranges,
            "%thread": Range(0, self.count + schedule.outputs),
            "%point": Range(0, prod(self.points.values()) + slack),
        }
        for name, extent in self.points.items():
            width = schedule.vector if name == self.axis else 1
            reach[name] = Range(0, (extent + slack) * width)
        sums = {**self.flat_buffers, TOTAL: self.flat_buffers[self.definition.result.name]}
        integer = integer_type(self.flat.bodies, sums, reach)
        block = arith.index_cast(integer, gpu.block_id(gpu.Dimension.x))
        thread = arith.index_cast(integer, gpu.thread_id(gpu.Dimension.x))
        sides = {"part": schedule.group, "lane": schedule.outputs}
        if not self.is_row:
            sides = dict(reversed(sides.items()))
        part, lane = map(digits_of(thread, sides, integer).__getitem__, ("part", "lane"))
        outputs = arith.constant(integer, schedule.outputs)
        result = arith.addi(arith.muli(block, outputs), lane)
        exists: ir.Value | None = None
        if self.count % schedule.outputs:
            # A thread too many computes the last result once more: it may be needed in a shuffle.
            last = arith.constant(integer, self.count - 1)
            exists = arith.cmpi(arith.CmpIPredicate.ule, result, last)
            result = arith.minui(result, last)
        ranges: dict[str, Range] = {n: Range(0, extent) for n, extent in self.results.items()}
        indices = Indices(integer, ranges, digits_of(result, self.results, integer))
        summing = indices.inside({"%part": (Range(0, schedule.group), part)})
        positions = self._positions()
        totals = self._partial(summing, positions, memories)
        writer = part
        if self.is_row:
            total, writer = self._shuffled(totals, part)
            totals = [total]
            if self.warps > 1:
                self._meet(total, writer, thread, shared[0])
                writer = part
        else:
            own = arith.index_cast(ir.IndexType.get(), thread)
            store_chunk(totals, shared[0], own)
            gpu.barrier()
        first = arith.cmpi(arith.CmpIPredicate.ult, writer, arith.constant(integer, self.sums))
        writes = first if exists is None else arith.andi(first, exists)
        branch = scf.IfOp(writes)
        with ir.InsertionPoint(branch.then_block):
            finishing = indices.inside({})
            if self.is_row:
                finishing = indices.inside({"%tile": (Range(0, self.sums), writer)})
                positions = [self._tile_position(var("%tile"), finishing.ranges)]
            if self.warps > 1:
                start = arith.muli(lane, arith.constant(integer, self.warps * self.sums))
                start = arith.addi(start, writer)
                totals = self._collected(shared[0], start, self.sums, self.warps)
            elif not self.is_row:
                totals = self._collected(shared[0], lane, schedule.outputs, schedule.group)
            self._finish(finishing, positions, totals, memories)
            scf.yield_([])

    def _positions(self) -> list[Values]:
        """The positions of the results that a thread sums for."""
        if self.is_row:
            ranges = {n: Range(0, extent) for n, extent in self.results.items()}
            return [self._tile_position(constant(n), ranges) for n in range(self.sums)]
        width = self.schedule.vector
        return [{self.axis: var(self.axis) * width + lane} for lane in range(width)]

    def _tile_position(self, number: Index, ranges: Ranges) -> Values:
        """The position in its tile of the result of that number."""
        values: dict[str, Index] = {}
        for name, extent in self.tile.items():
            values[name] = var(name) * extent + mod(number, extent, ranges)
            number = floordiv(number, extent, ranges)
        return values

    def _point(self, number: Index, lane: int, ranges: Ranges) -> Values:
        """The sum's iterators at a point (in a row, a vector's element) by its number."""
        values: dict[str, Index] = {}
        *inner, outermost = self.points
        for name in inner:
            values[name] = mod(number, self.points[name], ranges)
            number = floordiv(number, self.points[name], ranges)
        values[outermost] = number
        if self.is_row:
            values[self.axis] = values[self.axis] * self.schedule.vector + lane
        return values

    def _partial(
        self, indices: Indices, positions: Sequence[Values], memories: Memories
    ) -> list[ir.Value]:
        """This thread's part of the sum at each of the positions."""
        schedule = self.schedule
        arithmetic = arithmetic_of(self.dtype)
        count = prod(self.points.values())
        rounds, rest = divmod(count, schedule.group * schedule.unroll)
        width = schedule.vector if self.is_row else 1

        def added(indices: Indices, numbers: Sequence[Index], guards: bool) -> list[ir.Value]:
            ranges = indices.ranges
            bodies: list[Body] = []
            for position in positions:
                here: list[Term] = []
                for number in numbers:
                    inside: tuple[Guard, ...] = (Within(number, 0, count),) if guards else ()
                    guarded = tuple(
                        replace(t, guards=(*t.guards, *inside)) for t in self.flat.bodies[0]
                    )
                    for k in range(width):
                        values = {**position, **self._point(number, k, ranges)}
                        here += at(guarded, values, ranges)
                bodies.append(tuple(here))
            # Of its own: what emits a constant once does so in the region where it is first asked.
            elements = Elements(arithmetic_of(self.dtype), indices, memories, self.flat_buffers)
            elements.load(bodies)
            return [elements.body(body) for body in bodies]

        first = var("%part")
        parts: list[list[ir.Value]] = []
        if rounds:
            range_ = Range(0, rounds)
            low, high, step = (indices.number(n) for n in (0, rounds, 1))
            zero = arithmetic.constant(Fraction(0))
            loop = scf.ForOp(low, high, step, [zero] * len(positions))
            with ir.InsertionPoint(loop.body):
                inside = indices.inside({"%round": (range_, loop.induction_variable)})
                numbers = [
                    first + (var("%round") * schedule.unroll + u) * schedule.group
                    for u in range(schedule.unroll)
                ]
                found = added(inside, numbers, guards=False)
                pairs = zip(loop.inner_iter_args, found, strict=True)
                scf.yield_([arithmetic.add(a, b) for a, b in pairs])
            parts.append(list(loop.results))
        begun = count - rest
        whole, over = divmod(rest, schedule.group)
        if whole:
            numbers = [first + begun + n * schedule.group for n in range(whole)]
            parts.append(added(indices, numbers, guards=False))
        if over:
            parts.append(added(indices, [first + (count - over)], guards=True))
        totals = parts[0]
        for part in parts[1:]:
            totals = [arithmetic.add(a, b) for a, b in zip(totals, part, strict=True)]
        return totals

    def _shuffled(self, totals: Sequence[ir.Value], part: ir.Value) -> tuple[ir.Value, ir.Value]:
        """The sums over the threads of a group that are in one warp: one of them for each thread,
        and its number. Numbers from that of the sums on are of threads that have one again.

        Halves of the threads take over halves of the sums: a shuffle moves two of them.
        """
        arithmetic, integer = arithmetic_of(self.dtype), part.type
        i32 = ir.IntegerType.get_signless(32)
        width, zero = arith.constant(i32, WARP), arith.constant(integer, 0)
        left = list(totals)
        number, digit = zero, 0
        distance = min(self.schedule.group, WARP) // 2
        while distance:
            bit = arith.andi(part, arith.constant(integer, distance))
            upper = arith.cmpi(arith.CmpIPredicate.ne, bit, zero)
            value = arith.select(upper, arith.constant(integer, 1 << digit), zero)
            number = arith.addi(number, value)
            kept: list[ir.Value] = []
            for n in range(0, len(left), 2):
                own = other = left[n]
                if n + 1 < len(left):
                    own = arith.select(upper, left[n + 1], left[n])
                    other = arith.select(upper, left[n], left[n + 1])
                moved = gpu.shuffle(
                    other, arith.constant(i32, distance), width, gpu.ShuffleMode.XOR
                )[0]
                kept.append(arithmetic.add(own, moved))
            left, digit, distance = kept, digit + 1, distance // 2
        (total,) = left
        return total, number

    def _meet(self, total: ir.Value, number: ir.Value, thread: ir.Value, shared: ir.Value) -> None:
        """The threads of each warp store its sums."""
        size, sums = (arith.constant(thread.type, n) for n in (WARP, self.sums))
        slot = arith.addi(arith.muli(arith.divui(thread, size), sums), number)
        branch = scf.IfOp(arith.cmpi(arith.CmpIPredicate.ult, number, sums))
        with ir.InsertionPoint(branch.then_block):
            memref.store(total, shared, [arith.index_cast(ir.IndexType.get(), slot)])
            scf.yield_([])
        gpu.barrier()

    def _collected(
        self, shared: ir.Value, start: ir.Value, step: int, count: int
    ) -> list[ir.Value]:
        """The sums of what is stored at `count` slots; one for each lane of them."""
        lanes: list[list[ir.Value]] = [[] for _ in range(self.lanes)]
        for n in range(count):
            slot = arith.addi(start, arith.constant(start.type, n * step))
            slot = arith.index_cast(ir.IndexType.get(), slot)
            for lane, value in zip(lanes, load_chunk(shared, slot, self.lanes), strict=True):
                lane.append(value)
        return [self._added(lane) for lane in lanes]

    def _added(self, values: Sequence[ir.Value]) -> ir.Value:
        """Their sum, a few at a time: a tree over all would keep all in registers."""
        add = arithmetic_of(self.dtype).add
        total: ir.Value | None = None
        for first in range(0, len(values), UNROLL):
            group = list(values[first : first + UNROLL])
            while len(group) > 1:
                group = [add(*group[:2]), *group[2:]]
            total = group[0] if total is None else add(total, group[0])
        assert total is not None
        return total

    def _finish(
        self,
        indices: Indices,
        positions: Sequence[Values],
        totals: Sequence[ir.Value],
        memories: Memories,
    ) -> None:
        """Compute the results from the sums, and store them."""
        name = self.definition.result.name
        type_ = ir.Type.parse(self.buffers[name].dtype)
        sum_ = Tensor(TOTAL, (self.buffers[name].elements,), self.dtype)
        ready: dict[Read, ir.Value] = {}
        places: list[Index] = []
        bodies: list[Body] = []
        for position, total in zip(positions, totals, strict=True):
            place = substitute(self.flat.output, position, indices.ranges)
            ready[Read(sum_, (place,))] = total
            places.append(place)
            bodies.append(at(self.flat.bodies[1], position, indices.ranges))
        elements = Elements(arithmetic_of(self.dtype), indices, memories, self.flat_buffers, ready)
        elements.load(bodies)
        values = [convert(elements.body(body), type_) for body in bodies]
        stored = dict(zip(places, values, strict=True))
        for first, width in runs([Access(name, p, ()) for p in places], self.buffers):
            address = indices.address(first)
            if width == 1:
                memref.store(stored[first.offset], memories[name], [address])
                continue
            lanes = [stored[first.offset + k] for k in range(width)]
            alignment = width * BYTES[self.buffers[name].dtype]
            vector.store(packed(lanes), memories[name], [address], alignment=alignment)
