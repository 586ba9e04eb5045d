"""How operations are printed, and names of sources."""

from __future__ import annotations

import dataclasses

from mlir import ir

from einnet.toolchain.mlir import ANONYMOUS
from einnet.toolchain.style import Style


def text_of(operation: ir.Operation, style: Style) -> str:
    """The operation's text as `mlir-opt` prints it, without the line break after it."""
    return str(operation.get_asm(**dataclasses.asdict(style)))


def name_source(root: ir.Operation, filename: str) -> None:
    """Give locations of a source that MLIR parsed from memory the name of its file."""

    def named(location: ir.Location) -> ir.Location | None:
        if not location.is_a_file() or location.filename != ANONYMOUS:
            return None
        place = (location.start_line, location.start_col)
        return ir.Location.file(filename, *place, context=root.context)

    def visit(view: ir.Operation) -> ir.WalkResult:
        operation = view.operation
        if (location := named(operation.location)) is not None:
            operation.location = location
        for region in operation.regions:
            for block in region.blocks:
                for argument in block.arguments:
                    if (location := named(argument.location)) is not None:
                        argument.set_location(location)
        return ir.WalkResult.ADVANCE

    root.walk(visit, ir.WalkOrder.PRE_ORDER)
