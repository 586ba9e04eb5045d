"""Calling: arrays that do not fit are refused, `out` is written in place."""

import numpy as np
import pytest

from einnet.codegen.cpu.jit import Executable
from einnet.codegen.cpu.lower import lower
from einnet.errors import InputError

NEGATE = """
func.func @main(%x: tensor<3x4xf32> {einnet.name = "x"}) -> (tensor<3x4xf32> {einnet.name = "y"}) {
  %e = tensor.empty() : tensor<3x4xf32>
  %y = linalg.negf ins(%x : tensor<3x4xf32>) outs(%e : tensor<3x4xf32>) -> tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}"""


@pytest.fixture(scope="module")
def negate() -> Executable:
    return Executable(lower(NEGATE))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 3), np.float32), r"input 'x': its shape is \(4, 3\), expected \(3, 4\)"),
        (np.zeros((3, 4)), "its dtype is float64, expected float32"),
        (np.zeros((4, 3), np.float32).T, "not contiguous"),
    ],
)
def test_wrong_arrays(negate: Executable, array: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        negate(array)


def test_wrong_number(negate: Executable) -> None:
    with pytest.raises(InputError, match="0 arguments given, expected 1"):
        negate()


def test_out(negate: Executable) -> None:
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    y = np.empty_like(x)
    (result,) = negate(x, out=[y])
    assert result is y
    np.testing.assert_array_equal(y, -x)


def test_out_may_not_overlap_an_argument(negate: Executable) -> None:
    x = np.zeros((3, 4), np.float32)
    with pytest.raises(InputError, match="overlaps"):
        negate(x, out=[x])


def test_out_may_not_be_read_only(negate: Executable) -> None:
    y = np.zeros((3, 4), np.float32)
    y.flags.writeable = False
    with pytest.raises(InputError, match="read-only"):
        negate(np.zeros((3, 4), np.float32), out=[y])
