"""A unit factor: a sum of one tensor is its product with a tensor of ones.

Formula: `L_x S_y f(x,y)  =  L_x S_y f(x,y) * ones[y]`.

Condition: the scope is one term with one read of a tensor, and it has sums.

Paper: PET, OSDI 2021, section 4, as average pooling that becomes a convolution.

A reduction becomes a matrix product that way, which libraries have; the ones are a constant.
"""

from __future__ import annotations

from dataclasses import replace

from einnet.expr.index import var
from einnet.expr.nodes import Iterator, Read, Scope, Tensor, Term, fresh_name
from einnet.expr.program import Definition
from einnet.rules.rewrite import NotApplicable

RULE = "unit-factor"


def unit_factor(definition: Definition, taken: set[str]) -> tuple[Definition, Definition]:
    """The definition of the ones, and the definition that reads them beside its tensor.

    The new name is not in `taken`, and is added to it. Raises NotApplicable unless the definition
    sums one read of a tensor.
    """
    scope = definition.scope
    if not is_reduction(scope):
        raise NotApplicable(f"{definition.result.name} is not a sum of one tensor's elements")
    name = fresh_name(f"{definition.result.name}_ones", taken)
    taken.add(name)
    low = {i.name: i.lo for i in scope.summation}
    traversal = tuple(Iterator(i.name, 0, i.extent) for i in scope.summation)
    ones = Tensor(name, tuple(i.extent for i in traversal), definition.result.dtype)
    factor = Read(ones, tuple(var(i.name) - low[i.name] for i in traversal))
    term = replace(scope.term, factors=(*scope.term.factors, factor))
    constant = Definition(ones, Scope(traversal, (), (Term(),)), "ones")
    return constant, replace(definition, scope=replace(scope, body=(term,)))


def is_reduction(scope: Scope) -> bool:
    """Whether the scope sums one read of a tensor."""
    if not scope.summation or len(scope.body) != 1:
        return False
    factors = scope.term.factors
    return (
        len(factors) == 1 and isinstance(factors[0], Read) and isinstance(factors[0].source, Tensor)
    )
