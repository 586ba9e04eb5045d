"""`einnet-match-operators`: operations that a library computes, tagged, without any search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from einnet.bridge.attributes import LIBRARY
from einnet.bridge.emit_product import is_read_in_place
from einnet.bridge.natural import natural_scope
from einnet.expr.index import var
from einnet.expr.nodes import Scope, Tensor
from einnet.expr.program import Definition, Library, Product, Statement, Windowed
from einnet.operators import contraction
from einnet.operators.contraction import Match
from einnet.operators.cost import CPU, h100
from einnet.operators.product import PRODUCT
from einnet.options import TARGETS
from einnet.passes.labelled import Labelled
from einnet.passes.matching_refusals import (
    convolution_mismatch,
    product_mismatch,
    require_contraction,
)
from einnet.passes.module_pass import Example
from einnet.passes.options import OptionError
from einnet.passes.proving import require_equal
from einnet.passes.rule_pass import RulePass
from einnet.program.convolutions import as_written, channels_last
from einnet.rules.rewrite import NotApplicable
from einnet.search.converge import Limits
from einnet.search.record import SILENT
from einnet.search.strategy import strategy

_SPLIT = "split"
"""The only step of a search that derives nothing: it names the digits of an iterator."""

_LIMITS = Limits(total=100)

_EXAMPLE = Example(
    """
func.func @f(%a: tensor<24x20xf32>, %b: tensor<28x20xf32>, %old: tensor<24x28xf32>)
    -> tensor<24x28xf32> {
  %p = linalg.generic {
      indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>,
                       affine_map<(m, n, k) -> (m, n)>],
      iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a, %b : tensor<24x20xf32>, tensor<28x20xf32>) outs(%old : tensor<24x28xf32>)
      attrs = {einnet.label = "p"} {
  ^bb0(%x: f32, %y: f32, %sum: f32):
    %xy = arith.mulf %x, %y : f32
    %next = arith.addf %sum, %xy : f32
    linalg.yield %next : f32
  } -> tensor<24x28xf32>
  return %p : tensor<24x28xf32>
}
""",
    "label=p",
)


@dataclass(frozen=True, kw_only=True)
class MatchOperators(RulePass):
    """An operation that is a library operator of the target as it stands becomes the named
    operation, tagged `einnet.library`, with operands and result laid out as the library has them:

    - a product of two tensors, each of whose dimensions is one loop, becomes a `linalg.matmul`, a
      `linalg.batch_matmul` or a `linalg.contract` (cpu and cuda: `"blas"`);
    - a convolution, also a transposed one that `einnet-raise-conv` made, becomes one with channels
      last (cuda: `"cudnn"`).

    Nothing is derived: `einnet-optimize` searches for what an operation can become. Each result is
    proved equal to what it replaces. Operations that match nothing stay; with a label, the error
    says which loop, dimension or row is in the way.
    """

    NAME: ClassVar[str] = "einnet-match-operators"
    SUMMARY: ClassVar[str] = "Tag what a library computes as it is written"
    EXAMPLE: ClassVar[Example] = _EXAMPLE

    target: str = field(
        default="cpu", metadata={"help": f"whose libraries there are: {', '.join(TARGETS)}"}
    )

    def __post_init__(self) -> None:
        if self.target not in TARGETS:
            raise OptionError(
                "target", f"unknown target '{self.target}'", hint=f"targets: {', '.join(TARGETS)}"
            )

    def rewrite(self, found: Labelled) -> Sequence[Definition]:
        if LIBRARY in found.operation.attributes:
            raise NotApplicable(f"it has an {LIBRARY} already")
        scope = natural_scope(found.scope)
        require_contraction(scope)
        self._require_types(found.definition)
        result, taken = found.definition.result, set(found.names.taken)
        definition = Definition(result, scope, found.label)
        if self.target == "cuda":
            written = as_written(definition)
            if written is not None:
                plan = contraction.plan(written, result, taken, found.label)
                return _proved(found, channels_last(plan, taken))
        match = _product(scope)
        if match is None:
            reason = f"it is no product: {product_mismatch(scope)}"
            if self.target == "cuda":
                reason += f"; and no convolution: {convolution_mismatch(scope)}"
            raise NotApplicable(reason)
        in_place = _in_place(match, result)
        plan = in_place or contraction.plan(match, result, taken, found.label)
        return _proved(found, plan)

    def _require_types(self, definition: Definition) -> None:
        types = (CPU if self.target == "cpu" else h100("fp32")).types
        for tensor in (definition.result, *definition.operands):
            if tensor.dtype not in types:
                raise NotApplicable(
                    f"no library of {self.target} has elements of type {tensor.dtype}; they have"
                    f" {', '.join(types)}"
                )
            if tensor.dtype != definition.result.dtype:
                raise NotApplicable(
                    f"libraries add in the type of the factors: no product of {tensor.dtype} has a"
                    f" result of {definition.result.dtype}"
                )


def _proved(found: Labelled, plan: Sequence[Statement]) -> Sequence[Definition]:
    """The plan, each of its parts labelled after the operation."""
    definitions = [s for s in plan if isinstance(s, Definition)]
    require_equal([found.definition], definitions, found.definition.result)
    result = found.definition.result
    return [replace(d, label=found.label + _suffix(d, result)) for d in definitions]


def _suffix(definition: Definition, result: Tensor) -> str:
    if definition.result == result:
        return ""
    library: Library | None = definition.library
    if library is None:
        return ".layout"
    return ".convolution" if isinstance(library, Windowed) else ".product"


def _product(scope: Scope) -> Match | None:
    """The product of matrices that the scope is once the digits of its iterators have names."""
    result = strategy("converging")(scope, lambda _: 0.0, _LIMITS, PRODUCT, SILENT)
    for found in sorted(result.found, key=lambda f: len(f.state.steps)):
        outer: Scope = found.state.scope
        if not outer.summation and all(s.rule == _SPLIT for s in found.state.steps):
            return found.match
    return None


def _in_place(match: Match, result: Tensor) -> tuple[Definition, ...]:
    """The product with its operands and its result as they are stored; empty if no library has
    them so."""
    core, outer = match.core, match.scope
    names = [i.name for i in core.traversal]
    identity = tuple(var(i.name) for i in outer.traversal)
    plain = outer.term.reads[0].index == identity and len(outer.term.factors) == 1
    if not plain or outer.term.guards or core.extents != outer.extents:
        return ()
    if outer.term.coefficient != 1:
        return ()
    for operands, rows in ((match.operands, "mn"), (match.operands[::-1], "nm")):
        batch, m, n = (tuple(x for x in names if x in match.row(r)) for r in ("b", *rows))
        held = [e.name for e in operands[0].index]
        k = tuple(x for x in held if x is not None and x in match.row("k"))
        product = Product(batch, m, n, k)
        body = (replace(core.term, factors=operands),)
        definition = Definition(result, replace(core, body=body), library=product)
        if names == [*batch, *m, *n] and is_read_in_place(definition, product):
            return (definition,)
    return ()
