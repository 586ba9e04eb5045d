"""Splitting without carry: a dimension is cut into tiles, and what a tile lacks reads as 0.

Formula: `L_h S X[t*h + e]  ~  L_h { L_{q,u} S X'[q, t*u + e] }[h div T, h mod T]`, where
`X'[q, v] = X[t*T*q + v]` for v in 0:t*T. With a halo, X' has the elements that T points of u reach,
`X'[q, v] = X[t*T*q + v + low e]`, read at `t*u + e - low e`: then the two are equal.

Condition: h occurs nowhere else, e depends on sums alone; 0 < T < extent of h.

Paper: PET, OSDI 2021, section 4: a part of the space moves into the batch.
"""

from __future__ import annotations

from einnet.expr.index import var
from einnet.expr.nodes import Scope
from einnet.mutations.mutant import (
    Mutated,
    extents_of,
    operand,
    reindexed,
    relaid,
    require,
    sliding,
)
from einnet.rules.variable_substitution import split

RULE = "split-carry"


def split_carry(core: Scope, which: int, dimension: int, tile: int, halo: bool) -> Mutated:
    """Dimension `dimension` of operand `which` in tiles of `tile` positions of its iterator.

    Raises NotApplicable where the condition fails.
    """
    window = sliding(core, which, dimension)
    require(0 < tile < window.x.extent, f"a tile of {tile} does not cut {window.x.name}")
    found = reindexed(split(core, window.x.name, tile))
    read = operand(core, which)
    extents = extents_of(read)
    q, u = f"{window.x.name}.q", f"{window.x.name}.r"
    tiles = found.core.ranges[q].extent
    step = window.stride * tile
    low = window.low if halo else 0
    size = step + window.high - window.low - window.stride + 1 if halo else step
    sizes = [*extents[:dimension], tiles, size, *extents[dimension + 1 :]]
    names = [var(f"d{n}") for n in range(len(sizes))]
    place = names[dimension] * step + names[dimension + 1] + low
    places = [*names[:dimension], place, *names[dimension + 2 :]]
    at = (var(q), var(u) * window.stride + window.rest - low)
    index = [*read.index[:dimension], *at, *read.index[dimension + 1 :]]
    return Mutated(relaid(found.core, which, sizes, places, index), found.index)
