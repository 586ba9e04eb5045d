"""`einnet-merge-parallel`: products with one tensor become one product."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from einnet.expr.program import Definition
from einnet.passes.group_pass import GroupPass
from einnet.passes.labelled import Labelled
from einnet.passes.module_pass import Example
from einnet.rules.merging import merge_parallel
from einnet.rules.rewrite import NotApplicable

_EXAMPLE = Example(
    """
func.func @f(%x: tensor<24x20xf32>, %v: tensor<20x28xf32>, %w: tensor<20x36xf32>)
    -> (tensor<24x28xf32>, tensor<24x36xf32>) {
  %zero = arith.constant dense<0.0> : tensor<24x28xf32>
  %zero1 = arith.constant dense<0.0> : tensor<24x36xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%x, %v : tensor<24x20xf32>, tensor<20x28xf32>)
      outs(%zero : tensor<24x28xf32>) -> tensor<24x28xf32>
  %q = linalg.matmul {einnet.label = "q"} ins(%x, %w : tensor<24x20xf32>, tensor<20x36xf32>)
      outs(%zero1 : tensor<24x36xf32>) -> tensor<24x36xf32>
  return %p, %q : tensor<24x28xf32>, tensor<24x36xf32>
}
""",
    "labels=p,q",
)


@dataclass(frozen=True, kw_only=True)
class MergeParallel(GroupPass):
    """Products of one tensor with several others become its product with the others side by side.
    The operations `p` and `q` become `p+q.operand`, which puts their other operands together,
    `p+q`, and slices of its result labelled `p` and `q`.

    The pass refuses operations that are no products of two tensors, that have no operand in common
    and read alike, that differ in more than the extent of one loop of the other operand, or one of
    which depends on another.
    """

    NAME: ClassVar[str] = "einnet-merge-parallel"
    SUMMARY: ClassVar[str] = "Compute products with one tensor as one product"
    EXAMPLE: ClassVar[Example] = _EXAMPLE

    def keys(self, found: Labelled) -> Iterable[Hashable]:
        return [found.names.values[t.name] for t in found.definition.operands]

    def rewrite(self, group: Sequence[Labelled]) -> Sequence[Definition]:
        definitions = [found.definition for found in group]
        first, *others = definitions
        shared = [t.name for t in first.operands if all(t in d.operands for d in others)]
        if not shared:
            raise NotApplicable("the operations have no operand in common")
        reasons: list[str] = []
        for name in shared:
            try:
                parts = merge_parallel(definitions, name, group[0].names.taken)
            except NotApplicable as reason:
                reasons.append(str(reason))
            else:
                operand, *rest = parts
                whole = "+".join(found.label for found in group)
                return [replace(operand, label=f"{whole}.operand"), *rest]
        raise NotApplicable("; ".join(dict.fromkeys(reasons)))
