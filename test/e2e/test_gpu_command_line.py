"""The GPU's side of the commands on a host without one: compiled here, measured elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from einnet.cli.main import main
from einnet.codegen.gpu.host import key_of
from einnet.errors import ToolchainError
from einnet.runtime.cuda.artifact import load_cuda_artifact
from einnet.runtime.cuda.records import (
    CallRecord,
    Environment,
    KernelRecord,
    Records,
    load_records,
    save_records,
)
from einnet.runtime.cuda.timing import GpuSamples
from einnet.toolchain.mlir import make_context, parse_module
from einnet.weights import Weights

MODEL = """
func.func @main(%x: tensor<2x8x6x6xf32> {einnet.name = "x"}, %w: tensor<4x8x3x3xf32>
    {einnet.weight = "w"}) -> (tensor<2x4x4x4xf32> {einnet.name = "y"}) {
  %zero = arith.constant dense<0.0> : tensor<2x4x4x4xf32>
  %y = linalg.conv_2d_nchw_fchw ins(%x, %w : tensor<2x8x6x6xf32>, tensor<4x8x3x3xf32>)
      outs(%zero : tensor<2x4x4x4xf32>) -> tensor<2x4x4x4xf32>
  return %y : tensor<2x4x4x4xf32>
}
"""

TARGET = ("--target", "cuda", "--precision", "fp16", "--chips", "sm_90a,sm_80")


@dataclass(frozen=True)
class Done:
    status: int
    out: str
    err: str


@pytest.fixture
def einnet(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    def run(*arguments: str | Path) -> Done:
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Done(status, captured.out, captured.err)

    return run


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with conv.mlir, its weights and conv.einnet, chosen by estimates."""
    folder = tmp_path_factory.mktemp("conv")
    (folder / "conv.mlir").write_text(MODEL)
    weights = np.random.default_rng(0).standard_normal((4, 8, 3, 3)).astype(np.float32)
    Weights({"w": weights}).save(folder / "conv.safetensors")
    command = ["compile", folder / "conv.mlir", *TARGET, "--no-measure"]
    command += ["-o", folder / "conv.einnet"]
    done = subprocess.run(
        [sys.executable, "-m", "einnet.cli.main", *map(str, command)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "chosen by estimates" in done.stdout
    assert "proved: the chosen variant as a module equals the imported one" in done.stdout
    return folder


def measured(folder: Path, fastest: str) -> Records:
    """Records as `einnet measure` would write them if one variant was the fastest."""
    artifact = load_cuda_artifact(folder)
    calls = {key_of(c): CallRecord({"name": "a1"}, 2e-6)
             for p in artifact.variants.values() for c in p.calls}  # fmt: skip
    kernels = {s: KernelRecord(s, {s: 1e-6}) for s in artifact.alternatives}
    times = {n: 5.0 if n == fastest else 20.0 for n in artifact.variants}
    samples = {n: GpuSamples((t,) * 4, (2 * t,) * 4) for n, t in times.items()}
    environment = Environment("H100", "580", "13.0", "130000", "91000", artifact.precision)
    return Records(environment, calls, kernels, samples)


def test_the_artifact_is_whole(compiled: Path):
    artifact = load_cuda_artifact(compiled / "conv.einnet")
    assert artifact.precision == "fp16" and len(artifact.variants) >= 2
    assert set(artifact.cubins) == {"sm_90a", "sm_80"}
    symbols = {s for p in artifact.variants.values() for s in p.symbols}
    for kernels in artifact.cubins.values():
        assert symbols <= set(kernels) and all(c.startswith(b"\x7fELF") for c in kernels.values())
    assert {b.dtype for b in artifact.program.buffers} == {"f16"}
    module = parse_module((compiled / "conv.einnet" / "optimized.mlir").read_text(), make_context())
    assert "tensor<2x8x6x6xf32>" in str(module), "the module is in the model's own types"
    proof = json.loads((compiled / "conv.einnet" / "certificate.json").read_text())
    assert proof["module"]["error_bound"] < 1e-9 and proof["program"]["error_bound"] < 1e-9


def test_records_from_elsewhere_choose(compiled: Path, einnet: Callable[..., Done]):
    first = load_cuda_artifact(compiled / "conv.einnet")
    for fastest in ("original", next(n for n in first.variants if n != "original")):
        save_records(measured(compiled / "conv.einnet", fastest), compiled / "r.json")
        out = compiled / "chosen.einnet"
        flags = (*TARGET, "--records", compiled / "r.json", "-o", out)
        done = einnet("compile", compiled / "conv.mlir", *flags)
        assert done.status == 0, done.err
        assert "choosing by records of" in done.err and "H100" in done.out
        chosen = load_cuda_artifact(out)
        assert chosen.chosen == fastest and chosen.records == load_records(compiled / "r.json")
        done = einnet("explain", out)
        assert done.status == 0 and f"variant '{fastest}'" in done.out
        (line,) = [text for text in done.out.splitlines() if "chosen in the artifact" in text]
        assert f"  {fastest}  " in line and "fastest" in line
        assert ("1.00x" if fastest == "original" else "4.00x") in line


def test_what_is_refused(
    compiled: Path, einnet: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
):
    def missing() -> None:
        raise ToolchainError("NVIDIA's driver (libcuda) is missing", hint="install it")

    monkeypatch.setattr("einnet.driver_cuda.find_gpus", missing)
    monkeypatch.setattr("einnet.toolchain.doctor.find_gpus", missing)
    monkeypatch.setattr("einnet.runtime.cuda.artifact.open_device", missing)
    monkeypatch.chdir(compiled)
    records = measured(compiled / "conv.einnet", "original")
    save_records(records, Path("r.json"))
    foreign = {n: s for n, s in records.variants.items() if n == "original"}
    save_records(Records(records.environment, {}, {}, foreign), Path("foreign.json"))
    Path("text.json").write_text("no records")
    compile_ = ("compile", "conv.mlir", "-o", "new.einnet")
    for arguments, message in [
        ((*compile_, *TARGET), "there is nothing to measure on: NVIDIA's driver"),
        ((*compile_, "--target", "cuda", "--records", "r.json"), "of precision fp16, not fp32"),
        ((*compile_, *TARGET, "--records", "foreign.json"), "the records are of another model"),
        ((*compile_, *TARGET, "--records", "text.json"), "text.json: error: not records"),
        ((*compile_, *TARGET, "--records", "no.json"), "no.json: error: cannot be read"),
        ((*compile_, "--records", "r.json"), "--records is of the target cuda"),
        ((*compile_, *TARGET, "--chips", "sm_70"), "no kernels are made for the chip 'sm_70'"),
        (("measure", "conv.einnet", "-o", "m.json"), "NVIDIA's driver (libcuda) is missing"),
        (("run", "conv.einnet"), "NVIDIA's driver (libcuda) is missing"),
        (("run", "conv.einnet", "--device", "cpu"), "was compiled for cuda, not for cpu"),
        (("bench", "conv.mlir", "--device", "cuda"), "NVIDIA's driver (libcuda) is missing"),
    ]:
        done = einnet(*arguments)
        assert done.status == 1 and message in done.err, (arguments, done.err)
        assert "Traceback" not in done.err and not done.out
        errors = [line for line in done.err.splitlines() if "error: " in line]
        assert len(errors) == 1
    assert not Path("new.einnet").exists() and not Path("m.json").exists()
