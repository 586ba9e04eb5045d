"""Splitting by residues: a dilated operator becomes a dense one over each residue class.

Formula: `L_h S X[h + d*e]  =  L_h { L_{q,p} S X'[p, q + e] }[h div d, h mod d]`, where
`X'[p, v] = X[d*v + p]`. A constant moves into e as far as d divides it, the rest into X'.

Condition: h occurs nowhere else; e depends on sums alone; 1 < d < extent of h.

Paper: PET, OSDI 2021, section 4: dilated convolution to regular convolution, where the residue
classes stay one image, without borders between them; that is this followed by `merging_borders`.
"""

from __future__ import annotations

from math import gcd

from einnet.expr.index import Index, var
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

RULE = "split-residues"


def dilation(core: Scope, which: int, dimension: int) -> int:
    """The dilation of a dimension with stride 1: 1 if it is dense.

    Raises NotApplicable if it is no such dimension.
    """
    window = sliding(core, which, dimension)
    require(window.stride == 1, f"the stride is {window.stride}")
    return gcd(*(c for _, c in window.rest.terms)) if window.rest.terms else 1


def split_residues(core: Scope, which: int, dimension: int) -> Mutated:
    """Dimension `dimension` of operand `which` in its residue classes modulo its dilation.

    Raises NotApplicable where the condition fails.
    """
    d = dilation(core, which, dimension)
    require(d > 1, "the dimension is dense")
    window = sliding(core, which, dimension)
    found = reindexed(split(core, window.x.name, d))
    read = operand(core, which)
    extents = extents_of(read)
    quotient, residue = f"{window.x.name}.q", f"{window.x.name}.r"
    const = window.rest.const
    whole = -(-const // d)
    left = const - whole * d
    dense = Index(whole, tuple((a, c // d) for a, c in window.rest.terms))
    # left <= 0, so that no element of the operand is at a negative quotient.
    size = -(-(extents[dimension] - left) // d)
    sizes = [*extents[:dimension], d, size, *extents[dimension + 1 :]]
    names = [var(f"d{n}") for n in range(len(sizes))]
    place = names[dimension + 1] * d + names[dimension] + left
    places = [*names[:dimension], place, *names[dimension + 2 :]]
    at = (var(residue), var(quotient) + dense)
    index = [*read.index[:dimension], *at, *read.index[dimension + 1 :]]
    return Mutated(relaid(found.core, which, sizes, places, index), found.index)
