"""Mutants made of mutations that are named, and the best mutant of one operation.

Nothing named means all mutants that the generator finds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from einnet.corrections.recompute import Library, program_of
from einnet.expr.nodes import Scope
from einnet.expr.program import Definition
from einnet.mutations.generate import (
    TOGETHER,
    Candidate,
    Found,
    Options,
    cheapest,
    explore,
    named_digits,
    statements_of,
)
from einnet.mutations.moves import apply, moves
from einnet.mutations.mutant import Mutant, unmutated
from einnet.mutations.parallel import Together
from einnet.mutations.plan import as_library, seconds_of
from einnet.operators.cost import Machine
from einnet.rules.rewrite import NotApplicable, Step

JOINS = tuple(sorted(TOGETHER))
"""What makes several operations one, by name."""

_LISTED = 8

_TILES = Options.tiles
_MOST_TILES = 16
"""Into how many tiles a dimension is cut where their size is given."""

_MUTANTS = 200
"""Mutants made of named mutations that are looked at."""


@dataclass(frozen=True)
class Wanted:
    """A mutation by name, with the parameters that matter."""

    name: str
    parameters: tuple[tuple[str, int], ...] = ()

    def is_made_by(self, step: Step) -> bool:
        arguments = step.arguments
        return step.rule == self.name and all(arguments.get(k) == v for k, v in self.parameters)

    def __str__(self) -> str:
        inside = ",".join(f"{key}={value}" for key, value in self.parameters)
        return f"{self.name}({inside})" if inside else self.name


@dataclass(frozen=True)
class Search:
    """Which mutants are looked for, all if none are `wanted`, and what estimates are for."""

    wanted: tuple[Wanted, ...]
    options: Options
    machine: Machine

    @property
    def joins(self) -> tuple[Wanted, ...]:
        return tuple(one for one in self.wanted if one.name in JOINS)

    @property
    def moves(self) -> tuple[Wanted, ...]:
        return tuple(one for one in self.wanted if one.name not in JOINS)

    @property
    def text(self) -> str:
        """What is wanted, as the option `mutation` of `einnet-mutate` has it."""
        return ",".join(map(str, self.wanted))


def best_mutant(original: Definition, constants: frozenset[str], search: Search) -> Candidate:
    """The mutant that takes least time with its corrections. Raises NotApplicable if there is
    none."""
    require_product(original.scope)
    program = program_of([original], original.result)
    if search.wanted:
        mutants = made_of(original.scope, search.wanted, search.options.depth)
        found = [planned((original,), None, m, (), constants, search.machine) for m in mutants]
    else:
        found = list(explore([original], program, constants, search.options, search.machine))
    if not found:
        raise NotApplicable(_why_none(original.scope, search.text))
    return cheapest(found, program, constants, search.options, search.machine)


def made_of(scope: Scope, wanted: Sequence[Wanted], depth: int) -> Iterator[Mutant]:
    """Mutants by up to `depth` of the mutations that are wanted, each of these at least once; what
    is not mutated if none is wanted."""
    tile_given = any(key == "tile" for one in wanted for key, _ in one.parameters)
    tiles = tuple(range(2, _MOST_TILES + 1)) if tile_given else _TILES
    level = [named_digits(unmutated(scope))]
    seen = {level[0].key}
    if not wanted:
        yield level[0]
    for _ in range(depth if wanted else 0):
        made: list[Mutant] = []
        for mutant in level:
            for step in moves(mutant.core, tiles):
                if not any(one.is_made_by(step) for one in wanted):
                    continue
                try:
                    mutated = apply(mutant, step)
                except NotApplicable:
                    continue
                if mutated.key not in seen and len(seen) < _MUTANTS:
                    seen.add(mutated.key)
                    made.append(mutated)
        yield from (m for m in made if all(any(map(one.is_made_by, m.steps)) for one in wanted))
        if not made:
            return
        level = made


def planned(
    originals: tuple[Definition, ...],
    together: Together | None,
    mutant: Mutant,
    steps: Iterable[Step],
    constants: frozenset[str],
    machine: Machine,
    library: Library = as_library,
    taken: Iterable[str] = (),
) -> Found:
    """The mutant as operations, with their estimate. `steps` are what came before its own; new
    names are not in `taken`."""
    names = {t.name for d in originals for t in (*d.operands, d.result)}.union(taken)
    statements = statements_of(originals, together, mutant, names, library)
    estimate = seconds_of(statements, machine, constants)
    return Found(originals, together, mutant, (*steps, *mutant.steps), statements, estimate, 0)


def require_product(scope: Scope) -> None:
    """Raises NotApplicable for what is no sum of products of two tensors, or a mean of one."""
    if len(scope.body) != 1 or len(scope.term.factors) != len(scope.term.reads):
        reason = (
            "mutations take one product of tensors, not a sum of several nor a function of them"
        )
        raise NotApplicable(reason)
    if scope.term.guards:
        raise NotApplicable("mutations take a product without conditions")
    if not 1 <= len(scope.term.reads) <= 2 or not scope.summation:
        raise NotApplicable("mutations take a sum of products of two tensors")


def first_moves(scope: Scope) -> list[str]:
    """The mutations that an expression may begin with."""
    return [str(step) for step in moves(named_digits(unmutated(scope)).core, _TILES)]


def _why_none(scope: Scope, wanted: str) -> str:
    """The reason why there is no mutant, or none that is made of what is wanted."""
    first = first_moves(scope)
    if not wanted or not first:
        return "there is no batch, stride, dilation, group or window that a mutation could change"
    return f"no mutant is made of {wanted}; first mutations are {listed(first)}"


def listed(steps: Sequence[str]) -> str:
    more = f" and {len(steps) - _LISTED} more" if len(steps) > _LISTED else ""
    return f"{', '.join(steps[:_LISTED])}{more}"
