"""Numbers that a type has not are emitted exactly, since verification is exact."""

from __future__ import annotations

from fractions import Fraction

import pytest
from lifting import function_of, module
from mlir import ir
from mlir.dialects import func

from einnet.bridge.lift import lift_function
from einnet.bridge.scalar import Float
from einnet.expr.program import Definition
from einnet.toolchain.mlir import run_pipeline

TENTH = Fraction(13421773, 2**27)
"""The f32 next to a tenth."""

TENTHS = {"f16": Fraction(819, 2**13), "bf16": Fraction(205, 2**11), "f32": TENTH, "f64": TENTH}


def emitted(value: Fraction, element: str) -> ir.Module:
    """A function that multiplies each element of its argument by the number."""
    owner = module(f"""
func.func @main(%x: tensor<4x{element}>) -> tensor<4x{element}> {{
  %e = tensor.empty() : tensor<4x{element}>
  %y = linalg.generic {{indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>],
      iterator_types = ["parallel"]}}
      ins(%x : tensor<4x{element}>) outs(%e : tensor<4x{element}>) {{
  ^bb0(%a: {element}, %o: {element}):
    %p = arith.mulf %a, %a : {element}
    linalg.yield %p : {element}
  }} -> tensor<4x{element}>
  return %y : tensor<4x{element}>
}}
""")
    body = function_of(owner).regions[0].blocks[0].operations[1].regions[0].blocks[0]
    product = body.operations[0].operation
    with ir.InsertionPoint(product), product.location:
        product.operands[1] = Float(product.results[0].type).constant(value)
    return owner


def coefficient(function: func.FuncOp) -> Fraction:
    (statement,) = lift_function(function).statements
    assert isinstance(statement, Definition)
    return statement.scope.term.coefficient


@pytest.mark.parametrize("element", TENTHS)
def test_the_number_comes_back(element: str) -> None:
    tenth = TENTHS[element]
    fractions = [Fraction(1, 6), Fraction(-5, 9), Fraction(3, 4), Fraction(-7)]
    for value in (*fractions, tenth, -tenth * tenth, 1 / tenth, Fraction(1, 3) / tenth):
        owner = emitted(value, element)
        assert owner.operation.verify()
        assert coefficient(function_of(owner)) == value


@pytest.mark.parametrize("value", [Fraction(3, 4), Fraction(-7), Fraction(0), TENTH], ids=str)
def test_a_number_of_the_type_is_one_constant(value: Fraction) -> None:
    text = str(emitted(value, "f32"))
    assert text.count("arith.constant") == 1
    assert "arith.addf" not in text and "arith.divf" not in text


@pytest.mark.parametrize("value", [Fraction(1, 6), TENTH * TENTH, 1 / TENTH], ids=str)
def test_mlir_folds_it_to_the_number_next_to_it(value: Fraction) -> None:
    owner = emitted(value, "f64")
    run_pipeline(owner, "builtin.module(canonicalize)")
    assert str(owner).count("arith.constant") == 1
    assert float(coefficient(function_of(owner))) == pytest.approx(float(value), rel=2**-51)
