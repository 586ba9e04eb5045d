"""Random index arithmetic and random multilinear expressions, with small iteration spaces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import prod

from hypothesis import strategies as st

from einnet.expr.index import Index, Range, bounds, constant, floordiv, mod, var
from einnet.expr.nodes import Call, Factor, Guard, Iterator, Read, Scope, Tensor, Term, Within
from einnet.expr.transform import residue

NAMES = "abcdefgh"

_STARTS = st.sampled_from((0, 0, 0, -3, -1, 2))
_OPERATIONS = st.sampled_from("+-*dm")
_FACTORS = st.integers(-4, 4)
_DIVISORS = st.integers(1, 6)
_CONSTANTS = st.integers(-5, 5)
_DEPTHS = st.integers(0, 3)
_COINS = st.booleans()
_TENTHS = st.integers(0, 9)
_SLACKS = st.sampled_from((0, 0, 0, -1, 1))
_SHORTAGES = st.sampled_from((0, 0, 0, 1))
_GUARD_COUNTS = st.sampled_from((0, 0, 1, 1, 2))
_NEAR = st.sampled_from((0, 0, 1, -1))
_STRIDES = st.sampled_from((1, 1, 1, -1, 2, -2, 3, 4))
_OFFSETS = st.integers(-2, 3)
_MODULI = st.integers(2, 4)
_COUNTS = st.integers(1, 3)
_COEFFICIENTS = st.sampled_from(
    (Fraction(1), Fraction(1), Fraction(-1), Fraction(3), Fraction(2, 3))
)


@dataclass(frozen=True)
class Arithmetic:
    """An index built by einnet and, beside it, what Python's integers say it should be."""

    index: Index
    expected: Callable[[Mapping[str, int]], int]


def points(ranges: Mapping[str, Range]) -> Iterable[dict[str, int]]:
    """Every assignment of the iterators."""
    names = list(ranges)
    for values in product(*(range(r.lo, r.hi) for r in ranges.values())):
        yield dict(zip(names, values, strict=True))


@st.composite
def iteration_spaces(draw: st.DrawFn, count: st.SearchStrategy[int] | int = 3) -> dict[str, Range]:
    """Named ranges, some of one point and some that do not start at 0."""
    number = count if isinstance(count, int) else draw(count)
    ranges: dict[str, Range] = {}
    for name in NAMES[:number]:
        lo = draw(_STARTS)
        ranges[name] = Range(lo, lo + draw(st.integers(1, 7)))
    return ranges


@st.composite
def arithmetic(draw: st.DrawFn, ranges: dict[str, Range]) -> Arithmetic:
    """Nested sums, multiples, divisions and remainders of the iterators."""
    return draw_arithmetic(draw, ranges)


def draw_arithmetic(draw: st.DrawFn, ranges: dict[str, Range]) -> Arithmetic:
    names = sorted(ranges)

    def grow(depth: int) -> Arithmetic:
        if depth == 0:
            if draw(_TENTHS) < 2:
                c = draw(_CONSTANTS)
                return Arithmetic(constant(c), lambda _: c)
            name = names[draw(_TENTHS) % len(names)]
            return Arithmetic(var(name), lambda p: p[name])
        a = grow(depth - 1)
        operation = draw(_OPERATIONS)
        if operation in "+-":
            b = grow(depth - 1)
            sign = 1 if operation == "+" else -1
            total = a.index + b.index if sign == 1 else a.index - b.index
            return Arithmetic(total, lambda p: a.expected(p) + sign * b.expected(p))
        if operation == "*":
            k = draw(_FACTORS)
            return Arithmetic(a.index * k, lambda p: a.expected(p) * k)
        k = draw(_DIVISORS)
        if operation == "d":
            return Arithmetic(floordiv(a.index, k, ranges), lambda p: a.expected(p) // k)
        return Arithmetic(mod(a.index, k, ranges), lambda p: a.expected(p) % k)

    return grow(draw(_DEPTHS))


@st.composite
def indices(draw: st.DrawFn, ranges: dict[str, Range]) -> Index:
    """The index of a read or guard: mostly one iterator or a strided, dilated, padded sum."""
    return draw_index(draw, ranges)


# Plain functions of `draw` from here on: a strategy in a strategy costs more than what it draws.
def draw_index(draw: st.DrawFn, ranges: dict[str, Range]) -> Index:
    names = sorted(ranges)
    if not names or draw(_TENTHS) == 0:
        return constant(draw(_OFFSETS))
    kind = draw(_TENTHS)
    if kind < 3:
        return var(names[draw(_TENTHS) % len(names)]) + draw(_NEAR)
    if kind < 5:
        return draw_arithmetic(draw, ranges).index
    index = constant(draw(_OFFSETS))
    for name in {names[draw(_TENTHS) % len(names)]: None for _ in range(draw(_COUNTS))}:
        index = index + var(name) * draw(_STRIDES)
    if kind < 8:
        return index
    divide = floordiv if draw(_COINS) else mod
    return divide(index, draw(_MODULI), ranges)


@st.composite
def guards(draw: st.DrawFn, ranges: dict[str, Range]) -> Guard:
    return draw_guard(draw, ranges)


def draw_guard(draw: st.DrawFn, ranges: dict[str, Range]) -> Guard:
    index = draw_index(draw, ranges)
    if draw(_COINS):
        return residue(index, draw(_MODULI))
    lo = draw(_OFFSETS)
    return Within(index, lo, lo + draw(_DIVISORS))


def draw_index_from(draw: st.DrawFn, ranges: dict[str, Range], start: int) -> Index:
    """An index whose smallest value is `start`, or one beside it."""
    e = draw_index(draw, ranges)
    return e - bounds(e, ranges)[0] + start + draw(_SLACKS)


def draw_tensor_read(draw: st.DrawFn, ranges: dict[str, Range]) -> Read:
    """A read that mostly stays inside its tensor and sometimes leaves it on either side.

    Tensors are named after their shapes, so that one may be read twice.
    """
    index: list[Index] = []
    shape: list[int] = []
    for _ in range(draw(_COUNTS)):
        e = draw_index_from(draw, ranges, 0)
        low, high = bounds(e, ranges)
        index.append(e)
        shape.append(min(max(high - low + 1 - draw(_SHORTAGES), 1), 9))
    return Read(Tensor("T" + "x".join(map(str, shape)), tuple(shape)), tuple(index))


def draw_iterators(
    draw: st.DrawFn, names: str, low: int, high: int, limit: int
) -> tuple[Iterator, ...]:
    """Between `low` and `high` iterators whose ranges have at most `limit` points together."""
    count = draw(st.integers(low, high))
    iterators: list[Iterator] = []
    for name in names[:count]:
        room = max(1, limit // prod(i.extent for i in iterators))
        lo = draw(_STARTS)
        iterators.append(Iterator(name, lo, lo + draw(st.integers(1, min(6, room)))))
    return tuple(iterators)


def draw_term(
    draw: st.DrawFn,
    ranges: dict[str, Range],
    *,
    reads: int = 3,
    nested: bool = False,
    calls: bool = False,
) -> Term:
    factors: list[Factor] = []
    for _ in range(draw(st.integers(1, reads))):
        if calls and draw(_TENTHS) < 3:
            argument = tuple(draw_term(draw, ranges, reads=2) for _ in range(1 + draw(_COINS)))
            factors.append(Call("relu", (argument,)))
            continue
        if nested and draw(_COINS):
            source = draw_scope(draw, reads=2, limit=40, sums=1)
            index = tuple(draw_index_from(draw, ranges, i.lo) for i in source.traversal)
            factors.append(Read(source, index))
        else:
            factors.append(draw_tensor_read(draw, ranges))
    filters = tuple(draw_guard(draw, ranges) for _ in range(draw(_GUARD_COUNTS)))
    return Term(tuple(factors), filters, draw(_COEFFICIENTS))


def draw_scope(
    draw: st.DrawFn,
    *,
    reads: int = 3,
    sums: int = 3,
    min_sums: int = 0,
    body: int = 1,
    nested: bool = False,
    calls: bool = False,
    limit: int = 400,
) -> Scope:
    """A scope of at most `limit` points, in which `body` terms multiply up to `reads` reads."""
    traversal = draw_iterators(draw, "xyz", 1, 3, limit // 4)
    room = limit // prod(i.extent for i in traversal)
    summation = draw_iterators(draw, "rst", min_sums, max(sums, min_sums), room)
    ranges = {i.name: i.range for i in traversal + summation}
    count = draw(st.integers(1, body))
    return Scope(
        traversal,
        summation,
        tuple(
            draw_term(draw, ranges, reads=reads, nested=nested, calls=calls) for _ in range(count)
        ),
    )


scopes = st.composite(draw_scope)
