"""Eager normalisation: what is always right is never a choice of the search.

Brings an expression to the two-level form `outer . core`: an outer scope (the original traversal,
outer sums, guards) that reads one core scope (one product of tensor reads). After every step it
merges the scopes between, eliminates guards, tightens ranges and drops idle iterators.
"""

from __future__ import annotations

from dataclasses import replace

from einnet.expr.index import var
from einnet.expr.nodes import Read, Scope, Term
from einnet.rules.boundary_tightening import tighten
from einnet.rules.guard_elimination import eliminate_guards, split_residues
from einnet.rules.traversal_merging import merge_outer
from einnet.rules.unit_iterators import drop_nested_traversals, drop_sums


def two_level(scope: Scope) -> Scope:
    """`L_x S f` as `L_x { L_x S f }[x]`."""
    read = Read(scope, tuple(var(i.name) for i in scope.traversal))
    return Scope(scope.traversal, (), (Term((read,)),))


def core_of(scope: Scope) -> Scope:
    """The core of an expression in two-level form."""
    source = scope.term.reads[0].source
    assert isinstance(source, Scope)
    return source


def with_core(scope: Scope, core: Scope) -> Scope:
    """The two-level expression with another scope in the place of its core."""
    term = scope.term
    if term.reads[0].source is core:
        return scope
    read = replace(term.reads[0], source=core)
    return replace(scope, body=(replace(term, factors=(read, *term.factors[1:])),))


def normalise(scope: Scope) -> Scope | None:
    """The normal form, or None if the whole expression is 0."""
    scope = merge_outer(scope)
    normal: Scope | None = None
    while True:
        core = core_of(scope)
        if core is not normal:
            normal = _normal_core(core)
        if normal is None:
            return None
        changed = drop_nested_traversals(with_core(scope, normal))
        outer = eliminate_guards(drop_sums(changed))
        if outer is None:
            return None
        outer = tighten(split_residues(outer), traversal=False)
        if outer is None:
            return None
        if outer is scope:
            return scope
        scope = outer


def _normal_core(core: Scope) -> Scope | None:
    while True:
        step = eliminate_guards(drop_sums(core))
        step = None if step is None else tighten(step)
        if step is None or step is core:
            return step
        core = step
