"""Names that the bridge gives a meaning in the IR, on both its sides, and how to read them.

Anybody may write these attributes: nothing says of which type they are.
"""

from __future__ import annotations

from mlir import ir

from einnet.errors import InputError, Location

NAME = "einnet.name"
"""Attribute of an argument or result: what the model calls it."""

WEIGHT = "einnet.weight"
"""Attribute of an argument that holds a constant of the model: the weight's name."""

CONSTANT = "einnet.constant"
"""Attribute of an argument of the entry: the number of the result of `@prepare` it receives."""

LABEL = "einnet.label"
"""Attribute of an operation: the name by which reports call it."""

KERNEL = "einnet.kernel"
"""Attribute of an operation: the number of its kernel; operations of one kernel share it."""

LIBRARY = "einnet.library"
"""Attribute of an operation: the library that computes it."""

OPERATOR = "einnet.operator"
"""Attribute of an operation: the operator that it is, in words; nothing reads it."""

CORRECTION = "einnet.correction"
"""Unit attribute of an operation: it computes again, by the original expression, what a partially
equivalent mutant gets wrong, or cuts operands for that, or puts the result into place. A
`tensor.insert_slice` ends each correction."""

CORRECTION_OF = "correction of "
"""How the label of a definition starts whose operations get that attribute; fused definitions have
several labels, joined by `+`."""

PREPARE = "prepare"
"""The function that computes, once, what the entry needs that depends on weights alone."""

MUTANT = "einnet.mutant"
"""Attribute of an operation that passes a mutant on (`bridge/mutants.py`): its steps."""

INCORRECT_BOXES = "einnet.incorrect_boxes"
"""Attribute beside it: the boxes outside which the mutant was shown equal."""

ORIGINAL = "einnet.original"
"""Attribute beside it: the function that computes what the mutant stands for."""


def text_of(attributes: ir.DictAttr, key: str, place: Location) -> str | None:
    """The attribute's text, None without one. Raises InputError at `place` if it is no string."""
    if key not in attributes:
        return None
    attribute = attributes[key]
    if not isinstance(attribute, ir.StringAttr):
        raise InputError(
            f"{key} = {attribute} is not a name", location=place, hint=f'write it {key} = "..."'
        )
    return attribute.value


def constant_number(attributes: ir.DictAttr, place: Location) -> int | None:
    """The number of the constant that an argument receives, None for another argument. Raises
    InputError at `place` if it is no integer."""
    if CONSTANT not in attributes:
        return None
    attribute = attributes[CONSTANT]
    if not isinstance(attribute, ir.IntegerAttr):
        raise InputError(
            f"{CONSTANT} = {attribute} is not an integer",
            location=place,
            hint=f"it is the number of a result of @{PREPARE}",
        )
    return attribute.value


def has_symbol(module: ir.Module, name: str) -> bool:
    """Whether an operation of any kind has the name in the module's symbol table."""
    return any(symbol_of(operation.operation) == name for operation in module.body.operations)


def symbol_of(operation: ir.Operation) -> str | None:
    """The operation's name in the symbol table that it is in, None for one without."""
    attribute = operation.attributes.get("sym_name")
    return attribute.value if isinstance(attribute, ir.StringAttr) else None
