"""`einnet-fuse`: an operation is computed inside of the one that reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from einnet.expr.nodes import Read, Scope, factors_of
from einnet.passes.labelled import Labelled
from einnet.passes.module_pass import Example
from einnet.passes.producers import is_shared, producers
from einnet.passes.rule_pass import RulePass
from einnet.rules.fusing import fuse
from einnet.rules.rewrite import NotApplicable

_EXAMPLE = Example(
    """
func.func @f(%a: tensor<24x20xf32>, %b: tensor<20x28xf32>) -> tensor<28x24xf32> {
  %zero = arith.constant dense<0.0> : tensor<24x28xf32>
  %empty = tensor.empty() : tensor<28x24xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<24x20xf32>, tensor<20x28xf32>)
      outs(%zero : tensor<24x28xf32>) -> tensor<24x28xf32>
  %t = linalg.transpose ins(%p : tensor<24x28xf32>) outs(%empty : tensor<28x24xf32>)
      permutation = [1, 0] {einnet.label = "t"}
  return %t : tensor<28x24xf32>
}
""",
    "label=t producer=p",
)


@dataclass(frozen=True, kw_only=True)
class Fuse(RulePass):
    """The operation computes what it reads by itself: the one that is labelled `producer`, or,
    without it, every operation that computes an operand for no other reader.
    `einnet-merge-traversals` does so for all operands at once, however many readers they have.

    The pass refuses an operand that is read several times, and a sum that cannot join: that of an
    operand of a nonlinear function, or of a body of several terms.
    """

    NAME: ClassVar[str] = "einnet-fuse"
    SUMMARY: ClassVar[str] = "Compute an operand inside of the operation that reads it"
    EXAMPLE: ClassVar[Example] = _EXAMPLE

    producer: str = field(
        default="",
        metadata={"help": "the label of the operand; without it, all that have no other reader"},
    )

    def rewrite(self, found: Labelled) -> Scope:
        fused, reasons = found.definition, list[str]()
        for producer in producers(found, self.producer):
            name = producer.result.name
            try:
                if not self.producer and is_shared(found.names.values[name], found.operation):
                    raise NotApplicable(f"{name} has other readers; name it: producer=LABEL")
                joined = fuse(fused, producer)
                if _has_nested(joined.scope):
                    raise NotApplicable(
                        f"{name} has a sum, and it is read by several terms or in a call"
                    )
            except NotApplicable as reason:
                reasons.append(str(reason))
            else:
                fused = joined
        if fused is found.definition:
            raise NotApplicable("; ".join(dict.fromkeys(reasons)))
        return fused.scope


def _has_nested(scope: Scope) -> bool:
    return any(isinstance(f, Read) and isinstance(f.source, Scope) for f in factors_of(scope.body))
