"""Rewritten operations in the place of the old ones.

A rewrite of the operation `p` may leave scopes nested in a scope. Each becomes an operation of its
own, labelled `p.inner`, before the outermost, which is labelled `p`; what is nested in `p.inner`
is `p.inner.inner`. A number is appended to a label that the module has already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count

from mlir import ir

from einnet.bridge.attributes import KERNEL, LABEL
from einnet.bridge.emit import emit_definition
from einnet.bridge.emit_generic import arithmetic_dtype
from einnet.bridge.refusal import NotEmittable
from einnet.bridge.slices import emit_sliced, sliced_definition
from einnet.bridge.unroll import from_zero
from einnet.expr.nodes import Body, Call, Factor, Read, Scope, Tensor, fresh_name
from einnet.expr.program import Definition
from einnet.passes.labelled import Labelled, TensorNames, labels_in, operations_in
from einnet.passes.module_pass import Target
from einnet.rules.rewrite import NotApplicable

Erased = tuple[ir.Operation, ...]
"""Operations that are gone, and may only be compared by identity."""


def replace_operations(
    target: Target, group: Sequence[Labelled], definitions: Sequence[Definition]
) -> Erased:
    """Emit the definitions where the first operation of the group stands, and erase the group.

    The definitions have a result of the name of each operation's own; what follows these, `rest`,
    is emitted too. Operations that only the group used go with it. What computes operands of the
    later operations moves before the first. Raises NotApplicable, the module unchanged, if one of
    the group depends on another, for what may not move, and for arithmetic that the element types
    do not have.
    """
    first, waiting = places(group, definitions)
    values = _emit(target, group, definitions, first, waiting)
    own = [found.operation for found in group]
    used = [v for o in own for v in producers_used(o) if v.owner.operation not in own]
    for found in group:
        final = found.rest[-1] if found.rest else found.definition
        found.operation.results[0].replace_all_uses_with(values[final.result.name])
    for found in group:
        found.operation.erase()
    return (*own, *erase_unused(used))


def places(
    group: Sequence[Labelled], definitions: Sequence[Definition]
) -> tuple[ir.Operation, list[ir.Operation]]:
    """The first operation of the group, before which the definitions may be emitted, and the
    operations that have to move there first, in order. Raises NotApplicable as
    `replace_operations` does.
    """
    first = _first([found.operation for found in group])
    made = {d.result.name for d in definitions}
    needed = {t.name for d in definitions for t in d.operands} - made
    # Also what the old ones read: one may depend on another whose result is made anew.
    needed |= {t.name for f in group for d in (f.definition, *f.rest) for t in d.operands}
    values = group[0].names.values
    return first, _waiting([v for n, v in values.items() if n in needed], first, group)


def _emit(
    target: Target,
    group: Sequence[Labelled],
    definitions: Sequence[Definition],
    first: ir.Operation,
    waiting: Sequence[ir.Operation],
) -> Mapping[str, ir.Value]:
    """The values of the definitions and of `rest`, whose operations stand before `first`."""
    names = group[0].names
    whole = (*definitions, *(d for found in group for d in found.rest))
    kept = {d.label for found in group for d in (found.definition, *found.rest)}
    labels = labels_in(target)
    kernels = new_kernels(target)
    values: dict[str, ir.Value] = names.values
    with first.location:
        # Apart from the module, so that arithmetic that fails halfway leaves nothing behind.
        staged = ir.Module.create()
        try:
            with ir.InsertionPoint(staged.body):
                for definition in whole:
                    label = definition.label
                    if label not in kept and label in labels:
                        label = fresh_name(f"{label}0", labels)
                    labels.add(label)
                    labelled = replace(definition, label=label)
                    for part in separate(labelled, names, labels):
                        known = set(values.values())
                        value = _emit_view(part, values) or emit_definition(
                            part, values, kernels, keep_sums=True
                        )
                        if value not in known and part.library is None:
                            # A view is no kernel and carries no label yet.
                            value.owner.attributes[LABEL] = ir.StringAttr.get(part.label)
                        values[part.result.name] = value
        except NotEmittable as reason:
            raise NotApplicable(str(reason)) from reason
    for operation in waiting:
        operation.move_before(first)
    for view in list(staged.body.operations):
        view.operation.move_before(first)
    return values


def _emit_view(definition: Definition, values: Mapping[str, ir.Value]) -> ir.Value | None:
    """What is a part of a tensor, in its order and inside of it, as slices and reshapes of it."""
    part = sliced_definition(definition)
    if (
        part is None
        or part.order != sorted(part.order)
        or any(s.low or s.high for s in part.stretches)
    ):
        return None
    return emit_sliced(part, values[part.source.name])[0]


def _first(operations: Sequence[ir.Operation]) -> ir.Operation:
    """The operation that stands before the others. Raises NotApplicable for several blocks."""
    first, *others = operations
    for operation in others:
        if operation.block != first.block:
            raise NotApplicable("the operations are not in one block")
        if operation.is_before_in_block(first):
            first = operation
    return first


def _waiting(
    values: Iterable[ir.Value], first: ir.Operation, group: Sequence[Labelled]
) -> list[ir.Operation]:
    """The operations after `first` that compute the values, in an order to move them in."""
    labels = {found.operation.results[0]: found.label for found in group}
    ordered: dict[ir.Operation, None] = {}

    def visit(value: ir.Value) -> None:
        if value in labels:
            raise NotApplicable(f"one of the operations depends on {labels[value]}")
        owner = value.owner
        if isinstance(owner, ir.Block):
            return
        operation = owner.operation
        if operation.block != first.block or operation.is_before_in_block(first):
            return
        if operation in ordered:
            return
        if not _is_pure(operation):
            raise NotApplicable(f"{operation.name}, which one of them needs, may not move")
        for used in producers_used(operation):
            visit(used)
        ordered[operation] = None

    for value in values:
        visit(value)
    return list(ordered)


def separate(
    definition: Definition, names: TensorNames, labels: set[str]
) -> tuple[Definition, ...]:
    """The definition with its nested scopes as definitions of their own, inner ones first.

    `labels` are those that the module has; the new ones join them.
    """
    taken = names.taken | {definition.result.name}
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


def producers_used(operation: ir.Operation) -> tuple[ir.Value, ...]:
    """Results of other operations that the operation or its regions use, each once."""
    inside = [operation, *operations_in(operation)]
    used = (v for o in inside for v in o.operands if not isinstance(v.owner, ir.Block))
    return tuple(dict.fromkeys(v for v in used if v.owner.operation not in inside))


def erase_unused(values: Iterable[ir.Value]) -> Erased:
    """Erase the operations of these values that nothing uses, and then what only they used.

    Only operations on tensors and constants are: they do nothing but compute their results.
    """
    pending = dict.fromkeys(values)
    erased: list[ir.Operation] = []
    while pending:
        value, _ = pending.popitem()
        operation = value.owner.operation
        if _is_pure(operation) and not any(True for r in operation.results for _ in r.uses):
            used = producers_used(operation)
            for result in operation.results:
                pending.pop(result, None)
            operation.erase()
            erased.append(operation)
            pending |= dict.fromkeys(used)
    return tuple(erased)


def _is_pure(operation: ir.Operation) -> bool:
    return operation.name.startswith(("linalg.", "tensor.", "arith."))


def new_kernels(target: Target) -> Iterator[int]:
    """Numbers of kernels that the module does not have yet."""
    known = (o.attributes.get(KERNEL) for o in operations_in(target.module.operation))
    return count(1 + max((k.value for k in known if isinstance(k, ir.IntegerAttr)), default=-1))
