"""Polynomial approximations against the C library in double precision."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from einnet.codegen.cpu.jit import Executable
from einnet.codegen.cpu.lower import Lowered, lower

COUNT = 1 << 16


def _lower(operation: str, element: str = "f32") -> Lowered:
    type_ = f"tensor<{COUNT}x{element}>"
    return lower(f"""
func.func @main(%x: {type_}) -> {type_} {{
  %e = tensor.empty() : {type_}
  %y = linalg.generic {{indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>],
      iterator_types = ["parallel"]}} ins(%x : {type_}) outs(%e : {type_}) {{
    ^bb0(%a: {element}, %o: {element}):
      %r = {operation} %a : {element}
      linalg.yield %r : {element}
  }} -> {type_}
  return %y : {type_}
}}""")


@pytest.mark.parametrize(
    ("operation", "function", "bound", "absolute", "relative"),
    [
        ("math.tanh", math.tanh, 20.0, 4e-7, 5e-7),
        ("math.erf", math.erf, 8.0, 4e-7, 5e-7),
        ("math.exp", math.exp, 86.9, np.inf, 2.5e-7),
    ],
)
def test_errors(
    operation: str,
    function: Callable[[float], float],
    bound: float,
    absolute: float,
    relative: float,
) -> None:
    executable = Executable(_lower(operation))
    for scale in (bound, 1.0, 1e-4):
        x = np.linspace(-scale, scale, COUNT, dtype=np.float32)
        (y,) = executable(x)
        expected = np.array([function(float(value)) for value in x])
        assert np.max(np.abs(y - expected)) <= absolute
        np.testing.assert_allclose(y, expected, rtol=relative, atol=0)


@pytest.mark.parametrize(
    ("operation", "limits"),
    [
        ("math.tanh", (-1.0, 1.0)),
        ("math.erf", (-1.0, 1.0)),
        ("math.exp", (0.0, np.inf)),
    ],
)
def test_limits(operation: str, limits: tuple[float, float]) -> None:
    x = np.zeros(COUNT, np.float32)
    x[:5] = [-np.inf, np.inf, -1e30, 1e30, np.nan]
    (y,) = Executable(_lower(operation))(x)
    np.testing.assert_array_equal(y[:4], [*limits, *limits])
    assert np.isnan(y[4])


def test_exp_near_its_limits() -> None:
    x = np.zeros(COUNT, np.float32)
    x[:4] = [88.7, 88.72, 88.73, -88.0]
    (y,) = Executable(_lower("math.exp"))(x)
    np.testing.assert_allclose(y[:2], [math.exp(np.float32(v)) for v in x[:2]], rtol=2.5e-7)
    np.testing.assert_array_equal(y[2:4], [np.inf, 0.0])


def test_no_call_is_left_in_single_precision_and_double_keeps_libm() -> None:
    assert "tanh" not in _lower("math.tanh").text
    assert "tanh" in _lower("math.tanh", "f64").text
