"""Definitions over flat memory, and iterators that memory does not tell apart as one.

A schedule that tiles two axes wants them as long as they are in memory: in an NCHW tensor read as
NHWC these are C and the product of H and W. Once every read is of a one-dimensional buffer, two
iterators that every address holds as `c*(n*x + y)`, with y in `0:n`, are one iterator.
"""

from __future__ import annotations

from collections.abc import Iterator as Iterable_
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from einnet.codegen.gpu.host import Buffer
from einnet.codegen.gpu.values import offset, reads_of, tensor_of
from einnet.expr.index import FloorDiv, Index, Ranges, Var, constant, iterators_of, substitute
from einnet.expr.nodes import (
    Body,
    Call,
    Factor,
    Guard,
    Iterator,
    Read,
    Tensor,
    box_of,
)
from einnet.expr.transform import outside, substitute_body, substitute_guard


@dataclass(frozen=True)
class Flat:
    """Flat bodies (`bridge.unroll`) whose reads are of one-dimensional tensors, at the numbers of
    elements in their buffers. `output` is that of the element written. `inside` are the guards
    under which a read is of an element of its tensor, where there are any."""

    traversal: tuple[Iterator, ...]
    summation: tuple[Iterator, ...]
    bodies: tuple[Body, ...]
    output: Index
    inside: Mapping[Read, tuple[Guard, ...]]

    @property
    def ranges(self) -> Ranges:
        return {i.name: i.range for i in self.traversal + self.summation}

    @property
    def reads(self) -> tuple[Read, ...]:
        """The distinct reads, in order."""
        return tuple(dict.fromkeys(r for body in self.bodies for r, _ in reads_of(body)))


def flat_of(
    traversal: tuple[Iterator, ...],
    summation: tuple[Iterator, ...],
    bodies: Sequence[Body],
    output: Index,
    buffers: Mapping[str, Buffer],
) -> Flat:
    """Flat bodies over the buffers, their iterators collapsed where that can be."""
    ranges = {i.name: i.range for i in traversal + summation}
    inside: dict[Read, tuple[Guard, ...]] = {}

    def flat_body(body: Body) -> Body:
        return tuple(replace(t, factors=tuple(map(flat_factor, t.factors))) for t in body)

    def flat_factor(factor: Factor) -> Factor:
        if isinstance(factor, Call):
            return Call(factor.function, tuple(map(flat_body, factor.arguments)))
        tensor = tensor_of(factor)
        buffer = buffers[tensor.name]
        flat_tensor = Tensor(tensor.name, (buffer.elements,), tensor.dtype)
        read = Read(flat_tensor, (offset(factor.index, buffer),))
        guards = tuple(outside(factor.index, box_of(tensor), ranges))
        _enter(inside, read, guards)
        return read

    flat = Flat(traversal, summation, tuple(map(flat_body, bodies)), output, inside)
    return collapsed(flat)


def _enter(inside: dict[Read, tuple[Guard, ...]], read: Read, guards: tuple[Guard, ...]) -> None:
    """Say where a read is inside. Two may name one element by different indices and be inside at
    different places: then nothing is said, as the terms have their guards themselves."""
    inside[read] = guards if inside.get(read, guards) == guards else ()


def flat_buffers(buffers: Mapping[str, Buffer]) -> dict[str, Buffer]:
    """The buffers as one-dimensional ones."""
    return {n: replace(b, shape=(b.elements,), strides=(1,)) for n, b in buffers.items()}


def collapsed(flat: Flat) -> Flat:
    """The same over fewer iterators: those of extent 1 are 0, and pairs that every index holds as
    one number are one. The inner iterator of a pair keeps its name."""
    for iterator in flat.traversal + flat.summation:
        if iterator.extent == 1:
            flat = _without(flat, iterator.name, 0)
    while (pair := _mergeable(flat)) is not None:
        outer, inner = pair
        merged = Iterator(inner.name, 0, outer.extent * inner.extent)
        flat = _without(flat, outer.name, 0)
        flat = replace(
            flat,
            traversal=tuple(merged if i == inner else i for i in flat.traversal),
            summation=tuple(merged if i == inner else i for i in flat.summation),
        )
    return flat


def _mergeable(flat: Flat) -> tuple[Iterator, Iterator] | None:
    indices = list(_indices(flat))
    for group in (flat.traversal, flat.summation):
        for outer in group:
            for inner in group:
                if outer != inner and all(_is_digit(e, outer, inner) for e in indices):
                    return outer, inner
    return None


def _indices(flat: Flat) -> Iterable_[Index]:
    yield flat.output
    for read in flat.reads:
        yield from read.index
        yield from (g.index for g in flat.inside[read])
    yield from (g.index for body in flat.bodies for g in guards_of(body))


def guards_of(body: Body) -> Iterable_[Guard]:
    """Every guard of a flat body, those inside calls included."""
    for term in body:
        yield from term.guards
        for factor in term.factors:
            if isinstance(factor, Call):
                for argument in factor.arguments:
                    yield from guards_of(argument)


def _is_digit(index: Index, outer: Iterator, inner: Iterator) -> bool:
    high, low = stride(index, outer.name), stride(index, inner.name)
    return high is not None and low is not None and high == low * inner.extent


def stride(index: Index, name: str) -> int | None:
    """How far one step of an iterator moves an index; None inside a division."""
    for atom, _ in index.terms:
        if isinstance(atom, FloorDiv) and name in iterators_of(atom.operand):
            return None
    return index.coefficient(name)


def others(index: Index, name: str) -> tuple[int, ...]:
    """What an index moves by: its constant and the coefficients of all atoms but one iterator."""
    return (index.const, *(c for a, c in index.terms if a != Var(0, name)))


def _without(flat: Flat, name: str, value: int) -> Flat:
    """The bodies at one value of an iterator, which is then gone."""
    ranges, values = flat.ranges, {name: constant(value)}
    inside: dict[Read, tuple[Guard, ...]] = {}
    for read, guards in flat.inside.items():
        there = tuple(substitute(e, values, ranges) for e in read.index)
        kept = tuple(substitute_guard(g, values, ranges) for g in guards)
        _enter(inside, Read(read.source, there), kept)
    return Flat(
        tuple(i for i in flat.traversal if i.name != name),
        tuple(i for i in flat.summation if i.name != name),
        tuple(substitute_body(body, values, ranges) for body in flat.bodies),
        substitute(flat.output, values, ranges),
        inside,
    )


def side(most: int, extent: int, moves: Sequence[tuple[int, ...]]) -> int:
    """The longest vector along an axis: the extent, and whatever else the addresses move by, are
    multiples of it."""
    length = most
    while extent % length or any(m % length for move in moves for m in move):
        length //= 2
    return length
