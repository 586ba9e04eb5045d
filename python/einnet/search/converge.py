"""Converging derivation: component-wise beam search towards a product of matrices.

The dimensions of the two operands that share iterators or guards form a *component*; components
are independent, so each is repaired by a local best-first search on the distance, and the cheapest
few repaired states go on to the next one. The number of visited states is deterministic.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from einnet.expr.index import iterators_of
from einnet.expr.nodes import Read, Scope
from einnet.operators import product
from einnet.operators.cost import points
from einnet.operators.product import Match
from einnet.search.distance import Distance, Obstacle, distance
from einnet.search.moves import Move, repairs
from einnet.search.state import State, apply, start

_LOOP_WEIGHT = 16
"""How many points of a library product cost as much as one of a generated loop."""


@dataclass(frozen=True)
class Limits:
    """Bounds of the search: states visited for each component, repaired states
    kept for each component, steps for each component, states kept between components."""

    visits: int = 60
    repaired: int = 8
    steps: int = 7
    beam: int = 4


@dataclass(frozen=True)
class Found:
    """A derivation to a target operator: the final state, its match, its estimated cost."""

    state: State
    match: Match
    cost: float


@dataclass(frozen=True)
class Result:
    """What a search found, cheapest first, and the states it visited and generated."""

    found: tuple[Found, ...]
    visited: int
    generated: int
    duplicates: int


Cost = Callable[[Match], float]


@dataclass
class _Counters:
    visited: int = 0
    generated: int = 0
    duplicates: int = 0


def search(scope: Scope, cost: Cost, limits: Limits | None = None) -> Result:
    """Derive matrix products from the expression of a product of two reads.

    Returns an empty result if the expression is of another form.
    """
    limits = limits or Limits()
    counters = _Counters()
    first = start(scope)
    found: list[Found] = []
    if first is not None and is_product_of_two(first.core):
        for state in _repaired_states(first, limits, counters):
            for operands in _orders(state.core):
                match = product.match(state.scope, operands)
                if match is not None:
                    found.append(Found(state, match, cost(match)))
    found.sort(key=lambda f: (f.cost, len(f.state.steps)))
    return Result(tuple(found), counters.visited, counters.generated, counters.duplicates)


def is_product_of_two(core: Scope) -> bool:
    """Whether the core is one term of two tensor reads."""
    if len(core.body) != 1:
        return False
    factors = core.term.factors
    return len(factors) == 2 and all(
        isinstance(f, Read) and not isinstance(f.source, Scope) for f in factors
    )


def _orders(core: Scope) -> tuple[tuple[Read, Read], tuple[Read, Read]]:
    first, second = core.term.reads
    return (first, second), (second, first)


def _repaired_states(first: State, limits: Limits, counters: _Counters) -> list[State]:
    """The cheapest states in which every component is repaired.

    A component's repairs are found once, on the start state, and replayed on the states that the
    other components' repairs lead to: their steps name iterators of the component only.
    """
    level = [first]
    for names in _components(first.core):
        repaired = _repair(first, names, limits, counters)
        candidates: dict[Extents, State] = {}
        for state in level:
            for steps in repaired:
                combined = _apply_all(state, steps)
                if combined is not None:
                    candidates.setdefault(_extents(combined), combined)
        ranked = sorted(candidates.values(), key=lambda s: (_rough_cost(s), len(s.steps)))
        level = ranked[: limits.beam]
    return [s for s in level if _measure(s).value == 0]


def _measure(state: State) -> Distance:
    return distance(state.core, _orders(state.core)[0])


def _components(core: Scope) -> list[frozenset[str]]:
    """Groups of iterators that share an operand's dimension or a guard, in order of occurrence."""
    groups: list[set[str]] = []
    indices = [e for read in core.term.reads for e in read.index]
    indices += [g.index for g in core.term.guards]
    for index in indices:
        names = set(iterators_of(index))
        if not names:
            continue
        touching = [g for g in groups if g & names]
        groups = [g for g in groups if not g & names]
        groups.append(names.union(*touching))
    return [frozenset(g) for g in groups]


def _repair(
    origin: State, names: frozenset[str], limits: Limits, counters: _Counters
) -> list[Move]:
    """Step sequences after which the component's obstacles are gone, nearest first.

    `names` are the component's iterators in the start expression; iterators made from them are
    recognised by the dimensions that they stand in.
    """
    slots = _slots(origin.core, names)
    seen: set[Scope] = {origin.key}
    repaired: dict[Extents, Move] = {}
    order = count()
    queue: list[tuple[float, int, State, list[Obstacle]]] = []

    def push(state: State) -> None:
        measured = _measure(state)
        local = _local(state.core, measured, slots)
        rank = 2 * measured.value + 4 * len(local) + 0.5 * len(state.steps)
        heapq.heappush(queue, (rank, next(order), state, local))

    push(origin)
    visits = 0
    while queue and visits < limits.visits and len(repaired) < limits.repaired:
        _, _, state, obstacles = heapq.heappop(queue)
        visits += 1
        if not obstacles:
            repaired.setdefault(_extents(state), state.steps)
            continue
        if len(state.steps) >= limits.steps:
            continue
        for move in repairs(state.core, obstacles[0]):
            successor = _apply_all(state, move)
            if successor is None:
                continue
            counters.generated += 1
            if successor.key in seen:
                counters.duplicates += 1
                continue
            seen.add(successor.key)
            push(successor)
    counters.visited += visits
    return list(repaired.values())


def _apply_all(state: State, move: Move) -> State | None:
    current: State | None = state
    for step in move:
        if current is None:
            return None
        current = apply(current, step)
    return current


Slots = frozenset[tuple[int, int]]


def _slots(core: Scope, names: frozenset[str]) -> Slots:
    """The (read, dimension) pairs in which the iterators occur."""
    return frozenset(
        (which, dimension)
        for which, read in enumerate(core.term.reads)
        for dimension, index in enumerate(read.index)
        if iterators_of(index) & names
    )


def _local(core: Scope, measured: Distance, slots: Slots) -> list[Obstacle]:
    """The obstacles whose iterators occur in the component's dimensions."""
    reads = core.term.reads
    inside = frozenset[str]().union(
        *(iterators_of(reads[which].index[dimension]) for which, dimension in slots)
    )
    return [o for o in measured.obstacles if o.iterators & inside]


Extents = tuple[tuple[int, ...], ...]


def _extents(state: State) -> Extents:
    """The extents of core and outer sums: states that agree in them cost the same."""
    core = state.core
    return (
        tuple(sorted(i.extent for i in core.traversal)),
        tuple(sorted(i.extent for i in core.summation)),
        tuple(sorted(i.extent for i in state.scope.summation)),
    )


def _rough_cost(state: State) -> int:
    """Points of the core and, since they run in loops and not in a library, more for the outer
    ones: enough to rank states whose other components are not repaired yet."""
    return points(state.core) + _LOOP_WEIGHT * points(state.scope)
