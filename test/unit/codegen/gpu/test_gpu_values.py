"""The parts of kernels one by one: which loads they share, when i32 does, what guards become."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from emulate import FaultError, run
from hypothesis import given
from hypothesis import strategies as st
from mlir import ir
from mlir.dialects import arith, gpu, memref, scf, vector
from strategies import guards, iteration_spaces, points

from einnet.codegen.gpu.frame import Kernel, Launch, Memories, write_kernel
from einnet.codegen.gpu.gather import Gather, build_gather
from einnet.codegen.gpu.host import Buffer
from einnet.codegen.gpu.values import Access, access, at, integer_type, normal, runs
from einnet.errors import InputError
from einnet.expr.index import Index, Range, evaluate, var
from einnet.expr.nodes import Guard, Read, Residue, Tensor, Within
from einnet.expr.text import parse_scope
from einnet.toolchain.mlir import make_context
from kernels import case, expected, random_arrays

Emitter = Callable[[Memories], None]

X = Buffer("X", (64,), (1,), "f32", "input")
H = Buffer("H", (64,), (1,), "f16", "input")


def widths(offsets: list[Index], buffer: Buffer = X) -> list[tuple[int, int]]:
    accesses = [Access(buffer.name, e, ()) for e in offsets]
    return [(first.offset.const, width) for first, width in runs(accesses, {buffer.name: buffer})]


def test_elements_side_by_side_are_one_vector_whatever_their_order() -> None:
    i = var("i")
    assert widths([i * 4 + n for n in (2, 0, 3, 1)]) == [(0, 4)]
    assert widths([i * 4 + n for n in range(8)]) == [(0, 4), (4, 4)]
    assert widths([i * 8 + n for n in range(8)], H) == [(0, 8)]


def test_vectors_keep_to_their_alignment() -> None:
    i = var("i")
    assert widths([i * 4 + n for n in range(1, 5)]) == [(1, 1), (2, 2), (4, 1)]
    assert widths([i * 2 + n for n in range(4)]) == [(0, 2), (2, 2)]
    assert widths([i * 6 + var("j") * 3 + n for n in range(2)]) == [(0, 1), (1, 1)]


def test_nothing_is_loaded_that_is_not_wanted() -> None:
    assert widths([var("i") * 4 + n for n in (0, 1, 3)]) == [(0, 2), (3, 1)]


def test_elements_under_different_guards_are_loaded_apart() -> None:
    guard = Within(var("i"), 0, 3)
    accesses = [Access("X", var("i") * 2, ()), Access("X", var("i") * 2 + 1, (guard,))]
    assert [width for _, width in runs(accesses, {"X": X})] == [1, 1]


def test_a_vector_of_positions_has_one_guard_where_it_can() -> None:
    tensors = {"X": Tensor("X", (4, 8))}
    scope = parse_scope("L<a:4,b:12> X[a,b-4] * [4 <= b < 12]", tensors)
    ranges = {"a": Range(0, 4), "b": Range(0, 3)}
    bodies = [at(scope.body, {"b": var("b") * 4 + lane}, ranges) for lane in range(4)]
    assert {body[0].guards for body in bodies} == {(Within(var("b"), 1, 3),)}


def test_a_position_loses_the_terms_that_are_zero_there() -> None:
    scope = parse_scope("L<a:8> X[a div 2] * [a mod 2 = 0] + X[0]", {"X": Tensor("X", (4,))})
    ranges = {"a": Range(0, 4)}
    even, odd = (at(scope.body, {"a": var("a") * 2 + n}, ranges) for n in (0, 1))
    assert [t.guards for t in even] == [(), ()]
    assert len(odd) == 1


def test_a_read_is_guarded_where_its_term_does_not_guard_it() -> None:
    read = Read(Tensor("X", (64,)), (var("i") - 1,))
    ranges = {"i": Range(0, 70)}
    assert access(read, (), X, ranges).guards == (Within(var("i"), 1, 65),)
    assert access(read, (Within(var("i"), 5, 10),), X, ranges).guards == (Within(var("i"), 5, 10),)
    half = (Within(var("i"), 1, 80),)
    assert access(read, half, X, ranges).guards == (*half, Within(var("i"), 1, 65))


@given(st.data())
def test_normal_guards_hold_where_they_did(data: st.DataObject) -> None:
    ranges = data.draw(iteration_spaces())
    guard = data.draw(guards(ranges))
    for point in points(ranges):
        assert holds(normal(guard), point) == holds(guard, point)


def holds(guard: Guard, point: dict[str, int]) -> bool:
    value = evaluate(guard.index, point.__getitem__, 0)
    if isinstance(guard, Residue):
        return value % guard.modulus == 0
    return guard.lo <= value < guard.hi


def test_index_arithmetic_is_wide_only_where_it_must_be() -> None:
    def bits(text: str, elements: int) -> int:
        scope = parse_scope(text, {"X": Tensor("X", (elements,))})
        buffer = Buffer("X", (elements,), (1,), "f32", "input")
        with make_context():
            return integer_type([scope.body], {"X": buffer}, scope.ranges).width

    assert bits("L<a:8> X[a]", 2**20) == 32
    assert bits("L<a:8> X[a]", 2**31) == 64
    assert bits("L<a:8> X[(a*2000000000) div 2000000000]", 8) == 32
    assert bits("L<a:8> X[(a*2000000000+a+7) div 2000000000]", 8) == 64


def test_kernels_of_large_tensors_compute_in_i64() -> None:
    some = case("L<a:2,b:4> X[a,b]", X=(2, 4))
    kernel = build_gather(some.definition, some.with_strides(X=(2**31, 1)).buffers, Gather(4))
    assert "i64" in kernel.module
    assert not any("i32" in line for line in kernel.module.splitlines() if "muli" in line)


# The emulator itself: it must fault where a kernel is wrong.


def by_hand(emit: Emitter, elements: int = 64) -> tuple[Kernel, dict[str, Buffer]]:
    """A kernel of 32 threads that should copy X to Y, with the body given."""
    copy = case(f"L<a:{elements}> X[a]", X=(elements,))
    launch = Launch((1, 1, 1), (32, 1, 1))
    kernel = write_kernel(
        copy.definition, copy.buffers, "by hand", launch, lambda memories, _: emit(memories)
    )
    return kernel, dict(copy.buffers)


def copy_at(scale: int, shift: int, lanes: int, alignment: int) -> Emitter:
    def emit(memories: Memories) -> None:
        index = ir.IndexType.get()
        thread = gpu.thread_id(gpu.Dimension.x)
        start = arith.muli(thread, arith.constant(index, scale))
        start = arith.addi(start, arith.constant(index, shift))
        type_ = ir.VectorType.get([lanes], ir.F32Type.get())
        run_ = vector.load(type_, memories["X"], [start], alignment=alignment)
        vector.store(run_, memories["Y"], [start], alignment=alignment)

    return emit


def outcome(emit: Emitter, elements: int = 64) -> None:
    kernel, buffers = by_hand(emit, elements)
    values = np.arange(elements, dtype=np.float32)
    np.testing.assert_array_equal(run(kernel, buffers, {"X": values}), values)


def test_a_right_kernel_passes() -> None:
    outcome(copy_at(2, 0, 2, 8))


@pytest.mark.parametrize(
    ("emit", "elements", "fault"),
    [
        (copy_at(2, 0, 2, 8), 63, "elements at 62 of 63"),
        (copy_at(2, -2, 2, 8), 64, "elements at -2"),
        (copy_at(2, 0, 2, 16), 64, "no multiple of 16"),
        (copy_at(1, 0, 2, 4), 64, "written twice"),
        (copy_at(2, 0, 1, 4), 64, "unwritten"),
        (copy_at(0, 0, 2, 8), 64, "two threads"),
    ],
)
def test_a_wrong_kernel_faults(emit: Emitter, elements: int, fault: str) -> None:
    with pytest.raises(FaultError, match=fault):
        outcome(emit, elements)


@pytest.mark.parametrize("barrier", [True, False])
def test_shared_memory_needs_a_barrier(barrier: bool) -> None:
    """Each thread writes its element and takes its neighbour's."""
    rotated = case("L<a:32> X[(a+1) mod 32]", X=(32,))
    shared = "memref<32xf32, #gpu.address_space<workgroup>>"
    launch = Launch((1, 1, 1), (32, 1, 1), (shared,))

    def emit(memories: Memories, tiles: Sequence[ir.Value]) -> None:
        (tile,) = tiles
        index = ir.IndexType.get()
        thread = gpu.thread_id(gpu.Dimension.x)
        memref.store(memref.load(memories["X"], [thread]), tile, [thread])
        if barrier:
            gpu.barrier()
        following = arith.addi(thread, arith.constant(index, 1))
        other = arith.remui(following, arith.constant(index, 32))
        memref.store(memref.load(tile, [other]), memories["Y"], [thread])

    kernel = write_kernel(rotated.definition, rotated.buffers, "rotate", launch, emit)
    arrays = random_arrays(rotated)
    if barrier:
        found = run(kernel, rotated.buffers, arrays)
        np.testing.assert_array_equal(found, expected(rotated, arrays).astype(np.float32))
    else:
        with pytest.raises(FaultError, match="before the barrier"):
            run(kernel, rotated.buffers, arrays)


@pytest.mark.parametrize(("rows", "fault"), [(9, ""), (1366, "49176 bytes of shared memory")])
def test_shared_memory_is_each_blocks_own_and_has_an_end(rows: int, fault: str) -> None:
    """Each of two blocks has `rows` x 9 floats, 4 modulo 16 bytes: vectors are aligned in both."""
    copy = case("L<a:256> X[a]", X=(256,))
    shared = f"memref<{rows * 9}xf32, #gpu.address_space<workgroup>>"
    launch = Launch((2, 1, 1), (32, 1, 1), (shared,))

    def emit(memories: Memories, tiles: Sequence[ir.Value]) -> None:
        index, type_ = ir.IndexType.get(), ir.VectorType.get([4], ir.F32Type.get())
        thread = gpu.thread_id(gpu.Dimension.x)
        first = arith.muli(arith.remui(thread, arith.constant(index, 16)), arith.constant(index, 4))
        half = arith.muli(arith.divui(thread, arith.constant(index, 16)), arith.constant(index, 64))
        block = arith.muli(gpu.block_id(gpu.Dimension.x), arith.constant(index, 128))
        place = arith.addi(block, arith.addi(half, first))
        run_ = vector.load(type_, memories["X"], [place], alignment=16)
        with ir.InsertionPoint(scf.IfOp(_first_half(thread)).then_block):
            vector.store(run_, tiles[0], [first], alignment=16)
            scf.yield_([])
        vector.store(run_, memories["Y"], [place], alignment=16)

    kernel = write_kernel(copy.definition, copy.buffers, "copy", launch, emit)
    arrays = random_arrays(copy)
    if fault:
        with pytest.raises(FaultError, match=fault):
            run(kernel, copy.buffers, arrays)
    else:
        np.testing.assert_array_equal(run(kernel, copy.buffers, arrays), arrays["X"])


def _first_half(thread: ir.Value) -> ir.Value:
    sixteen = arith.constant(ir.IndexType.get(), 16)
    return arith.cmpi(arith.CmpIPredicate.ult, thread, sixteen)


@pytest.mark.parametrize("launch", [Launch((1, 1, 1), (2048, 1, 1)), Launch((0, 1, 1), (32, 1, 1))])
def test_launches_that_no_gpu_takes(launch: Launch) -> None:
    copy = case("L<a:4> X[a]", X=(4,))
    with pytest.raises(InputError):
        write_kernel(copy.definition, copy.buffers, "none", launch, _nothing)


def _nothing(_: Memories, __: Sequence[ir.Value]) -> None:
    """A body that does nothing."""
