"""Timing over a device whose clock the candidates advance."""

from __future__ import annotations

import gc
import json
import random

import pytest
from fake_device import FakeDevice

from einnet.runtime.cuda.timing import (
    AHEAD,
    RUNS,
    Contender,
    GpuSamples,
    runs_within,
    time_programs,
    wins,
)


def contender(device: FakeDevice, microseconds: float, log: list[str], name: str) -> Contender:
    def run(count: int) -> None:
        log.append(name)
        device.advance(count * microseconds)

    return Contender(lambda: run(5), lambda: run(1), 5)


def test_times_are_microseconds_of_one_run() -> None:
    device, log = FakeDevice(), list[str]()
    samples = time_programs(
        {"slow": contender(device, 8, log, "slow"), "fast": contender(device, 2, log, "fast")},
        device,
        stream=1,
        rounds=4,
    )
    assert samples["slow"].hot == samples["slow"].cold == (8, 8, 8, 8)
    assert samples["fast"].median == samples["fast"].cold_median == 2
    assert wins(samples["fast"], samples["slow"]) and not wins(samples["slow"], samples["fast"])
    assert device.allocated == 0


def test_rounds_are_interleaved_in_drawn_orders() -> None:
    device, log = FakeDevice(), list[str]()
    both = {name: contender(device, 100, log, name) for name in "ab"}
    time_programs(both, device, stream=1, rounds=20, warm_up=0, cold=False)
    orders = [tuple(log[i : i + 4 : 2]) for i in range(0, len(log), 4)]
    assert len(orders) == 20 and set(orders) == {("a", "b"), ("b", "a")}
    assert log[::2] == log[1::2], "each timed replay follows an untimed one of the same"


def test_the_gpu_has_work_while_the_host_enqueues_what_is_timed() -> None:
    device, replays = FakeDevice(), list[int]()

    def replay() -> None:
        replays.append(1)
        device.advance(900 if len(replays) == late else 15)

    ahead = 1 + int(AHEAD / 15)
    once = Contender(replay, replay, 5)
    # Rounds are of untimed replays and a timed one; the second round's takes long.
    late = (1 + 1) + (ahead + 1)
    time_programs({"a": once}, device, stream=1, rounds=3, warm_up=0, cold=False)
    assert len(replays) == (1 + 1) + 2 * (ahead + 1), "the shortest tells how long a replay is"


def test_the_cache_is_flushed_outside_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    device, log = FakeDevice(), list[str]()

    def fill(_address: int, _byte: int, size: int, _stream: int) -> None:
        assert size >= 2 * device.properties.l2
        log.append("flush")
        device.advance(30)

    monkeypatch.setattr(device, "fill", fill)
    samples = time_programs(
        {"a": contender(device, 3, log, "a")}, device, stream=1, rounds=2, warm_up=0
    )
    assert samples["a"].cold == (3, 3)
    flushes = 1 + int(AHEAD / 30)
    assert log[-2 * (flushes + 1) :] == [*["flush"] * flushes, "a"] * 2


def test_without_cold_samples_nothing_is_allocated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Buffers that flush the cache are large, and searches time thousands of candidates."""
    device, log = FakeDevice(), list[str]()
    monkeypatch.delattr(FakeDevice, "allocate")
    samples = time_programs(
        {"a": contender(device, 3, log, "a")}, device, stream=1, rounds=2, cold=False
    )
    assert samples["a"] == GpuSamples((3, 3))


def test_every_round_is_a_sign_of_life() -> None:
    device, log, beats = FakeDevice(), list[str](), list[int]()
    both = {name: contender(device, 100, log, name) for name in "ab"}
    time_programs(both, device, stream=1, rounds=3, warm_up=1, beat=lambda: beats.append(len(log)))
    assert beats == [4, 8, 12, 16, 18, 20, 22, 24]


def test_a_replay_holds_as_many_runs_as_fit() -> None:
    assert [runs_within(100, one) for one in (-40, 0, 4, 9, 60, 1e6)] == [
        RUNS,
        RUNS,
        RUNS,
        11,
        1,
        1,
    ]
    assert runs_within(100, 5, most=8) == 8


def test_garbage_collection_waits() -> None:
    device = FakeDevice()
    collecting: list[bool] = []
    one = Contender(lambda: collecting.append(gc.isenabled()), lambda: None)
    time_programs({"a": one}, device, stream=1, rounds=1)
    assert not any(collecting) and gc.isenabled()


def noisy(mean: float, seed: int, rounds: int = 41) -> GpuSamples:
    generator = random.Random(seed)
    return GpuSamples(tuple(generator.gauss(mean, 0.05 * mean) for _ in range(rounds)))


def test_noise_never_wins() -> None:
    assert not any(wins(noisy(10, seed), noisy(10, seed + 1000)) for seed in range(200))


def test_a_clear_lead_wins() -> None:
    assert all(wins(noisy(8.5, seed), noisy(10, seed + 1000)) for seed in range(200))


def test_drift_that_both_share_does_not_hide_a_lead() -> None:
    drift = [1 + 0.02 * i for i in range(30)]
    slow = GpuSamples(tuple(10 * d for d in drift))
    fast = GpuSamples(tuple(9.8 * d for d in drift))
    assert wins(fast, slow)


def test_a_lead_below_the_floor_is_noise() -> None:
    assert not wins(GpuSamples((9.99,) * 9), GpuSamples((10.0,) * 9))


def test_samples_round_trip() -> None:
    samples = GpuSamples((1.5, 2.0), (3.0, 4.0))
    assert GpuSamples.from_json(json.loads(json.dumps(samples.to_json()))) == samples


@pytest.mark.parametrize(
    "data", [{}, {"unit": "us", "hot": [], "cold": []}, {"unit": "us", "hot": ["1"], "cold": []}]
)
def test_malformed_samples(data: object) -> None:
    with pytest.raises(ValueError, match="samples"):
        GpuSamples.from_json(data)
