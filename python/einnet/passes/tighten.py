"""`einnet-tighten`: loops shrink to where an operation can be other than 0."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from einnet.expr.nodes import Scope
from einnet.passes.labelled import Labelled
from einnet.passes.module_pass import Example
from einnet.passes.rule_pass import RulePass
from einnet.rules.boundary_tightening import tighten
from einnet.rules.rewrite import NotApplicable
from einnet.search.normalise import core_of, two_level, with_core

_EXAMPLE = Example(
    """
func.func @f(%x: tensor<32xf32>) -> tensor<48xf32> {
  %empty = tensor.empty() : tensor<48xf32>
  %zero = arith.constant 0.0 : f32
  %c8 = arith.constant 8 : index
  %c40 = arith.constant 40 : index
  %p = linalg.generic {
      indexing_maps = [affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
      outs(%empty : tensor<48xf32>) attrs = {einnet.label = "p"} {
  ^bb0(%old: f32):
    %i = linalg.index 0 : index
    %low = arith.cmpi sge, %i, %c8 : index
    %high = arith.cmpi slt, %i, %c40 : index
    %inside = arith.andi %low, %high : i1
    %shifted = arith.subi %i, %c8 : index
    %place = arith.select %inside, %shifted, %c8 : index
    %element = tensor.extract %x[%place] : tensor<32xf32>
    %square = arith.mulf %element, %element : f32
    %value = arith.select %inside, %square, %zero : f32
    linalg.yield %value : f32
  } -> tensor<48xf32>
  return %p : tensor<48xf32>
}
""",
    "label=p",
)


@dataclass(frozen=True, kw_only=True)
class Tighten(RulePass):
    """Reduction loops leave out what adds only zeros: points at which a read is outside of its
    tensor or a guard fails. Where the parallel loops can shrink too, a smaller operation, labelled
    `LABEL.inner`, computes what is not always 0, and the operation itself only puts it into place.

    The pass refuses an operation of several terms, and one that has nothing to leave out.
    """

    NAME: ClassVar[str] = "einnet-tighten"
    SUMMARY: ClassVar[str] = "Shrink loops to where the operation can be other than 0"
    EXAMPLE: ClassVar[Example] = _EXAMPLE

    def rewrite(self, found: Labelled) -> Scope:
        scope = found.scope
        if len(scope.body) != 1:
            raise NotApplicable("only a body of one term is tightened")
        nested = two_level(scope)
        tightened = tighten(core_of(nested))
        if tightened is None:
            return replace(scope, summation=(), body=())
        if tightened is scope:
            raise NotApplicable("no loop has a point that is known to give 0")
        if tightened.traversal == scope.traversal:
            return tightened
        return with_core(nested, tightened)
