"""The floating-point reference: the program as imported, in double precision.

What is compiled in a lower precision is compared with it, within a tolerance that follows from the
longest sums and the precision: rounding errors of a sum of n terms grow with the square root of n
when they are independent, and with n at worst.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod, sqrt

import numpy as np

from einnet.bridge.emit import emit_program
from einnet.codegen.cpu.call import Array
from einnet.codegen.cpu.lower import lower
from einnet.expr.nodes import Body, Call, Factor, Read, Scope, Tensor, Term
from einnet.expr.program import Definition, Opaque, Program, Statement
from einnet.runtime.program import jit_program
from einnet.toolchain.mlir import make_context

_FLOATS = {"f16": np.float16, "f32": np.float32, "f64": np.float64}

_SAFETY = 8.0
"""How many standard deviations of the rounding error the tolerance allows."""


def reference_outputs(
    program: Program, weights: Mapping[str, Array], inputs: Mapping[str, Array]
) -> dict[str, Array]:
    """The outputs of the program in double precision, by name.

    Raises ValueError for a program with opaque operations, whose element types are fixed.
    """
    wide = in_double(program)
    # Two outputs may be one tensor; one is enough, under its name.
    wide = replace(wide, outputs=tuple(dict.fromkeys(wide.outputs)))
    executable = jit_program(
        lower(str(emit_program(wide, make_context()))),
        {name: array.astype(np.float64) for name, array in weights.items()},
    )
    names = [t.name for t in program.inputs if t.name not in program.weights]
    results = executable(*(inputs[name].astype(np.float64) for name in names))
    return {t.name: r for t, r in zip(wide.outputs, results, strict=True)}


def tolerance(program: Program) -> float:
    """The allowed error of an output relative to its largest element.

    The roots of the lengths of all sums, in units of the rounding error of the lowest precision.
    """
    tensors = (*program.inputs, *program.outputs, *(d.result for d in program.definitions))
    dtypes = {t.dtype for t in tensors}
    unit = max((float(np.finfo(_FLOATS[d]).eps) for d in dtypes if d in _FLOATS), default=0.0)
    lengths = [prod(i.extent for i in d.scope.summation) for d in program.definitions]
    return _SAFETY * unit * sum(sqrt(n) for n in lengths)


def relative_error(results: Sequence[Array], reference: Sequence[Array]) -> float:
    """The largest difference over all outputs, each relative to its reference's largest element."""
    worst = 0.0
    for result, expected in zip(results, reference, strict=True):
        exact = expected.astype(np.float64)
        scale = float(np.abs(exact).max(initial=0.0)) or 1.0
        error = float(np.abs(result.astype(np.float64) - exact).max(initial=0.0)) / scale
        worst = max(worst, error if np.isfinite(error) else float("inf"))
    return worst


def in_double(program: Program) -> Program:
    """The same program on f64 tensors."""
    statements: list[Statement] = []
    for statement in program.statements:
        if isinstance(statement, Opaque):
            raise ValueError(f"{statement.operation} cannot be computed in double precision")
        scope = _scope(statement.scope)
        statements.append(Definition(_tensor(statement.result), scope, statement.label))
    return replace(
        program,
        inputs=tuple(_tensor(t) for t in program.inputs),
        statements=tuple(statements),
        outputs=tuple(_tensor(t) for t in program.outputs),
    )


def _tensor(tensor: Tensor) -> Tensor:
    return replace(tensor, dtype="f64")


def _scope(scope: Scope) -> Scope:
    return replace(scope, body=_body(scope.body))


def _body(body: Body) -> Body:
    return tuple(Term(tuple(map(_factor, t.factors)), t.guards, t.coefficient) for t in body)


def _factor(factor: Factor) -> Factor:
    if isinstance(factor, Call):
        return Call(factor.function, tuple(_body(a) for a in factor.arguments))
    source = factor.source
    return Read(_tensor(source) if isinstance(source, Tensor) else _scope(source), factor.index)
