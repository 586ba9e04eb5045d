"""Constants are exact numbers of their types."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from fractions import Fraction

import pytest
from mlir import ir

from einnet.bridge.constants import rounded


@pytest.fixture
def context() -> Iterator[None]:
    with ir.Context(), warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize(
    ("number", "type_", "expected"),
    [
        (Fraction(100_000), "f16", None),
        (Fraction(10) ** 39, "f32", None),
        (Fraction(65_519), "f16", Fraction(65_504)),
        (Fraction(1, 10**9), "f16", Fraction(0)),
        (Fraction(1, 2), "tensor<4xf16>", Fraction(1, 2)),
    ],
)
def test_rounding_is_silent_about_infinities(
    number: Fraction, type_: str, expected: Fraction | None
) -> None:
    assert rounded(number, ir.Type.parse(type_)) == expected
