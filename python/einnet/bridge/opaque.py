"""Operations that expressions do not describe: found again in the source, and copied."""

from __future__ import annotations

from collections.abc import Sequence

from mlir import ir
from mlir.dialects import func

from einnet.bridge.lift import used_values


def operations_of(function: func.FuncOp) -> list[ir.Operation]:
    """The operations of the function's block; the handle of one is its position."""
    return [view.operation for view in function.regions[0].blocks[0].operations]


def clone_operation(operation: ir.Operation, values: Sequence[ir.Value]) -> list[ir.Value]:
    """Copy the operation to the current insertion point; its results.

    `values` take the place of the operation's `used_values`, in order. Raises ValueError if their
    number differs.
    """
    new = dict(zip(used_values(operation), values, strict=True))
    clone = operation.clone(ir.InsertionPoint.current).operation
    _replace_operands(clone, new)
    return list(clone.results)


def _replace_operands(operation: ir.Operation, new: dict[ir.Value, ir.Value]) -> None:
    for place, value in enumerate(operation.operands):
        if value in new:
            operation.operands[place] = new[value]
    for region in operation.regions:
        for block in region.blocks:
            for view in block.operations:
                _replace_operands(view.operation, new)
