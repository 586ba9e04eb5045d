"""`einnet-split-product`: some factors of a product are multiplied and summed first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from einnet.expr.nodes import Scope
from einnet.passes.labelled import Labelled
from einnet.passes.module_pass import Example
from einnet.passes.rule_pass import RulePass
from einnet.rules.summation_splitting import split_product

_EXAMPLE = Example(
    """
func.func @f(%a: tensor<24x20xf32>, %b: tensor<20x28xf32>, %c: tensor<28x32xf32>)
    -> tensor<24x32xf32> {
  %zero = arith.constant dense<0.0> : tensor<24x32xf32>
  %p = linalg.generic {
      indexing_maps = [affine_map<(m, p, k, n) -> (m, k)>, affine_map<(m, p, k, n) -> (k, n)>,
                       affine_map<(m, p, k, n) -> (n, p)>, affine_map<(m, p, k, n) -> (m, p)>],
      iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
      ins(%a, %b, %c : tensor<24x20xf32>, tensor<20x28xf32>, tensor<28x32xf32>)
      outs(%zero : tensor<24x32xf32>) attrs = {einnet.label = "p"} {
  ^bb0(%x: f32, %y: f32, %z: f32, %sum: f32):
    %xy = arith.mulf %x, %y : f32
    %xyz = arith.mulf %xy, %z : f32
    %next = arith.addf %sum, %xyz : f32
    linalg.yield %next : f32
  } -> tensor<24x32xf32>
  return %p : tensor<24x32xf32>
}
""",
    "label=p factors=1,2",
)


@dataclass(frozen=True, kw_only=True)
class SplitProduct(RulePass):
    """The factors at these positions, with the sums that only they depend on, become an operation
    of their own, labelled `LABEL.inner`; the operation multiplies its result by the other factors.
    Repeated, it gives a product of several tensors any order of association.

    Positions count the factors of the product from 0, in the order of the operation's body. The
    pass refuses a sum of several terms, and a choice of all factors.
    """

    NAME: ClassVar[str] = "einnet-split-product"
    SUMMARY: ClassVar[str] = "Multiply some factors of a product first"
    EXAMPLE: ClassVar[Example] = _EXAMPLE

    factors: tuple[int, ...] = field(
        metadata={"help": "positions of the factors that are multiplied first, such as 0,1"}
    )

    def rewrite(self, found: Labelled) -> Scope:
        return split_product(found.scope, self.factors)
