"""Roundings that a program computes with stay, and those of a tensor's own type are no obstacle."""

from __future__ import annotations

import re

import numpy as np
import pytest
from mlir import ir

from einnet.bridge.lift import lift_composed
from einnet.codegen.cpu.jit import Executable
from einnet.codegen.cpu.lower import lower
from einnet.expr.program import Opaque
from einnet.passes.module_pass import Target
from einnet.passes.optimize import Optimize
from einnet.toolchain.mlir import make_context, parse_module

GENERIC = """
#id = affine_map<(i, j) -> (i, j)>
func.func @f(%x: tensor<8x16xf32>) -> tensor<8x16x{result}> {{
  %empty = tensor.empty() : tensor<8x16x{result}>
  %y = linalg.generic {{indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}}
      ins(%x : tensor<8x16xf32>) outs(%empty : tensor<8x16x{result}>) {{
  ^bb0(%a: f32, %old: {result}):
    {body}
  }} -> tensor<8x16x{result}>
  return %y : tensor<8x16x{result}>
}}"""

REST = """
    %half = arith.truncf %a : f32 to f16
    %back = arith.extf %half : f16 to f32
    %rest = arith.subf %a, %back : f32
    linalg.yield %rest : f32"""
SELECTED = """
    %half = arith.truncf %a : f32 to f16
    %other = arith.negf %half : f16
    %above = arith.cmpf ogt, %half, %other : f16
    %chosen = arith.select %above, %half, %other : f16
    %back = arith.extf %chosen : f16 to f32
    linalg.yield %back : f32"""
COMPARED = """
    %half = arith.truncf %a : f32 to f16
    %zero = arith.constant 0.0 : f16
    %none = arith.constant 0.0 : f32
    %above = arith.cmpf ogt, %half, %zero : f16
    %chosen = arith.select %above, %a, %none : f32
    linalg.yield %chosen : f32"""
COMPUTED = """
    %double = arith.addf %a, %a : f32
    %half = arith.truncf %double : f32 to f16
    %twice = arith.addf %half, %half : f16
    linalg.yield %twice : f16"""
YIELDED = """
    %double = arith.addf %a, %a : f32
    %half = arith.truncf %double : f32 to f16
    linalg.yield %half : f16"""
IN_THE_NARROW_TYPE = """
    %half = arith.truncf %a : f32 to f16
    %square = arith.mulf %half, %half : f16
    linalg.yield %square : f16"""


def is_opaque(result: str, body: str) -> bool:
    module = parse_module(GENERIC.format(result=result, body=body), make_context())
    return any(isinstance(s, Opaque) and s.operands for s in lift_composed(module, "f").statements)


@pytest.mark.parametrize(
    ("result", "body"),
    [("f32", REST), ("f32", SELECTED), ("f32", COMPARED), ("f16", COMPUTED)],
    ids=["widened", "through a select", "by comparison", "a sum rounded and used"],
)
def test_a_rounding_whose_rest_is_used_is_not_expressible(result: str, body: str) -> None:
    assert is_opaque(result, body)


@pytest.mark.parametrize("body", [YIELDED, IN_THE_NARROW_TYPE])
def test_a_rounding_to_the_type_of_the_result_is_expressible(body: str) -> None:
    assert not is_opaque("f16", body)


IN_ONE_REGION = """
#id = affine_map<(i, j) -> (i, j)>
func.func @f(%x: tensor<8x16xf32>, %w: tensor<16x4xf32>) -> (tensor<8x4xf32>, tensor<8x4xf32>) {
  %empty = tensor.empty() : tensor<8x16xf32>
  %zero = arith.constant dense<0.0> : tensor<8x4xf32>
  %low = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<8x16xf32>) outs(%empty : tensor<8x16xf32>) {
  ^bb0(%a: f32, %old: f32):
    %half = arith.truncf %a : f32 to f16
    %back = arith.extf %half : f16 to f32
    %rest = arith.subf %a, %back : f32
    linalg.yield %rest : f32
  } -> tensor<8x16xf32>
  %p = linalg.matmul ins(%x, %w : tensor<8x16xf32>, tensor<16x4xf32>)
      outs(%zero : tensor<8x4xf32>) -> tensor<8x4xf32>
  %q = linalg.matmul ins(%low, %w : tensor<8x16xf32>, tensor<16x4xf32>)
      outs(%zero : tensor<8x4xf32>) -> tensor<8x4xf32>
  return %p, %q : tensor<8x4xf32>, tensor<8x4xf32>
}"""

IN_TENSORS = """
#id = affine_map<(i, j) -> (i, j)>
func.func @f(%x: tensor<8x16xf32>, %w: tensor<16x4xf32>) -> (tensor<8x4xf32>, tensor<8x4xf32>) {
  %empty = tensor.empty() : tensor<8x16xf32>
  %halves = tensor.empty() : tensor<8x16xf16>
  %zero = arith.constant dense<0.0> : tensor<8x4xf32>
  %half = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<8x16xf32>) outs(%halves : tensor<8x16xf16>) {
  ^bb0(%a: f32, %old: f16):
    %rounded = arith.truncf %a : f32 to f16
    linalg.yield %rounded : f16
  } -> tensor<8x16xf16>
  %low = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %half : tensor<8x16xf32>, tensor<8x16xf16>) outs(%empty : tensor<8x16xf32>) {
  ^bb0(%a: f32, %b: f16, %old: f32):
    %back = arith.extf %b : f16 to f32
    %rest = arith.subf %a, %back : f32
    linalg.yield %rest : f32
  } -> tensor<8x16xf32>
  %high = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%half : tensor<8x16xf16>) outs(%empty : tensor<8x16xf32>) {
  ^bb0(%b: f16, %old: f32):
    %back = arith.extf %b : f16 to f32
    linalg.yield %back : f32
  } -> tensor<8x16xf32>
  %p = linalg.matmul ins(%high, %w : tensor<8x16xf32>, tensor<16x4xf32>)
      outs(%zero : tensor<8x4xf32>) -> tensor<8x4xf32>
  %q = linalg.matmul ins(%low, %w : tensor<8x16xf32>, tensor<16x4xf32>)
      outs(%zero : tensor<8x4xf32>) -> tensor<8x4xf32>
  return %p, %q : tensor<8x4xf32>, tensor<8x4xf32>
}"""


READ_ONCE = re.sub(r"  %high = .*?-> tensor<8x16xf32>\n", "", IN_TENSORS, flags=re.DOTALL).replace(
    "ins(%high", "ins(%x"
)
"""The tensor of half precision is read by the difference alone."""


@pytest.mark.parametrize(
    "text",
    [IN_ONE_REGION, IN_TENSORS, READ_ONCE],
    ids=["in one region", "in tensors", "in a tensor read once"],
)
def test_what_a_rounding_leaves_is_not_zero(text: str) -> None:
    """Half of a product in two parts of half precision: `x - f32(f16(x))`."""
    random = np.random.default_rng(0)
    x = random.standard_normal((8, 16)).astype(np.float32)
    w = random.standard_normal((16, 4)).astype(np.float32)
    expected = Executable(lower(text, "f"))(x, w)[1]
    got = Executable(lower(str(optimized(text)), "f"))(x, w)[1]
    assert np.abs(expected).max() > 1e-5
    np.testing.assert_allclose(got, expected, rtol=0.1, atol=1e-6)


def optimized(text: str) -> ir.Module:
    module = parse_module(text, make_context())
    return Optimize(measure=False, mutate=False).run(Target(module))
