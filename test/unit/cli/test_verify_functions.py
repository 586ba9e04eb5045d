"""`einnet verify` with functions: a difference is one of the functions themselves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from einnet.cli.main import main
from einnet.cli.verify import DIFFERENT, EQUAL, UNDECIDED

TERMS = """
#id = affine_map<(i) -> (i)>
func.func @main(%x: tensor<8xf32>, %z: tensor<8xf32>) -> tensor<8xf32> {{
  %e = tensor.empty() : tensor<8xf32>
  %r = linalg.generic {{indexing_maps = [#id, #id, #id], iterator_types = ["parallel"]}}
      ins(%x, %z : tensor<8xf32>, tensor<8xf32>) outs(%e : tensor<8xf32>) {{
  ^bb0(%a: f32, %b: f32, %o: f32):
    %zero = arith.constant 0.0 : f32
    %one = arith.constant 1.0 : f32
    {body}
    linalg.yield %y : f32
  }} -> tensor<8xf32>
  return %r : tensor<8xf32>
}}"""

SAME = "%y = arith.addf %a, %zero : f32"


def verified(folder: Path, texts: tuple[str, str]) -> int:
    files = [folder / "a.mlir", folder / "b.mlir"]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    return main(["verify", *map(str, files)])


def of_terms(folder: Path, first: str, second: str) -> int:
    return verified(folder, (TERMS.format(body=first), TERMS.format(body=second)))


@pytest.mark.parametrize(
    ("first", "second", "functions"),
    [
        ("%s = arith.addf %a, %b : f32\n%y = math.exp %s : f32",
         "%s = math.exp %a : f32\n%t = math.exp %b : f32\n%y = arith.mulf %s, %t : f32", "exp"),
        ("%s = arith.maximumf %a, %b : f32\n%y = arith.maximumf %s, %b : f32",
         "%y = arith.maximumf %a, %b : f32", "maximum"),
        ("%s = arith.maximumf %a, %zero : f32\n%y = arith.maximumf %s, %zero : f32",
         "%y = arith.maximumf %a, %zero : f32", "relu"),
        ("%s = arith.negf %a : f32\n%y = math.absf %s : f32", "%y = math.absf %a : f32", "abs"),
        ("%s = arith.divf %a, %b : f32\n%y = arith.mulf %s, %b : f32", SAME, "reciprocal"),
        ("%y = math.rsqrt %a : f32", "%s = math.sqrt %a : f32\n%y = arith.divf %one, %s : f32",
         "reciprocal, rsqrt"),
        ("%s = math.log %a : f32\n%y = math.exp %s : f32", SAME, "exp"),
    ],
    ids=["exp of a sum", "maximum twice", "relu twice", "absolute value", "quotient", "rsqrt",
         "logarithm"],
)  # fmt: skip
def test_what_rests_on_a_property_of_a_function_is_undecided(
    first: str, second: str, functions: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert of_terms(tmp_path, first, second) == UNDECIDED
    assert f"rests on a property of {functions}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("%y = math.exp %a : f32", "%s = arith.negf %a : f32\n%y = math.exp %s : f32"),
        ("%y = math.log %a : f32", "%s = math.log %b : f32\n%y = arith.addf %s, %s : f32"),
        ("%y = math.absf %a : f32", SAME),
        ("%y = arith.maximumf %a, %b : f32", "%y = arith.minimumf %a, %b : f32"),
        ("%s = math.exp %a : f32\n%y = arith.addf %s, %b : f32",
         "%s = math.exp %a : f32\n%y = arith.subf %s, %b : f32"),
    ],
)  # fmt: skip
def test_a_difference_has_values_in_double_precision(
    first: str, second: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert of_terms(tmp_path, first, second) == DIFFERENT
    found = re.search(
        r"^at \[\d\]: (\S+) in \S+, (\S+) in \S+, in double precision",
        capsys.readouterr().out,
        re.M,
    )
    assert found and abs(float(found[1]) - float(found[2])) > 1e-6


def test_functions_that_large_numbers_saturate_differ(tmp_path: Path) -> None:
    """`tanh` of long sums is 1 in double precision wherever the inputs are not small."""
    text = """
func.func @main(%x: tensor<4x2000xf32>, %w: tensor<2000x4xf32>) -> tensor<4x4xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x4xf32>
  %p = linalg.matmul ins(%x, %w : tensor<4x2000xf32>, tensor<2000x4xf32>)
      outs(%zero : tensor<4x4xf32>) -> tensor<4x4xf32>
  %t = linalg.tanh ins(%p : tensor<4x4xf32>) outs(%zero : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %t : tensor<4x4xf32>
}"""
    other = text.replace("%t = linalg.tanh ins(%p", "%q = linalg.add ins(%p, %p : tensor<4x4xf32>, "
                         "tensor<4x4xf32>) outs(%zero : tensor<4x4xf32>) -> tensor<4x4xf32>\n"
                         "  %t = linalg.tanh ins(%q")  # fmt: skip
    assert verified(tmp_path, (text, other)) == DIFFERENT


EMPTY = """
func.func @main(%a: tensor<8x0xf32>, %b: tensor<0x4xf32>, %c: tensor<8x4xf32>) -> tensor<8x4xf32> {
  %p = linalg.matmul ins(%a, %b : tensor<8x0xf32>, tensor<0x4xf32>)
      outs(%c : tensor<8x4xf32>) -> tensor<8x4xf32>
  %q = linalg.add ins(%p, %c : tensor<8x4xf32>, tensor<8x4xf32>)
      outs(%c : tensor<8x4xf32>) -> tensor<8x4xf32>
  return %q : tensor<8x4xf32>
}"""


def test_a_sum_over_nothing_is_compared(tmp_path: Path) -> None:
    assert verified(tmp_path, (EMPTY, EMPTY)) == EQUAL
    assert verified(tmp_path, (EMPTY, EMPTY.replace("ins(%p, %c", "ins(%c, %p"))) == EQUAL
    assert verified(tmp_path, (EMPTY, EMPTY.replace("linalg.add", "linalg.sub"))) != EQUAL
