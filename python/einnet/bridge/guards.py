"""Conjunctions of guards: simplify them, negate them, prove one from reads and other guards.

Everything here holds only inside the iterators' ranges that are given.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd

from einnet.expr.index import FloorDiv, Index, Ranges, bounds
from einnet.expr.nodes import Guard, Read, Residue, Within, box_of
from einnet.expr.transform import guard_truth, residue

Conjunction = tuple[Guard, ...]


@dataclass(frozen=True)
class Fact:
    """`lo <= index <= hi`; None is no bound."""

    index: Index
    lo: int | None
    hi: int | None


def conjunction(guards: Iterable[Guard], ranges: Ranges) -> Conjunction | None:
    """The guards without those that always hold, same ones merged; None if they exclude each other.

    Residues come out with the common divisor of coefficients and modulus taken out.
    """
    residues: dict[Residue, Residue] = {}
    intervals: dict[Index, tuple[int, int, Within]] = {}
    for guard in guards:
        if isinstance(guard, Residue):
            normal = normal_residue(guard)
            truth = False if normal is None else guard_truth(normal, ranges)
            if truth is False:
                return None
            if truth is None and normal is not None:
                residues.setdefault(_key(normal), normal)
            continue
        guard = _without_division(guard)
        truth = guard_truth(guard, ranges)
        if truth is False:
            return None
        if truth is True:
            continue
        index, lo, hi = interval(guard)
        if index in intervals:
            old_lo, old_hi, old = intervals[index]
            new_lo, new_hi = max(lo, old_lo), min(hi, old_hi)
            if new_hi <= new_lo:
                return None
            if (new_lo, new_hi) == (old_lo, old_hi):
                guard = old
            elif (new_lo, new_hi) != (lo, hi):
                guard = Within(index, new_lo, new_hi)
            lo, hi = new_lo, new_hi
            if guard_truth(guard, ranges) is True:
                del intervals[index]
                continue
        intervals[index] = (lo, hi, guard)
    if _contradict(tuple(residues)):
        return None
    return (*(guard for _, _, guard in intervals.values()), *residues.values())


def normal_residue(guard: Residue) -> Residue | None:
    """The residue with the common divisor of its coefficients and its modulus taken out.

    None if it never holds. A residue modulo 1, which always holds, has modulus 1.
    """
    reduced = residue(guard.index, guard.modulus)
    common = gcd(reduced.modulus, *(c for _, c in reduced.index.terms))
    if reduced.index.const % common:
        return None
    if common > 1:
        terms = tuple((a, c // common) for a, c in reduced.index.terms)
        reduced = Residue(Index(reduced.index.const // common, terms), reduced.modulus // common)
    return reduced


def _key(guard: Residue) -> Residue:
    """The same for a residue and its negative, which hold together."""
    opposite = residue(-guard.index, guard.modulus)
    return min(guard, opposite, key=lambda g: (g.index, g.modulus))


def _contradict(residues: Sequence[Residue]) -> bool:
    seen: dict[tuple[object, int], int] = {}
    for guard in residues:
        const = seen.setdefault((guard.index.terms, guard.modulus), guard.index.const)
        if const != guard.index.const:
            return True
    return False


def _without_division(guard: Within) -> Within:
    """`[lo <= c*(e div k) + d < hi]` as a guard on e."""
    while len(guard.index.terms) == 1 and isinstance(guard.index.terms[0][0], FloorDiv):
        index, lo, hi = interval(guard)
        ((atom, _),) = index.terms
        assert isinstance(atom, FloorDiv)
        guard = Within(atom.operand, lo * atom.divisor, hi * atom.divisor)
    return guard


def interval(guard: Within) -> tuple[Index, int, int]:
    """The guard as `lo <= index < hi` where the index has no constant and a normal sign."""
    index, lo, hi = guard.index, guard.lo - guard.index.const, guard.hi - guard.index.const
    if index.terms[0][1] < 0:
        index, lo, hi = -index, 1 - hi, 1 - lo
    common = gcd(*(c for _, c in index.terms))
    terms = tuple((a, c // common) for a, c in index.terms)
    return Index(0, terms), -(-lo // common), -(-hi // common)


def negation(guards: Conjunction, ranges: Ranges) -> tuple[Conjunction, ...]:
    """Conjunctions, no two of which hold together, that hold where `guards` do not all hold."""
    pieces: list[Conjunction] = []
    for position, guard in enumerate(guards):
        for opposite in _opposites(guard, ranges):
            piece = conjunction((*guards[:position], opposite), ranges)
            if piece is not None:
                pieces.append(piece)
    return tuple(pieces)


def _opposites(guard: Guard, ranges: Ranges) -> list[Guard]:
    if isinstance(guard, Residue):
        return [Residue(guard.index - r, guard.modulus) for r in range(1, guard.modulus)]
    low, high = bounds(guard.index, ranges)
    opposites: list[Guard] = []
    if low < guard.lo:
        opposites.append(Within(guard.index, low, guard.lo))
    if high >= guard.hi:
        opposites.append(Within(guard.index, guard.hi, high + 1))
    return opposites


def union(pieces: Iterable[Conjunction]) -> tuple[Conjunction, ...]:
    """Disjoint conjunctions, those merged that differ only in two adjacent intervals."""
    result: list[Conjunction] = []
    for piece in pieces:
        for position, other in enumerate(result):
            merged = _merge(other, piece)
            if merged is not None:
                result[position] = merged
                break
        else:
            result.append(piece)
    return tuple(result)


def _merge(a: Conjunction, b: Conjunction) -> Conjunction | None:
    only_a = [g for g in a if g not in b]
    only_b = [g for g in b if g not in a]
    if len(only_a) != 1 or len(only_b) != 1:
        return None
    (first,), (second,) = only_a, only_b
    if not isinstance(first, Within) or not isinstance(second, Within):
        return None
    index, lo, hi = interval(first)
    other, other_lo, other_hi = interval(second)
    if index != other or (hi != other_lo and other_hi != lo):
        return None
    merged = Within(index, min(lo, other_lo), max(hi, other_hi))
    return tuple(merged if g == first else g for g in a)


def read_facts(reads: Iterable[Read], guards: Iterable[Guard]) -> list[Fact]:
    """What holds wherever none of the reads is outside its source, given the residues."""
    residues = {_key(g) for g in guards if isinstance(g, Residue)}
    facts: list[Fact] = []
    for read in reads:
        for index, (lo, hi) in zip(read.index, box_of(read.source), strict=True):
            if not index.is_constant:
                facts.extend(_index_facts(index, lo, hi - 1, residues))
    return facts


def _index_facts(index: Index, lo: int, hi: int, residues: set[Residue]) -> list[Fact]:
    facts = [Fact(index, lo, hi)]
    if len(index.terms) == 1:
        atom, coefficient = index.terms[0]
        if isinstance(atom, FloorDiv) and abs(coefficient) == 1:
            low, high = lo - index.const, hi - index.const
            if coefficient == -1:
                low, high = -high, -low
            k = atom.divisor
            multiple = normal_residue(residue(atom.operand, k))
            exact = multiple is not None and _key(multiple) in residues
            last = high * k if exact else high * k + k - 1
            facts.extend(_index_facts(atom.operand, low * k, last, residues))
    return facts


def guard_fact(guard: Within) -> Fact:
    return Fact(guard.index, guard.lo, guard.hi - 1)


def implied(guard: Within, facts: Iterable[Fact], ranges: Ranges) -> bool:
    """Whether the guard holds wherever all the facts hold."""
    low, high = bounds(guard.index, ranges)
    for fact in facts:
        for scale in _scales(guard.index, fact.index):
            lower, upper = _bounds_by(guard.index, fact, scale, ranges)
            low = low if lower is None else max(low, lower)
            high = high if upper is None else min(high, upper)
    return guard.lo <= low and high < guard.hi


def _scales(index: Index, other: Index) -> set[Fraction]:
    """The factors s for which `index - s*other` loses a term."""
    coefficients = dict(other.terms)
    return {Fraction(c, coefficients[a]) for a, c in index.terms if a in coefficients}


def _bounds_by(
    index: Index, fact: Fact, scale: Fraction, ranges: Ranges
) -> tuple[int | None, int | None]:
    """Bounds of `index = s*fact.index + rest` from those of the fact and of the rest."""
    p, q = scale.numerator, scale.denominator
    rest_low, rest_high = bounds(index * q - fact.index * p, ranges)
    least, most = (fact.lo, fact.hi) if p > 0 else (fact.hi, fact.lo)
    lower = None if least is None else -(-(p * least + rest_low) // q)
    upper = None if most is None else (p * most + rest_high) // q
    return lower, upper
