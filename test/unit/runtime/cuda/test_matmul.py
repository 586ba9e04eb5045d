"""Descriptors of products, against a model of what cuBLASLt computes from them."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from einnet.codegen.gpu.host import Matrix, MatrixProduct
from einnet.errors import ToolchainError
from einnet.runtime.cuda import matmul
from einnet.runtime.cuda.algorithm import Record, Unsupported
from einnet.runtime.cuda.call import Handles
from einnet.runtime.cuda.matmul import alignment_of
from einnet.runtime.cuda.product_layout import Operand, product_layout

Memory = dict[str, NDArray[np.float64]]
M, N, K = 5, 3, 7


def _view(memory: Memory, o: Operand, batch: int) -> NDArray[np.float64]:
    """A batch of matrices stored by columns, as cuBLASLt documents it."""
    data = memory[o.buffer][o.offset :]
    last = (batch - 1) * o.batch_stride + (o.columns - 1) * o.leading + o.rows
    assert len(data) >= last
    strides = (8 * o.batch_stride, 8, 8 * o.leading)
    return as_strided(data, (batch, o.rows, o.columns), strides)


def _cublaslt(memory: Memory, call: MatrixProduct) -> None:
    """What cuBLASLt does with the descriptors of the call."""
    layout = product_layout(call)
    a, b, c, d = (_view(memory, o, layout.batch) for o in (layout.a, layout.b, layout.c, layout.d))
    assert not layout.c.transposed and not layout.d.transposed
    a = a.transpose(0, 2, 1) if layout.a.transposed else a
    b = b.transpose(0, 2, 1) if layout.b.transposed else b
    assert a.shape[2] == b.shape[1] == layout.depth
    assert d.shape[1:] == (a.shape[1], b.shape[2])
    result = call.alpha * (a @ b) + (call.beta * c if call.c else 0)
    if "BIAS" in layout.epilogue:
        result = result + memory[call.bias][: d.shape[1], None]
    if "RELU" in layout.epilogue:
        result = np.maximum(result, 0)
    d[...] = result


def _element(m: Matrix, b: int, row: int, column: int) -> int:
    """Where an element is, as `Matrix` says it."""
    row, column = (column, row) if m.transposed else (row, column)
    return m.offset + b * m.batch_stride + row * m.leading + column


def _expected(memory: Memory, call: MatrixProduct) -> NDArray[np.float64]:
    """The buffer of d after the call, element by element as `MatrixProduct` says it."""
    d = memory[call.d.buffer].copy()
    for b, i, j in product(range(call.batch), range(call.m), range(call.n)):
        value = call.alpha * sum(
            memory["a"][_element(call.a, b, i, k)] * memory["b"][_element(call.b, b, k, j)]
            for k in range(call.k)
        )
        if call.c is not None:
            value += call.beta * memory[call.c.buffer][_element(call.c, b, i, j)]
        if call.bias:
            value += memory["bias"][j]
        d[_element(call.d, b, i, j)] = max(value, 0.0) if call.activation == "relu" else value
    return d


def _memory() -> Memory:
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal(400) for name in ("a", "b", "c", "d", "bias")}


def _matrix(name: str, rows: int, columns: int, transposed: bool, pad: int = 0) -> Matrix:
    leading = (rows if transposed else columns) + pad
    stride = (columns if transposed else rows) * leading + 2
    return Matrix(name, leading, transposed, stride, 3)


def _call(a: bool = False, b: bool = False, d: bool = False, pad: int = 0) -> MatrixProduct:
    return MatrixProduct(
        2,
        M,
        N,
        K,
        _matrix("a", M, K, a, pad),
        _matrix("b", K, N, b, pad),
        _matrix("d", M, N, d, pad),
        "f32",
        "f32",
        "fp32",
        alpha=0.5,
    )


def _check(call: MatrixProduct) -> None:
    memory = _memory()
    expected = _expected(memory, call)
    _cublaslt(memory, call)
    np.testing.assert_allclose(memory[call.d.buffer], expected, atol=1e-12)


@pytest.mark.parametrize("a", [False, True])
@pytest.mark.parametrize("b", [False, True])
@pytest.mark.parametrize("d", [False, True])
@pytest.mark.parametrize("pad", [0, 4])
def test_every_order_of_storage_is_multiplied_in_place(a: bool, b: bool, d: bool, pad: int) -> None:
    _check(_call(a, b, d, pad))


def test_epilogues_and_addition_follow_the_definition() -> None:
    call = _call(b=True)
    _check(replace(call, bias="bias", activation="relu"))
    _check(replace(call, c=_matrix("c", M, N, False, 1), beta=-2.0, bias="bias"))
    _check(replace(call, c=call.d, beta=3.0, activation="relu"))
    transposed = _call(d=True)
    _check(replace(transposed, c=_matrix("c", M, N, True), beta=1.5))


def test_an_operand_may_be_shared_by_the_batch() -> None:
    call = _call()
    _check(replace(call, b=replace(call.b, batch_stride=0)))


def test_a_single_row_or_column_has_any_leading_dimension() -> None:
    row = replace(_call(), m=1, a=Matrix("a", 1, False, K), d=Matrix("d", 1, False, N))
    _check(row)
    column = replace(_call(), n=1, b=Matrix("b", 1, True, K), d=Matrix("d", 1, False, M))
    _check(column)
    # One column of a row-major matrix with more columns: each of the others is another tensor's.
    _check(replace(_call(), n=1, d=Matrix("d", 6, False, 40)))


def test_names_are_those_of_cublaslt() -> None:
    call = _call()
    layout = product_layout(replace(call, bias="bias", activation="gelu", precision="tf32"))
    assert layout.epilogue == "GELU_BIAS"
    assert layout.compute == "COMPUTE_32F_FAST_TF32"
    assert product_layout(call).compute == "COMPUTE_32F"
    half = product_layout(replace(call, dtype="f16", result="f16", precision="tf32"))
    assert (half.compute, half.scale) == ("COMPUTE_32F", "CUDA_R_32F")
    double = product_layout(replace(call, dtype="f64", result="f64"))
    assert (double.compute, double.scale) == ("COMPUTE_64F", "CUDA_R_64F")


def test_split_sums_are_added_in_the_type_of_the_sum() -> None:
    call = _call()
    assert product_layout(replace(call, dtype="f16", result="f16")).reductions == 2
    assert product_layout(replace(call, dtype="f16", result="f32")).reductions == 7


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"k": 0}, "empty"),
        ({"dtype": "i8"}, "i8"),
        ({"result": "f64"}, "f32 to f64"),
        ({"d": _matrix("d", M, N, True), "bias": "bias"}, "bias"),
        ({"c": _matrix("c", M, N, True), "beta": 1.0}, "same order"),
        ({"a": Matrix("a", K - 1, False, 50)}, "overlap"),
    ],
)
def test_refusals_say_why(changes: dict[str, object], why: str) -> None:
    with pytest.raises(Unsupported, match=why):
        product_layout(replace(_call(), **changes))  # pyright: ignore[reportArgumentType]


def test_alignment_is_the_largest_power_of_two_that_divides() -> None:
    assert [alignment_of(a) for a in (0, 256, 512, 264, 4098, 7)] == [256, 256, 256, 8, 2, 1]


def test_interleaving_takes_turns() -> None:
    assert list(matmul.interleave([[1, 2, 3], [], [4, 5]])) == [1, 4, 2, 5, 3]


@pytest.mark.parametrize(
    "broken",
    [
        {"library": "cudnn"},
        {"version": 1},
        {"version": "130000"},
        {"algorithm": "00"},
        {"algorithm": "xy" * 64},
        {"algorithm": 7},
    ],
)
def test_a_record_of_another_version_or_damaged_is_a_miss(broken: dict[str, object]) -> None:
    record: Record = {"library": "cublasLt", "version": 130000, "algorithm": "0a" * 64}
    assert matmul._recorded(record, 130000) == bytes([10]) * 64
    assert matmul._recorded({**record, **broken}, 130000) is None
    assert matmul._recorded({}, 130000) is None


def test_a_missing_package_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nvmath", None)
    monkeypatch.setitem(sys.modules, "nvmath.bindings.cublasLt", None)
    with pytest.raises(ToolchainError, match="nvmath-python cannot be imported") as error:
        matmul.prepare_matmul(_call(), lambda _: 0, None, Handles(0))
    assert "pip install nvmath-python" in str(error.value.hint)
    assert "\n" not in error.value.message


def test_a_missing_library_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Binding:
        @staticmethod
        def get_version() -> int:
            raise RuntimeError("libcublasLt.so.13:\nno such file")

    def import_module(_: str) -> type:
        return Binding

    monkeypatch.setattr(matmul, "import_module", import_module)
    with pytest.raises(ToolchainError, match=r"cannot be loaded: libcublasLt\.so\.13: no"):
        matmul.load_cublaslt()
