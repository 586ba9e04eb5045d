"""Fusion of eOperators: a definition that one other eOperator alone reads becomes part of it.

By the rule of `rules/fusing.py`: pointwise chains become one body, an offset-add becomes the
argument of the activation that follows it, and the relayout of an operand is written directly by
whoever computes the operand. Nothing is computed twice: the consumer visits each element at most
once.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from einnet.expr.nodes import Body, Call, Read, Scope, Tensor, factors_of
from einnet.expr.program import Definition, Program, Statement, constants_of, uses_of, without_dead
from einnet.expr.transform import rename, with_tensors
from einnet.operators.cost import points
from einnet.rules.fusing import fuse
from einnet.rules.rewrite import NotApplicable

_MAX_TERMS = 16
"""Terms of a fused body: distributing products over sums must not explode."""

_MAX_NESTED_SUM = 64
"""Points of nested sums that may be evaluated for one element of an eOperator."""


def fuse_eoperators(program: Program) -> Program:
    """Compose producers into their only consumers until none is left that can be."""
    while True:
        fused = _fuse_once(program)
        if fused is None:
            return program
        program = without_dead(fused)


def share_definitions(program: Program) -> Program:
    """The program with one definition for eOperators that compute the same, such as a layout that
    the plans of two subprograms need of one tensor. Outputs keep their own."""
    first: dict[object, Tensor] = {}
    same: dict[str, Tensor] = {}
    outputs = {t.name for t in program.outputs}
    statements: list[Statement] = []
    for statement in program.statements:
        if isinstance(statement, Definition):
            scope = with_tensors(statement.scope, same)
            statement = replace(statement, scope=scope)
            result = statement.result
            if statement.library is None and result.name not in outputs:
                names = [i.name for i in scope.traversal + scope.summation]
                form = rename(scope, {name: f".{n}" for n, name in enumerate(names)})
                known = first.setdefault((form, result.dtype), result)
                if known is not result:
                    same[result.name] = known
                    continue
        elif any(t.name in same for t in statement.operands):
            operands = tuple(same.get(t.name, t) for t in statement.operands)
            statement = replace(statement, operands=operands)
        statements.append(statement)
    return replace(program, statements=tuple(statements))


def _fuse_once(program: Program) -> Program | None:
    constants = constants_of(program)
    uses = uses_of(program)
    producers = {d.result.name: d for d in program.definitions if d.library is None}
    for position, statement in enumerate(program.statements):
        if not isinstance(statement, Definition) or statement.library is not None:
            continue
        for tensor in statement.operands:
            producer = producers.get(tensor.name)
            if producer is None or uses[tensor.name] > 1:
                continue
            if tensor.name in constants and statement.result.name not in constants:
                continue
            fused = _fuse_pair(producer, statement)
            if fused is not None:
                statements: tuple[Statement, ...] = (
                    *program.statements[:position],
                    fused,
                    *program.statements[position + 1 :],
                )
                return replace(program, statements=statements)
    return None


def _fuse_pair(producer: Definition, consumer: Definition) -> Definition | None:
    """The consumer with the producer's expression in the place of its tensor, or None."""
    if points(consumer.scope) > prod(producer.result.shape):
        return None
    try:
        fused = fuse(consumer, producer)
    except NotApplicable:
        return None
    if _terms(fused.scope.body) > _MAX_TERMS or _evaluations(fused.scope) > _MAX_NESTED_SUM:
        return None
    return fused


def _evaluations(scope: Scope) -> int:
    """How often bodies of nested sums are evaluated for one element; 0 without nested scopes."""
    own = prod(i.extent for i in scope.summation)
    nested = [
        f.source
        for f in factors_of(scope.body)
        if isinstance(f, Read) and isinstance(f.source, Scope)
    ]
    return own * sum(
        max(prod(i.extent for i in inner.summation), _evaluations(inner)) for inner in nested
    )


def _terms(body: Body) -> int:
    """The terms of a body and of every call in it."""
    total = len(body)
    for factor in factors_of(body):
        if isinstance(factor, Call):
            total += sum(len(a) for a in factor.arguments)
    return total
