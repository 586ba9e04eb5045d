"""Variable substitution: new iterators in bijection with old ones.

Formulas:

- of traversal iterators: `L_x S f(x)  =  L_x { L_z S f(psi(z)) }[phi(x)]`, where z ranges over the
  bounding box of phi;
- of summation iterators: `S_{y in Y} f(y)  =  S_z f(psi(z)) * [psi(z) in Y]`.

Condition: psi(phi(x)) = x on the range of x; for sums also phi(psi(z)) = z, so that z runs over
each y exactly once. Points of a traversal's box outside phi's image are computed but never read.

Paper: EinNet, OSDI 2023, section 4.1.

The named substitutions are shift, reflect, skew, split, merge and permute; their parameters come
from the expression (strides, divisors, extents), never from a list of constants. They name the new
iterators after the old ones, whatever else the scope holds, so that a recorded derivation means the
same in another context: `x.q` and `x.r` are quotient and remainder, `x.s` is skewed, `x.n` negated,
`x.o` offset, `x.y` merged of x and y.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from einnet.expr.index import (
    Index,
    Range,
    Ranges,
    bounds,
    floordiv,
    iterators_of,
    mod,
    substitute,
    var,
)
from einnet.expr.nodes import Iterator, Read, Scope, Term, Within
from einnet.expr.transform import guard_truth, substitute_body
from einnet.rules.rewrite import NotApplicable

RULE = "substitute"


def substitute_iterators(scope: Scope, phi: Mapping[str, Index], psi: Mapping[str, Index]) -> Scope:
    """Replace the iterators psi.keys() by the new ones phi.keys().

    `phi` gives each new iterator as an index over the old ones, `psi` each old iterator as an
    index over the new ones; both may use iterators that stay. The old ones must be all traversal
    iterators or all summation iterators. Raises NotApplicable where the side condition fails.
    """
    traversal = {i.name for i in scope.traversal}
    summation = {i.name for i in scope.summation}
    for name in psi:
        if name not in traversal | summation:
            known = ", ".join(i.name for i in scope.traversal + scope.summation)
            raise NotApplicable(f"{name} is not an iterator of this scope; there are: {known}")
    staying = (traversal | summation) - set(psi)
    for name in phi:
        if name in staying:
            raise NotApplicable(f"the new iterator {name} has the name of one that stays")
    if set(psi) <= traversal:
        for name, index in phi.items():
            if iterators_of(index) - traversal:
                raise NotApplicable(
                    f"{name} = {index} uses a summation iterator; split the sum first"
                )
        return _substitute_traversal(scope, phi, psi)
    if set(psi) <= summation:
        return _substitute_summation(scope, phi, psi)
    raise NotApplicable("traversal and summation iterators cannot be substituted together")


def _new_ranges(scope: Scope, phi: Mapping[str, Index]) -> dict[str, Range]:
    ranges: dict[str, Range] = {}
    for name, index in phi.items():
        lo, hi = bounds(index, scope.ranges)
        ranges[name] = Range(lo, hi + 1)
    return ranges


def _check_inverse(scope: Scope, phi: Mapping[str, Index], psi: Mapping[str, Index]) -> None:
    for name, index in psi.items():
        found = substitute(index, phi, scope.ranges)
        if not _is_always(found, name, scope.ranges):
            raise NotApplicable(f"{name} = {index} does not invert the substitution: it is {found}")


def _is_always(index: Index, name: str, ranges: Ranges) -> bool:
    """Whether the index has the value of the iterator `name` at every point of the ranges."""
    return bounds(index - var(name), ranges) == (0, 0)


def _placed(
    iterators: tuple[Iterator, ...], old: Mapping[str, Index], new: Mapping[str, Range]
) -> tuple[Iterator, ...]:
    """The iterators with the new ones in the place of the first old one."""
    result: list[Iterator] = []
    placed = False
    for iterator in iterators:
        if iterator.name not in old:
            result.append(iterator)
        elif not placed:
            result.extend(Iterator(name, r.lo, r.hi) for name, r in new.items())
            placed = True
    return tuple(result)


def _substitute_traversal(
    scope: Scope, phi: Mapping[str, Index], psi: Mapping[str, Index]
) -> Scope:
    _check_inverse(scope, phi, psi)
    new = _new_ranges(scope, phi)
    traversal = _placed(scope.traversal, psi, new)
    ranges = {i.name: i.range for i in traversal + scope.summation}
    inner = Scope(traversal, scope.summation, substitute_body(scope.body, psi, ranges))
    index = tuple(phi[i.name] if i.name in new else var(i.name) for i in traversal)
    return Scope(scope.traversal, (), (Term((Read(inner, index),)),))


def _substitute_summation(
    scope: Scope, phi: Mapping[str, Index], psi: Mapping[str, Index]
) -> Scope:
    _check_inverse(scope, phi, psi)
    new = _new_ranges(scope, phi)
    summation = _placed(scope.summation, psi, new)
    ranges = {i.name: i.range for i in scope.traversal + summation}
    for name, index in phi.items():
        if not _is_always(substitute(index, psi, ranges), name, ranges):
            raise NotApplicable(f"{name} = {index} takes some values more than once")
    guards: list[Within] = []
    for iterator in scope.summation:
        if iterator.name in psi:
            guard = Within(psi[iterator.name], iterator.lo, iterator.hi)
            if guard_truth(guard, ranges) is not True:
                guards.append(guard)
    body = substitute_body(scope.body, psi, ranges)
    body = tuple(replace(t, guards=t.guards + tuple(guards)) for t in body)
    return Scope(scope.traversal, summation, body)


def split(scope: Scope, name: str, factor: int) -> Scope:
    """`x -> (x div factor, x mod factor)`. The factor need not divide the extent."""
    iterator = find(scope, name)
    if not 1 < factor < iterator.extent:
        raise NotApplicable(f"{name} has extent {iterator.extent}: no split by {factor}")
    high, low = f"{name}.q", f"{name}.r"
    ranges = scope.ranges
    phi = {high: floordiv(var(name), factor, ranges), low: mod(var(name), factor, ranges)}
    return substitute_iterators(scope, phi, {name: var(high) * factor + var(low)})


def reflect(scope: Scope, name: str) -> Scope:
    """`x -> lo + hi - 1 - x`, the same range backwards."""
    iterator = find(scope, name)
    new = f"{name}.n"
    end = iterator.lo + iterator.hi - 1
    return substitute_iterators(scope, {new: -var(name) + end}, {name: -var(new) + end})


def shift(scope: Scope, name: str, offset: int) -> Scope:
    """`x -> x + offset`."""
    find(scope, name)
    new = f"{name}.o"
    return substitute_iterators(scope, {new: var(name) + offset}, {name: var(new) - offset})


def skew(scope: Scope, name: str, index: Index) -> Scope:
    """Put `index` in the place of its iterator `name`, whose coefficient must be 1 or -1."""
    find(scope, name)
    coefficient = index.coefficient(name)
    rest = index - var(name) * coefficient
    if abs(coefficient) != 1 or name in iterators_of(rest):
        raise NotApplicable(f"{index} cannot be solved for {name}")
    new = f"{name}.s"
    return substitute_iterators(scope, {new: index}, {name: (var(new) - rest) * coefficient})


def merge(scope: Scope, outer: str, inner: str) -> Scope:
    """`(a, b) -> a * extent(b) + b`."""
    a, b = find(scope, outer), find(scope, inner)
    new = f"{outer}.{inner}"
    n = b.extent
    phi = {new: (var(outer) - a.lo) * n + (var(inner) - b.lo)}
    ranges = {new: Range(0, a.extent * n)}
    psi = {
        outer: floordiv(var(new), n, ranges) + a.lo,
        inner: mod(var(new), n, ranges) + b.lo,
    }
    return substitute_iterators(scope, phi, psi)


def permute(scope: Scope, order: tuple[str, ...]) -> Scope:
    """The same traversal in another order of loops, read back through it."""
    if sorted(order) != sorted(i.name for i in scope.traversal):
        known = ", ".join(i.name for i in scope.traversal)
        raise NotApplicable(f"{','.join(order)} is no order of the traversal iterators {known}")
    by_name = {i.name: i for i in scope.traversal}
    inner = replace(scope, traversal=tuple(by_name[n] for n in order))
    return Scope(scope.traversal, (), (Term((Read(inner, tuple(map(var, order))),)),))


def solve(scope: Scope, name: str, index: Index) -> tuple[dict[str, Index], dict[str, Index]]:
    """phi and psi of the substitution `name = index`, which takes the place of one iterator.

    The iterator that goes is the first one of `index` whose coefficient is 1 or -1 and which
    occurs in it only once. Raises NotApplicable if there is none.
    """
    candidates = [i.name for i in scope.traversal + scope.summation]
    for old in candidates:
        coefficient = index.coefficient(old)
        rest = index - var(old) * coefficient
        if abs(coefficient) == 1 and old not in iterators_of(rest):
            return {name: index}, {old: (var(name) - rest) * coefficient}
    raise NotApplicable(f"{index} has no iterator with coefficient 1 or -1 to solve for")


def find(scope: Scope, name: str) -> Iterator:
    for iterator in scope.traversal + scope.summation:
        if iterator.name == name:
            return iterator
    known = ", ".join(i.name for i in scope.traversal + scope.summation)
    raise NotApplicable(f"{name} is not an iterator of this scope; there are: {known}")
