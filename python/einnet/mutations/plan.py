"""Plans of mutants: layouts of operands, one library operator, the layout of the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from math import prod

import numpy as np

from einnet.corrections.recompute import Library, program_of
from einnet.expr.index import Ranges, bounds, iterators_of, var
from einnet.expr.interpreter import guard_holds
from einnet.expr.nodes import Guard, Read, Scope, Tensor, fresh_name
from einnet.expr.program import Definition, Program, Statement
from einnet.expr.transform import inline_reads, is_movement
from einnet.mutations.dimensions import MERGE, merge_dimensions
from einnet.mutations.mutant import Mutant, bare, operand
from einnet.operators import contraction
from einnet.operators.contraction import Match
from einnet.operators.cost import Machine, definition_seconds
from einnet.operators.product import PRODUCT
from einnet.program.convolutions import as_written
from einnet.program.fusion import fuse_eoperators
from einnet.program.subprograms import is_reshape
from einnet.rules.boundary_tightening import constraints_of
from einnet.rules.rewrite import NotApplicable, Step
from einnet.search.distance import bad_parts
from einnet.search.normalise import two_level

_ENUMERATED = 1 << 16
"""Values of a guard that are looked at; one with more stays."""

_SPATIAL = 2
"""Dimensions besides the batch that a convolution is left with, where it has as many windows."""


def as_library(definition: Definition, taken: set[str]) -> tuple[Statement, ...]:
    """The definition as the convolution or product that it is as it stands; itself if none.

    New names are not in `taken`, and are added to it.
    """
    if _is_zero(definition.scope):
        return (definition,)
    match = as_written(definition) or _as_product(definition)
    return (definition,) if match is None else _planned(match, definition, taken)


def as_product(definition: Definition, taken: set[str]) -> tuple[Statement, ...]:
    """The same where a library has products alone."""
    match = None if _is_zero(definition.scope) else _as_product(definition)
    return (definition,) if match is None else _planned(match, definition, taken)


def _planned(match: Match, definition: Definition, taken: set[str]) -> tuple[Statement, ...]:
    statements = contraction.plan(match, definition.result, taken, definition.label)
    return tuple(
        replace(s, label=s.label or definition.label) if isinstance(s, Definition) else s
        for s in statements
    )


def _is_zero(scope: Scope) -> bool:
    """Whether an index is outside of what is read everywhere: a border of the padding alone."""
    for term in scope.body:
        for index, lo, hi in constraints_of(term):
            least, most = bounds(index, scope.ranges)
            if most < lo or least >= hi:
                return True
    return False


def _as_product(definition: Definition) -> Match | None:
    scope = definition.scope
    if len(scope.body) != 1 or len(scope.term.reads) != 2 or len(scope.term.factors) != 2:
        return None
    first, second = scope.term.reads
    if isinstance(first.source, Scope) or isinstance(second.source, Scope) or scope.term.guards:
        return None
    if any(bad_parts(e, scope.ranges) for r in (first, second) for e in r.index):
        return None
    return contraction.match(two_level(scope), PRODUCT, (first, second))


def seconds_of(
    statements: Sequence[Statement], machine: Machine, constants: frozenset[str]
) -> float:
    """The estimated time of what does not depend on constants alone and moves or computes
    something."""
    known = set(constants)
    total = 0.0
    for statement in statements:
        assert isinstance(statement, Definition)
        if all(t.name in known for t in statement.operands):
            known.add(statement.result.name)
        elif not is_reshape(statement):
            total += definition_seconds(statement, machine)
    return total


def plan(
    mutant: Mutant, result: Tensor, taken: set[str], label: str, library: Library = as_library
) -> tuple[Statement, ...]:
    """The statements that compute `result` as the mutant does, as a library has the operator.

    New names are not in `taken`, and are added to it.
    """
    return plan_of(batched(mutant).scope, result, taken, label, library)


def plan_of(
    scope: Scope, result: Tensor, taken: set[str], label: str, library: Library = as_library
) -> tuple[Statement, ...]:
    """The same for an expression whose terms all read one core.

    New names are not in `taken`, and are added to it.
    """
    core = scope.body[0].reads[0].source
    assert isinstance(core, Scope)
    statements: list[Statement] = []
    reads: list[Read] = []
    for which, read in enumerate(core.term.reads):
        source = read.source
        if isinstance(source, Scope):
            tensors = [r.source for t in source.body for r in t.reads]
            like = next((t for t in tensors if isinstance(t, Tensor)), result)
            tensor = _named(like, f"{result.name}_{'ab'[which]}", source.extents, taken)
            statements.append(Definition(tensor, source, f"layout of {like.name}"))
            source = tensor
        reads.append(replace(read, source=source))
    operator = replace(core, body=(replace(core.term, factors=tuple(reads)),))
    here = tuple(var(i.name) for i in scope.traversal)
    plain = len(scope.body) == 1 and not scope.term.guards
    if plain and scope.term.reads[0].index == here and scope.traversal == core.traversal:
        statements += library(Definition(result, operator, label), taken)
        return fused(statements, result)
    tensor = _named(result, f"{result.name}_operator", core.extents, taken)
    statements += library(Definition(tensor, operator, label), taken)
    source: Tensor | Scope = tensor
    last = statements[-1]
    assert isinstance(last, Definition)
    if is_movement(last.scope):
        # Several reads of one layout keep it from being fused with its reader.
        source = last.scope
        del statements[-1]
    terms = tuple(replace(t, factors=(Read(source, t.reads[0].index),)) for t in scope.body)
    statements.append(Definition(result, inline_reads(replace(scope, body=terms)), label))
    return fused(statements, result)


def fused(statements: Sequence[Statement], *results: Tensor) -> tuple[Statement, ...]:
    """The statements that the results need, layouts composed, without guards that always hold."""
    return fused_program(program_of(statements, *results)).statements


def fused_program(program: Program) -> Program:
    """The same for a program, whose constants stay apart from what is computed in every run."""
    done = fuse_eoperators(program)
    statements = (
        _with_needed_guards(s) if isinstance(s, Definition) else s for s in done.statements
    )
    return replace(done, statements=tuple(statements))


def _with_needed_guards(definition: Definition) -> Definition:
    """Layouts of layouts have guards that range analysis cannot decide, since one iterator occurs
    in several digits; here each value is looked at."""
    scope = definition.scope
    body = tuple(replace(t, guards=_needed(t.guards, scope.ranges)) for t in scope.body)
    return (
        definition if body == scope.body else replace(definition, scope=replace(scope, body=body))
    )


def _needed(guards: tuple[Guard, ...], ranges: Ranges) -> tuple[Guard, ...]:
    """The guards without those that the others imply."""
    for guard in reversed(guards):
        names = iterators_of(guard.index)
        others = tuple(g for g in guards if g is not guard)
        given = tuple(g for g in others if iterators_of(g.index) <= names)
        if _implied(guard, given, tuple((n, *ranges[n]) for n in sorted(names))):
            guards = others
    return guards


@lru_cache(maxsize=1 << 12)
def _implied(
    guard: Guard, given: tuple[Guard, ...], ranges: tuple[tuple[str, int, int], ...]
) -> bool:
    """Whether the guard holds wherever the given ones do, by enumeration."""
    extents = [hi - lo for _, lo, hi in ranges]
    count = prod(extents)
    if count > _ENUMERATED:
        return False
    grid = np.indices(extents, dtype=np.int64).reshape(len(extents), count)
    values = {name: row + lo for (name, lo, _), row in zip(ranges, grid, strict=True)}
    live = np.ones(count, bool)
    for other in given:
        live &= guard_holds(other, values, count)
    return bool(guard_holds(guard, values, count)[live].all())


def batched(mutant: Mutant) -> Mutant:
    """The mutant with what its moves made of the batch as one dimension, where its operator is a
    convolution: a library has one batch."""
    while True:
        for which in range(len(mutant.core.term.reads)):
            read = operand(mutant.core, which)
            windows = sum(len(iterators_of(e)) > 1 for e in read.index)
            loose = [d for d in range(len(read.index)) if _is_bare(mutant, which, d)]
            made = [d for d in loose if "." in (read.index[d].name or "")]
            if not windows or (windows + len(loose) - 1 <= _SPATIAL and not made[1:]):
                continue
            others = [d for d in loose if d not in made]
            pairs = [*others[:1], *made]
            if len(pairs) > 1 and made:
                outer, inner = pairs[:2]
                merged = merge_dimensions(mutant.core, which, outer, inner)
                step = Step(MERGE, (("operand", which), ("outer", outer), ("inner", inner)))
                mutant = mutant.then(merged, step)
                break
        else:
            return mutant


def _is_bare(mutant: Mutant, which: int, dimension: int) -> bool:
    try:
        bare(mutant.core, which, dimension)
    except NotApplicable:
        return False
    return True


def _named(like: Tensor, base: str, shape: tuple[int, ...], taken: set[str]) -> Tensor:
    name = fresh_name(base, taken)
    taken.add(name)
    return replace(like, name=name, shape=shape)
