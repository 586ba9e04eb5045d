"""How the search benchmark measures: CPU seconds with empty caches, and plans that are equal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bench.rows import Derived
from einnet.expr.program import Program
from einnet.verify.equivalence import Equal, compare

RUNS = 3

_T = TypeVar("_T")


def clear_caches() -> None:
    """Empty every cache of the engine, so that no run helps another."""
    for name, module in list(sys.modules.items()):
        if name.startswith(("einnet.expr", "einnet.rules", "einnet.operators", "einnet.search")):
            for value in list(vars(module).values()):
                if callable(clear := getattr(value, "cache_clear", None)):
                    clear()


def timed(function: Callable[[], _T], runs: int = RUNS) -> tuple[_T, float]:
    """The function's result and its CPU seconds: the best of so many runs, since other work on a
    shared machine can make a run longer, never shorter."""
    clear_caches()
    begin = time.process_time()
    result = function()
    best = time.process_time() - begin
    for _ in range(runs - 1):
        clear_caches()
        begin = time.process_time()
        function()
        best = min(best, time.process_time() - begin)
    return result, best


@dataclass(frozen=True)
class Verified:
    """How many plans were compared with the reference, which are equal, CPU seconds for all."""

    equal: int
    compared: int
    seconds: float


def verify(reference: Program, found: Sequence[Derived]) -> Verified:
    """Compare plans with their reference by the equivalence checker."""
    begin = time.process_time()
    equal = sum(isinstance(compare(reference, d.program()), Equal) for d in found)
    return Verified(equal, len(found), time.process_time() - begin)
