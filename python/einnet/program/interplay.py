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
from functools import partial
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
from einnet.expr.transform import inline_reads, is_movement
from einnet.operators.cost import Machine, points
from einnet.rules.linearity import collect_terms, distribute, separate_terms
from einnet.rules.merging import batch_parallel, merge_parallel
from einnet.rules.rewrite import NotApplicable
from einnet.search.association import MAX_FACTORS, associate, is_long_product

_GAIN = 0.95
"""A rewrite must bring the estimated time below this share of what it was."""


T = TypeVar("T")


@dataclass(frozen=True)
class Rewritten:
    """A program and the rewrites that led to it, in words, with estimated seconds of both."""

    program: Program
    applied: tuple[str, ...]
    before: float
    after: float


def rewrite_program(program: Program, machine: Machine) -> Rewritten:
    """Apply the rewrite that saves most, until none saves anything.

    A product of more than two factors and a sum of several products are always taken apart, since
    library operators have two operands. Each rewrite leaves fewer such compounds, or as many and
    less time, so that there is an end.
    """
    before = after = estimate(program, machine)
    applied: list[str] = []
    while True:
        compounds = _compounds(program)
        best: tuple[float, str, Program] | None = None
        for name, candidate in candidates_of(program, machine):
            seconds = estimate(candidate, machine)
            left = _compounds(candidate)
            pays = left < compounds or (left == compounds and seconds < _GAIN * after)
            if pays and (best is None or seconds < best[0]):
                best = seconds, name, candidate
        if best is None:
            return Rewritten(program, tuple(applied), before, after)
        after, name, program = best
        applied.append(name)


def estimate(program: Program, machine: Machine) -> float:
    """Seconds of what runs at inference; movements are taken to join their readers."""
    constants = constants_of(program)
    outputs = set(program.outputs)
    total = 0.0
    for definition in program.definitions:
        if definition.result.name in constants:
            continue
        if is_movement(definition.scope) and definition.result not in outputs:
            continue
        total += _seconds(definition, machine)
    return total


def _seconds(definition: Definition, machine: Machine) -> float:
    scope = definition.scope
    traffic = prod(definition.result.shape) + sum(prod(t.shape) for t in definition.operands)
    memory = traffic * machine.element / machine.bandwidth
    work = points(scope) * sum(max(1, len(t.factors) - 1) for t in scope.body)
    library = bool(scope.summation) and len(scope.body) == 1 and len(scope.term.factors) == 2
    rate = machine.product_rate / 2 if library else machine.loop_rate
    return max(work / rate, memory) + machine.launch


def _compounds(program: Program) -> int:
    """How many additions and long products stand in sums that run at inference, where no library
    operator could compute them."""
    constants = constants_of(program)
    running = (d.scope for d in program.definitions if d.result.name not in constants)
    return sum(
        len(scope.body) - 1 + sum(is_long_product(replace(scope, body=(t,))) for t in scope.body)
        for scope in running
        if is_long_product(scope) or _is_sum_of_terms(scope)
    )


def _is_sum_of_terms(scope: Scope) -> bool:
    """Whether the scope sums several terms, none of which calls a function."""
    calls = any(isinstance(f, Call) for f in factors_of(scope.body))
    return bool(scope.summation) and len(scope.body) > 1 and not calls


Candidates = Iterator[tuple[str, Program]]


def candidates_of(program: Program, machine: Machine) -> Candidates:
    """Every rewrite that applies, in words, and the program it leads to."""
    constants = constants_of(program)
    running = [d for d in program.definitions if d.result.name not in constants]
    yield from _associations(program, running, constants, machine)
    yield from _distributions(program, running)
    yield from _merges(program, running)


def _associations(
    program: Program, running: Sequence[Definition], constants: frozenset[str], machine: Machine
) -> Candidates:
    uses = uses_of(program)
    for definition in running:
        if is_long_product(definition.scope):
            found = associate(definition, constants, machine, names_of(program))
            if found is not None:
                yield (
                    f"associate {definition.label}",
                    _replaced(program, [definition], found.definitions),
                )
            continue
        chain = _chain(definition, program, uses)
        if chain is None:
            continue
        found = associate(chain, constants, machine, names_of(program))
        if found is not None:
            name = f"associate {definition.label} with what it reads"
            yield name, _replaced(program, [definition], found.definitions)


def _chain(definition: Definition, program: Program, uses: Mapping[str, int]) -> Definition | None:
    """The definition with the linear definitions that only it reads composed into it."""
    if not _is_product(definition.scope):
        return None
    single: dict[str, Scope] = {}
    for tensor in definition.operands:
        producer = program.definition_of(tensor.name)
        if producer is not None and uses[tensor.name] == 1 and _is_product(producer.scope):
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


def _distributions(program: Program, running: Sequence[Definition]) -> Candidates:
    for definition in running:
        if not definition.scope.summation:
            continue
        if _is_sum_of_terms(definition.scope):
            for name, rule in (("collect", collect_terms), ("separate", separate_terms)):
                parts = _try(partial(rule, definition, names_of(program)))
                if parts is not None:
                    yield (
                        f"{name} terms of {definition.label}",
                        _replaced(program, [definition], parts),
                    )
            continue
        for tensor in definition.operands:
            producer = program.definition_of(tensor.name)
            if producer is None:
                continue
            wide = _try(partial(distribute, definition, producer))
            if wide is None:
                continue
            parts = _try(partial(separate_terms, wide, names_of(program)))
            if parts is not None:
                name = f"distribute {definition.label} over {producer.label}"
                yield name, _replaced(program, [definition], parts)


def _merges(program: Program, running: Sequence[Definition]) -> Candidates:
    products = [d for d in running if _is_product(d.scope) and d.scope.summation]
    readers: dict[str, list[Definition]] = {}
    for definition in products:
        for tensor in definition.operands:
            readers.setdefault(tensor.name, []).append(definition)
    for shared, group in readers.items():
        for chosen in _groups(group):
            if not _independent(program, chosen):
                continue
            parts = _try(partial(merge_parallel, chosen, shared, names_of(program)))
            if parts is not None:
                yield (
                    f"merge {', '.join(d.label for d in chosen)}",
                    _replaced(program, chosen, parts),
                )
    for chosen in _groups(products):
        if not _independent(program, chosen):
            continue
        parts = _try(partial(batch_parallel, chosen, names_of(program)))
        if parts is not None:
            yield f"batch {', '.join(d.label for d in chosen)}", _replaced(program, chosen, parts)


def _groups(definitions: Sequence[Definition]) -> Iterator[tuple[Definition, ...]]:
    """All of them, and each pair."""
    if len(definitions) > 2:
        yield tuple(definitions)
    yield from combinations(definitions, 2)


def _independent(program: Program, chosen: Sequence[Definition]) -> bool:
    """Whether none of the definitions depends on another one."""
    reached: set[str] = {d.result.name for d in chosen}
    names = set(reached)
    for statement in program.statements:
        if any(t.name in reached for t in statement.operands):
            results = {t.name for t in results_of(statement)}
            if results & names:
                return False
            reached |= results
    return True


def _try(rule: Callable[[], T]) -> T | None:
    try:
        return rule()
    except NotApplicable:
        return None


def _replaced(program: Program, old: Sequence[Definition], new: Sequence[Definition]) -> Program:
    """The program with the definitions `new` in the place of the first of `old`."""
    statements: list[Statement] = []
    placed = False
    for statement in program.statements:
        if statement in old:
            if not placed:
                statements += new
                placed = True
        else:
            statements.append(statement)
    return without_dead(_ordered(replace(program, statements=tuple(statements))))


def _ordered(program: Program) -> Program:
    """The statements in an order in which each tensor is defined before its uses."""
    known = {t.name for t in program.inputs}
    waiting = list(program.statements)
    ordered: list[Statement] = []
    while waiting:
        ready = next(s for s in waiting if all(t.name in known for t in s.operands))
        waiting.remove(ready)
        ordered.append(ready)
        known.update(t.name for t in results_of(ready))
    return replace(program, statements=tuple(ordered))
