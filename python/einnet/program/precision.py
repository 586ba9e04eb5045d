"""The precision of a program: what its floating-point tensors are stored in.

Verification is exact and knows no rounding, so a program is proved as it was imported, and stored
in another precision after that. Products of f32 tensors in TF32 are rounded inside the library:
they change no type.
"""

from __future__ import annotations

from dataclasses import replace

from einnet.errors import InputError
from einnet.expr.nodes import Body, Call, Factor, Read, Scope, Tensor
from einnet.expr.program import Opaque, Program, Statement

STORAGE = {"fp32": "f32", "tf32": "f32", "fp16": "f16", "bf16": "bf16"}
"""The element type that takes the place of f32 in each precision."""


def in_precision(program: Program, precision: str) -> Program:
    """The program with every f32 tensor, inputs and outputs among them, in a precision of
    `einnet.options`. Other types stay: integers, and f64.

    Raises InputError for an operation on f32 tensors that has no expression, since its type cannot
    be changed, and KeyError for an unknown precision.
    """
    dtype = STORAGE[precision]
    if dtype == "f32":
        return program
    return replace(
        program,
        inputs=tuple(_tensor(t, dtype) for t in program.inputs),
        statements=tuple(_statement(s, dtype) for s in program.statements),
        outputs=tuple(_tensor(t, dtype) for t in program.outputs),
    )


def _statement(statement: Statement, dtype: str) -> Statement:
    if isinstance(statement, Opaque):
        if any(t.dtype == "f32" for t in (*statement.results, *statement.operands)):
            raise InputError(
                f"{statement.operation} cannot be computed in {dtype}",
                hint="it has no expression; choose the precision fp32 or tf32",
            )
        return statement
    result = _tensor(statement.result, dtype)
    return replace(statement, result=result, scope=_scope(statement.scope, dtype))


def _tensor(tensor: Tensor, dtype: str) -> Tensor:
    return replace(tensor, dtype=dtype) if tensor.dtype == "f32" else tensor


def _scope(scope: Scope, dtype: str) -> Scope:
    return replace(scope, body=_body(scope.body, dtype))


def _body(body: Body, dtype: str) -> Body:
    return tuple(replace(t, factors=tuple(_factor(f, dtype) for f in t.factors)) for t in body)


def _factor(factor: Factor, dtype: str) -> Factor:
    if isinstance(factor, Call):
        return replace(factor, arguments=tuple(_body(a, dtype) for a in factor.arguments))
    source = factor.source
    if isinstance(source, Tensor):
        return Read(_tensor(source, dtype), factor.index)
    return Read(_scope(source, dtype), factor.index)
