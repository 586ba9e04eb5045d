"""What a recorder hears agrees with what the search returns, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from convolutions import STARTS
from tensor_algebra import parse

from einnet.expr.nodes import Scope
from einnet.operators import contraction
from einnet.operators.convolution import any_convolution
from einnet.operators.cost import CPU
from einnet.operators.product import PRODUCT
from einnet.operators.target import Target
from einnet.options import STRATEGIES
from einnet.rules.rewrite import NotApplicable
from einnet.search import state as states
from einnet.search.converge import FIRST, Limits, Result
from einnet.search.distance import distance
from einnet.search.record import (
    BEAM,
    BUDGET,
    DUPLICATE,
    ENOUGH,
    MATCHED,
    REPAIRED,
    SILENT,
    STEPS,
    WINDOWS,
    ZERO,
    Node,
    Reason,
    Recorder,
    Trees,
    refused,
)
from einnet.search.state import State, attempt, attempt_all, reflect, skew, split, start
from einnet.search.strategy import strategy

SMALL = Limits(total=12, blow_up=4)


def search(name: str, scope: Scope, limits: Limits, target: Target, recorder: Recorder) -> Result:
    def cost(match: contraction.Match) -> float:
        return contraction.estimate(match, CPU)

    return strategy(name)(scope, cost, limits, target, recorder)


def recorded(
    name: str, start: str, limits: Limits = SMALL, target: Target = PRODUCT
) -> tuple[Trees, Result]:
    trees = Trees()
    return trees, search(name, STARTS[start], limits, target, trees)


def walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from walk(child)


def nodes(trees: Trees) -> list[Node]:
    return [node for tree in trees.trees for node in walk(tree.root)]


CASES = [(name, start) for name in STRATEGIES for start in ("3x3", "transposed 16 s8", "band")]


@pytest.mark.parametrize(("name", "start"), CASES)
def test_counts_and_finds_are_those_of_the_result(name: str, start: str):
    trees, result = recorded(name, start)
    everything = nodes(trees)
    assert sorted(n.order for n in everything if n.order) == list(range(1, result.visited + 1))
    duplicates = [n for n in everything if n.reason == DUPLICATE]
    measured = [n for t in trees.trees if t.title != "combinations" for n in walk(t.root)]
    new = [n for n in measured if n.move and n.reason != DUPLICATE and not _refused(n)]
    assert len(duplicates) == result.duplicates
    assert len(new) + len(duplicates) == result.generated
    found = [f for n in everything for f in n.found]
    assert all(one in found for one in result.found)
    if name != "explorative":  # of equal sizes it keeps the cheapest
        assert len(found) == len(result.found)


def _refused(node: Node) -> bool:
    return node.reason is not None and (node.reason.kind == "refused" or node.reason == ZERO)


@pytest.mark.parametrize(("name", "start"), CASES)
def test_a_recorder_changes_nothing(name: str, start: str):
    _, result = recorded(name, start)
    assert result == search(name, STARTS[start], SMALL, PRODUCT, SILENT)


@pytest.mark.parametrize(("name", "start_name"), CASES)
def test_moves_of_a_tree_replay(name: str, start_name: str):
    """Each node's moves from the root lead to its state, or nowhere for the reason it states."""
    trees, _ = recorded(name, start_name)
    origin = start(STARTS[start_name])
    assert origin is not None

    def check(node: Node, state: State) -> None:
        outcome = attempt_all(state, node.move)
        if _refused(node):
            assert outcome == node.reason and not node.children
            return
        assert isinstance(outcome, State)
        assert all(outcome == found.state for found in node.found)
        for child in node.children:
            check(child, outcome)

    for tree in trees.trees:
        check(tree.root, origin)


def test_distances_of_whole_expressions_are_those_of_their_states():
    trees, _ = recorded("explorative", "3x3")
    origin = start(STARTS["3x3"])
    assert origin is not None
    for child in trees.trees[0].root.children:
        state = attempt_all(origin, child.move)
        if child.distance is not None:
            assert isinstance(state, State)
            first, second = state.core.term.reads
            assert child.distance == distance(state.core, (first, second), PRODUCT).value


def test_reasons_of_converging_derivation():
    trees, _ = recorded("converging", "transposed 9x9 s4", Limits())
    reasons = {n.reason for n in nodes(trees)}
    assert {REPAIRED, DUPLICATE, BEAM} <= reasons
    trees, result = recorded("converging", "transposed 4x4 s2", Limits(visits=2))
    assert result.found == () and BUDGET in {n.reason for n in nodes(trees)}
    trees, _ = recorded("converging", "transposed 4x4 s2", FIRST)
    assert ENOUGH in {n.reason for n in nodes(trees)}
    trees, _ = recorded("converging", "transposed 4x4 s2", Limits(steps=2))
    assert STEPS in {n.reason for n in nodes(trees)}
    assert BUDGET not in {n.reason for n in nodes(trees)}


def test_an_order_of_operands_without_windows_is_ruled_out():
    trees, result = recorded("converging", "3x3", target=any_convolution(2))
    assert result.found
    ruled_out = [t for t in trees.trees if t.root.reason == WINDOWS]
    assert [t.title for t in ruled_out] == ["W by X"]


def test_like_components_share_one_search():
    trees, _ = recorded("converging", "3x3 stride 2")
    titles = [t.title for t in trees.trees]
    assert "component s, w: as h, r" in titles


def test_combinations_lead_from_component_to_component():
    trees, result = recorded("converging", "transposed 4x4 s2", Limits())
    root = trees.trees[-1].root
    assert trees.trees[-1].title == "combinations"
    for first in root.children:
        assert {n[0] for s in first.move for n in _names(s.parameters)} <= {"h", "r"}
        if first.reason is not None:
            assert not first.children
        for second in first.children:
            assert {n[0] for s in second.move for n in _names(s.parameters)} <= {"w", "s"}
    found = {f.state.steps for f in result.found}
    paths = {first.move + second.move for first in root.children for second in first.children}
    assert found <= paths


def _names(parameters: tuple[tuple[str, object], ...]) -> list[str]:
    values = [v for k, v in parameters if k in ("iterator", "outer")]
    return [n for v in values for n in (v if isinstance(v, tuple) else (v,)) if isinstance(n, str)]


def test_the_first_match_ends_a_whole_search():
    trees, _ = recorded("explorative", "3x3", FIRST)
    reasons = [n.reason for n in nodes(trees)]
    assert reasons.count(MATCHED) == 1 and ENOUGH in reasons and BUDGET not in reasons


def test_a_refusal_is_told_in_the_rules_words(monkeypatch: pytest.MonkeyPatch):
    state = start(parse("L<h:6> S<r:3> X[h+r] * W[r]", X=(8,), W=(3,)))
    assert state is not None
    for step in (split("h", 6), split("z", 2), skew("h", "2*h+r"), skew("h", "h+z")):
        with pytest.raises(NotApplicable) as refusal:
            states.rewrite(state.core, step)
        assert attempt(state, step) == refused(str(refusal.value))
    # The first step that leads nowhere counts.
    outcome = attempt_all(state, (reflect("h"), split("h", 2)))
    assert isinstance(outcome, Reason) and outcome.detail.startswith("h is not an iterator")
    states._applied.cache_clear()
    monkeypatch.setattr(states, "normalise", lambda _: None)  # pyright: ignore
    assert attempt(state, reflect("h")) == ZERO
    states._applied.cache_clear()
