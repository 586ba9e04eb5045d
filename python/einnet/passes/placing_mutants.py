"""Mutants in the place of operations: what is emitted, and the marks where it is not equal yet.

Operations of the mutant of `p` are labelled `p.layout`, `p.operator` and, the one that has its
value, `p.mutant`, or `p` where nothing has to be corrected. Those that serve `p` and `q` together
are `p+q.layout` and `p+q.operator`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import count

from mlir import ir
from mlir.dialects import func

from einnet.bridge.attributes import LABEL, WEIGHT
from einnet.bridge.emit import emit_definition, emit_structured
from einnet.bridge.mutants import emit_mark
from einnet.bridge.slices import emit_sliced, sliced_definition
from einnet.corrections.boxes import cover, format_box, positions
from einnet.corrections.recompute import Failing
from einnet.expr.nodes import fresh_name
from einnet.expr.program import Definition, Statement
from einnet.passes.labelled import Labelled, labels_in
from einnet.passes.module_pass import Target
from einnet.passes.replacing import new_kernels
from einnet.rules.rewrite import NotApplicable, Step
from einnet.verify.regions import Box


@dataclass(frozen=True)
class Place:
    """An operation that a mutant takes the place of, and what it is naturally.

    The statement that defines `mutant` has the mutant's value. Where that is wrong in `boxes`, the
    value of the original's result is what goes through the mark.
    """

    found: Labelled
    original: Definition
    mutant: str
    steps: str
    boxes: tuple[Box, ...]

    @property
    def final(self) -> str:
        """The tensor that the operation's own result is."""
        return final_of(self.found)


def final_of(found: Labelled) -> str:
    """The name of the operation's result, after the addition of an initial value."""
    return (found.rest[-1] if found.rest else found.definition).result.name


class Emission:
    """Statements of mutants, each emitted where something that is emitted needs it first."""

    def __init__(
        self, target: Target, places: Iterable[Place], statements: Iterable[Definition]
    ) -> None:
        self.places = tuple(places)
        self.statements = {s.result.name: s for s in statements}
        self.marked = {p.original.result.name: p for p in self.places if p.boxes}
        self.own = {n: p.found.label for p in self.places for n in (p.mutant, p.final)}
        self.values: Mapping[str, ir.Value] = self.places[0].found.names.values
        self.done: dict[str, ir.Value] = {}
        self.labels = labels_in(target)
        self.kernels = new_kernels(target)

    def value(self, name: str) -> ir.Value:
        """The tensor's value, with what it takes at the current insertion point."""
        if name not in self.done:
            if name in self.marked:
                self.done[name] = self._mark(self.marked[name])
            elif name in self.statements:
                self.done[name] = self._statement(self.statements[name])
            else:
                return self.values[name]
        return self.done[name]

    def _statement(self, statement: Definition) -> ir.Value:
        known = {t.name: self.value(t.name) for t in statement.operands}
        label = self._label(statement)
        labelled = replace(statement, label=label)
        part = sliced_definition(labelled)
        if part is not None and part.order == sorted(part.order):
            # Results of one operator for several are slices of its result.
            value = emit_sliced(part, known[part.source.name])[0]
        else:
            value = emit_definition(labelled, known, self.kernels, keep_sums=True)
        if statement.library is None and value not in known.values():
            # A view is no kernel and carries no label yet.
            value.owner.attributes[LABEL] = ir.StringAttr.get(label)
        return value

    def _label(self, statement: Definition) -> str:
        """The statement's label, with a number if the module has it; the operation's own stays."""
        label = statement.label
        own = self.own.get(statement.result.name)
        if own is not None and own in label.split("+"):
            return own
        label = fresh_name(f"{label}0", self.labels) if label in self.labels else label
        self.labels.add(label)
        return label

    def _mark(self, place: Place) -> ir.Value:
        original, label = place.original, place.found.label
        mutant = self.value(place.mutant)
        function = function_around(place.found.operation)
        return emit_mark(
            mutant,
            [self.value(t.name) for t in original.operands],
            label=label,
            steps=place.steps,
            boxes=[format_box(box) for box in sorted(place.boxes)],
            original=_emit_original(function, original, label),
        )


def place_of(
    found: Labelled, original: Definition, steps: Iterable[Step], failing: Failing
) -> Place:
    """The place of a mutant that was made by these steps and is wrong where it says."""
    name = original.result.name
    wrong = failing.boxes.get(name, ())
    boxes = cover(wrong, original.result.shape, positions) if wrong else ()
    # No tensor of an operation has a point in its name.
    mutant = f"{name}.mutant" if boxes else name
    return Place(found, original, mutant, ", ".join(map(str, steps)), boxes)


def mutant_statements(
    statements: Iterable[Statement], places: Iterable[Place], prefix: str
) -> tuple[Definition, ...]:
    """The statements with labels, those that have no place `prefix.layout` and `prefix.operator`;
    results that are wrong have the names of the mutants."""
    by_name = {p.original.result.name: p for p in places}
    found: list[Definition] = []
    for statement in statements:
        assert isinstance(statement, Definition)
        place = by_name.get(statement.result.name)
        if place is None:
            kind = "operator" if statement.library is not None else "layout"
            found.append(replace(statement, label=f"{prefix}.{kind}"))
        else:
            own = place.found.label
            label = f"{own}.mutant" if place.boxes else own
            result = replace(statement.result, name=place.mutant)
            found.append(replace(statement, result=result, label=label))
    return tuple(found)


def _emit_original(function: func.FuncOp, original: Definition, label: str) -> str:
    """A private function before `function` that computes what the operation did; its name."""
    taken = {
        ir.StringAttr(view.operation.attributes["sym_name"]).value
        for view in function.operation.block.operations
        if "sym_name" in view.operation.attributes
    }
    name = f"einnet.original.{label}"
    name = fresh_name(f"{name}0", taken) if name in taken else name
    with ir.InsertionPoint(function):
        types = [
            ir.RankedTensorType.get(t.shape, ir.Type.parse(t.dtype))
            for t in (*original.operands, original.result)
        ]
        made = func.FuncOp(name, (types[:-1], types[-1:]), visibility="private")
    with ir.InsertionPoint(made.add_entry_block()):
        names = (t.name for t in original.operands)
        values: dict[str, ir.Value] = dict(zip(names, made.arguments, strict=True))
        func.ReturnOp([emit_structured(replace(original, label=""), values, count())])
    return name


def function_around(operation: ir.Operation) -> func.FuncOp:
    """The function that the operation is in. Raises NotApplicable for none."""
    around = operation.parent
    while around is not None and not isinstance(around.opview, func.FuncOp):
        around = around.operation.parent
    if around is None:
        raise NotApplicable("it is in no function")
    assert isinstance(around.opview, func.FuncOp)
    return around.opview


def constants_of(found: Labelled, original: Definition) -> frozenset[str]:
    """The tensors whose layouts cost nothing: weights, and constants of the program."""
    values = found.names.values
    return frozenset(t.name for t in original.operands if _is_constant(values[t.name]))


def _is_constant(value: ir.Value) -> bool:
    owner = value.owner
    if not isinstance(owner, ir.Block):
        return owner.name == "arith.constant"
    function = owner.owner
    if not isinstance(function, func.FuncOp) or "arg_attrs" not in function.attributes:
        return False
    given = ir.DictAttr(ir.ArrayAttr(function.attributes["arg_attrs"])[_number(value, owner)])
    return WEIGHT in given


def _number(value: ir.Value, block: ir.Block) -> int:
    return next(n for n, argument in enumerate(block.arguments) if argument == value)
