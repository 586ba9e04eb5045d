"""Mutants that still await their corrections, in the IR.

The value of a mutant goes through one operation before anything uses it:

    %y = builtin.unrealized_conversion_cast %mutant, %x, %w : ... to tensor<...> {
           einnet.mutant = "merge-borders(...)", einnet.incorrect_boxes = ["[0:2:1, 7, 0:8:1]"],
           einnet.original = @einnet.original.conv}

It says where the first operand may differ from what the function `einnet.original` makes of the
others. Upstream passes neither fold it, since it has several operands, nor lower it: a program with
an uncorrected mutant cannot run by mistake. The reference to the function keeps that one alive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlir import ir
from mlir.dialects import builtin, func

from einnet.bridge.attributes import INCORRECT_BOXES, LABEL, MUTANT, ORIGINAL
from einnet.errors import InputError
from einnet.toolchain.mlir import locate

MARK = "builtin.unrealized_conversion_cast"

UNCORRECTED = "a mutant without its corrections, which einnet-correct adds"
"""Why a marked mutant has no expression, and is not lowered."""


@dataclass(frozen=True)
class Mark:
    """Such an operation: what the mutant was made by, the boxes and the function, as text."""

    operation: ir.Operation
    label: str
    steps: str
    boxes: tuple[str, ...]
    original: str

    @property
    def mutant(self) -> ir.Value:
        return self.operation.operands[0]

    @property
    def arguments(self) -> list[ir.Value]:
        """What the original takes."""
        return list(self.operation.operands)[1:]

    @property
    def result(self) -> ir.Value:
        return self.operation.results[0]


def emit_mark(
    mutant: ir.Value,
    arguments: Sequence[ir.Value],
    *,
    label: str,
    steps: str,
    boxes: Sequence[str],
    original: str,
) -> ir.Value:
    """Mark a mutant; the value that stands for the original's result."""
    operation = builtin.UnrealizedConversionCastOp([mutant.type], [mutant, *arguments])
    operation.attributes[LABEL] = ir.StringAttr.get(label)
    operation.attributes[MUTANT] = ir.StringAttr.get(steps)
    operation.attributes[INCORRECT_BOXES] = ir.ArrayAttr.get([ir.StringAttr.get(b) for b in boxes])
    operation.attributes[ORIGINAL] = ir.FlatSymbolRefAttr.get(original)
    return operation.results[0]


def mark_of(operation: ir.Operation) -> Mark | None:
    """The operation as a mark; None if it is none, or lacks what one has."""
    attributes = operation.attributes
    if operation.name != MARK or MUTANT not in attributes or len(operation.results) != 1:
        return None
    steps, boxes = attributes[MUTANT], attributes.get(INCORRECT_BOXES)
    original, label = attributes.get(ORIGINAL), attributes.get(LABEL)
    if not isinstance(steps, ir.StringAttr) or not isinstance(original, ir.FlatSymbolRefAttr):
        return None
    if not isinstance(boxes, ir.ArrayAttr) or not all(isinstance(b, ir.StringAttr) for b in boxes):
        return None
    return Mark(
        operation,
        label.value if isinstance(label, ir.StringAttr) else original.value,
        steps.value,
        tuple(ir.StringAttr(b).value for b in boxes),
        original.value,
    )


def marks_in(root: ir.Operation) -> list[Mark]:
    """The marks in an operation, in the order of the text."""
    found: list[Mark] = []

    def visit(view: ir.Operation) -> ir.WalkResult:
        mark = mark_of(view.operation)
        if mark is not None:
            found.append(mark)
        return ir.WalkResult.ADVANCE

    root.walk(visit, ir.WalkOrder.PRE_ORDER)
    return found


def refuse_uncorrected(root: ir.Operation, filename: str) -> None:
    """Raise InputError, at the first one, if there are marks in the operation."""
    for mark in marks_in(root):
        raise InputError(
            f"{mark.operation.name} cannot be lowered: {UNCORRECTED}",
            location=locate(mark.operation.location, filename),
            hint=f'its label is "{mark.label}"',
        )


def take_mutants_as_they_are(module: ir.Module) -> None:
    """Let the users of marked mutants use the mutants themselves: what the module would compute
    without corrections."""
    for mark in marks_in(module.operation):
        mark.result.replace_all_uses_with(mark.mutant)
        mark.operation.erase()


def original_of(mark: Mark) -> func.FuncOp | None:
    """The function that the mark names, in the symbol table that holds the mark's function. It may
    be a declaration."""
    operation: ir.Operation | None = mark.operation
    while operation is not None and operation.name != "builtin.module":
        operation = None if operation.parent is None else operation.parent.operation
    if operation is None:
        return None
    for view in operation.regions[0].blocks[0].operations:
        if isinstance(view, func.FuncOp) and view.name.value == mark.original:
            return view
    return None
