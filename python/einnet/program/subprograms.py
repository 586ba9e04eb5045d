"""The subprograms of a program, and the candidate plans of each.

A subprogram is for now one contraction: a definition that sums the product of two tensors, or the
elements of one, which is their product with ones. Its candidates are the plans that the search
derives for the operators of the target's libraries, the library operator that it is as the model
has it, cheapest first, and always the original itself, computed as it stands by a generated kernel.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from einnet.expr.index import constant, substitute, var
from einnet.expr.nodes import Read, Scope, Tensor
from einnet.expr.program import Definition, Program, Statement, names_of
from einnet.expr.transform import is_movement
from einnet.operators import contraction
from einnet.operators.contraction import Match
from einnet.operators.convolution import (
    any_convolution,
    library_convolution,
    transposed_convolution,
)
from einnet.operators.cost import CPU, Machine, definition_seconds, points
from einnet.operators.product import PRODUCT
from einnet.operators.target import Target
from einnet.program.alignment import aligned
from einnet.program.convolutions import as_written, channels_last, spatial_rank
from einnet.rules.boundary_relaxing import RULE as RELAX
from einnet.rules.rewrite import Step
from einnet.rules.unit_factor import RULE as UNIT_FACTOR
from einnet.rules.unit_factor import is_reduction, unit_factor
from einnet.search.converge import Found, Limits
from einnet.search.record import SILENT
from einnet.search.strategy import strategy

LIMITS = Limits(blow_up=16, total=100)
"""What a compilation searches within for products; operators with windows store nothing several
times over."""

_WINDOWS = Limits(total=100)

_FAR_DEARER = 4.0
"""A plan whose estimate is this many times the cheapest one's is no candidate; the estimate is not
so wrong."""

_WASTE = 1.3
"""How many times another plan's multiplications are too many."""

_FIRST = 1.1
"""How much dearer a product counts whose first operand is constant: its result has channels first,
and what follows it can hardly be absorbed."""

_SPLIT = "split"
"""The step of the search that names the digits of an iterator."""

_FORMS = 2
"""Derived plans kept for each operator with windows: all algorithms of each have to be measured."""


def _convolutions(written: Match | None, rank: int) -> tuple[Target, ...]:
    """The operators with windows that a definition may still become: one that is a convolution
    with stride 1 already has nothing to gain from another."""
    if not rank:
        return ()
    if written is None:
        return library_convolution(rank, groups=True), transposed_convolution(rank, groups=True)
    if any(w.transposed for w in written.windows):
        return (library_convolution(rank, groups=True),)
    if any((w.stride, w.dilation) != (1, 1) for w in written.windows):
        return (any_convolution(rank, groups=True),)
    return ()


@dataclass(frozen=True)
class Libraries:
    """What the libraries of a target have: products of matrices, and perhaps convolutions, those of
    a definition (as it is written, and its spatial rank) given by a function."""

    convolutions: Callable[[Match | None, int], tuple[Target, ...]] | None = None


LIBRARIES: Mapping[str, Libraries] = {"cpu": Libraries(), "cuda": Libraries(_convolutions)}
"""The libraries of each target of `einnet.options`."""


@dataclass(frozen=True)
class Candidate:
    """One way to compute a subprogram: its statements, the derivation that led to them, the
    library operator in words (empty for the original), the estimated seconds.

    `as_written` says that a library computes the definition as the model has it, with nothing
    derived but names for the digits of its iterators. `mutant` is empty, or says in words which
    mutations led to it and how many boxes are computed again. `joint` are the names of the
    subprograms, this one among them, whose candidates of the same `joint` and `operator` have to be
    chosen with this one: alone, it need not define its subprogram's result.
    """

    statements: tuple[Statement, ...]
    steps: tuple[Step, ...]
    operator: str
    estimate: float
    as_written: bool = False
    mutant: str = ""
    joint: tuple[str, ...] = ()

    @property
    def is_original(self) -> bool:
        return not self.operator

    @property
    def name(self) -> str:
        """The operator, and the mutations that led to it, in words."""
        return f"{self.operator}, mutant {self.mutant}" if self.mutant else self.operator


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

    @property
    def best(self) -> Candidate:
        """The cheapest candidate by estimate that can be chosen alone."""
        return min((c for c in self.candidates if not c.joint), key=lambda c: c.estimate)

    def with_candidates(self, more: Iterable[Candidate]) -> Subprogram:
        """The subprogram with further candidates, before the original, which stays the last."""
        *others, original = self.candidates
        return replace(self, candidates=(*others, *more, original))


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
    """The contractions that run at inference, in order, of one of the element types that libraries
    have: they multiply and add in the type of what they read."""
    found: list[Definition] = []
    for definition in program.definitions:
        if definition.result.name not in constants and is_contraction(definition):
            used = {t.dtype for t in (definition.result, *definition.operands)}
            if len(used) == 1 and used.issubset(types):
                found.append(definition)
    return tuple(found)


def derive(
    definition: Definition,
    program: Program,
    constants: frozenset[str],
    machine: Machine,
    limits: Limits,
    keep: int,
    searched_by: str = "converging",
    libraries: Libraries = LIBRARIES["cpu"],
) -> Subprogram:
    """Search one contraction by a strategy for each operator of the libraries; keep the `keep`
    cheapest products that differ, and the original.

    Where the libraries have convolutions, products of different forms come first, and there are the
    convolution as it is written and up to two derived ones besides.
    """
    begin = time.process_time()
    taken = names_of(program)
    ones: tuple[Definition, ...] = ()
    before: tuple[Step, ...] = ()
    searched = definition
    if is_reduction(definition.scope):
        unit, searched = unit_factor(definition, taken)
        ones, before = (unit,), (Step(UNIT_FACTOR),)
        constants |= {unit.result.name}

    def found(target: Target, limits: Limits) -> tuple[int, tuple[Found, ...]]:
        result = strategy(searched_by)(
            searched.scope,
            lambda match: contraction.estimate(match, machine, constants),
            limits,
            target,
            SILENT,
        )
        return result.visited, result.found

    def candidate(match: Match, steps: tuple[Step, ...], cost: float | None = None) -> Candidate:
        names = set(taken)
        plan = contraction.plan(match, definition.result, names, definition.label)
        if match.windows:
            plan = channels_last(plan, names)
        if cost is None:
            cost = _seconds(plan, machine, constants)
        if match.windows:
            # Importers write groups as digits of one channel, which splitting it names.
            same = not steps or (written is None and all(s.rule == _SPLIT for s in steps))
        else:
            same = not (steps or before) and _is_bare(definition.scope)
        operator = contraction.describe(match)
        return Candidate((*ones, *plan), before + steps, operator, cost, same)

    def in_vectors(one: Candidate) -> Candidate | None:
        plan = aligned(one.statements, machine.vector, constants, set(taken))
        if plan is None:
            return None
        relaxed = Step(RELAX, (("multiple", machine.vector),))
        cost = _seconds(plan, machine, constants)
        operator = f"{one.operator}, columns in vectors"
        return Candidate(plan, (*one.steps, relaxed), operator, cost)

    # Pooling is left to kernels and products: a convolution would have one channel.
    written = None if ones or libraries.convolutions is None else as_written(searched)
    visited, products = found(PRODUCT, limits)
    if libraries.convolutions is None:
        candidates = [candidate(f.match, f.state.steps, f.cost) for f in _cheapest(products, keep)]
    else:
        rank = 0 if ones else spatial_rank(searched.scope)
        chosen = _of_different_forms(products, keep, constants)
        for target in libraries.convolutions(written, rank):
            more, others = found(target, _WINDOWS)
            visited += more
            chosen += _of_different_forms(others, _FORMS, constants)
            chosen += _merged(others, limits)
        candidates = [candidate(f.match, f.state.steps) for f in chosen]
        if written is not None:
            candidates.append(candidate(written, ()))
        candidates += [c for one in candidates if (c := in_vectors(one)) is not None]
        candidates = _near(candidates)
    seconds = time.process_time() - begin
    original = Candidate((definition,), (), "", definition_seconds(definition, machine))
    return Subprogram(definition, (*candidates, original), visited, seconds)


def _near(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Candidates by estimate, one of each operator and size, without those that are far dearer."""
    ordered = sorted(candidates, key=lambda c: (c.estimate, not c.as_written, len(c.steps)))
    distinct = {c.operator: c for c in reversed(ordered)}
    return [
        c
        for c in ordered
        if c is distinct[c.operator]
        and (c.as_written or c.estimate <= _FAR_DEARER * ordered[0].estimate)
    ]


def _cheapest(found: Iterable[Found], keep: int) -> list[Found]:
    """The cheapest of each size of the operator and of the outer sums."""
    kinds: dict[object, Found] = {}
    for one in found:
        outer: Scope = one.state.scope
        kinds.setdefault((contraction.shape(one.match), tuple(_outer(outer))), one)
    return list(kinds.values())[:keep]


def _of_different_forms(
    found: Iterable[Found], keep: int, constants: frozenset[str]
) -> list[Found]:
    """The cheapest of each form, those without a batch first, then others that differ in their
    sizes, cheapest first.

    A form is whether there is a batch, and what remains to be summed after the operator: nothing
    for an operand that is stored several times over, all taps for a product with an offset-add,
    some of them between. Products
    that differ in the order of their operands are the same; a constant is the second if both cost
    about the same. One that multiplies far more than another is left out.
    """

    def order(one: Found) -> tuple[float, int]:
        source = one.match.operands[0].source
        fixed = isinstance(source, Tensor) and source.name in constants
        return one.cost * (_FIRST if fixed else 1.0), len(one.state.steps)

    sizes: dict[object, Found] = {}
    for one in sorted(found, key=order):
        batch, m, n, *rest = contraction.shape(one.match)
        sides = (m, n) if one.match.windows else tuple(sorted((m, n)))
        sizes.setdefault((batch, sides, tuple(rest)), one)
    forms: dict[tuple[int, bool, tuple[int, ...]], list[Found]] = {}
    for one in sizes.values():
        if not any(_is_wasteful(one, other) for other in sizes.values()):
            batched = contraction.shape(one.match)[0] > 1
            form = len(one.match.windows), batched, tuple(sorted(_outer(one.state.scope)))
            forms.setdefault(form, []).append(one)
    first = [forms[form][0] for form in sorted(forms, key=lambda form: form[1])]
    others = [one for alike in forms.values() for one in alike[1:]]
    return [*first, *sorted(others, key=order)][:keep]


def _is_wasteful(one: Found, other: Found) -> bool:
    """Whether the other one multiplies far less and has no more to sum afterwards."""
    more = points(one.match.core) > _WASTE * points(other.match.core)
    after = prod(_outer(one.state.scope)) >= prod(_outer(other.state.scope))
    return more and after and len(one.match.windows) == len(other.match.windows)


def _merged(found: Iterable[Found], limits: Limits) -> list[Found]:
    """The cheapest of what was found for an operator with windows as a product, its first operand
    stored once for each tap, and nothing left to be summed after it."""
    for one in found:
        if one.state.scope.summation or any(w.transposed for w in one.match.windows):
            continue
        merged = contraction.match(one.state.scope, PRODUCT, one.match.operands)
        taps = prod(merged.extents[w.y] for w in one.match.windows) if merged else 0
        if merged is not None and taps <= limits.blow_up:
            return [replace(one, match=merged)]
    return []


def _outer(scope: Scope) -> list[int]:
    return [i.extent for i in scope.summation]


def _seconds(plan: Sequence[Statement], machine: Machine, constants: frozenset[str]) -> float:
    """The estimated time of what of a plan does not depend on constants alone and moves or
    computes something."""
    return sum(
        definition_seconds(s, machine)
        for s in plan
        if isinstance(s, Definition)
        and not all(t.name in constants for t in s.operands)
        and not is_reshape(s)
    )


def is_reshape(definition: Definition) -> bool:
    """Whether the definition moves no element in memory: a library can read through it."""
    scope = definition.scope
    if not is_movement(scope) or scope.term.guards:
        return False
    (read,) = scope.term.reads
    if not isinstance(read.source, Tensor) or prod(read.source.shape) != prod(scope.extents):
        return False
    ranges = scope.ranges
    places = zip(scope.traversal, _strides(scope.extents), strict=True)
    written = sum((var(i.name) * s for i, s in places if i.extent > 1), constant(0))
    parts = zip(read.index, _strides(read.source.shape), strict=True)
    taken = sum((substitute(e, {}, ranges) * s for e, s in parts), constant(0))
    units = {i.name: constant(0) for i in scope.traversal if i.extent == 1}
    return substitute(taken, units, ranges) == written


def _strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The row-major strides of a shape, in elements."""
    return tuple(prod(shape[d + 1 :]) for d in range(len(shape)))


def _is_bare(scope: Scope) -> bool:
    """Whether every index is an iterator or a constant, and nothing is guarded."""
    return not scope.term.guards and all(
        e.name is not None or e.is_constant for r in scope.term.reads for e in r.index
    )
