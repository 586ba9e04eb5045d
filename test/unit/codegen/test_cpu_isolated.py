"""Lowering in a child process gives what lowering here gives, errors included."""

import pytest

from einnet.codegen.cpu.isolated import lower_isolated
from einnet.codegen.cpu.lower import lower
from einnet.errors import InputError
from einnet.toolchain.child import ChildError, Outcome

NEGATE = """
func.func @negate(%x: tensor<4xf32> {einnet.name = "x"}) -> tensor<4xf32> {
  %e = tensor.empty() : tensor<4xf32>
  %y = linalg.negf ins(%x : tensor<4xf32>) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}"""


def test_same_result() -> None:
    assert lower_isolated(NEGATE, "negate") == lower(NEGATE, "negate")


def test_same_error() -> None:
    broken = NEGATE.replace("linalg.negf", "linalg.nothing")
    with pytest.raises(InputError) as here:
        lower(broken, "negate", "model.mlir")
    with pytest.raises(InputError) as there:
        lower_isolated(broken, "negate", "model.mlir")
    assert str(there.value) == str(here.value)
    assert str(here.value).startswith("model.mlir:4:")


def test_a_limit_is_an_error() -> None:
    with pytest.raises(ChildError) as error:
        lower_isolated(NEGATE, "negate", timeout=0.01)
    assert error.value.outcome is Outcome.TIMED_OUT
