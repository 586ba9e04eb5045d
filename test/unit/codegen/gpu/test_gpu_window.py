"""Windows in shared memory, thread by thread against the interpreter; when they are offered."""

import re
from itertools import product
from math import prod

import pytest

from einnet.codegen.gpu.gather import memory_order
from einnet.codegen.gpu.kernel import schedules
from einnet.codegen.gpu.window import Window, windows
from einnet.codegen.gpu.window_kernel import build_window
from kernels import Case, case, check

CONVOLUTION = "L<n:2,h:{h},w:{w}> S<r:5,s:5> T[n,h+r-2,w+s-2,r,s]"
PHASES = """L<n:2,h:{h},w:{w},f:3> S<r:4,s:4> T[n,(h+1-r) div 2,(w+1-s) div 2,r,s,f]
    * [(h+1-r) mod 2 = 0] * [(w+1-s) mod 2 = 0]"""


def convolution(h: int, w: int, dtype: str = "f32") -> Case:
    return case(CONVOLUTION.format(h=h, w=w), dtype, T=(2, h, w, 5, 5))


def check_all(given: Case) -> None:
    offered = windows(given.definition, given.buffers)
    assert offered
    for schedule in offered:
        check(given, build_window(given.definition, given.buffers, schedule))


@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16", "f64"])
def test_sums_of_elements_that_lie_apart(dtype: str) -> None:
    check_all(convolution(10, 16, dtype))


@pytest.mark.parametrize(("h", "w"), [(13, 19), (9, 33), (16, 17)])
def test_extents_that_no_tile_and_no_vector_divides(h: int, w: int) -> None:
    check_all(convolution(h, w))


@pytest.mark.parametrize(("h", "w"), [(12, 20), (14, 10)])
def test_phases_are_neighbours_of_one_thread(h: int, w: int) -> None:
    given = case(PHASES.format(h=h, w=w), "f16", T=(2, h // 2, w // 2, 4, 4, 3))
    (schedule, *_) = windows(given.definition, given.buffers)
    assert [r.count for r in schedule.repeats] == [2, 2]
    check_all(given)


def test_functions_around_the_sum_and_other_operands() -> None:
    text = "L<h:12,w:18> relu({L<h:12,w:18> S<r:3,s:3> T[h+r-1,w+s-1,r,s]}[h,w]*A[h] + X[h,w])"
    check_all(case(text, T=(12, 18, 3, 3), A=(12,), X=(12, 18)))


def test_rows_with_gaps_between_them() -> None:
    given = convolution(8, 12).with_strides(T=(3200, 400, 25, 5, 1), Y=(100, 12, 1))
    check_all(given)


def test_a_sum_that_stays_a_loop() -> None:
    check_all(case("L<h:12,w:12> S<r:9,s:9> T[h+r-4,w+s-4,r,s]", "f16", T=(12, 12, 9, 9)))


@pytest.mark.parametrize("tile", [*product((1, 2), (3, 8), (5, 16))])
def test_any_tile_computes_the_same(tile: tuple[int, ...]) -> None:
    given = convolution(8, 16)
    check(given, build_window(given.definition, given.buffers, Window(0, tile, (), 64)))


def test_nothing_is_staged_where_warps_read_side_by_side() -> None:
    text = "L<n:1,h:14,w:14,f:128> S<r:3,s:3> T[n,h+r-1,w+s-1,r,s,f]"
    given = case(text, T=(1, 14, 14, 3, 3, 128))
    assert windows(given.definition, given.buffers) == ()


def test_windows_fit_into_shared_memory() -> None:
    for channels in (1, 3, 7):
        text = f"L<n:16,h:56,w:56,f:{channels}> S<r:7,s:7> T[n,h+r-3,w+s-3,r,s,f]"
        given = case(text, T=(16, 56, 56, 7, 7, channels))
        for schedule in windows(given.definition, given.buffers):
            kernel = build_window(given.definition, given.buffers, schedule)
            (declared,) = set(re.findall(r"memref<(\d+)xf32, #gpu.address_space", kernel.module))
            assert 4 * int(declared) <= 48 * 1024


def test_a_large_scattered_sum_is_staged_unasked() -> None:
    text = "L<n:16,h:224,w:224> S<r:5,s:5> T[n,h+r-2,w+s-2,r,s]"
    given = case(text, T=(16, 224, 224, 5, 5))
    first, *_ = schedules(given.definition, given.buffers)
    assert isinstance(first, Window)
    result = given.buffers["Y"]
    assert memory_order(result)[-1] == 2
    assert prod(first.tile) >= 64
