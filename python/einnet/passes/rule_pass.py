"""Passes that apply one rule: to the operations that an option names, or to all that qualify.

With labels, a rule that does not apply is an error at the operation. Without, the operations that
the rule refuses are left as they are, each is rewritten at most once, and what the rewrites leave
behind is not tried again.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from mlir import ir

from einnet.errors import InputError
from einnet.expr.nodes import Scope
from einnet.expr.program import Definition
from einnet.passes.labelled import (
    Labelled,
    TensorNames,
    as_expression,
    every,
    find,
    labels_in,
    own_label,
)
from einnet.passes.module_pass import ModulePass, Target
from einnet.passes.replacing import Erased, places, replace_operations
from einnet.rules.rewrite import NotApplicable

Rewrite = Scope | Sequence[Definition]
"""What takes the place of an operation: another expression, or definitions one of which defines
the operation's result."""


@dataclass(frozen=True, kw_only=True)
class RulePass(ModulePass):
    """A rule that rewrites one operation at a time."""

    label: str = field(
        default="",
        metadata={"help": "the operation's einnet.label; without it, all operations that qualify"},
    )

    @abstractmethod
    def rewrite(self, found: Labelled) -> Rewrite:
        """What takes the operation's place. Raises NotApplicable where the rule does."""

    def run(self, target: Target) -> ir.Module:
        return apply_rule(target, self.NAME, self.label, self.rewrite)


def apply_rule(
    target: Target, pass_name: str, label: str, rule: Callable[[Labelled], Rewrite]
) -> ir.Module:
    """Replace the operation `label`, or all that qualify, by what `rule` makes of its expression.

    Raises InputError, at the operation, where the rule raises NotApplicable for a label.
    """
    if label:
        found = find(target, pass_name, label)
        try:
            _replace(target, found, rule)
        except NotApplicable as reason:
            raise found.refusal(pass_name, str(reason)) from reason
        return target.module
    gone: list[ir.Operation] = []
    for operation in list(every(target)):
        if _is_among(operation, gone):
            continue
        found = as_expression(
            operation, own_label(operation, labels_in(target)), TensorNames(), target.filename
        )
        if found is not None:
            with suppress(NotApplicable):
                gone += _replace(target, found, rule)
    return target.module


def _replace(target: Target, found: Labelled, rule: Callable[[Labelled], Rewrite]) -> Erased:
    made = rule(found)
    definitions = [replace(found.definition, scope=made)] if isinstance(made, Scope) else made
    return replace_operations(target, [found], definitions)


def _is_among(operation: ir.Operation, gone: Iterable[ir.Operation]) -> bool:
    """By identity, since nothing else may be asked of an operation that was erased."""
    return any(operation is other for other in gone)


def parts_labelled(
    definitions: Sequence[Definition], found: Labelled, suffix: str
) -> tuple[Definition, ...]:
    """The definitions, those that are not of the operation's own result labelled `p.suffix`."""
    own = found.definition.result.name
    return tuple(
        d if d.result.name == own else replace(d, label=f"{found.label}.{suffix}")
        for d in definitions
    )


# Several operations as one ------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class GroupPass(ModulePass):
    """A rule that rewrites several operations of one block together."""

    labels: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "two or more einnet.labels, with commas between; without them, all groups "
            "that qualify"
        },
    )

    def __post_init__(self) -> None:
        if len(self.labels) == 1:
            raise InputError("one label is no group", hint="labels=a,b names two operations")
        if len(set(self.labels)) < len(self.labels):
            raise InputError("a label is given twice")

    @abstractmethod
    def rewrite(self, group: Sequence[Labelled]) -> Sequence[Definition]:
        """What takes the operations' place. Raises NotApplicable where the rule does."""

    @abstractmethod
    def keys(self, found: Labelled) -> Iterable[Hashable]:
        """Operations of one group have one of these in common; none for one that is in no group."""

    def run(self, target: Target) -> ir.Module:
        if self.labels:
            names = TensorNames()
            group = [find(target, self.NAME, label, names) for label in self.labels]
            try:
                replace_operations(target, group, self.rewrite(group))
            except NotApplicable as reason:
                raise group[0].refusal(self.NAME, str(reason)) from reason
            return target.module
        gone: list[ir.Operation] = []
        for alike in self._alike(target):
            left = [o for o in alike if not _is_among(o, gone)]
            while left:
                group, left = self._grown(target, left)
                if len(group) > 1:
                    with suppress(NotApplicable):
                        gone += self._replace(target, group)
        return target.module

    def _alike(self, target: Target) -> list[list[ir.Operation]]:
        """The operations by what they have in common, in the order of the text."""
        found: dict[Hashable, list[ir.Operation]] = {}
        for operation in every(target):
            known = as_expression(operation, "", TensorNames(), target.filename)
            for key in () if known is None else dict.fromkeys(self.keys(known)):
                found.setdefault(key, []).append(operation)
        return list(found.values())

    def _grown(
        self, target: Target, operations: Sequence[ir.Operation]
    ) -> tuple[list[ir.Operation], list[ir.Operation]]:
        """The first operation with all later ones that go with it, and those that are left."""
        first, *others = operations
        group, left = [first], list[ir.Operation]()
        for operation in others:
            together = [*group, operation]
            try:
                expressions = self._expressions(target, together)
                places(expressions, self.rewrite(expressions))
            except NotApplicable:
                left.append(operation)
            else:
                group = together
        return group, left

    def _replace(self, target: Target, operations: Sequence[ir.Operation]) -> Erased:
        group = self._expressions(target, operations)
        return replace_operations(target, group, self.rewrite(group))

    def _expressions(self, target: Target, operations: Sequence[ir.Operation]) -> list[Labelled]:
        names, taken = TensorNames(), labels_in(target)
        group: list[Labelled] = []
        for operation in operations:
            label = own_label(operation, taken)
            taken.add(label)
            found = as_expression(operation, label, names, target.filename)
            if found is None:
                raise NotApplicable("it has no expression any more")
            group.append(found)
        return group
