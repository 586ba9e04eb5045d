"""Definitions that few models have, in every schedule that is offered, against the interpreter."""

from __future__ import annotations

import pytest

from einnet.codegen.gpu.kernel import build_kernel, schedules
from kernels import Case, case, check


def check_all(given: Case) -> None:
    offered = schedules(given.definition, given.buffers)
    assert offered
    for schedule in offered:
        check(given, build_kernel(given.definition, given.buffers, schedule))


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("L<i:40> S<k:75> 1/3*X[i,2*k]*Z[k]", {"X": (40, 150), "Z": (75,)}),
        ("L<n:2,c:3,h:30> S<r:75> 2*X[n,c,h+r]", {"X": (2, 3, 104)}),
        ("L<i:300> S<r:11,s:11> 1/121*X[i,r,s]", {"X": (300, 11, 11)}),
        ("L<i:300> S<k:75> tanh(X[k]*Z[i])", {"X": (75,), "Z": (300,)}),
        ("L<n:2,c:40> S<k:197> 1/197*X[n,k,c]", {"X": (2, 197, 40)}),
    ],
)
def test_numbers_in_sums_that_stay_loops_with_a_rest(
    text: str, shapes: dict[str, tuple[int, ...]]
) -> None:
    check_all(case(text, **shapes))


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("L<i:64,j:64> X[j,i+1] + X[j+1,i-63]", (64, 64)),
        ("L<i:64,j:64> X[j,i+1] + X[j+1,i-63] + X[j+2,i-127]", (64, 64)),
    ],
)
def test_elements_that_two_indices_name_of_which_one_is_outside(
    text: str, shape: tuple[int, ...]
) -> None:
    check_all(case(text, X=shape))


@pytest.mark.parametrize("text", ["L<i:5> 3", "L<i:5> X[i+10] + 1", "L<i:5> tanh(X[i+10])"])
def test_results_that_read_nothing(text: str) -> None:
    check_all(case(text, X=(10,)))


@pytest.mark.parametrize(
    "text",
    ["L<i:2> S[]+S[]*S[]*S[]", "L<> S[]*S[]+S[]*S[]", "L<> tanh(S[])*S[]+S[]*S[]+2*S[]*S[]"],
)
def test_tensors_of_no_dimension(text: str) -> None:
    check_all(case(text, S=()))


def test_a_buffer_of_one_element_is_read_as_no_vector() -> None:
    """Guards that never hold make indices alike, which then seem to be side by side."""
    check_all(case("L<a:7,c:8> X[a,c] + Z[c-8*a]*[3<=c<12]", "f16", X=(7, 8), Z=(1,)))


@pytest.mark.parametrize(
    ("dtype", "text", "shapes"),
    [
        ("f64", "L<i:16,j:16> S<r:8,s:8> X[j+r-4,i+s-4]", {"X": (16, 16)}),
        ("f32", "L<i:16,j:16> S<r:7,s:7> X[j+r-3,i+s-3] - Z[i]", {"X": (16, 16), "Z": (16,)}),
        (
            "f32",
            "L<i:16,j:16> S<r:8,s:8> X[j+r-4,i+s-4]*Z[j+r-4,i+s-4]",
            {"X": (16, 16), "Z": (16, 16)},
        ),
    ],
)
def test_more_elements_for_each_position_than_tiles_have_room_for(
    dtype: str, text: str, shapes: dict[str, tuple[int, ...]]
) -> None:
    check_all(case(text, dtype, **shapes))
