"""An oracle for the verifier: two programs, evaluated densely on the same random inputs.

It shares no code with `einnet.verify`, imports nothing of it, and takes from `einnet.expr` only the
classes of nodes and indices, not their evaluation. It works modulo a random prime of 50 bits: two
numbers below it multiply exactly with the quotient of their doubles and integers that wrap around.
Programs are small: every element of every tensor is computed, at every summation point.

Two programs that differ at a position agree there for random inputs with a probability of at most
d / 2^49, d the number of reads in the longest product of the flat programs (Schwartz-Zippel).
Nonlinear functions are read as random functions; maximum and minimum as random symmetric ones; 0 is
kept by those that keep it, and the maximum with it is relu.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from math import prod
from random import Random
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from einnet.expr.index import Index, Var
from einnet.expr.nodes import Body, Call, Guard, Read, Residue, Scope, Tensor, Term
from einnet.expr.program import Opaque, Program

LARGEST = 1 << 24
"""Points of one scope, of traversal and summation together."""

_BITS = 50
_ADDED = 1 << 12
"""So many numbers of 50 bits add up in 64."""

_SYMMETRIC = frozenset({"maximum", "minimum"})
_KEEPING_ZERO = _SYMMETRIC | {"relu", "tanh", "sqrt", "abs", "erf"}

Array = NDArray[np.int64]
_Environment = Mapping[str, Array]


@dataclass(frozen=True)
class Difference:
    """The number of the first output that differs, and where: `positions[n, axis]`."""

    output: int
    positions: Array


def first_difference(left: Sequence[Array], right: Sequence[Array]) -> Difference | None:
    """Where two programs' outputs differ; None if they do nowhere."""
    for number, (ours, theirs) in enumerate(zip(left, right, strict=True)):
        wrong = np.argwhere(ours != theirs)
        if len(wrong):
            return Difference(number, wrong)
    return None


def outputs(program: Program, seed: int) -> tuple[Array, ...]:
    """Every element of every output, for the random inputs of the seed.

    Inputs are told apart by their names, so that two programs see the same. Raises ValueError for a
    program with opaque operations or with a scope of more than `LARGEST` points.
    """
    field = _Field(_random_prime(seed))
    arrays = {t.name: field.random(f"{seed}:{t.name}", t.shape) for t in program.inputs}
    for statement in program.statements:
        if isinstance(statement, Opaque):
            raise ValueError(f"the opaque operation {statement.operation!r} has no known values")
        arrays[statement.result.name] = _Evaluation(field, arrays).scope(statement.scope)
    return tuple(arrays[t.name] for t in program.outputs)


class _Field:
    """The integers modulo a prime below 2^50, as arrays of 64-bit integers."""

    def __init__(self, prime: int) -> None:
        self.prime = prime

    def random(self, name: str, shape: tuple[int, ...]) -> Array:
        generator = np.random.default_rng(list(name.encode()))
        return generator.integers(0, self.prime, shape, dtype=np.int64)

    def constant(self, value: Fraction) -> int:
        return value.numerator * pow(value.denominator, -1, self.prime) % self.prime

    def product(self, a: Array, b: Array) -> Array:
        # The quotient of the doubles is off by one at most, and the rest fits in 64 bits.
        quotient = (a.astype(np.float64) * b.astype(np.float64) / self.prime).astype(np.int64)
        return (a * b - quotient * self.prime) % self.prime

    def sum_last(self, values: Array) -> Array:
        """The sum over the last axis."""
        while values.shape[-1] > _ADDED:
            whole = values.shape[-1] // _ADDED * _ADDED
            blocks = values[..., :whole].reshape(*values.shape[:-1], -1, _ADDED)
            rest = values[..., whole:].sum(axis=-1, keepdims=True) % self.prime
            values = np.concatenate([blocks.sum(axis=-1) % self.prime, rest], axis=-1)
        return values.sum(axis=-1) % self.prime

    def call(self, function: str, arguments: Sequence[Array]) -> Array:
        """A random function: a hash of its name and its arguments, but for what is known of it."""
        if function in _SYMMETRIC:
            arguments = list(np.sort(np.stack(np.broadcast_arrays(*arguments)), axis=0))
        values = self.hashed(function, arguments)
        if function == "maximum":
            values = np.where(arguments[0] == 0, self.hashed("relu", arguments[1:]), values)
        if function in _KEEPING_ZERO:
            values = np.where(np.any(arguments, axis=0), values, 0)
        return values

    def hashed(self, name: str, arguments: Sequence[Array]) -> Array:
        state = np.full((1,) * arguments[0].ndim, crc32(name.encode()), np.uint64)
        for argument in arguments:
            state = (state + argument.astype(np.uint64)) * np.uint64(0xD1342543DE82EF95)
            state = state ^ (state >> np.uint64(32))
            state = state * np.uint64(0xAEF17502108EF2D9)
            state = state ^ (state >> np.uint64(29))
        return (state % np.uint64(self.prime)).astype(np.int64)


class _Evaluation:
    """Values of scopes over given tensors; each iterator has an axis of its own in every array."""

    def __init__(self, field: _Field, arrays: Mapping[str, Array]) -> None:
        self.field = field
        self.arrays = arrays

    def scope(self, scope: Scope) -> Array:
        """Every element of the scope, from the low corner of its box."""
        iterators = scope.traversal + scope.summation
        extents = [i.extent for i in iterators]
        if prod(extents) > LARGEST:
            raise ValueError(f"{prod(extents)} points are too many for dense evaluation: {scope}")
        environment = {
            i.name: np.arange(i.lo, i.hi).reshape(
                [-1 if n == d else 1 for d in range(len(extents))]
            )
            for n, i in enumerate(iterators)
        }
        total = np.zeros(scope.extents, np.int64)
        for term in scope.body:
            values = np.broadcast_to(self.term(term, environment, len(extents)), extents)
            added = self.field.sum_last(values.reshape(*scope.extents, -1))
            total = (total + added) % self.field.prime
        return total

    def body(self, body: Body, environment: _Environment, rank: int) -> Array:
        total = np.zeros((1,) * rank, np.int64)
        for term in body:
            total = (total + self.term(term, environment, rank)) % self.field.prime
        return total

    def term(self, term: Term, environment: _Environment, rank: int) -> Array:
        value = np.full((1,) * rank, self.field.constant(term.coefficient), np.int64)
        for factor in term.factors:
            if isinstance(factor, Call):
                arguments = [self.body(a, environment, rank) for a in factor.arguments]
                found = self.field.call(factor.function, arguments)
            else:
                found = self.read(factor, environment, rank)
            value = self.field.product(value, found)
        for guard in term.guards:
            value = np.where(_holds(guard, environment, rank), value, 0)
        return value

    def read(self, read: Read, environment: _Environment, rank: int) -> Array:
        if isinstance(read.source, Tensor):
            source = self.arrays[read.source.name]
            lows = [0] * source.ndim
        else:
            source = self.scope(read.source)
            lows = [i.lo for i in read.source.traversal]
        inside: NDArray[np.bool_] = np.ones((1,) * rank, bool)
        where: list[Array] = []
        for index, low, extent in zip(read.index, lows, source.shape, strict=True):
            place = _value(index, environment, rank) - low
            inside = inside & (place >= 0) & (place < extent)
            where.append(place.clip(0, extent - 1))
        found: Any = source[tuple(where)] if where else source.reshape((1,) * rank)
        return np.where(inside, found, 0)


def _value(index: Index, environment: _Environment, rank: int) -> Array:
    total = np.full((1,) * rank, index.const, np.int64)
    for atom, coefficient in index.terms:
        if isinstance(atom, Var):
            value = environment[atom.name]
        else:
            value = np.floor_divide(_value(atom.operand, environment, rank), atom.divisor)
        total = total + coefficient * value
    return total


def _holds(guard: Guard, environment: _Environment, rank: int) -> NDArray[np.bool_]:
    value = _value(guard.index, environment, rank)
    if isinstance(guard, Residue):
        return np.mod(value, guard.modulus) == 0
    return (guard.lo <= value) & (value < guard.hi)


def _random_prime(seed: int) -> int:
    random = Random(f"oracle:{seed}")
    numbers = (random.getrandbits(_BITS) | 1 << (_BITS - 1) | 1 for _ in count())
    return next(filter(_is_prime, numbers))


def _is_prime(number: int) -> bool:
    """Whether an odd number of up to 64 bits is prime: Fermat's test, strengthened by square roots
    of 1, to the first twelve primes, which decides that (Sorenson, Webster; 2015)."""
    exponent = number - 1
    twos = (exponent & -exponent).bit_length() - 1
    for base in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37):
        powers = [pow(base, exponent >> shift, number) for shift in range(twos, -1, -1)]
        if powers[0] != 1 and number - 1 not in powers[:-1]:
            return False
    return True
