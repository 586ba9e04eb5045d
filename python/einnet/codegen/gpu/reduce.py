"""Kernels of long sums with few results: threads share a sum, then add up what each of them has.

    row     the sum runs along memory: `group` threads in a row step through it together, each with
            vectors of `vector` elements; partial sums meet by warp shuffles, then in shared memory
    column  the results lie along memory: `outputs` threads in a row own vectors of `vector`
            results, and `group` such rows of threads share the sum; they meet in shared memory

What is left of the definition around its one long sum (factors that the sum does not vary,
functions, other terms) is computed once for each result, by one thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod
from typing import Literal

from mlir import ir
from mlir.dialects import arith, gpu, memref, scf, vector

from einnet.bridge.scalar import convert
from einnet.bridge.unroll import SUM, UNROLL_LIMIT, unrolled
from einnet.codegen.gpu.chunks import align_shared, load_chunk, packed, store_chunk
from einnet.codegen.gpu.digits import digits_of
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
    reads_of,
    runs,
    tensor_of,
)
from einnet.expr.index import Index, Range, Ranges, floordiv, iterators_of, mod, substitute, var
from einnet.expr.nodes import (
    Body,
    Call,
    Factor,
    Guard,
    Iterator,
    Read,
    Scope,
    Tensor,
    Term,
    Within,
    factors_of,
)
from einnet.expr.program import Definition
from einnet.expr.transform import Values, rename, stays_inside, substitute_body

_LONG = 32
"""Sums of fewer points than this are left to one thread."""

_WARP = 32
_MOST_GROUP = 512
_COLUMN_THREADS = 512
_SECTOR_BYTES = 32
"""What memory delivers at least: fewer bytes side by side waste bandwidth."""

_MULTIPROCESSORS = 132
_BUSY = _MULTIPROCESSORS * 1024
"""Threads that keep the memory of an H100 busy."""

_STEPS = 8
"""A thread that steps through a sum fewer times than this had better be fewer threads."""

_UNROLL = 4
"""Vectors of one read that a thread loads before it adds them."""

_SHUFFLED = ("f32", "f64", "i32", "i64")
"""Element types that a warp exchanges."""

_LARGE = 8
"""Reads of this many times fewer elements than the largest are left to the caches."""

_TOTAL = "%sum"
"""The tensor that stands for the sum in what is computed of it."""


@dataclass(frozen=True)
class Reduce:
    """`group` threads share a sum, `outputs` times in a block, in vectors of `vector` elements.

    `axis` counts the iterators that are left of the sum (row) or of the results (column) when those
    that memory does not tell apart are one: it is the contiguous one. All but it are powers of two.
    """

    form: Literal["row", "column"]
    axis: int
    vector: int
    group: int
    outputs: int
    unroll: int = _UNROLL


def reductions(definition: Definition, buffers: Mapping[str, Buffer]) -> tuple[Reduce, ...]:
    """The default, then one with more threads for each sum. Empty if there is not exactly one long
    sum, if it reads nothing side by side, or if results side by side keep the GPU busy alone."""
    flat = _problem(definition, buffers)
    if flat is None or arithmetic_type(definition) not in _SHUFFLED:
        return ()
    points = prod(i.extent for i in flat.summation)
    results = prod(i.extent for i in flat.traversal)
    if points < _LONG:
        return ()
    names = {i.name for i in flat.summation}
    inner = dict.fromkeys(r for r, _ in reads_of(flat.bodies[0]))
    reads = [r for r in inner if iterators_of(r.index[0]) & names]
    found = _contiguous(flat, reads)
    if found is None:
        return ()
    form, axis, read = found
    iterators = flat.summation if form == "row" else flat.traversal
    size = BYTES[buffers[tensor_of(read).name].dtype]
    iterator = iterators[axis]
    moves = [others(read.index[0], iterator.name)]
    width = side(VECTOR_BYTES // size, iterator.extent, moves)
    unroll = max(1, _UNROLL // len(reads))
    if form == "row":
        return _rows(axis, width, points // width, results, unroll)
    return _columns(axis, width, size, points, results, unroll)


def _contiguous(
    flat: Flat, reads: Sequence[Read]
) -> tuple[Literal["row", "column"], int, Read] | None:
    """The axis along which neighbouring threads had better go: the contiguous one of a large read,
    along which no other large read strides. The results' own if a read slides along both."""
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
    return None


def _rows(axis: int, width: int, steps: int, results: int, unroll: int) -> tuple[Reduce, ...]:
    group = min(_WARP, _floor_power(steps))
    while group < _MOST_GROUP and (
        steps >= 2 * group * _STEPS or (results * group < _BUSY and steps >= 2 * group)
    ):
        group *= 2
    found: list[Reduce] = []
    for threads in (group, 2 * group):
        if threads > _MOST_GROUP or (found and steps < threads):
            continue
        outputs = max(1, _WARP // threads)
        while outputs * threads < 128 and results >= 4 * _MULTIPROCESSORS * outputs:
            outputs *= 2
        found.append(Reduce("row", axis, width, threads, outputs, unroll))
    return tuple(found)


def _columns(
    axis: int, width: int, size: int, points: int, results: int, unroll: int
) -> tuple[Reduce, ...]:
    def blocks(width: int, outputs: int) -> int:
        return -(-results // (width * outputs))

    outputs = _WARP
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
    while group * outputs < _WARP:
        outputs *= 2
    found = [Reduce("column", axis, width, group, outputs, unroll)]
    if group > 2 and group * outputs > _WARP:
        found.append(Reduce("column", axis, width, group // 2, outputs, unroll))
    return tuple(found)


def _floor_power(number: int) -> int:
    return 1 << (number.bit_length() - 1)


def _elements(flat: Flat, read: Read) -> int:
    iterators = flat.traversal + flat.summation
    return prod(i.extent for i in iterators if stride(read.index[0], i.name) != 0)


def _problem(definition: Definition, buffers: Mapping[str, Buffer]) -> Flat | None:
    """The definition over flat memory as two bodies: what is summed, and the result as made of the
    sum, which is read as an element of the tensor `_TOTAL`. None if there is not one long sum."""
    scope = definition.scope
    position = tuple(var(i.name) for i in scope.traversal)
    total = Tensor(_TOTAL, definition.result.shape, arithmetic_type(definition))
    sum_ = Read(total, position)
    if scope.summation:
        summed, around = scope, Scope(scope.traversal, (), (Term((sum_,)),))
    else:
        long = [f for f in factors_of(scope.body) if isinstance(f, Read) and _is_long(f)]
        if len(set(long)) != 1 or not stays_inside(long[0], scope.ranges):
            return None
        summed = _at_results(long[0], scope)
        around = replace(scope, body=_with(scope.body, long[0], sum_))
    summed = unrolled(summed, keep_sums=True)
    around = unrolled(around)
    if not summed.summation or not summed.body:
        return None
    fixed, body = _without_fixed(summed)
    if fixed != Term():
        factor = Call(SUM, ((replace(fixed, factors=(*fixed.factors, sum_)),),))
        around = unrolled(replace(around, body=_with(around.body, sum_, factor)))
    result = buffers[definition.result.name]
    tensors = {**buffers, _TOTAL: replace(result, name=_TOTAL, dtype=total.dtype)}
    output = offset(position, result)
    return flat_of(summed.traversal, summed.summation, (body, around.body), output, tensors)


def _is_long(read: Read) -> bool:
    source = read.source
    return isinstance(source, Scope) and prod(i.extent for i in source.summation) > UNROLL_LIMIT


def _at_results(read: Read, scope: Scope) -> Scope:
    """The nested sum that is read, as a sum at the positions of the scope that reads it."""
    inner = read.source
    assert isinstance(inner, Scope)
    names = {i.name: f"{i.name}%" for i in inner.traversal + inner.summation}
    inner = rename(inner, names)
    values = {i.name: e for i, e in zip(inner.traversal, read.index, strict=True)}
    ranges = {**scope.ranges, **inner.ranges}
    return Scope(scope.traversal, inner.summation, substitute_body(inner.body, values, ranges))


def _with(body: Body, old: Read, new: Factor) -> Body:
    """The body with a factor in the place of a read."""

    def factor(f: Factor) -> Factor:
        if isinstance(f, Call):
            return Call(f.function, tuple(_with(a, old, new) for a in f.arguments))
        return new if f == old else f

    return tuple(replace(t, factors=tuple(map(factor, t.factors))) for t in body)


def _without_fixed(scope: Scope) -> tuple[Term, Body]:
    """What all terms have in common and the sum does not vary, and the terms without it.

    Terms that have different things in common are left alone: taken apart, sums that cancel (a
    square of differences, multiplied out) would lose their digits.
    """
    names = frozenset(i.name for i in scope.summation)
    parts = [_split(term, names) for term in scope.body]
    (fixed, _), *rest = parts
    if not any(f.factors or f.guards for f, _ in parts) and len(parts) > 1:
        return Term(), scope.body
    if any((f.factors, f.guards) != (fixed.factors, fixed.guards) for f, _ in rest):
        return Term(), scope.body
    if len(parts) > 1:
        return replace(fixed, coefficient=Fraction(1)), tuple(
            replace(v, coefficient=f.coefficient) for f, v in parts
        )
    return fixed, (parts[0][1],)


def _split(term: Term, names: frozenset[str]) -> tuple[Term, Term]:
    """A term as what the iterators do not vary, the coefficient included, times what they do."""
    varying = [f for f in term.factors if _iterators((Term((f,)),)) & names]
    guards = [g for g in term.guards if iterators_of(g.index) & names]
    fixed = Term(
        tuple(f for f in term.factors if f not in varying),
        tuple(g for g in term.guards if g not in guards),
        term.coefficient,
    )
    return fixed, Term(tuple(varying), tuple(guards))


def _iterators(body: Body) -> frozenset[str]:
    found: set[str] = set()
    for read, _ in reads_of(body):
        found.update(*(iterators_of(e) for e in read.index))
    for term in body:
        found.update(*(iterators_of(g.index) for g in term.guards))
        for factor in term.factors:
            if isinstance(factor, Call):
                found.update(*(_iterators(a) for a in factor.arguments))
    return frozenset(found)


def build_reduce(definition: Definition, buffers: Mapping[str, Buffer], schedule: Reduce) -> Kernel:
    """The kernel. The schedule is one of `reductions` of the definition and buffers."""
    flat = _problem(definition, buffers)
    if flat is None:
        raise ValueError(f"{definition.result.name} is not made of one long sum")
    return _Reduction(definition, buffers, schedule, flat).kernel()


class _Reduction:
    """Iterators besides the definition's: `%part` counts the threads that share a sum, `%round` the
    times that they step through it together. The definition's own count vectors where they run
    along the schedule's axis."""

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
        # Memory order: neighbouring numbers are neighbours in memory, as far as that can be.
        self.results = self._counted(flat.traversal, [flat.output])
        self.points = self._counted(
            flat.summation, [r.index[0] for r, _ in reads_of(flat.bodies[0])]
        )
        self.count = prod(self.results.values())
        self.lanes = 1 if self.is_row else schedule.vector
        self.warps = schedule.group // _WARP if self.is_row else 0

    def _counted(
        self, iterators: tuple[Iterator, ...], addresses: Sequence[Index]
    ) -> dict[str, int]:
        """The iterators' extents, in vectors along the axis, that of the smallest steps first."""

        def step(iterator: Iterator) -> tuple[bool, int]:
            steps = [abs(stride(a, iterator.name) or 0) for a in addresses]
            return iterator.name != self.axis, max(steps, default=0)

        extents: dict[str, int] = {}
        for iterator in sorted(iterators, key=step):
            width = self.schedule.vector if iterator.name == self.axis else 1
            extents[iterator.name] = iterator.extent // width
        return extents

    def kernel(self) -> Kernel:
        schedule = self.schedule
        threads = schedule.group * schedule.outputs
        if self.is_row:
            slots = schedule.outputs * self.warps if self.warps > 1 else 0
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
        sums = {**self.flat_buffers, _TOTAL: self.flat_buffers[self.definition.result.name]}
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
        positions = [self._result(lane_) for lane_ in range(self.lanes)]
        totals = self._partial(summing, positions, memories)
        if self.is_row:
            totals = [self._shuffled(t) for t in totals]
            if self.warps > 1:
                (total,) = totals
                self._meet(total, thread, shared[0])
        else:
            own = arith.index_cast(ir.IndexType.get(), thread)
            store_chunk(totals, shared[0], own)
            gpu.barrier()
        first = arith.cmpi(arith.CmpIPredicate.eq, part, arith.constant(integer, 0))
        writes = first if exists is None else arith.andi(first, exists)
        branch = scf.IfOp(writes)
        with ir.InsertionPoint(branch.then_block):
            if self.is_row and self.warps > 1:
                start = arith.muli(lane, arith.constant(integer, self.warps))
                totals = self._collected(shared[0], start, 1, self.warps)
            elif not self.is_row:
                totals = self._collected(shared[0], lane, schedule.outputs, schedule.group)
            self._finish(indices.inside({}), positions, totals, memories)
            scf.yield_([])

    def _result(self, lane: int) -> Values:
        """The position of a thread's result."""
        if self.is_row:
            return {}
        return {self.axis: var(self.axis) * self.schedule.vector + lane}

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

    def _shuffled(self, total: ir.Value) -> ir.Value:
        """The sum over the threads of a group that are in one warp; all of them get it."""
        arithmetic = arithmetic_of(self.dtype)
        i32 = ir.IntegerType.get_signless(32)
        distance = min(self.schedule.group, _WARP) // 2
        while distance:
            offset_, width = arith.constant(i32, distance), arith.constant(i32, _WARP)
            other = gpu.shuffle(total, offset_, width, gpu.ShuffleMode.XOR)[0]
            total = arithmetic.add(total, other)
            distance //= 2
        return total

    def _meet(self, total: ir.Value, thread: ir.Value, shared: ir.Value) -> None:
        """The first thread of each warp stores its sum."""
        size, zero = (arith.constant(thread.type, n) for n in (_WARP, 0))
        warp, lane = arith.divui(thread, size), arith.remui(thread, size)
        branch = scf.IfOp(arith.cmpi(arith.CmpIPredicate.eq, lane, zero))
        with ir.InsertionPoint(branch.then_block):
            memref.store(total, shared, [arith.index_cast(ir.IndexType.get(), warp)])
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
        for first in range(0, len(values), _UNROLL):
            group = list(values[first : first + _UNROLL])
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
        sum_ = Tensor(_TOTAL, (self.buffers[name].elements,), self.dtype)
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
