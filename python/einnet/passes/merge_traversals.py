"""`einnet-merge-traversals`: the operations that an operation reads are composed into it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from einnet.expr.nodes import Read, Scope, Tensor, factors_of
from einnet.passes.labelled import Labelled
from einnet.passes.module_pass import Example
from einnet.passes.producers import producers
from einnet.passes.replacing import map_reads
from einnet.passes.rule_pass import RulePass
from einnet.rules.fusing import rounds
from einnet.rules.rewrite import NotApplicable
from einnet.rules.traversal_merging import merge_traversals

_EXAMPLE = Example(
    """
func.func @f(%a: tensor<24x20xf32>, %b: tensor<20x28xf32>, %c: tensor<28x32xf32>)
    -> tensor<24x32xf32> {
  %zero = arith.constant dense<0.0> : tensor<24x28xf32>
  %zero1 = arith.constant dense<0.0> : tensor<24x32xf32>
  %q = linalg.matmul ins(%a, %b : tensor<24x20xf32>, tensor<20x28xf32>)
      outs(%zero : tensor<24x28xf32>) -> tensor<24x28xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%q, %c : tensor<24x28xf32>, tensor<28x32xf32>)
      outs(%zero1 : tensor<24x32xf32>) -> tensor<24x32xf32>
  return %p : tensor<24x32xf32>
}
""",
    "label=p",
)

_LIMIT = 256
"""Factors of a composed body: one that is read twice doubles, and without a label everything is
composed into what reads it."""


@dataclass(frozen=True, kw_only=True)
class MergeTraversals(RulePass):
    """The operations that compute its operands are composed into the operation. Only the operations
    that it reads are, not those that they read. One that is used elsewhere too stays for its other
    users; without a label, later operations compose earlier ones with all that was composed into
    those.

    The pass refuses what would become too long, an operation whose operands no operation computes,
    and one where every such operand is a sum that cannot join: that of an operand of a nonlinear
    function, or of a body of several terms.
    """

    NAME: ClassVar[str] = "einnet-merge-traversals"
    SUMMARY: ClassVar[str] = "Compose the producers of an operation into it"
    EXAMPLE: ClassVar[Example] = _EXAMPLE

    def rewrite(self, found: Labelled) -> Scope:
        return merge_producers(found)


def merge_producers(found: Labelled) -> Scope:
    """The expression of the operation over what its producers read.

    Raises NotApplicable if no producer has an expression, or none can be composed.
    """
    made = producers(found)
    computed = {d.result: d.scope for d in made if not rounds(d, found.definition)}
    if not computed:
        raise NotApplicable(f"what it reads is rounded to {made[0].result.dtype}, and that shows")

    def nested(read: Read) -> Read:
        source = read.source
        known = computed.get(source) if isinstance(source, Tensor) else None
        return read if known is None else Read(known, read.index)

    # A producer that could not be composed stays the operation that it is. A sum under an initial
    # value is a part of one, and is computed apart.
    tensors = {scope: tensor for tensor, scope in computed.items()}

    def restored(read: Read) -> Read:
        source = read.source
        known = tensors.get(source) if isinstance(source, Scope) else None
        return read if known is None else Read(known, read.index)

    scope = found.scope
    merged = merge_traversals(replace(scope, body=map_reads(scope.body, nested)))
    size = sum(1 for _ in factors_of(merged.body))
    if size > _LIMIT:
        raise NotApplicable(f"composed, it would have {size} factors, and the limit is {_LIMIT}")
    return replace(merged, body=map_reads(merged.body, restored))
