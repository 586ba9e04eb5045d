"""`einnet-drop-iterators`: loops that make no difference go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from einnet.expr.nodes import Scope
from einnet.expr.transform import is_movement
from einnet.passes.labelled import Labelled
from einnet.passes.module_pass import Example
from einnet.passes.rule_pass import RulePass
from einnet.rules.rewrite import NotApplicable
from einnet.rules.unit_iterators import drop_nested_traversals, drop_sums
from einnet.search.normalise import two_level

_EXAMPLE = Example(
    """
func.func @f(%x: tensor<1x8x14x14xf32>, %w: tensor<16x8x1x1xf32>) -> tensor<1x16x14x14xf32> {
  %zero = arith.constant dense<0.0> : tensor<1x16x14x14xf32>
  %p = linalg.conv_2d_nchw_fchw {einnet.label = "p"}
      ins(%x, %w : tensor<1x8x14x14xf32>, tensor<16x8x1x1xf32>)
      outs(%zero : tensor<1x16x14x14xf32>) -> tensor<1x16x14x14xf32>
  return %p : tensor<1x16x14x14xf32>
}
""",
    "label=p",
)


@dataclass(frozen=True, kw_only=True)
class DropIterators(RulePass):
    """A reduction loop of one point goes, and one on which nothing depends becomes a factor. Where
    a parallel loop has one point, or nothing depends on it, the operation without it, labelled
    `LABEL.inner`, is computed once and the operation itself only repeats its elements.

    The pass refuses an operation without such a loop, and one that moves elements alone.
    """

    NAME: ClassVar[str] = "einnet-drop-iterators"
    SUMMARY: ClassVar[str] = "Drop loops of one point, and loops on which nothing depends"
    EXAMPLE: ClassVar[Example] = _EXAMPLE

    def rewrite(self, found: Labelled) -> Scope:
        scope = found.scope
        if is_movement(scope):
            raise NotApplicable("it only moves elements")
        summed = drop_sums(scope)
        nested = two_level(summed)
        dropped = drop_nested_traversals(nested)
        if dropped is not nested:
            return dropped
        if summed is scope:
            raise NotApplicable("every loop has several points, and something depends on it")
        return summed
