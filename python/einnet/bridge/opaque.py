"""Operations that expressions do not describe: found again in the source, and copied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlir import ir
from mlir.dialects import func


def operations_of(function: func.FuncOp) -> list[ir.Operation]:
    """The operations in the function's body in pre-order; a handle is a position in this list."""
    return _inside(function.operation)


def _inside(operation: ir.Operation) -> list[ir.Operation]:
    found: list[ir.Operation] = []
    for region in operation.regions:
        for block in region.blocks:
            for view in block.operations:
                found.append(view.operation)
                found.extend(_inside(view.operation))
    return found


def outer_values(operation: ir.Operation) -> list[ir.Value]:
    """What the operation and its regions depend on, each once, operands first.

    These are tensors and arguments of the function; of another scalar, what the operations that
    compute it depend on.
    """
    found: dict[ir.Value, None] = {}
    for value in _used(operation):
        producer = _scalar_producer(value)
        found.update(dict.fromkeys([value] if producer is None else outer_values(producer)))
    return list(found)


def _used(operation: ir.Operation) -> list[ir.Value]:
    """The values from outside that the operation and its regions use, each once."""
    inside = _inside(operation)
    defined = {result for inner in inside for result in inner.results}
    for owner in (operation, *inside):
        defined.update(a for r in owner.regions for b in r.blocks for a in b.arguments)
    used = (v for user in (operation, *inside) for v in user.operands)
    return [v for v in dict.fromkeys(used) if v not in defined]


def _scalar_producer(value: ir.Value) -> ir.Operation | None:
    """The operation that computes a scalar; None for a tensor or an argument."""
    if isinstance(value.owner, ir.Block) or isinstance(value.type, ir.RankedTensorType):
        return None
    return value.owner.operation


def clone_operation(
    operation: ir.Operation,
    tensors: Sequence[ir.Value],
    arguments: Mapping[ir.Value, ir.Value],
) -> list[ir.Value]:
    """Copy the operation to the current insertion point; its results.

    `tensors` take the place of the tensors among `outer_values`, in order, and `arguments` says
    what takes the place of the function's arguments; scalars are copied with the operations that
    compute them. Raises ValueError if the number of tensors differs.
    """
    old = [v for v in outer_values(operation) if isinstance(v.type, ir.RankedTensorType)]
    return list(_clone(operation, {**arguments, **dict(zip(old, tensors, strict=True))}).results)


def _clone(operation: ir.Operation, values: dict[ir.Value, ir.Value]) -> ir.Operation:
    for value in _used(operation):
        producer = _scalar_producer(value)
        if producer is not None and value not in values:
            values.update(zip(producer.results, _clone(producer, values).results, strict=True))
    clone = operation.clone(ir.InsertionPoint.current).operation
    for user in (clone, *_inside(clone)):
        for place, value in enumerate(user.operands):
            if value in values:
                user.operands[place] = values[value]
    return clone
