"""Which element of one call's tensor may be which element of another's: index maps to try.

A map gives, for each axis of the known tensor, an index over the other tensor's axes. Tried are
permutations of axes with equal extents and merges of several axes into one, row-major, either way
round; axes of one position take no part. A map is only a guess: whoever uses it proves it.
"""

from __future__ import annotations

from collections.abc import Iterator as Iterable_
from collections.abc import Sequence
from itertools import islice

from einnet.expr.index import Index, Ranges, constant, floordiv, iterators_of, mod, var
from einnet.expr.nodes import Iterator
from einnet.verify.flatten import FlatScope

_LISTED = 2000
"""Groupings that are scored."""

Grouping = tuple[tuple[Iterator, ...], ...]


def index_maps(
    known: Sequence[FlatScope], other: Sequence[FlatScope], limit: int
) -> list[tuple[Index, ...]]:
    """At most `limit` maps from the axes of `other` to indices of `known`, likeliest first.

    Each is a call's arguments, all over the same axes. Likely is a map under which corresponding
    axes occur in the same dimensions of the same tensors; after that, one that keeps the order.
    """
    coarse = [a for a in known[0].axes if a.extent > 1]
    fine = [a for a in other[0].axes if a.extent > 1]
    places = {a.name: _places(known, a.name) for a in coarse}
    theirs = {a.name: _places(other, a.name) for a in fine}
    scored: list[tuple[int, dict[str, Index]]] = []
    ranges = {a.name: a.range for a in fine}
    for groups in islice(_groupings(fine, coarse), _LISTED):
        score = sum(
            len(places[a.name] ^ theirs[m.name])
            for a, members in zip(coarse, groups, strict=True)
            for m in members
        )
        scored.append((score, _merged(coarse, groups)))
    for groups in islice(_groupings(coarse, fine), _LISTED):
        if all(len(members) == 1 for members in groups):
            continue
        score = sum(
            len(places[m.name] ^ theirs[a.name])
            for a, members in zip(fine, groups, strict=True)
            for m in members
        )
        scored.append((score, _digits(fine, groups, ranges)))
    scored.sort(key=lambda s: s[0])
    return [
        tuple(values.get(a.name, constant(a.lo)) for a in known[0].axes)
        for _, values in scored[:limit]
    ]


def _places(scopes: Sequence[FlatScope], name: str) -> frozenset[tuple[str, int]]:
    """The dimensions of tensors in whose index the iterator occurs."""
    return frozenset(
        (element.tensor.name, dimension)
        for scope in scopes
        for term in scope.terms
        for element in term.elements
        for dimension, index in enumerate(element.index)
        if name in iterators_of(index)
    )


def _groupings(members: Sequence[Iterator], into: Sequence[Iterator]) -> Iterable_[Grouping]:
    """Every way to give each axis of `into` an ordered group of members of its extent."""
    if not into:
        if not members:
            yield ()
        return
    for group in _groups(members, into[0].extent):
        rest = [m for m in members if m not in group]
        for others in _groupings(rest, into[1:]):
            yield (group, *others)


def _groups(members: Sequence[Iterator], extent: int) -> Iterable_[tuple[Iterator, ...]]:
    if extent == 1:
        yield ()
        return
    for member in members:
        if extent % member.extent == 0:
            rest = [m for m in members if m != member]
            for group in _groups(rest, extent // member.extent):
                yield (member, *group)


def _merged(axes: Sequence[Iterator], groups: Grouping) -> dict[str, Index]:
    """Each axis as the row-major number of its group."""
    values: dict[str, Index] = {}
    for axis, members in zip(axes, groups, strict=True):
        number = constant(0)
        for member in members:
            number = number * member.extent + var(member.name) - member.lo
        values[axis.name] = number + axis.lo
    return values


def _digits(axes: Sequence[Iterator], groups: Grouping, ranges: Ranges) -> dict[str, Index]:
    """Each member of a group as a digit of the axis that the group makes up."""
    values: dict[str, Index] = {}
    for axis, members in zip(axes, groups, strict=True):
        rest = var(axis.name) - axis.lo
        for member in reversed(members):
            values[member.name] = mod(rest, member.extent, ranges) + member.lo
            rest = floordiv(rest, member.extent, ranges)
    return values
