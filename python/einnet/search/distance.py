"""Expression distance (EinNet, OSDI 2023, section 4.3): how far a core is from a target operator.

The distance is read off the iterator mapping table and the mixed-radix parts of the operands'
indices: a target wants every part to be one iterator, since the operand can then be laid out
again, or two iterators that are one of its windows. Parts that are neither are obstacles, and the
converging search repairs the first of them. The weights are such that no repair has to climb: a
part `(h + p - r) div s` costs more than the three affine terms that it splits into.
"""

from __future__ import annotations

from collections.abc import Iterator as Iterable_
from dataclasses import dataclass

from einnet.expr.index import FloorDiv, Index, Ranges, Var, iterators_of
from einnet.expr.nodes import Guard, Read, Residue, Scope
from einnet.expr.program import Window
from einnet.expr.radix import Part, is_digit, parts_of
from einnet.operators.table import Table, mapping_table, owner
from einnet.operators.target import Pair, Target

_STRAY_ITERATOR = 2.0
_SUM_IN_BAD_PART = 0.25
_MIXED_DIVISION = 2.0
_SINGLE_DIVISION = 0.5
_FREE_GUARD = 0.5
_MISSING_WINDOW = 1.0
_WRONG_COEFFICIENT = 0.5
_NEGATIVE_TERM = 0.25
_LONG_WINDOW = 1.0
_SHORT_WINDOW = 0.5


@dataclass(frozen=True)
class BadPart:
    """A part of operand `operand`'s dimension `dimension` that is not one iterator.

    `pair` is the window of the target that it could become, None if there is none.
    """

    operand: int
    dimension: int
    part: Part
    pair: Pair | None = None

    @property
    def iterators(self) -> frozenset[str]:
        return iterators_of(self.part)


@dataclass(frozen=True)
class FreeGuard:
    """A guard that no operand's layout can absorb."""

    guard: Guard

    @property
    def iterators(self) -> frozenset[str]:
        return iterators_of(self.guard.index)


Obstacle = BadPart | FreeGuard


@dataclass(frozen=True)
class Distance:
    """`value` is 0 when only the target's own requirements are left to be checked."""

    value: float
    obstacles: tuple[Obstacle, ...]
    table: Table
    windows: tuple[Window, ...]


def distance(
    core: Scope,
    operands: tuple[Read, Read],
    target: Target,
    within: frozenset[str] | None = None,
) -> Distance:
    """The distance of the core, its operands in the given order, from a target.

    With `within`, only dimensions and guards that have one of these iterators count.
    """
    table = mapping_table(core, operands)
    ranges = core.ranges
    sums = {i.name for i in core.summation}
    value = _STRAY_ITERATOR * len(table.row("?"))
    wanted = list(target.pairs)
    obstacles: list[Obstacle] = []
    windows: list[Window] = []
    for which, dimension, part in _bad_parts(operands, ranges, within):
        fit = _fit(part, which, operands[which], table, ranges, wanted)
        fit = fit or _fit_transposed(part, which, operands[which], table, core, wanted)
        if fit is None:
            value += _part_weight(part, sums)
            obstacles.append(BadPart(which, dimension, part))
            continue
        penalty, pair, window = fit
        wanted.remove(pair)
        value += penalty
        if penalty:
            obstacles.append(BadPart(which, dimension, part, pair))
        else:
            windows.append(window)
    exact = {guard_of(w, core) for w in windows if w.transposed}
    for guard in core.term.guards:
        if guard in exact:
            continue
        if within is not None and not iterators_of(guard.index) & within:
            continue
        if owner(guard, table) is None:
            value += _FREE_GUARD
            obstacles.append(FreeGuard(guard))
    if within is None:
        value += _MISSING_WINDOW * max(0, target.windows - len(target.pairs) + len(wanted))
    return Distance(value, tuple(obstacles), table, tuple(windows))


def _bad_parts(
    operands: tuple[Read, Read], ranges: Ranges, within: frozenset[str] | None
) -> Iterable_[tuple[int, int, Part]]:
    for which, read in enumerate(operands):
        for dimension, index in enumerate(read.index):
            if within is not None and not iterators_of(index) & within:
                continue
            for part in bad_parts(index, ranges):
                yield which, dimension, part


def bad_parts(index: Index, ranges: Ranges) -> list[Part]:
    """The parts of an index that are not one iterator each."""
    if len(iterators_of(index)) < 2 and not divisions(index):
        return []
    return [p for p in parts_of(index, ranges) if not is_digit(p, ranges)]


def _fit(
    part: Part, which: int, read: Read, table: Table, ranges: Ranges, wanted: list[Pair]
) -> tuple[float, Pair, Window] | None:
    """The pair that two bare terms come nearest to, with the penalty for what is not right yet."""
    if len(part.terms) != 2:
        return None
    (first, a), (second, b) = part.terms
    if not isinstance(first, Var) or not isinstance(second, Var):
        return None
    best: tuple[float, Pair, Window] | None = None
    for pair in wanted:
        if pair.operand != which or pair.transposed:
            continue
        for (x, cx), (y, cy) in (((first, a), (second, b)), ((second, b), (first, a))):
            if table.rows[x.name] != pair.x or table.rows[y.name] != pair.y:
                continue
            if sum(bool(iterators_of(e) & {x.name, y.name}) for e in read.index) != 1:
                continue
            stride = abs(cx) if pair.strided else 1
            dilation = abs(cy) if pair.dilated else 1
            penalty = _WRONG_COEFFICIENT * (abs(cx) != stride or abs(cy) != dilation)
            penalty += _NEGATIVE_TERM * (cx < 0 or cy < 0)
            extent = ranges[y.name].extent
            if pair.extent is not None and extent != pair.extent:
                too_long = extent > pair.extent or not penalty
                penalty += _LONG_WINDOW if too_long else _SHORT_WINDOW
            if best is None or penalty < best[0]:
                best = penalty, pair, Window(which, x.name, y.name, stride, dilation)
    return best


def _fit_transposed(
    part: Part, which: int, read: Read, table: Table, core: Scope, wanted: list[Pair]
) -> tuple[float, Pair, Window] | None:
    """The pair that `(x - y) div stride`, guarded to be exact, is; `x - y` itself for stride 1."""
    pair = next((p for p in wanted if p.transposed and p.operand == which), None)
    if pair is None or not part.terms:
        return None
    atom, coefficient = part.terms[0]
    stride, inside = 1, part
    if isinstance(atom, FloorDiv) and coefficient == 1 and len(part.terms) == 1:
        stride, inside = atom.divisor, atom.operand
    signs = {a.name: c for a, c in inside.terms if isinstance(a, Var)}
    if len(inside.terms) != 2 or sorted(signs.values()) != [-1, 1]:
        return None
    x, y = sorted(signs, key=lambda name: -signs[name])
    if table.rows[x] != pair.x or table.rows[y] != pair.y:
        return None
    if pair.extent is not None and core.ranges[y].extent != pair.extent:
        return None
    if sum(bool(iterators_of(e) & {x, y}) for e in read.index) != 1:
        return None
    window = Window(which, x, y, stride, transposed=True)
    if stride > 1 and guard_of(window, core) is None:
        return None
    return 0.0, pair, window


def guard_of(window: Window, core: Scope) -> Guard | None:
    """The guard that makes a transposed window's division exact."""
    for guard in core.term.guards:
        names = iterators_of(guard.index)
        same = names == frozenset((window.x, window.y))
        if same and isinstance(guard, Residue) and guard.modulus == window.stride:
            return guard
    return None


def _part_weight(part: Part, sums: set[str]) -> float:
    value = float(len(part.terms) - 1)
    for atom, _ in part.terms:
        if isinstance(atom, Var):
            value += _SUM_IN_BAD_PART * (atom.name in sums)
        else:
            names = iterators_of(atom.operand)
            value += _MIXED_DIVISION + len(names) if len(names) > 1 else _SINGLE_DIVISION
            value += _SUM_IN_BAD_PART * len(names & sums)
    return value


def divisions(part: Part) -> list[FloorDiv]:
    """The divisions among a part's atoms."""
    return [atom for atom, _ in part.terms if isinstance(atom, FloorDiv)]
