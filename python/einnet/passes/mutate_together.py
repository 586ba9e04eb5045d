"""Several operations as one mutant of `einnet-mutate`.

Parallel ones, of which none depends on another, become one operator (`mutations/parallel.py`),
which is mutated further like any other. A chain, in which each reads the one before through
operations without sums, is moved alike (`mutate_chain.py`). Both are in PET, OSDI 2021, section 4.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile

from mlir import ir

from einnet.corrections.recompute import program_of
from einnet.expr.program import Definition, names_of
from einnet.mutations.generate import (
    TOGETHER,
    Candidate,
    Found,
    explore,
    judge,
    of_each_form,
)
from einnet.passes.labelled import Labelled
from einnet.passes.module_pass import Target
from einnet.passes.mutate_chain import mutate_chain
from einnet.passes.natural_form import naturally
from einnet.passes.placing_mutants import (
    Emission,
    constants_of,
    function_around,
    mutant_statements,
    place_of,
)
from einnet.passes.replacing import erase_unused, places, used_values
from einnet.passes.wanted_mutations import (
    JOINS,
    JUDGED,
    Search,
    first_moves,
    listed,
    made_of,
    none_of,
    planned,
    require_product,
)
from einnet.rules.rewrite import NotApplicable, Step


def mutate_together(
    target: Target, pass_name: str, group: Sequence[Labelled], search: Search, *, share: bool
) -> list[str]:
    """Put one mutant in the place of the operations, whose names of tensors are the same; the
    labels of those that have to be corrected.

    Raises InputError, at the operation that a condition fails for.
    """
    for found in group:
        try:
            function_around(found.operation)
            require_product(naturally(found).scope)
        except NotApplicable as reason:
            raise found.refusal(pass_name, str(reason)) from reason
    for found in group[1:]:
        if found.operation.block != group[0].operation.block:
            raise found.refusal(pass_name, f"it is not in the block of {group[0].label}")
    above = dependences(group)
    if any(above[found.operation] for found in group):
        ordered = sorted(group, key=lambda found: len(above[found.operation]))
        for number, found in enumerate(ordered):
            known = above[found.operation]
            others = [f.label for f in ordered[:number] if f.label not in known]
            if others:
                raise found.refusal(
                    pass_name,
                    f"it does not depend on {others[0]}, and others of them depend on each other: "
                    "operations become one mutant if none depends on another, or in a chain, each "
                    "of which reads the one before",
                )
        return mutate_chain(target, pass_name, ordered, above, search)
    try:
        return _mutate_parallel(target, group, search, share=share)
    except NotApplicable as reason:
        raise group[0].refusal(pass_name, str(reason)) from reason


def dependences(group: Sequence[Labelled]) -> Mapping[ir.Operation, frozenset[str]]:
    """For the operations of the block that the group is in, the labels of those of the group that
    each depends on."""
    members = {found.operation: found.label for found in group}
    above: dict[ir.Operation, frozenset[str]] = {}
    for view in group[0].operation.block.operations:
        labels: set[str] = set()
        for value in used_values(view.operation):
            owner = value.owner.operation
            labels |= above.get(owner, frozenset())
            labels |= {members[owner]} if owner in members else set()
        above[view.operation] = frozenset(labels)
    return above


# Parallel operations ------------------------------------------------------------------------


def _mutate_parallel(
    target: Target, group: Sequence[Labelled], search: Search, *, share: bool
) -> list[str]:
    """Raises NotApplicable, the module unchanged, if there is no mutant."""
    originals = tuple(map(naturally, group))
    constants = frozenset[str]().union(*map(constants_of, group, originals))
    candidate = _parallel_candidate(originals, constants, search)
    steps, failing = candidate.found.steps, candidate.failing
    chosen = [place_of(f, o, steps, failing) for f, o in zip(group, originals, strict=True)]
    marked = [place.found.label for place in chosen if place.boxes]
    if marked and share:
        raise NotApplicable(
            "what several operations became has no operator that could compute corrections of "
            f"{marked[0]} too: share takes one operation"
        )
    whole = "+".join(found.label for found in group)
    statements = mutant_statements(candidate.found.statements, chosen, whole)
    rest = [d for found in group for d in found.rest]
    first, waiting = places(group, [*statements, *originals, *rest])
    emission = Emission(target, chosen, [*statements, *rest])
    for operation in waiting:
        operation.move_before(first)
    with ir.InsertionPoint(first), first.location:
        values = [emission.value(place.final) for place in chosen]
    own = [found.operation for found in group]
    used = [v for o in own for v in used_values(o)]
    for operation, value in zip(own, values, strict=True):
        operation.results[0].replace_all_uses_with(value)
    for operation in own:
        operation.erase()
    erase_unused(used)
    return marked


def _parallel_candidate(
    originals: tuple[Definition, ...], constants: frozenset[str], search: Search
) -> Candidate:
    """The best mutant that is one operator for all. Raises NotApplicable if there is none."""
    program = program_of(originals, *(d.result for d in originals))
    if search.wanted:
        found = list(_joined(originals, constants, search))
    else:
        every = explore(originals, program, constants, search.options, search.machine)
        # Those of all come first.
        found = list(takewhile(lambda one: len(one.originals) == len(originals), every))
    if not found:
        raise NotApplicable(_why_not_one(originals, search))
    judged = (judge(f, program, constants, search.machine) for f in of_each_form(found)[:JUDGED])
    best = min((c for c in judged if c is not None), key=lambda c: c.estimate, default=None)
    if best is None:
        raise NotApplicable(none_of(len(found)))
    return best


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
