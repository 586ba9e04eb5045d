"""Flat form: a tensor as a sum of terms, each a product of in-bounds reads under guards.

    t[v] = sum over terms of  c * S_r  prod_j T_j[e_j(v, r)] * prod guards(v, r)

Nested scopes and definitions are composed into their readers, products are distributed over sums,
and a zero-extended read becomes an in-bounds read under range guards. Calls of nonlinear functions
are handed to the caller, who says which tensor of symbols stands for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod

from einnet.expr.index import (
    Index,
    Range,
    Ranges,
    Var,
    bounds,
    constant,
    iterators_of,
    linear,
    rename,
    substitute,
    var,
)
from einnet.expr.nodes import (
    Body,
    Call,
    Factor,
    Guard,
    Iterator,
    Read,
    Scope,
    Tensor,
    Term,
    Within,
    box_of,
)
from einnet.expr.transform import guard_truth, outside, rename_guard, substitute_guard


class UndecidedError(Exception):
    """The verifier cannot decide within its budget; the message is the reason."""


class ManyTermsError(UndecidedError):
    """A flat sum has too many terms."""


@dataclass(frozen=True)
class Element:
    """A read of a leaf tensor that stays in bounds wherever the term's guards hold."""

    tensor: Tensor
    index: tuple[Index, ...]


@dataclass(frozen=True)
class FlatTerm:
    """`coefficient * S<sums> product(elements) * product(guards)`."""

    coefficient: Fraction
    sums: tuple[Iterator, ...] = ()
    elements: tuple[Element, ...] = ()
    guards: tuple[Guard, ...] = ()

    @property
    def indices(self) -> Iterable[Index]:
        """Every index of the term, those of guards last."""
        for element in self.elements:
            yield from element.index
        for guard in self.guards:
            yield guard.index


@dataclass(frozen=True)
class FlatScope:
    """The tensor over the box of `axes` that is the sum of the terms; 0 outside the box."""

    axes: tuple[Iterator, ...]
    terms: tuple[FlatTerm, ...]

    @property
    def box(self) -> tuple[Range, ...]:
        return tuple(a.range for a in self.axes)

    @property
    def extents(self) -> tuple[int, ...]:
        return tuple(a.extent for a in self.axes)

    @property
    def tensors(self) -> frozenset[str]:
        return frozenset(e.tensor.name for t in self.terms for e in t.elements)


Namer = Callable[[str, tuple[FlatScope, ...]], FlatScope]
"""The flat scope that stands for the call of a function: of the arguments' axes."""


def flatten(
    scope: Scope, definitions: Mapping[str, FlatScope], call: Namer, limit: int
) -> FlatScope:
    """The flat form of a scope, over its own traversal iterators.

    Tensors in `definitions` are composed, all others are leaves. `call` names calls; the scopes
    that it is given have the iterators that the arguments really depend on. Raises ManyTermsError
    when a distribution makes more than `limit` terms.
    """
    return _Flattener(definitions, call, limit).scope(scope)


def compose(
    source: FlatScope, index: tuple[Index, ...], ranges: Ranges, fresh: Callable[[], str]
) -> list[FlatTerm]:
    """The terms of `source` at `index`, over the iterators of `ranges`; 0 outside its box.

    The sums are renamed by `fresh`.
    """
    inside = tuple(outside(index, source.box, ranges))
    composed: list[FlatTerm] = []
    # An iterator of the reader may be called like one that `fresh` makes.
    unused = (name for name in iter(fresh, None) if name not in ranges)
    for term in source.terms:
        values = {a.name: e for a, e in zip(source.axes, index, strict=True)}
        sums: list[Iterator] = []
        for iterator in term.sums:
            renamed = Iterator(next(unused), iterator.lo, iterator.hi)
            values[iterator.name] = var(renamed.name)
            sums.append(renamed)
        inner = {**ranges, **{i.name: i.range for i in sums}}
        composed.append(substitute_flat(term, values, tuple(sums), inner, inside))
    return composed


def substitute_flat(
    term: FlatTerm,
    values: Mapping[str, Index],
    sums: tuple[Iterator, ...],
    ranges: Ranges,
    guards: tuple[Guard, ...] = (),
) -> FlatTerm:
    """The term with iterators replaced, summed over `sums`, under the additional guards."""
    elements = tuple(
        Element(e.tensor, tuple(substitute(i, values, ranges) for i in e.index))
        for e in term.elements
    )
    moved = tuple(substitute_guard(g, values, ranges) for g in term.guards)
    return FlatTerm(term.coefficient, sums, elements, guards + moved)


def anonymous(scope: FlatScope) -> FlatScope:
    """The scope with its iterators named by their places: the same one for scopes that differ in
    these names alone."""
    axes = {a.name: f"v{n}" for n, a in enumerate(scope.axes)}
    terms: list[FlatTerm] = []
    for term in scope.terms:
        names = {**axes, **{i.name: f"r{n}" for n, i in enumerate(term.sums)}}
        elements = tuple(
            Element(e.tensor, tuple(rename(i, names) for i in e.index)) for e in term.elements
        )
        guards = tuple(rename_guard(g, names) for g in term.guards)
        sums = tuple(replace(i, name=names[i.name]) for i in term.sums)
        terms.append(FlatTerm(term.coefficient, sums, elements, guards))
    return FlatScope(tuple(replace(a, name=axes[a.name]) for a in scope.axes), tuple(terms))


def simplify(term: FlatTerm, ranges: Ranges) -> FlatTerm | None:
    """An equal term without decided guards, unused sums and sums of one point; None if it is 0.

    `ranges` are those of the traversal iterators. A guard on one sum alone becomes its range.
    """
    simple: tuple[Iterator, ...] | None = None
    while True:
        tightened = _tighten(term)
        if tightened is None:
            return None
        single = {i.name: constant(i.lo) for i in tightened.sums if i.extent == 1}
        sums = tuple(i for i in tightened.sums if i.extent > 1)
        inner = {**ranges, **{i.name: i.range for i in tightened.sums}}
        # The first time indices become as simple as the ranges allow, later only if these change.
        result = tightened
        if sums != simple:
            result = substitute_flat(tightened, single, sums, inner)
        guards: list[Guard] = []
        for guard in dict.fromkeys(_coarsened(g, inner) for g in result.guards):
            truth = guard_truth(guard, inner)
            if truth is False:
                return None
            if truth is None:
                guards.append(guard)
        guards = _without_implied(guards, inner)
        used = frozenset[str]().union(
            *(iterators_of(i) for e in result.elements for i in e.index),
            *(iterators_of(g.index) for g in guards),
        )
        coefficient = result.coefficient
        for iterator in sums:
            if iterator.name not in used:
                coefficient *= iterator.extent
        if not coefficient:
            return None
        sums = tuple(i for i in sums if i.name in used)
        result = FlatTerm(coefficient, sums, result.elements, tuple(guards))
        if result == term:
            return result
        term, simple = result, sums


def _coarsened(guard: Guard, ranges: Ranges) -> Guard:
    """`[4*lo <= 4*e + r < 4*hi]` as `[lo <= e < hi]` for r in 0:4: it does not depend on r."""
    if not isinstance(guard, Within):
        return guard
    index = guard.index
    for scale in sorted({abs(c) for _, c in index.terms if abs(c) > 1}, reverse=True):
        if guard.lo % scale or guard.hi % scale:
            continue
        whole = linear(
            index.const // scale, ((a, c // scale) for a, c in index.terms if not c % scale)
        )
        low, high = bounds(index - whole * scale, ranges)
        if low >= 0 and high < scale:
            return Within(whole, guard.lo // scale, guard.hi // scale)
    return guard


def _without_implied(guards: list[Guard], ranges: Ranges) -> list[Guard]:
    """The guards without those that another one implies, as `[0 <= e < 10]` is implied by
    `[0 <= 4*e + r < 40]` for r in 0:4: what is left bounds blocks and elements alike."""
    kept = list(guards)
    for guard in guards:
        others = [g for g in kept if g != guard]
        if isinstance(guard, Within) and any(_implied(guard, g, ranges) for g in others):
            kept = others
    return kept


def _implied(guard: Within, by: Guard, ranges: Ranges) -> bool:
    """Whether `by` implies the guard, its index being a multiple of the guard's plus a rest."""
    if not isinstance(by, Within) or not guard.index.terms:
        return False
    atom, coefficient = guard.index.terms[0]
    whole = dict(by.index.terms).get(atom, 0)
    if whole % coefficient or whole // coefficient <= 0:
        return False
    scale = whole // coefficient
    least, most = bounds(by.index - guard.index * scale, ranges)
    first, last = -((most - by.lo) // scale), (by.hi - 1 - least) // scale
    return guard.lo <= first and last < guard.hi


def _tighten(term: FlatTerm) -> FlatTerm | None:
    """Turn range guards on one bare sum into the sum's range; None if nothing is left."""
    ranges = {i.name: (i.lo, i.hi) for i in term.sums}
    for guard in term.guards:
        if not isinstance(guard, Within) or len(guard.index.terms) != 1:
            continue
        atom, step = guard.index.terms[0]
        if not isinstance(atom, Var) or atom.name not in ranges:
            continue
        first, last = guard.lo - guard.index.const, guard.hi - 1 - guard.index.const
        if step < 0:
            first, last, step = -last, -first, -step
        lo, hi = ranges[atom.name]
        lo, hi = max(lo, -(-first // step)), min(hi, last // step + 1)
        if lo >= hi:
            return None
        ranges[atom.name] = (lo, hi)
    sums = tuple(Iterator(i.name, *ranges[i.name]) for i in term.sums)
    return FlatTerm(term.coefficient, sums, term.elements, term.guards)


_WIDTH = 1 << 60
"""Integers below this are computed in 64 bits."""


def narrow(scope: FlatScope) -> FlatScope:
    """The scope itself; raises UndecidedError where 64 bits do not hold its integers.

    Those are the values of indices and of all their parts, the limits of guards, and the row-major
    numbers of elements.
    """
    ranges = {a.name: a.range for a in scope.axes}
    for term in scope.terms:
        inner = {**ranges, **{i.name: i.range for i in term.sums}}
        largest = [max(abs(r.lo), abs(r.hi)) for r in inner.values()]
        largest += [_magnitude(index, inner) for index in term.indices]
        largest += [prod(e.tensor.shape) for e in term.elements]
        for guard in term.guards:
            within = isinstance(guard, Within)
            largest += [abs(guard.lo), abs(guard.hi)] if within else [guard.modulus]
        if max(largest, default=0) >= _WIDTH:
            raise UndecidedError("an index, an extent or the size of a tensor exceeds 60 bits")
    return scope


def _magnitude(index: Index, ranges: Ranges) -> int:
    """No part of the index is, while it is evaluated, further away from 0 than this."""
    total = abs(index.const)
    for atom, coefficient in index.terms:
        if isinstance(atom, Var):
            low, high = ranges[atom.name]
            total += abs(coefficient) * max(abs(low), abs(high))
        else:
            # The divisor counts too: it has to fit as well.
            total += abs(coefficient) * (_magnitude(atom.operand, ranges) + atom.divisor)
    return total


class _Flattener:
    def __init__(self, definitions: Mapping[str, FlatScope], call: Namer, limit: int) -> None:
        self.definitions = definitions
        self.call = call
        self.limit = limit
        self.count = 0

    def fresh(self) -> str:
        # No parsed or printed iterator has a name like this one.
        self.count += 1
        return f"%{self.count}"

    def scope(self, scope: Scope) -> FlatScope:
        ranges = scope.ranges
        outer = {a.name: a.range for a in scope.traversal}
        terms = [
            FlatTerm(t.coefficient, scope.summation + t.sums, t.elements, t.guards)
            for t in self.body(scope.body, ranges)
        ]
        simple = (simplify(t, outer) for t in terms)
        return narrow(FlatScope(scope.traversal, tuple(t for t in simple if t is not None)))

    def body(self, body: Body, ranges: Ranges) -> list[FlatTerm]:
        terms: list[FlatTerm] = []
        for term in body:
            terms.extend(self.term(term, ranges))
            self.check(len(terms))
        return terms

    def term(self, term: Term, ranges: Ranges) -> list[FlatTerm]:
        products = [FlatTerm(term.coefficient, (), (), term.guards)]
        for factor in term.factors:
            alternatives = self.factor(factor, ranges)
            self.check(len(products) * len(alternatives))
            products = [_product(p, a) for p in products for a in alternatives]
        return products

    def factor(self, factor: Factor, ranges: Ranges) -> list[FlatTerm]:
        if isinstance(factor, Call):
            return self.named(factor, ranges)
        return self.read(factor, ranges)

    def read(self, read: Read, ranges: Ranges) -> list[FlatTerm]:
        source = read.source
        if isinstance(source, Scope):
            return compose(self.scope(source), read.index, ranges, self.fresh)
        definition = self.definitions.get(source.name)
        if definition is not None:
            return compose(definition, read.index, ranges, self.fresh)
        guards = tuple(outside(read.index, box_of(source), ranges))
        return [FlatTerm(Fraction(1), (), (Element(source, read.index),), guards)]

    def named(self, call: Call, ranges: Ranges) -> list[FlatTerm]:
        bodies: list[tuple[FlatTerm, ...]] = []
        for argument in call.arguments:
            simple = (simplify(t, ranges) for t in self.body(argument, ranges))
            bodies.append(tuple(t for t in simple if t is not None))
        used = frozenset[str]().union(
            *(iterators_of(i) for body in bodies for t in body for i in t.indices)
        )
        axes = tuple(Iterator(n, *r) for n, r in ranges.items() if n in used)
        arguments = tuple(narrow(FlatScope(axes, body)) for body in bodies)
        symbol = self.call(call.function, arguments)
        return compose(symbol, tuple(var(a.name) for a in axes), ranges, self.fresh)

    def check(self, terms: int) -> None:
        if terms > self.limit:
            raise ManyTermsError(f"a product of sums has more than {self.limit} terms")


def _product(a: FlatTerm, b: FlatTerm) -> FlatTerm:
    return FlatTerm(
        a.coefficient * b.coefficient,
        a.sums + b.sums,
        a.elements + b.elements,
        a.guards + b.guards,
    )
