"""Programs and scopes put together: tensors replaced by others, a program fed by another."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import replace

from einnet.expr.nodes import Body, Call, Factor, Scope, Tensor, fresh_name
from einnet.expr.program import Opaque, Program, Statement, names_of, results_of


def replace_sources(scope: Scope, sources: Mapping[str, Tensor | Scope]) -> Scope:
    """The scope with each read of a tensor named in `sources` made a read of that source."""
    return replace(scope, body=_replace_in_body(scope.body, sources))


def _replace_in_body(body: Body, sources: Mapping[str, Tensor | Scope]) -> Body:
    return tuple(
        replace(t, factors=tuple(_replace_in_factor(f, sources) for f in t.factors)) for t in body
    )


def _replace_in_factor(factor: Factor, sources: Mapping[str, Tensor | Scope]) -> Factor:
    if isinstance(factor, Call):
        return replace(
            factor, arguments=tuple(_replace_in_body(a, sources) for a in factor.arguments)
        )
    if isinstance(factor.source, Scope):
        return replace(factor, source=replace_sources(factor.source, sources))
    return replace(factor, source=sources.get(factor.source.name, factor.source))


def unused_name(wanted: str, taken: Set[str]) -> str:
    """A name that the textual form can hold and that is not taken."""
    name = re.sub(r"[^\w.]", "_", wanted, flags=re.ASCII)
    # `L` and `S` open iterator lists, and a name does not start with a digit or a point.
    if not re.match(r"[A-Za-z_]", name) or name in ("L", "S"):
        name = f"_{name}"
    return fresh_name(f"{name}_", set(taken)) if name in taken else name


def compose_programs(prepared: Program, program: Program, wanted: Mapping[int, int]) -> Program:
    """`program` with its inputs at the wanted positions replaced by outputs of `prepared`.

    `wanted` maps positions of inputs to numbers of outputs. Weights of both that are the same
    tensor stay one input. Opaque operations of `prepared` get the handle `-1 - handle`.
    """
    taken = names_of(program)
    own = {t.name: t for n, t in enumerate(program.inputs) if n not in wanted}
    weights_of_both = prepared.weights & program.weights
    renamed: dict[str, Tensor] = {}
    for tensor in prepared.inputs:
        shared = tensor.name in weights_of_both and own.get(tensor.name) == tensor
        renamed[tensor.name] = tensor if shared else _renamed(tensor, taken)
    statements: list[Statement] = []
    for statement in prepared.statements:
        for tensor in results_of(statement):
            renamed[tensor.name] = _renamed(tensor, taken)
        statement = rename_tensors(statement, renamed)
        if isinstance(statement, Opaque):
            statement = replace(statement, handle=-1 - statement.handle)
        statements.append(statement)
    passed: dict[str, Tensor] = {
        program.inputs[position].name: renamed[prepared.outputs[number].name]
        for position, number in wanted.items()
    }
    statements.extend(rename_tensors(s, passed) for s in program.statements)
    inputs = dict.fromkeys([*own.values(), *(renamed[t.name] for t in prepared.inputs)])
    weights = {renamed[name].name for name in prepared.weights}
    return Program(
        program.name,
        tuple(inputs),
        tuple(statements),
        tuple(passed.get(t.name, t) for t in program.outputs),
        frozenset(weights | {name for name in program.weights if name in own}),
    )


def _renamed(tensor: Tensor, taken: set[str]) -> Tensor:
    name = unused_name(tensor.name, taken)
    taken.add(name)
    return replace(tensor, name=name)


def rename_tensors(statement: Statement, names: Mapping[str, Tensor]) -> Statement:
    """The statement with tensors replaced by name, in operands and results."""
    if isinstance(statement, Opaque):
        return replace(
            statement,
            results=tuple(names.get(t.name, t) for t in statement.results),
            operands=tuple(names.get(t.name, t) for t in statement.operands),
        )
    result = names.get(statement.result.name, statement.result)
    return replace(statement, result=result, scope=replace_sources(statement.scope, names))
