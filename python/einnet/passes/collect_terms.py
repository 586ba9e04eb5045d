"""`einnet-collect-terms`: terms that differ in one tensor become one term over its sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from einnet.expr.program import Definition
from einnet.passes.labelled import Labelled
from einnet.passes.module_pass import Example
from einnet.passes.rule_pass import RulePass, parts_labelled
from einnet.rules.linearity import collect_terms

_EXAMPLE = Example(
    """
func.func @f(%a: tensor<24x20xf32>, %b: tensor<24x20xf32>, %w: tensor<20x28xf32>)
    -> tensor<24x28xf32> {
  %zero = arith.constant dense<0.0> : tensor<24x28xf32>
  %p = linalg.generic {
      indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (m, k)>,
                       affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>],
      iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a, %b, %w : tensor<24x20xf32>, tensor<24x20xf32>, tensor<20x28xf32>)
      outs(%zero : tensor<24x28xf32>) attrs = {einnet.label = "p"} {
  ^bb0(%x: f32, %y: f32, %z: f32, %sum: f32):
    %xz = arith.mulf %x, %z : f32
    %yz = arith.mulf %y, %z : f32
    %both = arith.addf %xz, %yz : f32
    %next = arith.addf %sum, %both : f32
    linalg.yield %next : f32
  } -> tensor<24x28xf32>
  return %p : tensor<24x28xf32>
}
""",
    "label=p",
)


@dataclass(frozen=True, kw_only=True)
class CollectTerms(RulePass):
    """The tensors in which the terms differ are added first, by an operation labelled `LABEL.sum`,
    and the operation reads their sum: two products with one tensor become one.

    The pass refuses an operation of one term, and terms that differ in more than one read of one
    index, shape and element type.
    """

    NAME: ClassVar[str] = "einnet-collect-terms"
    SUMMARY: ClassVar[str] = "Add what terms differ in first, and multiply once"
    EXAMPLE: ClassVar[Example] = _EXAMPLE

    def rewrite(self, found: Labelled) -> Sequence[Definition]:
        return parts_labelled(collect_terms(found.definition, found.names.taken), found, "sum")
