"""Tagged products: every layout that BLAS reads in place, against einsum; the others refused."""

import numpy as np
import pytest

from einnet.codegen.cpu.jit import Executable
from einnet.codegen.cpu.lower import lower
from einnet.errors import InputError

LETTERS = "abcdefgh"


def _module(
    spec: str, extents: dict[str, int], accumulate: bool = False, element: str = "f32"
) -> str:
    """A tagged generic for an einsum such as `mk,kn->mn`, whose letters have `extents`."""
    inputs, output = spec.split("->")
    operands = [*inputs.split(","), output]
    letters = sorted(set("".join(operands)))
    maps = ", ".join(
        f"affine_map<({', '.join(letters)}) -> ({', '.join(operand)})>" for operand in operands
    )
    kinds = ", ".join('"parallel"' if c in output else '"reduction"' for c in letters)
    a, b, c = (f"tensor<{''.join(f'{extents[x]}x' for x in o)}{element}>" for o in operands)
    fill = f"""
  %e = tensor.empty() : {c}
  %acc = linalg.fill ins(%zero : {element}) outs(%e : {c}) -> {c}"""
    return f"""
func.func @main(%a: {a}, %b: {b}, %c: {c}) -> {c} {{
  %zero = arith.constant 0.0 : {element}{"" if accumulate else fill}
  %y = linalg.generic {{einnet.library = "blas", indexing_maps = [{maps}],
      iterator_types = [{kinds}]}}
      ins(%a, %b : {a}, {b}) outs({"%c" if accumulate else "%acc"} : {c}) {{
    ^bb0(%p: {element}, %q: {element}, %r: {element}):
      %s = arith.mulf %p, %q : {element}
      %t = arith.addf %r, %s : {element}
      linalg.yield %t : {element}
  }} -> {c}
  return %y : {c}
}}"""


SIZES = {"m": 5, "n": 6, "k": 7, "b": 3, "h": 2, "w": 4, "c": 3, "r": 2, "f": 5}


@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize(
    ("spec", "routine", "extents"),
    [
        ("mk,kn->mn", "sgemm", {}),
        ("km,kn->mn", "sgemm", {}),
        ("mk,nk->mn", "sgemm", {}),
        ("km,nk->mn", "sgemm", {}),
        ("mk,kn->nm", "sgemm", {}),  # stored by columns: the transposed product
        ("mk,nk->nm", "sgemm", {}),
        ("bmk,bkn->bmn", "sgemm_batch_strided", {}),
        ("bkm,bnk->bmn", "sgemm_batch_strided", {}),
        ("mbk,kbn->bmn", "sgemm_batch_strided", {}),
        ("bmk,kn->bmn", "sgemm", {}),  # merges into the rows
        ("bhmk,bhkn->bhmn", "sgemm_batch_strided", {}),  # merges into one batch
        ("bhmk,hbkn->bhmn", "sgemm_batch_strided", {}),  # a loop around the batch
        ("bmk,bkn->mbn", "sgemm_batch_strided", {}),
        ("hmk,kn->hnm", "sgemm_batch_strided", {}),
        ("hwc,crf->hwrf", "sgemm", {}),
        ("nhwcr,fcr->nhwf", "sgemm", {}),
        ("mk,kn->mn", "sgemv", {"m": 1}),
        ("mk,kn->mn", "sgemv", {"m": 2}),
        ("mk,nk->mn", "sgemv", {"m": 1}),
        ("mk,kn->mn", "sgemv", {"n": 1}),
        ("km,kn->mn", "sgemv", {"n": 1}),
        ("mk,k->m", "sgemv", {}),
        ("bmk,bk->bm", "sgemv", {}),
        ("mk,kn->mn", "sgemm", {"k": 1}),
        ("mk,kn->mn", "sgemv", {"m": 1, "n": 1, "k": 1}),
    ],
)
def test_layouts(spec: str, routine: str, extents: dict[str, int], accumulate: bool) -> None:
    sizes = SIZES | extents
    lowered = lower(_module(spec, sizes, accumulate))
    assert f"call @scipy_cblas_{routine}(" in lowered.text
    assert lowered.main.workspace == (), "an operand was copied"
    generator = np.random.default_rng(0)
    a, b, c = (
        generator.standard_normal(argument.tensor.shape, np.float32)
        for argument in lowered.main.arguments
    )
    before = c.copy()
    (y,) = Executable(lowered)(a, b, c)
    expected = np.einsum(spec, a.astype(np.float64), b) + (before if accumulate else 0)
    np.testing.assert_allclose(y, expected, atol=1e-5)
    np.testing.assert_array_equal(c, before)


def test_double_precision() -> None:
    lowered = lower(_module("mk,kn->mn", SIZES, element="f64"))
    assert "call @scipy_cblas_dgemm(" in lowered.text
    generator = np.random.default_rng(0)
    a, b, c = (generator.standard_normal(x.tensor.shape) for x in lowered.main.arguments)
    np.testing.assert_allclose(Executable(lowered)(a, b, c)[0], a @ b, rtol=1e-12)


def test_named_product_on_slices() -> None:
    """Operands with an offset and a leading dimension of their own, and indexing maps."""
    executable = Executable(
        lower("""
#a = affine_map<(m, n, k) -> (k, m)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>
func.func @main(%x: tensor<9x8xf32>, %w: tensor<9x10xf32>) -> tensor<5x6xf32> {
  %zero = arith.constant 0.0 : f32
  %a = tensor.extract_slice %x[2, 1] [7, 5] [1, 1] : tensor<9x8xf32> to tensor<7x5xf32>
  %b = tensor.extract_slice %w[1, 3] [7, 6] [1, 1] : tensor<9x10xf32> to tensor<7x6xf32>
  %e = tensor.empty() : tensor<5x6xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<5x6xf32>) -> tensor<5x6xf32>
  %y = linalg.matmul indexing_maps = [#a, #b, #c] {einnet.library = "blas"}
    ins(%a, %b : tensor<7x5xf32>, tensor<7x6xf32>) outs(%f : tensor<5x6xf32>) -> tensor<5x6xf32>
  return %y : tensor<5x6xf32>
}""")
    )
    generator = np.random.default_rng(0)
    x = generator.standard_normal((9, 8), np.float32)
    w = generator.standard_normal((9, 10), np.float32)
    np.testing.assert_allclose(executable(x, w)[0], x[2:, 1:6].T @ w[1:8, 3:9], atol=1e-5)


def test_a_product_does_not_overwrite_its_operands() -> None:
    """Four in a row: each result's buffer may be that of the operand before the last, no other."""
    steps = "".join(
        f"""
  %e{i} = tensor.empty() : tensor<8x8xf32>
  %z{i} = linalg.fill ins(%zero : f32) outs(%e{i} : tensor<8x8xf32>) -> tensor<8x8xf32>
  %v{i + 1} = linalg.matmul {{einnet.library = "blas"}} ins(%v{i}, %v{i} : tensor<8x8xf32>,
    tensor<8x8xf32>) outs(%z{i} : tensor<8x8xf32>) -> tensor<8x8xf32>"""
        for i in range(4)
    )
    lowered = lower(f"""
func.func @main(%v0: tensor<8x8xf32>) -> tensor<8x8xf32> {{
  %zero = arith.constant 0.0 : f32{steps}
  return %v4 : tensor<8x8xf32>
}}""")
    assert lowered.main.workspace in ((256,), (256, 256))
    x = np.random.default_rng(0).standard_normal((8, 8), np.float32) / np.float32(3)
    expected = np.linalg.matrix_power(x.astype(np.float64), 16)
    np.testing.assert_allclose(Executable(lowered)(x)[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("mkc,cnk->mn", "summation dimensions are not adjacent"),
        ("mkb,kbn->bmn", "A has strides"),
        ("mk,kn->mnk", "dimension 0 is in one operand only|no contraction"),
    ],
)
def test_a_layout_that_blas_cannot_read_is_refused(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        lower(_module(spec, SIZES))


def test_an_unknown_library_is_refused() -> None:
    module = _module("mk,kn->mn", SIZES).replace('"blas"', '"cublas"')
    with pytest.raises(InputError, match="unknown library 'cublas'"):
        lower(module)


def test_what_is_no_contraction_is_refused() -> None:
    module = _module("mk,kn->mn", SIZES).replace("arith.mulf", "arith.maximumf")
    with pytest.raises(InputError, match="no contraction"):
        lower(module)
