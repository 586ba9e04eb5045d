"""Convolutions of every layout, spelled as loops, get their names back."""

from __future__ import annotations

import re

import pytest

from einnet.bridge.emit_windowed import NAMED, UNSTRIDED, result_dimensions
from einnet.passes.pipeline import parse_pipeline
from einnet.toolchain.mlir import make_context, parse_module

SIZES = {"n": 2, "g": 3, "c": 4, "f": 5}
TAPS = {"d": 2, "h": 3, "w": 2}
RESULT = {"d": 3, "h": 4, "w": 5}
STRIDE, DILATION = 2, 3


def run(text: str, passes: str) -> str:
    context = make_context()
    module = parse_module(text, context)
    return str(parse_pipeline(f"builtin.module({passes})", context).run(module))


def tensor(sizes: list[int], element: str = "f32") -> str:
    return f"tensor<{''.join(f'{n}x' for n in sizes)}{element}>"


def named_operation(dimensions: str) -> tuple[str, str]:
    """The name of the operation, and a function of it, with strides and dilations if it has any."""
    image, kernel = dimensions.split("_")
    plain = dimensions in UNSTRIDED
    stride, dilation = (1, 1) if plain else (STRIDE, DILATION)
    reached = {d: (RESULT[d] - 1) * stride + (TAPS[d] - 1) * dilation + 1 for d in TAPS}
    types = [
        tensor([{**SIZES, **reached}[d] for d in image]),
        tensor([{**SIZES, **TAPS}[d] for d in kernel]),
        tensor([{**SIZES, **RESULT}[d] for d in result_dimensions(image, kernel)]),
    ]
    # The builders of the bindings have the operations' own names.
    builder = NAMED[dimensions]
    name = f"linalg.{builder.op_name}"  # pyright: ignore[reportFunctionMemberAccess]
    rank = sum(d in TAPS for d in image)
    attributes = (
        ""
        if plain
        else f"{{strides = dense<{stride}> : tensor<{rank}xi64>, "
        f"dilations = dense<{dilation}> : tensor<{rank}xi64>}}"
    )
    return (
        name,
        f"""
func.func @f(%x: {types[0]}, %w: {types[1]}) -> {types[2]} {{
  %zero = arith.constant dense<0.0> : {types[2]}
  %y = {name} {attributes} ins(%x, %w : {types[0]}, {types[1]})
      outs(%zero : {types[2]}) -> {types[2]}
  return %y : {types[2]}
}}
""",
    )


@pytest.mark.parametrize("dimensions", NAMED)
def test_loops_get_their_name_back(dimensions: str) -> None:
    name, text = named_operation(dimensions)
    loops = run(text, "func.func(linalg-generalize-named-ops)")
    assert name not in loops
    raised = run(loops, "einnet-raise-conv")
    assert f"{name} {{" in raised
    assert "linalg.generic" not in raised
    # The same operation with the same attributes, on the same operands.
    own = re.search(rf"{name} .*", run(text, "canonicalize"))
    again = re.search(rf"{name} .*", run(raised, "canonicalize"))
    assert own and again
    for attribute in ("strides", "dilations"):
        pattern = rf"{attribute} = dense<\d+>"
        assert re.findall(pattern, own[0]) == re.findall(pattern, again[0])
    assert "einnet.library" not in raised


def test_an_order_without_a_name_is_loops_over_the_tensors_as_they_are() -> None:
    text = """
func.func @f(%x: tensor<9x1x4xf32>, %w: tensor<4x3x2xf32>) -> tensor<2x7x1xf32> {
  %zero = arith.constant dense<0.0> : tensor<2x7x1xf32>
  %p = linalg.generic {
      indexing_maps = [affine_map<(f, o, n, c, k) -> (o + k, n, c)>,
                       affine_map<(f, o, n, c, k) -> (c, k, f)>,
                       affine_map<(f, o, n, c, k) -> (f, o, n)>],
      iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w : tensor<9x1x4xf32>, tensor<4x3x2xf32>) outs(%zero : tensor<2x7x1xf32>) {
  ^bb0(%a: f32, %b: f32, %sum: f32):
    %ab = arith.mulf %a, %b : f32
    %next = arith.addf %sum, %ab : f32
    linalg.yield %next : f32
  } -> tensor<2x7x1xf32>
  return %p : tensor<2x7x1xf32>
}"""
    raised = run(text, "einnet-raise-conv")
    assert 'einnet.operator = "conv1d(kernel=3)"' in raised
    assert raised.count("linalg.generic") == 1


@pytest.mark.parametrize(
    ("stride", "before", "kernel"), [(2, 1, 3), (2, 2, 4), (3, 2, 5), (4, 0, 2)]
)
def test_zero_stuffing_is_a_transposed_convolution(stride: int, before: int, kernel: int) -> None:
    extent = 5
    stuffed = 2 * before + (extent - 1) * stride + 1
    out = stuffed - kernel + 1
    text = f"""
func.func @f(%x: tensor<1x{extent}x8xf32>, %w: tensor<{kernel}x8x6xf32>) -> tensor<1x{out}x6xf32> {{
  %zero = arith.constant 0.0 : f32
  %blank = tensor.splat %zero : tensor<1x{stuffed}x8xf32>
  %s = tensor.insert_slice %x into %blank[0, {before}, 0] [1, {extent}, 8] [1, {stride}, 1]
      : tensor<1x{extent}x8xf32> into tensor<1x{stuffed}x8xf32>
  %e = tensor.empty() : tensor<{kernel}x8x6xf32>
  %flipped = linalg.generic {{
      indexing_maps = [affine_map<(r, c, f) -> (r, c, f)>],
      iterator_types = ["parallel", "parallel", "parallel"]}} outs(%e : tensor<{kernel}x8x6xf32>) {{
  ^bb0(%old: f32):
    %r = linalg.index 0 : index
    %c = linalg.index 1 : index
    %f = linalg.index 2 : index
    %last = arith.constant {kernel - 1} : index
    %back = arith.subi %last, %r : index
    %v = tensor.extract %w[%back, %c, %f] : tensor<{kernel}x8x6xf32>
    linalg.yield %v : f32
  }} -> tensor<{kernel}x8x6xf32>
  %init = tensor.splat %zero : tensor<1x{out}x6xf32>
  %y = linalg.conv_1d_nwc_wcf
      ins(%s, %flipped : tensor<1x{stuffed}x8xf32>, tensor<{kernel}x8x6xf32>)
      outs(%init : tensor<1x{out}x6xf32>) -> tensor<1x{out}x6xf32>
  return %y : tensor<1x{out}x6xf32>
}}"""
    raised = run(text, "einnet-raise-conv")
    # As torch.nn.ConvTranspose1d counts it: what is cut off the full result on each side.
    padding = kernel - 1 - before
    shown = f", padding={padding}" if padding else ""
    operator = f"conv_transpose1d(kernel={kernel}, stride={stride}{shown})"
    assert f'einnet.operator = "{operator}"' in raised
    assert "insert_slice" not in raised and "linalg.conv" not in raised


def test_what_else_uses_the_movements_stays() -> None:
    text = """
func.func @f(%x: tensor<6x4xf32>, %w: tensor<3x4x2xf32>) -> (tensor<8x4xf32>, tensor<6x2xf32>) {
  %zero = arith.constant 0.0 : f32
  %border = tensor.splat %zero : tensor<8x4xf32>
  %p = tensor.insert_slice %x into %border[1, 0] [6, 4] [1, 1]
      : tensor<6x4xf32> into tensor<8x4xf32>
  %init = tensor.splat %zero : tensor<6x2xf32>
  %y = linalg.generic {
      indexing_maps = [affine_map<(o, f, k, c) -> (o + k, c)>,
                       affine_map<(o, f, k, c) -> (k, c, f)>,
                       affine_map<(o, f, k, c) -> (o, f)>],
      iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
      ins(%p, %w : tensor<8x4xf32>, tensor<3x4x2xf32>) outs(%init : tensor<6x2xf32>) {
  ^bb0(%a: f32, %b: f32, %sum: f32):
    %ab = arith.mulf %a, %b : f32
    %next = arith.addf %sum, %ab : f32
    linalg.yield %next : f32
  } -> tensor<6x2xf32>
  return %p, %y : tensor<8x4xf32>, tensor<6x2xf32>
}"""
    raised = run(text, "einnet-raise-conv")
    assert "tensor.insert_slice" in raised
    assert 'einnet.operator = "conv1d(kernel=3, padding=1)"' in raised
