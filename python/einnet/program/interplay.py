"""Rewrites over several definitions, chosen by estimated time before each contraction is searched.

One after another, until none pays: chains of linear definitions are associated anew, constants
among them first; products are distributed over sums or sums collected before a product;
contractions that read one tensor, or have one form, become one. (EinNet, OSDI 2023, section 4.2;
PET, OSDI 2021, section 4.) Each rewrite is a rule of `rules/`; the caller has the result proved
against what was given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import combinations
from math import prod
from typing import TypeVar

from einnet.expr.nodes import Call, Read, Scope, Tensor, factors_of
from einnet.expr.program import (
    Definition,
    Program,
    Statement,
    constants_of,
    names_of,
    results_of,
    uses_of,
    without_dead,
)
from einnet.expr.transform import inline_reads, is_movement, rename
from einnet.operators.cost import Machine, points
from einnet.program.joint import ordered
from einnet.rules.linearity import collect_terms, distribute, separate_terms
from einnet.rules.merging import batch_parallel, merge_parallel
from einnet.rules.rewrite import NotApplicable
from einnet.search.association import MAX_FACTORS, associate, is_long_product

_GAIN = 0.95
"""A rewrite must bring the estimated time of what it changes below this share of what it was."""


T = TypeVar("T")


@dataclass(frozen=True)
class Rewritten:
    """A program and the rewrites that led to it, in words, with estimated seconds of both."""

    program: Program
    applied: tuple[str, ...]
    before: float
    after: float


@dataclass(frozen=True)
class _Edit:
    """A rewrite in words: the definitions `new` in the place of `old`."""

    name: str
    old: tuple[Definition, ...]
    new: tuple[Definition, ...]


@dataclass(frozen=True)
class _View:
    """A program without dead code on a machine, and what edits of it are made and judged by."""

    program: Program
    machine: Machine

    @cached_property
    def constants(self) -> frozenset[str]:
        return constants_of(self.program)

    @cached_property
    def producers(self) -> dict[str, Definition]:
        return {d.result.name: d for d in self.program.definitions}

    @cached_property
    def uses(self) -> Mapping[str, int]:
        return uses_of(self.program)

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(names_of(self.program))

    @cached_property
    def running(self) -> tuple[Definition, ...]:
        """The definitions that are not computed at compile time."""
        return tuple(d for d in self.program.definitions if d.result.name not in self.constants)

    @cached_property
    def ancestors(self) -> dict[str, frozenset[str]]:
        """The names of the running definitions that each statement's results depend on."""
        found: dict[str, frozenset[str]] = {}
        own = {d.result.name for d in self.running}
        for statement in self.program.statements:
            names = {t.name for t in statement.operands}
            above = frozenset(names & own).union(*(found.get(n, frozenset()) for n in names))
            found |= {t.name: above for t in results_of(statement)}
        return found

    def seconds(self, definition: Definition, constants: frozenset[str]) -> float:
        """What the definition takes at inference; movements are taken to join their readers."""
        if definition.result.name in constants:
            return 0.0
        if is_movement(definition.scope) and definition.result not in self.program.outputs:
            return 0.0
        return _seconds(definition, self.machine)

    @cached_property
    def costs(self) -> dict[str, float]:
        return {name: self.seconds(d, self.constants) for name, d in self.producers.items()}

    def gone(self, edit: _Edit) -> list[Definition]:
        """The definitions that the edit removes: the old ones, and those that only they read."""
        left = dict(self.uses)
        for definition in edit.new:
            for tensor in definition.operands:
                left[tensor.name] = left.get(tensor.name, 0) + 1
        found: list[Definition] = []
        waiting = list(edit.old)
        while waiting:
            definition = waiting.pop()
            found.append(definition)
            for tensor in definition.operands:
                left[tensor.name] -= 1
                if not left[tensor.name] and tensor.name in self.producers:
                    waiting.append(self.producers[tensor.name])
        return found

    def gain(self, edit: _Edit) -> tuple[int, float] | None:
        """How many compounds fewer there are, and how many seconds; None if it does not pay."""
        constants = set(self.constants)
        for definition in edit.new:
            if all(t.name in constants for t in definition.operands):
                constants.add(definition.result.name)
        gone, fixed = self.gone(edit), frozenset(constants)
        removed = sum(self.costs[d.result.name] for d in gone)
        added = sum(self.seconds(d, fixed) for d in edit.new)
        fewer = sum(_is_compound(d.scope) for d in gone if d.result.name not in fixed)
        fewer -= sum(_is_compound(d.scope) for d in edit.new if d.result.name not in fixed)
        pays = fewer > 0 or (fewer == 0 and added < _GAIN * removed)
        return (fewer, removed - added) if pays else None

    def apply(self, edit: _Edit) -> Program | None:
        """None where operations that may have effects would change their order."""
        return _replaced(self.program, edit.old, edit.new)


def rewrite_program(program: Program, machine: Machine) -> Rewritten:
    """Apply the rewrite that saves most, until none saves anything.

    A product of more than two factors and a sum of several products are always taken apart, since
    library operators have two operands. Each rewrite leaves fewer such compounds, or as many and
    less time, so that there is an end.
    """
    before = estimate(program, machine)
    program = without_dead(program)
    applied: list[str] = []
    while True:
        view = _View(program, machine)
        gains = [(gain[1], edit) for edit in _edits(view) if (gain := view.gain(edit)) is not None]
        for _, edit in sorted(gains, key=lambda g: -g[0]):
            changed = view.apply(edit)
            if changed is not None:
                program = changed
                applied.append(edit.name)
                break
        else:
            return Rewritten(program, tuple(applied), before, estimate(program, machine))


def candidates_of(program: Program, machine: Machine) -> Iterator[tuple[str, Program]]:
    """Every rewrite that applies, in words, and the program it leads to."""
    view = _View(without_dead(program), machine)
    for edit in _edits(view):
        changed = view.apply(edit)
        if changed is not None:
            yield edit.name, changed


def estimate(program: Program, machine: Machine) -> float:
    """Seconds of what runs at inference; movements are taken to join their readers."""
    return sum(_View(program, machine).costs.values())


def _seconds(definition: Definition, machine: Machine) -> float:
    scope = definition.scope
    traffic = prod(definition.result.shape) + sum(prod(t.shape) for t in definition.operands)
    memory = traffic * machine.element / machine.bandwidth
    work = points(scope) * sum(max(1, len(t.factors) - 1) for t in scope.body)
    library = bool(scope.summation) and len(scope.body) == 1 and len(scope.term.factors) == 2
    rate = machine.product_rate / 2 if library else machine.loop_rate
    return max(work / rate, memory) + machine.launch


def _is_compound(scope: Scope) -> bool:
    """Whether the scope is a sum over more than one product of two reads, which no library operator
    computes."""
    return is_long_product(scope) or _is_sum_of_terms(scope)


def _is_sum_of_terms(scope: Scope) -> bool:
    """Whether the scope sums several terms, none of which calls a function."""
    calls = any(isinstance(f, Call) for f in factors_of(scope.body))
    return bool(scope.summation) and len(scope.body) > 1 and not calls


def _edits(view: _View) -> Iterator[_Edit]:
    yield from _associations(view)
    yield from _distributions(view)
    yield from _merges(view)


def _associations(view: _View) -> Iterator[_Edit]:
    for definition in view.running:
        name, whole = f"associate {definition.label}", definition
        if not is_long_product(definition.scope):
            name, whole = f"{name} with what it reads", _chain(definition, view)
        if whole is not None:
            found = associate(whole, view.constants, view.machine, set(view.names))
            if found is not None:
                yield _Edit(name, (definition,), found.definitions)


def _chain(definition: Definition, view: _View) -> Definition | None:
    """The definition with the linear definitions that only it reads composed into it."""
    if not _is_product(definition.scope):
        return None
    single: dict[str, Scope] = {}
    for tensor in definition.operands:
        producer = view.producers.get(tensor.name)
        if producer is not None and view.uses[tensor.name] == 1 and _is_product(producer.scope):
            single[tensor.name] = producer.scope
    if not single:
        return None
    factors = tuple(
        Read(single[f.source.name], f.index)
        if isinstance(f, Read) and isinstance(f.source, Tensor) and f.source.name in single
        else f
        for f in definition.scope.term.factors
    )
    body = (replace(definition.scope.term, factors=factors),)
    scope = inline_reads(replace(definition.scope, body=body))
    if len(scope.body) != 1 or len(scope.term.factors) > MAX_FACTORS:
        return None
    return replace(definition, scope=scope)


def _is_product(scope: Scope) -> bool:
    """Whether the scope is one term of at least two reads of tensors."""
    return (
        len(scope.body) == 1
        and len(scope.term.factors) > 1
        and all(isinstance(f, Read) and isinstance(f.source, Tensor) for f in scope.term.factors)
    )


def _distributions(view: _View) -> Iterator[_Edit]:
    """Sums collected, and sums taken apart; terms of more than two factors are associated too."""
    for definition in view.running:
        if not definition.scope.summation:
            continue
        wide: list[tuple[str, Definition]] = []
        if _is_sum_of_terms(definition.scope):
            taken = set(view.names)
            parts = _try(partial(collect_terms, definition, taken))
            if parts is not None:
                name = f"collect terms of {definition.label}"
                yield _Edit(name, (definition,), _associated(parts, view, taken))
            wide.append((f"separate terms of {definition.label}", definition))
        elif len(definition.scope.term.factors if definition.scope.body else ()) > 1:
            for tensor in definition.operands:
                producer = view.producers.get(tensor.name)
                if producer is not None:
                    sums = _try(partial(distribute, definition, producer))
                    if sums is not None:
                        name = f"distribute {definition.label} over {producer.label}"
                        wide.append((name, sums))
        for name, sums in wide:
            taken = set(view.names)
            parts = separate_terms(sums, taken)
            yield _Edit(name, (definition,), _associated(parts, view, taken))


def _associated(
    definitions: Sequence[Definition], view: _View, taken: set[str]
) -> tuple[Definition, ...]:
    """The definitions with each long product in its cheapest order."""
    result: list[Definition] = []
    for definition in definitions:
        found = associate(definition, view.constants, view.machine, taken)
        result += (definition,) if found is None else found.definitions
    return tuple(result)


def _merges(view: _View) -> Iterator[_Edit]:
    """Products of one form that read one tensor, or that differ in their operands alone, as one."""
    shared: dict[tuple[str, object], list[Definition]] = {}
    alike: dict[object, list[Definition]] = {}
    for definition in view.running:
        if definition.scope.summation and _is_product(definition.scope):
            form = _form(definition.scope)
            for tensor in definition.operands:
                shared.setdefault((tensor.name, form), []).append(definition)
            shapes = tuple(t.shape for t in definition.operands)
            alike.setdefault((form, definition.result.shape, shapes), []).append(definition)
    for (name, _), group in shared.items():
        for chosen in _groups(group, view):
            parts = _try(partial(merge_parallel, chosen, name, set(view.names)))
            if parts is not None:
                yield _Edit(f"merge {_labels(chosen)}", chosen, parts)
    for group in alike.values():
        for chosen in _groups(group, view):
            parts = _try(partial(batch_parallel, chosen, set(view.names)))
            if parts is not None:
                yield _Edit(f"batch {_labels(chosen)}", chosen, parts)


def _form(scope: Scope) -> object:
    """What definitions that become one agree in: their sums, indices and guards, by position."""
    names = [i.name for i in scope.traversal + scope.summation]
    scope = rename(scope, {name: f".{n}" for n, name in enumerate(names)})
    term = scope.term
    indices = tuple(r.index for r in term.reads)
    return scope.summation, indices, frozenset(term.guards), term.coefficient


def _labels(definitions: Sequence[Definition]) -> str:
    return ", ".join(d.label for d in definitions)


def _groups(definitions: Sequence[Definition], view: _View) -> Iterator[tuple[Definition, ...]]:
    """Sets of definitions of which none depends on another: as many as go together, and pairs."""

    def independent(a: Definition, b: Definition) -> bool:
        names = a.result.name, b.result.name
        return names[0] not in view.ancestors[names[1]] and names[1] not in view.ancestors[names[0]]

    together: list[list[Definition]] = []
    for definition in definitions:
        for group in together:
            if all(independent(definition, d) for d in group):
                group.append(definition)
                break
        else:
            together.append([definition])
    yield from (tuple(group) for group in together if len(group) > 2)
    yield from (pair for pair in combinations(definitions, 2) if independent(*pair))


def _try(rule: Callable[[], T]) -> T | None:
    try:
        return rule()
    except NotApplicable:
        return None


def _replaced(
    program: Program, old: Sequence[Definition], new: Sequence[Definition]
) -> Program | None:
    """The program with the definitions `new` in the place of the first of `old`; None if that has
    no order."""
    statements: list[Statement] = []
    placed = False
    for statement in program.statements:
        if statement in old:
            if not placed:
                statements += new
                placed = True
        else:
            statements.append(statement)
    changed = ordered(replace(program, statements=tuple(statements)))
    return None if changed is None else without_dead(changed)
