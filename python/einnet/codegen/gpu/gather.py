"""The schedule of most eOperators: each thread gathers what some neighbouring elements are made of.

Threads enumerate the result in its order in memory, each a vector of it along the contiguous
dimension, so that the threads of a warp write, and mostly read, whole lines. A thread may compute
several such vectors, apart by a constant: more loads in flight and, where the constant is that of
a division or a residue in the body, index arithmetic that is shared or gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import gcd, lcm, prod

from mlir import ir
from mlir.dialects import arith, gpu, scf

from einnet.bridge.unroll import unrolled
from einnet.codegen.gpu.frame import Kernel, Launch, Memories, write_kernel
from einnet.codegen.gpu.functions import arithmetic_of, arithmetic_type, storage
from einnet.codegen.gpu.host import BYTES, Buffer
from einnet.codegen.gpu.skipping import thinned
from einnet.codegen.gpu.values import (
    VECTOR_BYTES,
    Indices,
    at,
    integer_type,
    offset,
    reads_of,
    tensor_of,
)
from einnet.codegen.gpu.writer import Writer
from einnet.errors import InputError
from einnet.expr.index import FloorDiv, Index, Range, Ranges, constant, var
from einnet.expr.nodes import Body, Read, Residue, Scope
from einnet.expr.program import Definition

_THREAD = "%thread"
"""What the iterators that count threads are called; no scope has such ones."""


@dataclass(frozen=True)
class Repeat:
    """A thread computes `count` positions of a dimension: neighbours, or as far apart as can be."""

    dimension: int
    count: int
    adjacent: bool


@dataclass(frozen=True)
class Gather:
    """`vector` elements are written at once; `unroll` is of the innermost sum that stays a loop.

    Neighbouring threads are neighbours in the result's memory, or, where reading matters more, in
    the dimension `fastest`.
    """

    vector: int
    repeats: tuple[Repeat, ...] = ()
    block: int = 128
    unroll: int = 8
    fastest: int | None = None


@dataclass(frozen=True)
class _Point:
    """One position that a thread computes: iterators over the thread's own, and the body there."""

    values: Mapping[str, Index]
    body: Body


def widest_vector(result: Buffer) -> int:
    """The most elements of the result that every access of as many can write at once."""
    along = contiguous(result)
    if along is None:
        return 1
    strides = [s for d, s in enumerate(result.strides) if d != along and result.shape[d] > 1]
    return gcd(VECTOR_BYTES // BYTES[result.dtype], result.shape[along], *strides)


def build_gather(definition: Definition, buffers: Mapping[str, Buffer], schedule: Gather) -> Kernel:
    """The kernel. Raises InputError for a result without elements, for element types that no
    kernel has, and for a schedule that does not divide the result."""
    result = buffers[definition.result.name]
    _check(definition, buffers, schedule)
    scope = unrolled(thinned(definition.scope))
    ranges = dict(scope.ranges)
    names = [i.name for i in scope.traversal]
    extents = dict(zip(names, scope.extents, strict=True))
    along = contiguous(result)
    if along is not None:
        extents[names[along]] //= schedule.vector
    for repeat in schedule.repeats:
        extents[names[repeat.dimension]] //= repeat.count
    ranges.update({name: Range(0, extent) for name, extent in extents.items()})
    points = [
        _Point(values, at(scope.body, values, ranges))
        for values in _positions(scope, along, schedule, extents)
    ]
    threads = prod(extents.values())
    launch = Launch((-(-threads // schedule.block), 1, 1), (schedule.block, 1, 1))

    def emit(memories: Memories, _: Sequence[ir.Value]) -> None:
        bodies = [p.body for p in points]
        counted = {**ranges, _THREAD: Range(0, launch.grid[0] * schedule.block)}
        integer = integer_type(bodies, buffers, counted)
        block = arith.index_cast(integer, gpu.block_id(gpu.Dimension.x))
        lane = arith.index_cast(integer, gpu.thread_id(gpu.Dimension.x))
        size = arith.constant(integer, schedule.block)
        thread = arith.addi(arith.muli(block, size), lane)

        def emit_points() -> None:
            order = sorted(memory_order(result), key=lambda d: d == schedule.fastest)
            indices = enumerated(
                thread, integer, ranges, {names[d]: extents[names[d]] for d in order}
            )
            arithmetic = arithmetic_of(arithmetic_type(definition))
            writer = Writer(arithmetic, memories, buffers, definition.result.name)
            totals = writer.totals(indices, scope.summation, bodies, schedule.unroll)
            writer.store(indices, [offset(p.values.values(), result) for p in points], totals)

        if threads % schedule.block == 0:
            emit_points()
            return
        last = arith.constant(integer, threads)
        inside = scf.IfOp(arith.cmpi(arith.CmpIPredicate.ult, thread, last))
        with ir.InsertionPoint(inside.then_block):
            emit_points()
            scf.yield_([])

    return write_kernel(definition, buffers, schedule, launch, emit)


def memory_order(buffer: Buffer) -> list[int]:
    """The dimensions by decreasing stride; among equal ones those of one element first."""
    return sorted(range(len(buffer.shape)), key=lambda d: (-buffer.strides[d], buffer.shape[d]))


def enumerated(
    thread: ir.Value, integer: ir.Type, ranges: Ranges, extents: Mapping[str, int]
) -> Indices:
    """Index arithmetic at a thread's place in a box that the threads enumerate, its last iterator
    fastest: each is `t div (extents below) - extent * (t div (extents from it on))`."""
    values: dict[str, ir.Value] = {}
    digits: dict[str, Index] = {}
    above = constant(0)
    for place, (name, extent) in enumerate(extents.items()):
        if extent == 1:
            digits[name] = constant(0)
            continue
        below = prod(list(extents.values())[place + 1 :])
        counter = f"{_THREAD}{place}"
        divisor = arith.constant(integer, below)
        values[counter] = arith.divui(thread, divisor) if below > 1 else thread
        digits[name] = var(counter) - above * extent
        above = var(counter)
    return Indices(integer, ranges, values, digits)


def _positions(
    scope: Scope, along: int | None, schedule: Gather, extents: Mapping[str, int]
) -> list[dict[str, Index]]:
    """The positions that a thread computes, neighbours in memory next to each other."""
    counts = [r.count for r in schedule.repeats]
    found: list[dict[str, Index]] = []
    for chosen in product(*(range(count) for count in counts)):
        values = {i.name: var(i.name) for i in scope.traversal}
        for repeat, number in zip(schedule.repeats, chosen, strict=True):
            name = scope.traversal[repeat.dimension].name
            step = extents[name]
            values[name] = (
                values[name] * repeat.count + number
                if repeat.adjacent
                else values[name] + number * step
            )
        if along is None:
            found.append(values)
            continue
        name = scope.traversal[along].name
        start = values[name] * schedule.vector
        found += [{**values, name: start + lane} for lane in range(schedule.vector)]
    return found


def contiguous(buffer: Buffer) -> int | None:
    """The dimension along which elements are side by side."""
    candidates = [d for d, s in enumerate(buffer.strides) if s == 1 and buffer.shape[d] > 1]
    return candidates[0] if candidates else None


def _check(definition: Definition, buffers: Mapping[str, Buffer], schedule: Gather) -> None:
    for tensor in (*definition.operands, definition.result):
        buffer = buffers[tensor.name]
        if buffer.shape != tensor.shape or buffer.dtype != storage(tensor.dtype):
            raise InputError(
                f"tensor '{tensor.name}' of shape {tensor.shape} and type {tensor.dtype}"
                f" in a buffer of shape {buffer.shape} and type {buffer.dtype}"
            )
    arithmetic_type(definition)
    result = buffers[definition.result.name]
    if not result.elements:
        raise InputError(f"'{definition.result.name}' has no elements: there is nothing to launch")
    shape = list(result.shape)
    along = contiguous(result)
    if along is not None and widest_vector(result) % schedule.vector == 0:
        shape[along] //= schedule.vector
    elif schedule.vector != 1:
        raise InputError(f"no vectors of {schedule.vector} elements fit '{result.name}'")
    for repeat in schedule.repeats:
        if shape[repeat.dimension] % repeat.count:
            raise InputError(f"{repeat} does not divide '{result.name}' of shape {result.shape}")
        shape[repeat.dimension] //= repeat.count


_BUSY = 132 * 128
"""Threads that give every multiprocessor of a large GPU a few warps."""

_STREAMING = 16 * _BUSY
"""Threads from which on there are enough to give each several vectors."""

_IN_FLIGHT = 512
"""Bytes that a thread may load for all its vectors."""


def gathers(definition: Definition, buffers: Mapping[str, Buffer]) -> tuple[Gather, ...]:
    """The default, then alternatives: wider and narrower vectors, several vectors a thread, threads
    along the dimension that is contiguous in what is read."""
    result = buffers[definition.result.name]
    elements = prod(result.shape)
    scope = unrolled(thinned(definition.scope))
    widest = widest_vector(result)
    length = widest
    while length > 1 and elements // length < _BUSY:
        length //= 2
    found = [_sized(Gather(length), elements)]
    others = [d for d in range(len(result.shape)) if d != contiguous(result)]
    repeats = residues(scope, others) or _far(result, length)
    reads = [tensor_of(read).name for read, _ in reads_of(scope.body)]
    loads = sum(length * BYTES[buffers[name].dtype] for name in reads)
    if repeats and loads * prod(r.count for r in repeats) <= _IN_FLIGHT:
        several = _sized(Gather(length, repeats), elements)
        streaming = elements // length >= _STREAMING and len(reads) <= 2
        found.insert(0 if streaming else 1, several)
    along = _read_along(scope, buffers)
    if along is not None and along != contiguous(result):
        found.append(_sized(Gather(1, fastest=along), elements))
    if widest > length:
        found.append(_sized(Gather(widest), elements))
    elif length > 1:
        found.append(_sized(Gather(length // 2), elements))
    return tuple(found)


def _sized(schedule: Gather, elements: int) -> Gather:
    """In blocks that are small where there would not be one for every multiprocessor."""
    threads = elements // schedule.vector // prod(r.count for r in schedule.repeats)
    block = 256 if threads >= 4 * _BUSY else 128 if threads >= _BUSY else 64
    return replace(schedule, block=block)


def _read_along(scope: Scope, buffers: Mapping[str, Buffer]) -> int | None:
    """The dimension of the result along which the largest tensor read is contiguous."""
    reads = [read for read, _ in reads_of(scope.body)]
    if not reads:
        return None
    largest = max(reads, key=lambda r: buffers[tensor_of(r).name].elements)
    place = offset(largest.index, buffers[tensor_of(largest).name])
    for d, iterator in enumerate(scope.traversal):
        if place.coefficient(iterator.name) == 1 and iterator.extent > 1:
            return d
    return None


def residues(scope: Scope, dimensions: Iterable[int]) -> tuple[Repeat, ...]:
    """Neighbours in those dimensions that the body divides: then it divides them no more."""
    found: list[Repeat] = []
    for d in dimensions:
        iterator = scope.traversal[d]
        divisor = _divisor_of(scope.body, iterator.name)
        if 1 < divisor <= 4 and iterator.extent % divisor == 0:
            found.append(Repeat(d, divisor, adjacent=True))
    return tuple(found)


def _far(result: Buffer, length: int) -> tuple[Repeat, ...]:
    """Four or two vectors as far apart as the outermost dimension allows."""
    for count in (4, 2):
        for d in memory_order(result):
            extent = result.shape[d] // (length if d == contiguous(result) else 1)
            if extent % count == 0:
                return (Repeat(d, count, adjacent=False),)
    return ()


def _divisor_of(body: Body, name: str) -> int:
    """The least common multiple of what the body divides the iterator by."""
    found = 1
    for term in body:
        for guard in term.guards:
            if isinstance(guard, Residue) and guard.index.coefficient(name):
                found = lcm(found, guard.modulus)
        for factor in term.factors:
            if isinstance(factor, Read):
                for e in factor.index:
                    for atom, _ in e.terms:
                        if isinstance(atom, FloorDiv) and atom.operand.coefficient(name):
                            found = lcm(found, atom.divisor)
            else:
                found = lcm(found, *(_divisor_of(a, name) for a in factor.arguments))
    return found
