"""`einnet-separate-terms`: each product of a sum of products becomes an operation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from einnet.expr.program import Definition
from einnet.passes.labelled import Labelled
from einnet.passes.module_pass import Example
from einnet.passes.rule_pass import RulePass, parts_labelled
from einnet.rules.linearity import separate_terms

_EXAMPLE = Example(
    """
func.func @f(%a: tensor<24x20xf32>, %b: tensor<24x20xf32>, %v: tensor<20x28xf32>,
             %w: tensor<20x28xf32>) -> tensor<24x28xf32> {
  %zero = arith.constant dense<0.0> : tensor<24x28xf32>
  %p = linalg.generic {
      indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (m, k)>,
                       affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (k, n)>,
                       affine_map<(m, n, k) -> (m, n)>],
      iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a, %b, %v, %w : tensor<24x20xf32>, tensor<24x20xf32>, tensor<20x28xf32>,
                           tensor<20x28xf32>)
      outs(%zero : tensor<24x28xf32>) attrs = {einnet.label = "p"} {
  ^bb0(%x: f32, %y: f32, %s: f32, %t: f32, %sum: f32):
    %xs = arith.mulf %x, %s : f32
    %yt = arith.mulf %y, %t : f32
    %both = arith.addf %xs, %yt : f32
    %next = arith.addf %sum, %both : f32
    linalg.yield %next : f32
  } -> tensor<24x28xf32>
  return %p : tensor<24x28xf32>
}
""",
    "label=p",
)


@dataclass(frozen=True, kw_only=True)
class SeparateTerms(RulePass):
    """Each term of the operation's body is summed by an operation of its own, labelled
    `LABEL.term`, over the parallel loops that it depends on; the operation itself adds them.

    The pass refuses an operation of one term.
    """

    NAME: ClassVar[str] = "einnet-separate-terms"
    SUMMARY: ClassVar[str] = "Compute each term of a sum of products by itself"
    EXAMPLE: ClassVar[Example] = _EXAMPLE

    def rewrite(self, found: Labelled) -> Sequence[Definition]:
        parts = separate_terms(found.definition, found.names.taken)
        return parts_labelled(parts, found, "term")
