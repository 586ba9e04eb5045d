"""`einnet bench --device cuda` on a device in host memory whose clock the kernels advance."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gpu_artifacts import KERNELS, PROGRAM, WITH_CALL, at, is_held, kernel, make_device, write

from einnet.cli import bench_cuda
from einnet.cli.main import main
from einnet.cli.measure import require_gpu
from einnet.codegen.gpu.host import MatrixProduct
from einnet.errors import ToolchainError
from einnet.runtime.cuda.artifact import load_cuda_artifact
from einnet.runtime.cuda.call import Addresses
from einnet.runtime.cuda.records import Records, environment_of
from einnet.toolchain.doctor import Gpu

WRONG = replace(PROGRAM, steps=(kernel("scale", "x", "t"), kernel("add", "t", "t", "y")))
MEMORY = 1 << 20


def always(value: object) -> Callable[[], object]:
    return lambda: value


def device(memory: int = MEMORY) -> Any:
    """`scale` takes 2 us, `add` 3, a product 10."""

    def taking(run: Callable[..., None], microseconds: float) -> Callable[..., None]:
        def timed(*addresses: int) -> None:
            made.advance(microseconds)
            run(*addresses)

        return timed

    times = {"scale": 2.0, "add": 3.0}
    made = make_device({n: taking(k, times[n]) for n, k in KERNELS.items()}, memory)
    return made


@pytest.fixture(name="gpu")
def fixture_gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    made = device()
    monkeypatch.setattr("einnet.cli.bench_cuda.open_device", always(made))
    return made


def test_it_runs_while_no_other_process_measures(
    tmp_path: Path, gpu: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[bool] = []
    advance = gpu.advance

    def checked(microseconds: float) -> None:
        held.append(is_held())
        advance(microseconds)

    monkeypatch.setattr(gpu, "advance", checked)
    assert main(["bench", str(write(tmp_path / "m")), "--device", "cuda", "--runs", "2"]) == 0
    assert len(held) > 100 and all(held)


@pytest.mark.usefixtures("gpu")
def test_an_artifact_beside_its_original(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = str(write(tmp_path / "m")), tmp_path / "b.json"
    flags = ["--runs", "4", "--json", str(out)]
    assert main(["bench", folder, "--device", "cuda", *flags]) == 0
    record = json.loads(out.read_text())
    assert set(record["samples"]) == {"einnet", "original"}
    assert record["samples"]["einnet"]["hot"] == [5, 5, 5, 5]
    assert record["samples"]["original"]["cold"] == [5, 5, 5, 5]
    assert record["errors"]["einnet"] == 0.0 and record["variant"] == "derived"
    assert record["environment"]["precision"] == "tf32"
    printed = capsys.readouterr().out
    assert printed.startswith(f"{folder}, tf32 on Fake GPU; einnet is the variant 'derived'")
    assert "5.00 us" in printed and "1.00x" in printed and "no records" in printed
    assert main(["bench", folder]) == 0, "the artifact says what it is for"


@pytest.mark.usefixtures("gpu")
def test_outputs_that_differ_are_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "m", variants={"original": PROGRAM, "derived": WRONG})
    assert main(["bench", str(folder), "--runs", "1"]) == 1
    assert "further off than rounding allows" in capsys.readouterr().err


@pytest.mark.usefixtures("gpu")
def test_an_original_that_was_chosen_is_timed_once(tmp_path: Path) -> None:
    result = bench_cuda.bench_artifact(write(tmp_path / "m", chosen="original"), 2, 0)
    assert result.samples["einnet"] is result.samples["original"] and result.correct
    alone = write(tmp_path / "n", variants={"cheapest": PROGRAM}, chosen="cheapest")
    result = bench_cuda.bench_artifact(alone, 2, 0)
    assert set(result.samples) == {"einnet"} and not result.errors
    assert "no other original" in result.notes[-1]


def test_records_of_elsewhere_are_named(tmp_path: Path, gpu: Any) -> None:
    here = environment_of(gpu, "tf32")
    for environment, differing in [(here, None), (replace(here, driver="560.1"), "driver 560.1")]:
        folder = write(tmp_path / "m", records=Records(environment))
        notes = bench_cuda.bench_artifact(folder, 1, 0).notes
        assert bool(notes) == bool(differing)
        if differing:
            assert notes[0].endswith(f"algorithms are not used: {differing}")


def test_out_of_memory_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(write(tmp_path / "m"))
    small = device(100)
    monkeypatch.setattr("einnet.cli.bench_cuda.open_device", always(small))
    monkeypatch.setattr("einnet.runtime.cuda.artifact.open_device", always(small))
    np.save(tmp_path / "x.npy", np.zeros((4, 4), np.float32))
    for verb in (["bench", folder], ["run", folder, "--input", str(tmp_path / "x.npy")]):
        assert main(verb) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert "out of GPU memory" in line


@pytest.mark.parametrize(
    ("package", "message"),
    [("nvmath.bindings", "nvmath-python cannot be imported"), ("cuda.bindings", "cuda-bindings")],
)
def test_missing_packages(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    package: str,
    message: str,
) -> None:
    for name in [m for m in sys.modules if m.startswith(package)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    if package == "nvmath.bindings":
        made = device()
        monkeypatch.setattr("einnet.cli.bench_cuda.open_device", always(made))
    folder = str(write(tmp_path / "m", variants={"derived": WITH_CALL}))
    assert main(["bench", folder]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert message in lines[0] and "pip install" in lines[1] and len(lines) == 2


@dataclass(frozen=True)
class Product:
    """A library call that is ready."""

    enqueue: Callable[[], None]
    workspace: int = 0

    def launch(self, stream: int, workspace: int) -> None:
        del stream, workspace
        self.enqueue()


PRODUCT = """
func.func @main(%a: tensor<4x4xf32> {einnet.name = "a"}, %b: tensor<4x4xf32> {einnet.name = "b"})
    -> (tensor<4x4xf32> {einnet.name = "c"}) {
  %zero = arith.constant dense<0.0> : tensor<4x4xf32>
  %c = linalg.matmul ins(%a, %b : tensor<4x4xf32>, tensor<4x4xf32>)
      outs(%zero : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %c : tensor<4x4xf32>
}
"""


@pytest.mark.parametrize("wrong", [False, True])
def test_a_model_against_double_precision(
    tmp_path: Path,
    gpu: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    wrong: bool,
) -> None:
    def prepare(call: MatrixProduct, addresses: Addresses, *_: object) -> Product:
        a, b, d = (addresses(m.buffer) for m in (call.a, call.b, call.d))

        def multiply() -> None:
            gpu.advance(10)
            at(d, 16)[:] = (at(a, 16).reshape(4, 4) @ at(b, 16).reshape(4, 4)).ravel()
            at(d, 16)[3] += wrong

        def enqueue() -> None:
            gpu.enqueue(multiply)

        return Product(enqueue)

    monkeypatch.setattr("einnet.runtime.cuda.matmul.prepare_matmul", prepare)
    monkeypatch.setattr("einnet.toolchain.doctor.find_gpus", lambda: (Gpu("Fake", (9, 0)),))
    model, out = tmp_path / "m.mlir", tmp_path / "b.json"
    model.write_text(PRODUCT)
    flags = ["--device", "cuda", "--precision", "tf32", "--no-measure", "--runs", "3"]
    assert main(["bench", str(model), *flags, "--json", str(out)]) == int(wrong)
    record = json.loads(out.read_text())
    assert record["samples"]["einnet"]["hot"] == [10, 10, 10]
    assert record["reference"] == "float64" and 1e-6 < record["allowed"] < 0.02
    assert (record["errors"]["einnet"] > record["allowed"]) == wrong
    assert "errors in tf32 against float64" in capsys.readouterr().out


def test_less_precision_allows_more_error() -> None:
    from einnet.driver import lifted_program
    from einnet.frontend.mlir import import_mlir

    program = lifted_program(import_mlir(Path("p.mlir"), PRODUCT))
    allowed = [bench_cuda.allowed_error(program, p) for p in ("fp32", "tf32", "fp16", "bf16")]
    assert allowed[0] < allowed[1] == allowed[2] < allowed[3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["m", "--device", "cpu"], "m: error: the artifact was compiled for cuda, not for cpu"),
        (["p.mlir", "--device", "cpu", "--target", "cuda"], "--device cpu and --target cuda"),
        (["p.mlir", "--precision", "fp16"], "the target cpu has no precision 'fp16'"),
        (["p.mlir", "--device", "cuda"], "is missing"),
    ],
)
def test_what_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    def missing() -> tuple[Gpu, ...]:
        raise ToolchainError("NVIDIA's driver (libcuda) is missing", hint="install it")

    monkeypatch.setattr("einnet.toolchain.doctor.find_gpus", missing)
    write(tmp_path / "m")
    (tmp_path / "p.mlir").write_text(PRODUCT)
    monkeypatch.chdir(tmp_path)
    assert main(["bench", *arguments]) == 1
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error


def test_an_artifact_without_kernels_runs_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("einnet.toolchain.doctor.find_gpus", lambda: (Gpu("Old", (7, 5)),))
    folder = write(tmp_path / "m", variants={"derived": WITH_CALL}, cubins={"sm_90a": {}})
    require_gpu(load_cuda_artifact(folder))
