"""Sums whose points have no element in common, cut to one point.

In `S_c X[n,c] W[c,m]` let c be the index of these dimensions of X and W wherever either is read,
and be nothing else. Then the values of each point of c are one polynomial, of other elements for
every point; so two sums of such terms, whatever terms without X and W are added to them, are equal
if and only if they are with c at one point. A proof then costs the same for 4 channels as for 4096.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from einnet.expr.index import iterators_of
from einnet.expr.nodes import Iterator
from einnet.verify.flatten import FlatScope, FlatTerm

Slot = tuple[str, int]
"""A dimension of a leaf tensor."""


def at_one_point(reference: FlatScope, candidate: FlatScope) -> tuple[FlatScope, FlatScope]:
    """Two scopes that are equal if and only if these are, with independent sums at their first
    point."""
    terms = [*reference.terms, *candidate.terms]
    alone = [_alone(t) for t in terms]
    seen: set[tuple[int, Iterator]] = set()
    for number, sums in enumerate(alone):
        for iterator in sums:
            if (number, iterator) not in seen:
                found = _independent(number, iterator, terms, alone)
                seen.update(found.items())
                for n, own in found.items():
                    terms[n] = _cut(terms[n], own)
    count = len(reference.terms)
    return (
        replace(reference, terms=tuple(terms[:count])),
        replace(candidate, terms=tuple(terms[count:])),
    )


def _alone(term: FlatTerm) -> dict[Iterator, frozenset[Slot]]:
    """The sums that are nothing but the whole index of some dimensions, with these."""
    slots: dict[str, set[Slot]] = {i.name: set() for i in term.sums if i.extent > 1}
    used = [iterators_of(g.index) for g in term.guards]
    for element in term.elements:
        for dimension, index in enumerate(element.index):
            if index.name in slots:
                slots[index.name].add((element.tensor.name, dimension))
            else:
                used.append(iterators_of(index))
    others = frozenset[str]().union(*used)
    return {
        i: frozenset(slots[i.name]) for i in term.sums if i.name not in others and slots.get(i.name)
    }


def _independent(
    number: int,
    iterator: Iterator,
    terms: Sequence[FlatTerm],
    alone: Sequence[dict[Iterator, frozenset[Slot]]],
) -> dict[int, Iterator]:
    """For each term that reads the tensors that the sum goes over, by number, the sum that goes
    over the same dimensions, this one among them; nothing if one has no such sum."""
    slots = alone[number][iterator]
    while True:
        found: dict[int, Iterator] = {}
        for n, term in enumerate(terms):
            names = {e.index[d].name for e in term.elements for t, d in slots if e.tensor.name == t}
            own = [i for i in alone[n] if {i.name} == names and i.range == iterator.range]
            if names and not own:
                return {}
            found.update((n, i) for i in own)
        reached = slots.union(*(alone[n][i] for n, i in found.items()))
        if reached == slots:
            return found
        slots = reached


def _cut(term: FlatTerm, iterator: Iterator) -> FlatTerm:
    """The term with the sum at its first point."""
    first = Iterator(iterator.name, iterator.lo, iterator.lo + 1)
    return replace(term, sums=tuple(first if i == iterator else i for i in term.sums))
