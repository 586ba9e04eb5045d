"""`einnet-batch-parallel`: products of one form become one batched product."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from einnet.expr.program import Definition
from einnet.passes.group_pass import GroupPass
from einnet.passes.labelled import Labelled
from einnet.passes.module_pass import Example
from einnet.rules.merging import batch_parallel

_EXAMPLE = Example(
    """
func.func @f(%a: tensor<24x20xf32>, %v: tensor<20x28xf32>, %b: tensor<24x20xf32>,
             %w: tensor<20x28xf32>) -> (tensor<24x28xf32>, tensor<24x28xf32>) {
  %zero = arith.constant dense<0.0> : tensor<24x28xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %v : tensor<24x20xf32>, tensor<20x28xf32>)
      outs(%zero : tensor<24x28xf32>) -> tensor<24x28xf32>
  %q = linalg.matmul {einnet.label = "q"} ins(%b, %w : tensor<24x20xf32>, tensor<20x28xf32>)
      outs(%zero : tensor<24x28xf32>) -> tensor<24x28xf32>
  return %p, %q : tensor<24x28xf32>, tensor<24x28xf32>
}
""",
    "labels=p,q",
)


@dataclass(frozen=True, kw_only=True)
class BatchParallel(GroupPass):
    """Products of the same shapes become one product with a new outermost loop. The operations `p`
    and `q` become `p+q.operand`, twice, which stack their operands, `p+q`, and slices of its result
    labelled `p` and `q`.

    The pass refuses operations that are no products of two tensors, that differ in more than what
    they read, or one of which depends on another.
    """

    NAME: ClassVar[str] = "einnet-batch-parallel"
    SUMMARY: ClassVar[str] = "Compute products of one form as one batched product"
    EXAMPLE: ClassVar[Example] = _EXAMPLE

    def keys(self, found: Labelled) -> Iterable[Hashable]:
        operands = found.definition.operands
        product = len(found.scope.body) == 1 and len(found.scope.term.factors) == len(operands) == 2
        return [(found.scope.extents, *(t.shape for t in operands))] if product else []

    def rewrite(self, group: Sequence[Labelled]) -> Sequence[Definition]:
        parts = batch_parallel([found.definition for found in group], group[0].names.taken)
        whole = "+".join(found.label for found in group)
        operands = len(parts) - len(group) - 1
        return [replace(d, label=f"{whole}.operand") for d in parts[:operands]] + [
            *parts[operands:]
        ]
