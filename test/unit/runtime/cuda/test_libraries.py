"""The tournament over a library's algorithms, without a library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from einnet.runtime.cuda.algorithm import Candidate, Unsupported
from einnet.runtime.cuda.call import Prepared
from einnet.runtime.cuda.libraries import FINALISTS, ROUNDS, agreeing, tournament


@dataclass
class _Fake:
    seconds: list[float]
    """One for each time that it is timed; the last is repeated."""
    result: NDArray[np.float64] = field(default_factory=lambda: np.ones(4))
    refuses: bool = False
    timed: int = 0
    workspace: int = 0

    def launch(self, stream: int, workspace: int) -> None:
        raise AssertionError(f"the caller launches, not on {stream}, {workspace}")


def _candidates(*fakes: _Fake) -> list[Candidate]:
    return [Candidate({"name": "same name", "number": i}, f) for i, f in enumerate(fakes)]


def _time(prepared: Mapping[str, Prepared]) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for name, fake in prepared.items():
        assert isinstance(fake, _Fake)
        found[name] = fake.seconds[min(fake.timed, len(fake.seconds) - 1)]
        fake.timed += 1
    return found


def _run(prepared: Prepared) -> NDArray[np.float64]:
    assert isinstance(prepared, _Fake)
    if prepared.refuses:
        raise Unsupported("refused")
    return prepared.result


def test_only_the_best_are_timed_again() -> None:
    fakes = [_Fake([float(20 - i)]) for i in range(20)]
    ranking = tournament(_candidates(*fakes), _time)
    assert [r["number"] for r, _ in ranking] == list(reversed(range(20)))
    assert [f.timed for f in fakes] == [1] * (20 - FINALISTS) + [1 + ROUNDS] * FINALISTS


def test_the_final_is_decided_by_medians() -> None:
    lucky, steady = _Fake([1.0, 9.0, 9.0, 1.0]), _Fake([5.0])
    assert [r["number"] for r, _ in tournament(_candidates(lucky, steady), _time)] == [1, 0]


def test_who_disagrees_with_the_first_or_fails_is_left_out() -> None:
    wrong, broken = _Fake([1.0], np.full(4, 1.5)), _Fake([1.0], np.full(4, np.nan))
    near = _Fake([1.0], np.full(4, 1.001))
    found = _candidates(_Fake([1.0], refuses=True), _Fake([1.0]), wrong, broken, near)
    assert [c.algorithm["number"] for c in agreeing(found, _run, 0.01)] == [1, 4]


def test_an_algorithm_without_a_finite_result_is_no_reference() -> None:
    broken, sound = _Fake([1.0], np.full(4, np.nan)), _Fake([1.0])
    assert [c.algorithm["number"] for c in agreeing(_candidates(broken, sound), _run, 0.01)] == [1]


def test_none_that_runs_is_a_refusal() -> None:
    with pytest.raises(Unsupported, match="refused"):
        agreeing(_candidates(_Fake([1.0], refuses=True)), _run, 0.01)
