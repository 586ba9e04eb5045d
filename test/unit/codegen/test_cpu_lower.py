"""The CPU target on whole modules: what it computes, and what it must not do on the way."""

import re

import numpy as np
import pytest

from einnet.codegen.cpu.jit import Executable
from einnet.codegen.cpu.lower import lower
from einnet.errors import InputError


def test_arguments_are_not_computed_into() -> None:
    executable = Executable(
        lower("""
func.func @main(%x: tensor<64xf32>) -> tensor<64xf32> {
  %y = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
      outs(%x : tensor<64xf32>) {
    ^bb0(%o: f32):
      %s = arith.addf %o, %o : f32
      linalg.yield %s : f32
  } -> tensor<64xf32>
  return %y : tensor<64xf32>
}""")
    )
    x = np.arange(64, dtype=np.float32)
    (y,) = executable(x)
    np.testing.assert_array_equal(x, np.arange(64))
    np.testing.assert_array_equal(y, 2 * x)


def test_results_that_are_no_allocation() -> None:
    """An argument, a slice, and one value twice: each result still has a buffer of its own."""
    executable = Executable(
        lower("""
func.func @main(%x: tensor<4x6xf32>)
    -> (tensor<4x6xf32>, tensor<2x3xf32>, tensor<24xf32>, tensor<24xf32>, tensor<24xf32>) {
  %e = tensor.empty() : tensor<4x6xf32>
  %n = linalg.negf ins(%x : tensor<4x6xf32>) outs(%e : tensor<4x6xf32>) -> tensor<4x6xf32>
  %s = tensor.extract_slice %n[1, 0] [2, 3] [2, 2] : tensor<4x6xf32> to tensor<2x3xf32>
  %f = tensor.collapse_shape %n [[0, 1]] : tensor<4x6xf32> into tensor<24xf32>
  %g = linalg.exp ins(%f : tensor<24xf32>) outs(%f : tensor<24xf32>) -> tensor<24xf32>
  return %x, %s, %f, %g, %g
    : tensor<4x6xf32>, tensor<2x3xf32>, tensor<24xf32>, tensor<24xf32>, tensor<24xf32>
}""")
    )
    x = np.arange(24, dtype=np.float32).reshape(4, 6)
    same, part, flat, power, again = executable(x)
    np.testing.assert_array_equal(same, x)
    np.testing.assert_array_equal(part, -x[1::2, ::2])
    np.testing.assert_array_equal(flat, -x.ravel())
    np.testing.assert_allclose(power, np.exp(-x.ravel()), rtol=1e-6)
    np.testing.assert_array_equal(again, power)


CHAIN = """
func.func @main(%x: tensor<100xf32>) -> tensor<100xf32> {{
{steps}
  return %v{last} : tensor<100xf32>
}}"""


def _chain(length: int) -> str:
    """Each step reverses and adds to itself, so that it cannot be fused or done in place."""
    steps: list[str] = []
    for i in range(length):
        source = f"%v{i - 1}" if i else "%x"
        steps.append(f"""
  %e{i} = tensor.empty() : tensor<100xf32>
  %v{i} = linalg.generic {{indexing_maps = [affine_map<(i) -> (99 - i)>, affine_map<(i) -> (i)>],
      iterator_types = ["parallel"]}} ins({source} : tensor<100xf32>)
      outs(%e{i} : tensor<100xf32>) {{
    ^bb0(%a: f32, %o: f32):
      %j = linalg.index 0 : index
      %b = tensor.extract {source}[%j] : tensor<100xf32>
      %s{i} = arith.addf %a, %b : f32
      linalg.yield %s{i} : f32
  }} -> tensor<100xf32>""")
    return CHAIN.format(steps="".join(steps), last=length - 1)


def test_buffers_that_do_not_live_together_share_a_slot() -> None:
    lowered = lower(_chain(6))
    assert lowered.main.workspace == (400,)  # the other of the two is the result's
    x = np.random.default_rng(0).standard_normal(100, np.float32)
    expected = x.copy()
    for _ in range(6):
        expected = expected[::-1] + expected
    np.testing.assert_allclose(Executable(lowered)(x)[0], expected, rtol=1e-6)


def test_unoptimized_operators() -> None:
    """Pad, named convolution with its output dimension moved inside, strided insert_slice."""
    executable = Executable(
        lower("""
func.func @main(%x: tensor<2x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) -> tensor<2x4x16x16xf32> {
  %zero = arith.constant 0.0 : f32
  %p = tensor.pad %x low[0, 0, 1, 1] high[0, 0, 1, 1] {
    ^bb0(%a: index, %b: index, %c: index, %d: index):
      tensor.yield %zero : f32
  } : tensor<2x3x8x8xf32> to tensor<2x3x10x10xf32>
  %e = tensor.empty() : tensor<2x4x8x8xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<2x4x8x8xf32>) -> tensor<2x4x8x8xf32>
  %y = linalg.conv_2d_nchw_fchw ins(%p, %w : tensor<2x3x10x10xf32>, tensor<4x3x3x3xf32>)
    outs(%f : tensor<2x4x8x8xf32>) -> tensor<2x4x8x8xf32>
  %g = tensor.empty() : tensor<2x4x16x16xf32>
  %h = linalg.fill ins(%zero : f32) outs(%g : tensor<2x4x16x16xf32>) -> tensor<2x4x16x16xf32>
  %s = tensor.insert_slice %y into %h[0, 0, 1, 0] [2, 4, 8, 8] [1, 1, 2, 2]
    : tensor<2x4x8x8xf32> into tensor<2x4x16x16xf32>
  return %s : tensor<2x4x16x16xf32>
}""")
    )
    generator = np.random.default_rng(1)
    x = generator.standard_normal((2, 3, 8, 8), np.float32)
    w = generator.standard_normal((4, 3, 3, 3), np.float32)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
    expected = np.zeros((2, 4, 16, 16))
    expected[:, :, 1::2, ::2] = np.einsum("nchwrs,fcrs->nfhw", windows, w.astype(np.float64))
    np.testing.assert_allclose(executable(x, w)[0], expected, atol=1e-5)


ONE_INPUT = "func.func @main(%x: {type}) -> {type} {{ return %x : {type} }}"


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (ONE_INPUT.format(type="tensor<?xf32>"), "no static shape"),
        (ONE_INPUT.format(type="tensor<4xi1>"), "no element type i1"),
        (ONE_INPUT.format(type="memref<4xf32>"), "not a ranked tensor"),
        ("func.func @other() { return }", "no function @main"),
        (
            "func.func @main(%a: tensor<1xf32> {einnet.weight = 'w'},"
            " %b: tensor<1xf32> {einnet.weight = 'w'}) -> tensor<1xf32>"
            " { return %a : tensor<1xf32> }".replace("'", '"'),
            "two arguments have the same name",
        ),
    ],
)
def test_refusals(module: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        lower(module)


def test_pads_that_crop_are_refused_before_they_write_outside() -> None:
    with pytest.raises(InputError, match="negative amount"):
        lower("""
func.func @main(%x: tensor<6xf32>) -> tensor<5xf32> {
  %z = arith.constant 0.0 : f32
  %p = tensor.pad %x low[-2] high[1] {
    ^bb0(%i: index):
      tensor.yield %z : f32
  } : tensor<6xf32> to tensor<5xf32>
  return %p : tensor<5xf32>
}""")


def test_tensors_of_booleans_are_refused_before_they_abort_mlir() -> None:
    with pytest.raises(InputError, match="tensor of i1"):
        lower("""
func.func @main(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %e = tensor.empty() : tensor<4xi1>
  %f = tensor.empty() : tensor<4xf32>
  %c = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>],
      iterator_types = ["parallel"]} ins(%x : tensor<4xf32>) outs(%e : tensor<4xi1>) {
    ^bb0(%a: f32, %o: i1):
      %p = arith.cmpf ogt, %a, %a : f32
      linalg.yield %p : i1
  } -> tensor<4xi1>
  %r = linalg.select ins(%c, %x, %f : tensor<4xi1>, tensor<4xf32>, tensor<4xf32>)
    outs(%f : tensor<4xf32>) -> tensor<4xf32>
  return %r, %r : tensor<4xf32>, tensor<4xf32>
}""")


STRIDED = """
func.func @main(%x: tensor<1x3x{extent}x{extent}xf32>, %w: tensor<4x3x5x5xf32>)
    -> tensor<1x4x16x16xf32> {{
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x4x16x16xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x4x16x16xf32>) -> tensor<1x4x16x16xf32>
  %y = linalg.conv_2d_nchw_fchw {{strides = dense<{stride}> : tensor<2xi64>}}
    ins(%x, %w : tensor<1x3x{extent}x{extent}xf32>, tensor<4x3x5x5xf32>)
    outs(%f : tensor<1x4x16x16xf32>) -> tensor<1x4x16x16xf32>
  return %y : tensor<1x4x16x16xf32>
}}"""


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_the_innermost_loop_of_a_convolution_carries_no_sum(stride: int) -> None:
    """It runs over the result's last dimension, whatever the steps in which the image is read."""
    text = lower(STRIDED.format(extent=15 * stride + 5, stride=stride)).text
    main = text[text.index("@einnet_main_body") :]
    ends = [line.split(",")[1] for line in main.splitlines() if "llvm.icmp" in line]
    names = dict(re.findall(r"(%\d+) = llvm.mlir.constant\((\d+) : index\)", main))
    # The zeros first, then filters, rows, channels, taps and columns; loops of one step are gone.
    found = [int(names[end.split(":")[0].strip()]) for end in ends]
    assert found[-6:] == [4, 16, 3, 5, 5, 16]
