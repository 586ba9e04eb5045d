"""Definitions with buffers to make kernels of, and what their results should be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from emulate import DTYPES, run
from numpy.typing import NDArray

from einnet.codegen.gpu.frame import Kernel
from einnet.codegen.gpu.functions import storage
from einnet.codegen.gpu.host import Buffer, dense
from einnet.expr.interpreter import Float64, evaluate_everywhere
from einnet.expr.interpreter import dense as look_up
from einnet.expr.nodes import Scope, Tensor, tensors_of
from einnet.expr.program import Definition
from einnet.expr.text import parse_scope

Array = NDArray[Any]

EPSILON = {"f16": 2.0**-11, "bf16": 2.0**-8, "f32": 2.0**-24, "f64": 2.0**-53}


@dataclass(frozen=True)
class Case:
    """A definition and the buffers of its tensors, by the tensors' names; the result's is `Y`."""

    definition: Definition
    buffers: Mapping[str, Buffer]

    def with_strides(self, **strides: tuple[int, ...]) -> Case:
        changed = {n: replace(self.buffers[n], strides=s) for n, s in strides.items()}
        return Case(self.definition, {**self.buffers, **changed})


def case(text: str, dtype: str = "f32", result: str = "", /, **shapes: tuple[int, ...]) -> Case:
    """The definition that the text writes, of tensors of one type, over dense buffers."""
    tensors = {name: Tensor(name, shape, dtype) for name, shape in shapes.items()}
    return of_scope(parse_scope(text, tensors), result or dtype)


def of_scope(scope: Scope, dtype: str) -> Case:
    result = Tensor("Y", scope.extents, dtype)
    tensors = (*tensors_of(scope), result)
    buffers = {
        t.name: Buffer(t.name, t.shape, dense(t.shape), storage(t.dtype), "temporary")
        for t in tensors
    }
    return Case(Definition(result, scope), buffers)


def random_arrays(given: Case, *, positive: bool = False) -> dict[str, Array]:
    rng = np.random.default_rng(7)
    arrays: dict[str, Array] = {}
    for tensor in given.definition.operands:
        kind = np.dtype(DTYPES[storage(tensor.dtype)])
        if tensor.dtype == "i1":
            values = rng.integers(0, 2, tensor.shape)
        elif kind.kind == "i":
            values = rng.integers(-9, 10, tensor.shape)
        else:
            values = rng.uniform(0.1 if positive else -2, 2, tensor.shape)
        arrays[tensor.name] = np.asarray(values).astype(kind)
    return arrays


def expected(given: Case, arrays: Mapping[str, Array]) -> Array:
    """What the interpreter computes in double precision."""
    exact = {name: array.astype(np.float64) for name, array in arrays.items()}
    return evaluate_everywhere(given.definition.scope, look_up(exact), Float64())


def check(given: Case, kernel: Kernel, *, factor: float = 16, positive: bool = False) -> None:
    """Run the kernel on random data; `factor` is of the element types' rounding errors."""
    arrays = random_arrays(given, positive=positive)
    found = run(kernel, given.buffers, arrays)
    correct = expected(given, arrays)
    epsilon = EPSILON.get(given.definition.result.dtype, 0.0)
    bound = factor * epsilon * max(1.0, float(np.abs(correct).max()))
    np.testing.assert_allclose(found.astype(np.float64), correct, rtol=0, atol=bound)
