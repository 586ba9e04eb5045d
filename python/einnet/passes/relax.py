"""`einnet-relax`: a loop is made longer, by points that give 0."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar

from einnet.errors import InputError
from einnet.expr.nodes import Scope
from einnet.passes.labelled import Labelled
from einnet.passes.module_pass import Example
from einnet.passes.rule_pass import RulePass
from einnet.rules.boundary_relaxing import relax
from einnet.rules.rewrite import NotApplicable
from einnet.rules.variable_substitution import find
from einnet.search.normalise import core_of, two_level, with_core

_EXAMPLE = Example(
    """
func.func @f(%a: tensor<24x27xf32>, %b: tensor<27x30xf32>) -> tensor<24x30xf32> {
  %zero = arith.constant dense<0.0> : tensor<24x30xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<24x27xf32>, tensor<27x30xf32>)
      outs(%zero : tensor<24x30xf32>) -> tensor<24x30xf32>
  return %p : tensor<24x30xf32>
}
""",
    "label=p iterator=d1 range=0:32",
)


@dataclass(frozen=True, kw_only=True)
class Relax(RulePass):
    """The loop runs over `range`, which contains its own. A reduction loop adds zeros at the new
    points. For a parallel loop, a larger operation, labelled `LABEL.inner`, has zeros there, and
    the operation itself is the part of it that is read.

    It is the inverse of `einnet-tighten`, and makes extents ones that a target likes. The pass
    refuses a range that does not contain the loop's own or is no larger.
    """

    NAME: ClassVar[str] = "einnet-relax"
    SUMMARY: ClassVar[str] = "Make a loop longer by points that give 0"
    EXAMPLE: ClassVar[Example] = _EXAMPLE

    iterator: str = field(metadata={"help": "the loop, such as d0"})
    range: str = field(metadata={"help": "its new range, half open, such as 0:32 or -1:33"})

    def __post_init__(self) -> None:
        if not re.fullmatch(r"-?\d+:-?\d+", self.range):
            raise InputError(f"'{self.range}' is no range", hint="write two integers: range=0:32")

    def rewrite(self, found: Labelled) -> Scope:
        scope = found.scope
        lo, hi = map(int, self.range.split(":"))
        old = find(scope, self.iterator)
        if old.range == (lo, hi):
            raise NotApplicable(f"{self.iterator} has the range {self.range} already")
        relaxed = relax(scope, self.iterator, lo, hi)
        if old in scope.summation:
            return relaxed
        nested = two_level(scope)
        return with_core(nested, relaxed) if core_of(nested) is not relaxed else relaxed
