"""Shares of a compilation: of all of it, and of what is left without measuring."""

from __future__ import annotations

import pytest
from bench.verification import HEAD, MOST_PROOFS, Outcome, names, row_text

RUNS = (
    {"searching": 2.0, "proving": 0.5, "validating": 0.5, "choosing": 7.0},
    {"searching": 2.0, "proving": 0.3, "validating": 0.5, "choosing": 17.2},
    {"searching": 1.0, "proving": 1.0, "validating": 1.0, "choosing": 1.0},
)
WITHOUT = ({"searching": 10.0}, {"searching": 5.0}, {"searching": 90.0})


def outcome(model: str = "infogan b1", runs: tuple[dict[str, float], ...] = RUNS) -> Outcome:
    return Outcome(model, "cpu", runs, WITHOUT)


def test_figures_are_medians_of_the_runs() -> None:
    one = outcome()
    assert one.total == 10.0
    assert one.proofs == 0.1
    assert one.unmeasured == pytest.approx(1.0 / 3)
    assert one.mutants == 1.0
    assert one.stage("proving") == 0.5
    assert one.stage("mutating") == 0.0


def test_the_bar_is_for_the_whole_compilation() -> None:
    (reason,) = outcome().short
    assert "10.0% of the whole compilation" in reason
    quick = outcome(runs=(RUNS[1],))
    assert quick.unmeasured > MOST_PROOFS > quick.proofs
    assert quick.short == ("mutants take 2.00 times, more than 1.3",)
    # The stack is no model of examples/.
    assert outcome("stack b1").short == ()


def test_both_shares_are_shown() -> None:
    assert HEAD.split()[-4:] == ["the", "whole", "unmeasured", "mutants"]
    assert row_text(outcome()).split()[-3:] == ["10.0%", "33.3%", "1.00"]


def test_the_stack_is_compiled_for_the_gpu_alone() -> None:
    assert "dcgan b16 cpu" in names()
    assert [n for n in names() if n.startswith("stack")] == ["stack b1 cuda", "stack b16 cuda"]
