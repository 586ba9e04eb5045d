"""Strategies by name: the same contract, loaded when asked for, chosen by an option."""

from __future__ import annotations

import subprocess
import sys

import pytest
from convolutions import STARTS
from tensor_algebra import parse

from einnet.errors import InputError
from einnet.expr.nodes import Tensor, tensors_of
from einnet.expr.program import Definition, Program
from einnet.operators import contraction
from einnet.operators.cost import CPU
from einnet.operators.product import PRODUCT
from einnet.options import STRATEGIES, Options
from einnet.program.subprograms import derive
from einnet.search.converge import Limits
from einnet.search.record import SILENT
from einnet.search.state import replay
from einnet.search.strategy import names, strategy


def test_the_option_offers_what_there_is():
    assert names() == STRATEGIES
    assert Options().strategy == names()[0]


@pytest.mark.parametrize("unknown", ["", "Converging", "random"])
def test_an_unknown_name_lists_the_valid_ones(unknown: str):
    with pytest.raises(InputError, match=f"unknown strategy '{unknown}'") as chosen:
        strategy(unknown)
    with pytest.raises(InputError, match=f"unknown strategy '{unknown}'") as option:
        Options(strategy=unknown)
    for caught in (chosen, option):
        assert caught.value.hint == "strategies: converging, explorative, blind"


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_finds_a_convolution(name: str):
    scope = STARTS["1x7"]
    result = strategy(name)(
        scope, lambda match: contraction.estimate(match, CPU), Limits(first=True), PRODUCT, SILENT
    )
    assert result.found and 0 < result.visited <= 200
    assert replay(scope, result.found[0].state.steps) == result.found[0].state


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_limit_of_visits_in_all_holds_for_whole_expressions(name: str):
    scope = parse("L<n:2,c:3,h:6> S<r:3> X[n,c,h+r-1] * W[c,r]", X=(2, 3, 6), W=(3, 3))
    for total in (1, 5):
        result = strategy(name)(scope, lambda _: 0.0, Limits(total=total), PRODUCT, SILENT)
        assert result.found == ()
        if name != "converging":
            assert result.visited == total


def test_a_compilation_searches_by_the_strategy_that_it_is_given():
    scope = STARTS["3x3"]
    out = Tensor("out", scope.extents)
    definition = Definition(out, scope)
    program = Program("f", tensors_of(scope), (definition,), (out,))

    def visited(name: str) -> int:
        limits = Limits(total=7)
        return derive(definition, program, frozenset(), CPU, limits, 1, name).visited

    assert visited("explorative") == visited("blind") == 7 != visited("converging")
    with pytest.raises(InputError):
        visited("random")


def test_strategies_are_loaded_when_they_are_asked_for():
    code = (
        "import sys, einnet.search.strategy as s; s.strategy('converging');"
        "print(*(m for m in sys.modules if m.startswith('einnet.search.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "einnet.search.converge" in loaded
    assert "einnet.search.explore" not in loaded and "einnet.search.blind" not in loaded
