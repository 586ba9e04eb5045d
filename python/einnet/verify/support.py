"""The part of a box outside of which the arguments of a call are all 0.

Formula: if every term of the arguments A has the guard g, then `f(A) = g * f(A)` for a function f
with `f(0) = 0`: the values that count are those where g holds, and these are numbered anew. So relu
of a padded tensor is the padded relu, and relu between stuffed zeros is relu of what was stuffed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

from einnet.expr.index import Index, Ranges, floordiv, var
from einnet.expr.nodes import Guard, Iterator, Residue, Within
from einnet.expr.transform import residue
from einnet.verify.flatten import FlatScope, FlatTerm, simplify, substitute_flat


@dataclass(frozen=True)
class Support:
    """Arguments over the axes of what is left, which are `index` of the old ones where the guards
    hold on those."""

    arguments: tuple[FlatScope, ...]
    index: tuple[Index, ...]
    guards: tuple[Guard, ...]


def support_of(arguments: tuple[FlatScope, ...]) -> Support | None:
    """The arguments, all over the same axes, where guards on one axis each leave them; None if they
    are 0 everywhere."""
    axes = arguments[0].axes
    ranges = {a.name: a.range for a in axes}
    found = Support(arguments, tuple(var(a.name) for a in axes), ())
    while any(a.terms for a in found.arguments):
        smaller = _smaller(found, ranges)
        if smaller is None or smaller == found:
            return smaller
        found = smaller
    return None


def _smaller(found: Support, ranges: Ranges) -> Support | None:
    """One guard less inside; the same if there is none on one axis alone, None if it never
    holds."""
    for place, axis in enumerate(found.arguments[0].axes):
        for guard in _common(found.arguments):
            if len(guard.index.terms) != 1 or not guard.index.coefficient(axis.name):
                continue
            if isinstance(guard, Within):
                narrowed = _within(axis, guard)
                if narrowed.extent <= 0:
                    return None
                if narrowed != axis:
                    return _with_axis(found, place, narrowed, var(axis.name))
                continue
            solved = _solution(guard, axis)
            if solved is None:
                return None
            step, first = solved
            fewer = Iterator(axis.name, 0, -(-(axis.hi - first) // step))
            if fewer.extent <= 0:
                return None
            smaller = _with_axis(found, place, fewer, var(axis.name) * step + first)
            old = found.index[place]
            index = list(found.index)
            index[place] = floordiv(old - first, step, ranges)
            guards = (*found.guards, residue(old - first, step))
            return Support(smaller.arguments, tuple(index), guards)
    return found


def _common(arguments: Sequence[FlatScope]) -> list[Guard]:
    """The guards of all terms."""
    terms = [t for a in arguments for t in a.terms]
    return [g for g in terms[0].guards if all(g in t.guards for t in terms)]


def _within(axis: Iterator, guard: Within) -> Iterator:
    """The values of the axis at which the guard holds."""
    factor = guard.index.coefficient(axis.name)
    low, high = guard.lo - guard.index.const, guard.hi - 1 - guard.index.const
    if factor < 0:
        factor, low, high = -factor, -high, -low
    return Iterator(axis.name, max(axis.lo, -(-low // factor)), min(axis.hi, high // factor + 1))


def _solution(guard: Residue, axis: Iterator) -> tuple[int, int] | None:
    """(step, first) of the values of the axis at which the guard holds; None if it never does."""
    factor, modulus = guard.index.coefficient(axis.name), guard.modulus
    common = gcd(factor, modulus)
    if guard.index.const % common:
        return None
    step = modulus // common
    root = -guard.index.const // common * pow(factor // common, -1, step) % step
    return step, axis.lo + (root - axis.lo) % step


def _with_axis(found: Support, place: int, axis: Iterator, value: Index) -> Support:
    """The arguments over another range of one axis, whose old value is given."""
    axes = list(found.arguments[0].axes)
    axes[place] = axis
    ranges = {a.name: a.range for a in axes}

    def moved(term: FlatTerm) -> FlatTerm | None:
        inner = {**ranges, **{i.name: i.range for i in term.sums}}
        return simplify(substitute_flat(term, {axis.name: value}, term.sums, inner), ranges)

    arguments = tuple(
        FlatScope(tuple(axes), tuple(t for t in map(moved, a.terms) if t is not None))
        for a in found.arguments
    )
    return Support(arguments, found.index, found.guards)
