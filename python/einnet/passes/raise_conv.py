"""`einnet-raise-conv`: spelled-out convolutions back to the operators that they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import ClassVar

from mlir import ir

from einnet.bridge.attributes import LIBRARY, OPERATOR
from einnet.bridge.composition import replace_sources
from einnet.bridge.emit_windowed import in_named_order, named
from einnet.bridge.lift import lift_operation
from einnet.bridge.natural import mods, moves, natural_scope
from einnet.expr.index import Index, constant, var
from einnet.expr.nodes import Iterator, Read, Scope, Tensor, Term, fresh_name
from einnet.expr.program import Definition, Windowed
from einnet.expr.radix import parts_of
from einnet.expr.transform import inline_reads
from einnet.operators.contraction import Match
from einnet.operators.convolution import library_convolution, transposed_convolution
from einnet.passes.labelled import Labelled, TensorNames, operations_of
from einnet.passes.module_pass import Example, Target
from einnet.passes.proving import require_equal
from einnet.passes.rule_pass import RulePass
from einnet.program.convolutions import as_written, spatial_rank
from einnet.program.subprograms import is_contraction
from einnet.rules.rewrite import NotApplicable
from einnet.search.converge import Limits
from einnet.search.record import SILENT
from einnet.search.strategy import strategy

_SPLIT = "split"
"""The only step of a search that derives nothing: it names the digits of an iterator."""

_LIMITS = Limits(total=200)

_CONVOLUTIONS = ("linalg.conv_", "linalg.depthwise_conv_")

_EXAMPLE = Example(
    """
func.func @f(%x: tensor<1x8x4x4xf32>, %w: tensor<8x6x4x4xf32>)
    -> tensor<1x6x8x8xf32> {
  %zero = arith.constant 0.0 : f32
  %e0 = tensor.empty() : tensor<1x8x11x11xf32>
  %blank = linalg.fill ins(%zero : f32) outs(%e0 : tensor<1x8x11x11xf32>) -> tensor<1x8x11x11xf32>
  %stuffed = tensor.insert_slice %x into %blank[0, 0, 2, 2] [1, 8, 4, 4] [1, 1, 2, 2]
      : tensor<1x8x4x4xf32> into tensor<1x8x11x11xf32>
  %e1 = tensor.empty() : tensor<6x8x4x4xf32>
  %flipped = linalg.generic {
      indexing_maps = [affine_map<(f, c, r, s) -> (f, c, r, s)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      outs(%e1 : tensor<6x8x4x4xf32>) {
  ^bb0(%old: f32):
    %f = linalg.index 0 : index
    %c = linalg.index 1 : index
    %r = linalg.index 2 : index
    %s = linalg.index 3 : index
    %three = arith.constant 3 : index
    %up = arith.subi %three, %r : index
    %left = arith.subi %three, %s : index
    %e = tensor.extract %w[%c, %f, %up, %left] : tensor<8x6x4x4xf32>
    linalg.yield %e : f32
  } -> tensor<6x8x4x4xf32>
  %e2 = tensor.empty() : tensor<1x6x8x8xf32>
  %init = linalg.fill ins(%zero : f32) outs(%e2 : tensor<1x6x8x8xf32>) -> tensor<1x6x8x8xf32>
  %y = linalg.conv_2d_nchw_fchw {einnet.label = "up"}
      ins(%stuffed, %flipped : tensor<1x8x11x11xf32>, tensor<6x8x4x4xf32>)
      outs(%init : tensor<1x6x8x8xf32>) -> tensor<1x6x8x8xf32>
  return %y : tensor<1x6x8x8xf32>
}
""",
    "label=up",
)


@dataclass(frozen=True, kw_only=True)
class RaiseConv(RulePass):
    """Movements of the operands (pads, strided inserts into zeros, flips, gathers, transpositions,
    reshapes) are composed into an operation that sums products of two tensors. If what is left is a
    convolution, with strides, dilations and groups, or a transposed one, it takes the place of the
    operation and of the movements that nothing else uses:

    - a convolution becomes the `linalg.conv_*` or `linalg.depthwise_conv_*` of its layouts, with
      `tensor.pad` before it;
    - a transposed convolution, for which linalg has no name, becomes one `linalg.generic` over the
      tensors as they are, with `tensor.extract` behind conditions where it reads the image; so does
      a convolution of layouts for which there is no name.

    Either carries `einnet.operator`, the operator in words, such as
    `conv_transpose2d(kernel=4x4, stride=2x2, padding=1x1)`; the padding of a transposed convolution
    is counted as frameworks do. An im2col becomes reshapes around the convolution.

    Each result is proved equal to what it replaces. The pass refuses what is no convolution, what
    cannot be proved, and named convolutions, unless they are transposed ones spelled out.
    """

    NAME: ClassVar[str] = "einnet-raise-conv"
    SUMMARY: ClassVar[str] = "Raise zero-stuffing, im2col and affine loops to convolutions"
    EXAMPLE: ClassVar[Example] = _EXAMPLE

    def run(self, target: Target) -> ir.Module:
        tagged = [o for o in operations_of(target) if LIBRARY in o.attributes]
        module = super().run(target)
        for operation in operations_of(target):
            # Which library computes it is not decided here.
            if LIBRARY in operation.attributes and not any(operation == o for o in tagged):
                del operation.attributes[LIBRARY]
        return module

    def rewrite(self, found: Labelled) -> Sequence[Definition]:
        for attribute in (OPERATOR, LIBRARY):
            if attribute in found.operation.attributes:
                raise NotApplicable(f"it has an {attribute} already")
        if not is_contraction(found.definition):
            raise NotApplicable("it is no sum of products of two tensors")
        is_named = found.operation.name.startswith(_CONVOLUTIONS)
        for composed, definitions in _best_first(found):
            if is_named and not any(_is_transposed(d) for d in definitions):
                continue
            before = (*composed.movements, found.definition)
            require_equal(before, definitions, found.definition.result)
            return definitions
        if is_named:
            raise NotApplicable("it is a named convolution already, of what its operands are")
        raise NotApplicable(
            "no dimension of an operand is read at a traversal iterator plus a summation iterator"
        )


def _best_first(found: Labelled) -> list[tuple[_Composed, tuple[Definition, ...]]]:
    """The convolutions that the operation is: those with a name, and transposed ones, first; then
    those with more of the operands' movements composed."""
    raised = [
        (composed, definitions)
        for composed in _compositions(found)
        for definitions in (
            _written(composed.definition),
            _derived(composed.definition, found.names.taken),
        )
        if definitions
    ]
    return sorted(raised, key=lambda one: not any(named(d) or _is_transposed(d) for d in one[1]))


def _is_transposed(definition: Definition) -> bool:
    library = definition.library
    return isinstance(library, Windowed) and any(w.transposed for w in library.windows)


# Movements ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Composed:
    """The operation over what its movements read, and the definitions of these movements."""

    definition: Definition
    movements: tuple[Definition, ...]


def _compositions(found: Labelled) -> list[_Composed]:
    """The operation with the movements that line up with it; with all that can be composed; by
    itself."""
    made: list[_Composed] = []
    for limited in (True, False):
        movements: dict[str, Definition] = {}
        scope = _compose(found.scope, found.names, movements, limited=limited)
        made.append(_Composed(replace(found.definition, scope=scope), tuple(movements.values())))
    made.append(_Composed(replace(found.definition, scope=natural_scope(found.scope)), ()))
    return list({composed.definition: composed for composed in reversed(made)}.values())[::-1]


def _compose(
    scope: Scope, names: TensorNames, movements: dict[str, Definition], *, limited: bool
) -> Scope:
    """The scope with the movements that it reads composed into it; they are added to `movements`,
    each after those that it reads. With `limited`, only those that leave no `mod` in an index."""
    scope = natural_scope(scope)
    limit = mods(scope)
    for tensor in dict.fromkeys(t for r in _reads(scope) if (t := _tensor(r))):
        inner: dict[str, Definition] = {}
        movement = _movement(tensor, names, inner, limited=limited)
        if movement is None:
            continue
        composed = natural_scope(inline_reads(replace_sources(scope, {tensor.name: movement})))
        if not limited or mods(composed) <= limit:
            scope = composed
            movements.update(inner)
    return scope


def _movement(
    tensor: Tensor, names: TensorNames, movements: dict[str, Definition], *, limited: bool
) -> Scope | None:
    """What computes the tensor, if it only moves elements of another, or is a constant."""
    value = names.values.get(tensor.name)
    if value is None or isinstance(value.owner, ir.Block):
        return None
    lifted = lift_operation(value.owner, names)
    if lifted is None or len(lifted) != 1:
        return None
    (definition,) = lifted
    scope = _compose(definition.scope, names, movements, limited=limited)
    if not moves(scope, tensor):
        return None
    movements[tensor.name] = definition
    return scope


def _reads(scope: Scope) -> list[Read]:
    return [read for term in scope.body for read in term.reads]


def _tensor(read: Read) -> Tensor | None:
    return read.source if isinstance(read.source, Tensor) else None


# Operators ------------------------------------------------------------------------------------


def _written(definition: Definition) -> tuple[Definition, ...]:
    """The definition as the convolution that it is as it stands; empty if it is none."""
    match = as_written(definition) if is_contraction(definition) else None
    return () if match is None else (_operator(match, definition),)


def _operator(match: Match, definition: Definition) -> Definition:
    groups = (match.row("b"), match.row("m"), match.row("n"), match.row("k"))
    library = Windowed(match.target.name, *groups, match.windows)
    core = match.core
    body = (replace(core.term, factors=match.operands),)
    return replace(definition, scope=replace(core, body=body), library=library)


def _derived(definition: Definition, taken: set[str]) -> tuple[Definition, ...]:
    """The convolution that the definition is once the digits of its iterators have names: views of
    the operands, the convolution, and what puts its elements into place. Empty if it is none."""
    rank = spatial_rank(definition.scope) if is_contraction(definition) else 0
    if not rank:
        return ()
    for target in (
        library_convolution(rank, groups=True),
        transposed_convolution(rank, groups=True),
    ):
        result = strategy("converging")(definition.scope, lambda _: 0.0, _LIMITS, target, SILENT)
        for found in sorted(result.found, key=lambda f: len(f.state.steps)):
            scope: Scope = found.state.scope
            if scope.summation or any(s.rule != _SPLIT for s in found.state.steps):
                continue
            definitions = _separated(definition, found.match, set(taken))
            if definitions:
                return definitions
    return ()


def _separated(definition: Definition, match: Match, taken: set[str]) -> tuple[Definition, ...]:
    """The definitions of a match whose operands are read at digits of their indices."""
    core = match.core
    views: list[Definition] = []
    factors: list[Read] = []
    for read in core.term.reads:
        view, inner = _viewed(read, core, taken)
        if view is not None:
            views.append(replace(view, label=f"{definition.label}.view"))
        factors.append(inner)
    name = fresh_name(f"{definition.result.name}_convolution", taken)
    taken.add(name)
    tensor = Tensor(name, core.extents, definition.result.dtype)
    body = (replace(core.term, factors=tuple(factors)),)
    written = _written(Definition(tensor, replace(core, body=body), definition.label))
    if not written:
        return ()
    operator = replace(in_named_order(written[0]), label=f"{definition.label}.convolution")
    laid_out: tuple[Definition, ...] = ()
    if operator.scope != written[0].scope:
        # Apart from the reshape, which is a view then.
        moved = Tensor(fresh_name(f"{name}_layout", taken), core.extents, tensor.dtype)
        read = Read(operator.result, tuple(var(i.name) for i in operator.scope.traversal))
        scope = Scope(core.traversal, (), (Term((read,)),))
        laid_out = (Definition(moved, scope, f"{definition.label}.layout"),)
        tensor = moved
    outer = match.scope
    factor = Read(tensor, outer.term.reads[0].index)
    body = (replace(outer.term, factors=(factor, *outer.term.factors[1:])),)
    last = replace(definition, scope=replace(outer, body=body))
    return (*views, operator, *laid_out, last)


def _viewed(read: Read, core: Scope, taken: set[str]) -> tuple[Definition | None, Read]:
    """The operand with a dimension for each digit of its indices, and the read of it; None and the
    read itself where it has them already. New names are added to `taken`."""
    source = read.source
    assert isinstance(source, Tensor)
    digits = [_digits(e, extent, core) for e, extent in zip(read.index, source.shape, strict=True)]
    if all(len(d) == 1 for d in digits):
        return None, read
    traversal: list[Iterator] = []
    whole: list[Index] = []
    for dimension, extent in zip(digits, source.shape, strict=True):
        position = constant(0)
        for digit in dimension:
            size = extent if len(dimension) == 1 else core.ranges[digit.name or ""].extent
            iterator = Iterator(f"v{len(traversal)}", 0, size)
            traversal.append(iterator)
            position = position * size + var(iterator.name)
        whole.append(position)
    name = fresh_name(f"{source.name}_view", taken)
    taken.add(name)
    scope = Scope(tuple(traversal), (), (Term((Read(source, tuple(whole)),)),))
    tensor = Tensor(name, scope.extents, source.dtype)
    return Definition(tensor, scope), Read(tensor, tuple(e for d in digits for e in d))


def _digits(index: Index, extent: int, core: Scope) -> tuple[Index, ...]:
    """The index as digits that are an iterator each and fill the dimension, else itself alone."""
    parts = parts_of(index, core.ranges)
    names = [part.name for part in parts]
    sizes = [core.ranges[name].extent for name in names if name is not None]
    full = len(sizes) == len(parts) > 1 and prod(sizes) == extent and index.const == 0
    return parts if full else (index,)
