"""Sums whose points have no element in common, cut to one point.

In `S_c X[n,c] W[c,m]` let c be by itself the index of these dimensions of X and W wherever either
is read, and be in no guard and no other index. Then each point of c gives one polynomial, of other
elements for every point; so two sums of such terms, whatever terms without X and W are added, are
equal if and only if they are with c at one point. A proof then costs the same for 4 channels as for
4096. The elements have to be free variables, as all leaf tensors are here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from einnet.expr.index import Range, iterators_of
from einnet.expr.nodes import Iterator
from einnet.verify.flatten import FlatScope, FlatTerm

Slots = frozenset[tuple[str, int]]
"""Dimensions of leaf tensors."""


def at_one_point(reference: FlatScope, candidate: FlatScope) -> tuple[FlatScope, FlatScope]:
    """Two scopes that are equal if and only if these are, with independent sums at their first
    point."""
    terms = [*reference.terms, *candidate.terms]
    alone = [_alone(t) for t in terms]
    tried: set[tuple[Slots, Range]] = set()
    for sums in alone:
        for iterator, slots in sums.items():
            if (slots, iterator.range) not in tried:
                tried.add((slots, iterator.range))
                for n, own in _independent(slots, iterator.range, terms, alone).items():
                    terms[n] = _cut(terms[n], own)
    count = len(reference.terms)
    return (
        replace(reference, terms=tuple(terms[:count])),
        replace(candidate, terms=tuple(terms[count:])),
    )


def _alone(term: FlatTerm) -> dict[Iterator, Slots]:
    """The sums that are nothing but the whole index of some dimensions, with these."""
    slots: dict[str, set[tuple[str, int]]] = {i.name: set() for i in term.sums if i.extent > 1}
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
    slots: Slots,
    values: Range,
    terms: Sequence[FlatTerm],
    alone: Sequence[Mapping[Iterator, Slots]],
) -> dict[int, Iterator]:
    """The sums that go over these dimensions and, with them, over others, by their terms' numbers;
    nothing unless every term that reads one of these tensors has one sum for all of them."""
    while True:
        found: dict[int, Iterator] = {}
        for n, term in enumerate(terms):
            names = {e.index[d].name for e in term.elements for t, d in slots if e.tensor.name == t}
            own = [i for i in alone[n] if {i.name} == names and i.range == values]
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
