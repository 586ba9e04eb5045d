"""Reducing kernels against the interpreter, thread by thread, and what they become in PTX."""

import re

import pytest
from hypothesis import given as given_data
from hypothesis import settings
from hypothesis import strategies as st

from einnet.codegen.gpu.assemble import assemble
from einnet.codegen.gpu.reduce import build_reduce
from einnet.codegen.gpu.reductions import Reduce, reductions
from kernels import Case, case, check

CHIPS = ("sm_80", "sm_90a")


def check_all(given: Case, *, factor: float = 64) -> tuple[Reduce, ...]:
    """Every schedule that is offered; there is one."""
    offered = reductions(given.definition, given.buffers)
    assert offered
    for schedule in offered:
        kernel = build_reduce(given.definition, given.buffers, schedule)
        check(given, kernel, factor=factor)
    return offered


ROWS = [
    ("L<i:70> S<k:300> X[i,k]", {"X": (70, 300)}),
    ("L<i:7> S<k:333> X[i,k]", {"X": (7, 333)}),  # no vectors
    ("L<n:2,c:10> S<h:7,w:7> 1/49*X[n,c,h,w]", {"X": (2, 10, 7, 7)}),  # average pooling
    ("L<c:5> S<n:4,h:6,w:10> X[n,c,h,w]", {"X": (4, 5, 6, 10)}),  # a sum of two digits
    ("L<c:5> S<k:3001> 1/3001*X[c,k]", {"X": (5, 3001)}),  # a loop, and what is left of it
    ("L<> S<k:2000> X[k]*Z[k]", {"X": (2000,), "Z": (2000,)}),
    ("L<i:7,j:3> S<k:400> X[i,k]*A[j]*Z[j,k]", {"X": (7, 400), "A": (3,), "Z": (3, 400)}),
    ("L<i:9> S<k:120> X[i,k] - 2*X[i,k]*A[i]", {"X": (9, 120), "A": (9,)}),
    # Padded and guarded.
    ("L<i:20> S<k:128> X[i,k-3]*[(k+i) mod 2 = 0]", {"X": (20, 120)}),
    ("L<i:20> S<k:128> X[i-1,k]*[0 <= k-i < 99]", {"X": (18, 128)}),
    # Functions of elements, and of the sum.
    ("L<i:9> S<k:100> relu(X[i,k]+A[i])", {"X": (9, 100), "A": (9,)}),
    ("L<i:9> relu({L<i:9> S<k:256> X[i,k]}[i]*A[i]+B[i])",
     {"X": (9, 256), "A": (9,), "B": (9,)}),
    ("L<i:9,j:2> {L<a:11> S<k:256> X[a,k]*X[a,k]}[i+j]*A[i] - 1",
     {"X": (11, 256), "A": (9,)}),
    ("L<i:9> {L<i:9> S<k:80> A[i]*X[i,k]}[i] + relu({L<i:9> S<k:80> A[i]*X[i,k]}[i])",
     {"X": (9, 80), "A": (9,)}),
]  # fmt: skip

COLUMNS = [
    ("L<n:2,c:40> S<h:9,w:9> 1/81*X[n,h,w,c]", {"X": (2, 9, 9, 40)}),
    ("L<c:33> S<n:300> X[n,c]*X[n,c]", {"X": (300, 33)}),
    ("L<c:33> S<n:300> X[n,c]*A[n]*B[c]", {"X": (300, 33), "A": (300,), "B": (33,)}),
    ("L<c:24> S<n:300> X[n,c-4]*[(n+2) mod 3 = 0]", {"X": (300, 16)}),
    ("L<c:40> relu({L<c:40> S<n:128> X[n,c]}[c]*A[c]+A[c])", {"X": (128, 40), "A": (40,)}),
    ("L<i:8,j:16> S<k:500> X[i,k]*Z[k,j]", {"X": (8, 500), "Z": (500, 16)}),  # a product
    ("L<h:30> S<c:20,r:3> X[c,h+r]*W[c,r]", {"X": (20, 32), "W": (20, 3)}),  # sliding
]  # fmt: skip


@pytest.mark.parametrize(("text", "shapes"), ROWS)
def test_rows(text: str, shapes: dict[str, tuple[int, ...]]) -> None:
    assert all(s.form == "row" for s in check_all(case(text, **shapes)))


@pytest.mark.parametrize(("text", "shapes"), COLUMNS)
def test_columns(text: str, shapes: dict[str, tuple[int, ...]]) -> None:
    assert all(s.form == "column" for s in check_all(case(text, **shapes)))


@pytest.mark.parametrize("dtype", ["f16", "bf16", "f64", "i32", "i64"])
def test_element_types(dtype: str) -> None:
    check_all(case("L<i:5> S<k:136> X[i,k]", dtype, X=(5, 136)))
    check_all(case("L<c:24> S<n:100> X[n,c]", dtype, X=(100, 24)))


@pytest.mark.parametrize(
    "schedule",
    [
        Reduce("row", 0, 4, 4, 32),  # several sums in one warp
        Reduce("row", 0, 4, 32, 4),
        Reduce("row", 0, 2, 16, 8, unroll=1),
        Reduce("row", 0, 1, 64, 4, unroll=2),
        Reduce("row", 0, 4, 256, 2),
    ],
)
def test_rows_of_other_schedules(schedule: Reduce) -> None:
    given = case("L<i:37> S<k:408> X[i,k]*A[k]", X=(37, 408), A=(408,))
    check(given, build_reduce(given.definition, given.buffers, schedule), factor=64)


@pytest.mark.parametrize(
    "schedule",
    [
        Reduce("column", 1, 4, 4, 32),
        Reduce("column", 1, 2, 16, 8, unroll=1),
        Reduce("column", 1, 4, 32, 4, unroll=2),
    ],
)
def test_columns_of_other_schedules(schedule: Reduce) -> None:
    given = case("L<n:3,c:48> S<h:100> X[n,h,c]*A[n,c]", X=(3, 100, 48), A=(3, 48))
    check(given, build_reduce(given.definition, given.buffers, schedule), factor=64)


@settings(max_examples=25, deadline=None)
@given_data(data=st.data())
def test_any_layout_any_extents(data: st.DataObject) -> None:
    extents = {n: data.draw(st.integers(1, 9)) for n in "ab"}
    extents |= {n: data.draw(st.integers(1, 70)) for n in "pq"}
    traversal = ",".join(f"{n}:{extents[n]}" for n in "ab")
    summation = ",".join(f"{n}:{extents[n]}" for n in "pq")
    order = data.draw(st.permutations("abpq"))
    shift = data.draw(st.sampled_from([0, 0, 1, -4]))
    index = ",".join(n if n != order[-1] else f"{n}{shift:+d}" for n in order)
    text = f"L<{traversal}> S<{summation}> X[{index}]*A[a,p]*[(p+q) mod 5 = 0] + X[{index}]"
    dtype = data.draw(st.sampled_from(["f32", "f16", "f64", "i32"]))
    shape = tuple(extents[n] for n in order)
    found = case(text, dtype, X=shape, A=(extents["a"], extents["p"]))
    for schedule in reductions(found.definition, found.buffers):
        kernel = build_reduce(found.definition, found.buffers, schedule)
        check(found, kernel, factor=256)


def test_strides_with_gaps() -> None:
    given = case("L<i:6> S<k:120> X[i,k]", X=(6, 120)).with_strides(X=(126, 1), Y=(2,))
    (schedule, *_) = check_all(given)
    assert schedule.vector == 2


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("L<i:64> X[i]+X[i]", {"X": (64,)}),  # no sum
        ("L<i:64> S<k:8> X[i,k]", {"X": (64, 8)}),  # a short one
        ("L<i:1000000> S<k:64> X[k,i]", {"X": (64, 1000000)}),  # results enough for every thread
        ("L<i:64> S<k:100> X[i,99-k]", {"X": (64, 100)}),  # not side by side
        ("L<i:9> {L<i:9> S<k:99> X[i,k]}[i] * {L<i:9> S<k:99> X[i,k]*X[i,k]}[i]", {"X": (9, 99)}),
        ("L<i:9> {L<i:8> S<k:99> X[i,k]}[i]", {"X": (8, 99)}),  # the sum's own zero extension
    ],
)
def test_refusals(text: str, shapes: dict[str, tuple[int, ...]]) -> None:
    given = case(text, **shapes)
    assert reductions(given.definition, given.buffers) == ()


def test_what_the_sum_does_not_vary_is_loaded_by_one_thread() -> None:
    given = case("L<i:6> S<k:4096> X[i,k]*A[i]", X=(6, 4096), A=(6,))
    (schedule, *_) = reductions(given.definition, given.buffers)
    module = build_reduce(given.definition, given.buffers, schedule).module
    parts = re.split(r"gpu\.barrier", module)
    assert "%arg1" not in parts[0].split("gpu.block_id")[1]
    assert parts[1].count("memref.load %arg1") == 1


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize(
    ("text", "dtype", "shapes"),
    [
        ("L<i:8192> S<k:4096> X[i,k]", "f16", {"X": (8192, 4096)}),
        ("L<n:16,c:2048> S<h:8,w:8> 1/64*X[n,c,h,w]", "f32", {"X": (16, 2048, 8, 8)}),
        ("L<n:64,c:65536> S<k:64> X[n,k,c]*X[n,k,c]", "f32", {"X": (64, 64, 65536)}),
        ("L<n:16,c:8192> S<k:512> X[n,k,c]", "f16", {"X": (16, 512, 8192)}),
    ],
)
def test_machine_code(chip: str, text: str, dtype: str, shapes: dict[str, tuple[int, ...]]) -> None:
    given = case(text, dtype, **shapes)
    offered = reductions(given.definition, given.buffers)
    for schedule in offered:
        kernel = build_reduce(given.definition, given.buffers, schedule)
        binary = assemble(kernel.module, chip)
        needs = binary.resources[kernel.symbol]
        assert needs.spill_bytes == needs.local_bytes == 0
        assert needs.registers < 128
        loads = re.findall(r"\bld\.global[.\w]*", binary.ptx)
        assert loads and all(a.endswith("v4.b32") for a in loads)


@pytest.mark.parametrize(
    "schedule",
    [
        Reduce("row", 0, 4, 32, 4, tile=((0, 7), (1, 3))),
        Reduce("row", 0, 4, 64, 1, unroll=1, tile=((0, 7), (1, 3))),  # two warps
        Reduce("row", 0, 4, 8, 4, tile=((0, 7),)),  # more threads than sums
        Reduce("row", 0, 4, 4, 16, unroll=1, tile=((1, 3),)),  # a block of more than there are
        Reduce("row", 0, 1, 128, 2, tile=((0, 2), (1, 6))),
        Reduce("row", 0, 2, 32, 1, tile=((1, 2),)),
    ],
)
@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("L<i:14,j:6> S<k:88> X[i,k]*Z[j,k]", {"X": (14, 88), "Z": (6, 88)}),
        ("L<i:14,j:6> relu({L<i:14,j:6> S<k:88> X[i,k]*Z[j,k]}[i,j]*A[j] + B[i])",
         {"X": (14, 88), "Z": (6, 88), "A": (6,), "B": (14,)}),
        ("L<i:14,j:6> S<k:88> X[i-2,k]*Z[j,k]*[(k+i+j) mod 2 = 0]", {"X": (10, 88), "Z": (6, 88)}),
    ],
)  # fmt: skip
def test_tiles(schedule: Reduce, text: str, shapes: dict[str, tuple[int, ...]]) -> None:
    given = case(text, **shapes)
    check(given, build_reduce(given.definition, given.buffers, schedule), factor=256)


@pytest.mark.parametrize("dtype", ["f16", "bf16", "f64", "i32"])
def test_element_types_of_tiles(dtype: str) -> None:
    given = case("L<i:7,j:4> S<k:96> X[i,k]*Z[j,k]", dtype, X=(7, 96), Z=(4, 96))
    schedule = Reduce("row", 0, 2, 32, 4, tile=((0, 7), (1, 2)))
    check(given, build_reduce(given.definition, given.buffers, schedule), factor=256)


TRANSPOSED = """L<f:3,h:32,w:32> S<c:64,r:4,s:4> X[(h+1-r) div 2,(w+1-s) div 2,c]*W[c,f,r,s]
    *[(h+1-r) mod 2 = 0]*[(w+1-s) mod 2 = 0]"""


@pytest.mark.parametrize("dtype", ["f32", "f16"])
def test_a_transposed_convolution(dtype: str) -> None:
    """What a thread reads for one filter it uses for all, and it visits no point in vain."""
    given = case(TRANSPOSED, dtype, X=(16, 16, 64), W=(64, 3, 4, 4))
    given = given.with_strides(W=(1, 1024, 256, 64))
    (first, *_) = reductions(given.definition, given.buffers)
    assert first.tile == ((0, 3),)
    kernel = build_reduce(given.definition, given.buffers, first)
    check(given, kernel, factor=1024)
    binary = assemble(kernel.module, "sm_90a")
    loads = re.findall(r"\bld\.global[.\w]*", binary.ptx)
    points = 2 * 2 * 64 // first.vector
    assert len(loads) == 4 * points // first.group, "three filters and what they are applied to"
    assert all(a.endswith("v4.b32") for a in loads)
    needs = binary.resources[kernel.symbol]
    assert needs.registers <= 64 and needs.spill_bytes == needs.local_bytes == 0


def test_results_share_loads_in_two_directions() -> None:
    text = "L<p:32,h:7,w:7,f:21> S<c:64,r:7> X[h+r-3,w,64*p+c]*W[f,64*p+c,r]"
    given = case(text, X=(7, 7, 2048), W=(21, 2048, 7)).with_strides(W=(14336, 1, 2048))
    (first, *_) = reductions(given.definition, given.buffers)
    assert dict(first.tile) == {2: 7, 3: 3}
    kernel = build_reduce(given.definition, given.buffers, first)
    loads = assemble(kernel.module, "sm_80").ptx.count("ld.global")
    assert loads <= 2 * (7 + 3)
