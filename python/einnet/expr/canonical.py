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

from einnet.expr.index import Index, Var, rename
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
    tensors_of,
)
from einnet.expr.text import format_body, format_factor
from einnet.expr.transform import map_indices

_ROUNDS = 2


def fingerprint(scope: Scope) -> str:
    """128 bits of the canonical form, as 32 hexadecimal digits; the same in every process."""
    form = canonical(scope)
    shapes = ",".join(sorted(f"{t.name}:{t.shape}:{t.dtype}" for t in tensors_of(form)))
    return hashlib.blake2b(f"{form}|{shapes}".encode(), digest_size=16).hexdigest()


def canonical(scope: Scope) -> Scope:
    """The scope with names, orders and signs of no meaning made standard.

    The order of the scope's own traversal iterators is kept: it is the layout of its result.
    """
    return _canonical(scope, keep_order=True)[0]


def _canonical(scope: Scope, keep_order: bool) -> tuple[Scope, list[int]]:
    """The canonical form and, for each of its traversal iterators, where that stood before."""
    body = tuple(_canonical_sources(t) for t in scope.body)
    colours = _colours(replace(scope, body=body), keep_order)

    def colour(iterator: Iterator) -> tuple[int, int]:
        return colours[iterator.name], iterator.extent

    places = list(range(len(scope.traversal)))
    if not keep_order:
        places.sort(key=lambda p: colour(scope.traversal[p]))
    traversal = [scope.traversal[p] for p in places]
    summation = sorted(scope.summation, key=colour)
    names = {i.name: f"t{n}" for n, i in enumerate(traversal)}
    names |= {i.name: f"s{n}" for n, i in enumerate(summation)}
    body = tuple(_sorted_term(t) for t in map_indices(body, lambda e: rename(e, names)))
    form = Scope(
        tuple(replace(i, name=names[i.name]) for i in traversal),
        tuple(replace(i, name=names[i.name]) for i in summation),
        _sorted_body(body),
    )
    return form, places


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
    form, places = _canonical(source, keep_order=False)
    return Read(form, tuple(factor.index[p] for p in places))


def _sorted_body(body: Body) -> Body:
    return body if len(body) == 1 else tuple(sorted(body, key=lambda t: format_body((t,))))


def _sorted_term(term: Term) -> Term:
    factors = tuple(sorted(map(_sorted_factor, term.factors), key=_factor_order))
    guards = tuple(sorted(set(term.guards), key=_guard_order))
    return Term(factors, guards, term.coefficient)


def _sorted_factor(factor: Factor) -> Factor:
    if isinstance(factor, Call):
        arguments = (tuple(_sorted_term(t) for t in a) for a in factor.arguments)
        return Call(factor.function, tuple(map(_sorted_body, arguments)))
    return factor


def _factor_order(factor: Factor) -> tuple[int, str, tuple[Index, ...]]:
    if isinstance(factor, Call):
        return (2, format_factor(factor), ())
    if isinstance(factor.source, Scope):
        return (1, str(factor.source), factor.index)
    return (0, factor.source.name, factor.index)


def _guard_order(guard: Guard) -> tuple[Index, tuple[int, ...]]:
    return guard.index, _guard_key(guard)


@lru_cache(maxsize=1 << 16)
def _stable(text: str) -> int:
    """A hash of text that does not change from process to process."""
    return crc32(text.encode())


def _signed(value: int) -> int:
    """The value as a number that `hash` keeps apart from others: -1 and -2 have one hash."""
    return 2 * value + 1


def _colours(scope: Scope, keep_order: bool) -> dict[str, int]:
    colours: dict[str, int] = {}
    for position, i in enumerate(scope.traversal):
        place = position if keep_order else len(scope.traversal)
        colours[i.name] = hash((1, place, _signed(i.lo), _signed(i.hi)))
    for i in scope.summation:
        colours[i.name] = hash((2, _signed(i.lo), _signed(i.hi)))
    slots: list[tuple[int, Index]] = []
    _collect_slots(scope.body, 0, slots)
    for _ in range(_ROUNDS):
        seen: dict[str, list[int]] = {name: [] for name in colours}
        for slot, index in slots:
            whole = hash((slot, _index_colour(index, colours)))
            _mark(index, whole, seen)
        colours = {n: hash((c, *sorted(seen[n]))) for n, c in colours.items()}
    return colours


def _mark(index: Index, context: int, seen: dict[str, list[int]]) -> None:
    for atom, coefficient in index.terms:
        if isinstance(atom, Var):
            seen[atom.name].append(hash((context, _signed(coefficient))))
        else:
            inner = hash((context, _signed(coefficient), atom.divisor))
            _mark(atom.operand, inner, seen)


def _index_colour(index: Index, colours: dict[str, int]) -> int:
    parts: list[int] = []
    for atom, coefficient in index.terms:
        if isinstance(atom, Var):
            parts.append(hash((_signed(coefficient), colours[atom.name])))
        else:
            inner = _index_colour(atom.operand, colours)
            parts.append(hash((_signed(coefficient), inner, atom.divisor)))
    return hash((_signed(index.const), *sorted(parts)))


def _collect_slots(body: Body, context: int, slots: list[tuple[int, Index]]) -> None:
    """Every index of a body with a number for the kind of place it stands in."""
    for term in body:
        value = term.coefficient
        place = hash((context, _signed(value.numerator), value.denominator))
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
    return (2, _signed(guard.lo), _signed(guard.hi))


def _source_key(source: Tensor | Scope) -> int:
    return _stable(source.name) if isinstance(source, Tensor) else _stable(str(source))
