"""Measuring an artifact over a device in host memory, whose clock the candidates advance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_device import (
    CONSTANTS,
    CUBINS,
    PROGRAM,
    FakeDevice,
    FakeProduct,
    add,
    at,
    is_held,
    kernel,
    scale,
)

from einnet.codegen.gpu.host import HostProgram, KernelLaunch, Matrix, MatrixProduct, key_of
from einnet.errors import ToolchainError
from einnet.runtime.cuda import matmul
from einnet.runtime.cuda.algorithm import Candidate, Record, Unsupported
from einnet.runtime.cuda.artifact import CudaArtifact, with_kernels
from einnet.runtime.cuda.call import Addresses, Handles
from einnet.runtime.cuda.device import CudaError
from einnet.runtime.cuda.records import CallRecord, KernelRecord, Records, environment_of
from einnet.runtime.cuda.tune import tune

PRODUCT = MatrixProduct(
    1, 4, 4, 4, Matrix("x", 4), Matrix("w", 4), Matrix("t", 4), "f32", "f32", "fp32", label="p1"
)
KEY = key_of(PRODUCT)
NONE = CallRecord({}, 0.0)
MIXED = replace(PROGRAM, steps=(PRODUCT, kernel("scale", "t", "y")))
"""`y = 2*(x @ w) + 1`."""
TWICE = replace(MIXED, steps=(PRODUCT, *MIXED.steps))
"""The same, in more time."""


@dataclass
class Library:
    """A cuBLASLt whose algorithms are known: microseconds by name. `failing` maps names to what
    happens at their runs; `wrong` are those that compute something else."""

    device: FakeDevice
    times: dict[str, float]
    failing: dict[str, Callable[[], object]] = field(default_factory=dict[str, Any])
    wrong: tuple[str, ...] = ()
    searches: int = 0
    prepared: list[object] = field(default_factory=list[object])

    def candidates(
        self, call: MatrixProduct, addresses: Addresses, _: Handles, __: int
    ) -> list[Candidate]:
        self.searches += 1
        return [Candidate({"name": n}, Algorithm(self, n, call, addresses)) for n in self.times]

    def prepare(
        self, call: MatrixProduct, addresses: Addresses, algorithm: Record | None, _: Handles
    ) -> Algorithm:
        self.prepared.append(algorithm)
        name = str((algorithm or {}).get("name", "first"))
        return Algorithm(self, name, call, addresses)


class Algorithm(FakeProduct):
    def __init__(
        self, library: Library, name: str, call: MatrixProduct, addresses: Addresses
    ) -> None:
        super().__init__(library.device, call, addresses)
        self._library = library
        self._name = name

    def launch(self, stream: int, workspace: int) -> None:
        self._library.failing.get(self._name, lambda: None)()
        super().launch(stream, workspace)

    def _run(self) -> None:
        super()._run()
        if self._name in self._library.wrong:
            at(self._d, 1)[:] = 1e3
        self._library.device.advance(self._library.times[self._name])


def slowly(device: FakeDevice, run: Callable[..., None], microseconds: float) -> Any:
    def timed(*addresses: int) -> None:
        run(*addresses)
        device.advance(microseconds)

    return timed


def miscounting(x: int, y: int) -> None:
    at(y, 16)[:] = 3 * at(x, 16)


def spoiling(x: int, y: int) -> None:
    at(y, 16)[:] = np.nan * at(x, 16)


def make_device() -> FakeDevice:
    device = FakeDevice(memory=1 << 22)
    device._symbols = {
        "scale": slowly(device, scale, 5),
        "fast": slowly(device, scale, 2),
        "wrong": slowly(device, miscounting, 1),
        "add": slowly(device, add, 1),
    }
    return device


def make_library(
    monkeypatch: pytest.MonkeyPatch, device: FakeDevice, times: dict[str, float] | None = None
) -> Library:
    library = Library(device, times or {"first": 9, "quick": 3, "slow": 40})
    monkeypatch.setattr(matmul, "candidates", library.candidates)
    monkeypatch.setattr(matmul, "prepare_matmul", library.prepare)
    return library


def make_artifact(
    variants: dict[str, HostProgram] | None = None, alternatives: Sequence[str] = ("fast",)
) -> CudaArtifact:
    others = tuple(KernelLaunch(s, (2, 1, 1), (16, 1, 1), 0, ()) for s in alternatives)
    cubins = {**CUBINS, "fast": b"fast", "wrong": b"wrong"}
    return CudaArtifact(
        folder=Path("model.einnet"),
        precision="fp32",
        chosen="original",
        variants=variants or {"original": MIXED, "twice": TWICE},
        cubins={"sm_90a": cubins},
        constants=CONSTANTS,
        alternatives={"scale": others} if others else {},
    )


def test_the_fastest_algorithm_and_schedule_are_recorded_and_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device = make_device()
    library = make_library(monkeypatch, device)
    said: list[str] = []
    artifact = make_artifact()
    records = tune(artifact, device, rounds=3, say=said.append)
    assert records.environment == environment_of(device, "fp32")
    assert list(records.calls) == [KEY] and list(records.kernels) == ["scale"]
    assert records.calls[KEY].algorithm == {"name": "quick"}
    assert records.calls[KEY].seconds == pytest.approx(3e-6)
    assert records.kernels["scale"].symbol == "fast"
    assert records.kernels["scale"].seconds == pytest.approx({"fast": 2e-6, "scale": 5e-6})
    chosen = with_kernels(MIXED, records, artifact.alternatives).steps[1]
    assert isinstance(chosen, KernelLaunch)
    assert (chosen.symbol, chosen.grid, chosen.arguments) == ("fast", (2, 1, 1), ("t", "y"))
    assert {n: s.median for n, s in records.variants.items()} == {"original": 5, "twice": 8}
    assert all(len(s.hot) == len(s.cold) == 3 for s in records.variants.values())
    assert library.prepared == [{"name": "quick"}] * 3
    assert f"call {KEY} p1" in said and said.index("variant original") < said.index("timing")
    assert any(line.startswith(f"call {KEY}: 3 algorithms in ") for line in said)
    assert any(line.startswith("kernel scale: 2 schedules in ") for line in said)
    assert device.allocated == 0 and not device.loaded


def test_what_is_known_is_not_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    device = make_device()
    library = make_library(monkeypatch, device)
    known = Records(
        environment_of(device, "fp32"),
        {KEY: CallRecord({"name": "slow"}, 1e-9)},
        {"scale": KernelRecord("scale", {})},
    )
    records = tune(make_artifact(), device, rounds=1, known=known)
    assert library.searches == 0
    assert (records.calls, records.kernels) == (known.calls, known.kernels)
    assert records.variants["original"].median == 45


def test_records_of_another_environment_are_a_miss(monkeypatch: pytest.MonkeyPatch) -> None:
    device = make_device()
    library = make_library(monkeypatch, device)
    elsewhere = replace(environment_of(device, "fp32"), gpu="another")
    known = Records(elsewhere, {KEY: CallRecord({"name": "slow"}, 1e-9)})
    records = tune(make_artifact(), device, rounds=1, known=known)
    assert library.searches == 1
    assert records.calls[KEY].algorithm == {"name": "quick"}
    assert records.environment.gpu == "Fake GPU"


@pytest.mark.parametrize("position", [0, 1])
def test_a_variant_whose_outputs_differ_from_the_originals_is_dropped(
    position: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = make_device()
    make_library(monkeypatch, device)
    said: list[str] = []
    other = replace(MIXED, steps=(kernel("scale", "x", "y"),))
    variants = [("original", MIXED), ("other", other)]
    if not position:
        variants.reverse()
    records = tune(make_artifact(dict(variants)), device, rounds=1, say=said.append)
    assert list(records.variants) == ["original"]
    assert any(line.startswith("dropped other: its outputs differ by") for line in said)


def test_a_variant_without_finite_outputs_is_no_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    device = make_device()
    device._symbols["broken"] = slowly(device, spoiling, 1)
    make_library(monkeypatch, device)
    broken = replace(MIXED, steps=(kernel("broken", "x", "y"),))
    artifact = make_artifact({"original": broken, "sound": TWICE, "other": TWICE})
    artifact = replace(
        artifact, cubins={"sm_90a": {**artifact.cubins["sm_90a"], "broken": b"broken"}}
    )
    records = tune(artifact, device, rounds=1)
    assert list(records.variants) == ["sound", "other"]


def test_a_schedule_that_computes_something_else_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device = make_device()
    make_library(monkeypatch, device)
    said: list[str] = []
    records = tune(make_artifact(alternatives=["wrong", "fast"]), device, rounds=1, say=said.append)
    assert records.kernels["scale"].symbol == "fast"
    assert "wrong" not in records.kernels["scale"].seconds
    assert any(line.startswith("kernel scale: dropped wrong: its result") for line in said)


def fail_in_capture(device: FakeDevice, error: Exception) -> Callable[[], None]:
    def check() -> None:
        if device.capturing:
            raise error

    return check


def refuse(error: Exception) -> Callable[[], None]:
    def check() -> None:
        raise error

    return check


@pytest.mark.parametrize(
    "error", [Unsupported("not in a graph"), CudaError("cuLaunchKernel", "CUDA_ERROR_INVALID")]
)
@pytest.mark.parametrize("always", [True, False])
def test_an_algorithm_that_fails_costs_no_others(
    error: Exception, always: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = make_device()
    library = make_library(monkeypatch, device)
    library.failing["quick"] = refuse(error) if always else fail_in_capture(device, error)
    said: list[str] = []
    records = tune(make_artifact(), device, rounds=1, say=said.append)
    assert records.calls[KEY].algorithm == {"name": "first"}
    assert f"call {KEY}: dropped quick: {error}" in said
    assert device.allocated == 0


def test_an_algorithm_that_fails_in_the_final_costs_no_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device = make_device()
    library = make_library(monkeypatch, device, {"first": 9, "quick": 3, "late": 2})
    runs = iter(range(100))

    def fail_late() -> None:
        if next(runs) > 12:  # the run, and what a glance takes
            raise Unsupported("worn out")

    library.failing["late"] = fail_late
    records = tune(make_artifact(), device, rounds=1)
    assert next(runs) < 100 and records.calls[KEY].algorithm == {"name": "quick"}


def test_a_wrong_algorithm_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    device = make_device()
    library = make_library(monkeypatch, device)
    library.wrong = ("quick",)
    assert tune(make_artifact(), device, rounds=1).calls[KEY].algorithm == {"name": "first"}


def test_a_call_without_algorithm_is_left_to_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    device = make_device()
    library = make_library(monkeypatch, device, {"first": 9})
    checks = iter([True])

    def fail_once() -> None:
        if next(checks, False):
            raise Unsupported("not now")

    library.failing["first"] = fail_once
    said: list[str] = []
    records = tune(make_artifact(), device, rounds=1, say=said.append)
    assert records.calls == {KEY: NONE} and set(records.variants) == {"original", "twice"}
    assert f"call {KEY}: none of 1 alternatives runs: first: not now" in said
    assert library.searches == 1, "both variants have the call"
    assert tune(make_artifact(), device, rounds=1, known=records).calls == records.calls
    assert library.searches == 1, "it is known that there is none"


def test_a_workspace_that_does_not_fit_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    device = make_device()
    library = make_library(monkeypatch, device)

    class Greedy(Algorithm):
        workspace = 1 << 30

    def candidates(
        call: MatrixProduct, addresses: Addresses, _: Handles, __: int
    ) -> list[Candidate]:
        return [
            Candidate({"name": "quick"}, Greedy(library, "quick", call, addresses)),
            Candidate({"name": "first"}, Algorithm(library, "first", call, addresses)),
        ]

    monkeypatch.setattr(matmul, "candidates", candidates)
    assert tune(make_artifact(), device, rounds=1).calls[KEY].algorithm == {"name": "first"}


def test_what_is_skipped_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    device = make_device()
    library = make_library(monkeypatch, device)
    records = tune(make_artifact(), device, rounds=1, skip=[KEY, "scale", "twice"])
    assert records.calls == {KEY: NONE} and records.kernels == {"scale": KernelRecord("scale", {})}
    assert list(records.variants) == ["original"]
    assert library.searches == 0 and library.prepared == [{}], "the library's first choice runs"


def test_a_variant_that_cannot_be_captured_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    device = make_device()
    library = make_library(monkeypatch, device)
    error = CudaError("cuGraphInstantiate", "CUDA_ERROR_NOT_SUPPORTED")
    library.failing["quick"] = fail_in_capture(device, error)
    known = Records(environment_of(device, "fp32"), {KEY: CallRecord({"name": "quick"}, 0.0)})
    kernels = replace(PROGRAM, steps=(kernel("scale", "x", "t"), kernel("add", "t", "w", "y")))
    artifact = make_artifact({"original": MIXED, "other": kernels})
    records = tune(artifact, device, rounds=1, known=known)
    assert list(records.variants) == ["other"]
    assert device.allocated == 0


def test_no_variant_that_runs_is_an_error_with_the_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    device = make_device()
    library = make_library(monkeypatch, device, {"first": 9})
    library.failing["first"] = refuse(Unsupported("never"))
    with pytest.raises(
        ToolchainError,
        match="no variant runs on Fake GPU: original: never; twice: never",
    ):
        tune(make_artifact(), device, rounds=1)
    with pytest.raises(ToolchainError, match="all of them crashed or hung"):
        tune(make_artifact(), device, rounds=1, skip=["original", "twice"])


def test_a_lost_device_ends_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    device = make_device()
    library = make_library(monkeypatch, device)
    error = CudaError("cuStreamSynchronize", "CUDA_ERROR_ILLEGAL_ADDRESS")

    def crash() -> None:
        def lost(_: int) -> None:
            raise error

        monkeypatch.setattr(device, "synchronize", lost)

    library.failing["quick"] = crash
    said: list[str] = []
    with pytest.raises(CudaError, match="ILLEGAL_ADDRESS"):
        tune(make_artifact(), device, rounds=1, say=said.append)
    assert [line for line in said if line] == [f"call {KEY} p1"]


def test_whatever_is_timed_runs_while_no_other_process_measures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device = make_device()
    make_library(monkeypatch, device)
    held: list[bool] = []
    advance = device.advance

    def checked(microseconds: float) -> None:
        held.append(is_held())
        advance(microseconds)

    monkeypatch.setattr(device, "advance", checked)
    tune(make_artifact(), device, rounds=1)
    assert len(held) > 100 and all(held)
    assert not is_held()


def test_what_is_found_is_kept_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    device = make_device()
    make_library(monkeypatch, device)
    kept: list[Records] = []
    records = tune(make_artifact(), device, rounds=1, keep=kept.append)
    assert [(len(r.calls), len(r.kernels), len(r.variants)) for r in kept] == [(1, 0, 0), (1, 1, 0)]
    assert kept[-1].calls == records.calls


def test_kernels_for_another_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    device = make_device()
    make_library(monkeypatch, device)
    artifact = replace(make_artifact(), cubins={"sm_80": CUBINS})
    with pytest.raises(ToolchainError, match="the artifact has kernels for sm_80"):
        tune(artifact, device, rounds=1)
