"""Random elements of tensors in prime fields, made when they are asked for.

Every element is a hash of (seed, round, tensor, index): all programs see the same random inputs
and nothing of a tensor's size is stored. Each round has a field of its own, modulo a random prime
of 31 bits: a prime that is known beforehand could divide the difference of two constants, or of two
sums of them. Values are `uint64` below the prime, with the rounds as leading axis; two values
multiply without overflow, and 2^32 of them add up without.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import count, islice

import numpy as np
from numpy.typing import NDArray

from einnet.verify.flatten import UndecidedError

Values = NDArray[np.uint64]

SMALLEST = 1 << 30
"""Primes are drawn from those between this number and its double, all equally likely."""

PRIMES = 50_697_537
"""How many there are: pi(2^31) - pi(2^30)."""


class Fields:
    """The fields of the integers modulo some primes, one for each round."""

    dtype = np.dtype(np.uint64)

    def __init__(self, primes: Sequence[int]) -> None:
        self.primes = tuple(primes)
        self._moduli = np.array(self.primes, np.uint64)

    @property
    def rounds(self) -> int:
        return len(self.primes)

    def reduced(self, values: Values) -> Values:
        """The residues of numbers below 2^64, `[round or 1, ...]`."""
        return values % self._along(self._moduli, values.ndim)

    def integer(self, value: int, rank: int) -> Values:
        """The integer in each field, as an array of this rank."""
        return self._along(np.array([value % p for p in self.primes], np.uint64), rank)

    def constant(self, value: Fraction, rank: int) -> Values:
        """The rational in each field; raises UndecidedError if a prime divides its denominator."""
        if not all(value.denominator % p for p in self.primes):
            raise UndecidedError(f"the constant {value} has no value modulo one of {self.primes}")
        inverses = (pow(value.denominator, -1, p) for p in self.primes)
        residues = [value.numerator * i % p for i, p in zip(inverses, self.primes, strict=True)]
        return self._along(np.array(residues, np.uint64), rank)

    def _along(self, values: Values, rank: int) -> Values:
        return values.reshape((-1,) + (1,) * (rank - 1))


class Randoms:
    """The random tensors of one test: one under each name for each round, independent."""

    def __init__(self, seed: int, rounds: int) -> None:
        """Raises ValueError for no rounds: they would find everything equal."""
        if rounds < 1:
            raise ValueError(f"{rounds} rounds of random testing")
        self.seed = seed
        self.fields = Fields(random_primes(seed, rounds))
        self._streams: dict[str, Values] = {}

    def stream(self, name: str) -> Values:
        """One 64-bit key for each round."""
        found = self._streams.get(name)
        if found is None:
            size = 8 * self.fields.rounds
            text = f"{self.seed}:{name}".encode()
            digest = hashlib.shake_128(text).digest(size)
            found = np.frombuffer(digest, np.uint64).copy()
            self._streams[name] = found
        return found

    def at(self, name: str, keys: NDArray[np.int64]) -> Values:
        """The field elements under integer keys, with a leading axis for the rounds."""
        stream = self.stream(name).reshape((-1,) + (1,) * keys.ndim)
        state = (keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))[None] + stream
        return self.fields.reduced(_scrambled(state))

    def of_values(self, name: str, arguments: Sequence[Values]) -> Values:
        """A random function of field elements; arguments have the rounds as leading axis."""
        state = np.broadcast_to(
            self.stream(name).reshape((-1,) + (1,) * (arguments[0].ndim - 1)), arguments[0].shape
        )
        for argument in arguments:
            state = _scrambled(state ^ (argument + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15))
        return self.fields.reduced(state)


def _scrambled(state: Values) -> Values:
    """The finaliser of splitmix64 (Steele, Lea, Flood; OOPSLA 2014), on a fresh array."""
    state = state ^ (state >> np.uint64(30))
    state *= np.uint64(0xBF58476D1CE4E5B9)
    state ^= state >> np.uint64(27)
    state *= np.uint64(0x94D049BB133111EB)
    state ^= state >> np.uint64(31)
    return state


# Primes -------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def random_primes(seed: int, number: int) -> tuple[int, ...]:
    """Primes of 31 bits, uniform and independent, from the seed."""
    return tuple(islice(filter(is_prime, _odd_numbers(seed)), number))


def _odd_numbers(seed: int) -> Iterable[int]:
    """Uniform odd numbers from `SMALLEST` to its double."""
    for block in count():
        digest = hashlib.blake2b(f"{seed}:primes:{block}".encode(), digest_size=4).digest()
        yield SMALLEST | int.from_bytes(digest, "little") % SMALLEST | 1


def is_prime(number: int) -> bool:
    """Whether an odd number below 2^32 is prime: Miller and Rabin's test to the bases 2, 7, 61,
    which decides that (Jaeschke, 1993)."""
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in (2, 7, 61):
        power = pow(base, odd, number)
        if power in (0, 1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return number > 1
