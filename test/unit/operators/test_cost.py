"""The estimate knows arithmetic, traffic and launches."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tensor_algebra import parse

from einnet.expr.nodes import Tensor
from einnet.expr.program import Definition, Product, Window, Windowed
from einnet.operators.cost import CPU, H100, Machine, definition_seconds, h100, points
from einnet.options import PRECISIONS

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


def product(m: int, n: int, k: int) -> Definition:
    scope = parse(f"L<m:{m},n:{n}> S<k:{k}> A[m,k] * B[k,n]", A=(m, k), B=(k, n))
    return Definition(Tensor("C", (m, n)), scope, library=Product((), ("m",), ("n",), ("k",)))


def convolution(n: int, c: int, e: int, f: int, k: int, *, stride: int = 0) -> Definition:
    """A convolution that keeps the size, or a transposed one."""
    extent = e * (stride or 1)
    inputs = {"X": (n, e, e, c), "W": (f, k, k, c)}
    box = f"L<n:{n},h:{extent},w:{extent},f:{f}> S<c:{c},r:{k},s:{k}>"
    at = [f"{x}+{y}-{k // 2}" for x, y in ("hr", "ws")]
    guards = ""
    if stride:
        at = [f"({x}-{y}+1) div {stride}" for x, y in ("hr", "ws")]
        guards = "".join(f" * [({x}-{y}+1) mod {stride} = 0]" for x, y in ("hr", "ws"))
    scope = parse(f"{box} X[n,{at[0]},{at[1]},c] * W[f,r,s,c]{guards}", **inputs)
    windows = tuple(Window(0, x, y, stride or 1, transposed=stride > 0) for x, y in ("hr", "ws"))
    library = Windowed("conv2d", (), ("n",), ("f",), ("c",), windows)
    return Definition(Tensor("Y", scope.extents), scope, library=library)


def test_every_precision_has_a_machine():
    machines = [h100(p) for p in PRECISIONS]
    assert [m.name for m in machines] == [f"h100 {p}" for p in PRECISIONS]
    assert [m.element for m in machines] == [4, 4, 2, 2]
    rates = [m.product_rate for m in machines]
    assert rates[0] < rates[1] < rates[2] == rates[3]
    with pytest.raises(KeyError):
        h100("fp8")


# Microseconds that libraries take, from reference measurements: the estimate ranks, so that it may
# be wrong by a factor, but not by an order of magnitude.
MEASURED = [
    (product(64, 4096, 448), {"tf32": 6.9, "fp16": 3.3, "fp32": 12.1}),
    (product(784, 4608, 512), {"tf32": 24.7, "fp16": 8.8, "fp32": 90.3}),
    (product(3136, 4608, 512), {"tf32": 59.4, "fp16": 29.5, "fp32": 351.5}),
    (product(802816, 25, 32), {"tf32": 96.7, "fp16": 84.7, "fp32": 98.8}),
    (convolution(1, 512, 7, 512, 3), {"tf32": 16.9, "fp16": 12.0, "fp32": 103.6}),
    (convolution(16, 512, 7, 512, 3), {"tf32": 24.0, "fp16": 15.4, "fp32": 183.4}),
    (convolution(16, 32, 224, 1, 5), {"tf32": 368.3, "fp16": 231.2}),
    (convolution(16, 1, 224, 64, 9), {"tf32": 261.3, "fp16": 227.6}),
    (convolution(16, 256, 8, 128, 4, stride=2), {"tf32": 15.9, "fp16": 10.3}),
    (convolution(16, 448, 2, 256, 4, stride=2), {"tf32": 21.5, "fp16": 13.0}),
]


@pytest.mark.parametrize(("call", "measured"), MEASURED)
def test_the_estimate_is_near_what_was_measured(call: Definition, measured: dict[str, float]):
    for precision, microseconds in measured.items():
        estimated = definition_seconds(call, h100(precision)) * 1e6
        assert microseconds / 3 < estimated < 3 * microseconds, precision


def test_sums_of_products_are_split_over_idle_processors():
    one_tile = product(64, 64, 14336)
    alone = 2 * 64 * 64 * 14336 * H100.units / H100.product_rate
    assert 3 * H100.launch < definition_seconds(one_tile, H100) < alone / 4
    whole = convolution(1, 14336, 8, 64, 1)
    assert definition_seconds(whole, H100) > alone


def test_a_result_that_fills_no_tile_costs_a_tile():
    fast = replace(H100, bandwidth=1e18)
    assert definition_seconds(product(64 * 132, 1, 512), fast) == pytest.approx(
        definition_seconds(product(64 * 132, 64, 512), fast)
    )


def test_many_small_groups_are_loops():
    """Each channel of a depthwise convolution is a matrix of one column."""
    text = "L<n:16,h:28,w:28,c:512> S<r:3,s:3> X[n,h+r-1,w+s-1,c] * W[c,r,s]"
    scope = parse(text, X=(16, 28, 28, 512), W=(512, 3, 3))
    windows = (Window(0, "h", "r"), Window(0, "w", "s"))
    library = Windowed("conv2d", ("c",), ("n",), (), (), windows)
    depthwise = Definition(Tensor("Y", scope.extents), scope, library=library)
    loops = replace(depthwise, library=None)
    assert definition_seconds(depthwise, H100) <= definition_seconds(loops, H100)
