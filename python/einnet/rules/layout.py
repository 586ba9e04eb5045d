"""Layout: an operand is laid out anew, as a scope of its own that only moves elements.

Formula: `X[e(i,j)]  =  { L_{i,j} X[e(i,j)] }[i,j]`.

Condition: the traversal of the new scope is an order of exactly the iterators that the read depends
on, with their ranges.

Paper: none gives a formula; EinNet's artifact (OSDI 2023) has it as data layout transformation.

An element that the read visits often is stored often, as im2col does; one that it never visits is
left out. The search does not apply this rule: a derivation's layouts are virtual, and
`operators/contraction.py` builds them at the match.
"""

from __future__ import annotations

from dataclasses import replace

from einnet.expr.index import var
from einnet.expr.nodes import Read, Scope, Term
from einnet.rules.rewrite import NotApplicable
from einnet.rules.summation_splitting import iterators_in

RULE = "relayout"


def relayout(scope: Scope, position: int, order: tuple[str, ...]) -> Scope:
    """The scope with its factor at `position` read through a layout with dimensions `order`.

    Raises NotApplicable for a body of several terms, a factor that is no read, or an order that is
    not one of the iterators of the read.
    """
    if len(scope.body) != 1:
        raise NotApplicable("a sum of several terms has no factors")
    term = scope.term
    if not 0 <= position < len(term.factors):
        raise NotApplicable(f"there is no factor {position} among {len(term.factors)}")
    read = term.factors[position]
    if not isinstance(read, Read):
        raise NotApplicable(f"factor {position} is a call of {read.function}, not a read")
    used = iterators_in(read)
    if sorted(order) != sorted(used):
        known = ",".join(sorted(used)) or "nothing"
        raise NotApplicable(f"{','.join(order)} is no order of what the read depends on: {known}")
    by_name = {i.name: i for i in scope.traversal + scope.summation}
    layout = Scope(tuple(by_name[n] for n in order), (), (Term((read,)),))
    through = Read(layout, tuple(map(var, order)))
    factors = (*term.factors[:position], through, *term.factors[position + 1 :])
    return replace(scope, body=(replace(term, factors=factors),))
