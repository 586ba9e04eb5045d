"""The nonlinear scalar functions that calls may name, with their meaning in floating point."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Function:
    """A scalar function. `evaluate` works elementwise on float64 arrays; `commutative` says that
    the order of the arguments does not matter, `keeps_zero` that the value of zeros is 0."""

    name: str
    arity: int
    evaluate: Callable[..., NDArray[Any]]
    commutative: bool = False
    keeps_zero: bool = False


Array = NDArray[Any]


def _relu(x: Array) -> Array:
    return np.maximum(x, 0.0)


def _rsqrt(x: Array) -> Array:
    return 1.0 / np.sqrt(x)


def _reciprocal(x: Array) -> Array:
    return 1.0 / x


def _erf(x: Array) -> Array:
    return np.array([math.erf(v) for v in x.ravel()]).reshape(x.shape)


def _sigmoid(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-x))


FUNCTIONS: dict[str, Function] = {
    f.name: f
    for f in (
        Function("relu", 1, _relu, keeps_zero=True),
        Function("tanh", 1, np.tanh, keeps_zero=True),
        Function("exp", 1, np.exp),
        Function("log", 1, np.log),
        Function("sqrt", 1, np.sqrt, keeps_zero=True),
        Function("rsqrt", 1, _rsqrt),
        Function("reciprocal", 1, _reciprocal),
        Function("abs", 1, np.abs, keeps_zero=True),
        Function("erf", 1, _erf, keeps_zero=True),
        Function("sigmoid", 1, _sigmoid),
        Function("maximum", 2, np.maximum, commutative=True, keeps_zero=True),
        Function("minimum", 2, np.minimum, commutative=True, keeps_zero=True),
    )
}
