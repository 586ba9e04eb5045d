"""Boundary relaxing: a range is enlarged, the inverse of tightening.

Formulas: `S_{y in Y} f  =  S_{y in Y'} f * [y in Y]`, and, for a nested scope's traversal,
`{ L_{x in X} f }  =  { L_{x in X'} f * [x in X] }`.

Condition: Y' contains Y and X' contains X. The guard is left out where a read's zero extension
implies it.

Paper: EinNet, OSDI 2023, section 4.1.
"""

from __future__ import annotations

from dataclasses import replace

from einnet.expr.index import var
from einnet.expr.nodes import Iterator, Scope, Within
from einnet.rules.guard_elimination import drop_implied
from einnet.rules.rewrite import NotApplicable
from einnet.rules.variable_substitution import find

RULE = "relax"


def relax(scope: Scope, name: str, lo: int, hi: int) -> Scope:
    """Enlarge the range of `name` to `lo:hi`.

    A traversal iterator may only be enlarged in a nested scope, since it is the shape of the
    result; the caller says so by applying the rule there. Raises NotApplicable if the new range
    does not contain the old one.
    """
    old = find(scope, name)
    if lo > old.lo or hi < old.hi:
        raise NotApplicable(f"{lo}:{hi} does not contain the range {old.lo}:{old.hi} of {name}")
    guard = Within(var(name), old.lo, old.hi)
    body = tuple(replace(t, guards=(*t.guards, guard)) for t in scope.body)

    def at(iterator: Iterator) -> Iterator:
        return Iterator(name, lo, hi) if iterator.name == name else iterator

    relaxed = Scope(
        tuple(at(i) for i in scope.traversal), tuple(at(i) for i in scope.summation), body
    )
    return drop_implied(relaxed)
