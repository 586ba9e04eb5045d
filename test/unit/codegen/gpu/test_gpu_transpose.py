"""Transposing kernels against the interpreter, thread by thread, and what they become in PTX."""

import re

import pytest
from hypothesis import given as given_data
from hypothesis import settings
from hypothesis import strategies as st

from einnet.codegen.gpu.assemble import assemble
from einnet.codegen.gpu.transpose import Transpose, build_transpose, transposes
from kernels import Case, case, check

CHIPS = ("sm_80", "sm_90a")


def check_all(given: Case) -> tuple[Transpose, ...]:
    """Every schedule that is offered; there is one."""
    offered = transposes(given.definition, given.buffers)
    assert offered
    for schedule in offered:
        check(given, build_transpose(given.definition, given.buffers, schedule))
    return offered


@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16", "f64", "i32", "i8"])
def test_element_types(dtype: str) -> None:
    check_all(case("L<i:64,j:96> X[j,i]", dtype, X=(96, 64)))


@pytest.mark.parametrize("extents", [(8, 8), (33, 64), (64, 33), (49, 100), (8, 260), (129, 9)])
def test_extents_that_no_tile_divides(extents: tuple[int, int]) -> None:
    height, width = extents
    check_all(case(f"L<n:2,i:{height},j:{width}> X[n,j,i]", X=(2, width, height)))


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("L<n:2,h:7,w:7,c:40> X[n,c,h,w]", {"X": (2, 40, 7, 7)}),
        ("L<n:2,c:40,h:7,w:7> X[n,h,w,c]", {"X": (2, 7, 7, 40)}),
        ("L<c:16,a:5,b:3,d:16> X[d,b,a,c]", {"X": (16, 3, 5, 16)}),
        # What is read at the write: along the vector, the same for all of it, at odd places.
        ("L<h:9,w:16,c:24> relu(X[c,h,w]*A[c]+B[w])+Z[h,w,c]", {
            "X": (24, 9, 16), "A": (24,), "B": (16,), "Z": (9, 16, 24)}),
        ("L<w:16,c:24> X[c,w] + Z[c,15-w]", {"X": (24, 16), "Z": (24, 16)}),
        ("L<w:16,c:24> X[c,w] * Z[c,w]", {"X": (24, 16), "Z": (24, 16)}),
        ("L<w:16,c:24> X[c,w] + Z[w div 2,c div 3]", {"X": (24, 16), "Z": (8, 8)}),
        # Padded, on one side or the other, and guarded.
        ("L<h:6,w:18,c:16> X[c,h-1,w-1]", {"X": (16, 4, 16)}),
        ("L<w:16,c:24> X[c-4,w]", {"X": (16, 16)}),
        ("L<w:16,c:24> X[c,w-8]", {"X": (24, 8)}),
        ("L<w:16,c:24> X[c,w]*[(w+c) mod 3 = 0] + 1/2", {"X": (24, 16)}),
        ("L<w:24,c:16> X[c,w] + X[c,w+1]", {"X": (16, 24)}),
        # Phases of a convolution: the tile's block is at one of them.
        ("L<h:4,p:2,w:16,c:16> X[c,(h+p) div 2,w]", {"X": (16, 3, 16)}),
    ],
)  # fmt: skip
def test_meaning(text: str, shapes: dict[str, tuple[int, ...]]) -> None:
    check_all(case(text, **shapes))


OFFSET_ADD = """L<n:2,c:{c},h:{h},w:{h}> relu(
    {{L<n:2,h:{h},w:{h},c:{c}> S<r:2,s:2>
      P[n,(h+1) div 2-r,(w+1) div 2-s,(h+1) mod 2+2*r,(w+1) mod 2+2*s,c]}}[n,h,w,c]
    * A[c] + B[c])"""


@pytest.mark.parametrize(("h", "c"), [(8, 16), (32, 40), (10, 9)])
@pytest.mark.parametrize("dtype", ["f32", "f16"])
def test_divisions_along_the_output_are_computed_early(h: int, c: int, dtype: str) -> None:
    text = OFFSET_ADD.format(h=h, c=c)
    given = case(text, dtype, P=(2, h // 2, h // 2, 4, 4, c), A=(c,), B=(c,))
    assert all(s.early for s in check_all(given))


def test_early_bodies_in_registers() -> None:
    given = case(OFFSET_ADD.format(h=64, c=128), P=(2, 32, 32, 4, 4, 128), A=(128,), B=(128,))
    for schedule in transposes(given.definition, given.buffers):
        kernel = build_transpose(given.definition, given.buffers, schedule)
        needs = assemble(kernel.module, "sm_90a").resources[kernel.symbol]
        assert needs.spill_bytes == needs.local_bytes == 0
        assert needs.registers <= 128


@pytest.mark.parametrize(("dtype", "result"), [("f16", "f32"), ("f32", "f16"), ("bf16", "f16")])
def test_mixed_element_types(dtype: str, result: str) -> None:
    check_all(case("L<i:40,j:64> X[j,i] + Z[i,j]", dtype, result, X=(64, 40), Z=(40, 64)))


def test_strides_with_gaps() -> None:
    given = case("L<i:20,j:24> X[j,i]", X=(24, 20)).with_strides(X=(28, 1), Y=(32, 1))
    (schedule, *_) = check_all(given)
    assert (schedule.down, schedule.across) == (4, 4)
    given = case("L<i:20,j:24> X[j,i]", X=(24, 20)).with_strides(X=(22, 1), Y=(25, 1))
    (schedule, *_) = check_all(given)
    assert (schedule.down, schedule.across) == (1, 2)


def test_axes_that_memory_does_not_tell_apart_are_one() -> None:
    given = case("L<n:2,h:16,w:16,c:64> X[n,c,h,w]", X=(2, 64, 16, 16))
    (schedule, *_) = transposes(given.definition, given.buffers)
    kernel = build_transpose(given.definition, given.buffers, schedule)
    assert kernel.grid[0] == 2 * (256 // schedule.columns) * (64 // schedule.rows)


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("L<i:64,j:64> X[i,j]", {"X": (64, 64)}),  # nothing is transposed
        ("L<i:64,j:4> X[j,i]", {"X": (4, 64)}),  # too short a side
        ("L<i:64,j:64> S<k:100> X[j,i]*Z[k]", {"X": (64, 64), "Z": (100,)}),  # a sum is left
        ("L<i:64,j:64> X[63-j,i div 2]", {"X": (64, 32)}),  # not side by side
        ("L<n:64,i:64,j:64> X[n,i,j]+Z[j,i]", {"X": (64, 64, 64), "Z": (64, 64)}),  # in the cache
    ],
)
def test_refusals(text: str, shapes: dict[str, tuple[int, ...]]) -> None:
    given = case(text, **shapes)
    assert transposes(given.definition, given.buffers) == ()


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize(
    ("text", "dtype", "shapes"),
    [
        ("L<i:4096,j:4096> X[j,i]", "f32", {"X": (4096, 4096)}),
        ("L<i:4096,j:4096> X[j,i]", "f16", {"X": (4096, 4096)}),
        ("L<n:16,h:56,w:56,c:256> relu(X[n,c,h,w]+B[c])+Z[n,h,w,c]", "f16", {
            "X": (16, 256, 56, 56), "B": (256,), "Z": (16, 56, 56, 256)}),
    ],
)  # fmt: skip
def test_machine_code(chip: str, text: str, dtype: str, shapes: dict[str, tuple[int, ...]]) -> None:
    given = case(text, dtype, **shapes)
    (schedule, *_) = transposes(given.definition, given.buffers)
    kernel = build_transpose(given.definition, given.buffers, schedule)
    binary = assemble(kernel.module, chip)
    needs = binary.resources[kernel.symbol]
    assert needs.spill_bytes == needs.local_bytes == 0
    assert needs.registers < 128
    assert needs.static_shared_bytes == 16384
    accesses = re.findall(r"\b((?:ld|st)\.(?:global|shared)[.\w]*)", binary.ptx)
    assert accesses and all(a.endswith("v4.b32") for a in accesses)
    assert re.search(r"\.shared \.align 16 ", binary.ptx)


@pytest.mark.parametrize("dtype", ["f32", "f16", "i8"])
def test_several_staged_reads_fit_into_registers(dtype: str) -> None:
    text = "L<i:2048,j:2048> X[j,i]*Z[j,i] + V[j,i]*W[j,i]"
    given = case(text, dtype, **dict.fromkeys("XZVW", (2048, 2048)))
    for schedule in transposes(given.definition, given.buffers):
        kernel = build_transpose(given.definition, given.buffers, schedule)
        needs = assemble(kernel.module, "sm_80").resources[kernel.symbol]
        assert needs.spill_bytes == needs.local_bytes == 0
        assert needs.registers <= 128
        assert needs.static_shared_bytes <= 48 * 1024


EXTENTS = st.integers(8, 70)


@settings(max_examples=25, deadline=None)
@given_data(data=st.data())
def test_any_permutation_any_extents(data: st.DataObject) -> None:
    rank = data.draw(st.integers(2, 4))
    order = data.draw(st.permutations(range(rank)))
    extents = [data.draw(EXTENTS) for _ in range(2)] + [2, 3][: rank - 2]
    extents = [extents[n] for n in data.draw(st.permutations(range(rank)))]
    shift = [data.draw(st.sampled_from([0, 0, 0, 1, -4, 8])) for _ in range(rank)]
    traversal = ",".join(f"i{n}:{e}" for n, e in enumerate(extents))
    index = ",".join(f"i{n}{shift[n]:+d}" for n in order)
    dtype = data.draw(st.sampled_from(["f32", "f16", "f64", "i8"]))
    shape = tuple(extents[n] for n in order)
    found = case(f"L<{traversal}> X[{index}] + Z[{index}]", dtype, X=shape, Z=shape)
    for schedule in transposes(found.definition, found.buffers):
        check(found, build_transpose(found.definition, found.buffers, schedule))


@pytest.mark.parametrize(("dtype", "size"), [("f32", 4), ("f16", 2)])
def test_banks_of_shared_memory(dtype: str, size: int) -> None:
    """A quarter of a warp, whose 16-byte accesses go together, meets in no bank."""
    given = case("L<i:256,j:256> X[j,i]", dtype, X=(256, 256))
    (s, *_) = transposes(given.definition, given.buffers)
    chunks = s.rows // s.down

    def banks(column: int, chunk: int) -> int:
        slot = column * chunks + chunk ^ (column // s.across & 7)
        return slot * s.down * size // 16 % 8

    units = s.columns // s.across
    for first in range(0, s.threads, 8):
        quarter = range(first, first + 8)
        assert len({banks(t % units * s.across, t // units) for t in quarter}) == 8
        assert len({banks(t // chunks, t % chunks) for t in quarter}) == 8
