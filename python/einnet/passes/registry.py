"""The passes that einnet-opt adds to MLIR's, by name; each is imported when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Iterable

from einnet.errors import InputError, Location
from einnet.passes.module_pass import ModulePass

_ENTRIES = (
    ("einnet-associate", "einnet.passes.associate:Associate"),
    ("einnet-batch-parallel", "einnet.passes.batch_parallel:BatchParallel"),
    ("einnet-collect-terms", "einnet.passes.collect_terms:CollectTerms"),
    ("einnet-correct", "einnet.passes.correct:Correct"),
    ("einnet-distribute", "einnet.passes.distribute:Distribute"),
    ("einnet-drop-iterators", "einnet.passes.drop_iterators:DropIterators"),
    ("einnet-eliminate-guard", "einnet.passes.eliminate_guard:EliminateGuard"),
    ("einnet-fuse", "einnet.passes.fuse:Fuse"),
    ("einnet-lower-to-cpu", "einnet.passes.lower_to_cpu:LowerToCpu"),
    ("einnet-lower-to-nvvm", "einnet.passes.lower_to_nvvm:LowerToNvvm"),
    ("einnet-match-operators", "einnet.passes.match_operators:MatchOperators"),
    ("einnet-merge-parallel", "einnet.passes.merge_parallel:MergeParallel"),
    ("einnet-merge-traversals", "einnet.passes.merge_traversals:MergeTraversals"),
    ("einnet-mutate", "einnet.passes.mutate:Mutate"),
    ("einnet-optimize", "einnet.passes.optimize:Optimize"),
    ("einnet-raise-conv", "einnet.passes.raise_conv:RaiseConv"),
    ("einnet-relax", "einnet.passes.relax:Relax"),
    ("einnet-relayout", "einnet.passes.relayout:Relayout"),
    ("einnet-separate-terms", "einnet.passes.separate_terms:SeparateTerms"),
    ("einnet-split-expression", "einnet.passes.split_expression:SplitExpression"),
    ("einnet-split-product", "einnet.passes.split_product:SplitProduct"),
    ("einnet-split-summation", "einnet.passes.split_summation:SplitSummation"),
    ("einnet-substitute", "einnet.passes.substitute:Substitute"),
    ("einnet-tighten", "einnet.passes.tighten:Tighten"),
    ("einnet-unit-factor", "einnet.passes.unit_factor:UnitFactor"),
)


def table(entries: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The entries by name. Raises ValueError for a name that is there twice."""
    found: dict[str, str] = {}
    for name, place in entries:
        if name in found:
            raise ValueError(f"the pass {name} is registered as {found[name]} and as {place}")
        found[name] = place
    return found


_PLACES = table(_ENTRIES)

NAMES = tuple(_PLACES)
"""The names of all passes of einnet's own, sorted."""


def load(name: str, place: Location | None = None) -> type[ModulePass]:
    """The pass of this name. Raises InputError, at `place`, listing the valid names."""
    if name not in _PLACES:
        raise InputError(
            f"unknown pass '{name}'", location=place, hint=f"einnet's passes: {', '.join(NAMES)}"
        )
    module, _, attribute = _PLACES[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
