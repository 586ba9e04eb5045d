"""Index arithmetic: integer linear combinations of iterators and floor divisions by constants.

An `Index` is `const + sum(coefficient * atom)`; an atom is an iterator (`Var`) or the floor
division of an index by a positive constant (`FloorDiv`). There is no `mod` atom: `e mod k` is
`e - k * (e div k)`, so that `(e - e mod k) div k` and its kin simplify by themselves; the printer
shows it as `mod` again. `div` and `mod` are the floor versions everywhere.

Everything here is immutable and compared by structure; the tuples sort natively, which makes the
order of terms canonical. Simplification needs the iterators' ranges and holds only inside them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from itertools import permutations
from math import gcd
from typing import NamedTuple, Protocol, Self, TypeVar


class Range(NamedTuple):
    """A half-open range of integers, `lo <= x < hi`."""

    lo: int
    hi: int

    @property
    def extent(self) -> int:
        return self.hi - self.lo


Ranges = Mapping[str, Range]


class Var(NamedTuple):
    """An iterator as an atom. `rank` only orders atoms: iterators before divisions."""

    rank: int
    name: str


class FloorDiv(NamedTuple):
    """`operand div divisor`, divisor > 1. `rank` only orders atoms."""

    rank: int
    operand: Index
    divisor: int


Atom = Var | FloorDiv


class Index(NamedTuple):
    """`const + sum(coefficient * atom)`; terms sorted, atoms distinct, coefficients non-zero."""

    const: int
    terms: tuple[tuple[Atom, int], ...]

    # A NamedTuple is a tuple for speed of hashing and comparison; as a value it is a number.
    def __add__(self, other: Index | int) -> Index:  # pyright: ignore[reportIncompatibleMethodOverride]
        if isinstance(other, int):
            return Index(self.const + other, self.terms)
        if not other.terms:
            return Index(self.const + other.const, self.terms)
        if not self.terms:
            return Index(self.const + other.const, other.terms)
        sums = dict(self.terms)
        for atom, coefficient in other.terms:
            sums[atom] = sums.get(atom, 0) + coefficient
        return linear(self.const + other.const, sums.items())

    def __sub__(self, other: Index | int) -> Index:
        return self + (-other)

    def __neg__(self) -> Index:
        return self * -1

    def __mul__(self, factor: int) -> Index:  # pyright: ignore[reportIncompatibleMethodOverride]
        if factor == 1:
            return self
        if factor == 0:
            return Index(0, ())
        return Index(self.const * factor, tuple((atom, c * factor) for atom, c in self.terms))

    def __rmul__(self, factor: int) -> Index:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self * factor

    @property
    def is_constant(self) -> bool:
        return not self.terms

    @property
    def name(self) -> str | None:
        """The iterator's name if the index is one bare iterator, else None."""
        if self.const == 0 and len(self.terms) == 1:
            atom, coefficient = self.terms[0]
            if coefficient == 1 and isinstance(atom, Var):
                return atom.name
        return None

    def coefficient(self, name: str) -> int:
        """The coefficient of the bare iterator `name`, 0 if it does not occur bare."""
        for atom, coefficient in self.terms:
            if isinstance(atom, Var) and atom.name == name:
                return coefficient
        return 0

    def __str__(self) -> str:
        return format_index(self)


def constant(value: int) -> Index:
    return Index(value, ())


def var(name: str) -> Index:
    return Index(0, ((Var(0, name), 1),))


def linear(const: int, terms: Iterable[tuple[Atom, int]]) -> Index:
    """The index of these terms, whose atoms are distinct; zero coefficients are dropped."""
    return Index(const, tuple(sorted(t for t in terms if t[1])))


@lru_cache(maxsize=1 << 16)
def iterators_of(index: Index) -> frozenset[str]:
    """The names of all iterators in the index, those inside divisions included."""
    names: set[str] = set()
    _collect(index, names)
    return frozenset(names)


def _collect(index: Index, names: set[str]) -> None:
    for atom, _ in index.terms:
        if isinstance(atom, Var):
            names.add(atom.name)
        else:
            _collect(atom.operand, names)


def bounds(index: Index, ranges: Ranges) -> tuple[int, int]:
    """The smallest and largest value (both inclusive) that range analysis can promise.

    Exact for indices in which every iterator occurs once; `c * (e mod k)` is recognised in its
    stored form `c*e - c*k*(e div k)`, and `(e div a) mod k` in its own.
    """
    lo = hi = index.const
    for atom, coefficient in index.terms:
        low, high = _atom_bounds(atom, ranges)
        if coefficient > 0:
            lo += coefficient * low
            hi += coefficient * high
        else:
            lo += coefficient * high
            hi += coefficient * low
    for atom, coefficient in index.terms:
        if isinstance(atom, FloorDiv) and coefficient % atom.divisor == 0:
            scale = -coefficient // atom.divisor
            rest = index - atom.operand * scale
            rest = linear(rest.const, ((a, c) for a, c in rest.terms if a != atom))
            if len(rest.terms) < len(index.terms):
                low, high = bounds(rest, ranges)
                span = scale * (atom.divisor - 1)
                lo = max(lo, low + min(span, 0))
                hi = min(hi, high + max(span, 0))
    divisions = [(a, c) for a, c in index.terms if isinstance(a, FloorDiv)]
    for (atom, c), (other, d) in permutations(divisions, 2):
        # A digit: `(e div a) mod k` is stored as `e div a - k*(e div (a*k))`.
        base = other.divisor // atom.divisor
        same = atom.operand == other.operand and other.divisor == base * atom.divisor
        if same and base > 1 and d == -c * base:
            rest = linear(index.const, (t for t in index.terms if t[0] not in (atom, other)))
            low, high = bounds(rest, ranges)
            lo = max(lo, low + min(c * (base - 1), 0))
            hi = min(hi, high + max(c * (base - 1), 0))
    return lo, hi


def _atom_bounds(atom: Atom, ranges: Ranges) -> tuple[int, int]:
    if isinstance(atom, Var):
        lo, hi = ranges[atom.name]
        return lo, hi - 1
    low, high = bounds(atom.operand, ranges)
    return low // atom.divisor, high // atom.divisor


def floordiv(index: Index, divisor: int, ranges: Ranges) -> Index:
    """`index div divisor`, simplified with the ranges."""
    if divisor == 1:
        return index
    whole: list[tuple[Atom, int]] = []
    part: list[tuple[Atom, int]] = []
    for atom, coefficient in index.terms:
        if coefficient % divisor == 0:
            whole.append((atom, coefficient // divisor))
        else:
            part.append((atom, coefficient))
    quotient = Index(index.const // divisor, tuple(whole))
    rest = Index(index.const % divisor, tuple(part))
    low, high = bounds(rest, ranges)
    if low // divisor == high // divisor:
        return quotient + low // divisor
    if len(rest.terms) == 1:
        atom, coefficient = rest.terms[0]
        if isinstance(atom, FloorDiv) and coefficient == 1:
            inner = atom.operand + rest.const * atom.divisor
            return quotient + floordiv(inner, atom.divisor * divisor, ranges)
    reduced = _drop_low_digit(rest, divisor, ranges)
    if reduced is not None:
        return quotient + floordiv(*reduced, ranges)
    return quotient + Index(0, ((FloorDiv(1, rest, divisor), 1),))


def _drop_low_digit(index: Index, divisor: int, ranges: Ranges) -> tuple[Index, int] | None:
    """`(g*q + t) div k` is `q div (k/g)` when g divides k and t stays within one block of g."""
    for step in sorted({gcd(c, divisor) for _, c in index.terms}, reverse=True):
        if step == 1:
            continue
        high = [(a, c // step) for a, c in index.terms if c % step == 0]
        low = Index(index.const, tuple((a, c) for a, c in index.terms if c % step))
        lo, hi = bounds(low, ranges)
        if lo // step == hi // step:
            return Index(lo // step, tuple(high)), divisor // step
    return None


def as_mod(index: Index) -> tuple[Index, int] | None:
    """`(e, k)` if the index is `e mod k` in its stored form `e - k*(e div k)`, else None."""
    for atom, coefficient in index.terms:
        if isinstance(atom, FloorDiv) and coefficient == -atom.divisor:
            rest = linear(index.const, ((a, c) for a, c in index.terms if a != atom))
            difference = rest - atom.operand
            if difference == Index(0, ()):
                return atom.operand, atom.divisor
    return None


def mod(index: Index, divisor: int, ranges: Ranges) -> Index:
    """`index mod divisor`, simplified with the ranges."""
    return index - floordiv(index, divisor, ranges) * divisor


def substitute(index: Index, values: Mapping[str, Index], ranges: Ranges) -> Index:
    """Replace iterators by indices; `ranges` are those of the iterators in the result."""
    for atom, _ in index.terms:
        if isinstance(atom, FloorDiv) or atom.name in values:
            break
    else:
        return index
    const = index.const
    sums: dict[Atom, int] = {}
    for atom, coefficient in index.terms:
        if isinstance(atom, FloorDiv):
            operand = substitute(atom.operand, values, ranges)
            value = floordiv(operand, atom.divisor, ranges)
        else:
            value = values.get(atom.name)
            if value is None:
                sums[atom] = sums.get(atom, 0) + coefficient
                continue
        const += value.const * coefficient
        for inner, c in value.terms:
            sums[inner] = sums.get(inner, 0) + c * coefficient
    return linear(const, sums.items())


def rename(index: Index, names: Mapping[str, str]) -> Index:
    """Rename every iterator, all at once; the new names must be distinct. Simplifies nothing."""
    terms: list[tuple[Atom, int]] = []
    for atom, coefficient in index.terms:
        if isinstance(atom, Var):
            terms.append((Var(0, names[atom.name]), coefficient))
        else:
            terms.append((FloorDiv(1, rename(atom.operand, names), atom.divisor), coefficient))
    return Index(index.const, tuple(sorted(terms)))


class Number(Protocol):
    """What an index can be evaluated on: a Python integer or an integer array."""

    def __add__(self, other: Self | int, /) -> Self: ...
    def __mul__(self, other: Self | int, /) -> Self: ...
    def __floordiv__(self, other: Self | int, /) -> Self: ...


N = TypeVar("N", bound=Number)


def evaluate(index: Index, value_of: Callable[[str], N], zero: N) -> N:
    """The index's value; `zero` gives the result its type (0, or an array of zeros)."""
    result = zero + index.const
    for atom, coefficient in index.terms:
        if isinstance(atom, Var):
            value = value_of(atom.name)
        else:
            value = evaluate(atom.operand, value_of, zero) // atom.divisor
        result = result + value * coefficient
    return result


def format_index(index: Index) -> str:
    """Text that `expr.text` parses back; `e - k*(e div k)` is shown as `e mod k`."""
    parts: list[str] = []
    for text, coefficient in _printed_terms(index):
        magnitude = text if abs(coefficient) == 1 else f"{abs(coefficient)}*{text}"
        if not parts:
            parts.append(f"-{magnitude}" if coefficient < 0 else magnitude)
        else:
            parts.append(f"-{magnitude}" if coefficient < 0 else f"+{magnitude}")
    if index.const or not parts:
        parts.append(f"{index.const:+d}" if parts else str(index.const))
    return "".join(parts)


def _printed_terms(index: Index) -> list[tuple[str, int]]:
    """Terms as text with their coefficients, `mod` patterns folded first."""
    remaining = dict(index.terms)
    printed: list[tuple[str, int]] = []
    for atom, coefficient in index.terms:
        if not isinstance(atom, FloorDiv) or atom not in remaining:
            continue
        if coefficient % atom.divisor or atom.operand.const:
            continue
        scale = -coefficient // atom.divisor
        if scale and all(remaining.get(a) == c * scale for a, c in atom.operand.terms):
            for inner, _ in atom.operand.terms:
                del remaining[inner]
            del remaining[atom]
            printed.append((f"{_operand_text(atom.operand)} mod {atom.divisor}", scale))
    plain: list[tuple[str, int]] = []
    for atom, coefficient in remaining.items():
        if isinstance(atom, Var):
            plain.append((atom.name, coefficient))
        else:
            text = f"{_operand_text(atom.operand)} div {atom.divisor}"
            plain.append((text if abs(coefficient) == 1 else f"({text})", coefficient))
    folded = [(t if abs(c) == 1 else f"({t})", c) for t, c in printed]
    terms = plain + folded
    # A leading minus reads badly where a positive term could come first.
    terms.sort(key=lambda term: term[1] < 0)
    return terms


def _operand_text(index: Index) -> str:
    return format_index(index) if index.name else f"({format_index(index)})"
