"""`einnet-correct`: mutants become equal to what they stand for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from mlir import ir

from einnet.bridge.attributes import INCORRECT_BOXES, LABEL, MUTANT, ORIGINAL
from einnet.bridge.composition import rename_tensors, replace_sources
from einnet.bridge.emit import emit_definition
from einnet.bridge.lift import lift_function, lift_operation
from einnet.bridge.mutants import Mark, mark_of, marks_in, original_of
from einnet.bridge.natural import natural
from einnet.corrections.boxes import cover, format_box, parse_box, positions
from einnet.corrections.recompute import (
    CORRECTION,
    Failing,
    assembled,
    chosen_boxes,
    program_of,
    restricted,
)
from einnet.corrections.sharing import shared
from einnet.errors import InputError
from einnet.expr.nodes import Scope, Tensor, fresh_name
from einnet.expr.program import Definition, Statement, Windowed
from einnet.expr.transform import inline_reads
from einnet.mutations.generate import named_digits
from einnet.mutations.moves import replay
from einnet.mutations.mutant import unmutated
from einnet.mutations.plan import as_library, batched, plan_of, seconds_of
from einnet.operators.cost import CPU, H100, Machine
from einnet.passes.labelled import TensorNames, labels_in, operations_in
from einnet.passes.module_pass import Example, ModulePass, Target
from einnet.passes.natural_form import with_units
from einnet.passes.options import OptionError
from einnet.passes.replacing import erase_unused, new_kernels
from einnet.rules.rewrite import NotApplicable, Parameter, Step
from einnet.toolchain.mlir import locate
from einnet.verify.equivalence import Different, Undecided, compare
from einnet.verify.regions import Box

MACHINES: Mapping[str, Machine] = {"cpu": CPU, "cuda": H100}
"""What estimates are for, by the name of a target."""

_LISTED = 8

_EXAMPLE = Example(
    """
func.func private @einnet.original.conv(%x: tensor<2x8x16xf32>, %w: tensor<8x8x3xf32>)
    -> tensor<2x8x16xf32> {
  %zero = arith.constant 0.0 : f32
  %padded = tensor.pad %x low[0, 0, 1] high[0, 0, 1] {
  ^bb0(%n: index, %c: index, %i: index):
    tensor.yield %zero : f32
  } : tensor<2x8x16xf32> to tensor<2x8x18xf32>
  %init = arith.constant dense<0.0> : tensor<2x8x16xf32>
  %y = linalg.conv_1d_ncw_fcw ins(%padded, %w : tensor<2x8x18xf32>, tensor<8x8x3xf32>)
      outs(%init : tensor<2x8x16xf32>) -> tensor<2x8x16xf32>
  return %y : tensor<2x8x16xf32>
}
func.func @f(%x: tensor<2x8x16xf32>, %w: tensor<8x8x3xf32>) -> tensor<2x8x16xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<8x2x16xf32>
  %moved = linalg.transpose ins(%x : tensor<2x8x16xf32>) outs(%empty : tensor<8x2x16xf32>)
      permutation = [1, 0, 2]
  %row = tensor.collapse_shape %moved [[0], [1, 2]] : tensor<8x2x16xf32> into tensor<8x32xf32>
  %image = tensor.expand_shape %row [[0, 1], [2]] output_shape [1, 8, 32]
      : tensor<8x32xf32> into tensor<1x8x32xf32>
  %padded = tensor.pad %image low[0, 0, 1] high[0, 0, 1] {
  ^bb0(%n: index, %c: index, %i: index):
    tensor.yield %zero : f32
  } : tensor<1x8x32xf32> to tensor<1x8x34xf32>
  %init = arith.constant dense<0.0> : tensor<1x8x32xf32>
  %both = linalg.conv_1d_ncw_fcw ins(%padded, %w : tensor<1x8x34xf32>, tensor<8x8x3xf32>)
      outs(%init : tensor<1x8x32xf32>) -> tensor<1x8x32xf32>
  %split = tensor.expand_shape %both [[0], [1], [2, 3]] output_shape [1, 8, 2, 16]
      : tensor<1x8x32xf32> into tensor<1x8x2x16xf32>
  %parts = tensor.collapse_shape %split [[0, 1], [2], [3]]
      : tensor<1x8x2x16xf32> into tensor<8x2x16xf32>
  %other = tensor.empty() : tensor<2x8x16xf32>
  %mutant = linalg.transpose ins(%parts : tensor<8x2x16xf32>) outs(%other : tensor<2x8x16xf32>)
      permutation = [1, 0, 2]
  %y = builtin.unrealized_conversion_cast %mutant, %x, %w
      : tensor<2x8x16xf32>, tensor<2x8x16xf32>, tensor<8x8x3xf32> to tensor<2x8x16xf32>
      {einnet.label = "conv", einnet.mutant = "merge-borders(operand=0, outer=0, inner=2, gap=0)",
       einnet.incorrect_boxes = ["[0, 0:8:1, 15]", "[1, 0:8:1, 0]"],
       einnet.original = @einnet.original.conv}
  return %y : tensor<2x8x16xf32>
}
""",
    "merge=false",
    same=False,
)


@dataclass(frozen=True, kw_only=True)
class Correct(ModulePass):
    """What `einnet-mutate` left unequal is computed again by the original expression: slices of its
    operands, the operator on a box of the result, and a `tensor.insert_slice` into the mutant's
    result, strided where the box is. These operations are tagged `einnet.correction`. Boxes become
    one where that is estimated to cost no more.

    With `share`, the operands of the mutant's own operator are made longer by the strips that the
    corrections need, and it computes them too: one operator, whose surplus results are left out.

    The result is proved equal to the function that `einnet.original` names, which is removed. The
    pass refuses a mutant whose original is gone, boxes that do not hold all that is wrong, and with
    `share` a mutant that cannot be made longer.
    """

    NAME: ClassVar[str] = "einnet-correct"
    SUMMARY: ClassVar[str] = "Compute again what mutants compute wrongly"
    EXAMPLE: ClassVar[Example] = _EXAMPLE
    MODULE_ONLY: ClassVar[bool] = True

    label: str = field(
        default="", metadata={"help": "the mutant's einnet.label; without it, all mutants"}
    )
    share: bool = field(
        default=False,
        metadata={"help": "let the mutant's own operation compute the corrections"},
    )
    merge: bool = field(
        default=True, metadata={"help": "whether boxes become one where that costs no more"}
    )
    target: str = field(default="cpu", metadata={"help": "what estimates are for: cpu or cuda"})

    def __post_init__(self) -> None:
        if self.target not in MACHINES:
            raise OptionError(
                "target", f"unknown target '{self.target}'", hint=f"targets: {', '.join(MACHINES)}"
            )

    def run(self, target: Target) -> ir.Module:
        _refuse_broken_marks(target, self.NAME)
        labels = [mark.label for mark in marks_in(target.module.operation)]
        if self.label and self.label not in labels:
            raise InputError(
                f'{self.NAME}: no mutant is labelled "{self.label}"',
                hint=f"mutants: {', '.join(labels) or 'none'}",
            )
        chosen = [self.label] if self.label else labels
        machine = MACHINES[self.target] if self.merge else None
        correct_marks(target, self.NAME, chosen, self.share, machine)
        return target.module


def correct_marks(
    target: Target, pass_name: str, labels: Sequence[str], share: bool, machine: Machine | None
) -> None:
    """Correct the mutants of these labels, boxes merged by estimates for the machine, if any.

    Raises InputError, at the mutant, as `Correct` does.
    """
    for mark in marks_in(target.module.operation):
        if mark.label in labels:
            _Correction(target, pass_name, mark, machine).run(share)


def _refuse_broken_marks(target: Target, pass_name: str) -> None:
    for operation in operations_in(target.module.operation):
        if MUTANT in operation.attributes and mark_of(operation) is None:
            raise InputError(
                f"{pass_name} does not apply to '{operation.name}': {MUTANT} does not stand beside"
                f" {INCORRECT_BOXES} and {ORIGINAL}",
                location=locate(operation.location, target.filename),
                hint="einnet-mutate writes all three",
            )


class _Correction:
    """One mutant on its way to being equal."""

    def __init__(self, target: Target, pass_name: str, mark: Mark, machine: Machine | None) -> None:
        self.target = target
        self.pass_name = pass_name
        self.mark = mark
        self.machine = machine
        self.names = TensorNames()
        self.arguments = [self.names(value) for value in mark.arguments]
        self.mutant = self.names(mark.mutant)
        self.original = self._original()

    def run(self, share: bool) -> None:
        mark = self.mark
        boxes = self._boxes()
        with ir.InsertionPoint(mark.operation), mark.operation.location:
            value = self._emit_shared(boxes) if share else self._emit_apart(boxes)
            value.owner.attributes[LABEL] = ir.StringAttr.get(mark.label)
        self._prove(value)
        mutant, function = mark.mutant, original_of(mark)
        mark.result.replace_all_uses_with(value)
        mark.operation.erase()
        erase_unused([mutant])
        others = {m.original for m in marks_in(self.target.module.operation)}
        if function is not None and mark.original not in others:
            function.operation.erase()

    def refusal(self, reason: str, hint: str | None = None) -> InputError:
        return InputError(
            f"{self.pass_name} does not apply to the mutant '{self.mark.label}': {reason}",
            location=locate(self.mark.operation.location, self.target.filename),
            hint=hint,
        )

    def _original(self) -> Definition:
        """The original's expression over the mark's arguments."""
        function = original_of(self.mark)
        if function is None or function.is_external:
            wrong = "no function" if function is None else "nothing but a declaration of"
            raise self.refusal(
                f"there is {wrong} @{self.mark.original}",
                "it computes the mutant's original; keep it until the mutant is corrected",
            )
        written = lift_function(function)
        program = natural(written)
        types = [(t.shape, t.dtype) for t in (*program.inputs, *program.outputs)]
        wanted = [(t.shape, t.dtype) for t in (*self.arguments, self.mutant)]
        sums = [d for d in written.definitions if d.scope.summation]
        single = len(program.definitions) == len(program.statements) and len(sums) == 1
        if not single or types != wanted:
            raise self.refusal(
                f"@{self.mark.original} is no single expression of the mutant's operands",
                "einnet-mutate writes it; other passes have to leave it as it is",
            )
        definition = _composed(program.definitions)
        scope = with_units(definition.scope, sums[0].scope)
        definition = replace(definition, scope=scope)
        tensors = {t.name: a for t, a in zip(program.inputs, self.arguments, strict=True)}
        taken = {t.name for t in (*self.arguments, self.mutant)}
        result = replace(self.mutant, name=fresh_name("original", taken))
        renamed = rename_tensors(definition, {**tensors, definition.result.name: result})
        assert isinstance(renamed, Definition)
        return replace(renamed, label=self.mark.label)

    def _boxes(self) -> tuple[Box, ...]:
        """The boxes to compute again."""
        try:
            given = tuple(parse_box(text, self.mutant.shape) for text in self.mark.boxes)
        except ValueError as error:
            raise self.refusal(str(error), f"{INCORRECT_BOXES} lists boxes") from error
        machine = self.machine
        if machine is None or not given:
            return given

        def seconds(statements: Sequence[Statement]) -> float:
            return seconds_of(statements, machine, frozenset())

        name = self.original.result.name
        found = Failing({name: given}, 0)
        return chosen_boxes([self.original], found, as_library, seconds, self.taken)[name]

    @property
    def taken(self) -> set[str]:
        return {*self.names.taken, self.original.result.name}

    # Emission -------------------------------------------------------------------------------

    def _emit_apart(self, boxes: Sequence[Box]) -> ir.Value:
        """The mutant's value with each box computed by the original and put into place."""
        result = self.original.result
        taken = self.taken
        definitions: list[Definition] = []
        parts: list[tuple[Box, Tensor]] = []
        for box in boxes:
            name = fresh_name("correction", taken)
            taken.add(name)
            again = restricted(self.original, box, replace(result, name=name))
            definitions += _as_it_is_written(again, taken)
            parts.append((box, again.result))
        whole = assembled(self.mutant, parts)
        definitions.append(Definition(result, whole, CORRECTION + self.mark.label))
        return self._emit(definitions)

    def _emit_shared(self, boxes: Sequence[Box]) -> ir.Value:
        """The mutant made anew, its operands longer by what the boxes need."""
        scope = self.original.scope
        try:
            start = named_digits(unmutated(scope))
            made = {str(step) for step in start.steps}
            steps = tuple(s for s in parse_steps(self.mark.steps) if str(s) not in made)
            mutant = replay(start, steps)
        except NotApplicable as reason:
            raise self.refusal(
                f"{MUTANT} does not say how it was made: {reason}",
                "share=false needs no steps",
            ) from reason
        longer = shared(scope, batched(mutant).scope, boxes)
        if longer is None:
            raise self.refusal(
                "its operands cannot be made longer by what the corrections need",
                "share=false computes corrections apart",
            )
        label = f"{self.mark.label}+{CORRECTION}{self.mark.label}"
        statements = plan_of(longer, self.original.result, self.taken, label)
        return self._emit([self._relabelled(s) for s in statements if isinstance(s, Definition)])

    def _relabelled(self, definition: Definition) -> Definition:
        """Labelled as `einnet-mutate` does, `p.layout` or `p.operator`, the last one aside."""
        if definition.result == self.original.result:
            return definition
        label = self.mark.label
        if definition.library is None:
            return replace(definition, label=f"{label}.layout")
        return replace(definition, label=f"{label}.operator+{CORRECTION}{label}")

    def _emit(self, definitions: Sequence[Definition]) -> ir.Value:
        """The last definition's value; labels that the module has already get a number."""
        labels, kernels = labels_in(self.target), new_kernels(self.target)
        values: dict[str, ir.Value] = self.names.values
        for definition in definitions:
            label = definition.label
            label = fresh_name(f"{label}0", labels) if label in labels else label
            labels.add(label)
            labelled = replace(definition, label=label)
            values[definition.result.name] = emit_definition(
                labelled, values, kernels, keep_sums=True
            )
        return values[definitions[-1].result.name]

    # Proof ----------------------------------------------------------------------------------

    def _prove(self, value: ir.Value) -> None:
        """Raise InputError unless the value, lifted again, is what the original computes."""
        arguments = {t.name for t in self.arguments}
        after = _behind([value], self.names, arguments)
        result = self.names(value)
        inputs = program_of(after, result).inputs
        before: list[Definition] = []
        if not {t.name for t in inputs} <= arguments:
            # Another pass composed the mutant with what computes the arguments.
            after = _behind([value, *self.mark.arguments], self.names, set())
            before = _behind(self.mark.arguments, self.names, set())
        candidate = program_of(after, result)
        reference = program_of([*before, self.original], self.original.result)
        inputs = tuple({t.name: t for p in (reference, candidate) for t in p.inputs}.values())
        verdict = compare(replace(reference, inputs=inputs), replace(candidate, inputs=inputs))
        if isinstance(verdict, Different) and not {t.name for t in candidate.inputs} <= {
            t.name for t in reference.inputs
        }:
            raise self.refusal(
                "it reads values that its original does not",
                "run einnet-correct before passes that move constants into other functions",
            )
        if isinstance(verdict, Different):
            boxes = sorted(cover(verdict.boxes, self.mutant.shape, positions))
            more = ", ..." if len(boxes) > _LISTED else ""
            shown = ", ".join(map(format_box, boxes[:_LISTED]))
            raise self.refusal(
                f"outside its {INCORRECT_BOXES} it is wrong too: {shown}{more}",
                "einnet-mutate lists all boxes; what changed the mutant or the list?",
            )
        if isinstance(verdict, Undecided):
            raise self.refusal(f"that it is equal cannot be decided: {verdict.reason}")


def _composed(definitions: Sequence[Definition]) -> Definition:
    """The last definition with those before it, whose results it rounds, composed into it."""
    scopes: dict[str, Scope] = {}
    for definition in definitions:
        scope = inline_reads(replace_sources(definition.scope, scopes))
        scopes[definition.result.name] = scope
    last = definitions[-1]
    return replace(last, scope=scopes[last.result.name])


def _as_it_is_written(again: Definition, taken: set[str]) -> list[Definition]:
    """The definition as a library's product where it is one, in the layouts that it has."""
    statements = [s for s in as_library(again, taken) if isinstance(s, Definition)]
    if any(isinstance(s.library, Windowed) for s in statements):
        return [again]
    return [replace(s, label=again.label) for s in statements]


def _behind(values: Sequence[ir.Value], names: TensorNames, known: set[str]) -> list[Definition]:
    """What computes the values, from tensors that are `known` or have no expression."""
    found: list[Definition] = []
    done = set(known)

    def visit(value: ir.Value) -> None:
        tensor = names(value)
        if tensor.name in done:
            return
        done.add(tensor.name)
        if isinstance(value.owner, ir.Block):
            return
        definitions = lift_operation(value.owner, names)
        for definition in definitions or ():
            for operand in definition.operands:
                if operand.name in names.values:
                    visit(names.values[operand.name])
            found.append(definition)

    for value in values:
        visit(value)
    return found


_STEP = re.compile(r"([\w-]+)\(([^()]*)\)(?:, |$)")


def parse_steps(text: str) -> tuple[Step, ...]:
    """Steps as `einnet.mutant` has them. Raises NotApplicable for anything else."""
    steps: list[Step] = []
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            raise NotApplicable(f"'{text[position:]}' is no step")
        pairs = (part.partition("=") for part in match[2].split(", ") if part)
        steps.append(Step(match[1], tuple((key, _parameter(value)) for key, _, value in pairs)))
        position = match.end()
    return tuple(steps)


def _parameter(text: str) -> Parameter:
    # What has more digits is no size.
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else text
