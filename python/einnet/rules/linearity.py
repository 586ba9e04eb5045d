"""Linearity: products distribute over sums, and sums are taken apart or collected.

Formulas:

- distribute: `T = a + b; Y = S T[e] * w  =>  Y = S a[e] * w + S b[e] * w`;
- separate: `Y = L S (f + g)  =>  P = L S f; Q = L S g; Y = P + Q`, where P and Q have only the
  traversal iterators that f and g depend on;
- collect: `Y = S a[e] * w + S b[e] * w  =>  T = a + b; Y = S T[e] * w`.

Condition: to distribute, T is a sum of terms without summation or calls and is read once outside
calls, by a body of one term. To separate or to collect, the body has several terms and sums or
multiplies something, or it would become an addition again. To collect, all terms have the same
guards and differ in one read alone, of one index and of tensors of one shape and type, so that
their sum is such a tensor.

Paper: EinNet, OSDI 2023, section 4.2 (expression fusion).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from einnet.expr.index import var
from einnet.expr.nodes import Call, Iterator, Read, Scope, Tensor, Term, factors_of, fresh_name
from einnet.expr.program import Definition
from einnet.expr.transform import inline_reads
from einnet.rules.rewrite import NotApplicable
from einnet.rules.summation_splitting import iterators_in_body

# Named in docs/rules.md, which is made of these modules.
DISTRIBUTE = "distribute"
SEPARATE = "separate-terms"
COLLECT = "collect-terms"


def distribute(consumer: Definition, producer: Definition) -> Definition:
    """The consumer with the producer's sum of terms in the place of its tensor.

    Raises NotApplicable unless the producer is a sum of several terms without summation or calls,
    and the consumer reads it once, outside calls, in a body of one term.
    """
    if len(producer.scope.body) < 2 or producer.scope.summation:
        raise NotApplicable(f"{producer.result.name} is not a sum of terms")
    if any(isinstance(f, Call) for f in factors_of(producer.scope.body)):
        raise NotApplicable(f"{producer.result.name} is not linear: it calls a function")
    if len(consumer.scope.body) != 1:
        raise NotApplicable(f"{consumer.result.name} is a sum of terms already")
    term = consumer.scope.term
    places = [
        p for p, f in enumerate(term.factors) if isinstance(f, Read) and f.source == producer.result
    ]
    if len(places) != 1:
        name = producer.result.name
        count = f"{len(places)} times outside calls"
        raise NotApplicable(f"{consumer.result.name} reads {name} {count}")
    read = term.factors[places[0]]
    assert isinstance(read, Read)
    nested = Read(producer.scope, read.index)
    factors = (*term.factors[: places[0]], nested, *term.factors[places[0] + 1 :])
    scope = replace(consumer.scope, body=(replace(term, factors=factors),))
    return replace(consumer, scope=inline_reads(scope), library=None)


def separate_terms(definition: Definition, taken: set[str]) -> tuple[Definition, ...]:
    """Each term of a summed body as a definition of its own, and their sum last.

    A term's definition has the traversal iterators that the term depends on. New names are not in
    `taken`, and are added to it. Raises NotApplicable for a body of one term, and for an addition.
    """
    scope = definition.scope
    _require_products(definition)
    parts: list[Definition] = []
    terms: list[Term] = []
    for term in scope.body:
        name = fresh_name(f"{definition.result.name}_term", taken)
        taken.add(name)
        used = iterators_in_body((term,))
        part = Scope(tuple(i for i in scope.traversal if i.name in used), scope.summation, (term,))
        tensor = replace(definition.result, name=name, shape=part.extents)
        parts.append(Definition(tensor, part, definition.label))
        terms.append(Term((Read(tensor, tuple(var(i.name) for i in part.traversal)),)))
    total = Scope(scope.traversal, (), tuple(terms))
    return (*parts, Definition(definition.result, total, definition.label))


def collect_terms(definition: Definition, taken: set[str]) -> tuple[Definition, ...]:
    """Terms that differ in one read alone as one term that reads the sum of what they read.

    New names are not in `taken`, and are added to it. Raises NotApplicable where they differ more,
    for a body of one term, and for an addition.
    """
    scope = definition.scope
    _require_products(definition)
    first, *others = scope.body
    for place, candidate in enumerate(first.factors):
        if isinstance(candidate, Read) and isinstance(candidate.source, Tensor):
            reads = _differing(place, candidate, first, others)
            if reads is not None:
                return _collected(definition, place, reads, taken)
    raise NotApplicable("the terms differ in more than one read of one index, shape and type")


def _require_products(definition: Definition) -> None:
    scope = definition.scope
    if len(scope.body) < 2:
        raise NotApplicable(f"{definition.result.name} is one term")
    if not scope.summation and all(len(t.factors) < 2 for t in scope.body):
        raise NotApplicable("it only adds elements: nothing is multiplied or summed")


def _differing(
    place: int, candidate: Read, first: Term, others: Sequence[Term]
) -> list[tuple[Tensor, Term]] | None:
    """What each term reads in the place of `candidate`, if all else is the same."""
    assert isinstance(candidate.source, Tensor)
    rest = sorted((f for p, f in enumerate(first.factors) if p != place), key=repr)
    found = [(candidate.source, first)]
    for term in others:
        if set(term.guards) != set(first.guards):
            return None
        for p, factor in enumerate(term.factors):
            left = sorted((f for q, f in enumerate(term.factors) if q != p), key=repr)
            if left != rest or not isinstance(factor, Read) or factor.index != candidate.index:
                continue
            source = factor.source
            if isinstance(source, Tensor) and _kind(source) == _kind(candidate.source):
                found.append((source, term))
                break
        else:
            return None
    return found


def _kind(tensor: Tensor) -> tuple[tuple[int, ...], str]:
    return tensor.shape, tensor.dtype


def _collected(
    definition: Definition, place: int, reads: list[tuple[Tensor, Term]], taken: set[str]
) -> tuple[Definition, ...]:
    source, first = reads[0]
    name = fresh_name(f"{definition.result.name}_sum", taken)
    taken.add(name)
    total = replace(source, name=name)
    traversal = tuple(Iterator(f"d{n}", 0, extent) for n, extent in enumerate(source.shape))
    index = tuple(var(i.name) for i in traversal)
    terms = tuple(Term((Read(t, index),), (), term.coefficient) for t, term in reads)
    addition = Definition(total, Scope(traversal, (), terms), f"sum for {definition.label}")
    read = first.factors[place]
    assert isinstance(read, Read)
    factors = (*first.factors[:place], Read(total, read.index), *first.factors[place + 1 :])
    body = (Term(factors, first.guards),)
    return (addition, replace(definition, scope=replace(definition.scope, body=body)))
