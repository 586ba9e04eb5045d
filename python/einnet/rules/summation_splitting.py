"""Summation splitting: a sum over two groups of iterators is a sum of sums.

Formula: `L_x S_{y1,y2} g(x,y1) * f(x,y1,y2)  =  L_x S_{y1} g * { L_{x,y1} S_{y2} f }[x,y1]`.

Condition: none beyond associativity and distributivity, provided that something moves; g, the
factors and guards that move out, do not depend on the inner sums y2.

Paper: EinNet, OSDI 2023, section 4.1.

`split-summation` is given y1, `split-product` the factors f; the latter is what gives a product of
several matrices its order of association.
"""

from __future__ import annotations

from einnet.expr.index import iterators_of, var
from einnet.expr.nodes import Body, Call, Factor, Guard, Read, Scope, Term
from einnet.rules.rewrite import NotApplicable

RULE = "split-summation"
PRODUCT = "split-product"


def split_summation(scope: Scope, outer: tuple[str, ...], *, hoist: bool = True) -> Scope:
    """Move the summation iterators `outer` to an outer sum.

    With `hoist`, the factors and guards that no remaining inner sum touches move out as well.
    Raises NotApplicable if a name is no summation iterator, or if nothing would move.
    """
    sums = {i.name for i in scope.summation}
    for name in outer:
        if name not in sums:
            known = ", ".join(sorted(sums)) or "none"
            raise NotApplicable(f"{name} is not a summation iterator; there are: {known}")
    inner_sums = sums - set(outer)
    moved_factors: tuple[Factor, ...] = ()
    moved_guards: tuple[Guard, ...] = ()
    body = scope.body
    if hoist and inner_sums and len(body) == 1:
        term = body[0]
        moved_factors = tuple(f for f in term.factors if not iterators_in(f) & inner_sums)
        kept_factors = tuple(f for f in term.factors if iterators_in(f) & inner_sums)
        if kept_factors:
            moved_guards = tuple(g for g in term.guards if not iterators_of(g.index) & inner_sums)
            kept_guards = tuple(g for g in term.guards if iterators_of(g.index) & inner_sums)
            body = (Term(kept_factors, kept_guards, term.coefficient),)
        else:
            moved_factors = ()
    if not outer and not moved_factors and not moved_guards:
        raise NotApplicable("no iterator was chosen and no factor is free of the inner sums")
    return _nest(scope, body, inner_sums, Term(moved_factors, moved_guards))


def split_product(scope: Scope, inner: tuple[int, ...]) -> Scope:
    """Nest the factors at the positions `inner`, with the sums that only they depend on.

    `L_x S_{y1,y2} f(x,y1,y2) * g(x,y1) = L_x S_{y1} { L_{x,y1} S_{y2} f }[x,y1] * g`. Repeated, it
    gives a product of several reads any order of association. Raises NotApplicable for a scope of
    several terms, or where all factors or none would move.
    """
    if len(scope.body) != 1:
        raise NotApplicable("a sum of several terms has no order of association")
    term = scope.body[0]
    positions = set(range(len(term.factors)))
    if len(set(inner)) < len(inner) or not set(inner) <= positions:
        raise NotApplicable(f"{inner} are not positions of {len(positions)} factors, each once")
    if not inner or set(inner) == positions:
        raise NotApplicable("some but not all of the factors are to be nested")
    kept = tuple(term.factors[p] for p in inner)
    moved = tuple(f for p, f in enumerate(term.factors) if p not in inner)
    touched = frozenset[str]().union(*(iterators_in(f) for f in moved))
    held = frozenset[str]().union(*(iterators_in(f) for f in kept))
    # A guard that relates the nested factors to others stays outside, with its iterators.
    crossing = tuple(g for g in term.guards if not iterators_of(g.index) <= held)
    touched |= frozenset[str]().union(*(iterators_of(g.index) for g in crossing))
    sums = {i.name for i in scope.summation if i.name in held - touched}
    inside = tuple(g for g in term.guards if iterators_of(g.index) & sums)
    outside = tuple(g for g in term.guards if not iterators_of(g.index) & sums)
    return _nest(scope, (Term(kept, inside),), sums, Term(moved, outside, term.coefficient))


def _nest(scope: Scope, body: Body, sums: set[str], rest: Term) -> Scope:
    """The scope with `body`, summed over `sums`, as a nested scope beside the factors of `rest`."""
    used = iterators_in_body(body)
    outer_sums = tuple(i for i in scope.summation if i.name not in sums)
    traversal = tuple(i for i in scope.traversal + outer_sums if i.name in used)
    inner = Scope(traversal, tuple(i for i in scope.summation if i.name in sums), body)
    read = Read(inner, tuple(var(i.name) for i in traversal))
    outer = Term((read, *rest.factors), rest.guards, rest.coefficient)
    return Scope(scope.traversal, outer_sums, (outer,))


def iterators_in(factor: Factor) -> frozenset[str]:
    """The iterators that a factor depends on."""
    if isinstance(factor, Call):
        return frozenset[str]().union(*(iterators_in_body(a) for a in factor.arguments))
    return frozenset[str]().union(*(iterators_of(e) for e in factor.index))


def iterators_in_body(body: Body) -> frozenset[str]:
    """The iterators that a body depends on."""
    found: set[str] = set()
    for term in body:
        for factor in term.factors:
            found |= iterators_in(factor)
        for guard in term.guards:
            found |= iterators_of(guard.index)
    return frozenset(found)
