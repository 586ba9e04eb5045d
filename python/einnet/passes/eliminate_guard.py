"""`einnet-eliminate-guard`: a condition that decides a reduction loop takes its place."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

from einnet.expr.nodes import Scope
from einnet.passes.labelled import Labelled
from einnet.passes.module_pass import Example
from einnet.passes.rule_pass import RulePass
from einnet.rules.guard_elimination import eliminate_guards, split_residues
from einnet.rules.rewrite import NotApplicable

_EXAMPLE = Example(
    """
func.func @f(%x: tensor<16xf32>, %w: tensor<2xf32>) -> tensor<32xf32> {
  %empty = tensor.empty() : tensor<32xf32>
  %zero = arith.constant 0.0 : f32
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<32xf32>) -> tensor<32xf32>
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %p = linalg.generic {
      indexing_maps = [affine_map<(i, r) -> (r)>, affine_map<(i, r) -> (i)>],
      iterator_types = ["parallel", "reduction"]}
      ins(%w : tensor<2xf32>) outs(%init : tensor<32xf32>) attrs = {einnet.label = "p"} {
  ^bb0(%k: f32, %sum: f32):
    %i = linalg.index 0 : index
    %r = linalg.index 1 : index
    %d = arith.subi %i, %r : index
    %rest = arith.remsi %d, %c2 : index
    %even = arith.cmpi eq, %rest, %c0 : index
    %positive = arith.cmpi sge, %d, %c0 : index
    %inside = arith.andi %even, %positive : i1
    %half = arith.divsi %d, %c2 : index
    %place = arith.select %inside, %half, %c0 : index
    %element = tensor.extract %x[%place] : tensor<16xf32>
    %product = arith.mulf %element, %k : f32
    %value = arith.select %inside, %product, %zero : f32
    %next = arith.addf %sum, %value : f32
    linalg.yield %next : f32
  } -> tensor<32xf32>
  return %p : tensor<32xf32>
}
""",
    "label=p",
)


@dataclass(frozen=True, kw_only=True)
class EliminateGuard(RulePass):
    """Where a condition can hold at one point of a reduction loop only, that point is computed and
    the loop goes: the transposed convolution that asks of every point of its window whether it is
    on the grid becomes one that visits the points of the grid. Conditions that always hold go too.

    A condition modulo k decides a loop of at most k points; with `split`, a longer one is split by
    k first. The pass refuses an operation of several terms, and one without such a condition.
    """

    NAME: ClassVar[str] = "einnet-eliminate-guard"
    SUMMARY: ClassVar[str] = "Replace reduction loops by the only point that a condition leaves"
    EXAMPLE: ClassVar[Example] = _EXAMPLE

    split: bool = field(
        default=False, metadata={"help": "whether loops longer than the modulus are split first"}
    )

    def rewrite(self, found: Labelled) -> Scope:
        scope = found.scope
        if len(scope.body) != 1:
            raise NotApplicable("conditions are eliminated from a body of one term only")
        eliminated = eliminate_guards(scope)
        while self.split and eliminated is not None:
            divided = split_residues(eliminated)
            if divided is eliminated:
                break
            eliminated = eliminate_guards(divided)
        if eliminated is None:
            return replace(scope, summation=(), body=())
        if eliminated == scope:
            raise NotApplicable("no condition decides a reduction loop")
        return eliminated
