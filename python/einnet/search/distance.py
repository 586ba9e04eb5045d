"""Expression distance (EinNet, OSDI 2023, section 4.3): how far a core is from a target operator.

The distance is read off the iterator mapping table and the mixed-radix parts of the operands'
indices: a target wants every part to be one iterator, since the operand can then be laid out
again. Parts that are not are *bad*, and the converging search repairs the first of them. The
weights are such that no repair has to climb: a part `(h + p - r) div s` costs more than the
three affine terms that it splits into.
"""

from __future__ import annotations

from dataclasses import dataclass

from einnet.expr.index import FloorDiv, Index, Ranges, Var, iterators_of
from einnet.expr.nodes import Guard, Read, Scope
from einnet.expr.radix import Part, is_digit, parts_of
from einnet.operators.table import Table, mapping_table, owner

_STRAY_ITERATOR = 2.0
_SUM_IN_BAD_PART = 0.25
_MIXED_DIVISION = 2.0
_SINGLE_DIVISION = 0.5
_FREE_GUARD = 0.5


@dataclass(frozen=True)
class BadPart:
    """A part of operand `operand`'s dimension `dimension` that is not one iterator."""

    operand: int
    dimension: int
    part: Part

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


def distance(core: Scope, operands: tuple[Read, Read]) -> Distance:
    """The distance of the core, its operands in the given order, from a product of matrices."""
    table = mapping_table(core, operands)
    ranges = core.ranges
    sums = {i.name for i in core.summation}
    value = _STRAY_ITERATOR * len(table.row("?"))
    obstacles: list[Obstacle] = []
    for which, read in enumerate(operands):
        for dimension, index in enumerate(read.index):
            for part in bad_parts(index, ranges):
                value += _part_weight(part, sums)
                obstacles.append(BadPart(which, dimension, part))
    for guard in core.term.guards:
        if owner(guard, table) is None:
            value += _FREE_GUARD
            obstacles.append(FreeGuard(guard))
    return Distance(value, tuple(obstacles), table)


def bad_parts(index: Index, ranges: Ranges) -> list[Part]:
    """The parts of an index that are not one iterator each."""
    if len(iterators_of(index)) < 2:
        return []
    return [p for p in parts_of(index, ranges) if not is_digit(p, ranges)]


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
