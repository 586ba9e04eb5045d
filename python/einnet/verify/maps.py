"""Which element of one call's tensor may be which element of another's: index maps to try.

A map gives, for each axis of the known tensor, an index over the other tensor's axes, inside the
axis' range. Tried are: what follows where an axis of the known call is by itself the index of a
read; permutations of axes with equal extents, where an axis may take no part on either side; and
merges of several axes into one, row-major, either way round. Of these, axes of one position take no
part. A map is only a guess: whoever uses it proves it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Iterator as Iterable_
from itertools import islice
from math import prod

from einnet.expr.index import Index, Ranges, bounds, constant, floordiv, iterators_of, mod, var
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
    scored = _by_places(known, other, coarse, fine)
    scored.sort(key=lambda s: s[0])
    values = [v for _, v in scored[:limit]]
    read = _by_reads(known, other, coarse)
    if read is not None:
        values.append(read)
    maps = [tuple(v.get(a.name, constant(a.lo)) for a in known[0].axes) for v in values]
    return list(dict.fromkeys(maps))


def _by_places(
    known: Sequence[FlatScope],
    other: Sequence[FlatScope],
    coarse: Sequence[Iterator],
    fine: Sequence[Iterator],
) -> list[tuple[int, dict[str, Index]]]:
    """Maps between axes, each with the number of places in which corresponding axes differ."""
    places = {a.name: _places(known, a.name) for a in coarse}
    theirs = {a.name: _places(other, a.name) for a in fine}
    ranges = {a.name: a.range for a in fine}
    scored: list[tuple[int, dict[str, Index]]] = []

    def add(pairs: Iterable[tuple[Iterator, Iterator]], values: dict[str, Index]) -> None:
        score = sum(len(places[a.name] ^ theirs[b.name]) for a, b in pairs)
        missing = sum(len(places[a.name]) for a in coarse if a.name not in values)
        scored.append((score + missing, values))

    if prod(a.extent for a in coarse) != prod(a.extent for a in fine):
        for chosen in islice(_partial(coarse, fine), _LISTED):
            pairs = [(a, b) for a, b in zip(coarse, chosen, strict=True) if b is not None]
            add(pairs, {a.name: var(b.name) - b.lo + a.lo for a, b in pairs})
        return scored
    for groups in islice(_groupings(fine, coarse), _LISTED):
        pairs = [(a, m) for a, members in zip(coarse, groups, strict=True) for m in members]
        add(pairs, _merged(coarse, groups))
    for groups in islice(_groupings(coarse, fine), _LISTED):
        if any(len(members) > 1 for members in groups):
            pairs = [(m, a) for a, members in zip(fine, groups, strict=True) for m in members]
            add(pairs, _digits(fine, groups, ranges))
    return scored


def _by_reads(
    known: Sequence[FlatScope],
    other: Sequence[FlatScope],
    coarse: Sequence[Iterator],
) -> dict[str, Index] | None:
    """Each axis as the other call's index of a dimension that the axis alone indexes."""
    # An axis of one position may be in that index, as in `X[i + 1]` with i below 1.
    ranges = {a.name: a.range for a in other[0].axes}
    indices = dict(_dimensions(other))
    values: dict[str, Index] = {}
    for place, index in _dimensions(known):
        value = indices.get(place)
        if index.name is not None and value is not None and iterators_of(value) <= ranges.keys():
            values.setdefault(index.name, value)
    for axis in coarse:
        value = values.get(axis.name)
        if value is None:
            return None
        low, high = bounds(value, ranges)
        if low < axis.lo or high >= axis.hi:
            return None
    return {a.name: values[a.name] for a in coarse}


def _dimensions(scopes: Sequence[FlatScope]) -> Iterable_[tuple[tuple[str, int], Index]]:
    """Every index of a read with its tensor and dimension."""
    for scope in scopes:
        for term in scope.terms:
            for element in term.elements:
                for dimension, index in enumerate(element.index):
                    yield (element.tensor.name, dimension), index


def _places(scopes: Sequence[FlatScope], name: str) -> frozenset[tuple[str, int]]:
    """The dimensions of tensors in whose index the iterator occurs."""
    return frozenset(p for p, index in _dimensions(scopes) if name in iterators_of(index))


def _partial(
    axes: Sequence[Iterator], others: Sequence[Iterator]
) -> Iterable_[tuple[Iterator | None, ...]]:
    """Every way to give each axis another one of its extent, or none."""
    if not axes:
        yield ()
        return
    for other in (*(o for o in others if o.extent == axes[0].extent), None):
        rest = [o for o in others if o != other]
        for chosen in _partial(axes[1:], rest):
            yield (other, *chosen)


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
