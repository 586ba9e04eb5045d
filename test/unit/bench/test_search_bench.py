"""The search benchmark notices what it is there to notice, and derivations replay as data."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from bench import holdout, replay
from bench.measure import verify
from bench.rows import (
    Bounds,
    Derived,
    Operator,
    Outcome,
    Row,
    Sizes,
    contraction,
    plan_program,
    program_of,
    rows,
)
from bench.search import main, operators_of, run_row
from bench.starts import Axis, Start, convolution, g2bmm, gbmm, start, transposed

from einnet.errors import InputError
from einnet.operators.banded import G2BMM, GBMM
from einnet.operators.convolution import any_convolution
from einnet.operators.convolution import convolution as fixed_convolution
from einnet.operators.product import PRODUCT
from einnet.operators.target import Target
from einnet.rules.rewrite import Step
from einnet.search import state as states
from einnet.search.blind import Budget, search_blindly
from einnet.search.converge import Limits, search
from einnet.search.derivation import (
    Derivation,
    find_match,
    from_json,
    instantiate,
    record,
    to_json,
)
from einnet.search.derivation import replay as replay_derivation
from einnet.verify.equivalence import Equal, compare


def conv(sizes: Sizes) -> Start:
    axes = tuple(Axis(extent, 3, padding=1) for extent in sizes.spatial)
    return convolution(sizes.batch, sizes.channels, sizes.filters, axes)


def small_row() -> Row:
    operator = Operator("conv", conv, Sizes(2, 3, 4, (5, 6)), 3)
    return contraction(operator, PRODUCT, "product", lambda d: d.outer == (3, 3))


def never(found: Derived) -> bool:
    return found.outer == (7,)


def without_steps(found: Derived) -> bool:
    return not found.steps


def derive(given: Start, target: Target) -> tuple[Step, ...]:
    result = search(given.scope, lambda _: 0.0, Limits(), target)
    return result.found[0].state.steps


def replays(derivation: Derivation, other: Start, target: Target) -> bool:
    """Whether the derivation leads to the target on another start, with an equal plan."""
    replayed = replay_derivation(derivation, other.scope)
    assert replayed is not None
    found = find_match(replayed.state, target)
    if found is None:
        return False
    reference = program_of(other)
    return isinstance(compare(reference, plan_program(reference, found)), Equal)


def test_a_row_that_finds_what_it_must_falls_short_of_nothing():
    report = run_row(replace(small_row(), bounds=Bounds(50, 9.0, 1000, 9.0)))
    assert report.short == ()
    assert report.verified.equal == report.verified.compared >= 2


SHORT: dict[str, Row] = {
    "not found": replace(small_row(), expected=never),
    "the first match is not what is wanted": replace(small_row(), expected=without_steps),
    "> 1 visited": replace(small_row(), bounds=Bounds(visited=1)),
    "> 2 visited": replace(small_row(), bounds=Bounds(first_visited=2)),
    "> 0 s": replace(small_row(), bounds=Bounds(seconds=0.0)),
    "out of reach": replace(small_row(), expected=None),
}


@pytest.mark.parametrize("complaint", SHORT)
def test_a_row_that_falls_short_says_so(complaint: str):
    assert any(complaint in s for s in run_row(SHORT[complaint]).short)


def test_a_plan_that_is_not_equal_is_not_verified():
    row = small_row()
    other = program_of(conv_with_other_padding())
    found = row.cheapest().found
    assert verify(row.reference, found).equal == len(found)
    assert verify(row.reference, [Derived("", (), lambda: other)]).equal == 0


def conv_with_other_padding() -> Start:
    return start(
        "L<n:2,f:4,h:5,w:6> S<c:3,r:3,s:3> X[n,c,h+r-2,w+s-1] * W[f,c,r,s]",
        X=(2, 3, 5, 6),
        W=(4, 3, 3, 3),
    )


def test_names_of_rows_and_operators_are_unique():
    assert len({r.name for r in rows()}) == len(rows())
    assert len(operators_of(rows())) == len({r.operator.name for r in rows() if r.operator})


def test_check_fails_with_the_names_of_the_rows(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    bad = replace(small_row(), expected=never)

    def one_row() -> tuple[Row, ...]:
        return (bad,)

    monkeypatch.setattr("bench.search.rows", one_row)
    assert main(["--check"]) == 1
    assert "conv -> product: not found" in capsys.readouterr().out
    assert main([]) == 0


def test_blind_search_reaches_the_same_and_counts_more():
    given = conv(Sizes(1, 2, 2, (5, 1)))
    blind = search_blindly(given.scope, lambda _: 0.0, Budget(500), PRODUCT)
    guided = search(given.scope, lambda _: 0.0, Limits(first=True, repaired=1), PRODUCT)
    assert blind.found and guided.found
    assert blind.visited > guided.visited
    assert not search_blindly(given.scope, lambda _: 0.0, Budget(1), PRODUCT).found


def test_held_out_variants_are_those_of_the_seed():
    def scopes(seed: int) -> list[str]:
        return [str(v.start.scope) for v in holdout.draw(seed, 12)]

    assert scopes(3) == scopes(3) != scopes(4)
    kinds = {v.name.split()[0] for v in holdout.draw(3)}
    assert kinds == {"conv", "convT", "g2bmm"}
    assert {v.rank for v in holdout.draw(3)} == {1, 2, 3}


@pytest.mark.parametrize(
    ("axis", "kind", "expected"),
    [
        (Axis(9, 3, padding=1), "conv", True),
        (Axis(9, 1), "conv", False),
        (Axis(9, 2, stride=2), "conv", False),
        (Axis(9, 3, stride=2), "conv", True),
        (Axis(9, 3, stride=2, dilation=2), "conv", True),
        (Axis(7, 3, padding=9, dilation=9), "conv", False),
        (Axis(9, 3, stride=3), "convT", False),
        (Axis(9, 4, stride=3), "convT", True),
    ],
)
def test_where_there_is_a_dense_window(axis: Axis, kind: str, expected: bool):
    assert holdout._has_window(axis, kind) is expected


def test_a_disguise_changes_the_spelling_only():
    (variant,) = holdout.draw(5, 1)
    reached = holdout.reach(variant, PRODUCT, 0)
    assert reached.verified and reached.found


def test_a_small_row_replays_on_other_shapes():
    result = replay.replay_row(small_row(), shapes=6)
    assert result is not None
    assert len(result.shapes) == 6 and all(s.equal for s in result.shapes)


STARTS: dict[str, tuple[Start, Target]] = {
    "conv": (conv(Sizes(2, 3, 4, (5, 6))), PRODUCT),
    "convT": (transposed(2, 3, 4, (Axis(5, 4, 2, 1),)), PRODUCT),
    "phases": (transposed(2, 3, 4, (Axis(5, 9, 4, 3),)), any_convolution(1)),
    "5 to 3": (convolution(1, 2, 1, (Axis(8, 5, padding=2),)), fixed_convolution(3)),
    "band": (g2bmm(2, 20, 3, 2, 4), G2BMM),
    "band by general": (gbmm(2, 20, 3, 2, 4), GBMM),
}


@pytest.mark.parametrize("name", STARTS)
def test_a_derivation_survives_json_and_replays_to_the_identical_state(name: str):
    given, target = STARTS[name]
    steps = derive(given, target)
    derivation = record(given.scope, steps)
    read_back = from_json(json.loads(json.dumps(to_json(derivation))))
    assert read_back == derivation
    assert instantiate(read_back, given.scope) == steps
    replayed = replay_derivation(read_back, given.scope)
    assert replayed is not None and replayed.notes == ()
    assert replayed.state == states.replay(given.scope, steps)


@pytest.mark.parametrize("extent", [1, 2, 3, 4, 11])
@pytest.mark.parametrize("name", ["conv", "convT", "phases", "5 to 3"])
def test_it_replays_on_inputs_smaller_than_the_kernel(name: str, extent: int):
    given, target = STARTS[name]
    others = {
        "conv": lambda: conv(Sizes(1, 2, 3, (extent, 4))),
        "convT": lambda: transposed(1, 2, 3, (Axis(extent, 4, 2, 1),)),
        "phases": lambda: transposed(1, 2, 3, (Axis(extent, 9, 4, 3),)),
        "5 to 3": lambda: convolution(1, 2, 1, (Axis(extent, 5, padding=2),)),
    }
    assert replays(record(given.scope, derive(given, target)), others[name](), target)


def test_a_stride_is_recorded_as_a_formula_and_replays_with_another_one():
    given, target = STARTS["band"]
    derivation = record(given.scope, derive(given, target))
    assert to_json(derivation) == [["split", {"iterator": "m", "factor": "{B.1.w=4}"}]]
    assert replays(derivation, g2bmm(2, 21, 3, 2, 3), target)


def test_a_size_in_a_coefficient_is_taken_from_the_other_expression():
    given = start(
        "L<f:3,p:42> S<c:2,r:3> X[c,p div 7 + r,p mod 7] * W[f,c,r]", X=(2, 8, 7), W=(3, 2, 3)
    )
    other = start(
        "L<f:3,p:30> S<c:2,r:3> X[c,p div 5 + r,p mod 5] * W[f,c,r]", X=(2, 8, 5), W=(3, 2, 3)
    )
    steps = derive(given, any_convolution(1))
    assert any("7" in str(s) for s in steps)
    derivation = record(given.scope, steps)
    assert replays(derivation, other, any_convolution(1))
    # The plain steps, with 7, are no derivation of the other one's window.
    assert not replays(Derivation(steps), other, any_convolution(1))


def test_a_row_of_one_point_may_be_missing():
    given, target = STARTS["band by general"]
    assert replays(record(given.scope, derive(given, target)), gbmm(2, 20, 1, 2, 4), target)


def test_a_derivation_that_leads_elsewhere_has_no_match():
    given, target = STARTS["band"]
    derivation = record(given.scope, derive(given, target))
    replayed = replay_derivation(derivation, conv(Sizes(1, 2, 3, (5, 5))).scope)
    assert replayed is not None and replayed.notes
    assert find_match(replayed.state, target) is None


@pytest.mark.parametrize(
    "data",
    [{}, "split", [1], [["split"]], [["split", 1]], [[1, {}]], [["split", {"factor": 1.5}]]],
)
def test_other_json_is_refused(data: object):
    with pytest.raises(InputError):
        from_json(data)


def test_an_outcome_counts_duplicates():
    outcome: Outcome = small_row().cheapest()
    assert 0 < outcome.duplicates <= outcome.generated
