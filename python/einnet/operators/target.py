"""What a target operator looks like to the search: rows of the iterator table, and windows.

A target is data: which rows of iterators it has, and which pairs of iterators may share a dimension
of an operand (`x + y`, the window of a convolution or the band of a banded product). The search
knows operators only through it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pair:
    """A dimension of operand `operand` whose index is x + y.

    `x` and `y` are the rows of the two iterators; `extent` is what y's must be, None for any. The
    operator may have a stride and a dilation of its own, `stride*x + dilation*y`, or be transposed,
    `(x - y) div stride` where the division is exact; constants are padding, always allowed.
    """

    operand: int
    x: str
    y: str
    extent: int | None = None
    strided: bool = False
    dilated: bool = False
    transposed: bool = False


@dataclass(frozen=True)
class Target:
    """A library operator of two operands.

    `needs` are rows that must have an iterator, `forbids` rows that must have none, iterators of
    windows not counted. `windows` is the number of pairs that must be matched at least.
    """

    name: str
    pairs: tuple[Pair, ...] = ()
    needs: str = ""
    forbids: str = ""
    windows: int = 0

    @property
    def symmetric(self) -> bool:
        """Whether exchanging the operands changes nothing."""
        return not self.pairs
