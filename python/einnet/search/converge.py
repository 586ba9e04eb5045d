"""Converging derivation: component-wise beam search towards a target operator.

The dimensions of the two operands that share iterators or guards form a *component*; components
are independent, so each is repaired once, on the start state, by a local best-first search on the
distance, and the repairs of all components are combined, cheapest first. Components that differ in
the names of their iterators alone, such as the two axes of a square convolution, share one search.
The number of visited states is deterministic.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from math import prod

from einnet.expr.index import iterators_of, substitute, var
from einnet.expr.nodes import Read, Scope, box_of
from einnet.operators.contraction import Match, match
from einnet.operators.cost import points
from einnet.operators.target import Target
from einnet.search import record
from einnet.search.distance import BadPart, Distance, Obstacle, distance
from einnet.search.moves import Move, repairs
from einnet.search.record import SILENT, Reason, Recorder
from einnet.search.state import State, attempt_all, rename_step, start

_LOOP_WEIGHT = 16
"""How many points of a library operator cost as much as one of a generated loop."""


@dataclass(frozen=True)
class Limits:
    """Bounds of the search: states visited for each component, repairs kept for each component,
    steps for each component, states kept between components, how many times its size an operand
    may be materialised (1 for not at all), whether the first match is enough, and states visited in
    all by a strategy that takes the expression as a whole."""

    visits: int = 60
    repaired: int = 8
    steps: int = 7
    beam: int = 4
    blow_up: int = 1
    first: bool = False
    total: int = 1000


FIRST = Limits(repaired=1, beam=1, first=True)
"""Stop at the first repair of each component, and at the first order of operands that matches."""


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


def search(
    scope: Scope,
    cost: Cost,
    limits: Limits | None,
    target: Target,
    recorder: Recorder = SILENT,
) -> Result:
    """Derive a target operator from the expression of a product of two reads.

    Returns an empty result if the expression is of another form.
    """
    limits = limits or Limits()
    counters = _Counters()
    first = start(scope)
    found: list[Found] = []
    if first is not None and is_product_of_two(first.core):
        for swapped in (False, True) if not target.symmetric else (False,):
            search_order = _Search(target, swapped, limits, counters, recorder)
            if not search_order.may_have_windows(first.core):
                recorder.ruled_out(search_order.orders(first.core)[0], record.WINDOWS)
                continue
            for state in search_order.run(first):
                found += search_order.matches(state, cost)
            if found and limits.first:
                break
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


@dataclass(frozen=True)
class _Repair:
    """Steps after which a component has no obstacle, or only parts to be materialised."""

    steps: Move
    windows: int
    materialised: bool
    growth: Growth

    def then(self, other: _Repair) -> _Repair:
        """Both repairs, of different components."""
        return _Repair(
            self.steps + other.steps,
            self.windows + other.windows,
            self.materialised or other.materialised,
            tuple(a * b for a, b in zip(self.growth, other.growth, strict=True)),
        )

    def renamed(self, names: Mapping[str, str]) -> _Repair:
        """The same repair of a component that differs in its iterators' names alone."""
        return replace(self, steps=tuple(rename_step(step, names) for step in self.steps))


@dataclass
class _Search:
    """The search for one target with the operands in one order."""

    target: Target
    swapped: bool
    limits: Limits
    counters: _Counters
    recorder: Recorder

    def run(self, first: State) -> list[State]:
        """The cheapest states in which every component is repaired."""
        size = _sizes(first)
        level = [_Repair((), 0, False, (1.0,) * len(size))]
        components = self.components(first)
        for repaired in components:
            self.recorder.combine()
            level = self.cheapest([a.then(r) for a in level for r in repaired], size)
        states: list[State] = []
        for combination in level:
            state = attempt_all(first, combination.steps)
            if isinstance(state, Reason):
                self.recorder.combined(combination.steps, state)
            elif combination.materialised or self.measure(state).value == 0:
                states.append(state)
            else:
                self.recorder.combined(combination.steps, record.DISTANT)
        return states

    def components(self, first: State) -> list[list[_Repair]]:
        """The repairs of each component; components that are alike share one search."""
        components: list[list[_Repair]] = []
        solved: dict[object, tuple[tuple[str, ...], list[_Repair]]] = {}
        for names in components_of(first.core):
            ordered, problem = _problem(first.core, names)
            if problem in solved:
                self.recorder.shared(ordered, solved[problem][0])
            else:
                solved[problem] = ordered, self.repair(first, names)
            like, repaired = solved[problem]
            renaming = dict(zip(like, ordered, strict=True))
            components.append([r.renamed(renaming) for r in repaired])
        return components

    def cheapest(self, candidates: Sequence[_Repair], size: Growth) -> list[_Repair]:
        """The beam: the cheapest few for each number of windows, materialised or not."""
        kept: list[_Repair] = []
        count_of: dict[tuple[int, bool], int] = {}
        seen: set[tuple[object, ...]] = set()
        for repair in sorted(candidates, key=lambda r: (_rough_cost(r.growth, size), len(r.steps))):
            bucket = repair.windows, repair.materialised
            same = (tuple(round(g, 9) for g in repair.growth), _shifted(repair.steps), *bucket)
            if same in seen:
                self.recorder.combined(repair.steps, record.SAME_SIZES)
            elif count_of.get(bucket, 0) == self.limits.beam:
                self.recorder.combined(repair.steps, record.BEAM)
            else:
                self.recorder.combined(repair.steps)
                seen.add(same)
                count_of[bucket] = count_of.get(bucket, 0) + 1
                kept.append(repair)
        return kept

    def orders(self, core: Scope) -> list[tuple[Read, Read]]:
        first, second = core.term.reads
        if self.target.symmetric:
            return [(first, second), (second, first)]
        return [(second, first)] if self.swapped else [(first, second)]

    def may_have_windows(self, core: Scope) -> bool:
        """A static test: windows come from dimensions that iterators share to begin with."""
        operands = self.orders(core)[0]
        shared = {
            which
            for which, read in enumerate(operands)
            if any(len(iterators_of(e)) > 1 for e in read.index)
        }
        return not self.target.windows or any(p.operand in shared for p in self.target.pairs)

    def measure(self, state: State, within: frozenset[str] | None = None) -> Distance:
        return distance(state.core, self.orders(state.core)[0], self.target, within)

    def matches(self, state: State, cost: Cost) -> list[Found]:
        found: list[Found] = []
        for operands in self.orders(state.core):
            measured = distance(state.core, operands, self.target)
            matched = match(state.scope, self.target, operands, measured.windows)
            if matched is not None:
                found.append(Found(state, matched, cost(matched)))
                self.recorder.found(found[-1])
        if not found:
            self.recorder.combined(state.steps, record.ROWS)
        return found

    def repair(self, origin: State, names: frozenset[str]) -> list[_Repair]:
        """Repairs of one component, nearest first.

        `names` are the component's iterators in the start expression; iterators made from them are
        recognised by the dimensions that they stand in.
        """
        slots = _slots(origin.core, names)
        seen: set[Scope] = {origin.key}
        repaired: dict[object, _Repair] = {}
        order = count()
        queue: list[tuple[float, int, State, Distance]] = []

        def push(state: State) -> Distance:
            local = self.measure(state, _inside(state.core, slots))
            missing = bool(self.target.pairs) and not local.windows
            obstacles = len(local.obstacles) + missing
            place = rank(local.value + missing, obstacles, len(state.steps))
            heapq.heappush(queue, (place, next(order), state, local))
            return local

        distance = push(origin).value
        self.recorder.begin(origin, distance, self.orders(origin.core)[0], names)
        visits = 0
        while queue and visits < self.limits.visits and not self.enough(repaired.values()):
            _, _, state, local = heapq.heappop(queue)
            visits += 1
            self.recorder.visited(state)
            key = (
                extents_of(state),
                _shifted(state.steps),
                len(local.windows),
                bool(local.obstacles),
            )
            if not local.obstacles:
                self.recorder.judged(
                    state, record.SAME_SIZES if key in repaired else record.REPAIRED
                )
                repaired.setdefault(key, _repair_of(origin, state, len(local.windows), False))
                continue
            if may_materialise(state, local.obstacles, self.limits):
                self.recorder.judged(state, record.MATERIALISED)
                repaired.setdefault(key, _repair_of(origin, state, len(local.windows), True))
            if len(state.steps) >= self.limits.steps:
                self.recorder.judged(state, record.STEPS)
                continue
            for move in repairs(state.core, local.obstacles[0]):
                successor = attempt_all(state, move)
                if isinstance(successor, Reason):
                    self.recorder.dropped(state, move, successor)
                    continue
                self.counters.generated += 1
                if successor.key in seen:
                    self.counters.duplicates += 1
                    self.recorder.dropped(state, move, record.DUPLICATE)
                    continue
                seen.add(successor.key)
                self.recorder.generated(state, successor, push(successor).value)
        enough = self.enough(repaired.values())
        self.recorder.end(record.ENOUGH if enough else record.BUDGET)
        self.counters.visited += visits
        return list(repaired.values())

    def enough(self, repaired: Iterable[_Repair]) -> bool:
        """Whether a component needs no more repairs: for a target with windows only those that
        are windows count, since a component without one leads elsewhere."""
        counted = [r for r in repaired if r.windows or not self.target.pairs]
        return len(counted) >= self.limits.repaired


def rank(distance: float, obstacles: int, steps: int) -> float:
    """What a best-first search takes the least of: near states first, short derivations before
    long ones."""
    return 2 * distance + 4 * obstacles + 0.5 * steps


def may_materialise(state: State, obstacles: Sequence[Obstacle], limits: Limits) -> bool:
    """Whether the parts in the way may be stored as they are, each element several times."""
    if limits.blow_up <= 1 or not all(isinstance(o, BadPart) for o in obstacles):
        return False
    return all(
        _stored(state.core, read) <= limits.blow_up * prod(read.source.shape)
        for read in state.core.term.reads
        if not isinstance(read.source, Scope)
    )


def _repair_of(origin: State, state: State, windows: int, materialised: bool) -> _Repair:
    growth = tuple(b / a for a, b in zip(_sizes(origin), _sizes(state), strict=True))
    return _Repair(state.steps, windows, materialised, growth)


def _shifted(steps: Move) -> int:
    """How often blocks were aligned: states of the same extents then differ in their layouts."""
    return sum(step.rule == "shift" for step in steps)


Growth = tuple[float, ...]
"""Sizes as `_sizes` lists them, or factors between those of two states."""


def _sizes(state: State) -> Growth:
    """Points of the core and of the outer scope, elements of each operand as laid out."""
    core = state.core
    return (
        float(points(core)),
        float(points(state.scope)),
        *(float(_stored(core, read)) for read in core.term.reads),
    )


def _rough_cost(growth: Growth, size: Growth) -> float:
    """Points of the core and, since they run in loops and not in a library, more for the outer
    ones and for stored operands: enough to rank combinations without applying them, for the
    components multiply."""
    core, *loops = (g * s for g, s in zip(growth, size, strict=True))
    return core + _LOOP_WEIGHT * sum(loops)


def components_of(core: Scope) -> list[frozenset[str]]:
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


def _problem(core: Scope, names: frozenset[str]) -> tuple[tuple[str, ...], object]:
    """The component's iterators in order, and what its repairs depend on, without their names."""
    ordered = tuple(i.name for i in core.traversal + core.summation if i.name in names)
    placeholders = {name: var(f"i{n}") for n, name in enumerate(ordered)}
    ranges = {f"i{n}": core.ranges[name] for n, name in enumerate(ordered)}
    sums = {i.name for i in core.summation}
    places = [
        (which, box_of(read.source)[dimension], substitute(index, placeholders, ranges))
        for which, read in enumerate(core.term.reads)
        for dimension, index in enumerate(read.index)
        if iterators_of(index) & names
    ]
    guards = [
        replace(g, index=substitute(g.index, placeholders, ranges))
        for g in core.term.guards
        if iterators_of(g.index) & names
    ]
    kinds = tuple((core.ranges[name], name in sums) for name in ordered)
    return ordered, (kinds, tuple(places), frozenset(guards))


Slots = frozenset[tuple[int, int]]


def _slots(core: Scope, names: frozenset[str]) -> Slots:
    """The (read, dimension) pairs in which the iterators occur."""
    return frozenset(
        (which, dimension)
        for which, read in enumerate(core.term.reads)
        for dimension, index in enumerate(read.index)
        if iterators_of(index) & names
    )


def _inside(core: Scope, slots: Slots) -> frozenset[str]:
    """The iterators in the component's dimensions."""
    reads = core.term.reads
    return frozenset[str]().union(
        *(iterators_of(reads[which].index[dimension]) for which, dimension in slots)
    )


def _stored(core: Scope, read: Read) -> int:
    """Elements of an operand with a dimension for each of its iterators."""
    names = frozenset[str]().union(*(iterators_of(e) for e in read.index))
    return prod(i.extent for i in core.traversal + core.summation if i.name in names)


Extents = tuple[tuple[int, ...], ...]


def extents_of(state: State) -> Extents:
    """The extents of core and outer sums: states that agree in them cost the same."""
    core = state.core
    return (
        tuple(sorted(i.extent for i in core.traversal)),
        tuple(sorted(i.extent for i in core.summation)),
        tuple(sorted(i.extent for i in state.scope.summation)),
    )
