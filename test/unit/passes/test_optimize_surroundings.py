"""`einnet-optimize` on functions and modules with more than a product of tensors in them."""

from __future__ import annotations

import pytest
from mlir import ir

from einnet.errors import InputError
from einnet.passes.module_pass import Target
from einnet.passes.optimize import Optimize
from einnet.toolchain.mlir import make_context, parse_module

PRODUCT = """
func.func @f(%x: tensor<8x16xf32>, %w: tensor<16x4xf32> ARGUMENT) -> (tensor<8x4xf32> RESULT) {
  %zero = arith.constant dense<0.0> : tensor<8x4xf32>
  %p = linalg.matmul {LABEL} ins(%x, %w : tensor<8x16xf32>, tensor<16x4xf32>)
      outs(%zero : tensor<8x4xf32>) -> tensor<8x4xf32>
  return %p : tensor<8x4xf32>
}"""

PREPARED = """
func.func @f(%x: tensor<8x16xf32>, %v: tensor<16x4xf32> {einnet.weight = "v"})
    -> tensor<8x4xf32> {
  %empty = tensor.empty() : tensor<16x4xf32>
  %w = linalg.add ins(%v, %v : tensor<16x4xf32>, tensor<16x4xf32>)
      outs(%empty : tensor<16x4xf32>) -> tensor<16x4xf32>
  %zero = arith.constant dense<0.0> : tensor<8x4xf32>
  %p = linalg.matmul ins(%x, %w : tensor<8x16xf32>, tensor<16x4xf32>)
      outs(%zero : tensor<8x4xf32>) -> tensor<8x4xf32>
  return %p : tensor<8x4xf32>
}"""


def product(argument: str = "", result: str = "", label: str = "") -> str:
    text = PRODUCT.replace("ARGUMENT", argument).replace("RESULT", result)
    return text.replace("LABEL", label)


def optimized(text: str) -> ir.Module:
    module = parse_module(text, make_context(), "m.mlir")
    made = Optimize(measure=False, mutate=False).run(Target(module, filename="m.mlir"))
    assert made.operation.verify()
    return made


@pytest.mark.parametrize("other", ["tensor<?x4xf32>", "memref<4xf32>", "index"])
def test_results_that_are_no_static_tensors_stand_beside_products(other: str) -> None:
    text = f"""
func.func @f(%x: tensor<8x16xf32>, %w: tensor<16x4xf32>, %other: {other})
    -> (tensor<8x4xf32>, {other}) {{
  %zero = arith.constant dense<0.0> : tensor<8x4xf32>
  %p = linalg.matmul ins(%x, %w : tensor<8x16xf32>, tensor<16x4xf32>)
      outs(%zero : tensor<8x4xf32>) -> tensor<8x4xf32>
  return %p, %other : tensor<8x4xf32>, {other}
}}"""
    assert "einnet.library" in str(optimized(text))


def test_what_depends_on_weights_alone_is_prepared() -> None:
    """What the cases below must not get."""
    assert "@prepare" in str(optimized(PREPARED))


@pytest.mark.parametrize(
    "text",
    [
        f"memref.global @prepare : memref<4xf32>\n{PREPARED}",
        f"module @prepare {{}}\n{PREPARED}",
        f"module attributes {{my.entry = @f}} {{ {PREPARED} }}",
        f"module attributes {{my.entries = [{{of = @f}}]}} {{ {PREPARED} }}",
        PREPARED.replace("%x: tensor<8x16xf32>", "%x: tensor<8x16xf32> {einnet.constant = 0}"),
    ],
    ids=["a global @prepare", "a module @prepare", "its attribute", "nested", "a constant"],
)
def test_signatures_stay_where_the_module_depends_on_them(text: str) -> None:
    made = optimized(text)
    assert "func.func @prepare" not in str(made)
    assert "einnet.weight" in str(made)
    assert "einnet.library" in str(made)


@pytest.mark.parametrize(
    ("argument", "result", "message"),
    [
        ("{einnet.weight = 3}", "", "m.mlir:2:36: error: einnet.weight = 3 : i64 is not a name"),
        ("{einnet.name = 3}", "", "m.mlir:2:36: error: einnet.name = 3 : i64 is not a name"),
        ("", "{einnet.name = [1]}", "m.mlir:2:1: error: einnet.name = [1] is not a name"),
    ],
)
def test_a_name_that_is_no_string_is_the_users_error(
    argument: str, result: str, message: str
) -> None:
    with pytest.raises(InputError) as refusal:
        optimized(product(argument, result))
    assert message in str(refusal.value)


def test_a_label_that_is_no_string_is_no_label() -> None:
    assert "einnet.library" in str(optimized(product(label="einnet.label = 3")))
