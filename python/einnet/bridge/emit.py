"""Expressions to linalg on tensors.

A definition becomes views if it is a reshape, a `linalg.matmul` and its kin if a library computes
it, and a `linalg.generic` otherwise. Operations of one kernel share an `einnet.kernel` number,
and the main one carries the `einnet.label` of what it was derived from. What depends on weights
alone moves into a second function, `@prepare`, that runs once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count

from mlir import ir

from einnet.bridge.emit_generic import arithmetic_dtype, emit_generic
from einnet.bridge.emit_product import emit_product
from einnet.bridge.reshape import emit_reshape, reshaped_tensor
from einnet.bridge.unroll import materialize
from einnet.expr.program import Definition

KERNEL = "einnet.kernel"
"""Attribute of an operation: the number of its kernel."""

LABEL = "einnet.label"
"""Attribute of an operation: what it was derived from."""


def emit_definition(
    definition: Definition,
    values: Mapping[str, ir.Value],
    kernels: Iterator[int] | None = None,
) -> ir.Value:
    """Emit the operations that compute one definition at the current insertion point.

    `values` has the tensors it reads, by name; `kernels` numbers the kernels, from 0 if not given.
    """
    if kernels is None:
        kernels = count()
    if definition.library is not None:
        value, operations = emit_product(definition, definition.library, values)
        _mark(operations, definition.label, next(kernels))
        return value
    source = reshaped_tensor(definition)
    if source is not None:
        return emit_reshape(values[source.name], definition.result.shape)
    known = dict(values)
    for part in materialize(definition, arithmetic_dtype(definition)):
        value, operations = emit_generic(part, known)
        known[part.result.name] = value
        _mark(operations, definition.label if part.result == definition.result else "", next(kernels))
    return known[definition.result.name]
