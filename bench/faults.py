"""Seeded faults in programs: one small change of one expression, as people and rules make them.

A fault is a pure function of a scope and a random generator: the scope with the fault at one of the
places where it fits, nested scopes and arguments of calls included, or None if it fits nowhere. A
fault may change nothing, as an index off by one does where all that is read is zero: the oracle
decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Iterator as Iterable_
from dataclasses import dataclass, replace
from random import Random

from einnet.expr.index import FloorDiv, Index, Range, floordiv, linear, mod, substitute, var
from einnet.expr.nodes import (
    Body,
    Call,
    Guard,
    Iterator,
    Read,
    Residue,
    Scope,
    Term,
    Within,
    box_of,
)
from einnet.expr.program import Definition, Program
from einnet.expr.transform import residue

Fault = Callable[[Scope, Random], Scope | None]

_TRIES = 12


# Places -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Place:
    """A term, the scope whose iterators it uses, and the whole with other terms in its place."""

    term: Term
    scope: Scope
    put: Callable[[Body], Scope]

    def with_read(self, number: int, read: Read) -> Scope:
        """The whole with another factor of that number."""
        factors = (*self.term.factors[:number], read, *self.term.factors[number + 1 :])
        return self.put((replace(self.term, factors=factors),))

    @property
    def reads(self) -> list[tuple[int, Read]]:
        """Reads of rank 1 or more with their numbers among the factors."""
        factors = enumerate(self.term.factors)
        return [(n, f) for n, f in factors if isinstance(f, Read) and f.index]


def _scopes(
    scope: Scope, put: Callable[[Scope], Scope]
) -> Iterable_[tuple[Scope, Callable[[Scope], Scope]]]:
    """The scope and all nested in it, each with what puts another into the whole."""
    yield scope, put
    for place in _terms(scope, scope.body, lambda b: put(replace(scope, body=b))):
        for number, read in place.reads:
            if isinstance(read.source, Scope):
                yield from _scopes(
                    read.source,
                    lambda s, p=place, n=number, r=read: p.with_read(n, Read(s, r.index)),
                )


def _terms(scope: Scope, body: Body, put: Callable[[Body], Scope]) -> Iterable_[_Place]:
    """The terms of a body, those in the arguments of calls included."""
    for t, term in enumerate(body):

        def put_term(new: Body, t: int = t) -> Scope:
            return put((*body[:t], *new, *body[t + 1 :]))

        yield _Place(term, scope, put_term)
        for f, call in enumerate(term.factors):
            if isinstance(call, Call):
                for a, argument in enumerate(call.arguments):

                    def put_argument(
                        new: Body,
                        term: Term = term,
                        call: Call = call,
                        f: int = f,
                        a: int = a,
                        put_term: Callable[[Body], Scope] = put_term,
                    ) -> Scope:
                        arguments = (*call.arguments[:a], new, *call.arguments[a + 1 :])
                        changed = replace(call, arguments=arguments)
                        factors = (*term.factors[:f], changed, *term.factors[f + 1 :])
                        return put_term((replace(term, factors=factors),))

                    yield from _terms(scope, argument, put_argument)


def _places(whole: Scope) -> list[_Place]:
    """Every term anywhere in the expression."""
    return [
        place
        for scope, put in _scopes(whole, lambda s: s)
        for place in _terms(scope, scope.body, lambda b, s=scope, p=put: p(replace(s, body=b)))
    ]


@dataclass(frozen=True)
class _IndexPlace:
    """One index of a read, and the whole with another in its place."""

    index: Index
    place: _Place
    read: Read
    number: int
    dimension: int

    def put(self, index: Index) -> Scope:
        d = self.dimension
        changed = (*self.read.index[:d], index, *self.read.index[d + 1 :])
        return self.place.with_read(self.number, replace(self.read, index=changed))


def _indices(whole: Scope) -> list[_IndexPlace]:
    return [
        _IndexPlace(index, place, read, number, dimension)
        for place in _places(whole)
        for number, read in place.reads
        for dimension, index in enumerate(read.index)
    ]


def _guards(whole: Scope, kind: type[Guard]) -> list[tuple[Guard, Callable[[Guard], Scope]]]:
    found: list[tuple[Guard, Callable[[Guard], Scope]]] = []
    for place in _places(whole):
        for n, guard in enumerate(place.term.guards):
            if isinstance(guard, kind):

                def put(new: Guard, place: _Place = place, n: int = n) -> Scope:
                    guards = (*place.term.guards[:n], new, *place.term.guards[n + 1 :])
                    return place.put((replace(place.term, guards=guards),))

                found.append((guard, put))
    return found


# Kinds ------------------------------------------------------------------------------------------


def index_off_by_one(scope: Scope, random: Random) -> Scope | None:
    """`X[h+r-1]` becomes `X[h+r]`."""
    places = _indices(scope)
    if not places:
        return None
    place = random.choice(places)
    return place.put(place.index + random.choice((-1, 1)))


def wrong_stride(scope: Scope, random: Random) -> Scope | None:
    """`X[2*h+r]` becomes `X[3*h+r]`, `h div 4` becomes `h div 5`."""
    places = [p for p in _indices(scope) if p.index.terms]
    if not places:
        return None
    place = random.choice(places)
    number = random.randrange(len(place.index.terms))
    atom, coefficient = place.index.terms[number]
    by = random.choice((-1, 1))
    if isinstance(atom, FloorDiv) and random.random() < 0.5:
        if atom.divisor + by < 2:
            return None
        changed = linear(0, [(FloorDiv(1, atom.operand, atom.divisor + by), coefficient)])
    else:
        changed = linear(0, [(atom, coefficient + by)])
    rest = linear(place.index.const, (t for n, t in enumerate(place.index.terms) if n != number))
    return place.put(rest + changed)


def wrong_padding(scope: Scope, random: Random) -> Scope | None:
    """One row more or less is zero: a guard moved by one, or a source that is a row shorter."""
    guards = _guards(scope, Within)
    nested = [(s, put) for s, put in _scopes(scope, lambda s: s) if s is not scope]
    kind = random.randrange(3)
    if kind == 0 and guards:
        guard, put = random.choice(guards)
        assert isinstance(guard, Within)
        by = random.choice((-1, 1))
        moved = random.choice((replace(guard, lo=guard.lo + by), replace(guard, hi=guard.hi + by)))
        return put(moved)
    if kind == 1 and nested:
        inner, put_scope = random.choice(nested)
        number = random.randrange(len(inner.traversal)) if inner.traversal else 0
        if not inner.traversal or inner.traversal[number].extent < 2:
            return None
        axes = list(inner.traversal)
        axes[number] = _shortened(axes[number], random)
        return put_scope(replace(inner, traversal=tuple(axes)))
    places = [p for p in _indices(scope) if len(p.index.terms) > 1] or _indices(scope)
    if not places:
        return None
    place = random.choice(places)
    short = _shortened(Iterator("", *box_of(place.read.source)[place.dimension]), random)
    zero = Within(place.index, short.lo, short.hi)
    term = place.place.term
    return place.place.put((replace(term, guards=(*term.guards, zero)),))


def _shortened(iterator: Iterator, random: Random) -> Iterator:
    """Without its first or its last position."""
    if random.random() < 0.5:
        return replace(iterator, lo=iterator.lo + 1)
    return replace(iterator, hi=iterator.hi - 1)


def transposed_weight(scope: Scope, random: Random) -> Scope | None:
    """`W[f,c,r,s]` becomes `W[f,c,s,r]`, dimensions of equal extents sooner than others."""
    places: list[tuple[_IndexPlace, int, bool]] = []
    for place in _indices(scope):
        own, box, index = place.dimension, box_of(place.read.source), place.read.index
        places += [(place, d, box[d] == box[own]) for d in range(own) if index[d] != place.index]
    equal = [p for p in places if p[2]]
    if not places:
        return None
    place, other, _ = random.choice(equal if equal and random.random() < 0.8 else places)
    index = list(place.read.index)
    index[other], index[place.dimension] = index[place.dimension], index[other]
    return place.place.with_read(place.number, replace(place.read, index=tuple(index)))


def dropped_term(scope: Scope, random: Random) -> Scope | None:
    """A term of a sum is missing, or the first or last summand of a summation."""
    sums = [
        (s, n, put)
        for s, put in _scopes(scope, lambda s: s)
        for n, iterator in enumerate(s.summation)
        if iterator.extent > 1
    ]
    several = [(s, put) for s, put in _scopes(scope, lambda s: s) if len(s.body) > 1]
    if several and (not sums or random.random() < 0.5):
        chosen, put = random.choice(several)
        gone = random.randrange(len(chosen.body))
        body = tuple(t for n, t in enumerate(chosen.body) if n != gone)
        return put(replace(chosen, body=body))
    if not sums:
        return None
    chosen, number, put = random.choice(sums)
    iterators = list(chosen.summation)
    iterators[number] = _shortened(iterators[number], random)
    return put(replace(chosen, summation=tuple(iterators)))


def doubled_term(scope: Scope, random: Random) -> Scope | None:
    """A term counts twice: everywhere, or for one value of one of its iterators."""
    place = random.choice(_places(scope) or [None])
    if place is None:
        return None
    iterators = place.scope.summation or place.scope.traversal
    if not iterators or random.random() < 0.2:
        return place.put((place.term, place.term))
    iterator = random.choice(iterators)
    at = random.randrange(iterator.lo, iterator.hi)
    once = Within(var(iterator.name), at, at + 1)
    return place.put((place.term, replace(place.term, guards=(*place.term.guards, once))))


def wrong_residue(scope: Scope, random: Random) -> Scope | None:
    """Wrong where an iterator has one residue alone: an index, a guard, or a term that is added."""
    guards = _guards(scope, Residue)
    if guards and random.random() < 0.4:
        guard, put = random.choice(guards)
        assert isinstance(guard, Residue)
        return put(residue(guard.index + random.randrange(1, guard.modulus), guard.modulus))
    places = _indices(scope)
    if not places:
        return None
    place = random.choice(places)
    inner = place.place.scope
    wide = [i for i in inner.traversal if i.extent > 1]
    if not wide:
        return None
    iterator = random.choice(wide)
    modulus = random.randint(2, min(5, iterator.extent))
    at = random.randrange(modulus)
    ranges = inner.ranges
    if random.random() < 0.5:
        # 1 where (v + modulus - 1 - at) mod modulus is the largest residue, which is v mod = at.
        rest = mod(var(iterator.name) + (modulus - 1 - at), modulus, ranges)
        return place.put(place.index + floordiv(rest + 1, modulus, ranges))
    term = place.place.term
    class_ = residue(var(iterator.name) - at, modulus)
    return place.place.put((term, replace(term, guards=(*term.guards, class_))))


def swapped_slopes(scope: Scope, random: Random) -> Scope | None:
    """Two iterators are exchanged in a read, or two coefficients in an index."""
    places = _indices(scope)
    uneven = [p for p in places if len({c for _, c in p.index.terms}) > 1]
    if uneven and random.random() < 0.4:
        place = random.choice(uneven)
        terms = list(place.index.terms)
        a, b = random.sample(range(len(terms)), 2)
        if terms[a][1] == terms[b][1]:
            return None
        terms[a], terms[b] = (terms[a][0], terms[b][1]), (terms[b][0], terms[a][1])
        return place.put(linear(place.index.const, terms))
    if not places:
        return None
    place = random.choice(places)
    inner = place.place.scope
    names = sorted(inner.names)
    if len(names) < 2:
        return None
    equal = [
        (a.name, b.name)
        for a in inner.traversal
        for b in inner.traversal
        if a.name < b.name and a.range == b.range
    ]
    a, b = random.choice(equal) if equal and random.random() < 0.5 else random.sample(names, 2)
    values = {a: var(b), b: var(a)}
    index = tuple(substitute(e, values, _widest(inner, a, b)) for e in place.read.index)
    return place.place.with_read(place.number, replace(place.read, index=index))


def _widest(scope: Scope, a: str, b: str) -> Mapping[str, Range]:
    """The ranges, those of two iterators so wide that each holds the other's too."""
    ranges = dict(scope.ranges)
    both = Range(min(ranges[a].lo, ranges[b].lo), max(ranges[a].hi, ranges[b].hi))
    return {**ranges, a: both, b: both}


def corner_or_diagonal(scope: Scope, random: Random) -> Scope | None:
    """Wrong at one corner or on one diagonal alone, which positions on the axes do not show."""
    places = [p for p in _indices(scope) if len(p.place.scope.traversal) > 1]
    if not places:
        return None
    place = random.choice(places)
    a, b = random.sample(place.place.scope.traversal, 2)
    if random.random() < 0.5:
        # Both count from 0 up to the corner, either way along each axis.
        sides = [
            var(i.name) - i.lo if random.random() < 0.5 else -var(i.name) + (i.hi - 1)
            for i in (a, b)
        ]
        size = a.extent + b.extent - 1
        if size < 2:
            return None
        corner = floordiv(sides[0] + sides[1] + 1, size, place.place.scope.ranges)
        return place.put(place.index + corner)
    term = place.place.term
    offset = random.randrange(b.lo - a.hi + 1, b.hi - a.lo)
    diagonal = Within(var(b.name) - var(a.name), offset, offset + 1)
    return place.place.put((term, replace(term, guards=(*term.guards, diagonal))))


KINDS: Mapping[str, Fault] = {
    "index off by one": index_off_by_one,
    "wrong stride": wrong_stride,
    "wrong padding": wrong_padding,
    "transposed weight": transposed_weight,
    "dropped term": dropped_term,
    "doubled term": doubled_term,
    "one residue class wrong": wrong_residue,
    "slopes swapped": swapped_slopes,
    "one corner or diagonal": corner_or_diagonal,
}


def seeded(program: Program, fault: Fault, random: Random) -> Program | None:
    """The program with the fault in one of its definitions; None if it seems to fit nowhere."""
    return seeded_in(program, random.choice(program.definitions), fault, random)


def seeded_in(
    program: Program, definition: Definition, fault: Fault, random: Random
) -> Program | None:
    """The same with the fault in a given definition."""
    for _ in range(_TRIES):
        scope = fault(definition.scope, random)
        if scope is not None and scope != definition.scope:
            changed = replace(definition, scope=scope, library=None)
            statements = tuple(changed if s is definition else s for s in program.statements)
            return replace(program, statements=statements)
    return None
