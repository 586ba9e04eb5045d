"""Mutants from a model to what runs: chosen by estimate on a CPU, in the race of a GPU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from einnet import driver
from einnet.cli.explain_artifact import explain_artifact
from einnet.driver import Compilation, compile_file
from einnet.driver_cuda import CudaCompilation
from einnet.options import Options
from einnet.runtime.artifact import load_artifact
from einnet.trace import Trace

Array = NDArray[Any]

PARALLEL = """
func.func @main(%x: tensor<4x32xf32> {einnet.name = "x"},
    %v: tensor<32x16xf32> {einnet.weight = "v"}, %w: tensor<16x16xf32> {einnet.weight = "w"})
    -> (tensor<4x16xf32> {einnet.name = "y"}, tensor<4x16xf32> {einnet.name = "z"}) {
  %zero = arith.constant dense<0.0> : tensor<4x16xf32>
  %a = linalg.matmul ins(%x, %v : tensor<4x32xf32>, tensor<32x16xf32>)
      outs(%zero : tensor<4x16xf32>) -> tensor<4x16xf32>
  %part = tensor.extract_slice %x[0, 8] [4, 16] [1, 1] : tensor<4x32xf32> to tensor<4x16xf32>
  %b = linalg.matmul ins(%part, %w : tensor<4x16xf32>, tensor<16x16xf32>)
      outs(%zero : tensor<4x16xf32>) -> tensor<4x16xf32>
  %y = linalg.exp ins(%a : tensor<4x16xf32>) outs(%zero : tensor<4x16xf32>) -> tensor<4x16xf32>
  %z = linalg.tanh ins(%b : tensor<4x16xf32>) outs(%zero : tensor<4x16xf32>) -> tensor<4x16xf32>
  return %y, %z : tensor<4x16xf32>, tensor<4x16xf32>
}
"""
"""Two products, one of a part of what the other one reads: one product with padded weights."""

IMAGES = """
func.func @main(%x: tensor<2x32x24x24xf32> {einnet.name = "x"},
    %w: tensor<64x32x3x3xf32> {einnet.weight = "w"})
    -> (tensor<2x64x24x24xf32> {einnet.name = "y"}) {
  %zero = arith.constant 0.0 : f32
  %padded = tensor.pad %x low[0, 0, 1, 1] high[0, 0, 1, 1] {
    ^bb0(%i: index, %j: index, %k: index, %l: index):
      tensor.yield %zero : f32
  } : tensor<2x32x24x24xf32> to tensor<2x32x26x26xf32>
  %empty = tensor.empty() : tensor<2x64x24x24xf32>
  %zeros = linalg.fill ins(%zero : f32) outs(%empty : tensor<2x64x24x24xf32>)
      -> tensor<2x64x24x24xf32>
  %y = linalg.conv_2d_nchw_fchw ins(%padded, %w : tensor<2x32x26x26xf32>, tensor<64x32x3x3xf32>)
      outs(%zeros : tensor<2x64x24x24xf32>) -> tensor<2x64x24x24xf32>
  return %y : tensor<2x64x24x24xf32>
}
"""
"""Two images in one convolution: they may stand side by side, corrected at the seam."""

RANDOM = np.random.default_rng(0)
WEIGHTS: dict[str, dict[str, Array]] = {
    PARALLEL: {n: RANDOM.random(s, np.float32) for n, s in (("v", (32, 16)), ("w", (16, 16)))},
    IMAGES: {"w": RANDOM.random((64, 32, 3, 3), np.float32)},
}


def compiled(folder: Path, text: str, options: Options) -> Compilation | CudaCompilation:
    path = folder / "model.mlir"
    path.write_text(text)
    save_file(WEIGHTS[text], path.with_suffix(".safetensors"))
    return compile_file(str(path), options, Trace())


def test_a_cpu_runs_the_mutant_that_estimates_choose(tmp_path: Path):
    options = Options(measure=False)
    compilation = compiled(tmp_path, PARALLEL, options)
    assert isinstance(compilation, Compilation)
    assert [c.candidate.mutant for c in compilation.choices] == ["merge-padded"] * 2
    assert compilation.optimized.count("linalg.matmul") == 1
    driver.write(compilation, tmp_path / "m.einnet", options)
    x = np.random.default_rng(1).random((4, 32), np.float32)
    y, z = load_artifact(tmp_path / "m.einnet")(x)
    np.testing.assert_allclose(y, np.exp(x @ WEIGHTS[PARALLEL]["v"]), rtol=1e-4)
    np.testing.assert_allclose(z, np.tanh(x[:, 8:24] @ WEIGHTS[PARALLEL]["w"]), rtol=1e-4)
    stored = (tmp_path / "m.einnet").rglob("*.json")
    assert any('"merge-padded"' in path.read_text() for path in stored)


def test_without_mutants_there_are_none(tmp_path: Path):
    compilation = compiled(tmp_path, PARALLEL, Options(measure=False, mutate=False))
    assert isinstance(compilation, Compilation)
    found = [c for choice in compilation.choices for c in choice.subprogram.candidates]
    assert found and not any(c.mutant or c.joint for c in found)


def test_measured_mutants_are_compared_with_what_was_chosen_apart(tmp_path: Path):
    messages: list[str] = []
    path = tmp_path / "model.mlir"
    path.write_text(PARALLEL)
    save_file(WEIGHTS[PARALLEL], path.with_suffix(".safetensors"))
    compile_file(str(path), Options(repetitions=2), Trace(messages.append))
    assert any(m.startswith("v0+v1: merge-padded: ") for m in messages)


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> tuple[CudaCompilation, Path]:
    folder = tmp_path_factory.mktemp("images")
    options = Options(target="cuda", precision="tf32", measure=False)
    compilation = compiled(folder, IMAGES, options)
    assert isinstance(compilation, CudaCompilation)
    driver.write(compilation, folder / "m.einnet", options)
    return compilation, folder / "m.einnet"


def test_a_gpu_has_corrected_mutants_in_the_race(raced: tuple[CudaCompilation, Path]):
    compilation, folder = raced
    race = compilation.race
    named = [name for name in race.hosts if "correction" in name]
    assert named and not race.dropped
    text = "\n".join(explain_artifact(folder, named[0]))
    assert "mutant" in text and "correction" in text
    for name in named:
        for symbol in race.hosts[name].symbols:
            assert race.cubins["sm_90a"][symbol]
    trace = json.loads((folder / "trace.json").read_text())
    assert any(c["mutant"] for record in trace for c in record["candidates"])
