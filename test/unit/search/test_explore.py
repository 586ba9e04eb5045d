"""The explorative strategy: finds derivations within its budget, the same ones every time."""

from __future__ import annotations

from math import prod

import pytest
from convolutions import STARTS, disguised
from tensor_algebra import parse, run_plan, value_of

from einnet.expr.check import check_program
from einnet.expr.nodes import Scope, Tensor, tensors_of
from einnet.expr.program import Program
from einnet.operators import contraction
from einnet.operators.banded import G2BMM
from einnet.operators.contraction import Match
from einnet.operators.convolution import any_convolution
from einnet.operators.cost import CPU
from einnet.operators.product import PRODUCT
from einnet.operators.target import Target
from einnet.search import converge, explore
from einnet.search.converge import Limits, Result
from einnet.search.moves import Move
from einnet.search.record import SHORTER, Trees
from einnet.search.state import reflect, replay, skew, split_summation

FIRST = Limits(first=True)


def seconds(match: Match) -> float:
    return contraction.estimate(match, CPU)


def derive(scope: Scope, limits: Limits = FIRST, target: Target = PRODUCT) -> Result:
    return explore.search(scope, seconds, limits, target)


def assert_plans_compute(scope: Scope, result: Result) -> None:
    expected = value_of(scope)
    inputs = tensors_of(scope)
    for found in result.found:
        out = Tensor("out", scope.extents)
        statements = contraction.plan(found.match, out, {t.name for t in inputs} | {"out"})
        check_program(Program("f", inputs, statements, (out,)))
        assert (run_plan(statements, inputs)[out.name] == expected).all()


@pytest.mark.parametrize(
    "name",
    ["3x3", "1x7", "7x1", "transposed 4x4 s2", "transposed 9x9 s4", "transposed 16 s8", "band"],
)
def test_a_product_is_found_soon(name: str):
    scope = STARTS[name]
    result = derive(scope)
    assert result.found and result.visited <= 20
    assert_plans_compute(scope, result)
    for found in result.found:
        assert replay(scope, found.state.steps) == found.state


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("3x3 stride 2", any_convolution(2)),
        ("transposed 4x4 s2", any_convolution(2)),
        ("transposed 16 s8", any_convolution(1)),
        ("band", G2BMM),
    ],
)
def test_a_window_is_found_with_either_order_of_operands(name: str, target: Target):
    for scope in (STARTS[name], disguised(STARTS[name], 3)):
        result = derive(scope, FIRST, target)
        assert result.found and result.visited <= 100
        assert all(f.match.windows for f in result.found)
        assert_plans_compute(scope, result)


def test_the_search_goes_on_for_a_cheaper_match():
    scope = STARTS["transposed 16 s8"]
    first, more = derive(scope), derive(scope, Limits(total=60))
    assert more.visited == 60 > first.visited
    assert len(more.found) > len(first.found)
    assert more.found[0].cost <= first.found[0].cost
    costs = [f.cost for f in more.found]
    assert costs == sorted(costs)
    assert_plans_compute(scope, more)


def test_as_cheap_as_converging_derivation():
    for name in ("3x3", "transposed 4x4 s2"):
        scope = STARTS[name]
        converged = converge.search(scope, seconds, None, PRODUCT)
        assert derive(scope).found[0].cost == converged.found[0].cost


def test_the_same_search_every_time():
    scope = disguised(STARTS["3x3 dilated by 2"], 1)
    first, second = derive(scope, Limits(total=15)), derive(scope, Limits(total=15))
    assert first == second and first.visited == 15


def test_limits_bound_the_search():
    scope = STARTS["transposed 4x4 s2"]
    for total in (1, 4):
        assert derive(scope, Limits(total=total)).visited == total
    # Two components of two iterators each may take one step each.
    assert derive(scope, Limits(steps=1, total=40)).found == ()


def test_a_match_that_stores_elements_twice_does_not_end_its_branch():
    """The start itself is a product once the input is materialised (im2col)."""
    scope = STARTS["3x3"]
    result = derive(scope, Limits(total=6, blow_up=9))
    lengths = {len(f.state.steps) for f in result.found}
    assert 0 in lengths and max(lengths) > 0
    assert any(f.state.scope.summation for f in result.found)
    assert_plans_compute(scope, result)
    im2col = min(result.found, key=lambda f: len(f.state.steps))
    assert prod(contraction.shape(im2col.match)) == prod(
        i.extent for i in scope.traversal + scope.summation
    )


def test_what_is_no_product_ends_at_the_budget():
    scope = parse("L<n:2,c:3,h:6> S<r:3> X[n,c,h+r-1] * W[c,r]", X=(2, 3, 6), W=(3, 3))
    result = derive(scope, Limits(total=25))
    assert result.found == () and result.visited <= 25


@pytest.mark.parametrize(
    "text", ["L<i:4> X[i]", "L<i:4> X[i+4] * X[i]", "L<i:4> S<j:2> X[i] * X[j] * X[i]"]
)
def test_other_forms_give_an_empty_result(text: str):
    assert derive(parse(text, X=(4,))) == Result((), 0, 0, 0)


def only(moves: dict[tuple[int, ...], list[Move]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the explorative strategy these moves, by the extents of outer and core sums."""

    def of(core: Scope) -> list[Move]:
        return moves.get(tuple(i.extent for i in core.summation), [])

    monkeypatch.setattr(explore, "all_moves", of)
    monkeypatch.setattr(explore, "repairs", lambda *_: [])  # pyright: ignore


CONVOLUTION = parse("L<f:2,h:5> S<c:4,r:3> X[c,h+r-1] * W[f,c,r]", X=(4, 5), W=(2, 4, 3))
AROUND: Move = (reflect("h"), reflect("h.n"))
NEARER: Move = (split_summation("r"), skew("h.n.n", "h.n.n+r"))


def test_a_state_reached_again_in_fewer_steps_is_visited_again(monkeypatch: pytest.MonkeyPatch):
    """The way around is visited first, for it leads at once to a state nearer to the target."""
    direct: Move = (skew("h", "h+r"),)
    only({(4, 3): [(*AROUND, *NEARER), (split_summation("r"),)], (4,): [direct]}, monkeypatch)
    monkeypatch.setattr(explore, "match", lambda *_: None)  # pyright: ignore
    result = derive(CONVOLUTION, Limits(steps=9))
    # start, way around, first half of the direct way, the same state by the direct way
    assert (result.visited, result.generated, result.duplicates) == (4, 3, 0)


def test_a_state_reached_again_while_it_waits_is_visited_once(monkeypatch: pytest.MonkeyPatch):
    long: Move = (*AROUND, reflect("h.n.n"))
    only({(4, 3): [long, (reflect("h"),)]}, monkeypatch)
    trees = Trees()
    result = explore.search(CONVOLUTION, seconds, Limits(steps=9), PRODUCT, trees)
    waiting, direct = trees.trees[0].root.children
    assert (waiting.move, waiting.order, waiting.reason) == (long, 0, SHORTER)
    assert (direct.move, direct.order) == ((reflect("h"),), 2)
    assert (result.visited, result.generated, result.duplicates) == (2, 2, 0)
