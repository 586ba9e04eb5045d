"""`einnet-mutate`: operations become faster ones that may be wrong at some positions."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar

from mlir import ir

from einnet.mutations.generate import JUDGED, Options
from einnet.mutations.wanted import Search, best_mutant
from einnet.passes.correct import MACHINES, correct_marks
from einnet.passes.labelled import (
    Labelled,
    TensorNames,
    as_expression,
    every,
    find,
    labels_in,
    operations_of,
    own_label,
    require_group,
)
from einnet.passes.module_pass import Example, ModulePass, Target
from einnet.passes.mutate_together import mutate_together
from einnet.passes.natural_form import naturally
from einnet.passes.options import OptionError, number
from einnet.passes.placing_mutants import (
    Emission,
    constants_of,
    function_around,
    mutant_statements,
    place_of,
)
from einnet.passes.replacing import erase_unused, producers_used
from einnet.passes.wanted_mutations import parse_mutations
from einnet.rules.rewrite import NotApplicable

_OPERATIONS = Options.operators
"""Operations that become one mutant, at most."""

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

    With `labels`, two to four operations of one block become one mutant:

    - Parallel ones, of which none depends on another, become one operator. `merge-padded` gives one
      whose filters are those of all, `batch-padded` a grouped or batched one; weights are padded
      with zeros until all have one form. The one is then mutated like any other. `mutation` may
      name one of the two, and mutations besides it. The operations of `p` and `q` are labelled
      `p+q.layout` and `p+q.operator`, their results `p` and `q`.
    - A chain, each member of which reads the one before it, and no other, through operations
      without sums, is moved alike: all members by the same mutations, one `merge-borders` or
      `split-carry` if `mutation` does not say. What is between two members is computed in the
      layout that they share, unless something else reads it or a correction starts from it.

    Each result that is not shown equal has a mark of its own. `share` does not take parallel ones.

    The pass refuses operations that are no product of two tensors under a sum, and a choice of
    mutations that makes no mutant, or only mutants that are wrong everywhere. Of several operations
    it refuses some that depend on each other but are no chain, and says what keeps them from being
    one.
    """

    NAME: ClassVar[str] = "einnet-mutate"
    SUMMARY: ClassVar[str] = "Replace operations by faster ones that are equal only in part"
    EXAMPLE: ClassVar[Example] = _EXAMPLE
    MODULE_ONLY: ClassVar[bool] = True

    label: str = field(
        default="",
        metadata={
            "help": "the operation's einnet.label; without it or labels, all operations that "
            "qualify, one by one"
        },
    )
    labels: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "two to four einnet.labels, with commas between: these operations become one "
            "mutant"
        },
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
    depth: int = number(Options.depth, "mutations of one round", most=100)
    rounds: int = number(Options.rounds, "how often the best mutants are mutated again", most=100)
    beam: int = number(Options.beam, "mutants of each kind that are mutated further", most=1000)
    target: str = field(default="cpu", metadata={"help": "what the estimates are for: cpu or cuda"})

    def __post_init__(self) -> None:
        if self.target not in MACHINES:
            raise OptionError(
                "target", f"unknown target '{self.target}'", hint=f"targets: {', '.join(MACHINES)}"
            )
        joins = self.search.joins
        if joins and not self.labels:
            raise OptionError(
                "mutation",
                f"{joins[0].name} takes several operations",
                hint="labels=a,b names two of them",
            )
        if self.labels and self.label:
            raise OptionError(
                "label", "label names one operation, labels several", hint="give one of them"
            )
        if self.share and not self.correct:
            raise OptionError(
                "share",
                "share is of corrections, and none are added here",
                hint="correct=true adds them; or give share to einnet-correct",
            )
        require_group(self.labels)

    def run(self, target: Target) -> ir.Module:
        marked: list[str] = []
        if self.labels:
            marked += self.together(target)
        elif self.label:
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

    @property
    def search(self) -> Search:
        options = Options(self.depth, self.rounds, self.beam, judged=JUDGED)
        return Search(parse_mutations(self.mutation), options, MACHINES[self.target])

    def together(self, target: Target) -> list[str]:
        """Put one mutant in the place of several operations; the labels of those that have to be
        corrected. Raises InputError."""
        names = TensorNames()
        group = [find(target, self.NAME, label, names) for label in self.labels]
        if len(group) > _OPERATIONS:
            raise group[_OPERATIONS].refusal(
                self.NAME, f"of {len(group)} operations, at most {_OPERATIONS} become one mutant"
            )
        return mutate_together(target, self.NAME, group, self.search, share=self.share)

    def mutate(self, target: Target, found: Labelled) -> list[str]:
        """Put a mutant in the operation's place; its label, if it has to be corrected.

        Raises NotApplicable, the module unchanged, if there is none.
        """
        function_around(found.operation)
        original = naturally(found)
        candidate = best_mutant(original, constants_of(found, original), self.search)
        place = place_of(found, original, candidate.found.steps, candidate.failing)
        statements = mutant_statements(candidate.found.statements, [place], found.label)
        emission = Emission(target, [place], [*statements, *found.rest])
        with ir.InsertionPoint(found.operation), found.operation.location:
            value = emission.value(place.final)
        used = producers_used(found.operation)
        found.operation.results[0].replace_all_uses_with(value)
        found.operation.erase()
        erase_unused(used)
        return [found.label] if place.boxes else []
