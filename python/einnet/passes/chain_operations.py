"""Operations that are a chain, read for `mutations/chains.py`: each member, which depends on those
before it, and what lies between them. What something else reads, or a correction starts from, stays
as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from mlir import ir

from einnet.bridge.lift import lift_operation
from einnet.corrections.recompute import program_of
from einnet.expr.nodes import Tensor
from einnet.expr.program import Definition, Program
from einnet.passes.labelled import Labelled, TensorNames
from einnet.passes.natural_form import naturally_with_unit_sums
from einnet.passes.placing_mutants import constants_of
from einnet.rules.rewrite import NotApplicable


@dataclass(frozen=True)
class ChainOperations:
    """The members in order, what they are naturally, the operations between them, and all that
    depend on a member."""

    group: tuple[Labelled, ...]
    originals: tuple[Definition, ...]
    between: Mapping[ir.Operation, Definition]
    dependent: frozenset[ir.Operation]

    @cached_property
    def constants(self) -> frozenset[str]:
        return frozenset[str]().union(*map(constants_of, self.group, self.originals))

    def part(self, wrong: frozenset[str]) -> Program:
        """The chain as a program, if the members whose results are called so have to be corrected.

        Corrections start from what the originals read, so that is computed as it was, as is what
        other operations read: it is an output, or an input that operations which stay compute.
        """
        alone = self._alone(wrong)
        members = {f.operation: (f, d) for f, d in zip(self.group, self.originals, strict=True)}
        statements: list[Definition] = []
        outputs: list[Tensor] = []
        for view in self.group[0].operation.block.operations:
            operation = view.operation
            if operation in members:
                found, original = members[operation]
                statements += (original, *found.rest)
                if operation not in alone:
                    outputs.append(statements[-1].result)
            elif operation in self.between and operation in alone:
                statements.append(self.between[operation])
        program = program_of(statements, *outputs)
        weights = self.constants & {t.name for t in program.inputs}
        return replace(program, weights=weights)

    def _alone(self, wrong: frozenset[str]) -> set[ir.Operation]:
        """The operations that nothing needs but mutants of the chain."""
        values = self.group[0].names.values
        needed = {t.name for d in self.originals if d.result.name in wrong for t in d.operands}
        kept = {v.owner.operation for n, v in values.items() if n in needed and _is_made(v)}
        members = {found.operation for found in self.group}
        alone = set[ir.Operation]()
        last = self.group[-1].operation
        for view in reversed(list(last.block.operations)):
            operation = view.operation
            if operation == last or operation in kept:
                continue
            if operation not in members | self.dependent:
                continue
            users = {use.owner.operation for result in operation.results for use in result.uses}
            if users and users <= members | alone and self._is_plain(operation):
                alone.add(operation)
        return alone

    def _is_plain(self, operation: ir.Operation) -> bool:
        """Whether the operation does nothing but compute its result."""
        return lift_operation(operation, self.group[0].names) is not None


def _is_made(value: ir.Value) -> bool:
    return not isinstance(value.owner, ir.Block)


def read_chain(
    pass_name: str, group: Sequence[Labelled], above: Mapping[ir.Operation, frozenset[str]]
) -> ChainOperations:
    """The operations, each of which depends on those before it, with what lies between them.

    `above` has the labels of those that an operation of the block depends on. Raises InputError, at
    the operation that reads more than the one before it.
    """
    originals = tuple(map(naturally_with_unit_sums, group))
    between = dict[ir.Operation, Definition]()
    for number in range(1, len(group)):
        before, found = group[number - 1], group[number]
        try:
            reached = _collect(found, originals[number].operands, group, above, between)
            if reached != {before.label}:
                raise NotApplicable(
                    f"in a chain it would read {before.label} alone, and it reads "
                    f"{' and '.join(sorted(reached)) or 'none of them'}"
                )
            # What is added to it may come from anywhere.
            rest = [t for d in found.rest for t in d.operands]
            _collect(found, rest, group, above, between)
        except NotApplicable as reason:
            raise found.refusal(pass_name, str(reason)) from reason
    dependent = frozenset(operation for operation, labels in above.items() if labels)
    return ChainOperations(tuple(group), originals, between, dependent)


def _collect(
    found: Labelled,
    tensors: Iterable[Tensor],
    group: Sequence[Labelled],
    above: Mapping[ir.Operation, frozenset[str]],
    between: dict[ir.Operation, Definition],
) -> set[str]:
    """Add the operations through which the tensors depend on members of the group other than
    `found`; the labels of the members that are reached so.

    Raises NotApplicable for an operation that has a sum, or no expression.
    """
    names = found.names
    members = {f.operation: f.label for f in group}
    pending, seen, reached = list(tensors), set[str](), set[str]()
    while pending:
        tensor = pending.pop()
        value = names.values.get(tensor.name)
        if tensor.name in seen or value is None or isinstance(value.owner, ir.Block):
            continue
        seen.add(tensor.name)
        operation = value.owner.operation
        if operation in members:
            reached |= {members[operation]} - {found.label}
        elif above.get(operation):
            if operation not in between:
                between[operation] = _without_sums(operation, names)
            pending += between[operation].operands
    return reached


def _without_sums(operation: ir.Operation, names: TensorNames) -> Definition:
    definitions = lift_operation(operation, names)
    if definitions is None:
        raise NotApplicable(f"{operation.name}, which it reads, has no expression")
    if any(d.scope.summation for d in definitions):
        raise NotApplicable(
            f"{operation.name}, which it reads, has a sum, and is none of the chain"
        )
    # What has no sum is one definition.
    (definition,) = definitions
    return definition
