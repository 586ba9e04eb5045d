"""Reshapes of an operand's outer dimensions: two become one, or one becomes two.

Formulas: `L_{a,b} S X[a, b]  =  L_{a,b} { L_z S X'[z] }[a*B + b]`, B the extent of b, with
`X'[z] = X[z div B, z mod B]`; and the same from right to left.

Condition: a, b and z are each the whole index of a dimension, and occur nowhere else; for the
second, the factor divides the extent.

Paper: PET, OSDI 2021, section 4: parts of the batch, of the space and of channels exchanged.
"""

from __future__ import annotations

from einnet.expr.index import floordiv, mod, var
from einnet.expr.nodes import Scope
from einnet.mutations.mutant import Mutated, bare, extents_of, operand, reindexed, relaid, require
from einnet.rules import variable_substitution

MERGE = "merge-dimensions"
SPLIT = "split-dimension"


def merge_dimensions(core: Scope, which: int, outer: int, inner: int) -> Mutated:
    """Dimensions `outer` and `inner` of operand `which` as one, at the place of `outer`.

    Raises NotApplicable where the condition fails.
    """
    require(outer != inner, "a dimension cannot be merged with itself")
    a, b = bare(core, which, outer), bare(core, which, inner)
    read = operand(core, which)
    found = reindexed(variable_substitution.merge(core, a.name, b.name))
    merged = f"{a.name}.{b.name}"
    kept = [d for d in range(len(read.index)) if d != inner]
    extents = extents_of(read)
    sizes = [a.extent * b.extent if d == outer else extents[d] for d in kept]
    index = [var(merged) if d == outer else read.index[d] for d in kept]
    places = {d: var(f"d{number}") for number, d in enumerate(kept)}
    name = f"d{kept.index(outer)}"
    ranges = {name: found.core.ranges[merged]}
    places[outer] = floordiv(var(name), b.extent, ranges)
    places[inner] = mod(var(name), b.extent, ranges)
    order = [places[d] for d in range(len(extents))]
    return Mutated(relaid(found.core, which, sizes, order, index), found.index)


def split_dimension(core: Scope, which: int, dimension: int, factor: int) -> Mutated:
    """Dimension `dimension` of operand `which` as two, the second of extent `factor`.

    Raises NotApplicable where the condition fails.
    """
    n = bare(core, which, dimension)
    require(n.extent % factor == 0, f"{factor} does not divide the extent of {n.name}")
    found = reindexed(variable_substitution.split(core, n.name, factor))
    read = operand(core, which)
    extents = extents_of(read)
    sizes = [*extents[:dimension], n.extent // factor, factor, *extents[dimension + 1 :]]
    names = [var(f"d{number}") for number in range(len(sizes))]
    place = names[dimension] * factor + names[dimension + 1]
    places = [*names[:dimension], place, *names[dimension + 2 :]]
    at = (var(f"{n.name}.q"), var(f"{n.name}.r"))
    index = [*read.index[:dimension], *at, *read.index[dimension + 1 :]]
    return Mutated(relaid(found.core, which, sizes, places, index), found.index)
