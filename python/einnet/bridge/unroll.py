"""Expressions made ready for a kernel's body: short sums unrolled, every zero made explicit.

What a kernel computes at one position is a body over reads of tensors alone. A nested scope is
composed into its reader: its sum becomes a sum of terms in parentheses, which the language itself
has no need of and which is written here as a call of `SUM`, the identity. A nested sum too long
for that becomes a tensor of its own. Zero extension becomes guards, and what the ranges decide
about guards is decided.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from collections.abc import Iterator as Iterable_
from dataclasses import dataclass, field, replace
from itertools import product
from math import prod

from einnet.bridge.guards import conjunction
from einnet.expr.index import FloorDiv, Ranges, constant, iterators_of, var
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
    box_of,
    factors_of,
    fresh_name,
)
from einnet.expr.program import Definition
from einnet.expr.transform import (
    Values,
    outside,
    stays_inside,
    substitute_body,
    substitute_term,
)

SUM = "sum"
"""The function of the call that stands for a sum in parentheses: the identity."""

UNROLL_LIMIT = 64
"""A sum of more points than this, sums nested in it multiplied in, stays a loop."""

_SMALL = 16
"""A sum of at most this many points is unrolled even where a reduction loop would do."""

_SHARED = 8
"""A nested sum of at least this many points that as many positions share is computed once."""


def materialize(
    definition: Definition,
    accumulator: str,
    apart: Callable[[Scope], bool] = lambda _: False,
    taken: Set[str] = frozenset(),
) -> tuple[Definition, ...]:
    """The definition, preceded by definitions of the nested sums that are not worth unrolling, and
    of those that are to stand `apart`.

    The tensors of those sums have the element type `accumulator`, and names that are not `taken`.
    """
    materializer = _Materializer(definition, accumulator, apart, taken)
    scope = materializer.scope(definition.scope)
    return (*materializer.definitions, replace(definition, scope=scope))


@dataclass
class _Materializer:
    """Pulls nested sums out of one definition, each distinct one once, inner ones first."""

    definition: Definition
    accumulator: str
    apart: Callable[[Scope], bool]
    taken: Set[str]
    definitions: list[Definition] = field(default_factory=list[Definition])
    tensors: dict[Scope, Tensor] = field(default_factory=dict[Scope, Tensor])

    def scope(self, scope: Scope) -> Scope:
        return replace(scope, body=self.body(scope.body, prod(scope.extents)))

    def body(self, body: Body, positions: int) -> Body:
        return tuple(
            replace(t, factors=tuple(self.factor(f, positions) for f in t.factors)) for t in body
        )

    def factor(self, factor: Factor, positions: int) -> Factor:
        if isinstance(factor, Call):
            arguments = tuple(self.body(a, positions) for a in factor.arguments)
            return Call(factor.function, arguments)
        if isinstance(factor.source, Tensor):
            return factor
        inner = self.scope(factor.source)
        points = unrolled_points(inner)
        shared = inner.summation and positions >= _SHARED * prod(inner.extents)
        short = points <= UNROLL_LIMIT and not (shared and points >= _SHARED)
        if short and not self.apart(inner):
            return Read(inner, factor.index)
        index = tuple(e - i.lo for e, i in zip(factor.index, inner.traversal, strict=True))
        return Read(self.tensor(inner), index)

    def tensor(self, scope: Scope) -> Tensor:
        if scope not in self.tensors:
            near = {t.name for t in (*self.definition.operands, *self.tensors.values())}
            name = fresh_name(f"{self.definition.result.name}.sum", near | self.taken)
            tensor = Tensor(name, scope.extents, self.accumulator)
            self.tensors[scope] = tensor
            self.definitions.append(Definition(tensor, from_zero(scope)))
        return self.tensors[scope]


def unrolled_points(scope: Scope) -> int:
    """How many terms the scope has at one position once every sum in it is unrolled."""
    terms = sum(_unrolled_factors(t.factors) for t in scope.body)
    return prod(i.extent for i in scope.summation) * max(1, terms)


def _unrolled_factors(factors: tuple[Factor, ...]) -> int:
    nested = 0
    for factor in factors:
        if isinstance(factor, Call):
            nested += sum(_unrolled_factors(t.factors) for a in factor.arguments for t in a)
        elif isinstance(factor.source, Scope):
            nested += unrolled_points(factor.source)
    return max(1, nested)


def from_zero(scope: Scope) -> Scope:
    """The scope with every range moved to start at 0: the same values, renumbered."""
    values = {i.name: var(i.name) + i.lo for i in scope.traversal + scope.summation if i.lo}
    if not values:
        return scope
    traversal, summation = (
        tuple(Iterator(i.name, 0, i.extent) for i in iterators)
        for iterators in (scope.traversal, scope.summation)
    )
    moved = Scope(traversal, summation, ())
    return replace(moved, body=substitute_body(scope.body, values, moved.ranges))


def unrolled(scope: Scope, *, keep_sums: bool = False) -> Scope:
    """The same tensor over reads of tensors alone, with ranges from 0 and every zero a guard.

    Nested scopes are composed with their sums unrolled. The scope's own sum is unrolled where it
    is short and a loop would not do or not pay; else, and with `keep_sums`, its iterators stay. In
    the result a term's guards include those that its reads of tensors need to stay inside, and none
    that ranges decide.
    """
    scope = from_zero(scope)
    ranges = scope.ranges
    if keep_sums or not _is_unrolled(scope):
        return replace(scope, body=_flat_body(scope.body, ranges))
    kept = {i.name: i.range for i in scope.traversal}
    return Scope(scope.traversal, (), tuple(_expanded(scope, {}, kept)))


def _is_unrolled(scope: Scope) -> bool:
    points = unrolled_points(scope)
    if points <= _SMALL:
        return True
    ranges = scope.ranges
    loops_alone = all(
        not isinstance(f, Read) or is_affine(f, ranges) for f in factors_of(scope.body)
    ) and not any(t.guards for t in scope.body)
    return points <= UNROLL_LIMIT and not loops_alone


def is_affine(read: Read, ranges: Ranges) -> bool:
    """Whether the read is of a tensor, at linear indices that never leave it."""
    return (
        isinstance(read.source, Tensor)
        and not any(isinstance(a, FloorDiv) for e in read.index for a, _ in e.terms)
        and stays_inside(read, ranges)
    )


def _expanded(scope: Scope, values: Values, ranges: Ranges) -> Iterable_[Term]:
    """The scope's terms at the position `values`, its sums unrolled, over iterators in `ranges`.

    What does not depend on the sums stays outside their parentheses.
    """
    names = frozenset(i.name for i in scope.summation)
    steps = [range(i.lo, i.hi) for i in scope.summation]
    for term in scope.body:
        fixed = Term(
            tuple(f for f in term.factors if not _iterators(f) & names),
            tuple(g for g in term.guards if not iterators_of(g.index) & names),
            term.coefficient,
        )
        varying = Term(
            tuple(f for f in term.factors if _iterators(f) & names),
            tuple(g for g in term.guards if iterators_of(g.index) & names),
        )
        common = _flat_term(substitute_term(fixed, values, ranges), ranges)
        if common is None:
            continue
        if not varying.factors and not varying.guards:
            yield replace(common, coefficient=common.coefficient * prod(map(len, steps)))
            continue
        points: list[Term] = []
        for point in product(*steps):
            here = dict(zip((i.name for i in scope.summation), map(constant, point), strict=True))
            flat = _flat_term(substitute_term(varying, {**values, **here}, ranges), ranges)
            if flat is not None:
                points.append(flat)
        if common == Term():
            yield from points
        elif len(points) == 1:
            merged = conjunction(common.guards + points[0].guards, ranges)
            if merged is not None:
                yield Term(
                    common.factors + points[0].factors,
                    merged,
                    common.coefficient * points[0].coefficient,
                )
        elif points:
            yield replace(common, factors=(*common.factors, Call(SUM, (tuple(points),))))


def _iterators(factor: Factor) -> frozenset[str]:
    """The iterators of the surrounding scope that a factor depends on."""
    if isinstance(factor, Read):
        return frozenset[str]().union(*(iterators_of(e) for e in factor.index))
    names: set[str] = set()
    for argument in factor.arguments:
        for term in argument:
            names.update(*(iterators_of(g.index) for g in term.guards))
            names.update(*(_iterators(f) for f in term.factors))
    return frozenset(names)


def _flat_body(body: Body, ranges: Ranges) -> Body:
    terms = (_flat_term(t, ranges) for t in body)
    return tuple(t for t in terms if t is not None)


def _flat_term(term: Term, ranges: Ranges) -> Term | None:
    """The term without nested scopes and with explicit zeros; None if it is 0 everywhere."""
    factors: list[Factor] = []
    guards: list[Guard] = list(term.guards)
    coefficient = term.coefficient
    for factor in term.factors:
        if isinstance(factor, Call):
            arguments = tuple(_flat_body(a, ranges) for a in factor.arguments)
            factors.append(Call(factor.function, arguments))
            continue
        guards.extend(outside(factor.index, box_of(factor.source), ranges))
        if isinstance(factor.source, Tensor):
            factors.append(factor)
            continue
        position = dict(zip((i.name for i in factor.source.traversal), factor.index, strict=True))
        body = tuple(_expanded(factor.source, position, ranges))
        if len(body) == 1:
            (inner,) = body
            factors.extend(inner.factors)
            guards.extend(inner.guards)
            coefficient *= inner.coefficient
        else:
            factors.append(Call(SUM, (body,)))
    simplified = conjunction(guards, ranges)
    if simplified is None or not coefficient or Call(SUM, ((),)) in factors:
        return None
    return Term(tuple(factors), simplified, coefficient)
