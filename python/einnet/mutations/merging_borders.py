"""Merging without borders: two dimensions of an operand become one, and neighbours touch.

Formula: `L_{n,w} S X[n, t*w + e]  ~  L_{n,w} { L_z S X'[t*z + e] }[n*M + w]`, where
`X'[q] = X[q div P, q mod P]` and the pitch P = t*M is the extent of X's second dimension and a gap.

Condition: n and w occur nowhere else, e depends on sums alone, w has at most M points.

Where `t*w + e` leaves the second dimension, X has a 0 and X' an element of the neighbour, or of the
gap, which is 0: with a gap as wide as the sum reaches the two are equal.

Paper: PET, OSDI 2021, figure 1: two images side by side in one convolution.
"""

from __future__ import annotations

from einnet.expr.index import Range, floordiv, mod, var
from einnet.expr.nodes import Scope
from einnet.mutations.mutant import (
    Mutated,
    Sliding,
    bare,
    extents_of,
    operand,
    reindexed,
    relaid,
    require,
    sliding,
)
from einnet.rules.variable_substitution import substitute_iterators

RULE = "merge-borders"


def merge_borders(core: Scope, which: int, outer: int, inner: int, gap: int) -> Mutated:
    """Dimensions `outer` and `inner` of operand `which` as one, at the place of `inner`, with `gap`
    zeros after each part. Raises NotApplicable where the condition fails."""
    require(outer != inner, "a dimension cannot be merged with itself")
    n, window = bare(core, which, outer), sliding(core, which, inner)
    read = operand(core, which)
    extents = extents_of(read)
    pitch = extents[inner] + gap
    step = pitch // window.stride
    require(n.extent > 1, f"{n.name} has one element: there is nothing to merge")
    require(n.extent <= extents[outer], f"{n.name} leaves its dimension")
    require(pitch % window.stride == 0, f"the stride {window.stride} does not divide {pitch}")
    require(window.x.extent <= step, f"{window.x.name} has more than {step} points")
    merged = f"{n.name}.{window.x.name}"
    total = Range(0, (n.extent - 1) * step + window.x.extent)
    ranges = {merged: total}
    z = var(merged)
    found = reindexed(
        substitute_iterators(
            core,
            {merged: var(n.name) * step + var(window.x.name)},
            {n.name: floordiv(z, step, ranges), window.x.name: mod(z, step, ranges)},
        )
    )
    index = [z * window.stride + window.rest if d == inner else e for d, e in enumerate(read.index)]
    kept = [d for d in range(len(extents)) if d != outer]
    sizes = [(n.extent - 1) * pitch + extents[d] if d == inner else extents[d] for d in kept]
    place = kept.index(inner)
    where = {f"d{place}": Range(0, sizes[place])}
    places = {d: var(f"d{number}") for number, d in enumerate(kept)}
    places[outer] = floordiv(var(f"d{place}"), pitch, where)
    places[inner] = mod(var(f"d{place}"), pitch, where)
    core = relaid(
        found.core, which, sizes, [places[d] for d in range(len(extents))], [index[d] for d in kept]
    )
    return Mutated(core, found.index)


def gaps(window: Sliding, extent: int) -> tuple[int, ...]:
    """The least gap that the condition allows, and the least with which nothing reaches a
    neighbour, for a dimension of this extent."""
    needed = window.x.extent * window.stride - extent
    above = window.stride * (window.x.extent - 1) + window.high - (extent - 1)
    reach = max(-window.low, above, 0)
    found = [_divisible(max(least, 0), extent, window.stride) for least in (needed, reach)]
    return tuple(sorted({found[0], max(found)}))


def _divisible(gap: int, extent: int, stride: int) -> int:
    return gap + -(extent + gap) % stride
