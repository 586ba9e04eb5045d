"""`einnet-unit-factor`: a sum of a tensor's elements becomes a product with ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from einnet.expr.program import Definition
from einnet.passes.labelled import Labelled
from einnet.passes.module_pass import Example
from einnet.passes.rule_pass import RulePass, parts_labelled
from einnet.rules.unit_factor import unit_factor

_EXAMPLE = Example(
    """
func.func @f(%x: tensor<1x8x16x16xf32>) -> tensor<1x8x15x15xf32> {
  %window = tensor.empty() : tensor<2x2xf32>
  %zero = arith.constant dense<0.0> : tensor<1x8x15x15xf32>
  %p = linalg.pooling_nchw_sum {einnet.label = "p"}
      ins(%x, %window : tensor<1x8x16x16xf32>, tensor<2x2xf32>)
      outs(%zero : tensor<1x8x15x15xf32>) -> tensor<1x8x15x15xf32>
  return %p : tensor<1x8x15x15xf32>
}
""",
    "label=p",
)


@dataclass(frozen=True, kw_only=True)
class UnitFactor(RulePass):
    """A sum of elements of one tensor becomes the sum of their products with a tensor of ones,
    labelled `LABEL.ones`: what a library computes as a product or a convolution.

    The pass refuses an operation that is not a sum of one tensor's elements.
    """

    NAME: ClassVar[str] = "einnet-unit-factor"
    SUMMARY: ClassVar[str] = "Multiply what is summed by a tensor of ones"
    EXAMPLE: ClassVar[Example] = _EXAMPLE

    def rewrite(self, found: Labelled) -> Sequence[Definition]:
        return parts_labelled(unit_factor(found.definition, found.names.taken), found, "ones")
