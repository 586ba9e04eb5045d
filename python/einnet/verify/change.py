"""What two programs do not have in common, as a smaller problem.

Definitions that both have, of the same tensors from the same inputs, denote the same tensors: their
results become inputs of both. What both compute alike from tensors that are equal is equal: only
where the two part is anything compared. That is sufficient for equality and not necessary, since
tensors that become inputs may be anything then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from einnet.expr.nodes import Scope, Tensor
from einnet.expr.program import Definition, Program, Statement, names_of, without_dead
from einnet.expr.transform import with_tensors


def parting(first: Program, second: Program) -> tuple[Program, Program] | None:
    """Two programs that are equal only if the given ones are, which have inputs and outputs of the
    same names; None if those are not alike, or something has no expression."""
    second = _under_names_of(first, second)
    ours, theirs = _definitions(first), _definitions(second)
    outputs = tuple(t.name for t in first.outputs)
    alike = first.inputs == second.inputs and outputs == tuple(t.name for t in second.outputs)
    if ours is None or theirs is None or not alike:
        return None
    common: dict[str, Tensor] = {t.name: t for t in first.inputs}
    for name, definition in ours.items():
        known = all(t.name in common for t in definition.operands)
        if known and _same(definition, theirs.get(name)):
            common[name] = definition.result
    compared: list[str] = []
    waiting = list(dict.fromkeys(outputs))
    seen = set(waiting)
    while waiting:
        name = waiting.pop(0)
        if name in common:
            continue
        definition = ours.get(name)
        if definition is not None and _same(definition, theirs.get(name)):
            more = [t.name for t in definition.operands if t.name not in seen]
            waiting += more
            seen.update(more)
        elif name in ours and name in theirs:
            compared.append(name)
        else:
            return None
    return (
        _part(first, common, tuple(ours[name].result for name in compared)),
        _part(second, common, tuple(theirs[name].result for name in compared)),
    )


def _under_names_of(first: Program, second: Program) -> Program:
    """The second program under other names: those that the first has for the same expressions,
    where the second does not have them for something else."""
    taken = names_of(second)
    kept = {t.name for t in second.outputs}
    known: dict[tuple[Scope, str], Tensor] = {}
    for definition in first.definitions:
        known.setdefault((definition.scope, definition.result.dtype), definition.result)
    same: dict[str, Tensor] = {}
    statements: list[Statement] = []
    for statement in second.statements:
        if isinstance(statement, Definition):
            result, scope = statement.result, with_tensors(statement.scope, same)
            other = known.get((scope, result.dtype))
            if other is not None and other.name not in taken and result.name not in kept:
                taken.add(other.name)
                same[result.name] = other
                result = other
            statement = replace(statement, result=result, scope=scope)
        elif any(t.name in same for t in statement.operands):
            operands = tuple(same.get(t.name, t) for t in statement.operands)
            statement = replace(statement, operands=operands)
        statements.append(statement)
    return replace(second, statements=tuple(statements))


def _definitions(program: Program) -> Mapping[str, Definition] | None:
    found = {d.result.name: d for d in program.definitions}
    return found if len(found) == len(program.statements) else None


def _same(first: Definition, second: Definition | None) -> bool:
    return second is not None and (first.result, first.scope) == (second.result, second.scope)


def _part(program: Program, common: Mapping[str, Tensor], outputs: tuple[Tensor, ...]) -> Program:
    own = tuple(d for d in program.definitions if d.result.name not in common)
    part = replace(program, inputs=tuple(common.values()), statements=own, outputs=outputs)
    return without_dead(part)
