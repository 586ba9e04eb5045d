"""Periods and slopes: where an index is linear in an iterator's quotient.

For an index e and an iterator i there are T and s with `e(v + T*1_i) = e(v) + s` for all values of
all iterators. So with the residues of v modulo the T_i fixed, e is linear in `v div T`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from math import gcd, lcm

from einnet.expr.index import Index, Var
from einnet.expr.nodes import Guard, Residue
from einnet.verify.flatten import FlatTerm


@lru_cache(maxsize=1 << 16)
def period(index: Index, name: str) -> tuple[int, int]:
    """(T, s) of the index for the iterator; (1, 0) where it does not occur."""
    parts: list[tuple[int, int]] = []
    for atom, coefficient in index.terms:
        if isinstance(atom, Var):
            if atom.name == name:
                parts.append((1, coefficient))
        else:
            inner, slope = period(atom.operand, name)
            times = atom.divisor // gcd(slope, atom.divisor)
            parts.append((inner * times, coefficient * (slope * times // atom.divisor)))
    whole = lcm(*(t for t, _ in parts))
    return whole, sum(s * (whole // t) for t, s in parts)


def guard_period(guard: Guard, name: str) -> int:
    """How far the iterator moves until the guard's index has moved by a known constant that
    leaves a residue guard unchanged."""
    t, slope = period(guard.index, name)
    return t * (guard.modulus // gcd(slope, guard.modulus)) if isinstance(guard, Residue) else t


def common_period(terms: Iterable[FlatTerm], name: str) -> int:
    """The least common period of every index and guard of the terms."""
    common = 1
    for term in terms:
        for element in term.elements:
            common = lcm(common, *(period(i, name)[0] for i in element.index))
        common = lcm(common, *(guard_period(g, name) for g in term.guards))
    return common


def step(index: Index, name: str, whole: int) -> int:
    """By how much the index grows when the iterator moves by `whole`, a multiple of its period."""
    t, slope = period(index, name)
    return slope * (whole // t)
