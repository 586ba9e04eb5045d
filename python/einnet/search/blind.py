"""Blind search, for tests and comparison: breadth first over every move, without a distance.

It shows what converging derivation is worth: both visit the same kind of states, normalised and
without duplicates, and differ only in which state comes next and which moves it gets.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

from einnet.expr.nodes import Read, Scope
from einnet.operators.contraction import match
from einnet.operators.target import Target
from einnet.search import record
from einnet.search.converge import Cost, Found, Result, is_product_of_two
from einnet.search.distance import distance
from einnet.search.moves import all_moves
from einnet.search.record import SILENT, Reason, Recorder
from einnet.search.state import State, attempt_all, start


@dataclass(frozen=True)
class Budget:
    """States that may be visited, and CPU seconds that may pass."""

    visits: int = 2000
    seconds: float = 20.0


BLIND = Budget()


def search_blindly(
    scope: Scope,
    cost: Cost,
    budget: Budget,
    target: Target,
    recorder: Recorder = SILENT,
) -> Result:
    """The first state, breadth first, that is the target operator; empty if none in the budget.

    As `converge.search`, for the expression of a product of two reads.
    """
    origin = start(scope)
    if origin is None or not is_product_of_two(origin.core):
        return Result((), 0, 0, 0)
    end = time.process_time() + budget.seconds
    visited = generated = duplicates = 0
    seen: set[Scope] = {origin.key}
    queue = deque([origin])
    recorder.begin(origin, None, _orders(origin)[0], ())
    found: list[Found] = []
    while queue and visited < budget.visits and time.process_time() < end and not found:
        state = queue.popleft()
        visited += 1
        recorder.visited(state)
        found = _matches(state, target, cost)
        if found:
            recorder.judged(state, record.MATCHED)
            for match_ in found:
                recorder.found(match_)
            break
        for move in all_moves(state.core):
            successor = attempt_all(state, move)
            if isinstance(successor, Reason):
                recorder.dropped(state, move, successor)
                continue
            generated += 1
            if successor.key in seen:
                duplicates += 1
                recorder.dropped(state, move, record.DUPLICATE)
                continue
            seen.add(successor.key)
            queue.append(successor)
            recorder.generated(state, successor, None)
    recorder.end(record.ENOUGH if found else record.BUDGET)
    return Result(tuple(found), visited, generated, duplicates)


def _matches(state: State, target: Target, cost: Cost) -> list[Found]:
    found: list[Found] = []
    for operands in _orders(state):
        measured = distance(state.core, operands, target)
        if measured.value == 0:
            matched = match(state.scope, target, operands, measured.windows)
            if matched is not None:
                found.append(Found(state, matched, cost(matched)))
    return sorted(found, key=lambda f: f.cost)


def _orders(state: State) -> tuple[tuple[Read, Read], ...]:
    first, second = state.core.term.reads
    return (first, second), (second, first)
