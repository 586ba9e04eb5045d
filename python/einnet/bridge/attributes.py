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

CORRECTION = "einnet.correction"
"""Attribute of an operation: it computes again, by the original expression, what a partially
equivalent mutant gets wrong, or puts that into place."""

CORRECTION_OF = "correction of "
"""How the label of a definition starts whose operations get that attribute; fused definitions have
several labels, joined by `+`."""

PREPARE = "prepare"
"""The function that computes, once, what the entry needs that depends on weights alone."""
