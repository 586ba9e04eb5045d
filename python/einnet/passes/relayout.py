"""`einnet-relayout`: an operand is laid out anew, as an operation of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from einnet.expr.nodes import Scope
from einnet.passes.labelled import Labelled
from einnet.passes.module_pass import Example
from einnet.passes.rule_pass import RulePass
from einnet.rules.layout import relayout

_EXAMPLE = Example(
    """
func.func @f(%x: tensor<1x10x10x8xf32>, %w: tensor<3x3x8x16xf32>) -> tensor<1x8x8x16xf32> {
  %zero = arith.constant dense<0.0> : tensor<1x8x8x16xf32>
  %p = linalg.conv_2d_nhwc_hwcf {einnet.label = "p"}
      ins(%x, %w : tensor<1x10x10x8xf32>, tensor<3x3x8x16xf32>)
      outs(%zero : tensor<1x8x8x16xf32>) -> tensor<1x8x8x16xf32>
  return %p : tensor<1x8x8x16xf32>
}
""",
    "label=p factor=0 order=d0,d1,d2,d4,d5,d6",
)


@dataclass(frozen=True, kw_only=True)
class Relayout(RulePass):
    """The operand is copied, by an operation labelled `LABEL.inner`, to a tensor whose dimensions
    are the given loops, in their order. What is read several times is stored several times, as
    im2col does: in the example the convolution becomes a product of matrices.

    The pass refuses a sum of several terms, and an order that is not one of exactly the loops that
    the operand's index depends on.
    """

    NAME: ClassVar[str] = "einnet-relayout"
    SUMMARY: ClassVar[str] = "Copy an operand to a layout in the order of given loops"
    EXAMPLE: ClassVar[Example] = _EXAMPLE

    factor: int = field(default=0, metadata={"help": "position of the operand in the product"})
    order: tuple[str, ...] = field(
        metadata={"help": "the loops that the operand depends on, such as d2,d0, outermost first"}
    )

    def rewrite(self, found: Labelled) -> Scope:
        return relayout(found.scope, self.factor, self.order)
