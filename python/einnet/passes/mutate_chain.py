"""Chains of operations that `einnet-mutate` moves alike.

Each member has the same mutations, and what lies between two members is computed in the layout in
which it is: the relayout after one and that before the next cancel (`program/fusion.py`). A value
that something else reads, or that a correction starts from, is laid out as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from mlir import ir

from einnet.bridge.lift import lift_operation
from einnet.corrections.recompute import program_of
from einnet.expr.nodes import Tensor
from einnet.expr.program import Definition, Program, Statement, names_of
from einnet.mutations.candidates import CHAIN_MOVES
from einnet.mutations.generate import Candidate, Found, judge, of_each_form
from einnet.mutations.plan import fused, seconds_of
from einnet.passes.labelled import Labelled, TensorNames, operations_of
from einnet.passes.module_pass import Target
from einnet.passes.placing_mutants import (
    Emission,
    Place,
    constants_of,
    mutant_statements,
    place_of,
)
from einnet.passes.replacing import erase_unused, used_values
from einnet.passes.unit_sums import naturally_with_unit_sums
from einnet.passes.wanted_mutations import (
    JUDGED,
    Search,
    Wanted,
    listed,
    made_of,
    none_of,
    planned,
)
from einnet.program.joint import spliced, with_own_names
from einnet.rules.rewrite import NotApplicable, Step
from einnet.verify.equivalence import Undecided
from einnet.verify.plan import VerifiedProgram, verify_plan

_Moves = tuple[str, ...]
"""The mutations that members share, as text."""


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
    originals = tuple(map(naturally_with_unit_sums, group))
    between = dict[ir.Operation, Definition]()
    for number in range(1, len(group)):
        before, found = group[number - 1], group[number]
        try:
            reached = _collect(found, originals[number].operands, group, above, between)
            if reached != {before.label}:
                raise NotApplicable(
                    f"in a chain it would read {before.label} alone, and it reads "
                    f"{' and '.join(sorted(reached)) or 'none of them'}"
                )
            # What is added to it may come from anywhere.
            rest = [t for d in found.rest for t in d.operands]
            _collect(found, rest, group, above, between)
        except NotApplicable as reason:
            raise found.refusal(pass_name, str(reason)) from reason
    dependent = frozenset(operation for operation, labels in above.items() if labels)
    chain = _Chain(tuple(group), originals, between, dependent)
    try:
        return _put(target, chain, _best(chain, search))
    except NotApplicable as reason:
        raise group[0].refusal(pass_name, str(reason)) from reason


def _collect(
    found: Labelled,
    tensors: Iterable[Tensor],
    group: Sequence[Labelled],
    above: Mapping[ir.Operation, frozenset[str]],
    between: dict[ir.Operation, Definition],
) -> set[str]:
    """Add the operations through which the tensors depend on members of the group other than
    `found`; the labels of the members that are reached so.

    Raises NotApplicable for an operation that has a sum, or no expression.
    """
    names = found.names
    members = {f.operation: f.label for f in group}
    pending, seen, reached = list(tensors), set[str](), set[str]()
    while pending:
        tensor = pending.pop()
        value = names.values.get(tensor.name)
        if tensor.name in seen or value is None or isinstance(value.owner, ir.Block):
            continue
        seen.add(tensor.name)
        operation = value.owner.operation
        if operation in members:
            reached |= {members[operation]} - {found.label}
        elif above.get(operation):
            if operation not in between:
                between[operation] = _without_sums(operation, names)
            pending += between[operation].operands
    return reached


def _without_sums(operation: ir.Operation, names: TensorNames) -> Definition:
    definitions = lift_operation(operation, names)
    if definitions is None:
        raise NotApplicable(f"{operation.name}, which it reads, has no expression")
    if any(d.scope.summation for d in definitions):
        raise NotApplicable(
            f"{operation.name}, which it reads, has a sum, and is none of the chain"
        )
    # What has no sum is one definition.
    (definition,) = definitions
    return definition


@dataclass(frozen=True)
class _Chain:
    """The members in order, what they are naturally, the operations between them, and all that
    depend on a member."""

    group: tuple[Labelled, ...]
    originals: tuple[Definition, ...]
    between: Mapping[ir.Operation, Definition]
    dependent: frozenset[ir.Operation]

    @cached_property
    def constants(self) -> frozenset[str]:
        return frozenset[str]().union(*map(constants_of, self.group, self.originals))

    def part(self, wrong: frozenset[str] = frozenset()) -> Program:
        """The chain as a program, if the members whose results are called so have to be corrected.

        Corrections start from what the originals read, so that is computed as it was, as is what
        other operations read: it is an output, or an input that operations which stay compute.
        """
        alone = self._alone(wrong)
        members = {f.operation: (f, d) for f, d in zip(self.group, self.originals, strict=True)}
        statements: list[Definition] = []
        outputs: list[Tensor] = []
        for view in self.group[0].operation.block.operations:
            operation = view.operation
            if operation in members:
                found, original = members[operation]
                statements += (original, *found.rest)
                if operation not in alone:
                    outputs.append(statements[-1].result)
            elif operation in self.between and operation in alone:
                statements.append(self.between[operation])
        program = program_of(statements, *outputs)
        weights = self.constants & {t.name for t in program.inputs}
        return replace(program, weights=weights)

    def _alone(self, wrong: frozenset[str]) -> set[ir.Operation]:
        """The operations that nothing needs but mutants of the chain."""
        values = self.group[0].names.values
        needed = {t.name for d in self.originals if d.result.name in wrong for t in d.operands}
        kept = {v.owner.operation for n, v in values.items() if n in needed and _is_made(v)}
        members = {found.operation for found in self.group}
        alone = set[ir.Operation]()
        last = self.group[-1].operation
        for view in reversed(list(last.block.operations)):
            operation = view.operation
            if operation == last or operation in kept:
                continue
            if operation not in members | self.dependent:
                continue
            users = {use.owner.operation for result in operation.results for use in result.uses}
            if users and users <= members | alone and self._is_plain(operation):
                alone.add(operation)
        return alone

    def _is_plain(self, operation: ir.Operation) -> bool:
        """Whether the operation does nothing but compute its result."""
        return lift_operation(operation, self.group[0].names) is not None


def _is_made(value: ir.Value) -> bool:
    return not isinstance(value.owner, ir.Block)


@dataclass(frozen=True)
class _Moved:
    """A corrected mutant of each member, and what the chain then takes."""

    candidates: tuple[Candidate, ...]
    estimate: float

    @property
    def wrong(self) -> frozenset[str]:
        """The results that have to be corrected."""
        return frozenset(name for one in self.candidates for name in one.failing.boxes)


def _best(chain: _Chain, search: Search) -> _Moved:
    """The moves that leave the chain fastest. Raises NotApplicable if there are none."""
    shared = _shared(chain, search)
    # Of the first member, with what the whole chain is estimated at.
    ranked = of_each_form(
        replace(alike[0], estimate=_seconds(chain, [f.statements for f in alike], search))
        for alike in shared.values()
    )
    moved: list[_Moved] = []
    for first in ranked[:JUDGED]:
        one = _judged(chain, shared[_named(first.steps)], search)
        moved += [] if one is None else [one]
    for one in sorted(moved, key=lambda m: m.estimate):
        if _is_proved(chain, one):
            return one
    raise NotApplicable(none_of(len(ranked)))


def _shared(chain: _Chain, search: Search) -> Mapping[_Moves, tuple[Found, ...]]:
    """The mutations that all members may have, and the mutants of each member by them.

    Raises NotApplicable if there are none.
    """
    if search.joins:
        raise NotApplicable(
            f"{search.joins[0].name} takes operations of which none depends on another, and "
            f"{chain.group[-1].label} depends on {chain.group[0].label}"
        )
    own = [_moves_of(d, chain.constants, search) for d in chain.originals]
    shared = {key: tuple(o[key] for o in own) for key in own[0] if all(key in o for o in own)}
    if not shared:
        known = (
            f"{found.label} by {listed(list(map(', '.join, moves))) or 'nothing'}"
            for found, moves in zip(chain.group, own, strict=True)
        )
        wanted = f" made of {search.text}" if search.wanted else ""
        raise NotApplicable(
            f"a chain is moved alike, and its members have no mutant{wanted} by the same moves: "
            f"{'; '.join(known)}"
        )
    return shared


def _moves_of(
    original: Definition, constants: frozenset[str], search: Search
) -> Mapping[_Moves, Found]:
    """The mutants of a member, by their mutations: those that are wanted, else one that changes
    where the image's elements are."""
    choices = [search.wanted] if search.wanted else [(Wanted(rule),) for rule in CHAIN_MOVES]
    depth = search.options.depth if search.wanted else 1
    found: dict[_Moves, Found] = {}
    for wanted in choices:
        for mutant in made_of(original.scope, wanted, depth):
            steps = [s for s in mutant.steps if any(one.is_made_by(s) for one in wanted)]
            one = planned((original,), None, mutant, (), constants, search.machine)
            found.setdefault(_named(steps), replace(one, steps=tuple(steps)))
    return found


def _named(steps: Iterable[Step]) -> _Moves:
    return tuple(map(str, steps))


def _judged(chain: _Chain, alike: Sequence[Found], search: Search) -> _Moved | None:
    """The chain moved so, each member corrected; None if one of them cannot be."""
    candidates: list[Candidate] = []
    for found in alike:
        (original,) = found.originals
        program = program_of([original], original.result)
        candidate = judge(found, program, chain.constants, search.machine)
        if candidate is None:
            return None
        candidates.append(candidate)
    moved = _Moved(tuple(candidates), 0.0)
    seconds = _seconds(chain, [c.statements for c in candidates], search, moved.wrong)
    return replace(moved, estimate=seconds)


def _seconds(
    chain: _Chain,
    plans: Sequence[Sequence[Statement]],
    search: Search,
    wrong: frozenset[str] = frozenset(),
) -> float:
    """The estimate of the chain with these statements for its members."""
    statements = _joined(chain, chain.part(wrong), plans)
    return seconds_of(statements, search.machine, chain.constants)


def _joined(
    chain: _Chain, part: Program, plans: Sequence[Sequence[Statement]]
) -> tuple[Statement, ...]:
    """The part with these statements for the members, layouts between them joined."""
    taken = names_of(part)
    own = {
        d.result.name: with_own_names(statements, [d.result, *part.outputs], taken)
        for d, statements in zip(chain.originals, plans, strict=True)
    }
    return fused(spliced(part, own).statements, *part.outputs)


def _is_proved(chain: _Chain, moved: _Moved) -> bool:
    """Whether the corrected chain as a whole is proved equal to what it was.

    Raises AssertionError for one that is not equal, which is our bug.
    """
    reference = chain.part()
    statements = _joined(chain, reference, [c.statements for c in moved.candidates])
    verdict = verify_plan(reference, replace(reference, statements=statements))
    if isinstance(verdict, Undecided):
        return False
    assert isinstance(verdict, VerifiedProgram), f"a corrected chain is wrong: {verdict}"
    return True


# What is emitted ----------------------------------------------------------------------------


def _put(target: Target, chain: _Chain, moved: _Moved) -> list[str]:
    """Emit each member's mutant where the member stands, with what is between before it."""
    places = [
        place_of(found, original, candidate.found.steps, candidate.failing)
        for found, original, candidate in zip(
            chain.group, chain.originals, moved.candidates, strict=True
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
            used = used_values(place.found.operation)
            place.found.operation.erase()
            erase_unused(used)
    return [place.found.label for place in places if place.boxes]


def _with_marks(
    chain: _Chain, part: Program, moved: _Moved, places: Sequence[Place]
) -> tuple[Definition, ...]:
    """The statements of the mutants, of which those that are wrong are outputs, and their marks'
    values inputs."""
    marked = [place.original.result for place in places if place.boxes]
    mutants = [replace(t, name=p.mutant) for p in places if p.boxes for t in [p.original.result]]
    plans = [
        mutant_statements(candidate.found.statements, [place], place.found.label)
        for candidate, place in zip(moved.candidates, places, strict=True)
    ]
    outputs = (*(t for t in part.outputs if t not in marked), *mutants)
    part = replace(part, inputs=(*part.inputs, *marked), outputs=outputs)
    return tuple(s for s in _joined(chain, part, plans) if isinstance(s, Definition))
