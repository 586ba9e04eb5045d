"""Matching a two-level expression with a target operator, and the plan that a match stands for.

A core matches when every mixed-radix part of its operands' indices is one iterator, or a pair of
iterators that is a window of the target, and the target's rows are there. The operands are then
laid out again so that each iterator, or window, is a dimension: free where it is the layout that
they already have, done once where the operand is a constant, and otherwise left to the neighbouring
eOperator to write. A part of several iterators may also be *materialised*: the layout then stores
elements more than once, as im2col does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from einnet.expr.index import Index, Range, bounds, iterators_of, substitute, var
from einnet.expr.nodes import (
    Guard,
    Iterator,
    Read,
    Residue,
    Scope,
    Tensor,
    Term,
    box_of,
    fresh_name,
)
from einnet.expr.program import Definition, Product, Statement, Window, Windowed
from einnet.expr.transform import substitute_guard
from einnet.operators.cost import Machine, definition_seconds
from einnet.operators.table import Table, mapping_table
from einnet.operators.target import Target


@dataclass(frozen=True)
class Match:
    """A two-level expression whose core is `target` of `operands`, in this order."""

    scope: Scope
    target: Target
    operands: tuple[Read, Read]
    table: Table
    windows: tuple[Window, ...]

    @property
    def core(self) -> Scope:
        source = self.scope.term.reads[0].source
        assert isinstance(source, Scope)
        return source

    @property
    def extents(self) -> dict[str, int]:
        return {i.name: i.extent for i in self.core.traversal + self.core.summation}

    @property
    def exact(self) -> tuple[Guard, ...]:
        """The guards that belong to transposed windows: their divisions are exact."""
        pairs = {(w.stride, frozenset((w.x, w.y))) for w in self.windows if w.transposed}
        return tuple(
            g
            for g in self.core.term.guards
            if isinstance(g, Residue) and (g.modulus, iterators_of(g.index)) in pairs
        )

    def row(self, letter: str) -> tuple[str, ...]:
        """The iterators of a row that are in no window."""
        windowed = {name for w in self.windows for name in (w.x, w.y)}
        return tuple(n for n in self.table.row(letter) if n not in windowed)


def match(
    scope: Scope, target: Target, operands: tuple[Read, Read], windows: Sequence[Window] = ()
) -> Match | None:
    """The match of a two-level expression, or None if the target's rows are not there.

    The caller has found the windows and knows that the other parts are single iterators, or wants
    them materialised.
    """
    core = scope.term.reads[0].source
    assert isinstance(core, Scope)
    table = mapping_table(core, operands)
    found = Match(scope, target, operands, table, tuple(windows))
    if table.row("?") or len(windows) < target.windows:
        return None
    if any(not found.row(r) for r in target.needs) or any(found.row(r) for r in target.forbids):
        return None
    for guard in core.term.guards:
        if guard in found.exact:
            continue
        if _absorber(guard, found) is None:
            return None
    return found


def _absorber(guard: Guard, match: Match) -> int | None:
    """The operand whose layout absorbs the guard: one that has a dimension for each of its
    iterators. A window is one dimension of two iterators."""
    names = iterators_of(guard.index)
    for which, occurs in enumerate(match.table.occurs):
        windowed = any(w.operand == which and names & {w.x, w.y} for w in match.windows)
        if names <= occurs and not windowed:
            return which
    return None


def shape(match: Match) -> tuple[int, ...]:
    """Batch, m, n and k as numbers, then the extents of x and y of each window."""
    extents = match.extents
    rows = (prod(extents[i] for i in match.row(row)) for row in "bmnk")
    return (*rows, *(extents[name] for w in match.windows for name in (w.x, w.y)))


def describe(match: Match) -> str:
    """The operator and its sizes: `matmul 64x4096x448` (m x n x k), `conv2d k3x3 ...`."""
    batch, m, n, k, *windows = shape(match)
    sizes = f"{f'{batch}x' if match.row('b') else ''}{m}x{n}x{k}"
    if not windows:
        return f"{match.target.name} {sizes}"
    spatial = "x".join(map(str, windows[::2]))
    kernel = "x".join(map(str, windows[1::2]))
    return f"{match.target.name} {sizes} over {spatial}, window {kernel}"


def estimate(match: Match, machine: Machine, constants: frozenset[str] = frozenset()) -> float:
    """The estimated seconds of the whole match: layouts of non-constants, operator, outer scope."""
    seconds = 0.0
    for statement in plan(match, Tensor("out", match.scope.extents), {"out"}):
        assert isinstance(statement, Definition)
        if not all(t.name in constants for t in statement.operands):
            seconds += definition_seconds(statement, machine)
    return seconds


def plan(match: Match, result: Tensor, taken: set[str], label: str = "") -> tuple[Statement, ...]:
    """The statements that compute `result`: operand layouts, the operator, the outer scope.

    New tensors get names that are not in `taken`; the names are added to it.
    """
    core, extents = match.core, match.extents
    order = _group_orders(match)
    windows = {name for w in match.windows for name in (w.x, w.y)}
    inner = [i.name for i in core.traversal if i.name in windows]
    summed = [i.name for i in core.summation if i.name in windows]
    statements: list[Statement] = []
    reads = tuple(_operand(match, which, order, result, taken, statements) for which in range(2))
    traversal = (*order["b"], *order["m"], *inner, *order["n"])
    # Ranges of a library operator start at 0.
    low = {i.name: i.lo for i in core.traversal + core.summation}
    loops = tuple(Iterator(n, 0, extents[n]) for n in traversal)
    sums = tuple(Iterator(n, 0, extents[n]) for n in (*order["k"], *summed))
    moved = {n: var(n) + low[n] for n in low if low[n]}
    ranges = {i.name: i.range for i in loops + sums}
    exact = tuple(substitute_guard(g, moved, ranges) for g in match.exact)
    operator = Scope(loops, sums, (Term(reads, exact),))
    groups = (order["b"], order["m"], order["n"], order["k"])
    library = (
        Windowed(match.target.name, *groups, match.windows) if match.windows else Product(*groups)
    )
    where = _outer_index(match)
    index = tuple(where[n] - low[n] for n in traversal)
    outer = match.scope
    coefficient = core.term.coefficient * outer.term.coefficient
    identity = tuple(var(i.name) for i in outer.traversal)
    plain = not outer.summation and not outer.term.guards and len(outer.term.factors) == 1
    # A core whose box was tightened is read beyond it, where it is 0.
    whole = operator.extents == outer.extents
    if index == identity and whole and plain and coefficient == 1:
        statements.append(Definition(result, operator, label, library))
        return tuple(statements)
    name = fresh_name(f"{result.name}_product", taken)
    taken.add(name)
    tensor = Tensor(name, operator.extents, result.dtype)
    statements.append(Definition(tensor, operator, label, library))
    body = (Term((Read(tensor, index), *outer.term.factors[1:]), outer.term.guards, coefficient),)
    statements.append(Definition(result, Scope(outer.traversal, outer.summation, body), label))
    return tuple(statements)


def _outer_index(match: Match) -> dict[str, Index]:
    """The index at which the outer scope reads each traversal iterator of the core."""
    names = (i.name for i in match.core.traversal)
    return dict(zip(names, match.scope.term.reads[0].index, strict=True))


def _group_orders(match: Match) -> dict[str, tuple[str, ...]]:
    """The order of iterators inside each group, which is the layout of operands and result.

    Iterators that the outer scope reads as they are keep the order of the result and come last
    in the n group, so that the outer scope runs along contiguous elements; the k group follows
    the first operand's dimensions.
    """
    where = _outer_index(match)
    kept = {i.name for i in match.scope.traversal}
    order: dict[str, tuple[str, ...]] = {"k": match.row("k")}
    for row in "bmn":
        names = match.row(row)
        derived = tuple(n for n in names if where[n].name not in kept)
        bare = tuple(n for n in names if where[n].name in kept)
        order[row] = derived + bare if row == "n" else bare + derived
    return order


def _operand(
    match: Match,
    which: int,
    order: dict[str, tuple[str, ...]],
    result: Tensor,
    taken: set[str],
    statements: list[Statement],
) -> Read:
    """The operator's read of an operand: the tensor itself if the layout changes nothing but the
    padding of windows, which the operator reads as zeros."""
    layout, index = _layout(match, which, order)
    source = layout.term.reads[0].source
    assert isinstance(source, Tensor)
    own = {w.x for w in match.windows if w.operand == which}
    shifts = [
        e - var(i.name) for i, e in zip(layout.traversal, layout.term.reads[0].index, strict=False)
    ]
    in_place = len(layout.term.reads[0].index) == len(layout.traversal) and all(
        shift.is_constant and (i.name in own or (shift.const == 0 and i.extent == extent))
        for shift, i, extent in zip(shifts, layout.traversal, source.shape, strict=True)
    )
    if in_place and not layout.term.guards:
        return Read(source, tuple(e + s.const for e, s in zip(index, shifts, strict=True)))
    name = fresh_name(f"{result.name}_{'ab'[which]}", taken)
    taken.add(name)
    tensor = Tensor(name, layout.extents, source.dtype)
    statements.append(Definition(tensor, layout, f"layout of {source.name}"))
    return Read(tensor, index)


def _layout(
    match: Match, which: int, order: dict[str, tuple[str, ...]]
) -> tuple[Scope, tuple[Index, ...]]:
    """The operand with a dimension for each of its iterators and windows, and the index at which
    the operator reads it. The layout includes the guards that it absorbs."""
    core, extents = match.core, match.extents
    own = {w.x: w for w in match.windows if w.operand == which}
    hidden = {w.y for w in own.values()}
    middle = [
        name
        for w in match.windows
        for name in (w.x, w.y)
        if name in match.table.occurs[which] and name not in hidden
    ]
    groups = ("b", "m", "", "k") if which == 0 else ("b", "", "k", "n")
    names = [n for g in groups for n in (order[g] if g else middle)]
    read = match.operands[which]
    index = list(read.index)
    reached: dict[str, tuple[int, Index]] = {}
    for window in own.values():
        index, reached[window.x] = _opened(index, window, read, core)
    sizes = {n: reached[n][0] if n in reached else extents[n] for n in names}
    traversal = tuple(Iterator(n, 0, sizes[n]) for n in names)
    ranges = {i.name: i.range for i in traversal}
    low = {i.name: i.lo for i in core.traversal + core.summation}
    values = {n: var(n) + low[n] for n in names if low[n] and n not in own}
    placed = tuple(substitute(e, values, ranges) for e in index)
    guards = tuple(
        substitute_guard(g, values, ranges)
        for g in core.term.guards
        if _absorber(g, match) == which and g not in match.exact
    )
    layout = Scope(traversal, (), (Term((Read(read.source, placed),), guards),))
    return layout, tuple(reached[n][1] if n in reached else var(n) for n in names)


def _opened(
    index: list[Index], window: Window, read: Read, core: Scope
) -> tuple[list[Index], tuple[int, Index]]:
    """The operand's index with the window's value as one iterator, named as its x and starting at
    0; the extent of that iterator; and the index at which the operator reads it.

    Where the window has the operand's dimension, or whole blocks of it, to itself, the values
    outside the operand are left out: they are the operator's padding.
    """
    ranges = core.ranges
    x, y = ranges[window.x], ranges[window.y]
    dimension = next(d for d, e in enumerate(index) if window.x in iterators_of(e))
    e = index[dimension]
    if window.transposed and window.stride > 1:
        value, scale = e - e.const, 1
    else:
        sign = -1 if window.transposed else window.dilation
        value = var(window.x) * window.stride + var(window.y) * sign
        scale = e.coefficient(window.x) // window.stride
    rest = e - value * scale
    lo, hi = bounds(value, ranges)
    least, most = bounds(rest, ranges)
    extent = box_of(read.source)[dimension].hi
    blocks = extent % scale == 0 and least % scale == 0 and most - least < scale
    if rest.is_constant or blocks:
        lo = max(lo, -(most // scale))
        # One element, which is 0, where the window sees nothing but padding.
        hi = max(lo, min(hi, (extent - 1 - least) // scale))
    own = {window.x: Range(0, x.extent), window.y: Range(0, y.extent)}
    moved = {window.x: var(window.x) + x.lo, window.y: var(window.y) + y.lo}
    opened = rest + (var(window.x) + lo) * scale
    at = substitute(value, moved, own) - lo
    return [*index[:dimension], opened, *index[dimension + 1 :]], (hi - lo + 1, at)
