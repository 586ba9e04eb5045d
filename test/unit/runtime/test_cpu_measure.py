"""Measuring: order and bookkeeping; times themselves are the machine's."""

import gc
import time

import pytest

from einnet.runtime.measure import Samples, measure


def _recorded(seed: int) -> list[str]:
    runs: list[str] = []
    names = ("a", "b", "c")
    measure({name: lambda n=name: runs.append(n) for name in names}, 20, seed, warm_up=2)
    return runs


def test_rounds_are_complete_and_shuffled() -> None:
    runs = _recorded(seed=1)
    rounds = [tuple(runs[i : i + 3]) for i in range(0, len(runs), 3)]
    assert len(rounds) == 22
    assert all(sorted(r) == ["a", "b", "c"] for r in rounds)
    assert len(set(rounds)) > 3


def test_the_order_is_the_seed_s() -> None:
    assert _recorded(seed=1) == _recorded(seed=1) != _recorded(seed=2)


def test_samples() -> None:
    samples = measure({"sleep": lambda: time.sleep(0.002)}, repetitions=4)["sleep"]
    assert len(samples.wall) == len(samples.cpu) == 4
    assert min(samples.wall) >= 0.002
    # Not each of them: a virtual machine charges a process for time that others took.
    assert min(samples.cpu) < samples.median


def test_statistics() -> None:
    samples = Samples(wall=(4.0, 1.0, 2.0, 3.0, 100.0), cpu=(1.0, 2.0, 3.0, 4.0, 5.0))
    assert (samples.median, samples.cpu_median, samples.spread) == (3.0, 3.0, 2.0)
    assert samples.to_json()["wall"] == [4.0, 1.0, 2.0, 3.0, 100.0]


def test_garbage_collection_is_switched_back_on_after_an_error() -> None:
    def fail() -> None:
        raise RuntimeError("candidate failed")

    with pytest.raises(RuntimeError, match="candidate failed"):
        measure({"bad": fail})
    assert gc.isenabled()


def test_repetitions_must_be_positive() -> None:
    with pytest.raises(ValueError, match="must be positive"):
        measure({}, repetitions=0)
