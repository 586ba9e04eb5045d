"""Parallel operations that `einnet-mutate` makes one (`mutations/together.py`), put in place."""

from __future__ import annotations

from collections.abc import Sequence

from mlir import ir

from einnet.mutations.together import best_together
from einnet.mutations.wanted import Search
from einnet.passes.labelled import Labelled
from einnet.passes.module_pass import Target
from einnet.passes.natural_form import naturally
from einnet.passes.placing_mutants import Emission, constants_of, mutant_statements, place_of
from einnet.passes.replacing import erase_unused, places, producers_used
from einnet.rules.rewrite import NotApplicable


def mutate_parallel(
    target: Target, group: Sequence[Labelled], search: Search, *, share: bool
) -> list[str]:
    """Put one mutant in the place of the operations, of which none depends on another; the labels
    of those that have to be corrected.

    Raises NotApplicable, the module unchanged, if there is no mutant.
    """
    originals = tuple(map(naturally, group))
    constants = frozenset[str]().union(*map(constants_of, group, originals))
    candidate = best_together(originals, constants, search)
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
    used = [v for o in own for v in producers_used(o)]
    for operation, value in zip(own, values, strict=True):
        operation.results[0].replace_all_uses_with(value)
    for operation in own:
        operation.erase()
    erase_unused(used)
    return marked
