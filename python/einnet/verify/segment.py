"""One comparison: are two flat sums over leaf tensors equal at every position of a box?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm, prod

import numpy as np

from einnet.expr.index import evaluate
from einnet.expr.nodes import Tensor
from einnet.verify.cells import Cells, Integers, Patch, cells_of, grid
from einnet.verify.certificate import Segment
from einnet.verify.evaluate import Lookup, Work, evaluate_terms
from einnet.verify.field import Randoms, Values
from einnet.verify.flatten import FlatScope, FlatTerm, UndecidedError, narrow
from einnet.verify.independent import at_one_point
from einnet.verify.positions import AFFINE, EVERY, SIMPLEX, positions_of, slope_count
from einnet.verify.problem import Problem, problem_of
from einnet.verify.regions import Box, boxes_of_cell, strided_boxes

IDENTICAL = "identical"
EMPTY = "no positions"


@dataclass(frozen=True)
class Budget:
    """How far the verifier goes before it gives up.

    `terms`: of one flat sum; `cells`: of one comparison; `enumerated`: positions of coupled axes
    that are listed to find cells; `positions`: at which one comparison evaluates, and `work`: the
    array elements that it evaluates there;
    `maps`: index maps tried between two calls of a function; `interpreted`: array elements
    evaluated to refute programs with nonlinear functions, and to show the values of a difference.
    """

    terms: int = 4096
    cells: int = 1 << 14
    enumerated: int = 1 << 21
    positions: int = 1 << 21
    work: int = 1 << 26
    maps: int = 24
    interpreted: int = 1 << 22


DEFAULT_BUDGET = Budget()


@dataclass(frozen=True)
class Mismatch:
    """Where two sums differ: one position of the original box with both field values, and boxes
    that cover all cells that are not shown equal. Where whole sums take too much work the values
    are those of independent sums at their first point."""

    position: tuple[int, ...]
    values: tuple[int, int]
    cells: int
    boxes: tuple[Box, ...]


def random_elements(randoms: Randoms) -> Lookup:
    """Every leaf tensor is random."""

    def lookup(tensor: Tensor, key: Integers) -> Values:
        return randoms.at(tensor.name, key)

    return lookup


def check(
    name: str, reference: FlatScope, candidate: FlatScope, randoms: Randoms, budget: Budget
) -> Segment | Mismatch:
    """Compare two scopes over equal boxes. Raises UndecidedError when the budget is exceeded."""
    if 0 in reference.extents:
        return Segment(name, 0, 0, (0, 0), 1, 0, 0, EMPTY)
    problem = problem_of(*at_one_point(reference, candidate))
    for side in (problem.reference, problem.candidate):
        narrow(FlatScope(problem.axes, side))
    terms = (len(problem.reference), len(problem.candidate))
    degree = max((len(t.elements) for t in problem.terms), default=0)
    if Counter(problem.reference) == Counter(problem.candidate):
        return Segment(name, 0, 0, terms, 1, degree, 0, IDENTICAL)
    plan = _plan(problem, budget)
    lookup = random_elements(randoms)
    axes = [a.name for a in problem.axes]
    rows = plan.positions
    work = Work(budget.work)
    left = evaluate_terms(problem.reference, axes, rows, lookup, randoms.fields, work)
    right = evaluate_terms(problem.candidate, axes, rows, lookup, randoms.fields, work)
    different = left != right
    if not different.any():
        cells = len(plan.patches) or len(rows)
        bits = coefficient_bits(problem.terms)
        return Segment(name, cells, len(rows), terms, plan.slopes, degree, bits, plan.method)
    failing = np.nonzero(different.any(axis=0))[0]
    position = _original(problem, rows[failing[:1]])[0]
    try:
        whole, work = np.array([position], np.int64), Work(budget.interpreted)
        left, right = (
            evaluate_terms(
                scope.terms, [a.name for a in scope.axes], whole, lookup, randoms.fields, work
            )
            for scope in (reference, candidate)
        )
        row = 0
    except UndecidedError:
        row = int(failing[0])
    round_ = int(np.argmax(left[:, row] != right[:, row]))
    values = (int(left[round_, row]), int(right[round_, row]))
    return Mismatch(position, values, *_boxes(problem, plan, failing))


def coefficient_bits(terms: Sequence[FlatTerm]) -> int:
    """Bits of the numerator of a coefficient in the difference of sums of these terms, at most.

    A coefficient adds up the constants of terms, each at most once for every summation point.
    """
    common = lcm(*(t.coefficient.denominator for t in terms))
    points = (abs(t.coefficient) * prod(i.extent for i in t.sums) for t in terms)
    return int(common * sum(points, Fraction(0))).bit_length()


@dataclass(frozen=True, eq=False)
class _Plan:
    """The positions to test; `cell[n]` numbers the patches that position n belongs to. Without
    patches every position of the box is tested."""

    positions: Integers
    cell: Integers
    patches: tuple[tuple[Patch, ...], ...]
    slopes: int
    method: str


def _plan(problem: Problem, budget: Budget) -> _Plan:
    # Every term looks at every position.
    allowed = min(budget.positions, budget.work // max(len(problem.terms), 1))
    try:
        return _by_cells(problem, allowed, budget)
    except UndecidedError:
        if problem.positions > allowed:
            raise
        rows = grid([a.extent for a in problem.axes]).T
        return _Plan(rows, np.arange(len(rows)), (), 0, EVERY)


def _by_cells(problem: Problem, allowed: int, budget: Budget) -> _Plan:
    cells = cells_of(problem, budget.enumerated)
    if cells.count > budget.cells:
        raise UndecidedError(f"{cells.count} cells are more than the budget of {budget.cells}")
    slopes = slope_count(problem, cells.periods)
    found, numbers = _deciding(problem, cells, slopes, allowed)
    method = AFFINE if slopes <= 2 else SIMPLEX
    return _Plan(found, numbers, tuple(cells), slopes, method)


def _deciding(
    problem: Problem, cells: Cells, slopes: int, allowed: int
) -> tuple[Integers, Integers]:
    """The positions that decide all cells, with their cells' numbers."""
    found: list[Integers] = []
    numbers: list[int] = []
    total = 0
    for number, cell in enumerate(cells):
        part = positions_of(cell, len(problem.axes), slopes, cells.periods, allowed - total)
        total += len(part)
        found.append(part)
        numbers.extend([number] * len(part))
        if total > allowed:
            raise UndecidedError(f"more than {allowed} positions of {len(problem.terms)} terms")
    return np.concatenate(found), np.array(numbers, np.int64)


def _original(problem: Problem, rows: Integers) -> list[tuple[int, ...]]:
    values = {a.name: rows[:, n] for n, a in enumerate(problem.axes)}
    zero = np.zeros(len(rows), np.int64)
    columns = [evaluate(e, values.__getitem__, zero) for e in problem.origin]
    return [tuple(int(c[n]) for c in columns) for n in range(len(rows))]


def _boxes(problem: Problem, plan: _Plan, failing: Integers) -> tuple[int, tuple[Box, ...]]:
    """How many cells fail, and boxes that cover them."""
    if not plan.patches:
        points = _original(problem, plan.positions[failing])
        return len(points), tuple(strided_boxes(np.array(points, np.int64)))
    numbers = np.unique(plan.cell[failing])
    boxes = [b for n in numbers for b in boxes_of_cell(problem, plan.patches[n])]
    return len(numbers), tuple(boxes)
