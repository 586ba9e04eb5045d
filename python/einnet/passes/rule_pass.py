"""Passes that apply one rule: to the operations that an option names, or to all that qualify.

With labels, a rule that does not apply is an error at the operation. Without, the operations that
the rule refuses are left as they are, each is rewritten at most once, and what the rewrites leave
behind is not tried again.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from mlir import ir

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
from einnet.passes.replacing import Erased, replace_operations
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
        if is_among(operation, gone):
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


def is_among(operation: ir.Operation, gone: Iterable[ir.Operation]) -> bool:
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
