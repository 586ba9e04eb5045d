"""One definition as definitions that are a kernel each.

Sums nested in it become tensors of their own, except the one that a reducing kernel computes on the
way; long sums for few results are cut into partial sums and their sum.
"""

from __future__ import annotations

from dataclasses import replace

from einnet.bridge.unroll import from_zero, materialize
from einnet.codegen.gpu.epilogue import FLOATS
from einnet.codegen.gpu.partial_sums import partial_sums
from einnet.codegen.gpu.sums import is_whole, long_sum, with_factor
from einnet.expr.nodes import Read, Scope, Tensor
from einnet.expr.program import Definition


def parts(definition: Definition, taken: set[str]) -> tuple[Definition, ...]:
    """The definitions in order, the given one's result last. Names of tensors between them are not
    in `taken`, and are added to it."""
    dtype = definition.result.dtype
    accumulator = "f32" if dtype in FLOATS and dtype != "f64" else dtype
    if is_whole(definition):
        return _cut_within(definition, accumulator, taken)
    found: list[Definition] = []
    for part in materialize(definition, accumulator, taken=taken):
        taken.add(part.result.name)
        found += partial_sums(part, accumulator, taken)
    return tuple(found)


def _cut_within(
    definition: Definition, accumulator: str, taken: set[str]
) -> tuple[Definition, ...]:
    """The definition with the sum that is nested in it, which may be one of partial sums."""
    read = long_sum(definition.scope)
    assert read is not None and isinstance(read.source, Scope)
    scope = from_zero(read.source)
    sum_ = Definition(Tensor(definition.result.name, scope.extents, accumulator), scope)
    *before, rest = partial_sums(sum_, accumulator, taken)
    if not before:
        return (definition,)
    index = tuple(e - i.lo for e, i in zip(read.index, read.source.traversal, strict=True))
    body = with_factor(definition.scope.body, read, Read(rest.scope, index))
    return (*before, replace(definition, scope=replace(definition.scope, body=body)))
