"""Iterators that make no difference: ranges of one point, and iterators that nothing depends on.

Formulas:

- `L_x S_{y:v:v+1} f(y)  =  L_x f(v)`;
- `S_{y in Y} f  =  |Y| * f`;
- `{ L_{x, z in Z} f }[e,d]  =  { L_x f }[e] * [d in Z]`.

Condition: in the second and third, f does not depend on y or z, or z has one point, which takes its
place. The guard is left out where the ranges prove it.

Paper: none; part of the normal form of our states.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from einnet.expr.index import constant
from einnet.expr.nodes import Read, Scope, Term
from einnet.expr.transform import outside, substitute_body
from einnet.rules.guard_elimination import same
from einnet.rules.summation_splitting import iterators_in_body

RULE = "drop-iterators"


def drop_sums(scope: Scope) -> Scope:
    """Remove summation iterators with one value, and those that the body does not depend on."""
    single = {i.name: constant(i.lo) for i in scope.summation if i.extent == 1}
    used = iterators_in_body(scope.body)
    idle = [i for i in scope.summation if i.name not in used and i.extent > 1]
    if not single and not idle:
        return scope
    gone = set(single) | {i.name for i in idle}
    factor = Fraction(1)
    for iterator in idle:
        factor *= iterator.extent
    summation = tuple(i for i in scope.summation if i.name not in gone)
    ranges = {i.name: i.range for i in scope.traversal + summation}
    body = substitute_body(scope.body, single, ranges)
    body = tuple(replace(t, coefficient=t.coefficient * factor) for t in body)
    return Scope(scope.traversal, summation, body)


def drop_nested_traversals(scope: Scope) -> Scope:
    """Remove such traversal iterators from the nested scopes that the scope's terms read."""
    body = tuple(_drop_in_term(t, scope) for t in scope.body)
    return scope if same(body, scope.body) else replace(scope, body=body)


def _drop_in_term(term: Term, scope: Scope) -> Term:
    for position, factor in enumerate(term.factors):
        if not isinstance(factor, Read) or not isinstance(factor.source, Scope):
            continue
        inner = factor.source
        used = iterators_in_body(inner.body)
        gone = {
            i.name: constant(i.lo) for i in inner.traversal if i.extent == 1 or i.name not in used
        }
        if not gone:
            continue
        pairs = list(zip(inner.traversal, factor.index, strict=True))
        lost = [(i, e) for i, e in pairs if i.name in gone]
        kept = [(i, e) for i, e in pairs if i.name not in gone]
        traversal = tuple(i for i, _ in kept)
        ranges = {i.name: i.range for i in traversal + inner.summation}
        smaller = Scope(traversal, inner.summation, substitute_body(inner.body, gone, ranges))
        guards = outside(tuple(e for _, e in lost), tuple(i.range for i, _ in lost), scope.ranges)
        read = Read(smaller, tuple(e for _, e in kept))
        factors = (*term.factors[:position], read, *term.factors[position + 1 :])
        new = tuple(g for g in guards if g not in term.guards)
        return _drop_in_term(replace(term, factors=factors, guards=term.guards + new), scope)
    return term
