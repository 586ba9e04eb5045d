"""Passes that apply one rule to several operations together: to those that an option names, or to
all groups that qualify.

With labels, a rule that does not apply is an error at the first operation. Without, groups are
grown greedily: the first operation with all later ones that the rule takes beside it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from mlir import ir

from einnet.expr.program import Definition
from einnet.passes.labelled import (
    Labelled,
    TensorNames,
    as_expression,
    every,
    find,
    labels_in,
    own_label,
    require_group,
)
from einnet.passes.module_pass import ModulePass, Target
from einnet.passes.replacing import Erased, places, replace_operations
from einnet.passes.rule_pass import is_among
from einnet.rules.rewrite import NotApplicable


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
        require_group(self.labels)

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
            left = [o for o in alike if not is_among(o, gone)]
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
