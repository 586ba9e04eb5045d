"""What a proof of equality rests on, in numbers; round-trips through JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from einnet.verify.field import PRIMES, SMALLEST


@dataclass(frozen=True)
class Segment:
    """One comparison that the proof uses: of an output, or of a nonlinear function's argument.

    `slopes` is the largest number of distinct slope tuples, `method` says how the positions that
    decide a cell were chosen, `degree` counts the reads of the longest product, `bits` are those of
    the largest coefficient that the difference of the two sides can have.
    """

    name: str
    cells: int
    positions: int
    terms: tuple[int, int]
    slopes: int
    degree: int
    bits: int
    method: str


@dataclass(frozen=True)
class Certificate:
    """A proof by random testing modulo `primes`, one for each round; `comparisons` counts failed
    ones too."""

    segments: tuple[Segment, ...]
    seed: int
    primes: tuple[int, ...]
    comparisons: int

    @property
    def degree(self) -> int:
        return max((s.degree for s in self.segments), default=0)

    @property
    def cells(self) -> int:
        return sum(s.cells for s in self.segments)

    @property
    def positions(self) -> int:
        return sum(s.positions for s in self.segments)

    @property
    def error_bound(self) -> float:
        """The probability of a wrong accept over the random primes and inputs, at most.

        In a round either the prime divides every coefficient of the difference, and of such primes
        above 2^30 there are no more than a 30th of a coefficient's bits, or the difference is a
        polynomial other than 0 whose value is 0 (Schwartz-Zippel).
        """
        bits = max((s.bits for s in self.segments), default=0)
        one = bits // 30 / PRIMES + max(self.degree, 1) / SMALLEST
        return min(1.0, self.comparisons * min(1.0, one) ** len(self.primes))

    def to_json(self) -> str:
        return json.dumps({**asdict(self), "error_bound": self.error_bound}, indent=1)

    @staticmethod
    def from_json(text: str) -> Certificate:
        """The certificate that `to_json` wrote; raises KeyError or TypeError for anything else."""
        fields: dict[str, Any] = json.loads(text)
        segments = tuple(_segment(s) for s in fields["segments"])
        return Certificate(segments, fields["seed"], tuple(fields["primes"]), fields["comparisons"])


def _segment(fields: dict[str, Any]) -> Segment:
    reference, candidate = fields.pop("terms")
    return Segment(terms=(reference, candidate), **fields)
