"""Any walk of moves stays equal to its start, and its steps replay to the same expression."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from convolutions import STARTS, disguised
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import scopes
from tensor_algebra import fault_is_found, parse, same_meaning

from einnet.expr.nodes import Scope
from einnet.rules import variable_substitution
from einnet.search import state as states
from einnet.search.moves import all_moves
from einnet.search.state import State, apply, reflect, replay, skew, split, split_summation, start


@st.composite
def walks(draw: st.DrawFn, origins: st.SearchStrategy[Scope]) -> tuple[Scope, State]:
    """A start and where 1 to 8 random moves from it lead; moves that are refused do not count."""
    scope = draw(origins)
    state = start(scope)
    assert state is not None
    for _ in range(draw(st.integers(1, 8))):
        moves = all_moves(state.core)
        if not moves:
            break
        here: State | None = state
        for step in draw(st.sampled_from(moves)):
            here = None if here is None else apply(here, step)
        state = here or state
    return scope, state


real = st.builds(disguised, st.sampled_from(list(STARTS.values())), st.integers(0, 99))
random = scopes(min_sums=1, limit=120).filter(lambda scope: start(scope) is not None)


@given(walks(real))
def test_walks_from_real_starts(case: tuple[Scope, State]):
    assert same_meaning(case[0], case[1].scope)


# The engine's soundness figure: 10,000 walks in `make test-all`, a tenth of them in `make test`.
WALKS = 10_000 if settings.get_current_profile_name() == "full" else 1_000


@settings(max_examples=WALKS)
@given(walks(random))
def test_walks_from_random_starts(case: tuple[Scope, State]):
    assert same_meaning(case[0], case[1].scope)


@given(walks(real))
def test_steps_replay_to_the_same_expression(case: tuple[Scope, State]):
    scope, state = case
    assert replay(scope, state.steps) == state


def test_a_step_that_does_not_apply_ends_a_replay():
    scope = STARTS["3x3"]
    assert replay(scope, (split("h", 2), split("h", 2))) is None
    assert replay(scope, (split("nosuch", 2), reflect("h"))) is None
    state = start(scope)
    assert state is not None
    assert apply(state, skew("h", "h+w")) is not None
    assert apply(state, skew("h", "2*h+w")) is None
    assert apply(state, split_summation("h")) is None


def test_an_expression_that_is_zero_has_no_state():
    zero = parse("L<x:4> X[x+4]", X=(4,))
    assert start(zero) is None and replay(zero, ()) is None


def test_equal_states_have_equal_keys():
    scope = STARTS["3x3"]
    one = replay(scope, (split_summation("r"), split_summation("s")))
    other = replay(scope, (split_summation("s"), split_summation("r")))
    assert one is not None and other is not None
    assert one.scope != other.scope and one.key == other.key
    there_and_back = replay(scope, (reflect("h"), reflect("h.n")))
    origin = start(scope)
    assert there_and_back is not None and origin is not None
    assert there_and_back.key == origin.key


Rule = Callable[..., Scope]


def test_a_rule_that_is_wrong_in_a_walk_is_found(monkeypatch: pytest.MonkeyPatch):
    correct = variable_substitution.reflect

    def off_by_one(core: Scope, arguments: states.Arguments) -> Scope:
        name = arguments["iterator"]
        assert isinstance(name, str)
        iterator = variable_substitution.find(core, name)
        assert iterator.extent > 1
        shifted = variable_substitution.shift(core, name, 1)
        return correct(core, name) if iterator in core.summation else shifted.term.reads[0].source  # pyright: ignore

    monkeypatch.setitem(states._RULES, "reflect", off_by_one)
    assert fault_is_found(walks(real), lambda _, state: state.scope)  # pyright: ignore
