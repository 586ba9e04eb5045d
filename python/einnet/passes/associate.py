"""`einnet-associate`: a product of several tensors in its cheapest order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from mlir import ir

from einnet.bridge.attributes import WEIGHT
from einnet.expr.program import Definition
from einnet.operators.cost import CPU
from einnet.passes.labelled import DATA, Labelled
from einnet.passes.module_pass import Example
from einnet.passes.replacing import producers_used
from einnet.passes.rule_pass import RulePass, parts_labelled
from einnet.rules.rewrite import NotApplicable
from einnet.search.association import MAX_FACTORS, associate

_EXAMPLE = Example(
    """
func.func @f(%x: tensor<1024x32xf32>, %a: tensor<32x1024xf32> {einnet.weight = "a"},
             %b: tensor<1024x32xf32> {einnet.weight = "b"})
    -> tensor<1024x32xf32> {
  %zero = arith.constant dense<0.0> : tensor<1024x32xf32>
  %p = linalg.generic {
      indexing_maps = [affine_map<(m, p, k, n) -> (m, k)>, affine_map<(m, p, k, n) -> (k, n)>,
                       affine_map<(m, p, k, n) -> (n, p)>, affine_map<(m, p, k, n) -> (m, p)>],
      iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %a, %b : tensor<1024x32xf32>, tensor<32x1024xf32>, tensor<1024x32xf32>)
      outs(%zero : tensor<1024x32xf32>) attrs = {einnet.label = "p"} {
  ^bb0(%u: f32, %v: f32, %w: f32, %sum: f32):
    %uv = arith.mulf %u, %v : f32
    %uvw = arith.mulf %uv, %w : f32
    %next = arith.addf %sum, %uvw : f32
    linalg.yield %next : f32
  } -> tensor<1024x32xf32>
  return %p : tensor<1024x32xf32>
}
""",
    "label=p",
)


@dataclass(frozen=True, kw_only=True)
class Associate(RulePass):
    """A sum over a product of three to eight tensors becomes products of two, labelled
    `LABEL.product`, in the order that is estimated to take the least time. What depends on weights
    (`einnet.weight`) and constants alone counts as free, since it is computed once: constant
    operands are combined.

    Compose a chain of products with `einnet-merge-traversals` first. The pass refuses any other
    form.
    """

    NAME: ClassVar[str] = "einnet-associate"
    SUMMARY: ClassVar[str] = "Compute a product of several tensors in its cheapest order"
    EXAMPLE: ClassVar[Example] = _EXAMPLE

    def rewrite(self, found: Labelled) -> Sequence[Definition]:
        values = found.names.values
        operands = found.definition.operands
        constants = frozenset(t.name for t in operands if _is_constant(values[t.name]))
        association = associate(found.definition, constants, CPU, found.names.taken)
        if association is None:
            raise NotApplicable(
                f"it is not a sum over one product of three to {MAX_FACTORS} tensors"
            )
        return parts_labelled(association.definitions, found, "product")


def _is_constant(value: ir.Value) -> bool:
    """Whether the value depends on weights and constants alone."""
    owner = value.owner
    if isinstance(owner, ir.Block):
        return _is_weight(ir.BlockArgument(value))
    operation = owner.operation
    if operation.name in DATA:
        return True
    pure = operation.name.startswith(("linalg.", "tensor.", "arith."))
    read = (*(v for v in operation.operands), *producers_used(operation))
    return pure and bool(read) and all(map(_is_constant, read))


def _is_weight(argument: ir.BlockArgument) -> bool:
    parent = argument.owner.owner
    if parent.operation.name != "func.func" or "arg_attrs" not in parent.operation.attributes:
        return False
    attributes = ir.ArrayAttr(parent.operation.attributes["arg_attrs"])
    return WEIGHT in ir.DictAttr(attributes[argument.arg_number])
