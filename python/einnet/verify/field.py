"""Random elements of tensors in the prime field, made when they are asked for.

Every element is a hash of (seed, round, tensor, index): all programs see the same random inputs
and nothing of a tensor's size is stored. Values are `uint64` below 2^31 + 8, reduced for good only
by `reduced`; two such values multiply without overflow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from einnet.verify.flatten import UndecidedError

PRIME = 2**31 - 1

Values = NDArray[np.uint64]

_P = np.uint64(PRIME)
_BITS = np.uint64(31)


def folded(values: Values) -> Values:
    """The same residues below 2^31 + 8, in place."""
    for _ in range(2):
        high = values >> _BITS
        values &= _P
        values += high
    return values


def reduced(values: Values) -> Values:
    """The residues themselves, 0 <= x < p."""
    return values % _P


def constant(value: Fraction) -> int:
    """The rational in the field. Raises UndecidedError if p divides its denominator."""
    if value.denominator % PRIME == 0:
        raise UndecidedError(f"the constant {value} has no value modulo {PRIME}")
    return value.numerator * pow(value.denominator, -1, PRIME) % PRIME


class Randoms:
    """The random tensors of one test: `rounds` independent ones under each name."""

    def __init__(self, seed: int, rounds: int) -> None:
        self.seed = seed
        self.rounds = rounds
        self._streams: dict[str, Values] = {}

    def stream(self, name: str) -> Values:
        """One 64-bit key for each round."""
        found = self._streams.get(name)
        if found is None:
            size = 8 * self.rounds
            text = f"{self.seed}:{name}".encode()
            digest = hashlib.shake_128(text).digest(size)
            found = np.frombuffer(digest, np.uint64).copy()
            self._streams[name] = found
        return found

    def at(self, name: str, keys: NDArray[np.int64]) -> Values:
        """The field elements under integer keys, with a leading axis for the rounds."""
        stream = self.stream(name).reshape((-1,) + (1,) * keys.ndim)
        return _mixed((keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))[None] + stream)

    def of_values(self, name: str, arguments: Sequence[Values]) -> Values:
        """A random function of field elements; arguments have the rounds as leading axis."""
        state = np.broadcast_to(
            self.stream(name).reshape((-1,) + (1,) * (arguments[0].ndim - 1)), arguments[0].shape
        )
        for argument in arguments:
            state = _scrambled(state ^ (reduced(argument) + np.uint64(1)) * np.uint64(PRIME))
        return folded(state)


def _mixed(state: Values) -> Values:
    return folded(_scrambled(state))


def _scrambled(state: Values) -> Values:
    """The finaliser of splitmix64 (Steele, Lea, Flood; OOPSLA 2014), on a fresh array."""
    state = state ^ (state >> np.uint64(30))
    state *= np.uint64(0xBF58476D1CE4E5B9)
    state ^= state >> np.uint64(27)
    state *= np.uint64(0x94D049BB133111EB)
    state ^= state >> np.uint64(31)
    return state
