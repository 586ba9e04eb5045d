"""The subprograms of a program, and the candidate plans of each.

A subprogram is for now one contraction: a definition that sums the product of two tensors, or the
elements of one, which is their product with ones. Its candidates are the plans that the search
derives, cheapest first, and always the original itself, computed as it stands by a generated
kernel.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from einnet.expr.nodes import Read, Scope, Tensor
from einnet.expr.program import Definition, Program, Statement, names_of
from einnet.operators import contraction
from einnet.operators.cost import CPU, Machine, definition_seconds
from einnet.operators.product import PRODUCT
from einnet.rules.rewrite import Step
from einnet.rules.unit_factor import RULE as UNIT_FACTOR
from einnet.rules.unit_factor import is_reduction, unit_factor
from einnet.search.converge import Limits
from einnet.search.record import SILENT
from einnet.search.strategy import strategy

LIMITS = Limits(blow_up=16, total=100)
"""What a compilation searches within."""


@dataclass(frozen=True)
class Candidate:
    """One way to compute a subprogram: its statements, the derivation that led to them, the
    library operator in words (empty for the original), the estimated seconds."""

    statements: tuple[Statement, ...]
    steps: tuple[Step, ...]
    operator: str
    estimate: float

    @property
    def is_original(self) -> bool:
        return not self.operator


@dataclass(frozen=True)
class Subprogram:
    """A definition to be searched, and what the search found: candidates by estimated cost, the
    original last; states visited, CPU seconds."""

    definition: Definition
    candidates: tuple[Candidate, ...]
    visited: int
    seconds: float

    @property
    def name(self) -> str:
        return self.definition.result.name


def is_contraction(definition: Definition) -> bool:
    """Whether the definition sums a product of two tensors, or one tensor."""
    scope = definition.scope
    if not scope.summation or len(scope.body) != 1 or definition.library is not None:
        return False
    if is_reduction(scope):
        return True
    factors = scope.term.factors
    return len(factors) == 2 and all(
        isinstance(f, Read) and isinstance(f.source, Tensor) for f in factors
    )


def contractions_of(
    program: Program, constants: frozenset[str], types: tuple[str, ...] = CPU.types
) -> tuple[Definition, ...]:
    """The contractions that run at inference, in order, of element types that libraries have."""
    return tuple(
        d
        for d in program.definitions
        if d.result.name not in constants
        and is_contraction(d)
        and all(t.dtype in types for t in (d.result, *d.operands))
    )


def derive(
    definition: Definition,
    program: Program,
    constants: frozenset[str],
    machine: Machine,
    limits: Limits,
    keep: int,
    searched_by: str = "converging",
) -> Subprogram:
    """Search one contraction by a strategy; keep the `keep` cheapest plans that differ, and the
    original."""
    begin = time.process_time()
    taken = names_of(program)
    ones: tuple[Definition, ...] = ()
    before: tuple[Step, ...] = ()
    searched = definition
    if is_reduction(definition.scope):
        constant, searched = unit_factor(definition, taken)
        ones, before = (constant,), (Step(UNIT_FACTOR),)
        constants |= {constant.result.name}
    result = strategy(searched_by)(
        searched.scope,
        lambda match: contraction.estimate(match, machine, constants),
        limits,
        PRODUCT,
        SILENT,
    )
    seconds = time.process_time() - begin
    candidates: list[Candidate] = []
    kinds: set[tuple[object, ...]] = set()
    for found in result.found:
        outer: Scope = found.state.scope
        kind = (contraction.shape(found.match), tuple(i.extent for i in outer.summation))
        if kind in kinds or len(candidates) == keep:
            continue
        kinds.add(kind)
        plan = contraction.plan(found.match, definition.result, set(taken), definition.label)
        operator = contraction.describe(found.match)
        steps = before + found.state.steps
        candidates.append(Candidate((*ones, *plan), steps, operator, found.cost))
    original = Candidate((definition,), (), "", definition_seconds(definition, machine))
    return Subprogram(definition, (*candidates, original), result.visited, seconds)
