"""`einnet-lower-to-cpu` is the lowering of a compilation."""

from __future__ import annotations

import numpy as np
import pytest

from einnet.codegen.cpu.jit import Executable
from einnet.codegen.cpu.lower import Lowered, lower
from einnet.errors import InputError
from einnet.passes.pipeline import parse_pipeline
from einnet.toolchain.mlir import make_context, parse_module

PRODUCT = """
func.func @product(%a: tensor<24x20xf32>, %b: tensor<20x28xf32>) -> tensor<24x28xf32> {
  %zero = arith.constant dense<0.0> : tensor<24x28xf32>
  %p = linalg.matmul {einnet.library = "blas"} ins(%a, %b : tensor<24x20xf32>, tensor<20x28xf32>)
      outs(%zero : tensor<24x28xf32>) -> tensor<24x28xf32>
  return %p : tensor<24x28xf32>
}
"""


def run(text: str, options: str = "") -> str:
    # As einnet-opt has it by default: without unregistered dialects.
    context = make_context()
    module = parse_module(text, context)
    passes = f"builtin.module(einnet-lower-to-cpu{{{options}}})"
    lowered = str(parse_pipeline(passes, context).run(module))
    assert not context.allow_unregistered_dialects
    return lowered


def test_it_is_the_lowering_of_a_compilation() -> None:
    assert run(PRODUCT) == lower(PRODUCT, "product").text


@pytest.mark.parametrize("blas", ["true", "false"])
def test_it_computes_the_product(blas: str) -> None:
    text = run(PRODUCT, f"blas={blas}")
    assert ("cblas" in text) == (blas == "true")
    executable = Executable(Lowered(text, lower(PRODUCT, "product").main, None))
    random = np.random.default_rng(0)
    a, b = random.random((24, 20), np.float32), random.random((20, 28), np.float32)
    (c,) = executable(a, b)
    np.testing.assert_allclose(c, a @ b, rtol=1e-5)


def test_a_refusal_leaves_the_context_as_it_was() -> None:
    context = make_context()
    module = parse_module(PRODUCT.replace("f32", "bf16"), context)
    with pytest.raises(InputError):
        parse_pipeline("builtin.module(einnet-lower-to-cpu)", context).run(module)
    assert not context.allow_unregistered_dialects


def test_a_private_function_can_be_the_entry() -> None:
    private = PRODUCT.replace("@product", "private @product")
    caller = PRODUCT.replace("@product", "@other")
    assert run(private + caller, "entry=product") == lower(PRODUCT, "product").text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"blas"', "3", "4:8: error: linalg.matmul: einnet.library = 3 : i64 is not the name"),
        ("20xf32>,", "20xf32> {einnet.name = 3},", "2:1: error: einnet.name = 3 : i64 is not"),
        ("20xf32>,", "20xf32> {einnet.weight = 3},", "2:1: error: einnet.weight = 3 : i64 is not"),
        (
            "20xf32>,",
            '20xf32> {einnet.constant = "0"},',
            '2:1: error: einnet.constant = "0" is not',
        ),
        (") -> t", ") -> (t", "2:1: error: einnet.name = 3 : i64 is not a name"),
    ],
    ids=["library", "name", "weight", "constant", "name of a result"],
)
def test_attributes_of_another_type_are_the_users_error(old: str, new: str, message: str) -> None:
    text = PRODUCT.replace(old, new, 1)
    if new == ") -> (t":
        text = text.replace("28xf32> {", "28xf32> {einnet.name = 3}) {", 1)
    with pytest.raises(InputError) as refusal:
        lower(text, "product", "m.mlir")
    assert f"m.mlir:{message}" in str(refusal.value)
