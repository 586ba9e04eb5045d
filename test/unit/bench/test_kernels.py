"""The table of generated kernels: expressions, bytes and sampled references, without a GPU."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bench.contender import Error
from bench.kernels import (
    KERNELS,
    MEGABYTES,
    TABLE,
    Kernel,
    blank,
    by_size,
    bytes_of,
    sampled,
    workload,
)
from bench.roofline import ELEMENT_BYTES
from bench.verdict import Timed

from einnet.expr.check import check_program
from einnet.expr.program import Program


def offset_add(t: np.ndarray, size: int, padding: int) -> np.ndarray:
    """Shifted planes added up: t is (n, h, w, r, s, ...)."""
    n, height, width, r, s = t.shape[:5]
    assert size == height
    padded = np.pad(t, [(0, 0), *[(padding, padding)] * 2, *[(0, 0)] * (t.ndim - 3)])
    y = np.zeros((n, height, width, *t.shape[5:]))
    for i in range(r):
        for j in range(s):
            y += padded[:, i : i + height, j : j + width, i, j]
    return y


def transposed_add(t: np.ndarray) -> np.ndarray:
    """What 4x4 taps with stride 2 and padding 1 add to the output."""
    n, height, width, r, s, f = t.shape
    y = np.zeros((n, 2 * height + 2, 2 * width + 2, f))
    for i in range(r):
        for j in range(s):
            y[:, i : i + 2 * height : 2, j : j + 2 * width : 2] += t[:, :, :, i, j]
    return y[:, 1:-1, 1:-1]


def expected(kernel: Kernel, arrays: dict[str, np.ndarray]) -> np.ndarray:
    x = arrays.get("X", arrays.get("T"))
    assert x is not None
    match kernel.name:
        case "copy":
            return x
        case "bias+relu nhwc":
            return np.maximum(x + arrays["B"], 0)
        case "pad nhwc":
            return np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
        case "nchw to nhwc":
            return x.transpose(0, 2, 3, 1)
        case "nhwc to nchw":
            return x.transpose(0, 3, 1, 2)
        case "matrix":
            return x.T
        case "conv3x3 nhwc":
            return offset_add(x, 14, 1)
        case "conv5x5 f1":
            return offset_add(x, 56, 2)
        case "convT4x4s2 nhwc":
            return transposed_add(x)
        case name:
            raise AssertionError(name)


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: k.name)
def test_kernels_compute_what_they_are_called(kernel: Kernel):
    given = workload(kernel, 2, "fp32", 0)
    assert isinstance(given.source, Program)
    check_program(given.source)
    arrays = {n: a.astype(np.float64) for n, a in {**given.inputs, **given.weights}.items()}
    where, values = sampled(given, 1)
    whole = expected(kernel, arrays)
    assert whole.shape == given.source.outputs[0].shape
    np.testing.assert_allclose(values, whole[where], rtol=0, atol=1e-12)
    flat = np.ravel_multi_index(where, whole.shape)
    assert flat[0] == 0 and flat[-1] == whole.size - 1 and len(flat) > 1000


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: k.name)
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_sizes_are_what_they_are_called(kernel: Kernel, precision: str):
    for megabytes in MEGABYTES:
        program = kernel.program(kernel.units(megabytes, precision), precision)
        check_program(program)
        largest = max(np.prod(t.shape) for t in program.inputs) * ELEMENT_BYTES[precision]
        assert 0.7 < largest / (megabytes * 2**20) < 1.3, (kernel.name, megabytes)
        share = 2.0 if kernel.kind != "offset-add" else 1.3
        assert largest < bytes_of(program) < 1.1 * share * largest


def test_bytes_are_those_computed_by_hand():
    kernel = next(k for k in KERNELS if k.name == "convT4x4s2 nhwc")
    # One image: 8 * 8 * 16 * 128 elements are read, 16 * 16 * 128 written.
    assert bytes_of(kernel.program(1, "fp16")) == 2 * (8 * 8 * 16 * 128 + 16 * 16 * 128)


def test_large_rows_decide():
    assert len(TABLE.rows) == len(KERNELS) * len(MEGABYTES)
    assert blank("copy: copy 64 MB", "fp32").decides
    assert not blank("copy: copy 16 MB", "fp32").decides
    row = blank("transpose: matrix 256 MB", "fp16")
    assert row.table == "transpose"
    assert row.roof == pytest.approx(2 * 256 * 2**20 / 3.0e12 * 1e6)


def test_the_table_by_size_has_shares_of_the_copy():
    row = replace(
        blank("copy: copy 4 MB", "fp32"),
        timed=(
            Timed("einnet", True, (2.0, 2.0), (), Error(0.0, 0.0)),
            Timed("copy", False, (1.5, 1.5), (), Error(0.0, 0.0)),
        ),
    )
    heading, _, first, second, *_ = by_size([row])
    assert heading == "| fp32 | 1 MB | 4 MB | 16 MB | 64 MB | 256 MB |"
    assert first == "| copy: copy | - | 2.0 us 75% | - | - | - |"
    assert second.startswith("| copy: bias+relu nhwc | - | - |")
