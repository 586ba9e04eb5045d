"""What an operation reads as expressions: the operations that compute its operands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mlir import ir

from einnet.bridge.lift import lift_operation
from einnet.expr.nodes import Read, Scope, Tensor
from einnet.expr.program import Definition
from einnet.passes.labelled import DATA, Labelled, TensorNames, label_of
from einnet.passes.replacing import map_reads
from einnet.rules.rewrite import NotApplicable


def producers(found: Labelled, label: str = "") -> tuple[Definition, ...]:
    """The operations that compute operands of `found`, each as one definition, in its order.

    With a label, only the one that has it. Raises NotApplicable if there is none.
    """
    definitions: list[Definition] = []
    for tensor in found.definition.operands:
        value = found.names.values[tensor.name]
        scope = produced(value, found.names)
        if scope is not None:
            name = label_of(value.owner.operation) or ""
            if label in ("", name):
                definitions.append(Definition(tensor, scope, name))
    if not definitions:
        what = f"labelled {label}" if label else "that has an expression"
        raise NotApplicable(f"no operand is computed by an operation {what}")
    return tuple(definitions)


def is_shared(value: ir.Value, reader: ir.Operation) -> bool:
    """Whether another operation than `reader`, what is in its regions included, uses the value."""
    return any(not _is_in(use.owner.operation, reader) for use in value.uses)


def _is_in(operation: ir.Operation, around: ir.Operation) -> bool:
    while operation != around:
        parent = operation.parent
        if parent is None:
            return False
        operation = parent.operation
    return True


def produced(value: ir.Value, names: TensorNames) -> Scope | None:
    """The expression of the operation that computes `value`; None if it has none."""
    owner = value.owner
    if isinstance(owner, ir.Block) or owner.name in DATA or len(owner.results) != 1:
        return None
    definitions = lift_operation(owner, names)
    return None if definitions is None else _composed(definitions)


def _composed(definitions: Sequence[Definition]) -> Scope:
    """The last definition's scope, with those before it nested in it."""
    scopes: dict[str, Scope] = {}

    def nested(read: Read) -> Read:
        source = read.source
        known = scopes.get(source.name) if isinstance(source, Tensor) else None
        return read if known is None else Read(known, read.index)

    for definition in definitions:
        scope = definition.scope
        scopes[definition.result.name] = replace(scope, body=map_reads(scope.body, nested))
    return scopes[definitions[-1].result.name]
