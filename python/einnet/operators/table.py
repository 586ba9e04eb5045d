"""The iterator mapping table (EinNet, OSDI 2023, section 4.2) of a product of two reads.

Each iterator belongs to the row of the tensors in which it occurs: `b` (both operands and the
output), `m` (first operand and output), `n` (second and output), `k` (both operands, summed).
Iterators in any other row are `?`: no library operator has them.
"""

from __future__ import annotations

from dataclasses import dataclass

from einnet.expr.index import iterators_of
from einnet.expr.nodes import Guard, Read, Scope

_ROWS = {
    (True, True, True): "b",
    (True, False, True): "m",
    (False, True, True): "n",
    (True, True, False): "k",
}


@dataclass(frozen=True)
class Table:
    """`rows` maps iterators to b, m, n, k or ?; `occurs` are the iterators of each operand."""

    rows: dict[str, str]
    occurs: tuple[frozenset[str], frozenset[str]]

    def row(self, letter: str) -> tuple[str, ...]:
        return tuple(name for name, row in self.rows.items() if row == letter)


def mapping_table(core: Scope, operands: tuple[Read, Read]) -> Table:
    """The table of the core scope with its two reads in the given order."""
    first, second = (_occurring(read) for read in operands)
    output = {i.name for i in core.traversal}
    rows: dict[str, str] = {}
    for iterator in core.traversal + core.summation:
        name = iterator.name
        key = (name in first, name in second, name in output)
        rows[name] = _ROWS.get(key, "?")
    return Table(rows, (first, second))


def owner(guard: Guard, table: Table) -> int | None:
    """The operand whose layout can absorb the guard: one that has all of its iterators."""
    names = iterators_of(guard.index)
    for which, occurs in enumerate(table.occurs):
        if names <= occurs:
            return which
    return None


def _occurring(read: Read) -> frozenset[str]:
    return frozenset[str]().union(*(iterators_of(e) for e in read.index))
