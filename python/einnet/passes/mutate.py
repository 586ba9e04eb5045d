"""`einnet-mutate`: an operation becomes a faster one that may be wrong at some positions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from typing import ClassVar

from mlir import ir
from mlir.dialects import func

from einnet.bridge.attributes import LABEL, WEIGHT
from einnet.bridge.emit import emit_definition, emit_structured
from einnet.bridge.mutants import emit_mark
from einnet.corrections.boxes import cover, format_box, positions
from einnet.corrections.recompute import program_of
from einnet.errors import InputError
from einnet.expr.nodes import Scope, fresh_name
from einnet.expr.program import Definition
from einnet.mutations import (
    dimensions,
    groups,
    merging_borders,
    pooling,
    residues,
    splitting_carry,
    strides,
)
from einnet.mutations.generate import (
    Candidate,
    Found,
    Options,
    explore,
    judge,
    named_digits,
    of_each_form,
)
from einnet.mutations.moves import apply, moves
from einnet.mutations.mutant import Mutant, unmutated
from einnet.mutations.plan import plan, seconds_of
from einnet.operators.cost import Machine
from einnet.passes.correct import MACHINES, correct_marks, new_kernels
from einnet.passes.labelled import (
    Labelled,
    TensorNames,
    as_expression,
    every,
    find,
    labels_in,
    operations_of,
    own_label,
)
from einnet.passes.module_pass import Example, ModulePass, Target
from einnet.passes.natural_form import naturally
from einnet.passes.replacing import erase_unused, used_values
from einnet.rules.rewrite import NotApplicable, Step

MUTATIONS = tuple(
    sorted(
        (
            merging_borders.RULE,
            splitting_carry.RULE,
            dimensions.MERGE,
            dimensions.SPLIT,
            residues.RULE,
            strides.RULE,
            groups.ZEROS,
            groups.DIAGONAL,
            pooling.RULE,
        )
    )
)
"""The mutations of one operation, by name."""

_JUDGED = 4
"""Mutants that are verified and corrected on paper, the most promising ones, to take the best."""

_LISTED = 8

_TILES = Options.tiles
_MOST_TILES = 16
"""Into how many tiles a dimension is cut where the option says their size."""

_MUTANTS = 200
"""Mutants made of named mutations that are looked at."""

_EXAMPLE = Example(
    """
func.func @f(%x: tensor<2x8x16xf32>, %w: tensor<8x8x3xf32>) -> tensor<2x8x16xf32> {
  %zero = arith.constant 0.0 : f32
  %padded = tensor.pad %x low[0, 0, 1] high[0, 0, 1] {
  ^bb0(%n: index, %c: index, %i: index):
    tensor.yield %zero : f32
  } : tensor<2x8x16xf32> to tensor<2x8x18xf32>
  %init = arith.constant dense<0.0> : tensor<2x8x16xf32>
  %y = linalg.conv_1d_ncw_fcw {einnet.label = "conv"}
      ins(%padded, %w : tensor<2x8x18xf32>, tensor<8x8x3xf32>)
      outs(%init : tensor<2x8x16xf32>) -> tensor<2x8x16xf32>
  return %y : tensor<2x8x16xf32>
}
""",
    "label=conv mutation=merge-borders(gap=0) correct=true",
)


@dataclass(frozen=True, kw_only=True)
class Mutate(ModulePass):
    """The operation, with the pads and reshapes before it, becomes a partially equivalent mutant
    (PET, OSDI 2021): the one that is estimated to be the fastest, its corrections included. Without
    a label, every operation that has a mutant does.

    `mutation` narrows the choice: to mutants made of the named mutations, each at least once and no
    others, such as `split-residues,merge-borders(gap=0)`. What stands in parentheses has to agree
    with the parameters of the steps, which are printed in `einnet.mutant`.

    Where the mutant is not shown equal, its value passes through one operation that says so:

    ```mlir
    %y = builtin.unrealized_conversion_cast %mutant, %x, %w : ... {einnet.label = "conv",
        einnet.mutant = "merge-borders(operand=0, outer=0, inner=2, gap=0)",
        einnet.incorrect_boxes = ["[0:2:1, 0:8:1, 0:16:15]"],
        einnet.original = @einnet.original.conv}
    ```

    The private function computes what the operation did. `einnet-correct` makes the result equal
    again and removes both; until then nothing can be lowered, and `einnet verify` reports the
    boxes. `correct=true` runs it at once. A mutant that is equal everywhere is simply put in place.

    The pass refuses operations that are no product of two tensors under a sum, and a choice of
    mutations that makes no mutant, or only mutants that are wrong everywhere.
    """

    NAME: ClassVar[str] = "einnet-mutate"
    SUMMARY: ClassVar[str] = "Replace an operation by a faster one that is equal only in part"
    EXAMPLE: ClassVar[Example] = _EXAMPLE
    MODULE_ONLY: ClassVar[bool] = True

    label: str = field(
        default="",
        metadata={"help": "the operation's einnet.label; without it, all operations that qualify"},
    )
    mutation: str = field(
        default="",
        metadata={
            "help": "the mutations to use, such as split-carry(tile=8,halo=0),merge-borders; "
            "without it, whatever is estimated to be fastest"
        },
    )
    correct: bool = field(default=False, metadata={"help": "whether corrections are added at once"})
    share: bool = field(
        default=False,
        metadata={"help": "with correct: let the mutant's own operation compute corrections too"},
    )
    depth: int = field(default=Options.depth, metadata={"help": "mutations of one round"})
    rounds: int = field(
        default=Options.rounds, metadata={"help": "how often the best mutants are mutated again"}
    )
    beam: int = field(
        default=Options.beam, metadata={"help": "mutants of each kind that are mutated further"}
    )
    target: str = field(default="cpu", metadata={"help": "what the estimates are for: cpu or cuda"})

    def __post_init__(self) -> None:
        if self.target not in MACHINES:
            raise InputError(
                f"unknown target '{self.target}'", hint=f"targets: {', '.join(MACHINES)}"
            )
        if min(self.depth, self.rounds, self.beam) < 1:
            raise InputError("depth, rounds and beam are at least 1")
        parse_mutations(self.mutation)

    def run(self, target: Target) -> ir.Module:
        marked: list[str] = []
        if self.label:
            found = find(target, self.NAME, self.label)
            try:
                marked += self.mutate(target, found)
            except NotApplicable as reason:
                raise found.refusal(self.NAME, str(reason)) from reason
        else:
            # Readers first: the layout of a mutant's result must not become part of its reader.
            pending = list(every(target))
            while pending:
                operation = pending.pop()
                label = own_label(operation, labels_in(target))
                known = as_expression(operation, label, TensorNames(), target.filename)
                if known is not None:
                    with suppress(NotApplicable):
                        marked += self.mutate(target, known)
                        # The pads and reshapes before it are gone with it.
                        left = set(operations_of(target))
                        pending = [o for o in pending if o in left]
        if self.correct:
            correct_marks(target, self.NAME, marked, self.share, MACHINES[self.target])
        return target.module

    def mutate(self, target: Target, found: Labelled) -> list[str]:
        """Put a mutant in the operation's place; its label, if it has to be corrected.

        Raises NotApplicable, the module unchanged, if there is none.
        """
        function = _function_around(found.operation)
        original = naturally(found)
        candidate = self.candidate(original, _constants(found, original))
        values = found.names.values
        labels = labels_in(target)
        kernels = new_kernels(target)
        with ir.InsertionPoint(found.operation), found.operation.location:
            mutant = _emit_mutant(candidate.found, values, kernels, labels)
            failing = candidate.failing.boxes.get(original.result.name, ())
            boxes = cover(failing, original.result.shape, positions)
            if boxes:
                symbol = _emit_original(function, original, found.label)
                mutant = emit_mark(
                    mutant,
                    [values[t.name] for t in original.operands],
                    label=found.label,
                    steps=", ".join(map(str, candidate.found.steps)),
                    boxes=[format_box(box) for box in sorted(boxes)],
                    original=symbol,
                )
            else:
                mutant.owner.attributes[LABEL] = ir.StringAttr.get(found.label)
            values[original.result.name] = mutant
            for definition in found.rest:
                values[definition.result.name] = emit_definition(
                    definition, values, kernels, keep_sums=True
                )
        final = found.rest[-1] if found.rest else found.definition
        used = used_values(found.operation)
        found.operation.results[0].replace_all_uses_with(values[final.result.name])
        found.operation.erase()
        erase_unused(used)
        return [found.label] if boxes else []

    def candidate(self, original: Definition, constants: frozenset[str]) -> Candidate:
        """The best mutant that the options allow. Raises NotApplicable if there is none."""
        _require_product(original)
        wanted = parse_mutations(self.mutation)
        program = program_of([original], original.result)
        machine = MACHINES[self.target]
        if wanted:
            mutants = made_of(original, wanted, self.depth)
            found = [_planned(original, mutant, constants, machine) for mutant in mutants]
        else:
            options = Options(self.depth, self.rounds, self.beam)
            found = list(explore([original], program, constants, options, machine))
        if not found:
            raise NotApplicable(_why_none(original.scope, self.mutation))
        judged = (judge(f, program, constants, machine) for f in of_each_form(found)[:_JUDGED])
        best = min((c for c in judged if c is not None), key=lambda c: c.estimate, default=None)
        if best is None:
            raise NotApplicable(
                f"of {len(found)} mutants the {min(len(found), _JUDGED)} most promising are wrong "
                "everywhere, or cannot be decided"
            )
        return best


def _require_product(original: Definition) -> None:
    """Raises NotApplicable for what is no sum of products of two tensors, or a mean of one."""
    scope = original.scope
    if len(scope.body) != 1 or len(scope.term.factors) != len(scope.term.reads):
        reason = (
            "mutations take one product of tensors, not a sum of several nor a function of them"
        )
        raise NotApplicable(reason)
    if scope.term.guards:
        raise NotApplicable("mutations take a product without conditions")
    if not 1 <= len(scope.term.reads) <= 2 or not scope.summation:
        raise NotApplicable("mutations take a sum of products of two tensors")


def _why_none(scope: Scope, mutation: str) -> str:
    """The reason why there is no mutant, or none that is made of the mutations."""
    first = [str(step) for step in moves(named_digits(unmutated(scope)).core, _TILES)]
    if not mutation or not first:
        return "there is no batch, stride, dilation, group or window that a mutation could change"
    more = f" and {len(first) - _LISTED} more" if len(first) > _LISTED else ""
    return (
        f"no mutant is made of {mutation}; first mutations are {', '.join(first[:_LISTED])}{more}"
    )


# Which mutations ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Wanted:
    """A mutation by name, with the parameters that matter."""

    name: str
    parameters: tuple[tuple[str, int], ...]


_MUTATION = re.compile(r"\s*([\w-]+)\s*(?:\(([^()]*)\))?\s*(?:,|$)")


def parse_mutations(text: str) -> tuple[Wanted, ...]:
    """What the option `mutation` names. Raises InputError."""
    wanted: list[Wanted] = []
    position = 0
    while position < len(text):
        match = _MUTATION.match(text, position)
        if match is None:
            raise InputError(
                f"'{text[position:]}' is no mutation",
                hint="a name, perhaps with parameters: merge-borders(gap=0),split-residues",
            )
        if match[1] not in MUTATIONS:
            raise InputError(
                f"unknown mutation '{match[1]}'", hint=f"mutations: {', '.join(MUTATIONS)}"
            )
        wanted.append(Wanted(match[1], tuple(_parameters(match[2] or ""))))
        position = match.end()
    return tuple(wanted)


def _parameters(text: str) -> Iterator[tuple[str, int]]:
    for part in filter(None, map(str.strip, text.split(","))):
        key, equals, value = part.partition("=")
        if not equals or not value.strip().isdigit():
            raise InputError(f"'{part}' is no parameter", hint="a parameter is a number: gap=0")
        yield key.strip(), int(value)


def made_of(original: Definition, wanted: Sequence[Wanted], depth: int) -> Iterator[Mutant]:
    """Mutants by up to `depth` of the mutations that are wanted, each of these at least once."""

    def is_one(step: Step, one: Wanted) -> bool:
        arguments = step.arguments
        return step.rule == one.name and all(arguments.get(k) == v for k, v in one.parameters)

    tile_given = any(key == "tile" for one in wanted for key, _ in one.parameters)
    tiles = tuple(range(2, _MOST_TILES + 1)) if tile_given else _TILES
    level = [named_digits(unmutated(original.scope))]
    seen = {level[0].key}
    for _ in range(depth):
        made: list[Mutant] = []
        for mutant in level:
            for step in moves(mutant.core, tiles):
                if not any(is_one(step, one) for one in wanted):
                    continue
                try:
                    mutated = apply(mutant, step)
                except NotApplicable:
                    continue
                if mutated.key not in seen and len(seen) < _MUTANTS:
                    seen.add(mutated.key)
                    made.append(mutated)
        yield from (m for m in made if all(any(is_one(s, one) for s in m.steps) for one in wanted))
        level = made


def _planned(
    original: Definition, mutant: Mutant, constants: frozenset[str], machine: Machine
) -> Found:
    """The mutant as operations, with their estimate."""
    taken = {t.name for t in (*original.operands, original.result)}
    statements = plan(mutant, original.result, taken, original.label)
    estimate = seconds_of(statements, machine, constants)
    return Found((original,), None, mutant, mutant.steps, statements, estimate, 0)


# What is emitted ----------------------------------------------------------------------------


def _emit_mutant(
    found: Found, values: dict[str, ir.Value], kernels: Iterator[int], labels: set[str]
) -> ir.Value:
    """The operations of the mutant before the insertion point; its value. They are labelled after
    the original: `p.layout`, `p.operator` and, the last one, `p.mutant`."""
    (original,) = found.originals
    known = dict(values)
    for statement in found.statements:
        assert isinstance(statement, Definition)
        kind = "operator" if statement.library is not None else "layout"
        kind = "mutant" if statement.result == original.result else kind
        label = f"{original.label}.{kind}"
        label = fresh_name(f"{label}0", labels) if label in labels else label
        labels.add(label)
        labelled = replace(statement, label=label)
        known[statement.result.name] = emit_definition(labelled, known, kernels, keep_sums=True)
    return known[original.result.name]


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


def _function_around(operation: ir.Operation) -> func.FuncOp:
    """The function that the operation is in. Raises NotApplicable for none."""
    around = operation.parent
    while around is not None and not isinstance(around.opview, func.FuncOp):
        around = around.operation.parent
    if around is None:
        raise NotApplicable("it is in no function")
    assert isinstance(around.opview, func.FuncOp)
    return around.opview


def _constants(found: Labelled, original: Definition) -> frozenset[str]:
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
    given = ir.DictAttr(ir.ArrayAttr(function.attributes["arg_attrs"])[_place(value, owner)])
    return WEIGHT in given


def _place(value: ir.Value, block: ir.Block) -> int:
    return next(n for n, argument in enumerate(block.arguments) if argument == value)
