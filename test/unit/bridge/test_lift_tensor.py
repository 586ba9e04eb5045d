"""Operations of the tensor dialect, and constants, mean what their definition says."""

from __future__ import annotations

import numpy as np
import pytest
from lifting import Array, lifted, random, refused, run

X = random(2, 3, 4)


def unary(operations: str, result: str, source: str = "2x3x4") -> str:
    """A function of %x whose result is %r."""
    return f"""
    func.func @main(%x: tensor<{source}xf32>) -> tensor<{result}xf32> {{
      %zero = arith.constant 0.0 : f32
      %seven = arith.constant 7.0 : f32
      {operations}
      return %r : tensor<{result}xf32>
    }}"""


def padded(value: str) -> str:
    return f"""
      %r = tensor.pad %x low[0, 1, -1] high[0, 2, 1] {{
      ^bb0(%i: index, %j: index, %k: index):
        tensor.yield {value} : f32
      }} : tensor<2x3x4xf32> to tensor<2x6x4xf32>"""


def pad(value: float) -> Array:
    return np.pad(X, ((0, 0), (1, 2), (0, 1)), constant_values=value)[:, :, 1:]


def insertion(strided: bool) -> Array:
    result = np.zeros((2, 7, 9))
    if strided:
        result[:, 1:6:2, 1:9:2] = X
    else:
        result[:, 2:5, 4:8] = X
    return result


def overwritten() -> Array:
    result = X.copy()
    result[0, 1:3, 0:4:3] = X[1, 0:2, 0:2]
    return result


MOVEMENTS = {
    "zero pad": (padded("%zero"), "2x6x4", pad(0)),
    "pad with 7": (padded("%seven"), "2x6x4", pad(7)),
    "slice": (
        "%r = tensor.extract_slice %x[0, 1, 0] [2, 2, 2] [1, 1, 2]"
        " : tensor<2x3x4xf32> to tensor<2x2x2xf32>",
        "2x2x2",
        X[:, 1:3, 0::2],
    ),
    "slice of lower rank": (
        "%r = tensor.extract_slice %x[1, 0, 2] [1, 3, 1] [1, 1, 1]"
        " : tensor<2x3x4xf32> to tensor<3x1xf32>",
        "3x1",
        X[1, :, 2:3],
    ),
    "insertion into zeros": (
        "%z = tensor.splat %zero : tensor<2x7x9xf32>\n"
        "%r = tensor.insert_slice %x into %z[0, 2, 4] [2, 3, 4] [1, 1, 1]"
        " : tensor<2x3x4xf32> into tensor<2x7x9xf32>",
        "2x7x9",
        insertion(strided=False),
    ),
    "strided insertion into zeros": (
        "%z = arith.constant dense<0.0> : tensor<2x7x9xf32>\n"
        "%r = tensor.insert_slice %x into %z[0, 1, 1] [2, 3, 4] [1, 2, 2]"
        " : tensor<2x3x4xf32> into tensor<2x7x9xf32>",
        "2x7x9",
        insertion(strided=True),
    ),
    "strided insertion into sevens": (
        "%z = arith.constant dense<7.0> : tensor<2x7x9xf32>\n"
        "%r = tensor.insert_slice %x into %z[0, 1, 1] [2, 3, 4] [1, 2, 2]"
        " : tensor<2x3x4xf32> into tensor<2x7x9xf32>",
        "2x7x9",
        np.where(insertion(strided=True) == 0, 7, insertion(strided=True)),
    ),
    "insertion into a tensor": (
        "%s = tensor.extract_slice %x[1, 0, 0] [1, 2, 2] [1, 1, 1]"
        " : tensor<2x3x4xf32> to tensor<2x2xf32>\n"
        "%r = tensor.insert_slice %s into %x[0, 1, 0] [1, 2, 2] [1, 1, 3]"
        " : tensor<2x2xf32> into tensor<2x3x4xf32>",
        "2x3x4",
        overwritten(),
    ),
    "collapse": (
        "%r = tensor.collapse_shape %x [[0], [1, 2]] : tensor<2x3x4xf32> into tensor<2x12xf32>",
        "2x12",
        X.reshape(2, 12),
    ),
    "expand": (
        "%r = tensor.expand_shape %x [[0, 1], [2], [3, 4]] output_shape [1, 2, 3, 2, 2]"
        " : tensor<2x3x4xf32> into tensor<1x2x3x2x2xf32>",
        "1x2x3x2x2",
        X.reshape(1, 2, 3, 2, 2),
    ),
    "reshape across groups": (
        "%s = arith.constant dense<[4, 6]> : tensor<2xindex>\n"
        "%r = tensor.reshape %x(%s) : (tensor<2x3x4xf32>, tensor<2xindex>) -> tensor<4x6xf32>",
        "4x6",
        X.reshape(4, 6),
    ),
    "concatenation": (
        "%r = tensor.concat dim(1) %x, %x, %x"
        " : (tensor<2x3x4xf32>, tensor<2x3x4xf32>, tensor<2x3x4xf32>) -> tensor<2x9x4xf32>",
        "2x9x4",
        np.concatenate([X, X, X], axis=1),
    ),
    "transposition": (
        "%e = tensor.empty() : tensor<4x2x3xf32>\n"
        "%r = linalg.transpose ins(%x : tensor<2x3x4xf32>) outs(%e : tensor<4x2x3xf32>)"
        " permutation = [2, 0, 1]",
        "4x2x3",
        X.transpose(2, 0, 1),
    ),
    "broadcast": (
        "%e = tensor.empty() : tensor<2x3x5x4xf32>\n"
        "%r = linalg.broadcast ins(%x : tensor<2x3x4xf32>) outs(%e : tensor<2x3x5x4xf32>)"
        " dimensions = [2]",
        "2x3x5x4",
        np.repeat(X[:, :, None], 5, axis=2),
    ),
    "pixel shuffle": (
        "%a = tensor.expand_shape %x [[0, 1], [2], [3]] output_shape [2, 1, 3, 4]"
        " : tensor<2x3x4xf32> into tensor<2x1x3x4xf32>\n"
        "%e = tensor.empty() : tensor<1x3x4x2xf32>\n"
        "%t = linalg.transpose ins(%a : tensor<2x1x3x4xf32>) outs(%e : tensor<1x3x4x2xf32>)"
        " permutation = [1, 2, 3, 0]\n"
        "%r = tensor.collapse_shape %t [[0, 1], [2, 3]]"
        " : tensor<1x3x4x2xf32> into tensor<3x8xf32>",
        "3x8",
        X.transpose(1, 2, 0).reshape(3, 8),
    ),
    "generated": (
        "%r = tensor.generate {\n^bb0(%i: index, %j: index):\n"
        "%c = arith.constant 2 : index\n%k = arith.subi %c, %j : index\n"
        "%v = tensor.extract %x[%i, %k, %c] : tensor<2x3x4xf32>\ntensor.yield %v : f32\n"
        "} : tensor<2x3xf32>",
        "2x3",
        X[:, ::-1, 2],
    ),
    "elementwise on tensors": (
        "%t = math.tanh %x : tensor<2x3x4xf32>\n%r = arith.mulf %t, %x : tensor<2x3x4xf32>",
        "2x3x4",
        np.tanh(X) * X,
    ),
    "small constant": (
        "%c = arith.constant dense<[[[1.0], [0.0], [-2.5]], [[3.0], [4.0], [5.0]]]>"
        " : tensor<2x3x1xf32>\n%e = tensor.empty() : tensor<2x3x4xf32>\n"
        "%r = linalg.generic {indexing_maps = [affine_map<(i, j, k) -> (i, j, k)>,"
        " affine_map<(i, j, k) -> (i, j, 0)>, affine_map<(i, j, k) -> (i, j, k)>],"
        ' iterator_types = ["parallel", "parallel", "parallel"]}'
        " ins(%x, %c : tensor<2x3x4xf32>, tensor<2x3x1xf32>) outs(%e : tensor<2x3x4xf32>) {\n"
        "^bb0(%a: f32, %b: f32, %o: f32):\n%v = arith.mulf %a, %b : f32\n"
        "linalg.yield %v : f32\n} -> tensor<2x3x4xf32>",
        "2x3x4",
        X * np.array([[[1.0], [0.0], [-2.5]], [[3.0], [4.0], [5.0]]]),
    ),
    "elements": (
        "%r = tensor.from_elements %zero, %seven, %zero, %seven : tensor<2x2xf32>",
        "2x2",
        np.array([[0.0, 7.0], [0.0, 7.0]]),
    ),
}


@pytest.mark.parametrize("name", MOVEMENTS)
def test_movement(name: str) -> None:
    operations, shape, expected = MOVEMENTS[name]
    np.testing.assert_allclose(run(unary(operations, shape), x=X), expected, rtol=1e-12)


def test_strided_insertion_into_zeros_is_one_guarded_read() -> None:
    operations, shape, _ = MOVEMENTS["strided insertion into zeros"]
    definition = lifted(unary(operations, shape)).definitions[-1]
    assert str(definition.scope).endswith(
        "arg0[n,(c+1) div 2-1,(w+1) div 2-1] * [(c+1) mod 2 = 0] * [(w+1) mod 2 = 0]"
    )


def test_a_slice_of_one_position_has_no_stride() -> None:
    text = """
    func.func @main(%x: tensor<2xf32>, %y: tensor<2x6xf32>) -> tensor<2x6xf32> {
      %r = tensor.insert_slice %x into %y[0, 1] [2, 1] [1, 3]
           : tensor<2xf32> into tensor<2x6xf32>
      return %r : tensor<2x6xf32>
    }"""
    x, y = random(2), random(2, 6)
    expected = y.copy()
    expected[:, 1] = x
    np.testing.assert_allclose(run(text, x=x, y=y), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("[1, -2]", "i4"),
        ("[0.5, 1.0]", "f8E4M3FN"),
        ("[0.5, 1.0]", "bf16"),
        # What the bindings hand out is a double, which is another number.
        ("0.1", "f128"),
        ("(1.0, 2.0)", "complex<f32>"),
        ("[(1.0, 2.0), (0.5, 1.0)]", "complex<f32>"),
    ],
)
def test_constants_that_cannot_be_read_stay_opaque(value: str, kind: str) -> None:
    text = f"""
    func.func @main() -> tensor<2x{kind}> {{
      %r = arith.constant dense<{value}> : tensor<2x{kind}>
      return %r : tensor<2x{kind}>
    }}"""
    assert [kind in r.reason for r in refused(text)] == [True]


REFUSALS = {
    "%r = tensor.generate {\n^bb0(%i: index):\n%k = arith.index_cast %i : index to i32\n"
    "%v = arith.sitofp %k : i32 to f32\ntensor.yield %v : f32\n} : tensor<4xf32>": (
        "generate.1",
        "used as a number",
    ),
    "%m = arith.constant 0xFF800000 : f32\n%r = tensor.splat %m : tensor<4xf32>": (
        "splat.1",
        "finite",
    ),
    "%r = arith.constant dense<[1.0, 0x7F800000, 2.0, 3.0]> : tensor<4xf32>": (
        "constant.3",
        "infinity",
    ),
    "%c = arith.constant 2 : index\n%s = tensor.extract_slice %x[%c] [4] [1]"
    " : tensor<9xf32> to tensor<4xf32>\n%r = tensor.cast %s : tensor<4xf32> to tensor<4xf32>": (
        "extract_slice.1",
        "no constant",
    ),
    "%u = tensor.cast %x : tensor<9xf32> to tensor<?xf32>\n"
    "%r = tensor.extract_slice %u[0] [4] [1] : tensor<?xf32> to tensor<4xf32>": (
        "extract_slice.1",
        "tensor<?xf32>",
    ),
    "%u = tensor.bitcast %x : tensor<9xf32> to tensor<9xi32>\n"
    "%w = tensor.bitcast %u : tensor<9xi32> to tensor<9xf32>\n"
    "%r = tensor.extract_slice %w[0] [4] [1] : tensor<9xf32> to tensor<4xf32>": (
        "bitcast.1",
        "tensor.bitcast",
    ),
}


@pytest.mark.parametrize("operations", REFUSALS)
def test_refusal(operations: str) -> None:
    label, reason = REFUSALS[operations]
    reasons = {r.label: r.reason for r in refused(unary(operations, "4", "9"))}
    assert reason in reasons[label]
