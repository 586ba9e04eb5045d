"""`einnet-substitute`: new iterators in the place of an operation's loops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from mlir import ir

from einnet.errors import InputError
from einnet.expr.index import Index, Range, bounds, substitute
from einnet.expr.nodes import Scope
from einnet.expr.text import parse_index
from einnet.passes.labelled import Labelled, apply_rule
from einnet.passes.module_pass import ModulePass, Target
from einnet.rules.rewrite import NotApplicable
from einnet.rules.variable_substitution import solve, substitute_iterators


@dataclass(frozen=True)
class Substitute(ModulePass):
    """The rule of `rules.variable_substitution` on the operation with the label."""

    NAME: ClassVar[str] = "einnet-substitute"
    SUMMARY: ClassVar[str] = "Replace loops by new iterators that are functions of the old ones"

    label: str = field(metadata={"help": "the operation's einnet.label"})
    with_: tuple[str, ...] = field(
        metadata={
            "help": "new iterators over the old ones, such as t1=d0+d3; each takes the place of "
            "the first loop in it that can be solved for"
        }
    )

    def run(self, target: Target) -> ir.Module:
        def rule(found: Labelled) -> Scope:
            scope = found.scope
            phi = dict(_parse(text, scope) for text in self.with_)
            if len(phi) != len(self.with_):
                raise NotApplicable("a new iterator is given twice")
            return substitute_iterators(scope, phi, inverse(scope, phi))

        return apply_rule(target, self.NAME, self.label, rule)


def _parse(text: str, scope: Scope) -> tuple[str, Index]:
    name, equals, index = text.partition("=")
    name = name.strip()
    if not equals or not name.isidentifier():
        raise NotApplicable(f"'{text}' is no substitution; write a new iterator = an index")
    try:
        return name, parse_index(index, scope.ranges)
    except InputError as error:
        raise NotApplicable(f"in '{text}': {error.message}") from error


def inverse(scope: Scope, phi: Mapping[str, Index]) -> dict[str, Index]:
    """The old iterators that go, each over the new ones and those that stay: Gauss's elimination.

    Raises NotApplicable if an equation has no iterator left to solve for.
    """
    ranges = dict(scope.ranges)
    for name, index in phi.items():
        low, high = bounds(index, scope.ranges)
        ranges[name] = Range(low, high + 1)
    psi: dict[str, Index] = {}
    for name, index in phi.items():
        left = replace(
            scope,
            traversal=tuple(i for i in scope.traversal if i.name not in psi),
            summation=tuple(i for i in scope.summation if i.name not in psi),
        )
        _, solved = solve(left, name, substitute(index, psi, ranges))
        psi = {old: substitute(e, solved, ranges) for old, e in psi.items()} | solved
    return psi
