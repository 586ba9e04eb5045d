"""The best mutant that is one operator for several parallel operations.

They are made one by `parallel.py` and mutated further like any other. (PET, OSDI 2021, section 4.)
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile

from einnet.corrections.recompute import program_of
from einnet.expr.program import Definition, names_of
from einnet.mutations.generate import TOGETHER, Candidate, Found, cheapest, explore
from einnet.mutations.wanted import JOINS, Search, first_moves, listed, made_of, planned
from einnet.rules.rewrite import NotApplicable, Step


def best_together(
    originals: tuple[Definition, ...], constants: frozenset[str], search: Search
) -> Candidate:
    """The mutant of all that takes least time with its corrections. Raises NotApplicable if there
    is none."""
    program = program_of(originals, *(d.result for d in originals))
    if search.wanted:
        found = list(_joined(originals, constants, search))
    else:
        every = explore(originals, program, constants, search.options, search.machine)
        # Those of all come first.
        found = list(takewhile(lambda one: len(one.originals) == len(originals), every))
    if not found:
        raise NotApplicable(_why_not_one(originals, search))
    return cheapest(found, program, constants, search.options, search.machine)


def _joined(
    originals: tuple[Definition, ...], constants: frozenset[str], search: Search
) -> Iterator[Found]:
    """Mutants made of what is wanted: by one of the joins, any if none is named."""
    joins = tuple(dict.fromkeys(one.name for one in search.joins)) or JOINS
    if len(search.joins) > 1:
        raise NotApplicable(f"operations become one by one of {', '.join(JOINS)}")
    names = tuple(d.result.name for d in originals)
    for rule in joins:
        try:
            together = TOGETHER[rule](originals, names_of(program_of(originals)))
        except NotApplicable:
            continue
        whole = together.definition.scope
        steps = (Step(rule, (("definitions", names),)),)
        for mutant in made_of(whole, search.moves, search.options.depth):
            yield planned(originals, together, mutant, steps, constants, search.machine)


def _why_not_one(originals: tuple[Definition, ...], search: Search) -> str:
    """The conditions that fail for each way to make them one."""
    joins = tuple(one.name for one in search.joins) or JOINS
    reasons: list[str] = []
    for rule in joins:
        try:
            together = TOGETHER[rule](originals, names_of(program_of(originals)))
        except NotApplicable as reason:
            reasons.append(f"{rule}: {reason}")
        else:
            first = listed(first_moves(together.definition.scope))
            reasons.append(
                f"{rule}: no mutant is made of {search.text}; first mutations are {first or 'none'}"
            )
    return f"they do not become one operator: {'; '.join(reasons)}"
