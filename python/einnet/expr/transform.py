"""Meaning-preserving plumbing of expressions: renaming, substitution, composition of scopes.

These are the mechanics that derivation rules and the bridge share; each keeps the meaning of the
whole expression under the condition in its docstring.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from einnet.expr.index import Index, Range, Ranges, bounds, substitute, var
from einnet.expr.index import rename as rename_index
from einnet.expr.nodes import (
    Body,
    Call,
    Factor,
    Guard,
    Iterator,
    Read,
    Residue,
    Scope,
    Tensor,
    Term,
    Within,
    box_of,
    fresh_name,
    tensors_of,
)

Values = Mapping[str, Index]


def map_indices(body: Body, new: Callable[[Index], Index]) -> Body:
    """Replace every index of a body, those of guards and inside calls included."""
    return tuple(_map_term(t, new) for t in body)


def _map_term(term: Term, new: Callable[[Index], Index]) -> Term:
    return Term(
        tuple(_map_factor(f, new) for f in term.factors),
        tuple(_map_guard(g, new) for g in term.guards),
        term.coefficient,
    )


def _map_factor(factor: Factor, new: Callable[[Index], Index]) -> Factor:
    if isinstance(factor, Read):
        return Read(factor.source, tuple(map(new, factor.index)))
    return Call(factor.function, tuple(map_indices(a, new) for a in factor.arguments))


def _map_guard(guard: Guard, new: Callable[[Index], Index]) -> Guard:
    if isinstance(guard, Residue):
        return Residue(new(guard.index), guard.modulus)
    return Within(new(guard.index), guard.lo, guard.hi)


def substitute_guard(guard: Guard, values: Values, ranges: Ranges) -> Guard:
    return _map_guard(guard, lambda e: substitute(e, values, ranges))


def rename_guard(guard: Guard, names: Mapping[str, str]) -> Guard:
    """Rename every iterator, all at once, as `index.rename` does."""
    return _map_guard(guard, lambda e: rename_index(e, names))


def substitute_term(term: Term, values: Values, ranges: Ranges) -> Term:
    return _map_term(term, lambda e: substitute(e, values, ranges))


def substitute_body(body: Body, values: Values, ranges: Ranges) -> Body:
    """Replace iterators by indices over the iterators whose ranges are given."""
    return map_indices(body, lambda e: substitute(e, values, ranges))


def rename(scope: Scope, names: Mapping[str, str]) -> Scope:
    """Rename the scope's own iterators; the new names must be distinct and unused."""
    traversal = tuple(replace(i, name=names.get(i.name, i.name)) for i in scope.traversal)
    summation = tuple(replace(i, name=names.get(i.name, i.name)) for i in scope.summation)
    ranges = {i.name: i.range for i in traversal + summation}
    values = {old: var(new) for old, new in names.items()}
    return Scope(traversal, summation, substitute_body(scope.body, values, ranges))


def with_tensors(scope: Scope, same: Mapping[str, Tensor]) -> Scope:
    """The scope with reads of other tensors, those of nested scopes and calls included."""
    if not any(t.name in same for t in tensors_of(scope)):
        return scope

    def body(old: Body) -> Body:
        return tuple(replace(t, factors=tuple(map(factor, t.factors))) for t in old)

    def factor(old: Factor) -> Factor:
        if isinstance(old, Call):
            return Call(old.function, tuple(map(body, old.arguments)))
        if isinstance(old.source, Scope):
            return Read(with_tensors(old.source, same), old.index)
        return Read(same.get(old.source.name, old.source), old.index)

    return replace(scope, body=body(scope.body))


def guard_truth(guard: Guard, ranges: Ranges) -> bool | None:
    """True or False where the ranges decide the guard, None where they do not."""
    low, high = bounds(guard.index, ranges)
    if isinstance(guard, Within):
        if low >= guard.lo and high < guard.hi:
            return True
        if high < guard.lo or low >= guard.hi:
            return False
        return None
    coefficients = [c % guard.modulus for _, c in guard.index.terms]
    if not any(coefficients):
        return guard.index.const % guard.modulus == 0
    return None


def outside(index: tuple[Index, ...], box: tuple[Range, ...], ranges: Ranges) -> list[Guard]:
    """The guards that say the index stays inside the box, those that the ranges prove left out."""
    guards: list[Guard] = []
    for e, (lo, hi) in zip(index, box, strict=True):
        low, high = bounds(e, ranges)
        if low < lo or high >= hi:
            guards.append(Within(e, lo, hi))
    return guards


def stays_inside(read: Read, ranges: Ranges) -> bool:
    """Whether range analysis proves that the read never leaves its source's box."""
    return not outside(read.index, box_of(read.source), ranges)


Chooser = Callable[[Scope], bool]


def inline_reads(scope: Scope, chosen: Chooser = lambda _: True) -> Scope:
    """Compose nested scopes into their readers wherever that is possible and `chosen` agrees.

    A read `{L_z S_w f}[e]` becomes `f(z := e)` with w joining the reader's sums and a guard for
    each e that may leave z's range. A nested scope with sums can only join a reader whose body is
    one term, and never the inside of a call; such reads stay.
    """
    while True:
        composed = _inline_once(scope, chosen)
        if composed is None:
            return scope
        scope = composed


def _inline_once(scope: Scope, chosen: Chooser) -> Scope | None:
    ranges = dict(scope.ranges)
    body: list[Term] = []
    sums: list[Iterator] = list(scope.summation)
    changed = False
    alone = len(scope.body) == 1
    for term in scope.body:
        expanded = _inline_in_term(term, ranges, alone, sums, chosen)
        if expanded is None:
            body.append(term)
        else:
            body.extend(expanded)
            changed = True
    return Scope(scope.traversal, tuple(sums), tuple(body)) if changed else None


def _inline_in_term(
    term: Term, ranges: dict[str, Range], may_sum: bool, sums: list[Iterator], chosen: Chooser
) -> list[Term] | None:
    """The terms that replace `term` after composing its first composable factor, or None."""
    for position, factor in enumerate(term.factors):
        rest = term.factors[:position] + term.factors[position + 1 :]
        if isinstance(factor, Read):
            inner = factor.source
            if not isinstance(inner, Scope) or not chosen(inner):
                continue
            if inner.summation and not may_sum:
                continue
            inlined = compose(factor, inner, ranges, sums)
            return [
                Term(
                    rest[:position] + t.factors + rest[position:],
                    term.guards + t.guards,
                    term.coefficient * t.coefficient,
                )
                for t in inlined
            ]
        arguments = _inline_in_call(factor, ranges, chosen)
        if arguments is not None:
            call = Call(factor.function, arguments)
            return [replace(term, factors=(*rest[:position], call, *rest[position:]))]
    return None


def _inline_in_call(
    call: Call, ranges: dict[str, Range], chosen: Chooser
) -> tuple[Body, ...] | None:
    for which, argument in enumerate(call.arguments):
        body: list[Term] = []
        changed = False
        for term in argument:
            expanded = _inline_in_term(term, ranges, False, [], chosen)
            body.extend([term] if expanded is None else expanded)
            changed = changed or expanded is not None
        if changed:
            return (*call.arguments[:which], tuple(body), *call.arguments[which + 1 :])
    return None


def compose(
    read: Read, inner: Scope, ranges: dict[str, Range], sums: list[Iterator]
) -> tuple[Term, ...]:
    """The body of `inner` at the read's index, over the reader's iterators.

    The inner sums are renamed apart, appended to `sums` and entered into `ranges`.
    """
    values: dict[str, Index] = {i.name: e for i, e in zip(inner.traversal, read.index, strict=True)}
    for iterator in inner.summation:
        name = iterator.name
        if name in ranges:
            name = fresh_name(name, frozenset(ranges))
        ranges[name] = iterator.range
        sums.append(replace(iterator, name=name))
        values[iterator.name] = var(name)
    guards = tuple(outside(read.index, inner.box, ranges))
    return tuple(
        replace(t, guards=guards + t.guards) for t in substitute_body(inner.body, values, ranges)
    )


def is_movement(scope: Scope) -> bool:
    """Whether the scope only moves elements: one read, no sum, no call, coefficient 1."""
    if scope.summation or len(scope.body) != 1:
        return False
    term = scope.term
    return term.coefficient == 1 and len(term.factors) == 1 and isinstance(term.factors[0], Read)


def residue(index: Index, modulus: int) -> Residue:
    """`[index mod modulus = 0]` with every coefficient reduced to 0..modulus-1."""
    terms = tuple((a, c % modulus) for a, c in index.terms if c % modulus)
    return Residue(Index(index.const % modulus, terms), modulus)
