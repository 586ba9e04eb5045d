"""The textbook's three derivations, by rule passes: what comes out computes what went in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from einnet.codegen.cpu.jit import Executable
from einnet.codegen.cpu.lower import lower
from einnet.passes.pipeline import parse_pipeline
from einnet.toolchain.mlir import make_context, parse_module

Array = NDArray[np.float64]

TEST_ROOT = Path(__file__).resolve().parents[2]

SPLIT = "einnet-split-summation{label=conv iterators=d3,d4}"
SUBSTITUTE = "einnet-substitute{label=conv.inner with=t1=d0+d3,t2=d1+d4}"


def convolution(x: Array, k: Array) -> Array:
    windows = np.lib.stride_tricks.sliding_window_view(x, k.shape[:2], (0, 1))
    return np.einsum("hwcrs,rscf->hwf", windows, k)


def transposed(a: Array, b: Array, initial: Array) -> Array:
    return np.einsum("mkl,kln->nm", a, b) + initial


def row_scaled_product(a: Array, v: Array, b: Array) -> Array:
    return (a * v[:, None]) @ b


def product(*operands: Array) -> Array:
    return np.linalg.multi_dot(operands)


@pytest.mark.parametrize(
    ("file", "function", "passes", "shapes", "expected"),
    [
        pytest.param(
            "split-summation.mlir",
            "triple_product",
            f"einnet-split-summation{{label=p iterators={outer}}}",
            [(24, 20), (20, 28), (28, 32)],
            product,
            id=f"triple-product-{outer}",
        )
        for outer in ("d2", "d3")
    ]
    + [
        pytest.param(
            "split-summation.mlir",
            "transposed",
            "einnet-split-summation{label=q iterators=d2,d3}",
            [(18, 20, 22), (20, 22, 26), (26, 18)],
            transposed,
            id="initial-value",
        ),
        pytest.param(
            "merge-traversals.mlir",
            "row_scaled_product",
            "einnet-merge-traversals{label=product}",
            [(24, 20), (24,), (20, 32)],
            row_scaled_product,
            id="row-scaled-product",
        ),
    ]
    + [
        # A sum backwards; negative positions; equations that have to be solved together.
        pytest.param(
            "substitute.mlir",
            "reflected",
            f"einnet-substitute{{label=sum with={new}}}",
            [(24, 20), (20, 28)],
            product,
            id=new,
        )
        for new in ("u=19-d2", "u=d0-d1+3", "u=d1,v=d0", "u=d0+d1,v=d1-2", "u=d0+d1,v=d0")
    ]
    + [
        pytest.param(
            "substitute.mlir",
            "convolution",
            ",".join(steps),
            [(10, 11, 32), (3, 3, 32, 16)],
            convolution,
            id=f"convolution-{len(steps)}",
        )
        for steps in (
            [SPLIT],
            [SPLIT, SUBSTITUTE],
            [SPLIT, SUBSTITUTE, "einnet-merge-traversals{label=conv}"],
        )
    ],
)
def test_passes_keep_the_meaning(
    file: str,
    function: str,
    passes: str,
    shapes: list[tuple[int, ...]],
    expected: Callable[..., Array],
) -> None:
    path = TEST_ROOT / "passes" / file
    context = make_context()
    module = parse_module(path.read_text(encoding="utf-8"), context, str(path))
    before = str(module)
    module = parse_pipeline(f"builtin.module({passes})", context).run(module, str(path))
    assert str(module) != before
    random = np.random.default_rng(0)
    arrays = [random.standard_normal(shape).astype(np.float32) for shape in shapes]
    (found,) = Executable(lower(str(module), function))(*arrays)
    reference = expected(*(a.astype(np.float64) for a in arrays))
    np.testing.assert_allclose(found, reference, rtol=0, atol=1e-5 * np.abs(reference).max())
