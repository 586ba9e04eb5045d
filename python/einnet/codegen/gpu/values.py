"""The parts of a kernel's body: index arithmetic, guards, loads of elements, sums of products.

A thread computes several positions of a tensor. Each is a body of its own, in which the position's
constants have been substituted (`at`); what bodies share then has equal structure and is emitted
once, and elements that lie side by side in memory are loaded as vectors, whichever bodies and
terms want them. All loads of the bodies given to `Elements.load` are issued before any is used.

No address is ever outside its buffer: where a term's guards fail the address is the buffer's start,
and the term is 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import gcd
from typing import NamedTuple

from mlir import ir
from mlir.dialects import arith, memref, vector

from einnet.bridge.guards import Conjunction, conjunction, guard_fact, implied, interval
from einnet.bridge.scalar import Terms, convert
from einnet.bridge.unroll import SUM
from einnet.codegen.gpu.functions import Arithmetic
from einnet.codegen.gpu.host import BYTES, Buffer
from einnet.expr.index import FloorDiv, Index, Range, Ranges, Var, bounds, constant
from einnet.expr.nodes import (
    Body,
    Call,
    Factor,
    Guard,
    Read,
    Residue,
    Tensor,
    Term,
    Within,
    box_of,
)
from einnet.expr.transform import Values, outside, substitute_term

VECTOR_BYTES = 16
"""The widest access of one thread."""

NARROW = 2**30
"""Index arithmetic is done in i32 if every number in it stays below."""

Digits = Mapping[str, Index]
"""Iterators as linear combinations of others."""


class Access(NamedTuple):
    """An element of a tensor: its number in the buffer, which is inside it where `guards` hold."""

    tensor: str
    offset: Index
    guards: Conjunction


class Indices:
    """Index arithmetic and guards in one integer type, each distinct value emitted once.

    `values` are iterators as values of that type, `digits` iterators as linear combinations of
    those: offsets into dense buffers then cancel to what they are, and an iterator that only
    such an offset needs is never computed. `ranges` are those of all iterators.
    """

    def __init__(
        self,
        integer: ir.Type,
        ranges: Ranges,
        values: Mapping[str, ir.Value],
        digits: Digits | None = None,
    ) -> None:
        self.integer = integer
        self.ranges = dict(ranges)
        self.values = dict(values)
        self.digits = dict(digits or {})
        self._known: dict[Index, ir.Value] = {}
        self._wide: dict[Index, ir.Value] = {}
        self._holds: dict[Guard | Conjunction, ir.Value] = {}
        self._quotients: dict[tuple[Index, int], ir.Value] = {}

    def inside(self, iterators: Mapping[str, tuple[Range, ir.Value]]) -> Indices:
        """The same in a region nested at the insertion point, with its iterators in addition."""
        inner = Indices(self.integer, self.ranges, self.values, self.digits)
        inner.ranges.update({name: range_ for name, (range_, _) in iterators.items()})
        inner.values.update({name: value for name, (_, value) in iterators.items()})
        inner._known.update(self._known)
        inner._wide.update(self._wide)
        inner._holds.update(self._holds)
        inner._quotients.update(self._quotients)
        return inner

    def number(self, value: int) -> ir.Value:
        return arith.constant(self.integer, value)

    def value(self, index: Index) -> ir.Value:
        """The index as a value of the integer type."""
        index = self._expanded(index)
        if index not in self._known:
            self._known[index] = self._value(index)
        return self._known[index]

    def quotient(self, index: Index, divisor: int) -> ir.Value:
        """`index div divisor`: division of what cannot be negative is unsigned, which is cheap, and
        e div k = (e + m*k) div k - m."""
        lift = _lift(bounds(index, self.ranges)[0], divisor)
        key = (index, divisor)
        if key not in self._quotients:
            lifted = self.value(index + lift * divisor)
            quotient = arith.divui(lifted, self.number(divisor))
            self._quotients[key] = arith.subi(quotient, self.number(lift)) if lift else quotient
        return self._quotients[key]

    def address(self, access: Access) -> ir.Value:
        """The number of the element, of type index; 0 where the guards fail."""
        condition = self.holds(access.guards)
        if condition is not None:
            place = arith.select(condition, self.value(access.offset), self.number(0))
            return arith.index_castui(ir.IndexType.get(), place)
        const = access.offset.const
        varying = access.offset - const
        if varying.is_constant:
            return arith.constant(ir.IndexType.get(), const)
        wide = self._cast(varying)
        # Added last, a constant becomes part of the instruction that loads.
        return arith.addi(wide, arith.constant(ir.IndexType.get(), const)) if const else wide

    def holds(self, guards: Conjunction) -> ir.Value | None:
        """Whether all the guards hold, an i1; None if there are none."""
        if not guards:
            return None
        if guards not in self._holds:
            first, *rest = guards
            condition = self._guard(first)
            for guard in rest:
                condition = arith.andi(condition, self._guard(guard))
            self._holds[guards] = condition
        return self._holds[guards]

    def _guard(self, guard: Guard) -> ir.Value:
        if guard not in self._holds:
            self._holds[guard] = self._emitted(guard)
        return self._holds[guard]

    def _emitted(self, guard: Guard) -> ir.Value:
        low, high = bounds(guard.index, self.ranges)
        if isinstance(guard, Residue):
            lifted = guard.index + _lift(low, guard.modulus) * guard.modulus
            remainder = arith.remui(self.value(lifted), self.number(guard.modulus))
            return arith.cmpi(arith.CmpIPredicate.eq, remainder, self.number(0))
        if low >= guard.lo:
            return self._compare(arith.CmpIPredicate.slt, guard.index, guard.hi)
        if high < guard.hi:
            return self._compare(arith.CmpIPredicate.sge, guard.index, guard.lo)
        # One unsigned comparison does for both sides.
        shifted = guard.index - guard.lo
        return self._compare(arith.CmpIPredicate.ult, shifted, guard.hi - guard.lo)

    def _compare(self, predicate: arith.CmpIPredicate, index: Index, bound: int) -> ir.Value:
        return arith.cmpi(predicate, self.value(index), self.number(bound))

    def _cast(self, index: Index) -> ir.Value:
        index = self._expanded(index)
        if index not in self._wide:
            self._wide[index] = arith.index_cast(ir.IndexType.get(), self.value(index))
        return self._wide[index]

    def _expanded(self, index: Index) -> Index:
        """The index with the digits that it has as bare terms in their place."""
        result = Index(index.const, ())
        for atom, coefficient in index.terms:
            digit = self.digits.get(atom.name) if isinstance(atom, Var) else None
            result = result + (Index(0, ((atom, 1),)) if digit is None else digit) * coefficient
        return result

    def _value(self, index: Index) -> ir.Value:
        total: ir.Value | None = None
        # Positive terms first, so that no subtraction starts from nothing.
        for atom, coefficient in sorted(index.terms, key=lambda t: t[1] < 0):
            if isinstance(atom, Var):
                value = self.values[atom.name]
            else:
                value = self.quotient(atom.operand, atom.divisor)
            if abs(coefficient) != 1:
                value = arith.muli(value, self.number(abs(coefficient)))
            if coefficient > 0:
                total = value if total is None else arith.addi(total, value)
            else:
                total = arith.subi(self.number(0) if total is None else total, value)
        if total is None:
            return self.number(index.const)
        return arith.addi(total, self.number(index.const)) if index.const else total


class Elements(Terms):
    """Bodies as scalars of one arithmetic type, over elements loaded at the insertion point.

    `memories` are the tensors' flat memrefs. `ready` holds reads that need no load: elements that
    a kernel has fetched in another way, of the tensor's type.
    """

    def __init__(
        self,
        arithmetic: Arithmetic,
        indices: Indices,
        memories: Mapping[str, ir.Value],
        buffers: Mapping[str, Buffer],
        ready: Mapping[Read, ir.Value] | None = None,
    ) -> None:
        super().__init__(arithmetic)
        self.indices = indices
        self.memories = memories
        self.buffers = buffers
        self.ready = dict(ready or {})
        self._loaded: dict[Access, ir.Value] = {}
        self._converted: dict[Access | Read, ir.Value] = {}

    def load(self, bodies: Iterable[Body]) -> None:
        """Issue the loads of everything that the bodies read and that is not loaded yet."""
        wanted = dict.fromkeys(
            self.access(read, guards)
            for body in bodies
            for read, guards in reads_of(body)
            if read not in self.ready
        )
        missing = [a for a in wanted if a not in self._loaded]
        for first, width in runs(missing, self.buffers):
            memory, address = self.memories[first.tensor], self.indices.address(first)
            if width == 1:
                self._loaded[first] = memref.load(memory, [address])
                continue
            dtype = self.buffers[first.tensor].dtype
            type_ = ir.VectorType.get([width], ir.Type.parse(dtype))
            run = vector.load(type_, memory, [address], alignment=width * BYTES[dtype])
            for lane in range(width):
                element = vector.extract(run, [], [lane])
                self._loaded[first._replace(offset=first.offset + lane)] = element

    def holds(self, guards: Conjunction) -> ir.Value | None:
        return self.indices.holds(guards)

    def element(self, read: Read, guards: Conjunction) -> ir.Value:
        """The element, converted; where the guards fail, some other one."""
        key = read if read in self.ready else self.access(read, guards)
        if key not in self._converted:
            if isinstance(key, Read):
                element = self.ready[key]
            else:
                if key not in self._loaded:
                    self.load([(Term((read,), guards),)])
                element = self._loaded[key]
            self._converted[key] = convert(element, self.arithmetic.type)
        return self._converted[key]

    def access(self, read: Read, guards: Conjunction) -> Access:
        """The element that a term with these guards reads."""
        return access(read, guards, self.buffers[tensor_of(read).name], self.indices.ranges)


def at(body: Body, values: Values, ranges: Ranges) -> Body:
    """A flat body with iterators replaced by indices over `ranges`, its guards decided anew.

    Guards come out normalised, so that those that say the same of several positions are equal.
    """
    terms = (_decided(substitute_term(t, values, ranges), ranges) for t in body)
    return tuple(t for t in terms if t is not None)


def _decided(term: Term, ranges: Ranges) -> Term | None:
    simplified = conjunction((normal(g) for g in term.guards), ranges)
    if simplified is None:
        return None
    factors: list[Factor] = []
    for factor in term.factors:
        if isinstance(factor, Call):
            arguments = (tuple(_decided(t, ranges) for t in a) for a in factor.arguments)
            kept = tuple(tuple(t for t in a if t is not None) for a in arguments)
            if factor.function == SUM and not kept[0]:
                return None
            factor = Call(factor.function, kept)
        factors.append(factor)
    guards = tuple(sorted({normal(g) for g in simplified}, key=repr))
    return Term(tuple(factors), guards, term.coefficient)


def normal(guard: Guard) -> Guard:
    """A Within without constant or common divisor in its index; a Residue as it is."""
    if isinstance(guard, Residue) or guard.index.is_constant:
        return guard
    return Within(*interval(guard))


def access(read: Read, guards: Conjunction, buffer: Buffer, ranges: Ranges) -> Access:
    """What a term with these guards reads, with the guards that keep it inside its tensor."""
    facts = [guard_fact(g) for g in guards if isinstance(g, Within)]
    needed = outside(read.index, box_of(read.source), ranges)
    inside = conjunction(needed, ranges)
    # Guards that exclude each other stay as they are: the address is then always 0.
    missing = (
        [g for g in needed if isinstance(g, Within)]
        if inside is None
        else [g for g in map(normal, inside) if isinstance(g, Within)]
    )
    added = tuple(g for g in missing if g not in guards and not implied(g, facts, ranges))
    return Access(tensor_of(read).name, offset(read.index, buffer), guards + added)


def offset(index: Iterable[Index], buffer: Buffer) -> Index:
    """The number of the element at an index of a buffer."""
    total = constant(0)
    for e, stride in zip(index, buffer.strides, strict=True):
        total = total + e * stride
    return total


def tensor_of(read: Read) -> Tensor:
    """The tensor that a read of a flat body reads."""
    if not isinstance(read.source, Tensor):
        raise TypeError(f"a nested scope in a flat body: {read.source}")
    return read.source


def reads_of(body: Body) -> Iterator[tuple[Read, Conjunction]]:
    """The reads of a flat body with the guards of their terms, those inside calls included."""
    for term in body:
        for factor in term.factors:
            if isinstance(factor, Read):
                yield factor, term.guards
            else:
                for argument in factor.arguments:
                    yield from reads_of(argument)


def runs(accesses: Iterable[Access], buffers: Mapping[str, Buffer]) -> Iterator[tuple[Access, int]]:
    """The accesses as aligned vectors of as many elements as are side by side, a power of two.

    Each vector is its first element and their number, in the order in which they are first wanted.
    """
    rows: dict[Access, list[int]] = {}
    for wanted in accesses:
        const = wanted.offset.const
        rows.setdefault(wanted._replace(offset=wanted.offset - const), []).append(const)
    for row, consts in rows.items():
        most = VECTOR_BYTES // BYTES[buffers[row.tensor].dtype]
        step = gcd(most, *(c for _, c in row.offset.terms))
        # Elements that no point wants may seem to be side by side beyond the buffer's end.
        while step > max(1, buffers[row.tensor].elements):
            step //= 2
        left = dict.fromkeys(consts)
        while left:
            first = next(iter(left))
            width = step
            # The widest aligned vector around the element of which every element is wanted.
            while any(first // width * width + lane not in left for lane in range(width)):
                width //= 2
            start = first // width * width
            yield row._replace(offset=row.offset + start), width
            for lane in range(width):
                del left[start + lane]


def integer_type(
    bodies: Iterable[Body], buffers: Mapping[str, Buffer], ranges: Ranges
) -> ir.IntegerType:
    """i32 if all index arithmetic of the bodies fits, else i64."""
    numbers = [b.elements for b in buffers.values()] + [r.hi for r in ranges.values()]
    for body in bodies:
        for index in _indices(body):
            numbers += map(abs, bounds(index, ranges))
        for read, _ in reads_of(body):
            numbers.append(abs(offset(read.index, buffers[tensor_of(read).name]).const))
    return ir.IntegerType.get_signless(32 if max(numbers) < NARROW else 64)


def _indices(body: Body) -> Iterator[Index]:
    for term in body:
        for guard in term.guards:
            yield from _with_operands(guard.index)
        for factor in term.factors:
            if isinstance(factor, Read):
                for index in factor.index:
                    yield from _with_operands(index)
            else:
                for argument in factor.arguments:
                    yield from _indices(argument)


def _with_operands(index: Index) -> Iterator[Index]:
    """The index and what it divides."""
    yield index
    for atom, _ in index.terms:
        if isinstance(atom, FloorDiv):
            yield from _with_operands(atom.operand)


def _lift(low: int, modulus: int) -> int:
    """The smallest m >= 0 with `low + m*modulus >= 0`."""
    return max(0, -(low // modulus))
