"""Names that the bridge gives a meaning in the IR, on both its sides."""

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
