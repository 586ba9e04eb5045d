"""Several operations as one mutant of `einnet-mutate`.

Parallel ones, of which none depends on another, become one operator (`mutate_parallel.py`), which
is mutated further like any other. A chain, in which each reads the one before through operations
without sums, is moved alike (`mutate_chain.py`). Both are in PET, OSDI 2021, section 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlir import ir

from einnet.mutations.wanted import Search, require_product
from einnet.passes.labelled import Labelled
from einnet.passes.module_pass import Target
from einnet.passes.mutate_chain import mutate_chain
from einnet.passes.mutate_parallel import mutate_parallel
from einnet.passes.natural_form import naturally
from einnet.passes.placing_mutants import function_around
from einnet.passes.replacing import producers_used
from einnet.rules.rewrite import NotApplicable


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
        return mutate_parallel(target, group, search, share=share)
    except NotApplicable as reason:
        raise group[0].refusal(pass_name, str(reason)) from reason


def dependences(group: Sequence[Labelled]) -> Mapping[ir.Operation, frozenset[str]]:
    """For the operations of the block that the group is in, the labels of those of the group that
    each depends on."""
    members = {found.operation: found.label for found in group}
    above: dict[ir.Operation, frozenset[str]] = {}
    for view in group[0].operation.block.operations:
        labels: set[str] = set()
        for value in producers_used(view.operation):
            owner = value.owner.operation
            labels |= above.get(owner, frozenset())
            labels |= {members[owner]} if owner in members else set()
        above[view.operation] = frozenset(labels)
    return above
