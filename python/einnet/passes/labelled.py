"""Operations by their label: reading one as an expression, and putting rewritten ones in its place.

Rule passes name an operation by its attribute `einnet.label`, and its iterators d0, d1, ...: the
loops of its `linalg.generic` form in linalg's order. Traversal iterators are the parallel loops,
summation iterators the reductions; an operation of another dialect has its result's dimensions.

A rewrite of the operation `p` may leave scopes nested in a scope. Each becomes an operation of its
own, labelled `p.inner`, before the outermost, which is labelled `p`; what is nested in `p.inner`
is `p.inner.inner`. A number is appended to a label that the module has already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import count

from mlir import ir

from einnet.bridge.emit import KERNEL, LABEL, emit_definition
from einnet.bridge.emit_generic import arithmetic_dtype
from einnet.bridge.generic import indexing_maps
from einnet.bridge.lift import lift_operation
from einnet.bridge.unroll import from_zero
from einnet.errors import InputError, Location
from einnet.expr.nodes import Body, Call, Factor, Read, Scope, Tensor, fresh_name
from einnet.expr.program import Definition
from einnet.expr.transform import rename
from einnet.passes.module_pass import Target
from einnet.rules.rewrite import NotApplicable
from einnet.toolchain.mlir import locate


@dataclass(frozen=True)
class Labelled:
    """A labelled operation as an expression.

    `scope` is over d0, d1, ... and reads tensors that `names` has; `rest` are the definitions that
    follow it: the addition of an initial value to the sum.
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
    """Names for the tensors that expressions read; values of an operation keep theirs."""

    def __init__(self) -> None:
        self.tensors: dict[ir.Value, Tensor] = {}

    def __call__(self, value: ir.Value) -> Tensor:
        if value not in self.tensors:
            name = f"t{len(self.tensors)}"
            type_ = value.type
            if isinstance(type_, ir.RankedTensorType) and type_.has_static_shape:
                tensor = Tensor(name, tuple(type_.shape), str(type_.element_type))
            else:
                tensor = Tensor(name, (), str(type_))
            self.tensors[value] = tensor
        return self.tensors[value]

    @property
    def values(self) -> dict[str, ir.Value]:
        return {tensor.name: value for value, tensor in self.tensors.items()}


def apply_rule(
    target: Target, pass_name: str, label: str, rule: Callable[[Labelled], Scope]
) -> ir.Module:
    """Replace the operation `label` by what `rule` makes of its expression.

    Raises InputError, at the operation, where the rule raises NotApplicable.
    """
    found = find(target, pass_name, label)
    try:
        scope = rule(found)
    except NotApplicable as reason:
        raise found.refusal(pass_name, str(reason)) from reason
    replace_operation(target, found, scope)
    return target.module


def find(target: Target, pass_name: str, label: str) -> Labelled:
    """The only operation with this label. Raises InputError if there is none, or several."""
    by_label: dict[str, list[ir.Operation]] = {}
    for root in target.roots():
        for operation in operations_in(root):
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
    names = TensorNames()
    definitions = lift_operation(operation, names, label)
    if definitions is None or len(operation.results) != 1:
        raise InputError(
            f"{pass_name} does not apply to '{operation.name}': it has no expression",
            location=place,
            hint="an expression is a sum of products of floating-point tensors of static shape, "
            "and has one result",
        )
    first, *rest = definitions
    named = replace(first, scope=rename(first.scope, _loop_names(operation, first.scope)))
    return Labelled(label, operation, named, tuple(rest), names, target.filename)


def operations_in(root: ir.Operation) -> list[ir.Operation]:
    """The operations in `root`, without itself, in the order of the text."""
    found: list[ir.Operation] = []

    def visit(view: ir.Operation) -> ir.WalkResult:
        found.append(view.operation)
        return ir.WalkResult.ADVANCE

    root.walk(visit, ir.WalkOrder.PRE_ORDER)
    return found[1:]


def label_of(operation: ir.Operation) -> str | None:
    attribute = operation.attributes.get(LABEL)
    return attribute.value if isinstance(attribute, ir.StringAttr) else None


def replace_operation(target: Target, found: Labelled, scope: Scope) -> None:
    """Emit `scope` and what follows it where the operation stands, and erase the operation.

    Operations that only it used go with it.
    """
    operations = operations_in(target.module.operation)
    labels = {label for o in operations if (label := label_of(o)) is not None}
    kernels = count(1 + max((_kernel(o) for o in operations), default=-1))
    definitions = separate(replace(found.definition, scope=scope), found.names, labels)
    values: dict[str, ir.Value] = found.names.values
    used = used_values(found.operation)
    with ir.InsertionPoint(found.operation), found.operation.location:
        for definition in (*definitions, *found.rest):
            known = set(values.values())
            value = emit_definition(definition, values, kernels, keep_sums=True)
            if value not in known:
                # A view is no kernel and carries no label yet.
                value.owner.attributes[LABEL] = ir.StringAttr.get(definition.label)
            values[definition.result.name] = value
    final = found.rest[-1] if found.rest else found.definition
    found.operation.results[0].replace_all_uses_with(values[final.result.name])
    found.operation.erase()
    erase_unused(used)


def separate(
    definition: Definition, names: TensorNames, labels: set[str]
) -> tuple[Definition, ...]:
    """The definition with its nested scopes as definitions of their own, inner ones first.

    `labels` are those that the module has; the new ones join them.
    """
    taken = {t.name for t in names.tensors.values()} | {definition.result.name}
    parts: list[Definition] = []

    def part(scope: Scope, label: str) -> Tensor:
        label = f"{label}.inner"
        if label in labels:
            label = fresh_name(f"{label}0", labels)
        labels.add(label)
        flat = flatten(from_zero(scope), label)
        name = fresh_name("n0", taken)
        taken.add(name)
        tensor = Tensor(name, scope.extents, definition.result.dtype)
        tensor = replace(tensor, dtype=arithmetic_dtype(Definition(tensor, flat)))
        parts.append(Definition(tensor, flat, label))
        return tensor

    def flatten(scope: Scope, label: str) -> Scope:
        known: dict[Scope, Tensor] = {}

        def read(factor: Read) -> Read:
            source = factor.source
            if isinstance(source, Tensor):
                return factor
            if source not in known:
                known[source] = part(source, label)
            index = tuple(e - i.lo for e, i in zip(factor.index, source.traversal, strict=True))
            return Read(known[source], index)

        return replace(scope, body=map_reads(scope.body, read))

    outer = flatten(definition.scope, definition.label)
    return (*parts, replace(definition, scope=outer))


def map_reads(body: Body, change: Callable[[Read], Read]) -> Body:
    """The body with every read changed; nested scopes are not entered."""

    def factor(old: Factor) -> Factor:
        if isinstance(old, Call):
            return Call(old.function, tuple(map_reads(a, change) for a in old.arguments))
        return change(old)

    return tuple(replace(t, factors=tuple(factor(f) for f in t.factors)) for t in body)


def used_values(operation: ir.Operation) -> tuple[ir.Value, ...]:
    """Results of other operations that the operation or its regions use, each once."""
    inside = [operation, *operations_in(operation)]
    used = (v for o in inside for v in o.operands if not isinstance(v.owner, ir.Block))
    return tuple(dict.fromkeys(v for v in used if v.owner.operation not in inside))


def erase_unused(values: Iterable[ir.Value]) -> None:
    """Erase the operations of these values that nothing uses, and then what only they used.

    Only operations on tensors and constants are: they do nothing but compute their results.
    """
    pending = dict.fromkeys(values)
    while pending:
        value, _ = pending.popitem()
        operation = value.owner.operation
        pure = operation.name.startswith(("linalg.", "tensor.", "arith."))
        if pure and not any(True for r in operation.results for _ in r.uses):
            used = used_values(operation)
            for result in operation.results:
                pending.pop(result, None)
            operation.erase()
            pending |= dict.fromkeys(used)


def _kernel(operation: ir.Operation) -> int:
    attribute = operation.attributes.get(KERNEL)
    return attribute.value if isinstance(attribute, ir.IntegerAttr) else -1


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
