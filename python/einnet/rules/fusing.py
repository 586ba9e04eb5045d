"""Expression fusion: a definition becomes part of the one that reads it.

Formula: `T = L_z S_w f(z,w); Y = L_x S_y g(x,y, T[e])  =>  Y = L_x S_y g(x,y, { L_z S_w f }[e])`,
the nested scope then composed into its reader by traversal merging where that is possible.

Condition: the reader reads T once, and not from inside a nested scope; and T is not rounded to a
type that the reader, or what T is computed from, is wider than: a program that subtracts
`f32(f16(x))` from `x` computes with what the rounding leaves.

Paper: EinNet, OSDI 2023, section 4.2, expression fusion.

The rule says nothing about cost: T is computed again for each time that Y visits an element.
"""

from __future__ import annotations

from dataclasses import replace

from einnet.expr.nodes import Body, Call, Read, Scope, Tensor, Term, factors_of
from einnet.expr.program import Definition
from einnet.expr.transform import inline_reads, is_movement
from einnet.rules.rewrite import NotApplicable

RULE = "fuse"


def fuse(consumer: Definition, producer: Definition) -> Definition:
    """The consumer with the producer's expression in the place of its tensor.

    Raises NotApplicable unless the consumer reads it exactly once, outside nested scopes, and a
    library computes neither.
    """
    name = producer.result.name
    if producer.library is not None or consumer.library is not None:
        raise NotApplicable("what a library computes cannot be composed")
    count = sum(_reads(f, name) for f in factors_of(consumer.scope.body))
    if count != 1:
        raise NotApplicable(f"{consumer.result.name} reads {name} {count} times")
    if _reads_nested(consumer.scope, name):
        raise NotApplicable(f"{consumer.result.name} reads {name} inside a nested scope too")
    if rounds(producer, consumer):
        raise NotApplicable(f"{name} rounds to {producer.result.dtype}, and that shows")
    body = _with_source(consumer.scope.body, name, producer.scope)
    scope = inline_reads(replace(consumer.scope, body=body))
    label = "+".join(filter(None, (producer.label, consumer.label)))
    return Definition(consumer.result, scope, label)


_FLOATS = {"f16": 1, "bf16": 1, "f32": 2, "f64": 3}
"""Floating-point types; one of a higher number has all numbers of those of a lower one."""


def rounds(producer: Definition, consumer: Definition) -> bool:
    """Whether the producer's own type loses what the types around it hold."""
    own = producer.result.dtype
    if is_movement(producer.scope) and all(t.dtype == own for t in producer.operands):
        return False
    around = {t.dtype for t in (*producer.operands, *consumer.operands, consumer.result)}
    floats = around & _FLOATS.keys() - {own}
    return own in _FLOATS and any(_FLOATS[other] >= _FLOATS[own] for other in floats)


def _reads(factor: object, name: str) -> bool:
    if not isinstance(factor, Read) or not isinstance(factor.source, Tensor):
        return False
    return factor.source.name == name


def _reads_nested(scope: Scope, name: str) -> bool:
    """Whether a nested scope reads the tensor: its element may be needed more than once."""
    for factor in factors_of(scope.body):
        if isinstance(factor, Read) and isinstance(factor.source, Scope):
            inner = factor.source
            if any(_reads(f, name) for f in factors_of(inner.body)) or _reads_nested(inner, name):
                return True
    return False


def _with_source(body: Body, name: str, source: Scope) -> Body:
    def replaced(term: Term) -> Term:
        factors: list[Read | Call] = []
        for factor in term.factors:
            if isinstance(factor, Call):
                arguments = tuple(_with_source(a, name, source) for a in factor.arguments)
                factors.append(Call(factor.function, arguments))
            elif _reads(factor, name):
                factors.append(Read(source, factor.index))
            else:
                factors.append(factor)
        return replace(term, factors=tuple(factors))

    return tuple(replaced(t) for t in body)
