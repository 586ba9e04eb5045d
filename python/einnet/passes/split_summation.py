"""`einnet-split-summation`: part of an operation's sum moves to an operation around it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from einnet.expr.nodes import Scope
from einnet.passes.labelled import Labelled
from einnet.passes.module_pass import Example
from einnet.passes.rule_pass import RulePass
from einnet.rules.summation_splitting import split_summation

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
    "label=p iterators=d3",
)


@dataclass(frozen=True, kw_only=True)
class SplitSummation(RulePass):
    """The sums `iterators` stay in the operation; the others move into a new one, labelled
    `LABEL.inner`, that it reads. Factors that do not depend on the inner sums stay outside, so that
    a product of three matrices becomes two products: of the first two where the third's own sum is
    the outer one.

    Without `iterators`, only such factors move. The pass refuses iterators that are no reduction
    loops, and a split that moves nothing.
    """

    NAME: ClassVar[str] = "einnet-split-summation"
    SUMMARY: ClassVar[str] = "Split a sum in two and move factors out of the inner one"
    EXAMPLE: ClassVar[Example] = _EXAMPLE

    iterators: tuple[str, ...] = field(
        default=(),
        metadata={"help": "its reduction loops, such as d2, that become the outer sum"},
    )
    hoist: bool = field(
        default=True, metadata={"help": "whether factors free of the inner sums move out"}
    )

    def rewrite(self, found: Labelled) -> Scope:
        return split_summation(found.scope, self.iterators, hoist=self.hoist)
