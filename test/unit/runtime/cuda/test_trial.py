"""Trying alternatives in memory of their own, over a device in host memory."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import pytest
from fake_device import CUBINS, KERNELS, PROGRAM, FakeDevice, FakeProduct, add, kernel

from einnet.codegen.gpu.host import KernelLaunch, Matrix, MatrixProduct
from einnet.runtime.cuda.device import CudaError
from einnet.runtime.cuda.trial import Trial, random_flat, random_values, trial

PRODUCT = MatrixProduct(
    1, 4, 4, 4, Matrix("x", 4), Matrix("w", 4), Matrix("t", 4), "f32", "f32", "fp32"
)


def test_a_run_computes_from_random_values_that_stay() -> None:
    device = FakeDevice()
    with trial(PROGRAM, PRODUCT.arguments, device, seed=3) as bench:
        made = FakeProduct(device, PRODUCT, bench.addresses.__getitem__)
        first, second = bench.run(made), bench.run(made)
    x = random_flat(16, "f32", 3).reshape(4, 4)
    expected = np.tile((x @ x).ravel(), 2)  # its first elements and its last: all of them, twice
    np.testing.assert_array_equal(first, expected)
    np.testing.assert_array_equal(second, expected)
    assert device.allocated == 0


def test_what_a_run_does_not_write_is_told_from_what_it_does() -> None:
    """Another alternative's result must not pass for that of one that computes nothing."""
    device = FakeDevice()
    with trial(PROGRAM, PRODUCT.arguments, device, seed=3) as bench:
        made = FakeProduct(device, PRODUCT, bench.addresses.__getitem__)
        result = bench.run(made)
        made._run = lambda: None
        nothing = bench.run(made)
    assert np.isfinite(nothing).all() and not (nothing == result).any()


def clocked(device: FakeDevice, microseconds: float) -> FakeDevice:
    def timed(x: int, z: int, y: int) -> None:
        add(x, z, y)
        device.advance(microseconds)

    device._symbols = {**KERNELS, "add": timed}
    return device


def launches(bench: Trial, step: KernelLaunch) -> list[int]:
    """The runs in every graph that a glance and a final make."""
    (candidate,) = bench.schedules(step, (), CUBINS)
    device = bench.device
    assert isinstance(device, FakeDevice)
    bench.run(candidate.prepared)
    seconds = bench.glance(candidate.prepared)
    final = bench.time({"a": candidate.prepared}, rounds=8)["a"]
    assert seconds == pytest.approx(final)
    return [len(graph._work) for graph in device.graphs]


@pytest.mark.parametrize(
    ("microseconds", "runs"),
    [(3, [8, 20]), (60, [8, 20]), (90, [2, 20]), (550, [1, 8]), (5000, [1, 1])],
)
def test_long_runs_are_replayed_less_often(microseconds: float, runs: list[int]) -> None:
    device = clocked(FakeDevice(KERNELS), microseconds)
    step = kernel("add", "x", "w", "y")
    with trial(PROGRAM, step.arguments, device, seed=0) as bench:
        assert launches(bench, step) == runs
    assert device.allocated == 0 and not device.loaded


@pytest.mark.parametrize("late", range(1, 52))
def test_what_holds_up_the_host_once_does_not_count(late: int) -> None:
    device, step = FakeDevice(), kernel("add", "x", "w", "y")
    calls: list[int] = []

    def timed(x: int, z: int, y: int) -> None:
        add(x, z, y)
        calls.append(1)
        device.advance(500 if len(calls) == late else 3)

    device._symbols = {**KERNELS, "add": timed}
    with trial(PROGRAM, step.arguments, device, seed=0) as bench:
        (candidate,) = bench.schedules(step, (), CUBINS)
        assert bench.glance(candidate.prepared) == pytest.approx(3e-6)
    assert len(device.graphs[0]._work) == 8


def test_every_measurement_is_a_sign_of_life() -> None:
    device, step, said = FakeDevice(KERNELS), kernel("add", "x", "w", "y"), list[str]()
    counts: list[int] = []
    with trial(PROGRAM, step.arguments, device, 0, said.append) as bench:
        (candidate,) = bench.schedules(step, (), CUBINS)
        for measure in (
            lambda: bench.run(candidate.prepared),
            lambda: bench.glance(candidate.prepared),
            lambda: bench.time({"a": candidate.prepared}, rounds=2),
        ):
            measure()
            counts.append(len(said))
    assert counts == [1, 2, 2 + 1 + 2] and not any(said), "a heat's: in each round, and before"


def test_waiting_for_another_process_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def waiting(device: FakeDevice, say: Callable[[str], None]) -> AbstractContextManager[None]:
        return nullcontext(say(f"waiting for {device.properties.name}"))

    monkeypatch.setattr("einnet.runtime.cuda.trial.alone", waiting)
    said: list[str] = []
    with trial(PROGRAM, PRODUCT.arguments, FakeDevice(), 0, said.append) as bench, bench.alone():
        assert said == ["waiting for Fake GPU"]


def test_a_heat_has_the_rounds_that_it_should() -> None:
    step = kernel("add", "x", "w", "y")
    counts: list[int] = []
    for rounds in (2, 5):
        device = clocked(FakeDevice(KERNELS), 1000)
        with trial(PROGRAM, step.arguments, device, seed=0) as bench:
            (candidate,) = bench.schedules(step, (), CUBINS)
            before = device._clock
            bench.time({"a": candidate.prepared}, rounds)
            counts.append(round(device._clock - before))
    assert counts[1] - counts[0] == 3 * 2 * 4 * 1000, "a round is two replays of four runs"


def test_a_lost_device_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    device = FakeDevice(KERNELS)
    step = kernel("add", "x", "w", "y")

    def lost(_: int) -> None:
        raise CudaError("cuStreamSynchronize", "CUDA_ERROR_ILLEGAL_ADDRESS")

    with (
        pytest.raises(CudaError),
        trial(PROGRAM, step.arguments, device, seed=0) as bench,
    ):
        (candidate,) = bench.schedules(step, (), CUBINS)
        monkeypatch.setattr(device, "synchronize", lost)
        bench.run(candidate.prepared)


def test_random_values_are_neither_zero_nor_alike() -> None:
    large = random_flat(300_000, "f32", 1)
    assert large.dtype == np.float32 and np.abs(large).max() <= 1 and (large != 0).all()
    assert not np.array_equal(large, random_flat(300_000, "f32", 2))
    rows = large[: 256 * 1024].reshape(256, 1024)
    assert len(np.unique(rows, axis=0)) == 256, "no row repeats another"
    assert set(random_flat(1000, "i32", 1)) == {0, 1}
    assert random_values(PROGRAM.buffer("x"), 1).shape == (4, 4)
