"""Canonical form and 128-bit fingerprint of expressions.

Two expressions with one canonical form are the same up to iterator names, the order of summation
iterators, of nested scopes' traversal iterators and of commutative parts. Iterators are told apart
by colour refinement over where they occur; iterators that it cannot tell apart are taken in their
given order, so two symmetric spellings may keep different forms: a missed duplicate, never a false
one. Zero extension and guards are part of the form. Equal fingerprints must be confirmed by
comparing the forms.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import lru_cache
from zlib import crc32

from einnet.expr.index import Index, Var
from einnet.expr.nodes import Body, Call, Factor, Guard, Read, Residue, Scope, Tensor, Term
from einnet.expr.transform import rename

_ROUNDS = 2


def fingerprint(scope: Scope) -> str:
    """128 bits of the canonical form, as 32 hexadecimal digits; the same in every process."""
    form = canonical(scope)
    shapes = ",".join(sorted(f"{t.name}:{t.shape}:{t.dtype}" for t in _tensors(form)))
    return hashlib.blake2b(f"{form}|{shapes}".encode(), digest_size=16).hexdigest()


def canonical(scope: Scope) -> Scope:
    """The scope with names, orders and signs of no meaning made standard.

    The order of the scope's own traversal iterators is kept: it is the layout of its result.
    """
    return _canonical(scope, keep_order=True)


def _tensors(scope: Scope) -> set[Tensor]:
    from einnet.expr.nodes import tensors_of

    return set(tensors_of(scope))


def _canonical(scope: Scope, keep_order: bool) -> Scope:
    scope = replace(scope, body=tuple(_canonical_sources(t) for t in scope.body))
    colours = _colours(scope, keep_order)
    traversal = scope.traversal
    if not keep_order:
        traversal = tuple(sorted(traversal, key=lambda i: (colours[i.name], i.extent)))
    summation = tuple(sorted(scope.summation, key=lambda i: (colours[i.name], i.extent)))
    # Two renamings, because an old name may be another iterator's new one.
    order = (*traversal, *summation)
    apart = {i.name: f".{n}" for n, i in enumerate(order)}
    final = {f".{n}": f"{'t' if n < len(traversal) else 's'}{n}" for n in range(len(order))}
    renamed = rename(rename(Scope(traversal, summation, scope.body), apart), final)
    terms = sorted((_sorted_term(t) for t in renamed.body), key=str)
    return replace(renamed, body=tuple(terms))


def _canonical_sources(term: Term) -> Term:
    """The term with every nested scope in canonical form, its traversal order included."""
    return replace(term, factors=tuple(_canonical_factor(f) for f in term.factors))


def _canonical_factor(factor: Factor) -> Factor:
    if isinstance(factor, Call):
        arguments = tuple(tuple(_canonical_sources(t) for t in a) for a in factor.arguments)
        return Call(factor.function, arguments)
    source = factor.source
    if isinstance(source, Tensor):
        return factor
    form = _canonical(source, keep_order=False)
    # Which old iterator stands where: follow each one by its range and place in the new order.
    places = _traversal_places(source)
    return Read(form, tuple(factor.index[p] for p in places))


def _traversal_places(scope: Scope) -> list[int]:
    inner = replace(scope, body=tuple(_canonical_sources(t) for t in scope.body))
    colours = _colours(inner, False)
    order = sorted(
        range(len(scope.traversal)),
        key=lambda p: (colours[scope.traversal[p].name], scope.traversal[p].extent),
    )
    return order


def _sorted_term(term: Term) -> Term:
    factors = tuple(sorted((_sorted_factor(f) for f in term.factors), key=repr))
    guards = tuple(sorted(set(term.guards), key=repr))
    return Term(factors, guards, term.coefficient)


def _sorted_factor(factor: Factor) -> Factor:
    if isinstance(factor, Call):
        return Call(
            factor.function,
            tuple(tuple(sorted((_sorted_term(t) for t in a), key=repr)) for a in factor.arguments),
        )
    return factor


@lru_cache(maxsize=1 << 16)
def _stable(text: str) -> int:
    """A hash of text that does not change from process to process."""
    return crc32(text.encode())


def _colours(scope: Scope, keep_order: bool) -> dict[str, int]:
    colours: dict[str, int] = {}
    for position, i in enumerate(scope.traversal):
        colours[i.name] = hash((1, position if keep_order else -1, i.lo, i.hi))
    for i in scope.summation:
        colours[i.name] = hash((2, i.lo, i.hi))
    slots: list[tuple[int, Index]] = []
    _collect_slots(scope.body, 0, slots)
    for _ in range(_ROUNDS):
        seen: dict[str, list[int]] = {name: [] for name in colours}
        for slot, index in slots:
            whole = hash((slot, _index_colour(index, colours)))
            _mark(index, whole, colours, seen)
        colours = {n: hash((c, *sorted(seen[n]))) for n, c in colours.items()}
    return colours


def _mark(index: Index, context: int, colours: dict[str, int], seen: dict[str, list[int]]) -> None:
    for atom, coefficient in index.terms:
        if isinstance(atom, Var):
            seen[atom.name].append(hash((context, coefficient)))
        else:
            inner = hash((context, coefficient, atom.divisor))
            _mark(atom.operand, inner, colours, seen)


def _index_colour(index: Index, colours: dict[str, int]) -> int:
    parts: list[int] = []
    for atom, coefficient in index.terms:
        if isinstance(atom, Var):
            parts.append(hash((coefficient, colours[atom.name])))
        else:
            inner = _index_colour(atom.operand, colours)
            parts.append(hash((coefficient, inner, atom.divisor)))
    return hash((index.const, *sorted(parts)))


def _collect_slots(body: Body, context: int, slots: list[tuple[int, Index]]) -> None:
    """Every index of a body with a number for the kind of place it stands in."""
    for term in body:
        place = hash((context, term.coefficient.numerator, term.coefficient.denominator))
        slots.extend((hash((place, *_guard_key(g))), g.index) for g in term.guards)
        for factor in term.factors:
            if isinstance(factor, Call):
                for position, argument in enumerate(factor.arguments):
                    inner = hash((place, _stable(factor.function), position))
                    _collect_slots(argument, inner, slots)
            else:
                source = _source_key(factor.source)
                for dimension, index in enumerate(factor.index):
                    slots.append((hash((place, source, dimension)), index))


def _guard_key(guard: Guard) -> tuple[int, ...]:
    if isinstance(guard, Residue):
        return (1, guard.modulus)
    return (2, guard.lo, guard.hi)


def _source_key(source: Tensor | Scope) -> int:
    return _stable(source.name) if isinstance(source, Tensor) else _stable(str(source))
