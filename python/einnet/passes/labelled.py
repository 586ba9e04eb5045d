"""Operations as expressions: chosen by their label, or all that have one.

Rule passes name an operation by its attribute `einnet.label`, and its iterators d0, d1, ...: the
loops of its `linalg.generic` form in linalg's order. Traversal iterators are the parallel loops,
summation iterators the reductions; an operation of another dialect has its result's dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

from mlir import ir

from einnet.bridge.attributes import LABEL
from einnet.bridge.composition import unused_name
from einnet.bridge.generic import indexing_maps
from einnet.bridge.lift import lift_operation
from einnet.errors import InputError, Location
from einnet.expr.nodes import Scope, Tensor, fresh_name
from einnet.expr.program import Definition
from einnet.expr.transform import rename
from einnet.passes.module_pass import Target
from einnet.passes.options import OptionError
from einnet.toolchain.mlir import locate

DATA = frozenset(("arith.constant", "tensor.empty", "linalg.fill"))
"""Operations that hold tensors rather than compute them."""


@dataclass(frozen=True)
class Labelled:
    """An operation as an expression, and the label of what takes its place.

    `scope` is over d0, d1, ... and reads tensors that `names` has; its result is called as much
    like the label as can be. `rest` are the definitions that follow it: the addition of an initial
    value to the sum.
    """

    label: str
    operation: ir.Operation
    definition: Definition
    rest: tuple[Definition, ...]
    names: TensorNames
    filename: str

    @property
    def scope(self) -> Scope:
        return self.definition.scope

    def refusal(self, pass_name: str, reason: str) -> InputError:
        """The error that says why a pass does not apply to the operation."""
        return InputError(
            f"{pass_name} does not apply to '{self.operation.name}': {reason}",
            location=locate(self.operation.location, self.filename),
            hint=f"the operation is {self.scope}",
        )


class TensorNames:
    """Names for the tensors that expressions read: the labels of what computes them, or numbers."""

    def __init__(self) -> None:
        self.tensors: dict[ir.Value, Tensor] = {}
        self.numbers = count()

    def __call__(self, value: ir.Value) -> Tensor:
        if value not in self.tensors:
            owner = value.owner
            label = None if isinstance(owner, ir.Block) else label_of(owner.operation)
            self.name(value, label or f"t{next(self.numbers)}")
        return self.tensors[value]

    def name(self, value: ir.Value, wanted: str) -> None:
        """Call a value that has no name yet as wanted, or as near to it as can be."""
        if value in self.tensors:
            return
        # Without points, which mark the names that lifting makes up.
        name = unused_name(wanted.replace(".", "_"), self.taken)
        type_ = value.type
        if isinstance(type_, ir.RankedTensorType) and type_.has_static_shape:
            tensor = Tensor(name, tuple(type_.shape), str(type_.element_type))
        else:
            tensor = Tensor(name, (), str(type_))
        self.tensors[value] = tensor

    @property
    def taken(self) -> set[str]:
        return {tensor.name for tensor in self.tensors.values()}

    @property
    def values(self) -> dict[str, ir.Value]:
        return {tensor.name: value for value, tensor in self.tensors.items()}


def find(target: Target, pass_name: str, label: str, names: TensorNames | None = None) -> Labelled:
    """The only operation with this label. Raises InputError if there is none, or several."""
    by_label: dict[str, list[ir.Operation]] = {}
    for operation in operations_of(target):
        known = label_of(operation)
        if known is not None:
            by_label.setdefault(known, []).append(operation)
    operations = by_label.get(label, [])
    if not operations:
        raise InputError(
            f'{pass_name}: no operation has {LABEL} = "{label}"',
            location=Location(target.filename),
            hint=f"labels: {', '.join(sorted(by_label)) or 'none'}",
        )
    operation = operations[0]
    place = locate(operation.location, target.filename)
    if len(operations) > 1:
        raise InputError(
            f'{pass_name}: {len(operations)} operations have {LABEL} = "{label}"',
            location=locate(operations[1].location, target.filename),
            hint=f"the first one is at {place}",
        )
    found = as_expression(operation, label, names or TensorNames(), target.filename)
    if found is None:
        raise InputError(
            f"{pass_name} does not apply to '{operation.name}': it has no expression",
            location=place,
            hint="an expression is a sum of products of floating-point tensors of static shape, "
            "and has one result",
        )
    return found


def require_group(labels: Sequence[str]) -> None:
    """Raise OptionError unless the option `labels` is empty or names several operations, each
    once."""
    if not all(labels):
        raise OptionError("labels", "a label is empty", hint="labels=a,b names two operations")
    if len(labels) == 1:
        raise OptionError("labels", "one label is no group", hint="labels=a,b names two operations")
    twice = [label for number, label in enumerate(labels) if label in labels[:number]]
    if twice:
        raise OptionError("labels", f"the label {twice[0]} is given twice")


def every(target: Target) -> Iterator[ir.Operation]:
    """The operations that compute one tensor: what a pass without a label tries."""
    for operation in operations_of(target):
        results = operation.results
        if operation.name not in DATA and len(results) == 1:
            type_ = results[0].type
            if isinstance(type_, ir.RankedTensorType) and type_.has_static_shape:
                yield operation


def as_expression(
    operation: ir.Operation, label: str, names: TensorNames, filename: str
) -> Labelled | None:
    """The operation under a label; None if it has no expression, or not one result, of floats.

    Integers are left alone: what would be emitted for them cannot be lifted again, nor proved.
    """
    if len(operation.results) != 1 or not _has_floats(operation.results[0].type):
        return None
    names.name(operation.results[0], label)
    definitions = lift_operation(operation, names, label)
    if definitions is None:
        return None
    first, *rest = definitions
    named = replace(first, scope=rename(first.scope, _loop_names(operation, first.scope)))
    return Labelled(label, operation, named, tuple(rest), names, filename)


def own_label(operation: ir.Operation, taken: set[str]) -> str:
    """The operation's label; without one, what it is, numbered as is not `taken` yet."""
    known = label_of(operation)
    if known is not None:
        return known
    kind = operation.name.split(".", 1)[-1]
    return fresh_name(f"{kind}0", taken) if kind in taken else kind


def labels_in(target: Target) -> set[str]:
    """The labels of the whole module."""
    operations = operations_in(target.module.operation)
    return {label for o in operations if (label := label_of(o)) is not None}


def label_of(operation: ir.Operation) -> str | None:
    attribute = operation.attributes.get(LABEL)
    return attribute.value if isinstance(attribute, ir.StringAttr) else None


def operations_of(target: Target) -> list[ir.Operation]:
    """The operations that the pass is run on, in the order of the text."""
    return [operation for root in target.roots() for operation in operations_in(root)]


def operations_in(root: ir.Operation) -> list[ir.Operation]:
    """The operations in `root`, without itself, in the order of the text."""
    found: list[ir.Operation] = []

    def visit(view: ir.Operation) -> ir.WalkResult:
        found.append(view.operation)
        return ir.WalkResult.ADVANCE

    root.walk(visit, ir.WalkOrder.PRE_ORDER)
    return found[1:]


def _has_floats(type_: ir.Type) -> bool:
    return isinstance(type_, ir.ShapedType) and isinstance(type_.element_type, ir.FloatType)


def _loop_names(operation: ir.Operation, scope: Scope) -> Mapping[str, str]:
    """The name d<n> of each iterator, where n is its loop."""
    maps = indexing_maps(operation)
    if maps:
        parallel = [ir.AffineDimExpr(e).position for e in maps[-1].results]
        reductions = [d for d in range(maps[-1].n_dims) if d not in parallel]
    else:
        parallel, reductions = list(range(len(scope.traversal))), []
    loops = zip(scope.traversal + scope.summation, [*parallel, *reductions], strict=True)
    return {iterator.name: f"d{loop}" for iterator, loop in loops}
