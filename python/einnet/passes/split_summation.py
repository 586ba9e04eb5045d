"""`einnet-split-summation`: part of an operation's sum moves to an operation around it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from mlir import ir

from einnet.expr.nodes import Scope
from einnet.passes.labelled import Labelled, apply_rule
from einnet.passes.module_pass import ModulePass, Target
from einnet.rules.summation_splitting import split_summation


@dataclass(frozen=True)
class SplitSummation(ModulePass):
    """The rule of `rules.summation_splitting` on the operation with the label."""

    NAME: ClassVar[str] = "einnet-split-summation"
    SUMMARY: ClassVar[str] = "Split a sum in two and move factors out of the inner one"

    label: str = field(metadata={"help": "the operation's einnet.label"})
    iterators: tuple[str, ...] = field(
        metadata={"help": "its reduction loops, such as d2, that become the outer sum"}
    )

    def run(self, target: Target) -> ir.Module:
        def rule(found: Labelled) -> Scope:
            return split_summation(found.scope, self.iterators)

        return apply_rule(target, self.NAME, self.label, rule)
