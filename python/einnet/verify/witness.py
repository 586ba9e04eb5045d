"""Positions of an output that read where the arguments of two calls differ: counterexamples to try.

Calls of the candidate that no call of the reference equals differ from one perhaps at a single row,
which random positions miss. Where they do is known from the comparison that failed; from there the
way leads through the reads of the symbol, and of symbols whose arguments read it, to an output. A
position is only a guess: whoever uses it evaluates both programs there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from einnet.expr.index import FloorDiv, Index, Var, evaluate
from einnet.expr.nodes import Iterator
from einnet.verify.flatten import FlatScope, FlatTerm

Position = tuple[int, ...]

_KEPT = 16
"""Positions that are followed for each symbol."""


class Suspect(Protocol):
    """A call's symbol: its arguments, and positions of its axes at which they differ from those of
    a call of the reference."""

    @property
    def arguments(self) -> tuple[FlatScope, ...]: ...
    @property
    def differing(self) -> tuple[Position, ...]: ...


def witnesses(scope: FlatScope, suspects: Mapping[str, Suspect]) -> list[Position]:
    """At most `_KEPT` positions of the scope that read a suspect where it differs."""
    return _reading(scope, suspects, {})


def _reading(
    scope: FlatScope, suspects: Mapping[str, Suspect], known: dict[str, list[Position]]
) -> list[Position]:
    """`known` holds what was found for symbols before."""
    found: dict[Position, None] = {}
    for term in scope.terms:
        for element in term.elements:
            suspect = suspects.get(element.tensor.name)
            if suspect is None:
                continue
            if element.tensor.name not in known:
                inner = [*suspect.differing]
                for argument in suspect.arguments:
                    inner += _reading(argument, suspects, known)
                known[element.tensor.name] = inner[:_KEPT]
            lows = [a.lo for a in suspect.arguments[0].axes]
            for position in known[element.tensor.name]:
                key = [p - lo for p, lo in zip(position, lows, strict=True)]
                place = _solved(scope.axes, term, element.index, key)
                if place is not None:
                    found[place] = None
    return list(found)[:_KEPT]


def _solved(
    axes: Sequence[Iterator], term: FlatTerm, index: Sequence[Index], key: Sequence[int]
) -> Position | None:
    """A position at which a summation point of the term has this index, if one is found soon."""
    iterators = {i.name: i for i in (*axes, *term.sums)}
    middle = {n: (i.lo + i.hi) // 2 for n, i in iterators.items()}
    for start in (
        {n: i.lo for n, i in iterators.items()},
        {n: i.hi - 1 for n, i in iterators.items()},
        middle,
    ):
        values = dict(start)
        # An index may share iterators with another, as the digits of one number do.
        for _ in index:
            for e, wanted in zip(index, key, strict=True):
                _adjust(e, wanted, values, iterators)
        if all(_value(e, values) == k for e, k in zip(index, key, strict=True)):
            return tuple(values[a.name] for a in axes)
    return None


def _adjust(
    index: Index, wanted: int, values: dict[str, int], iterators: Mapping[str, Iterator]
) -> None:
    """Move one iterator so that the index gets the wanted value, if it is linear in it so far."""
    missing = wanted - _value(index, values)
    for atom, coefficient in index.terms if missing else ():
        if missing % coefficient:
            continue
        steps = missing // coefficient
        if isinstance(atom, FloorDiv):
            inner = [(a.name, c) for a, c in atom.operand.terms if isinstance(a, Var)]
            moves = [(n, steps * atom.divisor * c) for n, c in inner if abs(c) == 1]
        else:
            moves = [(atom.name, steps)]
        for name, move in moves:
            before = values[name]
            if iterators[name].lo <= before + move < iterators[name].hi:
                values[name] = before + move
                if _value(index, values) == wanted:
                    return
                values[name] = before


def _value(index: Index, values: Mapping[str, int]) -> int:
    return evaluate(index, values.__getitem__, 0)
