"""Which library is asked for what, without a library."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from einnet.codegen.gpu.host import (
    ConvolutionCall,
    Image,
    LibraryCall,
    Matrix,
    MatrixProduct,
    dense,
)
from einnet.runtime.cuda import convolution, libraries, matmul
from einnet.runtime.cuda.algorithm import Candidate, Unsupported
from einnet.runtime.cuda.call import Handles, Prepared

PRODUCT = MatrixProduct(
    1, 4, 4, 4, Matrix("a", 4), Matrix("b", 4), Matrix("d", 4), "f32", "f32", "fp32"
)
IMAGE = Image("x", (1, 4, 3, 3), dense((1, 4, 3, 3)))
ONES = (1, 1)
CONVOLUTION = ConvolutionCall(
    False, IMAGE, IMAGE, IMAGE, ONES, ONES, ONES, ONES, 1, "f32", "f32", "tf32"
)


class Bench:
    def __init__(self, refuses: bool) -> None:
        self._refuses = refuses

    def run(self, prepared: Prepared) -> NDArray[Any]:
        if self._refuses:
            raise Unsupported(f"{prepared.workspace} bytes are too many")
        return np.ones(3, np.float32)

    def alone(self) -> AbstractContextManager[None]:
        return nullcontext()

    def glance(self, prepared: Prepared) -> float:
        return float(prepared.workspace)

    def time(self, prepared: Mapping[str, Prepared], rounds: int) -> Mapping[str, float]:
        assert rounds > 0
        return {name: 1 + 1 / p.workspace for name, p in prepared.items()}


class Algorithm:
    def __init__(self, workspace: int) -> None:
        self.workspace = workspace

    def launch(self, stream: int, workspace: int) -> None:
        raise AssertionError(f"the bench launches, not on {stream}, {workspace}")


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The limits that the libraries are asked to keep; they propose two algorithms each."""
    asked: list[tuple[str, int]] = []

    def proposing(library: str) -> Any:
        def candidates(_: LibraryCall, __: object, ___: Handles, limit: int) -> list[Candidate]:
            asked.append((library, limit))
            return [Candidate({"name": f"{library} {w}"}, Algorithm(w)) for w in (10, 11)]

        return candidates

    monkeypatch.setattr(matmul, "candidates", proposing("cublasLt"))
    monkeypatch.setattr(convolution, "candidates", proposing("cudnn"))
    return asked


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (PRODUCT, ("cublasLt", 48)),
        (CONVOLUTION, ("cudnn", 64)),
        (replace(CONVOLUTION, bias="b"), ("cudnn", 8)),
        (replace(CONVOLUTION, activation="relu"), ("cudnn", 8)),
        (replace(CONVOLUTION, z=IMAGE), ("cudnn", 8)),
    ],
)
def test_each_call_has_its_library_and_limit(
    call: LibraryCall, expected: tuple[str, int], limits: list[tuple[str, int]]
) -> None:
    found = libraries.search(call, lambda _: 0, Handles(0), Bench(False))
    assert limits == [expected]
    assert [r["name"] for r, _ in found.ranking.order] == [f"{expected[0]} 11", f"{expected[0]} 10"]
    assert found.tried == 2


@pytest.mark.usefixtures("limits")
def test_a_search_without_result_says_why_of_each() -> None:
    reasons = "cublasLt 10: 10 bytes are too many; cublasLt 11: 11 bytes are too many"
    with pytest.raises(Unsupported, match=reasons):
        libraries.search(PRODUCT, lambda _: 0, Handles(0), Bench(True))
