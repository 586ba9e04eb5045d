"""A definition composed into its reader."""

from __future__ import annotations

import pytest
from tensor_algebra import parse, run_plan

from einnet.expr.nodes import Scope, Tensor
from einnet.expr.program import Definition, Product
from einnet.rules.fusing import fuse
from einnet.rules.rewrite import NotApplicable


def define(name: str, scope: Scope) -> Definition:
    return Definition(Tensor(name, scope.extents), scope, name)


X = {"X": (5, 6)}
PRODUCERS = [
    parse("L<i:5,j:6> X[i,j] + 1", **X),
    parse("L<i:5,j:6> tanh(X[i,5-j]) * X[i,j]", **X),
    parse("L<i:5,j:6> S<k:3> X[i,j+k-1]", **X),
    parse("L<i:5,j:6> X[i,j-1] * [j mod 2 = 0]", **X),
]
CONSUMERS = [
    parse("L<a:6,b:5> T[b,a]", T=(5, 6)),
    parse("L<a:6,b:7> T[b-1,a+1] + 2", T=(5, 6)),
    parse("L<a:5> S<b:6> 1/2 * T[a,b]", T=(5, 6)),
    parse("L<a:5,b:6> relu(T[a,b] - 3)", T=(5, 6)),
]


@pytest.mark.parametrize("producer", PRODUCERS, ids=str)
@pytest.mark.parametrize("consumer", CONSUMERS, ids=str)
def test_meaning(producer: Scope, consumer: Scope):
    first, second = define("T", producer), define("Y", consumer)
    inputs = (Tensor("X", (5, 6)),)
    expected = run_plan((first, second), inputs)["Y"]
    fused = fuse(second, first)
    assert (run_plan((fused,), inputs)["Y"] == expected).all()
    assert fused.label == "T+Y"


def test_a_composition_without_the_guard_of_zero_extension_is_found():
    first, second = define("T", PRODUCERS[0]), define("Y", CONSUMERS[1])
    inputs = (Tensor("X", (5, 6)),)
    expected = run_plan((first, second), inputs)["Y"]
    broken = define("Y", parse("L<a:6,b:7> X[b-1,a+1] + 1 + 2", **X))
    assert (run_plan((broken,), inputs)["Y"] != expected).any()


@pytest.mark.parametrize(
    ("consumer", "reason"),
    [
        ("L<a:5,b:6> T[a,b] * T[a,b]", "reads T 2 times"),
        ("L<a:5,b:6> X[a,b]", "reads T 0 times"),
        ("L<a:5,b:6> {L<i:5,j:6> T[i,j]}[a,b]", "reads T 0 times"),
        ("L<a:5,b:6> {L<i:5,j:6> T[i,j]}[a,b] * T[a,b]", "inside a nested scope too"),
    ],
)
def test_refusals(consumer: str, reason: str):
    scope = parse(consumer, T=(5, 6), **X)
    with pytest.raises(NotApplicable, match=reason):
        fuse(define("Y", scope), define("T", PRODUCERS[0]))


def test_what_a_library_computes_stays():
    product = parse("L<m:5,n:4> S<k:6> X[m,k] * W[k,n]", X=(5, 6), W=(6, 4))
    library = Product((), ("m",), ("n",), ("k",))
    first = Definition(Tensor("T", (5, 4)), product, "T", library)
    second = define("Y", parse("L<m:5,n:4> relu(T[m,n])", T=(5, 4)))
    with pytest.raises(NotApplicable, match="library"):
        fuse(second, first)
