"""Arithmetic of one body as arith and math operations, at the current insertion point.

Every distinct index, guard and read is emitted once. Conditions and addresses are functions of
exactly the iterators that they need, so that a compiler can move them out of inner loops.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from fractions import Fraction

from mlir import ir
from mlir.dialects import arith, math

from einnet.bridge.guards import Conjunction
from einnet.bridge.refusal import NotEmittable
from einnet.bridge.unroll import SUM
from einnet.expr.index import Index, Ranges, Var, bounds
from einnet.expr.nodes import (
    Body,
    Factor,
    Guard,
    Read,
    Residue,
    Tensor,
    Term,
)

Loop = Callable[[str], ir.Value]
"""The value, of type index, of an iterator."""

Load = Callable[[Tensor, list[ir.Value]], ir.Value]
"""The element of a tensor at an index that is inside."""


class Terms(ABC):
    """Flat bodies (`bridge.unroll`) as values: sums of products of elements, where guards hold."""

    def __init__(self, arithmetic: Float | Integer) -> None:
        self.arithmetic = arithmetic

    @abstractmethod
    def element(self, read: Read, guards: Conjunction) -> ir.Value:
        """The element that a term with these guards reads, in the type of the arithmetic; where
        they fail, some other element."""

    @abstractmethod
    def holds(self, guards: Conjunction) -> ir.Value | None:
        """Whether all of the guards hold; None if there is nothing to ask."""

    def body(self, body: Body) -> ir.Value:
        """The sum of the terms, added up as a tree: positive ones, less negative ones."""
        plus = [self.term(t) for t in body if t.coefficient > 0]
        minus = [self.term(t) for t in body if t.coefficient < 0]
        if not minus:
            return self._total(plus)
        if not plus:
            return self.arithmetic.negate(self._total(minus))
        return self.arithmetic.subtract(self._total(plus), self._total(minus))

    def _total(self, values: list[ir.Value]) -> ir.Value:
        if not values:
            return self.arithmetic.constant(Fraction(0))
        while len(values) > 1:
            odd = values[-1:] if len(values) % 2 else []
            pairs = zip(values[::2], values[1::2], strict=False)
            values = [self.arithmetic.add(a, b) for a, b in pairs] + odd
        return values[0]

    def term(self, term: Term) -> ir.Value:
        """`|coefficient| * factors` where the guards hold, 0 elsewhere."""
        magnitude = abs(term.coefficient)
        value: ir.Value | None = None
        for factor in term.factors:
            element = self.factor(factor, term.guards)
            value = element if value is None else self.arithmetic.multiply(value, element)
        if value is None:
            value = self.arithmetic.constant(magnitude)
        elif magnitude != 1:
            value = self.arithmetic.multiply(value, self.arithmetic.constant(magnitude))
        condition = self.holds(term.guards)
        if condition is None:
            return value
        return arith.select(condition, value, self.arithmetic.constant(Fraction(0)))

    def factor(self, factor: Factor, guards: Conjunction) -> ir.Value:
        if isinstance(factor, Read):
            return self.element(factor, guards)
        arguments = [self.body(a) for a in factor.arguments]
        if factor.function == SUM:
            return arguments[0]
        return self.arithmetic.call(factor.function, arguments)


class ScalarBuilder(Terms):
    """Emits flat bodies (`bridge.unroll`) as values of one floating-point or integer type.

    `ready` holds the elements that need no load.
    """

    def __init__(
        self, type_: ir.Type, ranges: Ranges, loop: Loop, load: Load, ready: Mapping[Read, ir.Value]
    ) -> None:
        super().__init__(arithmetic_of(type_))
        self.ranges = ranges
        self.loop = functools.cache(loop)
        self.load = load
        self.ready = ready
        self.elements: dict[Read, ir.Value] = {}
        self.indices: dict[Index, ir.Value] = {}
        self.quotients: dict[tuple[Index, int], ir.Value] = {}
        self.clamped: dict[tuple[Index, int], ir.Value] = {}
        self.conditions: dict[Guard, ir.Value] = {}
        self.integers: dict[int, ir.Value] = {}

    def element(self, read: Read, guards: Conjunction) -> ir.Value:  # noqa: ARG002 - it clamps
        if read not in self.elements:
            source = read.source
            if not isinstance(source, Tensor):
                raise TypeError(f"a nested scope in a flat body: {source}")
            element = self.ready.get(read)
            if element is None:
                indices = zip(read.index, source.shape, strict=True)
                element = self.load(source, [self.inside(e, n) for e, n in indices])
            self.elements[read] = convert(element, self.arithmetic.type)
        return self.elements[read]

    def inside(self, index: Index, extent: int) -> ir.Value:
        """The index, clamped to `0:extent` on the sides where ranges do not prove it inside."""
        key = (index, extent)
        if key not in self.clamped:
            value = self.index(index)
            low, high = bounds(index, self.ranges)
            if high >= extent:
                value = arith.minsi(value, self.integer(extent - 1))
            if low < 0:
                value = arith.maxsi(value, self.integer(0))
            self.clamped[key] = value
        return self.clamped[key]

    def holds(self, guards: Conjunction) -> ir.Value | None:
        condition: ir.Value | None = None
        for guard in guards:
            found = self.guard(guard)
            condition = found if condition is None else arith.andi(condition, found)
        return condition

    def guard(self, guard: Guard) -> ir.Value:
        if guard not in self.conditions:
            self.conditions[guard] = self._guard(guard)
        return self.conditions[guard]

    def _guard(self, guard: Guard) -> ir.Value:
        low, high = bounds(guard.index, self.ranges)
        if isinstance(guard, Residue):
            operand = self.index(guard.index + _lift(low, guard.modulus) * guard.modulus)
            remainder = arith.remui(operand, self.integer(guard.modulus))
            return arith.cmpi(arith.CmpIPredicate.eq, remainder, self.integer(0))
        value = self.index(guard.index)
        if low >= guard.lo:
            return arith.cmpi(arith.CmpIPredicate.slt, value, self.integer(guard.hi))
        above = arith.cmpi(arith.CmpIPredicate.sge, value, self.integer(guard.lo))
        if high < guard.hi:
            return above
        below = arith.cmpi(arith.CmpIPredicate.slt, value, self.integer(guard.hi))
        return arith.andi(above, below)

    def index(self, index: Index) -> ir.Value:
        if index not in self.indices:
            self.indices[index] = self._index(index)
        return self.indices[index]

    def _index(self, index: Index) -> ir.Value:
        total: ir.Value | None = None
        const = index.const
        # Positive terms first, so that no subtraction starts from nothing.
        for atom, coefficient in sorted(index.terms, key=lambda t: t[1] < 0):
            if isinstance(atom, Var):
                value = self.loop(atom.name)
            else:
                # Floor division of what cannot be negative is unsigned division, which is cheap:
                # e div k = (e + m*k) div k - m.
                lift = _lift(bounds(atom.operand, self.ranges)[0], atom.divisor)
                value = self.quotient(atom.operand + lift * atom.divisor, atom.divisor)
                const -= lift * coefficient
            if abs(coefficient) != 1:
                value = arith.muli(value, self.integer(abs(coefficient)))
            if coefficient > 0:
                total = value if total is None else arith.addi(total, value)
            else:
                total = arith.subi(self.integer(0) if total is None else total, value)
        if total is None:
            return self.integer(const)
        if const > 0:
            return arith.addi(total, self.integer(const))
        return arith.subi(total, self.integer(-const)) if const else total

    def quotient(self, operand: Index, divisor: int) -> ir.Value:
        key = (operand, divisor)
        if key not in self.quotients:
            self.quotients[key] = arith.divui(self.index(operand), self.integer(divisor))
        return self.quotients[key]

    def integer(self, value: int) -> ir.Value:
        if value not in self.integers:
            self.integers[value] = arith.constant(ir.IndexType.get(), value)
        return self.integers[value]


def _lift(low: int, modulus: int) -> int:
    """The smallest m >= 0 with `low + m*modulus >= 0`."""
    return max(0, -(low // modulus))


def arithmetic_of(type_: ir.Type) -> Float | Integer:
    return Float(type_) if isinstance(type_, ir.FloatType) else Integer(type_)


_DIGITS = {"bf16": 8, "f16": 11, "f32": 24, "f64": 53}
"""Binary digits of the numbers of each type; every type has the powers of two."""

_LEAST_F16 = 2**24
"""Numbers of f16 are multiples of its reciprocal. Those of other types are that small nowhere."""

_LIFT = Fraction(2**12)


def _parts(number: Fraction, digits: int) -> list[Fraction]:
    """Numbers of that many digits whose sum is `number`, which is a power of two's multiple; the
    largest first."""
    parts: list[Fraction] = []
    while number or not parts:
        excess = 1 << max(0, number.numerator.bit_length() - digits)
        # Towards 0, so that the rest is smaller; negative numbers too.
        kept = int(Fraction(number.numerator, excess)) * excess
        parts.append(Fraction(kept, number.denominator))
        number -= parts[-1]
    return parts


class Float:
    """Arithmetic in a floating-point type."""

    def __init__(self, type_: ir.Type) -> None:
        self.type = type_
        self.digits = _DIGITS.get(str(type_), 1)
        self.constants: dict[Fraction, ir.Value] = {}

    def constant(self, value: Fraction) -> ir.Value:
        """The number, as a sum or a quotient of numbers that the type has if it has not this one:
        verification is exact and tells a sixth from the number next to it. MLIR folds them."""
        if value not in self.constants:
            self.constants[value] = self._constant(value)
        return self.constants[value]

    def _constant(self, value: Fraction) -> ir.Value:
        if value.denominator & (value.denominator - 1) == 0:
            if str(self.type) == "f16" and value.denominator > _LEAST_F16:
                return arith.divf(self.constant(value * _LIFT), self.constant(_LIFT))
            parts = [arith.constant(self.type, float(p)) for p in _parts(value, self.digits)]
            return functools.reduce(arith.addf, parts)
        # From 1 to 2, where every type has numbers; 1 for what was divided by a number.
        odd = value.numerator // (value.numerator & -value.numerator)
        dividend = Fraction(odd, 1 << (abs(odd).bit_length() - 1))
        return arith.divf(self.constant(dividend), self.constant(dividend / value))

    def add(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return arith.addf(a, b)

    def subtract(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return arith.subf(a, b)

    def multiply(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return arith.mulf(a, b)

    def negate(self, a: ir.Value) -> ir.Value:
        return arith.negf(a)

    def call(self, function: str, arguments: list[ir.Value]) -> ir.Value:
        """Raises NotEmittable for a function that has no floating-point operation."""
        unary = {
            "tanh": math.tanh,
            "exp": math.exp,
            "log": math.log,
            "sqrt": math.sqrt,
            "rsqrt": math.rsqrt,
            "abs": math.absf,
            "erf": math.erf,
        }
        one = Fraction(1)
        if function in unary:
            return unary[function](*arguments)
        if function == "relu":
            # One instruction where `arith.maximumf`, which orders zeros, takes several; a NaN
            # stays one either way.
            (x,), zero = arguments, self.constant(Fraction(0))
            return arith.select(arith.cmpf(arith.CmpFPredicate.UGT, x, zero), x, zero)
        if function == "maximum":
            return arith.maximumf(*arguments)
        if function == "minimum":
            return arith.minimumf(*arguments)
        if function == "reciprocal":
            return arith.divf(self.constant(one), arguments[0])
        if function == "sigmoid":
            growth = math.exp(arith.negf(arguments[0]))
            return arith.divf(self.constant(one), arith.addf(growth, self.constant(one)))
        raise NotEmittable(f"no operation computes {function} in {self.type}")


class Integer:
    """Arithmetic in a signless integer type, as signed numbers."""

    def __init__(self, type_: ir.Type) -> None:
        self.type = type_
        self.constants: dict[Fraction, ir.Value] = {}

    def constant(self, value: Fraction) -> ir.Value:
        """Raises NotEmittable for a value that is no integer."""
        if value.denominator != 1:
            raise NotEmittable(f"the constant {value} among integers of type {self.type}")
        if value not in self.constants:
            self.constants[value] = arith.constant(self.type, value.numerator)
        return self.constants[value]

    def add(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return arith.addi(a, b)

    def subtract(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return arith.subi(a, b)

    def multiply(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return arith.muli(a, b)

    def negate(self, a: ir.Value) -> ir.Value:
        return arith.subi(self.constant(Fraction(0)), a)

    def call(self, function: str, arguments: list[ir.Value]) -> ir.Value:
        """Raises NotEmittable for a function that has no integer operation."""
        if function == "relu":
            return arith.maxsi(arguments[0], self.constant(Fraction(0)))
        if function == "maximum":
            return arith.maxsi(*arguments)
        if function == "minimum":
            return arith.minsi(*arguments)
        if function == "abs":
            return math.absi(arguments[0])
        raise NotEmittable(f"no operation computes {function} in {self.type}")


def convert(value: ir.Value, type_: ir.Type) -> ir.Value:
    """The value in another type; bf16 and f16, of equal width, meet in f32.

    Raises NotEmittable for a conversion to another integer type.
    """
    source = value.type
    if source == type_:
        return value
    if not isinstance(type_, ir.FloatType):
        raise NotEmittable(f"a value of type {source} where {type_} is computed")
    if not isinstance(source, ir.FloatType):
        return arith.sitofp(type_, value)
    if source.width == type_.width:
        value, source = arith.extf(ir.F32Type.get(), value), ir.F32Type.get()
    return arith.extf(type_, value) if source.width < type_.width else arith.truncf(type_, value)
