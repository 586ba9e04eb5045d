"""JAX as a peer: the operator or generator jitted by XLA, many steps in one loop.

JAX takes no stream of ours, so that the host times it. A loop of `STEPS` steps, whose length XLA
knows, stands in for a CUDA graph: launches follow each other without the host's program between.
The time of a call that does nothing is deducted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.cases import Case
from bench.generators import Generator

STEPS = 100

IDLE_CALLS = 25
"""Calls that do nothing, whose median time is deducted: single ones take much longer at times."""


class JaxContender:
    """A function of arrays, jitted; compiled when it is made.

    Results are compared as they are. XLA must not see that all steps compute the same: each takes
    its operands through a barrier together with the result of the step before.
    """

    def __init__(self, name: str, function: Callable[..., Any], operands: tuple[Any, ...]) -> None:
        jax = _jax()
        self.name = name
        self._operands = tuple(jax.device_put(o) for o in operands)
        shape = jax.eval_shape(function, *self._operands)

        def steps(*operands: Any) -> Any:
            def step(before: Any, _: None) -> tuple[Any, None]:
                held, _ = jax.lax.optimization_barrier((operands, before))
                return function(*held), None

            first = jax.numpy.zeros(shape.shape, shape.dtype)
            return jax.lax.scan(step, first, None, length=STEPS)[0]

        self._steps = jax.jit(steps)
        self._nothing = jax.jit(_itself)
        self._result = self._steps(*self._operands).block_until_ready()
        self._nothing(self._result).block_until_ready()
        self._idle = median(self._seconds_of_nothing() for _ in range(IDLE_CALLS))

    def _seconds_of_nothing(self) -> float:
        begin = time.perf_counter()
        self._nothing(self._result).block_until_ready()
        return time.perf_counter() - begin

    def sample(self) -> float:
        begin = time.perf_counter()
        self._result = self._steps(*self._operands).block_until_ready()
        return 1e6 * (time.perf_counter() - begin - self._idle) / STEPS

    def output(self) -> NDArray[Any]:
        return np.asarray(self._result).astype(np.float64)


def operator_contender(
    case: Case, x: NDArray[Any], w: NDArray[Any], precision: str
) -> JaxContender:
    """The operator channels-last: (n, height, width, f) from x (n, c, h, w)."""
    stride = case.stride, case.stride
    function = _convolution(
        case.transposed, stride, case.padding, case.dilation, case.output_padding, precision
    )
    image = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    return JaxContender("jax", function, (image, _kernel(w, case.transposed)))


def model_contender(generator: Generator, latent: NDArray[Any], precision: str) -> JaxContender:
    """The generator channels-last inside; input and output as the model has them."""
    jax = _jax()
    kernels = [_kernel(layer.weight, True).astype(latent.dtype) for layer in generator.layers]
    norms = [
        None
        if n is None
        else [
            v.astype(latent.dtype) for v in (n.mean, n.var + np.float32(n.epsilon), n.scale, n.bias)
        ]
        for n in (layer.norm for layer in generator.layers)
    ]

    def function(latent: Any, kernels: Any, norms: Any) -> Any:
        value = latent.transpose(0, 2, 3, 1)
        for layer, kernel, norm in zip(generator.layers, kernels, norms, strict=True):
            stride, padding = (layer.stride, layer.stride), (layer.padding, layer.padding)
            value = _convolution(True, stride, padding, 1, 0, precision)(value, kernel)
            if norm is not None:
                mean, var, scale, bias = norm
                value = (value - mean) * (jax.lax.rsqrt(var) * scale) + bias
            last = layer.activation == "tanh"
            value = jax.numpy.tanh(value) if last else jax.numpy.maximum(value, 0)
        return value.transpose(0, 3, 1, 2)

    return JaxContender("jax", function, (latent, kernels, norms))


def _itself(x: Any) -> Any:
    return x


def _jax() -> Any:
    # By default JAX takes three quarters of the device's memory at once; others need some here.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    import jax  # pyright: ignore[reportMissingImports]

    return jax


def _kernel(w: NDArray[Any], transposed: bool) -> NDArray[Any]:
    """[f,c,r,s], or [c,f,r,s] turned around, as [r,s,c,f]."""
    order = (2, 3, 0, 1) if transposed else (2, 3, 1, 0)
    turned = w[:, :, ::-1, ::-1] if transposed else w
    return np.ascontiguousarray(turned.transpose(order))


def _convolution(
    transposed: bool,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: int,
    output_padding: int,
    precision: str,
) -> Callable[[Any, Any], Any]:
    """A (transposed) convolution of (n,h,w,c) and (r,s,c,f)."""
    jax = _jax()
    # On a GPU, HIGH lets f32 operands be multiplied in tf32, and HIGHEST does not.
    wanted = jax.lax.Precision.HIGH if precision == "tf32" else jax.lax.Precision.HIGHEST

    def apply(x: Any, w: Any) -> Any:
        reach = [dilation * (k - 1) for k in w.shape[:2]]
        pads = [(p, p) for p in padding]
        if transposed:
            pads = [(r - p, r - p + output_padding) for r, p in zip(reach, padding, strict=True)]
        return jax.lax.conv_general_dilated(
            x,
            w,
            window_strides=(1, 1) if transposed else stride,
            padding=pads,
            lhs_dilation=stride if transposed else (1, 1),
            rhs_dilation=(dilation, dilation),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            precision=wanted,
        )

    return apply
