"""The estimate knows arithmetic, traffic and launches."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tensor_algebra import parse

from einnet.expr.nodes import Tensor
from einnet.expr.program import Definition, Product
from einnet.operators.cost import CPU, Machine, definition_seconds, points

MACHINE = Machine("m", product_rate=100.0, loop_rate=10.0, bandwidth=8.0, launch=0.5, element=2)
SHAPES = {"A": (3, 4), "B": (4, 5)}
SCOPE = parse("L<m:3,n:5> S<k:4> A[m,k] * B[k,n]", **SHAPES)
LOOP = Definition(Tensor("C", (3, 5)), SCOPE)
CALL = replace(LOOP, library=Product((), ("m",), ("n",), ("k",)))


def test_points_of_nested_scopes_do_not_count():
    assert points(SCOPE) == 60
    assert points(parse("L<m:3> {L<m:3,k:9> A[m,k]}[m,0]", **SHAPES)) == 3


def test_arithmetic_bound():
    fast = replace(MACHINE, bandwidth=1e9)
    assert definition_seconds(CALL, fast) == pytest.approx(2 * 60 / 100 + 0.5)
    assert definition_seconds(LOOP, fast) == pytest.approx(2 * 60 / 10 + 0.5)


def test_memory_bound():
    slow = replace(MACHINE, bandwidth=1.0)
    # 15 results and 12 + 20 operand elements of 2 bytes each, every tensor once.
    assert definition_seconds(CALL, slow) == pytest.approx(47 * 2 + 0.5)
    square = Definition(Tensor("C", (3, 3)), parse("L<m:3,n:3> S<k:4> A[m,k] * A[n,k]", **SHAPES))
    assert definition_seconds(square, slow) == pytest.approx((9 + 12) * 2 + 0.5)


def test_a_library_call_is_cheaper_than_loops_and_more_work_is_dearer():
    assert definition_seconds(CALL, CPU) <= definition_seconds(LOOP, CPU)
    larger = parse("L<m:300,n:500> S<k:400> A[m,k] * B[k,n]", A=(300, 400), B=(400, 500))
    assert definition_seconds(
        Definition(Tensor("C", (300, 500)), larger), CPU
    ) > 100 * definition_seconds(LOOP, CPU)
