"""Structured operations of linalg mean what their loops say."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from lifting import lifted, random, refused, run

from einnet.expr.nodes import Call


def generic(body: str, shape: str = "3x4") -> str:
    """A function of %x and %y that computes `body` from their elements %a and %b."""
    return f"""
    #id = affine_map<(i, j) -> (i, j)>
    func.func @main(%x: tensor<{shape}xf32>, %y: tensor<{shape}xf32>) -> tensor<{shape}xf32> {{
      %zero = arith.constant 0.0 : f32
      %one = arith.constant 1.0 : f32
      %half = arith.constant 0.5 : f32
      %e = tensor.empty() : tensor<{shape}xf32>
      %r = linalg.generic {{indexing_maps = [#id, #id, #id],
                            iterator_types = ["parallel", "parallel"]}}
        ins(%x, %y : tensor<{shape}xf32>, tensor<{shape}xf32>) outs(%e : tensor<{shape}xf32>) {{
      ^bb0(%a: f32, %b: f32, %old: f32):
        {body}
        linalg.yield %v : f32
      }} -> tensor<{shape}xf32>
      return %r : tensor<{shape}xf32>
    }}"""


X, Y = random(3, 4, seed=1), random(3, 4, seed=2)
POSITIVE = np.abs(X) + 0.5

POINTWISE = {
    "%v = arith.addf %a, %b : f32": X + Y,
    "%v = arith.subf %a, %b : f32": X - Y,
    "%v = arith.negf %a : f32": -X,
    "%w = arith.addf %a, %b : f32\n%v = arith.mulf %w, %w : f32": (X + Y) ** 2,
    "%v = arith.divf %a, %b : f32": X / Y,
    "%v = arith.divf %a, %half : f32": X * 2,
    "%v = math.fma %a, %b, %half : f32": X * Y + 0.5,
    "%v = math.tanh %a : f32": np.tanh(X),
    "%v = math.exp %a : f32": np.exp(X),
    "%v = math.absf %a : f32": np.abs(X),
    "%v = math.erf %a : f32": np.vectorize(math.erf)(X),
    "%w = math.absf %a : f32\n%v = math.sqrt %w : f32": np.sqrt(np.abs(X)),
    "%w = math.absf %a : f32\n%v = math.rsqrt %w : f32": 1 / np.sqrt(np.abs(X)),
    "%w = math.absf %a : f32\n%v = math.log %w : f32": np.log(np.abs(X)),
    "%w = math.absf %a : f32\n%v = math.powf %w, %half : f32": np.sqrt(np.abs(X)),
    "%c = arith.constant 2.0 : f32\n%v = math.powf %a, %c : f32": X**2,
    "%c = arith.constant 3 : i32\n%v = math.fpowi %a, %c : f32, i32": X**3,
    "%v = arith.maximumf %a, %b : f32": np.maximum(X, Y),
    "%v = arith.minimumf %a, %b : f32": np.minimum(X, Y),
    "%v = arith.maxnumf %zero, %a : f32": np.maximum(X, 0),
    "%c = arith.cmpf ugt, %a, %zero : f32\n%v = arith.select %c, %a, %zero : f32": np.maximum(X, 0),
    "%c = arith.cmpf olt, %a, %zero : f32\n%v = arith.select %c, %zero, %a : f32": np.maximum(X, 0),
    "%c = arith.cmpf ult, %a, %b : f32\n%v = arith.select %c, %a, %b : f32": np.minimum(X, Y),
    "%c = arith.cmpf ogt, %a, %zero : f32\n%w = arith.mulf %a, %half : f32\n"
    "%v = arith.select %c, %a, %w : f32": np.where(X > 0, X, X / 2),
    "%c = arith.cmpf olt, %a, %zero : f32\n%w = arith.mulf %a, %half : f32\n"
    "%v = arith.select %c, %w, %a : f32": np.where(X > 0, X, X / 2),
    "%n = arith.negf %a : f32\n%g = math.exp %n : f32\n%d = arith.addf %g, %one : f32\n"
    "%v = arith.divf %one, %d : f32": 1 / (1 + np.exp(-X)),
}


@pytest.mark.parametrize("body", POINTWISE)
def test_pointwise(body: str) -> None:
    np.testing.assert_allclose(run(generic(body), x=X, y=Y), POINTWISE[body], rtol=1e-12)


@pytest.mark.parametrize(
    ("body", "function"),
    [
        (
            "%c = arith.cmpf ugt, %a, %zero : f32\n%v = arith.select %c, %a, %zero : f32",
            "relu",
        ),
        ("%v = arith.maximumf %a, %zero : f32", "relu"),
        (
            "%n = arith.negf %a : f32\n%g = math.exp %n : f32\n%d = arith.addf %one, %g : f32\n"
            "%v = arith.divf %one, %d : f32",
            "sigmoid",
        ),
    ],
)
def test_well_known_functions_keep_their_names(body: str, function: str) -> None:
    (definition,) = lifted(generic(body)).definitions
    (call,) = definition.scope.term.factors
    assert isinstance(call, Call)
    assert call.function == function


def test_constants_are_exactly_the_numbers_of_the_type() -> None:
    tenth = "%t = arith.constant 0.1 : f32\n%v = arith.mulf %a, %t : f32"
    (definition,) = lifted(generic(tenth)).definitions
    assert float(definition.scope.term.coefficient) == float(np.float32(0.1))


def test_a_wide_constant_is_rounded_where_the_model_rounds_it() -> None:
    body = "%t = arith.constant 1.0e-5 : f64\n%n = arith.truncf %t : f64 to f32\n"
    (definition,) = lifted(generic(body + "%v = arith.addf %a, %n : f32")).definitions
    assert definition.scope.body[1].coefficient == Fraction(float(np.float32(1e-5)))


def matmul(init: str) -> str:
    return f"""
    func.func @main(%a: tensor<3x5xf32>, %b: tensor<5x4xf32>, %c: tensor<3x4xf32>)
        -> tensor<3x4xf32> {{
      %zero = arith.constant 0.0 : f32
      %e = tensor.empty() : tensor<3x4xf32>
      %f = linalg.fill ins(%zero : f32) outs(%e : tensor<3x4xf32>) -> tensor<3x4xf32>
      %r = linalg.matmul ins(%a, %b : tensor<3x5xf32>, tensor<5x4xf32>)
                         outs({init} : tensor<3x4xf32>) -> tensor<3x4xf32>
      return %r : tensor<3x4xf32>
    }}"""


def test_matmul_into_zero_is_the_sum_alone() -> None:
    a, b, c = random(3, 5), random(5, 4), random(3, 4)
    np.testing.assert_allclose(run(matmul("%f"), a=a, b=b, c=c), a @ b)
    assert [d.label for d in lifted(matmul("%f")).definitions] == ["fill.1", "matmul.1"]


def test_matmul_into_a_tensor_is_a_sum_and_an_addition() -> None:
    a, b, c = random(3, 5), random(5, 4), random(3, 4)
    np.testing.assert_allclose(run(matmul("%c"), a=a, b=b, c=c), a @ b + c)
    sum_, total = lifted(matmul("%c")).definitions[-2:]
    assert sum_.scope.summation
    assert not total.scope.summation


CONVOLUTION = """
func.func @main(%x: tensor<2x3x9x8xf32>, %w: tensor<4x3x3x2xf32>, %bias: tensor<4xf32>)
    -> tensor<2x4x3x6xf32> {
  %e = tensor.empty() : tensor<2x4x3x6xf32>
  %b = linalg.broadcast ins(%bias : tensor<4xf32>) outs(%e : tensor<2x4x3x6xf32>)
       dimensions = [0, 2, 3]
  %r = linalg.conv_2d_nchw_fchw {dilations = dense<[2, 2]> : vector<2xi64>,
                                 strides = dense<[2, 1]> : vector<2xi64>}
       ins(%x, %w : tensor<2x3x9x8xf32>, tensor<4x3x3x2xf32>)
       outs(%b : tensor<2x4x3x6xf32>) -> tensor<2x4x3x6xf32>
  return %r : tensor<2x4x3x6xf32>
}"""


def test_convolution_with_strides_dilations_and_bias_as_initial_value() -> None:
    x, w, bias = random(2, 3, 9, 8), random(4, 3, 3, 2), random(4)
    expected = np.zeros((2, 4, 3, 6)) + bias[:, None, None]
    for h, v, r, s in np.ndindex(3, 6, 3, 2):
        expected[:, :, h, v] += x[:, :, 2 * h + 2 * r, v + 2 * s] @ w[:, :, r, s].T
    np.testing.assert_allclose(run(CONVOLUTION, x=x, w=w, bias=bias), expected)


def test_depthwise_and_grouped_convolutions() -> None:
    depthwise = """
    func.func @main(%x: tensor<1x3x5x5xf32>, %w: tensor<3x2x2xf32>) -> tensor<1x3x4x4xf32> {
      %zero = arith.constant dense<0.0> : tensor<1x3x4x4xf32>
      %r = linalg.depthwise_conv_2d_nchw_chw {dilations = dense<1> : vector<2xi64>,
             strides = dense<1> : vector<2xi64>}
           ins(%x, %w : tensor<1x3x5x5xf32>, tensor<3x2x2xf32>)
           outs(%zero : tensor<1x3x4x4xf32>) -> tensor<1x3x4x4xf32>
      return %r : tensor<1x3x4x4xf32>
    }"""
    x, w = random(1, 3, 5, 5), random(3, 2, 2)
    expected = np.zeros((1, 3, 4, 4))
    for r, s in np.ndindex(2, 2):
        expected += x[:, :, r : r + 4, s : s + 4] * w[:, r, s][:, None, None]
    np.testing.assert_allclose(run(depthwise, x=x, w=w), expected)
    grouped = """
    func.func @main(%x: tensor<1x2x3x5x5xf32>, %w: tensor<2x4x3x2x2xf32>)
        -> tensor<1x2x4x4x4xf32> {
      %zero = arith.constant dense<0.0> : tensor<1x2x4x4x4xf32>
      %r = linalg.conv_2d_ngchw_gfchw {dilations = dense<1> : vector<2xi64>,
             strides = dense<1> : vector<2xi64>}
           ins(%x, %w : tensor<1x2x3x5x5xf32>, tensor<2x4x3x2x2xf32>)
           outs(%zero : tensor<1x2x4x4x4xf32>) -> tensor<1x2x4x4x4xf32>
      return %r : tensor<1x2x4x4x4xf32>
    }"""
    x, w = random(1, 2, 3, 5, 5), random(2, 4, 3, 2, 2)
    expected = np.zeros((1, 2, 4, 4, 4))
    for r, s in np.ndindex(2, 2):
        part = x[:, :, :, r : r + 4, s : s + 4]
        expected += np.einsum("ngchw,gfc->ngfhw", part, w[..., r, s])
    np.testing.assert_allclose(run(grouped, x=x, w=w), expected)


def test_sum_pooling_takes_only_the_window_from_its_second_operand() -> None:
    pool = """
    func.func @main(%x: tensor<1x2x4x4xf32>) -> tensor<1x2x2x2xf32> {
      %window = tensor.empty() : tensor<2x2xf32>
      %zero = arith.constant dense<0.0> : tensor<1x2x2x2xf32>
      %r = linalg.pooling_nchw_sum {dilations = dense<1> : vector<2xi64>,
             strides = dense<2> : vector<2xi64>}
           ins(%x, %window : tensor<1x2x4x4xf32>, tensor<2x2xf32>)
           outs(%zero : tensor<1x2x2x2xf32>) -> tensor<1x2x2x2xf32>
      return %r : tensor<1x2x2x2xf32>
    }"""
    x = random(1, 2, 4, 4)
    expected = x.reshape(1, 2, 2, 2, 2, 2).sum(axis=(3, 5))
    np.testing.assert_allclose(run(pool, x=x), expected)


def test_reduction_adds_to_the_old_value_whatever_the_operands_order() -> None:
    text = """
    func.func @main(%x: tensor<3x4xf32>, %y: tensor<3xf32>) -> tensor<3xf32> {
      %r = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>,
                                            affine_map<(i, j) -> (i)>],
                           iterator_types = ["parallel", "reduction"]}
        ins(%x : tensor<3x4xf32>) outs(%y : tensor<3xf32>) {
      ^bb0(%a: f32, %old: f32):
        %w = arith.mulf %a, %a : f32
        %v = arith.addf %w, %old : f32
        linalg.yield %v : f32
      } -> tensor<3xf32>
      return %r : tensor<3xf32>
    }"""
    x, y = random(3, 4), random(3)
    np.testing.assert_allclose(run(text, x=x, y=y), (x * x).sum(axis=1) + y)


def test_transposed_output_and_affine_maps_with_div_and_mod() -> None:
    text = """
    func.func @main(%x: tensor<3x2xf32>) -> tensor<4x6xf32> {
      %e = tensor.empty() : tensor<4x6xf32>
      %s = tensor.empty() : tensor<6x4xf32>
      %r = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i floordiv 2, j mod 2)>,
                                            affine_map<(i, j) -> (i, j)>,
                                            affine_map<(i, j) -> (j, i)>],
                           iterator_types = ["parallel", "parallel"]}
        ins(%x, %s : tensor<3x2xf32>, tensor<6x4xf32>) outs(%e : tensor<4x6xf32>) {
      ^bb0(%a: f32, %unused: f32, %old: f32):
        linalg.yield %a : f32
      } -> tensor<4x6xf32>
      return %r : tensor<4x6xf32>
    }"""
    x = random(3, 2)
    expected = np.array([[x[i // 2, j % 2] for i in range(6)] for j in range(4)])
    np.testing.assert_allclose(run(text, x=x), expected)


def test_several_results_are_several_definitions() -> None:
    text = """
    #id = affine_map<(i) -> (i)>
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %e = tensor.empty() : tensor<4xf32>
      %r:2 = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel"]}
        ins(%x : tensor<4xf32>) outs(%e, %e : tensor<4xf32>, tensor<4xf32>) {
      ^bb0(%a: f32, %p: f32, %q: f32):
        %w = arith.addf %a, %a : f32
        %v = arith.mulf %a, %a : f32
        linalg.yield %w, %v : f32, f32
      } -> (tensor<4xf32>, tensor<4xf32>)
      %s = arith.subf %r#0, %r#1 : tensor<4xf32>
      return %s : tensor<4xf32>
    }"""
    x = random(4)
    np.testing.assert_allclose(run(text, x=x), 2 * x - x * x)


def test_half_precision_products_accumulate_in_the_result() -> None:
    text = """
    func.func @main(%a: tensor<3x5xf16>, %b: tensor<5x4xf16>) -> tensor<3x4xf32> {
      %zero = arith.constant dense<0.0> : tensor<3x4xf32>
      %r = linalg.matmul ins(%a, %b : tensor<3x5xf16>, tensor<5x4xf16>)
                         outs(%zero : tensor<3x4xf32>) -> tensor<3x4xf32>
      return %r : tensor<3x4xf32>
    }"""
    a, b = random(3, 5), random(5, 4)
    np.testing.assert_allclose(run(text, a=a, b=b), a @ b)
    definition = lifted(text).definitions[-1]
    assert definition.result.dtype == "f32"
    assert {t.dtype for t in definition.operands} == {"f16"}


GUARDED = """
%c0 = arith.constant 0 : index
%c1 = arith.constant 1 : index
%c2 = arith.constant 2 : index
%c3 = arith.constant 3 : index
%c4 = arith.constant 4 : index
%i = linalg.index 0 : index
%j = linalg.index 1 : index
%si = arith.subi %i, %c1 : index
%sj = arith.subi %j, %c2 : index
%li = arith.minsi %si, %c2 : index
%ci = arith.maxsi %li, %c0 : index
%lj = arith.minsi %sj, %c3 : index
%cj = arith.maxsi %lj, %c0 : index
%read = tensor.extract %x[%ci, %cj] : tensor<3x4xf32>
"""


def test_a_clamped_read_selected_by_its_guards_is_one_zero_extended_read() -> None:
    body = (
        GUARDED
        + """
    %g1 = arith.cmpi sge, %si, %c0 : index
    %g2 = arith.cmpi sge, %sj, %c0 : index
    %g3 = arith.cmpi slt, %sj, %c4 : index
    %m = arith.addi %j, %i : index
    %q = arith.remui %m, %c3 : index
    %g4 = arith.cmpi eq, %q, %c0 : index
    %h1 = arith.andi %g1, %g2 : i1
    %h2 = arith.andi %h1, %g3 : i1
    %h3 = arith.andi %h2, %g4 : i1
    %p = arith.mulf %read, %half : f32
    %v = arith.select %h3, %p, %zero : f32"""
    )
    expected = np.zeros((3, 4))
    for i, j in np.ndindex(3, 4):
        if i >= 1 and j >= 2 and (i + j) % 3 == 0:
            expected[i, j] = X[i - 1, j - 2] / 2
    text = generic(body)
    np.testing.assert_allclose(run(text, x=X, y=Y), expected)
    (definition,) = lifted(text).definitions
    assert len(definition.scope.body) == 1


def test_a_clamped_read_without_guards_repeats_the_edge() -> None:
    body = GUARDED + "%v = arith.addf %read, %b : f32"
    expected = np.array([[X[max(i - 1, 0), max(j - 2, 0)] for j in range(4)] for i in range(3)])
    np.testing.assert_allclose(run(generic(body), x=X, y=Y), expected + Y)


def test_reflection_by_select_on_an_index() -> None:
    body = """
    %c0 = arith.constant 0 : index
    %c3 = arith.constant 3 : index
    %i = linalg.index 0 : index
    %j = linalg.index 1 : index
    %s = arith.subi %c3, %j : index
    %t = arith.subi %s, %i : index
    %negative = arith.cmpi slt, %t, %c0 : index
    %minus = arith.subi %c0, %t : index
    %k = arith.select %negative, %minus, %t : index
    %v = tensor.extract %x[%i, %k] : tensor<3x4xf32>"""
    expected = np.array([[X[i, abs(3 - j - i)] for j in range(4)] for i in range(3)])
    np.testing.assert_allclose(run(generic(body), x=X, y=Y), expected)


def test_division_that_rounds_to_zero() -> None:
    body = """
    %c2 = arith.constant 2 : index
    %c3 = arith.constant 3 : index
    %i = linalg.index 0 : index
    %j = linalg.index 1 : index
    %s = arith.subi %j, %c3 : index
    %d = arith.divsi %s, %c2 : index
    %r = arith.remsi %s, %c2 : index
    %k = arith.subi %c2, %d : index
    %n = arith.addi %r, %c2 : index
    %p = tensor.extract %x[%i, %k] : tensor<3x4xf32>
    %q = tensor.extract %x[%i, %n] : tensor<3x4xf32>
    %v = arith.subf %p, %q : f32"""
    expected = np.zeros((3, 4))
    for i, j in np.ndindex(3, 4):
        quotient, remainder = math.trunc((j - 3) / 2), int(math.fmod(j - 3, 2))
        expected[i, j] = X[i, 2 - quotient] - X[i, 2 + remainder]
    np.testing.assert_allclose(run(generic(body), x=X, y=Y), expected)


def test_select_with_two_values_and_a_disjunction() -> None:
    body = """
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %i = linalg.index 0 : index
    %j = linalg.index 1 : index
    %g1 = arith.cmpi eq, %i, %c1 : index
    %g2 = arith.cmpi ugt, %j, %c2 : index
    %g = arith.ori %g1, %g2 : i1
    %v = arith.select %g, %a, %b : f32"""
    i, j = np.indices((3, 4))
    expected = np.where((i == 1) | (j > 2), X, Y)
    np.testing.assert_allclose(run(generic(body), x=X, y=Y), expected)


REFUSALS = {
    "%v = math.sin %a : f32": "math.sin",
    "%c = arith.cmpf ogt, %a, %b : f32\n%v = arith.select %c, %one, %zero : f32": "select on data",
    "%c = arith.cmpf oeq, %a, %b : f32\n%v = arith.select %c, %one, %zero : f32": "comparison",
    "%i = linalg.index 0 : index\n%k = arith.index_cast %i : index to i32\n"
    "%v = arith.sitofp %k : i32 to f32": "used as a number",
    "%k = arith.fptosi %a : f32 to i32\n%i = arith.index_cast %k : i32 to index\n"
    "%v = tensor.extract %x[%i, %i] : tensor<3x4xf32>": "arith.fptosi",
    "%i = linalg.index 0 : index\n%s = arith.muli %i, %i : index\n"
    "%v = tensor.extract %x[%i, %s] : tensor<3x4xf32>": "product of two positions",
    "%c = arith.constant 0xFF800000 : f32\n%v = arith.maximumf %a, %c : f32": "finite",
    "%v = arith.divf %a, %zero : f32": "division by zero",
    "%w = arith.addf %a, %a : f32\n%h = arith.truncf %w : f32 to f16\n"
    "%v = arith.extf %h : f16 to f32": "rounds in the middle",
    "%k = arith.constant 16777217 : i32\n%f = arith.sitofp %k : i32 to f32\n"
    "%v = arith.addf %a, %f : f32": "f32 may round",
    "%w = arith.addf %a, %b : f32\n%h = arith.truncf %w : f32 to f16\n"
    "%v = arith.extf %h : f16 to f32": "rounds in the middle",
}


@pytest.mark.parametrize("body", REFUSALS)
def test_what_the_language_lacks_stays_opaque_with_a_reason(body: str) -> None:
    reasons = [r for r in refused(generic(body)) if r.label == "generic.1"]
    assert len(reasons) == 1
    assert REFUSALS[body] in reasons[0].reason


def test_a_true_bit_is_minus_one_as_a_signed_number() -> None:
    text = """
    #id = affine_map<(i) -> (i)>
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %m = arith.constant dense<true> : tensor<4xi1>
      %e = tensor.empty() : tensor<4xf32>
      %r = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel"]}
          ins(%m, %x : tensor<4xi1>, tensor<4xf32>) outs(%e : tensor<4xf32>) {
      ^bb0(%a: i1, %b: f32, %old: f32):
        %s = arith.sitofp %a : i1 to f32
        %v = arith.addf %s, %b : f32
        linalg.yield %v : f32
      } -> tensor<4xf32>
      return %r : tensor<4xf32>
    }"""
    assert "generic.1" in {r.label for r in refused(text)}


def test_an_element_of_a_tensor_without_static_shape_is_not_read() -> None:
    text = """
    func.func @main(%x: tensor<?xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
      %r = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>],
                           iterator_types = ["parallel"]} outs(%y : tensor<4xf32>) {
      ^bb0(%old: f32):
        %i = linalg.index 0 : index
        %v = tensor.extract %x[%i] : tensor<?xf32>
        linalg.yield %v : f32
      } -> tensor<4xf32>
      return %r : tensor<4xf32>
    }"""
    assert [r.reason for r in refused(text)] == ["a read of an element of tensor<?xf32>"]


def test_a_reduction_that_is_no_sum_stays_opaque() -> None:
    text = """
    func.func @main(%x: tensor<1x2x4x4xf32>, %y: tensor<1x2x2x2xf32>) -> tensor<1x2x2x2xf32> {
      %window = tensor.empty() : tensor<2x2xf32>
      %r = linalg.pooling_nchw_max {dilations = dense<1> : vector<2xi64>,
             strides = dense<2> : vector<2xi64>}
           ins(%x, %window : tensor<1x2x4x4xf32>, tensor<2x2xf32>)
           outs(%y : tensor<1x2x2x2xf32>) -> tensor<1x2x2x2xf32>
      return %r : tensor<1x2x2x2xf32>
    }"""
    reasons = {r.label: r.reason for r in refused(text)}
    assert reasons["pooling_nchw_max.1"] == "a reduction that is no sum"
