"""Evaluate any expression at any set of positions, in a prime field or in floating point.

The interpreter is the meaning of the language: rules, search and emission are tested against it.
It is written for clarity; the verifier has its own, faster, evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from math import prod
from typing import Any, Protocol
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from einnet.expr.functions import FUNCTIONS
from einnet.expr.index import evaluate
from einnet.expr.nodes import Body, Call, Guard, Read, Residue, Scope, Tensor, Term

PRIME = 2**31 - 1
_CHUNK = 1 << 20

Array = NDArray[Any]
Integers = NDArray[np.int64]
Lookup = Callable[[Tensor, tuple[Integers, ...]], Array]
"""Elements of a tensor at in-range indices, one integer array per dimension."""


class Arithmetic(Protocol):
    """The ring that an expression is evaluated in."""

    @property
    def dtype(self) -> np.dtype[np.generic]: ...
    def constant(self, value: Fraction) -> int | float: ...
    def multiply(self, a: Array, b: Array) -> Array: ...
    def add_up(self, values: Array) -> Array: ...
    def call(self, function: str, arguments: list[Array]) -> Array: ...


class Field:
    """Integers modulo the prime 2^31 - 1. A nonlinear function is an unknown random function, of
    arguments in any order if it is commutative, and 0 of zeros if it keeps them; the maximum with
    0 is relu."""

    dtype = np.dtype(np.int64)

    def constant(self, value: Fraction) -> int:
        return value.numerator * pow(value.denominator, -1, PRIME) % PRIME

    def multiply(self, a: Array, b: Array) -> Array:
        return a * b % PRIME

    def add_up(self, values: Array) -> Array:
        return values.sum(axis=-1) % PRIME

    def call(self, function: str, arguments: list[Array]) -> Array:
        known = FUNCTIONS[function]
        if known.commutative:
            arguments = list(np.sort(np.stack(arguments), axis=0))
        values = self._hashed(function, arguments)
        if function == "maximum":
            values = np.where(arguments[0] == 0, self._hashed("relu", arguments[1:]), values)
        return np.where(np.any(arguments, axis=0), values, 0) if known.keeps_zero else values

    def _hashed(self, name: str, arguments: list[Array]) -> Array:
        state = np.full(arguments[0].shape, crc32(name.encode()), np.uint64)
        for argument in arguments:
            state = (state ^ argument.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
            state ^= state >> np.uint64(29)
            state *= np.uint64(0xBF58476D1CE4E5B9)
            state ^= state >> np.uint64(32)
        return (state % np.uint64(PRIME)).astype(np.int64)


class Float64:
    """IEEE double precision."""

    dtype = np.dtype(np.float64)

    def constant(self, value: Fraction) -> float:
        return float(value)

    def multiply(self, a: Array, b: Array) -> Array:
        return a * b

    def add_up(self, values: Array) -> Array:
        return values.sum(axis=-1)

    def call(self, function: str, arguments: list[Array]) -> Array:
        return FUNCTIONS[function].evaluate(*arguments)


def dense(arrays: Mapping[str, Array]) -> Lookup:
    """Look tensors up in arrays by name."""
    return lambda tensor, index: arrays[tensor.name][index]


def evaluate_everywhere(scope: Scope, lookup: Lookup, arithmetic: Arithmetic) -> Array:
    """The whole tensor that the scope denotes, from the low corner of its box."""
    rank, count = len(scope.extents), prod(scope.extents)
    grid = np.indices(scope.extents, dtype=np.int64).reshape(rank, count)
    low = np.array([i.lo for i in scope.traversal], np.int64).reshape(-1, 1)
    return evaluate_at(scope, list(grid + low), lookup, arithmetic).reshape(scope.extents)


def evaluate_at(
    scope: Scope, positions: list[Integers], lookup: Lookup, arithmetic: Arithmetic
) -> Array:
    """The scope's elements at positions, one integer array per traversal iterator, all of one
    length (a scope without traversal iterators is evaluated once)."""
    count = len(positions[0]) if positions else 1
    result = np.zeros(count, arithmetic.dtype)
    inside = np.ones(count, bool)
    for iterator, where in zip(scope.traversal, positions, strict=True):
        inside &= (where >= iterator.lo) & (where < iterator.hi)
    live = np.nonzero(inside)[0]
    extents = [i.extent for i in scope.summation]
    points = prod(extents)
    grid = np.indices(extents, dtype=np.int64).reshape(len(extents), points)
    chunk = max(1, _CHUNK // points)
    for start in range(0, len(live), chunk):
        rows = live[start : start + chunk]
        environment: dict[str, Integers] = {
            i.name: np.repeat(where[rows], points)
            for i, where in zip(scope.traversal, positions, strict=True)
        }
        for iterator, values in zip(scope.summation, grid, strict=True):
            environment[iterator.name] = np.tile(values + iterator.lo, len(rows))
        values = _body(scope.body, environment, len(rows) * points, lookup, arithmetic)
        result[rows] = arithmetic.add_up(values.reshape(len(rows), points))
    return result


Environment = dict[str, Integers]


def _body(
    body: Body, environment: Environment, count: int, lookup: Lookup, arithmetic: Arithmetic
) -> Array:
    if not body:
        return np.zeros(count, arithmetic.dtype)
    terms = [_term(t, environment, count, lookup, arithmetic) for t in body]
    return terms[0] if len(terms) == 1 else arithmetic.add_up(np.stack(terms, axis=-1))


def _term(
    term: Term, environment: Environment, count: int, lookup: Lookup, arithmetic: Arithmetic
) -> Array:
    live = np.ones(count, bool)
    for guard in term.guards:
        live &= guard_holds(guard, environment, count)
    where = np.nonzero(live)[0]
    environment = {name: values[where] for name, values in environment.items()}
    product = np.full(len(where), arithmetic.constant(term.coefficient), arithmetic.dtype)
    for factor in term.factors:
        if isinstance(factor, Call):
            arguments = [
                _body(a, environment, len(where), lookup, arithmetic) for a in factor.arguments
            ]
            value = arithmetic.call(factor.function, arguments)
        else:
            value = _read(factor, environment, len(where), lookup, arithmetic)
        product = arithmetic.multiply(product, value)
    result = np.zeros(count, arithmetic.dtype)
    result[where] = product
    return result


def _read(
    read: Read, environment: Environment, count: int, lookup: Lookup, arithmetic: Arithmetic
) -> Array:
    zero = np.zeros(count, np.int64)
    index = [evaluate(e, environment.__getitem__, zero) for e in read.index]
    if isinstance(read.source, Scope):
        if not index:
            once = evaluate_at(read.source, [], lookup, arithmetic)
            return np.broadcast_to(once, (count,))
        return evaluate_at(read.source, index, lookup, arithmetic)
    inside = np.ones(count, bool)
    for where, extent in zip(index, read.source.shape, strict=True):
        inside &= (where >= 0) & (where < extent)
    live = np.nonzero(inside)[0]
    result = np.zeros(count, arithmetic.dtype)
    result[live] = lookup(read.source, tuple(where[live] for where in index))
    return result


def guard_holds(guard: Guard, environment: Environment, count: int) -> NDArray[np.bool_]:
    value = evaluate(guard.index, environment.__getitem__, np.zeros(count, np.int64))
    if isinstance(guard, Residue):
        return value % guard.modulus == 0
    return (value >= guard.lo) & (value < guard.hi)
