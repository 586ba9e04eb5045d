"""Values of programs in double precision, with the functions themselves instead of random ones.

Two programs that differ with functions read as arbitrary ones may be equal by a property of one, as
`exp(a+b) = exp(a)*exp(b)`. Where they differ by more than rounding in double precision too they do
differ. Inputs are random: in half of the rounds of both signs, in the others positive, where
logarithms and roots have values; large and small, as functions of large ones are nearly constant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from einnet.expr.nodes import Tensor
from einnet.verify.cuts import MEANINGS, Session, Symbol
from einnet.verify.evaluate import Integers, Work, evaluate_terms
from einnet.verify.field import Randoms
from einnet.verify.flatten import FlatScope, FlatTerm, UndecidedError
from einnet.verify.memo import Memo

Values = NDArray[Any]

_SCALES = (1.0, 1.0, 1 / 8, 1 / 8, 1 / 64, 1 / 64)
_ROUNDS = len(_SCALES)
_TOLERANCE = 1e-9
"""Of the sum of what is added up, in absolute value; double precision rounds at 1e-16."""


class Doubles:
    """Double precision in the place of the fields, one for each round."""

    rounds = _ROUNDS
    dtype = np.dtype(np.float64)

    def reduced(self, values: Values) -> Values:
        return values

    def integer(self, value: int, rank: int) -> Values:
        return np.full((1,) * rank, float(value))

    def constant(self, value: Fraction, rank: int) -> Values:
        return np.full((1,) * rank, float(value))


def real_difference(
    session: Session,
    ours: FlatScope,
    theirs: FlatScope,
    positions: Sequence[tuple[int, ...]],
    data: Mapping[str, NDArray[Any]] = MappingProxyType({}),
) -> tuple[tuple[int, ...], tuple[float, float]] | None:
    """One of the positions at which the scopes differ, with both values; None if there is none.

    Inputs are random but for those that are in `data`, by name. Raises UndecidedError where no
    value is finite, where that takes too much work, or where it needs an opaque result.
    """
    rows = np.array(positions, np.int64).reshape(len(positions), len(ours.axes))
    reals = _Reals(session, data)
    with np.errstate(all="ignore"):
        left, right = reals.values(ours, rows), reals.values(theirs, rows)
        size = reals.sizes(ours, rows) + reals.sizes(theirs, rows)
        finite = np.isfinite(left) & np.isfinite(right) & np.isfinite(size)
        differing = finite & (np.abs(left - right) > _TOLERANCE * size)
    if len(positions) and not finite.any():
        raise UndecidedError("the functions have no finite value at the inputs that were tried")
    for round_, n in np.argwhere(differing):
        return positions[n], (float(left[round_, n]), float(right[round_, n]))
    return None


class _Reals:
    """Evaluates scopes with the symbols of a session."""

    def __init__(self, session: Session, data: Mapping[str, NDArray[Any]]) -> None:
        self.session = session
        self.data = data
        self.randoms = Randoms(session.randoms.seed, _ROUNDS)
        self.doubles = Doubles()
        self.work = Work(session.budget.interpreted)
        self.memo = Memo()

    def values(self, scope: FlatScope, rows: Integers) -> Values:
        """`[round, row]`."""
        return self._sum(scope.terms, [a.name for a in scope.axes], rows)

    def sizes(self, scope: FlatScope, rows: Integers) -> Values:
        """The sums of the absolute values of what the scope adds up, `[round, row]`."""

        def lookup(tensor: Tensor, key: Integers) -> Values:
            return np.abs(self._lookup(tensor, key))

        terms = [replace(t, coefficient=abs(t.coefficient)) for t in scope.terms]
        names = [a.name for a in scope.axes]
        return evaluate_terms(terms, names, rows, lookup, self.doubles, self.work)

    def _sum(self, terms: Sequence[FlatTerm], names: list[str], rows: Integers) -> Values:
        return evaluate_terms(terms, names, rows, self._lookup, self.doubles, self.work)

    def _lookup(self, tensor: Tensor, key: Integers) -> Values:
        if tensor.name in self.session.opaque_names:
            raise UndecidedError("an opaque result is unknown")
        symbol = self.session.symbols.get(tensor.name)
        if symbol is None:
            return self._inputs(tensor, key)
        # Keys out of range belong to points that are not live.
        inside = np.clip(key, 0, prod(tensor.shape) - 1)
        unique, which = np.unique(inside, return_inverse=True)
        found = self.memo.at(tensor.name, unique, lambda keys: self._of_symbol(symbol, keys))
        return found[:, which.reshape(-1)].reshape((_ROUNDS, *key.shape))

    def _of_symbol(self, symbol: Symbol, keys: Integers) -> Values:
        axes = symbol.arguments[0].axes
        places = np.unravel_index(keys, tuple(a.extent for a in axes)) if axes else ()
        rows = np.empty((len(keys), len(axes)), np.int64)
        for n, (axis, place) in enumerate(zip(axes, places, strict=True)):
            rows[:, n] = place + axis.lo
        names = [a.name for a in axes]
        arguments = [self._sum(a.terms, names, rows) for a in symbol.arguments]
        return MEANINGS[symbol.function].evaluate(*arguments)

    def _inputs(self, tensor: Tensor, key: Integers) -> Values:
        data = self.data.get(tensor.name)
        if data is not None:
            chosen = data.reshape(-1)[np.clip(key, 0, data.size - 1)].astype(np.float64)
            return np.broadcast_to(chosen, (_ROUNDS, *key.shape))
        column = (-1,) + (1,) * key.ndim
        primes = np.array(self.randoms.fields.primes, np.float64).reshape(column)
        share = self.randoms.at(tensor.name, key) / primes
        signed = np.arange(_ROUNDS).reshape(column) % 2 == 0
        values = np.where(signed, 4 * share - 2, 0.5 + 1.5 * share)
        if tensor.dtype.startswith("i"):
            return np.floor(8 * values)
        return values * np.array(_SCALES).reshape(column)
