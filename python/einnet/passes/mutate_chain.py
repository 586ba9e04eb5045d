"""Chains of operations that `einnet-mutate` moves alike (`mutations/chains.py`), put in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mlir import ir

from einnet.corrections.recompute import program_of
from einnet.expr.program import Definition, Program
from einnet.mutations.chains import (
    Chain,
    Moved,
    Moves,
    is_proved,
    moved_alike,
    moves_of,
    shared_moves,
)
from einnet.mutations.generate import Corrected, Found, corrected, none_right
from einnet.mutations.wanted import Search, listed
from einnet.passes.chain_operations import ChainOperations, read_chain
from einnet.passes.labelled import Labelled, operations_of
from einnet.passes.module_pass import Target
from einnet.passes.placing_mutants import Emission, Place, mutant_statements, place_of
from einnet.passes.replacing import erase_unused, producers_used
from einnet.rules.rewrite import NotApplicable


def mutate_chain(
    target: Target,
    pass_name: str,
    group: Sequence[Labelled],
    above: Mapping[ir.Operation, frozenset[str]],
    search: Search,
) -> list[str]:
    """Put mutants that were moved alike in the place of the operations, each of which depends on
    those before it; the labels of those that have to be corrected.

    `above` has the labels of those that an operation of the block depends on. Raises InputError, at
    the operation that a condition fails for.
    """
    operations = read_chain(pass_name, group, above)
    chain = Chain(operations.originals, operations.part, operations.constants, search.machine)
    try:
        return _put(target, operations, chain, _best(operations, chain, search))
    except NotApplicable as reason:
        raise group[0].refusal(pass_name, str(reason)) from reason


def _best(operations: ChainOperations, chain: Chain, search: Search) -> Moved:
    """The moves that leave the chain fastest. Raises NotApplicable if there are none."""
    group = operations.group
    if search.joins:
        raise NotApplicable(
            f"{search.joins[0].name} takes operations of which none depends on another, and "
            f"{group[-1].label} depends on {group[0].label}"
        )
    own = [
        moves_of(d, chain.constants, search.machine, search.wanted, search.options.depth)
        for d in chain.members
    ]
    shared = shared_moves(own)
    if not shared:
        raise NotApplicable(_why_not_alike(group, own, search))

    def judged(found: Found) -> Corrected | None:
        (original,) = found.originals
        program = program_of([original], original.result)
        return corrected(found, program, chain.constants, search.machine)

    for moved in moved_alike(chain, shared, judged, search.options.judged):
        if is_proved(chain, moved):
            return moved
    raise NotApplicable(none_right(len(shared), search.options))


def _why_not_alike(
    group: Sequence[Labelled], own: Sequence[Mapping[Moves, Found]], search: Search
) -> str:
    known = (
        f"{found.label} by {listed(list(map(', '.join, moves))) or 'nothing'}"
        for found, moves in zip(group, own, strict=True)
    )
    wanted = f" made of {search.text}" if search.wanted else ""
    return (
        f"a chain is moved alike, and its members have no mutant{wanted} by the same moves: "
        f"{'; '.join(known)}"
    )


def _put(target: Target, operations: ChainOperations, chain: Chain, moved: Moved) -> list[str]:
    """Emit each member's mutant where the member stands, with what is between before it."""
    places = [
        place_of(found, original, member.found.steps, member.failing)
        for found, original, member in zip(
            operations.group, chain.members, moved.members, strict=True
        )
    ]
    part = chain.part(moved.wrong)
    emission = Emission(target, places, _with_marks(chain, part, moved, places))
    outputs = {t.name for t in part.outputs}
    for place in places:
        if place.final in outputs:
            operation = place.found.operation
            with ir.InsertionPoint(operation), operation.location:
                value = emission.value(place.final)
            operation.results[0].replace_all_uses_with(value)
    for place in reversed(places):
        # What only a later member needed is gone with it, earlier members too.
        if place.found.operation in operations_of(target):
            used = producers_used(place.found.operation)
            place.found.operation.erase()
            erase_unused(used)
    return [place.found.label for place in places if place.boxes]


def _with_marks(
    chain: Chain, part: Program, moved: Moved, places: Sequence[Place]
) -> tuple[Definition, ...]:
    """The statements of the mutants, of which those that are wrong are outputs, and their marks'
    values inputs."""
    marked = [place.original.result for place in places if place.boxes]
    mutants = [replace(t, name=p.mutant) for p in places if p.boxes for t in [p.original.result]]
    plans = [
        mutant_statements(member.found.statements, [place], place.found.label)
        for member, place in zip(moved.members, places, strict=True)
    ]
    outputs = (*(t for t in part.outputs if t not in marked), *mutants)
    part = replace(part, inputs=(*part.inputs, *marked), outputs=outputs)
    return chain.joined(part, plans).definitions
