"""The option `mutation` of `einnet-mutate`: mutations by name, and the mutants made of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from einnet.errors import InputError
from einnet.expr.nodes import Scope
from einnet.expr.program import Definition
from einnet.mutations import (
    dimensions,
    groups,
    merging_borders,
    pooling,
    residues,
    splitting_carry,
    strides,
)
from einnet.mutations.generate import TOGETHER, Found, Options, named_digits, statements_of
from einnet.mutations.moves import apply, moves
from einnet.mutations.mutant import Mutant, unmutated
from einnet.mutations.parallel import Together
from einnet.mutations.plan import seconds_of
from einnet.operators.cost import Machine
from einnet.rules.rewrite import NotApplicable, Step

MUTATIONS = tuple(
    sorted(
        (
            merging_borders.RULE,
            splitting_carry.RULE,
            dimensions.MERGE,
            dimensions.SPLIT,
            residues.RULE,
            strides.RULE,
            groups.ZEROS,
            groups.DIAGONAL,
            pooling.RULE,
        )
    )
)
"""The mutations of one operation, by name."""

JOINS = tuple(sorted(TOGETHER))
"""What makes several operations one, by name."""

JUDGED = 4
"""Mutants that are verified and corrected on paper, the most promising ones, to take the best."""

_LISTED = 8

_TILES = Options.tiles
_MOST_TILES = 16
"""Into how many tiles a dimension is cut where the option says their size."""

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
        """What is wanted, as the option has it."""
        return ",".join(map(_written, self.wanted))


def _written(one: Wanted) -> str:
    inside = ",".join(f"{key}={value}" for key, value in one.parameters)
    return f"{one.name}({inside})" if inside else one.name


_MUTATION = re.compile(r"\s*([\w-]+)\s*(?:\(([^()]*)\))?\s*(?:,|$)")


def parse_mutations(text: str) -> tuple[Wanted, ...]:
    """What the option `mutation` names. Raises InputError."""
    wanted: list[Wanted] = []
    position = 0
    while position < len(text):
        match = _MUTATION.match(text, position)
        if match is None:
            raise InputError(
                f"'{text[position:]}' is no mutation",
                hint="a name, perhaps with parameters: merge-borders(gap=0),split-residues",
            )
        if match[1] not in (*MUTATIONS, *JOINS):
            raise InputError(
                f"unknown mutation '{match[1]}'",
                hint=f"mutations: {', '.join(MUTATIONS)}; of several operations: "
                f"{', '.join(JOINS)}",
            )
        wanted.append(Wanted(match[1], tuple(_parameters(match[2] or ""))))
        position = match.end()
    return tuple(wanted)


def _parameters(text: str) -> Iterator[tuple[str, int]]:
    for part in filter(None, map(str.strip, text.split(","))):
        key, equals, value = part.partition("=")
        if not equals or not value.strip().isdigit():
            raise InputError(f"'{part}' is no parameter", hint="a parameter is a number: gap=0")
        yield key.strip(), int(value)


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
        level = made


def planned(
    originals: tuple[Definition, ...],
    together: Together | None,
    mutant: Mutant,
    steps: Iterable[Step],
    constants: frozenset[str],
    machine: Machine,
) -> Found:
    """The mutant as operations, with their estimate. `steps` are what came before its own."""
    taken = {t.name for d in originals for t in (*d.operands, d.result)}
    statements = statements_of(originals, together, mutant, taken)
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


def why_none(scope: Scope, wanted: str) -> str:
    """The reason why there is no mutant, or none that is made of what is wanted."""
    first = first_moves(scope)
    if not wanted or not first:
        return "there is no batch, stride, dilation, group or window that a mutation could change"
    return f"no mutant is made of {wanted}; first mutations are {listed(first)}"


def listed(steps: Sequence[str]) -> str:
    more = f" and {len(steps) - _LISTED} more" if len(steps) > _LISTED else ""
    return f"{', '.join(steps[:_LISTED])}{more}"


def none_of(count: int) -> str:
    """The reason why none of so many mutants is taken."""
    return (
        f"of {count} mutants the {min(count, JUDGED)} most promising are wrong everywhere, or "
        "cannot be decided"
    )
