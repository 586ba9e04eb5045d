"""Gathering kernels against the interpreter, thread by thread, and what they become in PTX."""

import re
from math import prod

import numpy as np
import pytest
from emulate import run
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import scopes

from einnet.bridge.unroll import from_zero
from einnet.codegen.gpu.assemble import lowering_pipeline, to_ptx
from einnet.codegen.gpu.frame import Kernel
from einnet.codegen.gpu.gather import Gather, Repeat, build_gather, gathers, widest_vector
from einnet.errors import InputError
from einnet.expr.functions import FUNCTIONS
from einnet.expr.nodes import Scope
from kernels import Case, case, check, of_scope

OFFSET_ADD = """L<n:2,h:{h},w:{h},c:{c}> relu(
    {{L<n:2,h:{h},w:{h},c:{c}> S<r:2,s:2>
      P[n,(h+1) div 2-r,(w+1) div 2-s,(h+1) mod 2+2*r,(w+1) mod 2+2*s,c]}}[n,h,w,c]
    * A[c] + B[c])"""


def offset_add(h: int, c: int, dtype: str = "f32") -> Case:
    """What follows the product in InfoGAN's transposed convolutions, with norm and activation."""
    text = OFFSET_ADD.format(h=h, c=c)
    return case(text, dtype, P=(2, h // 2, h // 2, 4, 4, c), A=(c,), B=(c,))


def default(given_case: Case) -> Kernel:
    definition, buffers = given_case.definition, given_case.buffers
    return build_gather(definition, buffers, gathers(definition, buffers)[0])


def check_all(given_case: Case, **options: bool) -> None:
    """Every schedule that is offered."""
    for schedule in gathers(given_case.definition, given_case.buffers):
        kernel = build_gather(given_case.definition, given_case.buffers, schedule)
        check(given_case, kernel, **options)


@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16", "f64"])
def test_offset_adds(dtype: str) -> None:
    check_all(offset_add(8, 16, dtype))


@pytest.mark.parametrize("channels", [1, 3, 7, 33])
def test_extents_that_no_vector_divides(channels: int) -> None:
    check_all(offset_add(6, channels))


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("L<a:5,b:8> X[a-1,b]", {"X": (3, 8)}),  # padded at both ends
        ("L<a:5,b:8> X[a,b-2]", {"X": (5, 5)}),  # padded along the vector
        ("L<a:3,b:4> X[a+1,b+4]", {"X": (5, 12)}),  # cropped
        ("L<a:4,b:8> X[a,b+1] - 2*X[a,b] + X[a,b-1]", {"X": (4, 8)}),
        ("L<a:4,b:8> X[b,a]", {"X": (8, 4)}),
        ("L<a:4,b:8> X[3-a,7-b]", {"X": (4, 8)}),
        ("L<a:4,b:8> X[b] * Z[a] + 3/4", {"X": (8,), "Z": (4,)}),
        ("L<a:4,b:12> X[a,b] + Z[a,b-8]", {"X": (4, 8), "Z": (4, 4)}),  # joined
        ("L<a:6,b:8> X[(a-3) div 2+2,(b-5) div 3+2]", {"X": (4, 3)}),
        ("L<a:9,b:8> X[a div 3,b div 2] * [(a+b) mod 2 = 0]", {"X": (3, 4)}),
        ("L<a:9,b:8> X[a div 3,b] * [a mod 3 = 0] * [2 <= a+b < 9]", {"X": (3, 8)}),
        # Numerators that are negative in the end: constants alone are normalised away.
        ("L<a:9,b:8> X[(2-a) div 3+2,(1-b) div 2+3]", {"X": (3, 4)}),
        ("L<a:9,b:8> X[a,b] * [((2-a) div 2+b) mod 3 = 0]", {"X": (9, 8)}),
        ("L<a:24> X[a mod 4, a div 4]", {"X": (4, 6)}),
        ("L<a:7,b:6> 0", {}),
        ("L<a:4> [1 <= a < 3]", {}),
    ],
)
def test_movements(text: str, shapes: dict[str, tuple[int, ...]]) -> None:
    check_all(case(text, "f32", "f32", **shapes))


def test_pitched_and_permuted_layouts() -> None:
    text = "L<n:2,h:3,w:5,c:8> X[n,h,w,c] * A[c] + Z[n,c,h,w]"
    mixed = case(text, X=(2, 3, 5, 8), A=(8,), Z=(2, 8, 3, 5))
    check_all(mixed.with_strides(X=(160, 48, 8, 1), Z=(120, 1, 40, 8)))
    check_all(mixed.with_strides(Y=(160, 1, 4, 20)))
    check_all(mixed.with_strides(Y=(160, 50, 9, 1), X=(3, 6, 18, 90)))


@pytest.mark.parametrize("summation", ["S<k:20>", "S<k:67>", "S<k:9,l:12>"])
@pytest.mark.parametrize("dtype", ["f32", "f16", "i32"])
def test_sums_that_stay_loops(summation: str, dtype: str) -> None:
    second = "l" if "l" in summation else "k"
    text = f"L<a:4,b:8> {summation} X[a,k,b] * Z[{second}-2,b]"
    check_all(case(text, dtype, X=(4, 67, 8), Z=(60, 8)))


@pytest.mark.parametrize("function", ["relu", "tanh", "exp", "erf", "sigmoid", "abs"])
def test_functions(function: str) -> None:
    check_all(case(f"L<a:64> {function}(3*X[a])", X=(64,)))


@pytest.mark.parametrize("function", ["log", "sqrt", "rsqrt", "reciprocal"])
def test_functions_of_positive_numbers(function: str) -> None:
    check_all(case(f"L<a:64> {function}(3*X[a])", X=(64,)), positive=True)


def test_logarithms_of_all_sizes() -> None:
    x = np.geomspace(1e-44, 3e38, 4096).astype(np.float32)
    x[:8] = [0.0, -0.0, -1.0, np.inf, -np.inf, np.nan, 1.0, 2.0**-149]
    some = case("L<a:4096> log(X[a])", X=(4096,))
    found = run(default(some), some.buffers, {"X": x})
    with np.errstate(all="ignore"):
        correct = np.log(x.astype(np.float64))
    np.testing.assert_allclose(found, correct, rtol=3e-7, atol=0)


@pytest.mark.parametrize("function", ["maximum", "minimum"])
def test_functions_of_two_arguments(function: str) -> None:
    for dtype in ("f32", "i32"):
        check_all(case(f"L<a:64> {function}(X[a], Z[a] - 1) * Z[a]", dtype, X=(64,), Z=(64,)))


@pytest.mark.parametrize("dtype", ["i1", "i8", "i16", "i32", "i64", "f16", "bf16"])
def test_any_type_moves(dtype: str) -> None:
    kernel = default(case("L<a:5,b:16> X[b,a-1]", dtype, X=(16, 4)))
    assert not re.search("extf|truncf|sitofp", kernel.module)
    check_all(case("L<a:5,b:16> X[b,a-1]", dtype, X=(16, 4)))


def test_integers_meet_floats() -> None:
    check_all(case("L<a:8> X[a] * X[a]", "i32", "f32", X=(8,)))
    check_all(case("L<a:8> 2 * X[a]", "i1", "f16", X=(8,)))


@pytest.mark.parametrize(
    ("text", "dtype", "result"),
    [
        ("L<a:8> 2 * X[a]", "f32", "i32"),
        ("L<a:8> 2 * X[a]", "i1", "i1"),
        ("L<a:8> 2 * X[a]", "i8", "i32"),
        ("L<a:8> X[a]", "complex<f32>", "f32"),
    ],
)
def test_element_types_that_are_refused(text: str, dtype: str, result: str) -> None:
    with pytest.raises(InputError, match=re.escape(dtype)):
        default(case(text, dtype, result, X=(8,)))


def test_an_empty_result_is_refused() -> None:
    some = case("L<a:4> X[a]", X=(4,))
    result = some.buffers["Y"]
    empty = Case(
        some.definition, {**some.buffers, "Y": type(result)("Y", (0,), (1,), "f32", "output")}
    )
    with pytest.raises(InputError, match="'Y'"):
        default(empty)


def test_schedules_that_do_not_divide_are_refused() -> None:
    some = case("L<a:6,b:6> X[a,b]", X=(6, 6))
    for schedule in (Gather(4), Gather(3), Gather(2, (Repeat(0, 4, adjacent=True),))):
        with pytest.raises(InputError):
            build_gather(some.definition, some.buffers, schedule)


def test_vectors_are_as_wide_as_every_stride_allows() -> None:
    some = case("L<a:6,b:16> X[a,b]", "f16", X=(6, 16))
    assert widest_vector(some.buffers["Y"]) == 8
    assert widest_vector(some.with_strides(Y=(20, 1)).buffers["Y"]) == 4
    assert widest_vector(some.with_strides(Y=(17, 1)).buffers["Y"]) == 1
    assert widest_vector(some.with_strides(Y=(1, 6)).buffers["Y"]) == 2


@pytest.mark.parametrize(
    "shape", [(2**22,), (4095, 63, 12), (3, 5, 2**18), (2**19, 1, 5), (64, 3, 2**16)]
)
def test_what_is_offered_for_large_tensors(shape: tuple[int, ...]) -> None:
    names = "abc"[: len(shape)]
    box = ",".join(f"{name}:{extent}" for name, extent in zip(names, shape, strict=True))
    some = case(f"L<{box}> 2 * X[{','.join(names)}]", X=shape)
    offered = gathers(some.definition, some.buffers)
    assert 2 <= len(set(offered)) == len(offered) <= 5
    assert offered[0].vector == widest_vector(some.buffers["Y"])
    for schedule in offered:
        kernel = build_gather(some.definition, some.buffers, schedule)
        each = schedule.vector * prod(r.count for r in schedule.repeats)
        assert kernel.grid[0] * kernel.block[0] * each >= prod(shape)


def test_equal_content_has_an_equal_symbol() -> None:
    first, renamed = case("L<a:6> X[a]", X=(6,)), case("L<z:6> W[z]", W=(6,))
    padded = first.with_strides(X=(2,))
    symbols = [default(c).symbol for c in (first, renamed, padded)]
    assert symbols[0] == symbols[1] != symbols[2]
    assert re.fullmatch("e_[0-9a-f]{16}", symbols[0])
    assert default(renamed).arguments == ("W", "Y")


def test_wide_and_many_accesses_in_ptx() -> None:
    some = offset_add(8, 64)
    text = ptx(build_gather(some.definition, some.buffers, Gather(4)))
    assert len(re.findall(r"ld\.global(?:\.nc)?\.v4\.b32", text)) == 6
    assert len(re.findall(r"st\.global\.v4\.b32", text)) == 1
    assert not re.search(r"\bbra\b|div\.rn|call|\.local", text)
    used = re.search(r"(add|fma)\.(rn\.)?f32", text)
    assert used and "ld.global" not in text[used.start() :]


def test_a_dense_copy_divides_nothing() -> None:
    copy = case("L<a:6,b:10,c:8> 2 * X[a,b,c]", X=(6, 10, 8))
    text = ptx(build_gather(copy.definition, copy.buffers, Gather(4)))
    assert "mul.hi" not in text
    assert len(re.findall(r"ld\.global(?:\.nc)?\.v4", text)) == 1


@pytest.mark.parametrize("chip", ["sm_80", "sm_90a"])
@pytest.mark.parametrize("dtype", ["f16", "bf16", "f64"])
def test_every_float_is_lowered(dtype: str, chip: str) -> None:
    assert "call" not in ptx(default(offset_add(4, 8, dtype)), chip)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_need_no_library(name: str) -> None:
    arguments = ",".join(["3*X[a]"] * FUNCTIONS[name].arity)
    text = ptx(default(case(f"L<a:64> {name}({arguments})", X=(64,))))
    assert not re.search(r"call|\.extern|\.func|__nv", text)


@settings(max_examples=25)
@given(scopes(reads=2, sums=2, body=2, nested=True, calls=True, limit=200), st.data())
def test_random_expressions(scope: Scope, data: st.DataObject) -> None:
    random = of_scope(from_zero(scope), "f32")
    schedule = data.draw(st.sampled_from(gathers(random.definition, random.buffers)))
    check(random, build_gather(random.definition, random.buffers, schedule), factor=64)


def ptx(kernel: Kernel, chip: str = "sm_90a") -> str:
    return to_ptx(kernel.module, lowering_pipeline(chip))
