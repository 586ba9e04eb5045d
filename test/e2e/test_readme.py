"""The pass pipeline that the README shows runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from einnet.cli.opt import main

README = Path(__file__).resolve().parents[2] / "README.md"

CONVOLUTION = """
#in = affine_map<(h, w, f, r, s, c) -> (h + r, w + s, c)>
#kernel = affine_map<(h, w, f, r, s, c) -> (r, s, c, f)>
#out = affine_map<(h, w, f, r, s, c) -> (h, w, f)>
func.func @main(%x: tensor<8x9x4xf32>, %k: tensor<3x3x4x5xf32>) -> tensor<6x7x5xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<6x7x5xf32>
  %fill = linalg.fill ins(%zero : f32) outs(%empty : tensor<6x7x5xf32>) -> tensor<6x7x5xf32>
  %y = linalg.generic {indexing_maps = [#in, #kernel, #out], iterator_types = ["parallel",
      "parallel", "parallel", "reduction", "reduction", "reduction"], einnet.label = "conv"}
      ins(%x, %k : tensor<8x9x4xf32>, tensor<3x3x4x5xf32>) outs(%fill : tensor<6x7x5xf32>) {
  ^bb0(%a: f32, %b: f32, %acc: f32):
    %m = arith.mulf %a, %b : f32
    %sum = arith.addf %acc, %m : f32
    linalg.yield %sum : f32
  } -> tensor<6x7x5xf32>
  return %y : tensor<6x7x5xf32>
}
"""


def test_the_pipeline(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    found = re.search(r"einnet-opt conv\.mlir --pass-pipeline='(.*?)'", README.read_text(), re.S)
    assert found is not None
    path = tmp_path / "conv.mlir"
    path.write_text(CONVOLUTION)
    assert main([str(path), f"--pass-pipeline={found.group(1)}"]) == 0
    out = capsys.readouterr().out
    # One product over the whole input, and one sum of shifted reads of it.
    assert out.count("linalg.generic") == 2 and "tensor<8x9x5x3x3xf32>" in out
