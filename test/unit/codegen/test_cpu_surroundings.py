"""The CPU target on modules in which more stands than the function that is lowered."""

from __future__ import annotations

import numpy as np
import pytest

from einnet.codegen.cpu.jit import Executable
from einnet.codegen.cpu.lower import lower
from einnet.errors import InputError

PRODUCT = """
func.func @{name}(%a: tensor<4x6xf32>, %b: tensor<6x5xf32>) -> tensor<4x5xf32> {{
  %z = arith.constant dense<0.0> : tensor<4x5xf32>
  %0 = linalg.matmul ins(%a, %b : tensor<4x6xf32>, tensor<6x5xf32>)
      outs(%z : tensor<4x5xf32>) -> tensor<4x5xf32>
  return %0 : tensor<4x5xf32>
}}
"""
MAIN = PRODUCT.format(name="main")


def check_product(text: str, name: str = "main") -> None:
    random = np.random.default_rng(0)
    a = random.standard_normal((4, 6)).astype(np.float32)
    b = random.standard_normal((6, 5)).astype(np.float32)
    (c,) = Executable(lower(text, name))(a, b)
    np.testing.assert_allclose(c, a @ b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "beside",
    [
        f"module @inner {{ {MAIN} }}",
        f"module {{ module {{ {MAIN} }} }}",
        'func.func @other() { "foreign.region"() ({ "foreign.end"() : () -> () }) : () -> ()'
        "  return }",
        "func.func @dynamic(%x: tensor<?xf32>) -> tensor<?xf32> { return %x : tensor<?xf32> }",
        "gpu.module @kernels { gpu.func @k() kernel { gpu.return } }",
        '"foreign.no_symbol"() : () -> ()',
        PRODUCT.format(name="prepare"),
    ],
)
def test_what_is_not_needed_is_not_lowered(beside: str) -> None:
    check_product(f"{beside}\n{MAIN}")
    check_product(f"{MAIN}\n{beside}")


def test_what_is_called_through_others_is_lowered() -> None:
    call = """
func.func private @"through {n}"(%a: tensor<4x6xf32>, %b: tensor<6x5xf32>) -> tensor<4x5xf32> {{
  %0 = call @{callee}(%a, %b) : (tensor<4x6xf32>, tensor<6x5xf32>) -> tensor<4x5xf32>
  return %0 : tensor<4x5xf32>
}}
"""
    first, second = call.format(n=1, callee='"through 2"'), call.format(n=2, callee="main")
    check_product(first + second + MAIN, "through 1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "func.func @main(%a: tensor<4xf32>) -> tensor<4xf32> {\n"
            '  %0 = "foreign.op"(%a) : (tensor<4xf32>) -> tensor<4xf32>\n'
            "  return %0 : tensor<4xf32> }",
            "m.mlir:2:8: error: no dialect has the operation foreign.op",
        ),
        (
            "func.func @main(%a: tensor<4x0xf32>) -> tensor<4x0xf32> {\n"
            "  return %a : tensor<4x0xf32> }",
            "m.mlir:1:1: error: @main: tensor<4x0xf32> has no elements",
        ),
        (
            'func.func @main(%a: tensor<4xf32, "tiled">) -> tensor<4xf32, "tiled"> {\n'
            '  return %a : tensor<4xf32, "tiled"> }',
            'm.mlir:1:1: error: @main: tensor<4xf32, "tiled"> is not dense',
        ),
        (
            "func.func @main(%a: tensor<4x6xf32>, %b: tensor<6x5xf32>, %c: tensor<4x5xf64>)\n"
            '  -> tensor<4x5xf64> { %0 = linalg.matmul {einnet.library = "blas"}\n'
            "  ins(%a, %b : tensor<4x6xf32>, tensor<6x5xf32>) outs(%c : tensor<4x5xf64>)\n"
            "  -> tensor<4x5xf64> return %0 : tensor<4x5xf64> }",
            "BLAS has no product of f32 in f64",
        ),
        (
            "func.func @main(%a: tensor<24x8xf32>) -> tensor<3x4x8x2xf32> {\n"
            "  %c8 = arith.constant 8 : index\n"
            "  %e = tensor.empty(%c8) : tensor<3x4x?x2xf32>\n"
            "  %p = linalg.pack %a inner_dims_pos = [0, 1] inner_tiles = [%c8, 2] into %e\n"
            "      : tensor<24x8xf32> -> tensor<3x4x?x2xf32>\n"
            "  %r = tensor.cast %p : tensor<3x4x?x2xf32> to tensor<3x4x8x2xf32>\n"
            "  return %r : tensor<3x4x8x2xf32> }",
            "m.mlir:4:8: error: MLIR cannot decompose linalg.pack: cannot lower",
        ),
    ],
    ids=["unknown operation", "empty", "encoded", "mixed product", "dynamic tiles"],
)
def test_refusals_have_a_place(text: str, message: str) -> None:
    with pytest.raises(InputError) as refusal:
        lower(text, "main", "m.mlir")
    assert message in str(refusal.value)


def test_softmax_and_packing_are_computed() -> None:
    text = """
func.func @main(%a: tensor<5x8xf32>) -> (tensor<5x8xf32>, tensor<3x2x2x4xf32>) {
  %zero = arith.constant 7.0 : f32
  %e = tensor.empty() : tensor<5x8xf32>
  %s = linalg.softmax dimension(1) ins(%a : tensor<5x8xf32>) outs(%e : tensor<5x8xf32>)
      -> tensor<5x8xf32>
  %ep = tensor.empty() : tensor<3x2x2x4xf32>
  %p = linalg.pack %a padding_value(%zero : f32) inner_dims_pos = [0, 1] inner_tiles = [2, 4]
      into %ep : tensor<5x8xf32> -> tensor<3x2x2x4xf32>
  return %s, %p : tensor<5x8xf32>, tensor<3x2x2x4xf32>
}
"""
    a = np.random.default_rng(0).standard_normal((5, 8)).astype(np.float32)
    softmax, packed = Executable(lower(text))(a)
    powers = np.exp(a.astype(np.float64))
    np.testing.assert_allclose(softmax, powers / powers.sum(1, keepdims=True), rtol=1e-5)
    padded = np.concatenate([a, np.full((1, 8), 7, np.float32)])
    expected = padded.reshape(3, 2, 2, 4).transpose(0, 2, 1, 3)
    np.testing.assert_array_equal(packed, expected)
