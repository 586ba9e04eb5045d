"""`einnet-distribute`: a product with a sum becomes a sum of products."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from einnet.expr.nodes import Scope
from einnet.passes.labelled import Labelled
from einnet.passes.module_pass import Example
from einnet.passes.producers import producers
from einnet.passes.rule_pass import RulePass
from einnet.rules.linearity import distribute
from einnet.rules.rewrite import NotApplicable

_EXAMPLE = Example(
    """
func.func @f(%a: tensor<24x20xf32>, %b: tensor<24x20xf32>, %w: tensor<20x28xf32>)
    -> tensor<24x28xf32> {
  %zero = arith.constant dense<0.0> : tensor<24x28xf32>
  %empty = tensor.empty() : tensor<24x20xf32>
  %s = linalg.add {einnet.label = "s"} ins(%a, %b : tensor<24x20xf32>, tensor<24x20xf32>)
      outs(%empty : tensor<24x20xf32>) -> tensor<24x20xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%s, %w : tensor<24x20xf32>, tensor<20x28xf32>)
      outs(%zero : tensor<24x28xf32>) -> tensor<24x28xf32>
  return %p : tensor<24x28xf32>
}
""",
    "label=p",
)


@dataclass(frozen=True, kw_only=True)
class Distribute(RulePass):
    """An operation that multiplies a sum of tensors multiplies the tensors instead and adds the
    products. `einnet-separate-terms` makes an operation of each product.

    The sum is the operation that computes an operand: the one labelled `producer`, or the first one
    that qualifies. The pass refuses an operation of several terms, and an operand that is not a sum
    of several terms without a summation or a nonlinear function, or that is read more than once.
    """

    NAME: ClassVar[str] = "einnet-distribute"
    SUMMARY: ClassVar[str] = "Multiply the terms of a sum one by one"
    EXAMPLE: ClassVar[Example] = _EXAMPLE

    producer: str = field(
        default="", metadata={"help": "the label of the sum; without it, the first that qualifies"}
    )

    def rewrite(self, found: Labelled) -> Scope:
        reasons: list[str] = []
        for producer in producers(found, self.producer):
            try:
                return distribute(found.definition, producer).scope
            except NotApplicable as reason:
                reasons.append(str(reason))
        raise NotApplicable("; ".join(dict.fromkeys(reasons)))
