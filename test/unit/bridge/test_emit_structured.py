"""Sums of products over slices: what is emitted means the expression, under linalg's own names."""

from __future__ import annotations

import numpy as np
import pytest
from lifting import context, function_of
from mlir import ir
from mlir.dialects import func

from einnet.bridge.emit_structured import emit_sum_of_products, pays
from einnet.bridge.lift import lift_function
from einnet.expr.interpreter import Float64, dense, evaluate_everywhere
from einnet.expr.nodes import Tensor
from einnet.expr.program import Definition
from einnet.expr.text import parse_scope

CASES = {
    "nchw": (
        "L<n:2,f:3,h:5,w:6> S<c:2,r:3,s:3> X[n,c,h+r-1,w+s-1] * W[f,c,r,s]",
        "conv_2d_nchw_fchw",
    ),
    "a strided box": (
        "L<n:2,f:3,h:2,w:1> S<c:2,r:3,s:3> X[n,c,3*h+r,w+s-1] * W[f,c,r,s]",
        "conv_2d_nchw_fchw",
    ),
    "kernel first": (
        "L<n:2,f:3,h:5,w:6> S<c:2,r:3,s:3> W[f,c,r,s] * X[n,c,h+2*r-2,w+s]",
        "conv_2d_nchw_fchw",
    ),
    "a batch left out": (
        "L<h:5,w:6,f:3> S<r:3,s:3,c:2> V[h+r-1,w+s,c] * U[r,s,c,f]",
        "conv_2d_nhwc_hwcf",
    ),
    "one tap": ("L<n:2,f:3,h:5,w:6> S<c:2> X[n,c,h,w] * W[f,c,1,2]", "conv_2d_nchw_fchw"),
    "depthwise": (
        "L<n:2,g:2,h:5,w:6> S<r:3,s:3> X[n,g,h+r-1,w+s-1] * D[g,r,s]",
        "depthwise_conv_2d_nchw_chw",
    ),
    "another layout": (
        "L<f:3,n:2,h:5,w:6> S<c:2,r:3,s:3> X[n,c,h+r-1,w+s-1] * W[f,c,r,s]",
        "generic",
    ),
    "backwards": (
        "L<n:2,f:3,h:5,w:6> S<c:2,r:3,s:3> X[n,c,h-r+1,w+s-1] * W[f,c,2-r,s]",
        "generic",
    ),
    "backwards over one tap": ("L<f:3,h:5> S<c:2,r:1> X[1,c,h-r,2] * W[f,c,2-r,1]", "generic"),
    "scaled": ("L<n:2,c:2,h:6,w:7> S<r:3,s:3> 1/9 * X[n,c,h+r-1,w+s-1]", "generic"),
    "three factors": ("L<h:6,f:3> S<c:2,r:3> X[1,c,h+r-1,2] * W[f,c,r,1] * D[c,r,0]", "generic"),
}
SHAPES = {
    "X": (2, 2, 6, 7), "W": (3, 2, 3, 3), "V": (6, 8, 2), "U": (3, 3, 2, 3), "D": (2, 3, 3)
}  # fmt: skip
TENSORS = {name: Tensor(name, shape) for name, shape in SHAPES.items()}


def definition_of(text: str) -> Definition:
    scope = parse_scope(text, TENSORS)
    return Definition(Tensor("Y", scope.extents), scope)


def emitted(definition: Definition) -> ir.Module:
    operands = definition.operands
    with context(), ir.Location.unknown():
        module = ir.Module.create()
        types = [
            ir.RankedTensorType.get(t.shape, ir.F32Type.get())
            for t in (*operands, definition.result)
        ]
        with ir.InsertionPoint(module.body):
            function = func.FuncOp("main", (types[:-1], types[-1:]))
        with ir.InsertionPoint(function.add_entry_block()):
            names = (t.name for t in operands)
            values = dict(zip(names, function.arguments, strict=True))
            found = emit_sum_of_products(definition, values)
            assert found is not None
            func.ReturnOp([found[0]])
    assert module.operation.verify()
    return module


@pytest.mark.parametrize(("text", "operation"), CASES.values(), ids=CASES.keys())
def test_what_is_emitted_means_the_expression(text: str, operation: str) -> None:
    definition = definition_of(text)
    module = emitted(definition)
    assert f"linalg.{operation} " in str(module)
    assert "arith.select" not in str(module) and "tensor.extract " not in str(module)
    rng = np.random.default_rng(0)
    inputs = {t.name: rng.uniform(-1, 1, t.shape) for t in definition.operands}
    expected = evaluate_everywhere(definition.scope, dense(inputs), Float64())
    program = lift_function(function_of(module))
    arrays = {t.name: a for t, a in zip(program.inputs, inputs.values(), strict=True)}
    for statement in program.definitions:
        found = evaluate_everywhere(statement.scope, dense(arrays), Float64())
        arrays[statement.result.name] = found
    np.testing.assert_allclose(arrays[program.outputs[0].name], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "L<n:2,f:3,h:5,w:6> S<c:2,r:3,s:3> X[n,c,(h+r) div 2,w] * W[f,c,r,s]",
        "L<n:2,f:3,h:5,w:6> S<c:2,r:3,s:3> X[n,c,h+r-1,w] * W[f,c,r,s] * [(h+r) mod 2 = 0]",
        "L<n:2,c:2,h:6,w:7> X[n,c,h,w]",
    ],
    ids=["divided", "guarded", "no sum"],
)
def test_what_is_no_sum_over_slices_is_left_to_loops(text: str) -> None:
    assert emit_sum_of_products(definition_of(text), {}) is None


@pytest.mark.parametrize(
    ("text", "shapes", "expected"),
    [
        ("L<h:9,w:9> S<r:5,s:5> X[h+r-2,w+s-2] * W[r,s]", ((9, 9), (5, 5)), True),
        # As fast with its guards as without them, and no copy.
        ("L<h:9,w:9> S<r:3,s:3> X[h+r-1,w+s-1] * W[r,s]", ((9, 9), (3, 3)), False),
        # Every element is used once: padding them all would double the time.
        ("L<h:9,w:9> S<r:5,s:5> X[h+r-2,w+s-2,r,s] * W[r,s]", ((9, 9, 5, 5), (5, 5)), False),
        # As few uses, but nothing to pad.
        ("L<h:5,w:5> S<r:5,s:5> X[h+r,w+s,r,s] * W[r,s]", ((9, 9, 5, 5), (5, 5)), True),
        # One element, and mostly zeros around it.
        ("L<h:64,w:64> S<r:64,s:64> X[h+r-64,w+s-64] * W[r,s]", ((1, 1), (64, 64)), True),
        ("L<h:4> S<r:999> X[h+500*r-400] * W[r]", ((9,), (999,)), False),
    ],
)
def test_padding_must_pay(text: str, shapes: tuple[tuple[int, ...], ...], expected: bool) -> None:
    tensors = {name: Tensor(name, shape) for name, shape in zip("XW", shapes, strict=True)}
    assert pays(parse_scope(text, tensors)) is expected
