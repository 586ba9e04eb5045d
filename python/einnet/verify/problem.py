"""A pair of flat sums to compare at every position of one box, in the form that is cheapest to cut
into cells: axes of one position gone, axes starting at 0 and split into digits at their periods,
skewed sums straightened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

from einnet.expr.index import Index, Range, constant, substitute, var
from einnet.expr.nodes import Iterator
from einnet.verify.flatten import FlatScope, FlatTerm, simplify, substitute_flat
from einnet.verify.periods import common_period
from einnet.verify.straighten import straighten


@dataclass(frozen=True)
class Problem:
    """Is the sum of `reference` that of `candidate` everywhere in the box of `axes`?

    `origin[d]` is the original position's coordinate d in terms of the axes.
    """

    axes: tuple[Iterator, ...]
    reference: tuple[FlatTerm, ...]
    candidate: tuple[FlatTerm, ...]
    origin: tuple[Index, ...]

    @property
    def terms(self) -> tuple[FlatTerm, ...]:
        return self.reference + self.candidate

    @property
    def ranges(self) -> dict[str, Range]:
        return {a.name: a.range for a in self.axes}

    @property
    def positions(self) -> int:
        return prod(a.extent for a in self.axes)

    def period(self, name: str) -> int:
        return common_period(self.terms, name)


def problem_of(reference: FlatScope, candidate: FlatScope) -> Problem:
    """The normalised problem of two scopes over equal boxes."""
    names = [f"v{d}" for d in range(len(reference.axes))]
    axes = tuple(Iterator(n, *r) for n, r in zip(names, reference.box, strict=True))
    sides: list[tuple[FlatTerm, ...]] = []
    for scope in (reference, candidate):
        values = {a.name: var(n) for a, n in zip(scope.axes, names, strict=True)}
        sides.append(_renamed(scope, values, {a.name: a.range for a in axes}))
    problem = Problem(axes, sides[0], sides[1], tuple(var(n) for n in names))
    problem = _from_zero(problem)
    while True:
        split = _split_digits(problem)
        if split is None:
            ranges = problem.ranges
            return replace(
                problem,
                reference=tuple(straighten(t, ranges) for t in problem.reference),
                candidate=tuple(straighten(t, ranges) for t in problem.candidate),
            )
        problem = split


def _renamed(
    scope: FlatScope, values: Mapping[str, Index], ranges: Mapping[str, Range]
) -> tuple[FlatTerm, ...]:
    """The scope's terms over renamed axes, sums renamed apart from them."""
    terms: list[FlatTerm] = []
    for term in scope.terms:
        sums = tuple(Iterator(f"r{n}", i.lo, i.hi) for n, i in enumerate(term.sums))
        new = {i.name: var(s.name) for i, s in zip(term.sums, sums, strict=True)}
        inner = {**ranges, **{s.name: s.range for s in sums}}
        simple = simplify(substitute_flat(term, {**values, **new}, sums, inner), ranges)
        if simple is not None:
            terms.append(simple)
    return tuple(terms)


def _substituted(
    problem: Problem, values: Mapping[str, Index], axes: tuple[Iterator, ...]
) -> Problem:
    ranges = {a.name: a.range for a in axes}

    def moved(terms: tuple[FlatTerm, ...]) -> tuple[FlatTerm, ...]:
        result: list[FlatTerm] = []
        for term in terms:
            inner = {**ranges, **{i.name: i.range for i in term.sums}}
            simple = simplify(substitute_flat(term, values, term.sums, inner), ranges)
            if simple is not None:
                result.append(simple)
        return tuple(result)

    origin = tuple(substitute(e, values, ranges) for e in problem.origin)
    return Problem(axes, moved(problem.reference), moved(problem.candidate), origin)


def _from_zero(problem: Problem) -> Problem:
    values: dict[str, Index] = {}
    for axis in problem.axes:
        if axis.extent == 1:
            values[axis.name] = constant(axis.lo)
        elif axis.lo:
            values[axis.name] = var(axis.name) + axis.lo
    axes = tuple(Iterator(a.name, 0, a.extent) for a in problem.axes if a.extent > 1)
    return _substituted(problem, values, axes) if values else problem


def _split_digits(problem: Problem) -> Problem | None:
    """Split every axis whose period divides its extent into quotient and residue."""
    axes: list[Iterator] = []
    values: dict[str, Index] = {}
    for axis in problem.axes:
        whole = problem.period(axis.name)
        if 1 < whole < axis.extent and axis.extent % whole == 0:
            high = Iterator(f"{axis.name}q", 0, axis.extent // whole)
            low = Iterator(f"{axis.name}r", 0, whole)
            axes += [high, low]
            values[axis.name] = var(high.name) * whole + var(low.name)
        else:
            axes.append(axis)
    return _substituted(problem, values, tuple(axes)) if values else None
