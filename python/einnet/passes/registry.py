"""The passes that einnet-opt adds to MLIR's, by name; each is imported when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Iterable

from einnet.errors import InputError, Location
from einnet.passes.module_pass import ModulePass

_ENTRIES = (
    ("einnet-lower-to-nvvm", "einnet.passes.lower_to_nvvm:LowerToNvvm"),
    ("einnet-merge-traversals", "einnet.passes.merge_traversals:MergeTraversals"),
    ("einnet-optimize", "einnet.passes.optimize:Optimize"),
    ("einnet-split-summation", "einnet.passes.split_summation:SplitSummation"),
    ("einnet-substitute", "einnet.passes.substitute:Substitute"),
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
