"""Guard elimination: a guard that decides a summation iterator replaces it.

Formulas:

- `S_{y in Y} f(y) [c*y + e mod k = 0]  =  f(y*) [y* in Y]` with `y* = lo + ((-e/c) - lo) mod k`;
- `S_{y in Y} f(y) [lo <= c*y + e < lo+1] = f(c*(lo - e)) [c*(lo - e) in Y]` for c = 1 or -1, where
  the guard may also be the zero extension of a read along a dimension of extent 1.

Condition: y occurs once in the guard; c is invertible modulo k, and Y has at most k points, so that
at most one of them has the residue.

Paper: none; EinNet (OSDI 2023) has no guards, its transposed convolution is taken apart by hand.

Guards that hold everywhere, or that the zero extension of a read implies, are dropped. This is what
turns the natural transposed convolution into one dense sum for each output phase.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import gcd

from einnet.expr.index import Index, Ranges, as_mod, bounds, iterators_of, linear, mod, var
from einnet.expr.nodes import Guard, Iterator, Residue, Scope, Term, Within
from einnet.expr.transform import guard_truth, residue, substitute_term
from einnet.rules.boundary_tightening import constraints_of
from einnet.rules.variable_substitution import split

RULE = "eliminate-guard"


def eliminate_guards(scope: Scope) -> Scope | None:
    """Apply the rule until no guard decides a summation iterator; None if the scope is 0.

    Scopes of several terms are returned as they are.
    """
    if len(scope.body) != 1:
        return scope
    while True:
        simplified = drop_implied(scope)
        if not simplified.body:
            return None
        scope = simplified
        decided = _decide_one(scope)
        if decided is None:
            return scope
        scope = decided


def drop_implied(scope: Scope) -> Scope:
    """Drop guards that hold everywhere or are implied by a read; drop terms that are 0."""
    ranges = scope.ranges
    body: list[Term] = []
    for term in scope.body:
        guards = _needed_guards(term, ranges)
        if guards is not None:
            body.append(replace(term, guards=guards) if guards != term.guards else term)
    return scope if same(body, scope.body) else replace(scope, body=tuple(body))


def same(new: Sequence[object], old: Sequence[object]) -> bool:
    """Whether nothing was replaced: the very same objects."""
    return len(new) == len(old) and all(a is b for a, b in zip(new, old, strict=True))


def _needed_guards(term: Term, ranges: Ranges) -> tuple[Guard, ...] | None:
    kept: list[Guard] = []
    if not term.guards:
        return ()
    reads = list(constraints_of(replace(term, guards=())))
    for guard in map(_standard, term.guards):
        truth = guard_truth(guard, ranges)
        if truth is False:
            return None
        if truth is True or guard in kept:
            continue
        if isinstance(guard, Within) and any(_implies(r, guard, ranges) for r in reads):
            continue
        kept.append(guard)
    return tuple(kept)


def _standard(guard: Guard) -> Guard:
    """Reduced coefficients; `[c <= e mod k < c+1]` as the residue guard that it is."""
    if isinstance(guard, Residue):
        return residue(guard.index, guard.modulus)
    if guard.hi - guard.lo == 1:
        for offset in (guard.index.const, 0):
            pattern = as_mod(guard.index - offset)
            if pattern is not None:
                operand, modulus = pattern
                value = guard.lo - offset
                if 0 <= value < modulus:
                    return residue(operand - value, modulus)
    return guard


def _implies(constraint: tuple[Index, int, int], guard: Within, ranges: Ranges) -> bool:
    """Whether the constraint and the ranges keep the guard's index inside the guard's bounds.

    Only indices whose difference or sum is a constant are compared.
    """
    index, lo, hi = constraint
    if guard.index.terms == index.terms:
        sign = 1
    elif guard.index.terms == tuple((a, -c) for a, c in index.terms):
        sign = -1
    else:
        return False
    low, high = bounds(index, ranges)
    first, last = max(lo, low), min(hi - 1, high)
    if sign == -1:
        first, last = -last, -first
    offset = guard.index.const - sign * index.const
    return guard.lo <= first + offset and last + offset < guard.hi


def _decide_one(scope: Scope) -> Scope | None:
    term = scope.body[0]
    ranges = scope.ranges
    for guard in term.guards:
        if isinstance(guard, Residue):
            for iterator in scope.summation:
                value = _solve_residue(guard, iterator, ranges)
                if value is not None:
                    return _fix(scope, iterator, value, guard)
    for index, lo, hi in constraints_of(term):
        if hi - lo == 1:
            for iterator in scope.summation:
                c = index.coefficient(iterator.name)
                rest = index - var(iterator.name) * c
                if abs(c) == 1 and iterator.name not in iterators_of(rest):
                    return _fix(scope, iterator, (-rest + lo) * c, Within(index, lo, hi))
    return None


def split_residues(scope: Scope) -> Scope:
    """Split each summation iterator that a residue guard keeps on one residue class.

    After the split by the modulus the guard decides the remainder, so the sum keeps only the
    points that count. Always right for a sum that is evaluated as it stands; for a core it is a
    choice, since it also cuts the operands' dimensions.
    """
    if len(scope.body) != 1:
        return scope
    for guard in scope.body[0].guards:
        if not isinstance(guard, Residue):
            continue
        for iterator in scope.summation:
            c = guard.index.coefficient(iterator.name)
            rest = guard.index - var(iterator.name) * c
            decides = gcd(c, guard.modulus) == 1 and iterator.name not in iterators_of(rest)
            if decides and iterator.extent > guard.modulus:
                return split(scope, iterator.name, guard.modulus)
    return scope


def _solve_residue(guard: Residue, iterator: Iterator, ranges: Ranges) -> Index | None:
    k = guard.modulus
    if iterator.extent > k:
        return None
    c = guard.index.coefficient(iterator.name) % k
    rest = guard.index - var(iterator.name) * guard.index.coefficient(iterator.name)
    if iterator.name in iterators_of(rest):
        return None
    try:
        inverse = pow(c, -1, k)
    except ValueError:
        return None
    # Coefficients near 0 keep the indices that contain the solution simple.
    solution = rest * -inverse - iterator.lo
    centred = linear(
        solution.const % k,
        ((a, v % k if v % k <= k // 2 else v % k - k) for a, v in solution.terms),
    )
    return mod(centred, k, ranges) + iterator.lo


def _fix(scope: Scope, iterator: Iterator, value: Index, used: Guard) -> Scope:
    """The scope with `value` for the summation iterator, and a guard that it is in range."""
    summation = tuple(i for i in scope.summation if i != iterator)
    ranges = {i.name: i.range for i in scope.traversal + summation}
    term = scope.body[0]
    term = replace(term, guards=tuple(g for g in term.guards if g != used))
    term = substitute_term(term, {iterator.name: value}, ranges)
    inside = Within(value, iterator.lo, iterator.hi)
    if guard_truth(inside, ranges) is not True:
        term = replace(term, guards=(*term.guards, inside))
    return Scope(scope.traversal, summation, (term,))
