"""Getting about in the IR: nested operations, the operation behind a value, indexing maps."""

from __future__ import annotations

from collections.abc import Iterator

from mlir import ir
from mlir.dialects import linalg


def walk(op: ir.Operation) -> Iterator[ir.Operation]:
    """The operations nested in `op`, parents first. Materialise it before changing the IR."""
    for region in op.regions:
        for block in region.blocks:
            for inner in block.operations:
                yield inner.operation
                yield from walk(inner.operation)


def defining(value: ir.Value) -> ir.Operation | None:
    """The operation that `value` is a result of; None for a block argument."""
    owner = value.owner
    return None if isinstance(owner, ir.Block) else owner.operation


def indexing_maps(op: ir.Operation) -> list[ir.AffineMap]:
    """Those of a linalg operation, named ones included."""
    maps = linalg.get_indexing_maps(op)  # pyright: ignore[reportAttributeAccessIssue]
    if maps is None:
        raise ValueError(f"{op.name} is not a linalg operation")
    return [ir.AffineMapAttr(attribute).value for attribute in maps]
