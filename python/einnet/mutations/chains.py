"""Chains of contractions that are moved alike.

Every member reads the one before it through eOperators and has the same mutations as all others.
What lies between two members is computed in the layout in which it is: the relayout after one and
that before the next cancel (`program/fusion.py`).

Paper: PET, OSDI 2021, section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf

from einnet.corrections.recompute import Library
from einnet.expr.program import Definition, Program, Statement, names_of
from einnet.mutations import merging_borders, splitting_carry
from einnet.mutations.generate import Corrected, Found, Options, of_each_form
from einnet.mutations.one_tap import weights_of, with_taps
from einnet.mutations.plan import as_library, fused_program, seconds_of
from einnet.mutations.wanted import Wanted, made_of, planned
from einnet.operators.cost import Machine
from einnet.program.joint import spliced, with_own_names
from einnet.rules.rewrite import NotApplicable, Step
from einnet.verify.equivalence import Undecided
from einnet.verify.plan import VerifiedProgram, verify_plan

CHAIN_MOVES = merging_borders.RULE, splitting_carry.RULE
"""The mutations that members of a chain have alike: they change where the image's elements are."""

_MEMBERS = Options.operators
"""Contractions of a chain, at most."""

Moves = tuple[str, ...]
"""The mutations that members share, as text."""

Plans = Sequence[Sequence[Statement]]
"""Statements for each member, in order."""


@dataclass(frozen=True)
class Chain:
    """The members in order, and the program that they are with what lies between them.

    `part` gives it for the names of the members' results that have to be corrected, since what a
    correction reads may be needed as it was.
    """

    members: tuple[Definition, ...]
    part: Callable[[frozenset[str]], Program]
    constants: frozenset[str]
    machine: Machine

    def seconds(self, plans: Plans, wrong: frozenset[str] = frozenset()) -> float:
        """The estimate of the chain with these statements for its members."""
        statements = self.joined(self.part(wrong), plans).statements
        return seconds_of(statements, self.machine, self.constants)

    def joined(self, part: Program, plans: Plans) -> Program:
        """The part with these statements for the members, layouts between them joined."""
        taken = names_of(part)
        own = {
            d.result.name: with_own_names(statements, [d.result, *part.outputs], taken)
            for d, statements in zip(self.members, plans, strict=True)
        }
        return fused_program(spliced(part, own))


@dataclass(frozen=True)
class Moved:
    """A mutant of each member with its corrections, and what the chain then takes."""

    members: tuple[Corrected, ...]
    estimate: float

    @property
    def wrong(self) -> frozenset[str]:
        """The results that have to be corrected."""
        return frozenset(name for one in self.members for name in one.failing.boxes)


def chains_of(contractions: Sequence[str], program: Program) -> tuple[tuple[str, ...], ...]:
    """Runs of contractions, named by their results, each of which reads the one before through
    eOperators without sums; the longest first, of those that share members."""
    producers = {d.result.name: d for d in program.definitions}

    def before(name: str) -> str | None:
        """The only contraction that a contraction's operands come from without sums between."""
        found: set[str] = set()
        waiting = [t.name for t in producers[name].operands]
        seen: set[str] = set()
        while waiting:
            current = waiting.pop()
            if current in seen or current not in producers:
                continue
            seen.add(current)
            if current in contractions:
                found.add(current)
            elif not producers[current].scope.summation:
                waiting += [t.name for t in producers[current].operands]
        return found.pop() if len(found) == 1 else None

    runs: list[list[str]] = []
    for name in contractions:
        previous = before(name)
        run = next((r for r in runs if r[-1] == previous), None)
        if run is None:
            runs.append([name])
        else:
            run.append(name)
    windows = [
        tuple(run[start : start + count])
        for count in range(_MEMBERS, 1, -1)
        for run in runs
        for start in range(len(run) - count + 1)
    ]
    return tuple(windows)


def with_shared_windows(members: Sequence[Definition]) -> tuple[Definition, ...]:
    """The members, those of one tap with a sum of one point where the others' windows have taps, if
    they correspond: a 1x1 convolution is moved as a 3x3 one."""
    try:
        return with_taps(members, weights_of(members))
    except NotApplicable:
        return tuple(members)


def moves_of(
    definition: Definition,
    constants: frozenset[str],
    machine: Machine,
    wanted: tuple[Wanted, ...] = (),
    depth: int = 1,
    library: Library = as_library,
    taken: Iterable[str] = (),
) -> dict[Moves, Found]:
    """The mutants of a member, by their mutations: up to `depth` of those that are wanted, else one
    that changes where the image's elements are. New names are not in `taken`."""
    choices = [wanted] if wanted else [(Wanted(rule),) for rule in CHAIN_MOVES]
    found: dict[Moves, Found] = {}
    for choice in choices:
        for mutant in made_of(definition.scope, choice, depth if wanted else 1):
            key = tuple(
                str(step) for step in mutant.steps if any(w.is_made_by(step) for w in choice)
            )
            one = planned((definition,), None, mutant, (), constants, machine, library, taken)
            found.setdefault(key, one)
    return found


def shared_moves(own: Sequence[Mapping[Moves, Found]]) -> dict[Moves, tuple[Found, ...]]:
    """The mutations that all members may have, and the mutants of each member by them."""
    return {key: tuple(o[key] for o in own) for key in own[0] if all(key in o for o in own)}


def moved_alike(
    chain: Chain,
    shared: Mapping[Moves, Sequence[Found]],
    corrected: Callable[[Found], Corrected | None],
    judged: int,
    limit: float = inf,
) -> list[Moved]:
    """The most promising `judged` mutations of those that are estimated below the limit, with
    corrections, by estimated time. A member that cannot be corrected leaves them out."""
    found: list[Moved] = []
    for alike in _ranked(chain, shared, limit)[:judged]:
        members = [one for f in alike if (one := corrected(f)) is not None]
        if len(members) < len(alike):
            continue
        moved = Moved(tuple(members), 0.0)
        seconds = chain.seconds([one.statements for one in members], moved.wrong)
        if seconds < limit:
            found.append(replace(moved, estimate=seconds))
    return sorted(found, key=lambda m: m.estimate)


def _ranked(
    chain: Chain, shared: Mapping[Moves, Sequence[Found]], limit: float
) -> list[Sequence[Found]]:
    """The cheapest with the widest gaps and halos, which leave nothing to correct between the
    members, the cheapest without, then those of each form."""
    costs = {key: chain.seconds([f.statements for f in alike]) for key, alike in shared.items()}
    # Of the first member, with what the whole chain is estimated at.
    firsts = {key: replace(alike[0], estimate=costs[key]) for key, alike in shared.items()}
    keys = {first.steps: key for key, first in firsts.items()}
    close = [key for key in shared if costs[key] < limit]
    widest: dict[tuple[object, ...], int] = {}
    for first in firsts.values():
        place, width = _place(first.steps)
        widest[place] = max(width, widest.get(place, 0))

    def is_wide(key: Moves) -> bool:
        place, width = _place(firsts[key].steps)
        return width == widest[place]

    order = [keys[one.steps] for one in of_each_form(firsts[key] for key in close)]
    leading = [
        min(group, key=lambda key: costs[key])
        for group in ([k for k in close if is_wide(k)], [k for k in close if not is_wide(k)])
        if group
    ]
    return [shared[key] for key in dict.fromkeys((*leading, *order))]


def _place(steps: Iterable[Step]) -> tuple[tuple[object, ...], int]:
    """Where mutations move elements, and the gaps and halos that they leave."""
    where: list[object] = []
    width = 0
    for step in steps:
        arguments = dict(step.parameters)
        for key in ("gap", "halo"):
            value = arguments.pop(key, 0)
            assert isinstance(value, int)
            width += value
        where += [step.rule, *arguments.items()]
    return tuple(where), width


def is_proved(chain: Chain, moved: Moved) -> bool:
    """Whether the corrected chain as a whole is proved equal to what it was.

    Raises AssertionError for one that is not equal, which is our bug.
    """
    reference = chain.part(frozenset())
    joined = chain.joined(reference, [one.statements for one in moved.members])
    verdict = verify_plan(reference, replace(reference, statements=joined.statements))
    if isinstance(verdict, Undecided):
        return False
    assert isinstance(verdict, VerifiedProgram), f"a corrected chain is wrong: {verdict}"
    return True
