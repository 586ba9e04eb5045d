"""Ranking alternatives, without a device."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from einnet.runtime.cuda.algorithm import Candidate, Unsupported
from einnet.runtime.cuda.call import Prepared
from einnet.runtime.cuda.ranking import HEATS, agreeing, rank, tournament


@dataclass
class Fake:
    """What takes `glance` seconds when it is first timed, then `heat`, and `final` after that; it
    refuses, if it does, at one of "run", "glance" and "time"."""

    glance: float = 1.0
    final: float = 1.0
    heat: float | None = None
    result: NDArray[np.float64] = field(default_factory=lambda: np.ones(4))
    refuses: str = ""
    glanced: int = 0
    timed: int = 0
    workspace: int = 0

    def launch(self, stream: int, workspace: int) -> None:
        raise AssertionError(f"the bench launches, not on {stream}, {workspace}")


class FakeBench:
    @staticmethod
    def alone() -> AbstractContextManager[None]:
        return nullcontext()

    @staticmethod
    def run(prepared: Prepared) -> NDArray[np.float64]:
        assert isinstance(prepared, Fake)
        if prepared.refuses == "run":
            raise Unsupported("refused")
        return prepared.result

    @staticmethod
    def glance(prepared: Prepared) -> float:
        assert isinstance(prepared, Fake)
        prepared.glanced += 1
        if prepared.refuses == "glance":
            raise Unsupported("no graph can hold it")
        return prepared.glance

    @staticmethod
    def time(prepared: Mapping[str, Prepared], rounds: int) -> Mapping[str, float]:
        found: dict[str, float] = {}
        last = rounds == HEATS[-1].rounds
        for name, fake in prepared.items():
            assert isinstance(fake, Fake)
            fake.timed += 1
            if fake.refuses != "time":
                found[name] = fake.final if last or fake.heat is None else fake.heat
        return found


def candidates(*fakes: Fake) -> list[Candidate]:
    return [Candidate({"name": "same name", "number": i}, f) for i, f in enumerate(fakes)]


def numbers(order: list[tuple[dict[str, object], float]]) -> list[object]:
    return [record["number"] for record, _ in order]


def test_only_the_best_are_timed_again() -> None:
    fakes = [Fake(1 + 0.01 * (20 - i), 1 + 0.01 * (20 - i)) for i in range(20)]
    order, _ = tournament(candidates(*fakes), FakeBench())
    assert numbers(order) == list(reversed(range(20)))
    assert [f.glanced for f in fakes] == [1] * 20
    first, last = (heat.entrants for heat in HEATS)
    assert [f.timed for f in fakes] == [0] * (20 - first) + [1] * (first - last) + [2] * last


def test_who_is_far_behind_is_not_timed_again() -> None:
    near, best, far = Fake(1.4, 1.4), Fake(1.0), Fake(1.6, 0.5)
    order, _ = tournament(candidates(near, best, far), FakeBench())
    assert [f.timed for f in (near, best, far)] == [1, 2, 0]
    assert [(r["number"], s) for r, s in order] == [(1, 1.0), (0, 1.4), (2, 1.6)]


def test_a_bad_glance_is_made_good_in_the_first_heat() -> None:
    """Of many that look alike, the fastest in steady work is taken."""
    fakes = [Fake(1 + 0.01 * i, 2.0) for i in range(HEATS[0].entrants)]
    fakes[-1].final = 1.9
    order, _ = tournament(candidates(*fakes), FakeBench())
    assert order[0] == ({"name": "same name", "number": len(fakes) - 1}, 1.9)


def test_the_final_decides() -> None:
    lucky, steady = Fake(1.0, 3.0, heat=2.0), Fake(1.2, 2.2)
    order, _ = tournament(candidates(lucky, steady), FakeBench())
    assert [(r["number"], s) for r, s in order] == [(1, 2.2), (0, 3.0)]


def test_who_disagrees_with_the_first_or_fails_is_left_out() -> None:
    wrong, broken = Fake(result=np.full(4, 1.5)), Fake(result=np.full(4, np.nan))
    near = Fake(result=np.full(4, 1.001))
    found = candidates(Fake(refuses="run"), Fake(), wrong, broken, near)
    kept, dropped = agreeing(found, FakeBench.run, 0.01)
    assert [c.algorithm["number"] for c in kept] == [1, 4]
    assert dropped == [
        "same name: refused",
        "same name: its result differs by 5.0e-01",
        "same name: its result differs by inf",
    ]


def test_an_algorithm_without_a_finite_result_is_no_reference() -> None:
    broken, sound = Fake(result=np.full(4, np.nan)), Fake()
    kept, _ = agreeing(candidates(broken, sound), FakeBench.run, 0.01)
    assert [c.algorithm["number"] for c in kept] == [1]


def test_where_none_is_finite_those_agree_that_are_the_same() -> None:
    odd, same, other = np.full(4, np.nan), np.full(4, np.nan), np.array([1, np.nan, 1, 1])
    odd[0], same[0] = 1.0, 1.001
    found = candidates(Fake(result=odd), Fake(result=other), Fake(result=same))
    kept, dropped = agreeing(found, FakeBench.run, 0.01)
    assert [c.algorithm["number"] for c in kept] == [0, 2]
    assert dropped == ["same name: it computes no finite result"]


def test_what_runs_but_cannot_be_captured_or_fails_later_costs_no_others() -> None:
    found = candidates(Fake(refuses="glance"), Fake(1.0, refuses="time"), Fake(1.1, 5.0))
    ranking = rank(found, FakeBench(), 0.01)
    assert [r["number"] for r, _ in ranking.order] == [2]
    assert ranking.dropped == (
        "same name: no graph can hold it",
        "same name: it cannot be replayed",
    )


def test_a_final_without_survivors_is_repeated_with_the_next() -> None:
    slow = Fake(9.0, 8.0)
    found = candidates(*(Fake(1.0, refuses="time") for _ in range(3)), slow)
    order = rank(found, FakeBench(), 0.01).order
    assert [(r["number"], seconds) for r, seconds in order] == [(3, 8.0)]


def test_if_none_is_left_each_reason_is_told() -> None:
    found = candidates(
        Fake(refuses="run"), Fake(refuses="time"), Fake(refuses="glance"), Fake(result=np.zeros(4))
    )
    with pytest.raises(Unsupported) as caught:
        rank(found, FakeBench(), 0.01)
    assert str(caught.value) == (
        "none of 4 alternatives runs: same name: refused; same name: its result differs by 1.0e+00;"
        " same name: no graph can hold it; same name: it cannot be replayed"
    )
