"""One arena for all temporaries: those that are not alive at the same time share memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from einnet.codegen.gpu.host import ALIGNMENT


@dataclass(frozen=True)
class Lifetime:
    """The bytes of a temporary, and the first and the last step that use it."""

    bytes: int
    first: int
    last: int

    def meets(self, other: Lifetime) -> bool:
        return self.first <= other.last and other.first <= self.last


def arena(lifetimes: Mapping[str, Lifetime]) -> tuple[dict[str, int], int]:
    """The offset of each temporary and the bytes of all: the largest placed first, each at the
    lowest offset where it meets nothing that is alive with it."""
    offsets: dict[str, int] = {}
    total = 0
    for name in sorted(lifetimes, key=lambda n: (-lifetimes[n].bytes, n)):
        own = lifetimes[name]
        size = aligned(own.bytes)
        taken = sorted(
            (offsets[n], offsets[n] + aligned(lifetimes[n].bytes))
            for n in offsets
            if own.meets(lifetimes[n])
        )
        offset = 0
        for begin, end in taken:
            if begin - offset >= size:
                break
            offset = max(offset, end)
        offsets[name] = offset
        total = max(total, offset + size)
    return offsets, total


def aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
