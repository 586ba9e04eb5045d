"""The driver where its stages meet: what happens when the final proof is out of reach."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from einnet import driver
from einnet.driver import compile_model, optimize_module
from einnet.expr.program import Program
from einnet.frontend.mlir import import_mlir
from einnet.options import Options
from einnet.toolchain.mlir import make_context, parse_module
from einnet.trace import Trace
from einnet.verify.equivalence import Different, Undecided

PRODUCT = """
func.func @main(%a: tensor<4x6xf32> {einnet.name = "a"}, %b: tensor<6x5xf32> {einnet.name = "b"})
    -> tensor<4x5xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<4x5xf32>
  %fill = linalg.fill ins(%zero : f32) outs(%empty : tensor<4x5xf32>) -> tensor<4x5xf32>
  %c = linalg.matmul ins(%a, %b : tensor<4x6xf32>, tensor<6x5xf32>)
      outs(%fill : tensor<4x5xf32>) -> tensor<4x5xf32>
  return %c : tensor<4x5xf32>
}
"""

OPTIONS = Options(measure=False)


def compile_text(text: str, trace: Trace | None = None) -> driver.Compilation:
    model = import_mlir(Path("product.mlir"), text)
    compilation = compile_model(model, OPTIONS, trace or Trace())
    assert isinstance(compilation, driver.Compilation)
    return compilation


def test_a_product_becomes_a_library_call():
    compilation = compile_text(PRODUCT)
    assert [c.candidate.operator for c in compilation.choices] == ["matmul 4x5x6"]
    assert 'einnet.library = "blas"' in compilation.optimized


def test_what_cannot_be_proved_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch):
    real = driver.verify_plan
    messages: list[str] = []
    asked: list[object] = []

    def undecided(reference: Program, plan: Program, *, seed: int, rounds: int) -> object:
        asked.append(plan)
        return (
            Undecided("for a test")
            if len(asked) == 1
            else real(reference, plan, seed=seed, rounds=rounds)
        )

    monkeypatch.setattr(driver, "verify_plan", undecided)
    compilation = compile_text(PRODUCT, Trace(messages.append))
    assert compilation.choices == ()
    assert "blas" not in compilation.optimized and "linalg.matmul" in compilation.optimized
    assert any("for a test" in m for m in messages)


def test_what_is_refuted_is_our_bug(monkeypatch: pytest.MonkeyPatch):

    def different(*_: Program, **__: int) -> Different:
        return Different("main", (0,), (1, 2), (), 1, 0, ())

    monkeypatch.setattr(driver, "verify_plan", different)
    with pytest.raises(driver.RefutedError, match="not equal"):
        compile_text(PRODUCT)


def test_half_precision_products_are_left_to_generated_loops():
    text = PRODUCT.replace("f32", "f16")
    compilation = compile_text(text)
    assert compilation.choices == () and "blas" not in compilation.optimized


def test_functions_keep_their_order_and_those_without_contraction_stay():
    text = PRODUCT.replace("@main", "@second")
    text = (
        "func.func @first(%x: tensor<2xf32>) -> tensor<2xf32> { return %x : tensor<2xf32> }" + text
    )
    text += "func.func @third(%x: tensor<2xf32>) -> tensor<2xf32> { return %x : tensor<2xf32> }"
    module = optimize_module(parse_module(text, make_context()), OPTIONS)
    names = [op.name.value for op in module.body.operations]  # pyright: ignore[reportAttributeAccessIssue]
    assert names == ["first", "second", "third"]
    assert "blas" in str(module)


def test_the_artifact_of_a_compilation_runs(tmp_path: Path):
    from einnet.runtime.artifact import load_artifact

    driver.write(compile_text(PRODUCT), tmp_path / "p.einnet", OPTIONS)
    random = np.random.default_rng(0)
    a, b = random.random((4, 6), np.float32), random.random((6, 5), np.float32)
    (c,) = load_artifact(tmp_path / "p.einnet")(a, b)
    np.testing.assert_allclose(c, a @ b, rtol=1e-5)
