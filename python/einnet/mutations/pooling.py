"""Average pooling as a convolution: a sum of one tensor's elements times constant weights.

Formula: `L_{c,x} S_y X[c, e] / m  =  L_{c,x} S_y X[c, e] * W[c, y]` with `W[c, y] = 1 / m`; c is
the channel of a depthwise convolution, or there is none.

Condition: the scope is one term with one read and a sum; c is the whole index of a dimension and
occurs nowhere else.

Paper: PET, OSDI 2021, section 4: average pooling to (group) convolution.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from einnet.expr.index import var
from einnet.expr.nodes import Iterator, Read, Scope, Term
from einnet.mutations.mutant import Mutated, bare, require
from einnet.rules.unit_factor import is_reduction

RULE = "pool-as-convolution"


def pool_as_convolution(core: Scope, channel: int | None) -> Mutated:
    """The sum with constant weights, those of each element of dimension `channel` its own.

    Raises NotApplicable where the condition fails.
    """
    require(is_reduction(core), "the scope does not sum one tensor's elements")
    own = [] if channel is None else [bare(core, 0, channel)]
    iterators = (*own, *core.summation)
    traversal = tuple(Iterator(f"d{n}", 0, i.extent) for n, i in enumerate(iterators))
    constants = Scope(traversal, (), (Term(coefficient=core.term.coefficient),))
    weights = Read(constants, tuple(var(i.name) - i.lo for i in iterators))
    body = (replace(core.term, factors=(*core.term.factors, weights), coefficient=Fraction(1)),)
    here = tuple(var(i.name) for i in core.traversal)
    return Mutated(replace(core, body=body), here)
