"""Lift functions given as text, and evaluate the programs in double precision."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from mlir import ir
from mlir.dialects import func
from numpy.typing import NDArray

from einnet.bridge.lift import lift_with_refusals
from einnet.bridge.natural import natural
from einnet.bridge.refusal import Refusal
from einnet.expr.check import check_program
from einnet.expr.interpreter import Float64, dense, evaluate_everywhere
from einnet.expr.nodes import Scope
from einnet.expr.program import Definition, Program
from einnet.toolchain.mlir import make_context, parse_module

Array = NDArray[Any]


@cache
def context() -> ir.Context:
    return make_context()


def module(text: str) -> ir.Module:
    return parse_module(text, context())


def function_of(owner: ir.Module, name: str = "main") -> func.FuncOp:
    """A function of the module, which must be kept alive as long as the function is used."""
    for operation in owner.body.operations:
        if isinstance(operation, func.FuncOp) and operation.name.value == name:
            return operation
    raise LookupError(name)


def lifted(text: str) -> Program:
    """The program of @main, in which nothing may be opaque."""
    owner = module(text)
    program, refusals = lift_with_refusals(function_of(owner))
    assert not refusals
    check_program(program)
    return program


def refused(text: str) -> list[Refusal]:
    """Why which operations of @main stay opaque."""
    owner = module(text)
    program, refusals = lift_with_refusals(function_of(owner))
    check_program(program)
    check_program(natural(program))
    return list(refusals)


def inputs_of(program: Program, seed: int = 0) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {t.name: rng.uniform(-1, 1, t.shape) for t in program.inputs}


def evaluate(program: Program, inputs: dict[str, Array]) -> list[Array]:
    """The outputs."""
    arrays = dict(inputs)
    for statement in program.statements:
        assert isinstance(statement, Definition)
        scope = statement.scope
        arrays[statement.result.name] = evaluate_everywhere(scope, dense(arrays), Float64())
    return [arrays[t.name] for t in program.outputs]


def run(text: str, **inputs: Array) -> Array:
    """The only output of @main for inputs in the order of its arguments.

    The program and its natural form must agree on it.
    """
    program = lifted(text)
    arrays = {t.name: a for t, a in zip(program.inputs, inputs.values(), strict=True)}
    (result,) = evaluate(program, arrays)
    plain = natural(program)
    check_program(plain)
    (again,) = evaluate(plain, arrays)
    np.testing.assert_allclose(again, result, rtol=1e-12, atol=1e-12)
    return result


def natural_scopes(text: str) -> list[Scope]:
    """The definitions of the natural form of @main."""
    program = natural(lifted(text))
    check_program(program)
    return [d.scope for d in program.definitions]


def random(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng((seed, *shape)).uniform(-1, 1, shape)
