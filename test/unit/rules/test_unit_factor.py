"""A sum of one tensor as its product with ones."""

from __future__ import annotations

import pytest
from tensor_algebra import parse, run_plan, value_of

from einnet.expr.nodes import Scope, Tensor, tensors_of
from einnet.expr.program import Definition, Program
from einnet.operators.cost import CPU
from einnet.program.subprograms import contractions_of, derive
from einnet.rules.rewrite import NotApplicable
from einnet.rules.unit_factor import unit_factor
from einnet.search.converge import Limits


def define(scope: Scope) -> Definition:
    return Definition(Tensor("out", scope.extents), scope, "reduction")


SUMS = [
    parse("L<m:4> S<k:6> X[m,k]", X=(4, 6)),
    parse("L<n:2,c:3> S<h:4,w:5> 1/20 * X[n,c,h,w]", X=(2, 3, 4, 5)),
    parse("L<n:2,h:3> S<r:2> X[n,2*h+r-1]", X=(2, 6)),
    parse("L<n:2> S<k:1:5> X[n,k] * [k mod 2 = 0]", X=(2, 6)),
]


@pytest.mark.parametrize("scope", SUMS, ids=str)
def test_meaning(scope: Scope):
    taken = {"X", "out"}
    ones, summed = unit_factor(define(scope), taken)
    assert ones.result.name in taken
    arrays = run_plan((ones, summed), tensors_of(scope))
    assert (arrays[ones.result.name] == 1).all()
    assert (arrays["out"] == value_of(scope)).all()


def test_ones_of_the_wrong_extent_are_found():
    scope = SUMS[0]
    ones, summed = unit_factor(define(scope), {"X", "out"})
    short = Definition(
        ones.result,
        Scope(ones.scope.traversal, (), parse("L<k:6> [0 <= k < 5]").body),
    )
    assert (run_plan((short, summed), tensors_of(scope))["out"] != value_of(scope)).any()


@pytest.mark.parametrize(
    "scope",
    [
        parse("L<m:4> X[m]", X=(4,)),
        parse("L<m:4> S<k:6> X[m,k] * Y[k]", X=(4, 6), Y=(6,)),
        parse("L<m:4> S<k:6> X[m,k] + Y[k]", X=(4, 6), Y=(6,)),
        parse("L<m:4> S<k:6> tanh(X[m,k])", X=(4, 6)),
    ],
    ids=str,
)
def test_what_is_no_reduction_is_refused(scope: Scope):
    with pytest.raises(NotApplicable, match="not a sum of one tensor"):
        unit_factor(define(scope), set())


@pytest.mark.parametrize("scope", SUMS, ids=str)
def test_reductions_are_derived_to_products(scope: Scope):
    definition = define(scope)
    program = Program("f", tensors_of(scope), (definition,), (definition.result,))
    assert contractions_of(program, frozenset()) == (definition,)
    subprogram = derive(definition, program, frozenset(), CPU, Limits(), 1)
    candidate = subprogram.candidates[0]
    assert candidate.operator.startswith("matmul") and candidate.steps[0].rule == "unit-factor"
    arrays = run_plan(candidate.statements, program.inputs)
    assert (arrays["out"] == value_of(scope)).all()
