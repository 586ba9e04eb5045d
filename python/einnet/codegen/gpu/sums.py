"""One long sum, and what is made of it: a definition over flat memory as two bodies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from math import prod

from einnet.bridge.unroll import SUM, UNROLL_LIMIT, materialize, unrolled
from einnet.codegen.gpu.flat import Flat, flat_of, stride
from einnet.codegen.gpu.functions import arithmetic_type
from einnet.codegen.gpu.host import Buffer
from einnet.codegen.gpu.skipping import thinned
from einnet.codegen.gpu.values import offset, reads_of, tensor_of
from einnet.expr.index import iterators_of, var
from einnet.expr.nodes import (
    Body,
    Call,
    Factor,
    Read,
    Scope,
    Tensor,
    Term,
    factors_of,
)
from einnet.expr.program import Definition
from einnet.expr.transform import rename, stays_inside, substitute_body

SHUFFLED = ("f32", "f64", "i32", "i64")
"""Element types that a warp exchanges."""

TOTAL = "%sum"
"""The tensor that stands for the sum in what is computed of it."""


def sum_of(definition: Definition, buffers: Mapping[str, Buffer]) -> Flat | None:
    """The definition over flat memory as two bodies: what is summed, and the result as made of the
    sum, which is read as an element of the tensor `TOTAL`. None if there is not one long sum."""
    scope = definition.scope
    position = tuple(var(i.name) for i in scope.traversal)
    total = Tensor(TOTAL, definition.result.shape, arithmetic_type(definition))
    sum_ = Read(total, position)
    if scope.summation:
        summed, around = scope, Scope(scope.traversal, (), (Term((sum_,)),))
    else:
        long = long_sum(scope)
        if long is None:
            return None
        summed = _at_results(long, scope)
        around = replace(scope, body=with_factor(scope.body, long, sum_))
    summed = unrolled(summed, keep_sums=True)
    summed = unrolled(_thinned(summed, buffers), keep_sums=True)
    around = unrolled(around)
    if not summed.summation or not summed.body:
        return None
    fixed, body = _without_fixed(summed)
    if fixed != Term():
        factor = Call(SUM, ((replace(fixed, factors=(*fixed.factors, sum_)),),))
        around = unrolled(replace(around, body=with_factor(around.body, sum_, factor)))
    result = buffers[definition.result.name]
    tensors = {**buffers, TOTAL: replace(result, name=TOTAL, dtype=total.dtype)}
    output = offset(position, result)
    return flat_of(summed.traversal, summed.summation, (body, around.body), output, tensors)


def _thinned(scope: Scope, buffers: Mapping[str, Buffer]) -> Scope:
    """A flat sum without residue guards, as long as it still goes along memory somewhere."""
    places = [offset(r.index, buffers[tensor_of(r).name]) for r, _ in reads_of(scope.body)]
    along = {i for i in scope.summation if any(abs(stride(p, i.name) or 0) == 1 for p in places)}
    found = thinned(scope)
    if along and not along & set(found.summation):
        return thinned(scope, frozenset(i.name for i in along))
    return found


def long_sum(scope: Scope) -> Read | None:
    """The only read of a long sum that is nested in the scope, if nothing is read outside of it."""
    found = {f for f in factors_of(scope.body) if isinstance(f, Read) and _is_long(f)}
    if len(found) != 1:
        return None
    (read,) = found
    return read if stays_inside(read, scope.ranges) else None


def _is_long(read: Read) -> bool:
    source = read.source
    return isinstance(source, Scope) and prod(i.extent for i in source.summation) > UNROLL_LIMIT


def is_whole(definition: Definition) -> bool:
    """Whether one kernel (`codegen.gpu.reduce`) computes the definition and a long sum in it:
    nothing else is worth a tensor of its own, and no sum is computed more often than once."""
    scope = definition.scope
    read = None if scope.summation else long_sum(scope)
    if read is None or arithmetic_type(definition) not in SHUFFLED:
        return False
    assert isinstance(read.source, Scope)
    alone = len(materialize(definition, "f32")) == 2
    return alone and prod(scope.extents) <= prod(read.source.extents)


def _at_results(read: Read, scope: Scope) -> Scope:
    """The nested sum that is read, as a sum at the positions of the scope that reads it."""
    inner = read.source
    assert isinstance(inner, Scope)
    names = {i.name: f"{i.name}%" for i in inner.traversal + inner.summation}
    inner = rename(inner, names)
    values = {i.name: e for i, e in zip(inner.traversal, read.index, strict=True)}
    ranges = {**scope.ranges, **inner.ranges}
    return Scope(scope.traversal, inner.summation, substitute_body(inner.body, values, ranges))


def with_factor(body: Body, old: Read, new: Factor) -> Body:
    """The body with a factor in the place of a read."""

    def factor(f: Factor) -> Factor:
        if isinstance(f, Call):
            return Call(f.function, tuple(with_factor(a, old, new) for a in f.arguments))
        return new if f == old else f

    return tuple(replace(t, factors=tuple(map(factor, t.factors))) for t in body)


def _without_fixed(scope: Scope) -> tuple[Term, Body]:
    """What all terms have in common and the sum does not vary, and the terms without it.

    Terms that have different things in common are left alone: taken apart, sums that cancel (a
    square of differences, multiplied out) would lose their digits.
    """
    names = frozenset(i.name for i in scope.summation)
    parts = [_split(term, names) for term in scope.body]
    (fixed, _), *rest = parts
    if not any(f.factors or f.guards for f, _ in parts) and len(parts) > 1:
        return Term(), scope.body
    if any((f.factors, f.guards) != (fixed.factors, fixed.guards) for f, _ in rest):
        return Term(), scope.body
    if len(parts) > 1:
        return replace(fixed, coefficient=Fraction(1)), tuple(
            replace(v, coefficient=f.coefficient) for f, v in parts
        )
    return fixed, (parts[0][1],)


def _split(term: Term, names: frozenset[str]) -> tuple[Term, Term]:
    """A term as what the iterators do not vary, the coefficient included, times what they do."""
    varying = [f for f in term.factors if _iterators((Term((f,)),)) & names]
    guards = [g for g in term.guards if iterators_of(g.index) & names]
    fixed = Term(
        tuple(f for f in term.factors if f not in varying),
        tuple(g for g in term.guards if g not in guards),
        term.coefficient,
    )
    return fixed, Term(tuple(varying), tuple(guards))


def _iterators(body: Body) -> frozenset[str]:
    found: set[str] = set()
    for read, _ in reads_of(body):
        found.update(*(iterators_of(e) for e in read.index))
    for term in body:
        found.update(*(iterators_of(g.index) for g in term.guards))
        for factor in term.factors:
            if isinstance(factor, Call):
                found.update(*(_iterators(a) for a in factor.arguments))
    return frozenset(found)
