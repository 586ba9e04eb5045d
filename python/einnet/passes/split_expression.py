"""`einnet-split-expression`: an operation is computed in two parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from einnet.expr.program import Definition
from einnet.passes.labelled import Labelled
from einnet.passes.module_pass import Example
from einnet.passes.rule_pass import RulePass, parts_labelled
from einnet.rules.merging import split_expression

_EXAMPLE = Example(
    """
func.func @f(%a: tensor<24x20xf32>, %b: tensor<20x35xf32>) -> tensor<24x35xf32> {
  %zero = arith.constant dense<0.0> : tensor<24x35xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<24x20xf32>, tensor<20x35xf32>)
      outs(%zero : tensor<24x35xf32>) -> tensor<24x35xf32>
  return %p : tensor<24x35xf32>
}
""",
    "label=p iterator=d1 at=32",
)


@dataclass(frozen=True, kw_only=True)
class SplitExpression(RulePass):
    """Two operations, labelled `LABEL.part`, compute the points of a parallel loop before `at` and
    those from it on; the operation itself joins them. It is the inverse of `einnet-merge-parallel`.

    The pass refuses a loop that is no parallel one, and a point that leaves one part empty.
    """

    NAME: ClassVar[str] = "einnet-split-expression"
    SUMMARY: ClassVar[str] = "Compute an operation in two parts of a parallel loop"
    EXAMPLE: ClassVar[Example] = _EXAMPLE

    iterator: str = field(metadata={"help": "the parallel loop, such as d1"})
    at: int = field(metadata={"help": "the first point of the second part"})

    def rewrite(self, found: Labelled) -> Sequence[Definition]:
        taken = found.names.taken
        parts = split_expression(found.definition, self.iterator, self.at, taken)
        return parts_labelled(parts, found, "part")
