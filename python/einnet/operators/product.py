"""The (batched) matrix product as a target operator: what matches it, and the plan of a match.

Pattern: `out[b,m,n] = S<k> A[b,m,k] * B[b,k,n]`, each letter a group of iterators. A core matches
when every mixed-radix part of its operands' indices is one iterator and the rows m, n, k are there;
the operands are then laid out again so that each iterator is a dimension, which is free where the
layout is the one that they already have, done once where the operand is a constant, and otherwise
left to the neighbouring eOperator to write.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from einnet.expr.index import substitute, var
from einnet.expr.nodes import Iterator, Read, Scope, Tensor, Term, fresh_name
from einnet.expr.program import Definition, Product, Statement
from einnet.expr.transform import substitute_guard
from einnet.operators.cost import Machine, definition_seconds
from einnet.operators.table import Table, mapping_table, owner

NAME = "matmul"


@dataclass(frozen=True)
class Match:
    """A two-level expression whose core is a product of `operands`, in this order."""

    scope: Scope
    operands: tuple[Read, Read]
    table: Table

    @property
    def core(self) -> Scope:
        source = self.scope.term.reads[0].source
        assert isinstance(source, Scope)
        return source


def match(scope: Scope, operands: tuple[Read, Read]) -> Match | None:
    """The match of a two-level expression at distance 0, or None if a needed row is missing."""
    core = scope.term.reads[0].source
    assert isinstance(core, Scope)
    table = mapping_table(core, operands)
    if table.row("?") or not table.row("k"):
        return None
    if any(owner(g, table) is None for g in core.term.guards):
        return None
    return Match(scope, operands, table)


def shape(match: Match) -> tuple[int, int, int, int]:
    """Batch, m, n and k as numbers."""
    extents = {i.name: i.extent for i in match.core.traversal + match.core.summation}
    batch, m, n, k = (prod(extents[i] for i in match.table.row(row)) for row in "bmnk")
    return batch, m, n, k


def estimate(match: Match, machine: Machine, constants: frozenset[str] = frozenset()) -> float:
    """The estimated seconds of the whole match: layouts of non-constants, product, outer scope."""
    statements = plan(match, Tensor("out", match.scope.extents), {"out"})
    seconds = 0.0
    for statement in statements:
        assert isinstance(statement, Definition)
        if not all(t.name in constants for t in statement.operands):
            seconds += definition_seconds(statement, machine)
    return seconds


def plan(match: Match, result: Tensor, taken: set[str], label: str = "") -> tuple[Statement, ...]:
    """The statements that compute `result`: operand layouts, the product, the outer scope.

    New tensors get names that are not in `taken`; the names are added to it.
    """
    order = _group_orders(match)
    core = match.core
    # Ranges of a library product start at 0.
    low = {i.name: i.lo for i in core.traversal + core.summation}
    extents = {i.name: i.extent for i in core.traversal + core.summation}
    statements: list[Statement] = []
    reads: list[Read] = []
    layouts = (order["b"] + order["m"] + order["k"], order["b"] + order["k"] + order["n"])
    for which, (read, names) in enumerate(zip(match.operands, layouts, strict=True)):
        layout = _layout(match, which, read, names, low, extents)
        reads.append(_operand(layout, result, which, taken, statements))
    traversal = order["b"] + order["m"] + order["n"]
    product = Scope(
        tuple(Iterator(n, 0, extents[n]) for n in traversal),
        tuple(Iterator(n, 0, extents[n]) for n in order["k"]),
        (Term(tuple(reads)),),
    )
    groups = Product(order["b"], order["m"], order["n"], order["k"])
    where = dict(
        zip((i.name for i in core.traversal), match.scope.term.reads[0].index, strict=True)
    )
    index = tuple(where[n] - low[n] for n in traversal)
    coefficient = core.term.coefficient * match.scope.term.coefficient
    outer = match.scope
    identity = tuple(var(i.name) for i in match.scope.traversal)
    if index == identity and not outer.summation and coefficient == 1:
        statements.append(Definition(result, product, label, groups))
        return tuple(statements)
    name = fresh_name(f"{result.name}_product", taken)
    taken.add(name)
    tensor = Tensor(name, product.extents, result.dtype)
    statements.append(Definition(tensor, product, label, groups))
    read = Read(tensor, index)
    rest = match.scope.term.factors[1:]
    body = (Term((read, *rest), outer.term.guards, coefficient),)
    statements.append(Definition(result, Scope(outer.traversal, outer.summation, body), label))
    return tuple(statements)


def _group_orders(match: Match) -> dict[str, tuple[str, ...]]:
    """The order of iterators inside each group, which is the layout of operands and result.

    Iterators that the outer scope reads as they are keep the order of the result and come last
    in their group, so that the outer scope runs along contiguous elements; the k group follows
    the first operand's dimensions.
    """
    core, table = match.core, match.table
    where = dict(
        zip((i.name for i in core.traversal), match.scope.term.reads[0].index, strict=True)
    )
    kept = {i.name for i in match.scope.traversal}
    order: dict[str, tuple[str, ...]] = {}
    for row in "bmn":
        names = table.row(row)
        derived = tuple(n for n in names if where[n].name not in kept)
        bare = tuple(n for n in names if where[n].name in kept)
        order[row] = derived + bare if row == "n" else bare + derived
    order["k"] = table.row("k")
    return order


def _layout(
    match: Match,
    which: int,
    read: Read,
    names: tuple[str, ...],
    low: dict[str, int],
    extents: dict[str, int],
) -> Scope:
    """The operand laid out so that each iterator is a dimension, the guards it absorbs included."""
    traversal = tuple(Iterator(n, 0, extents[n]) for n in names)
    ranges = {i.name: i.range for i in traversal}
    values = {n: var(n) + low[n] for n in names if low[n]}
    index = tuple(substitute(e, values, ranges) for e in read.index)
    guards = tuple(
        substitute_guard(g, values, ranges)
        for g in match.core.term.guards
        if owner(g, match.table) == which
    )
    return Scope(traversal, (), (Term((Read(read.source, index),), guards),))


def _operand(
    layout: Scope,
    result: Tensor,
    which: int,
    taken: set[str],
    statements: list[Statement],
) -> Read:
    """The product's read of an operand: the tensor itself if the layout changes nothing."""
    index = tuple(var(i.name) for i in layout.traversal)
    source = layout.term.reads[0].source
    assert isinstance(source, Tensor)
    moved = layout.term.reads[0].index != index or source.shape != layout.extents
    if not moved and not layout.term.guards:
        return Read(source, index)
    name = fresh_name(f"{result.name}_{'ab'[which]}", taken)
    taken.add(name)
    tensor = Tensor(name, layout.extents, source.dtype)
    statements.append(Definition(tensor, layout, f"layout of {source.name}"))
    return Read(tensor, index)


def describe(match: Match) -> str:
    """The operator and its sizes, such as `matmul 64x4096x448` (m x n x k)."""
    batch, m, n, k = shape(match)
    return f"matmul {f'{batch}x' if match.table.row('b') else ''}{m}x{n}x{k}"
