"""Computing more, keeping some: a strided operator becomes one of stride 1.

Formula: `L_h S X[t*h + e]  =  L_h { L_z S X[z + e] }[t*h]`.

Condition: h occurs nowhere else; e depends on sums alone; t > 1.

Paper: PET, OSDI 2021, section 4.
"""

from __future__ import annotations

from dataclasses import replace

from einnet.expr.index import var
from einnet.expr.nodes import Scope
from einnet.mutations.mutant import Mutated, extents_of, operand, relaid, require, sliding

RULE = "stride-one"


def stride_one(core: Scope, which: int, dimension: int) -> Mutated:
    """Dimension `dimension` of operand `which` with stride 1.

    Raises NotApplicable where the condition fails.
    """
    window = sliding(core, which, dimension)
    require(window.stride > 1, "the stride is 1 already")
    x = window.x
    dense = replace(x, hi=window.stride * (x.extent - 1) + 1)
    core = replace(core, traversal=tuple(dense if i == x else i for i in core.traversal))
    read = operand(core, which)
    extents = extents_of(read)
    names = [var(f"d{n}") for n in range(len(extents))]
    at = var(x.name) + window.rest
    index = [at if d == dimension else e for d, e in enumerate(read.index)]
    where = tuple(var(i.name) * (window.stride if i.name == x.name else 1) for i in core.traversal)
    return Mutated(relaid(core, which, extents, names, index), where)
