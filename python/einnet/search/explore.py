"""Explorative derivation: best-first over every move that any rule offers, on whole expressions.

The state that comes next is the nearest to the target, by expression distance and steps (EinNet,
OSDI 2023, explores breadth first to a given depth instead). A state's moves are the repairs of its
first obstacle, as in converging derivation, and then all others. Nothing is cut into components, so
it reaches what no sequence of repairs does, and takes many more states to find the cheapest.
"""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field
from itertools import count

from einnet.expr.nodes import Read, Scope
from einnet.operators.contraction import match
from einnet.operators.cost import points
from einnet.operators.target import Target
from einnet.search import record
from einnet.search.converge import (
    Cost,
    Found,
    Limits,
    Result,
    components_of,
    extents_of,
    is_product_of_two,
    may_materialise,
    rank,
)
from einnet.search.distance import Distance, distance
from einnet.search.moves import Move, all_moves, repairs
from einnet.search.record import SILENT, Reason, Recorder
from einnet.search.state import State, attempt_all, start

_ALIKE = 2.0
"""How far a state falls back for each earlier one of the same sizes and distance."""


def search(
    scope: Scope,
    cost: Cost,
    limits: Limits | None,
    target: Target,
    recorder: Recorder = SILENT,
) -> Result:
    """Derive a target operator from the expression of a product of two reads.

    Visits at most `limits.total` states, each of at most `limits.steps` steps for each component
    that more than one iterator forms. Goes on after the first match, unless `limits.first`; of
    matches with the same sizes the cheapest is kept. Returns an empty result if the expression is
    of another form.
    """
    origin = start(scope)
    if origin is None or not is_product_of_two(origin.core):
        return Result((), 0, 0, 0)
    return _Exploration(target, cost, limits or Limits(), recorder).run(origin)


@dataclass
class _Exploration:
    """One search. `shortest` holds the canonical form of every state that was reached, with the
    fewest steps to it: a state that is reached again in fewer is visited again, since it may then
    go further. `alike` counts states by sizes and distance: those that agree in them are mostly
    reflections and reorderings of one another, and would crowd out everything else."""

    target: Target
    cost: Cost
    limits: Limits
    recorder: Recorder
    shortest: dict[Scope, int] = field(default_factory=dict[Scope, int])
    queue: list[tuple[float, int, State, Distance]] = field(
        default_factory=list[tuple[float, int, State, Distance]]
    )
    order: count[int] = field(default_factory=count)
    alike: Counter[tuple[int, int, float]] = field(default_factory=Counter[tuple[int, int, float]])

    def run(self, origin: State) -> Result:
        visited = generated = duplicates = 0
        best: dict[object, Found] = {}
        components = components_of(origin.core)
        steps = self.limits.steps * max(1, sum(len(names) > 1 for names in components))
        nearest = self.push(origin)
        self.recorder.begin(origin, nearest.value, self.orders(origin.core)[0], ())
        while self.queue and visited < self.limits.total and not (best and self.limits.first):
            _, _, state, nearest = heapq.heappop(self.queue)
            if self.shortest[state.key] < len(state.steps):
                self.recorder.judged(state, record.SHORTER)
                continue
            visited += 1
            self.recorder.visited(state)
            found = self.matches(state)
            for key, one in found.items():
                if key not in best or _order(one) < _order(best[key]):
                    best[key] = one
            if found and not nearest.value:
                self.recorder.judged(state, record.MATCHED)
                continue
            if found:
                self.recorder.judged(state, record.MATERIALISED)
            if len(state.steps) >= steps:
                self.recorder.judged(state, record.STEPS)
                continue
            for move in self.moves(state, nearest):
                successor = attempt_all(state, move)
                if isinstance(successor, Reason):
                    self.recorder.dropped(state, move, successor)
                    continue
                generated += 1
                known = self.shortest.get(successor.key)
                if known is not None and known <= len(successor.steps):
                    duplicates += 1
                    self.recorder.dropped(state, move, record.DUPLICATE)
                    continue
                self.recorder.generated(state, successor, self.push(successor).value)
        self.recorder.end(record.ENOUGH if best and self.limits.first else record.BUDGET)
        return Result(tuple(sorted(best.values(), key=_order)), visited, generated, duplicates)

    def push(self, state: State) -> Distance:
        """Put a state into the queue; its distance, with the operands in the nearer order."""
        self.shortest[state.key] = len(state.steps)
        orders = self.orders(state.core)[:1] if self.target.symmetric else self.orders(state.core)
        nearest = min(
            (distance(state.core, operands, self.target) for operands in orders),
            key=lambda d: (d.value, len(d.obstacles)),
        )
        kind = points(state.core), points(state.scope), nearest.value
        place = rank(nearest.value, len(nearest.obstacles), len(state.steps))
        place += _ALIKE * self.alike[kind]
        self.alike[kind] += 1
        heapq.heappush(self.queue, (place, next(self.order), state, nearest))
        return nearest

    def moves(self, state: State, nearest: Distance) -> list[Move]:
        """Every move once; repairs first, so that of equal states a repaired one is kept."""
        first = repairs(state.core, nearest.obstacles[0]) if nearest.obstacles else []
        return list(dict.fromkeys([*first, *all_moves(state.core)]))

    def orders(self, core: Scope) -> list[tuple[Read, Read]]:
        first, second = core.term.reads
        return [(first, second), (second, first)]

    def matches(self, state: State) -> dict[object, Found]:
        """What the state matches, by the sizes that make the cost."""
        found: dict[object, Found] = {}
        for swapped, operands in enumerate(self.orders(state.core)):
            measured = distance(state.core, operands, self.target)
            if measured.value and not may_materialise(state, measured.obstacles, self.limits):
                continue
            matched = match(state.scope, self.target, operands, measured.windows)
            if matched is not None:
                key = (extents_of(state), len(measured.windows), bool(measured.value), swapped)
                found[key] = Found(state, matched, self.cost(matched))
                self.recorder.found(found[key])
        return found


def _order(found: Found) -> tuple[float, int]:
    return found.cost, len(found.state.steps)
