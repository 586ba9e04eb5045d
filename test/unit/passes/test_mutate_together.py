"""einnet-mutate of several operations: parallel ones as one, chains moved alike, and what else
reads their results."""

from __future__ import annotations

import pytest
from mlir import ir
from mlir.dialects import func

from einnet.bridge.lift import lift_function
from einnet.bridge.mutants import marks_in
from einnet.errors import InputError
from einnet.expr.program import Program
from einnet.passes.correct import Correct
from einnet.passes.module_pass import Target
from einnet.passes.mutate import Mutate
from einnet.toolchain.mlir import make_context, parse_module
from einnet.verify.equivalence import Equal, compare

CHAIN = """
func.func @main(%x: tensor<2x3x6x6xf32>, %w: tensor<4x3x3x1xf32>, %v: tensor<4x4x3x1xf32>,
                %b: tensor<2x4x6x6xf32>, %c: tensor<2x4x6x6xf32>) -> (RESULTS) {
  %zero = arith.constant 0.0 : f32
  %padded = tensor.pad %x low[0, 0, 1, 0] high[0, 0, 1, 0] {
  ^bb0(%n: index, %k: index, %i: index, %j: index):
    tensor.yield %zero : f32
  } : tensor<2x3x6x6xf32> to tensor<2x3x8x6xf32>
  %p = linalg.conv_2d_nchw_fchw {einnet.label = "p"}
      ins(%padded, %w : tensor<2x3x8x6xf32>, tensor<4x3x3x1xf32>)
      outs(%b : tensor<2x4x6x6xf32>) -> tensor<2x4x6x6xf32>
  %empty = tensor.empty() : tensor<2x4x6x6xf32>
  %t = linalg.tanh {einnet.label = "t"} ins(%p : tensor<2x4x6x6xf32>)
      outs(%empty : tensor<2x4x6x6xf32>) -> tensor<2x4x6x6xf32>
  %padded1 = tensor.pad %t low[0, 0, 1, 0] high[0, 0, 1, 0] {
  ^bb0(%n: index, %k: index, %i: index, %j: index):
    tensor.yield %zero : f32
  } : tensor<2x4x6x6xf32> to tensor<2x4x8x6xf32>
  %q = linalg.conv_2d_nchw_fchw {einnet.label = "q"}
      ins(%padded1, %v : tensor<2x4x8x6xf32>, tensor<4x4x3x1xf32>)
      outs(%c : tensor<2x4x6x6xf32>) -> tensor<2x4x6x6xf32>
  return VALUES : RESULTS
}"""
"""A chain whose members add initial values."""

ROW = "merge-borders(inner=3)"
SEAM = "merge-borders(inner=2,gap=0)"


def chain(*values: str) -> str:
    types = ", ".join(["tensor<2x4x6x6xf32>"] * len(values))
    text = CHAIN.replace("(RESULTS)", f"({types})").replace("RESULTS", types)
    return text.replace("VALUES", ", ".join(values))


def products(*shapes: tuple[str, str], dtype: str = "f32") -> str:
    """Products of a tensor of 4x5, or of two, each with one of its own."""
    arguments = [f"%x: tensor<4x5x{dtype}>, %y: tensor<4x5x{dtype}>"]
    lines = [f"%zero = arith.constant 0.0 : {dtype}"]
    for number, (image, width) in enumerate(shapes):
        weights, result = f"tensor<5x{width}x{dtype}>", f"tensor<4x{width}x{dtype}>"
        arguments.append(f"%w{number}: {weights}")
        lines.append(f"%i{number} = arith.constant dense<0.0> : {result}")
        lines.append(
            f'%p{number} = linalg.matmul {{einnet.label = "p{number}"}} ins(%{image}, %w{number} : '
            f"tensor<4x5x{dtype}>, {weights}) outs(%i{number} : {result}) -> {result}"
        )
    types = ", ".join(f"tensor<4x{width}x{dtype}>" for _, width in shapes)
    names = ", ".join(f"%p{number}" for number in range(len(shapes)))
    body = "\n  ".join([*lines, f"return {names} : {types}"])
    return f"func.func @main({', '.join(arguments)}) -> ({types}) {{\n  {body}\n}}"


def module_of(text: str) -> ir.Module:
    return parse_module(text, make_context())


def main_of(module: ir.Module) -> Program:
    functions = (f for f in module.body.operations if isinstance(f, func.FuncOp))
    return lift_function(next(f for f in functions if f.name.value == "main"))


def is_same(text: str, module: ir.Module) -> bool:
    assert module.operation.verify()
    return isinstance(compare(main_of(module_of(text)), main_of(module)), Equal)


@pytest.mark.parametrize("labels", [("p", "q"), ("q", "p")])
def test_what_is_between_the_members_of_a_chain_joins_their_layouts(labels: tuple[str, ...]):
    text = chain("%q")
    module = module_of(text)
    Mutate(labels=labels, mutation=ROW).run(Target(module))
    assert is_same(text, module)
    assert not marks_in(module.operation)
    # The initial value and the function between are computed where the second image is laid out.
    assert 'einnet.label = "p+p.initial+t+q.layout"' in str(module)
    assert str(module).count("math.tanh") == 1


@pytest.mark.parametrize("values", [("%p", "%q"), ("%t", "%q"), ("%q", "%t", "%p")])
def test_what_others_read_of_a_chain_is_computed_once_as_it_was(values: tuple[str, ...]):
    text = chain(*values)
    module = module_of(text)
    Mutate(labels=("p", "q"), mutation=ROW).run(Target(module))
    assert is_same(text, module)
    once = "math.tanh" if "%t" not in values else "linalg.tanh"
    assert str(module).count("tanh") == 1 and once in str(module)
    assert 'einnet.label = "p"' in str(module)


@pytest.mark.parametrize("values", [("%q",), ("%t", "%q")])
@pytest.mark.parametrize("share", [False, True])
def test_chains_that_are_wrong_at_the_seam_are_corrected(values: tuple[str, ...], share: bool):
    text = chain(*values)
    module = module_of(text)
    Mutate(labels=("p", "q"), mutation=SEAM).run(Target(module))
    assert [mark.label for mark in marks_in(module.operation)] == ["p", "q"]
    assert not is_same(text, module)
    Correct(share=share).run(Target(module))
    assert is_same(text, module)
    assert len(list(module.body.operations)) == 1


def test_members_of_a_chain_may_be_wrong_at_different_places():
    text = chain("%q")
    # The first member's windows end where they stand.
    text = text.replace("low[0, 0, 1, 0] high[0, 0, 1, 0]", "low[0, 0, 2, 0] high[0, 0, 0, 0]", 1)
    module = module_of(text)
    Mutate(labels=("p", "q"), mutation=SEAM).run(Target(module))
    first, second = marks_in(module.operation)
    assert first.boxes == ("[1, 0:4:1, 0:2:1, 0:6:1]",)
    assert second.boxes == ("[0, 0:4:1, 5, 0:6:1]", "[1, 0:4:1, 0, 0:6:1]")
    Correct().run(Target(module))
    assert is_same(text, module)


@pytest.mark.parametrize("moves", [ROW, SEAM])
@pytest.mark.parametrize("initial", ["%p", "%t"])
def test_a_member_may_add_what_an_earlier_one_computed(moves: str, initial: str):
    text = chain("%q").replace("outs(%c :", f"outs({initial} :")
    module = module_of(text)
    Mutate(labels=("p", "q"), mutation=moves, correct=True).run(Target(module))
    assert is_same(text, module)


def test_two_moves_of_a_chain():
    text = chain("%q")
    module = module_of(text)
    moves = "split-carry(tile=3,halo=1,dimension=2),merge-borders(inner=3)"
    Mutate(labels=("p", "q"), mutation=moves, depth=2, correct=True).run(Target(module))
    assert is_same(text, module)


@pytest.mark.parametrize(
    "shapes, operator",
    [
        ([("x", "3"), ("x", "6")], "4x9"),
        ([("x", "3"), ("x", "3"), ("x", "2"), ("x", "7")], "4x15"),
        ([("x", "6"), ("y", "6")], "2x4x6"),
        ([("x", "6"), ("y", "2")], "2x4x6"),
    ],
)
def test_parallel_products_become_one(shapes: list[tuple[str, str]], operator: str):
    text = products(*shapes)
    module = module_of(text)
    labels = tuple(f"p{number}" for number in range(len(shapes)))
    Mutate(labels=labels).run(Target(module))
    assert is_same(text, module)
    matmuls = [line for line in str(module).splitlines() if "matmul" in line]
    assert len(matmuls) == 1 and f"-> tensor<{operator}xf32>" in matmuls[0]


def test_the_named_join_is_the_one_that_is_made():
    text = products(("x", "6"), ("x", "6"))
    for join, operator in (("merge-padded", "4x12"), ("batch-padded", "2x4x6")):
        module = module_of(text)
        Mutate(labels=("p0", "p1"), mutation=join).run(Target(module))
        assert is_same(text, module)
        assert f"-> tensor<{operator}xf32>" in str(module)


def convolutions(*filters: tuple[int, int]) -> str:
    """Convolutions of one image, each with so many filters of so many taps, of the same size."""
    arguments, lines = ["%x: tensor<2x3x6xf32>"], ["%zero = arith.constant 0.0 : f32"]
    for number, (count, taps) in enumerate(filters):
        weights, wide = f"tensor<{count}x3x{taps}xf32>", f"tensor<2x3x{5 + taps}xf32>"
        result = f"tensor<2x{count}x6xf32>"
        arguments.append(f"%w{number}: {weights}")
        lines += [
            f"%i{number} = arith.constant dense<0.0> : {result}",
            f"%x{number} = tensor.pad %x low[0, 0, {taps // 2}] high[0, 0, {(taps - 1) // 2}] {{",
            "^bb0(%n: index, %c: index, %i: index):",
            "  tensor.yield %zero : f32",
            f"}} : tensor<2x3x6xf32> to {wide}",
            f'%p{number} = linalg.conv_1d_ncw_fcw {{einnet.label = "p{number}"}} ins(%x{number}, '
            f"%w{number} : {wide}, {weights}) outs(%i{number} : {result}) -> {result}",
        ]
    types = ", ".join(f"tensor<2x{count}x6xf32>" for count, _ in filters)
    names = ", ".join(f"%p{number}" for number in range(len(filters)))
    body = "\n  ".join([*lines, f"return {names} : {types}"])
    return f"func.func @main({', '.join(arguments)}) -> ({types}) {{\n  {body}\n}}"


@pytest.mark.parametrize("join", ["merge-padded", "batch-padded"])
@pytest.mark.parametrize(
    "filters",
    [
        [(4, 1), (4, 1), (2, 1), (3, 1)],
        [(4, 3), (2, 1)],
        [(2, 1), (4, 3)],
        [(2, 2), (4, 3), (3, 5)],
    ],
)
def test_convolutions_of_other_windows_and_filters_become_one(
    filters: list[tuple[int, int]], join: str
):
    text = convolutions(*filters)
    module = module_of(text)
    labels = tuple(f"p{number}" for number in range(len(filters)))
    Mutate(labels=labels, mutation=join).run(Target(module))
    assert is_same(text, module)
    operators = [line for line in str(module).splitlines() if f'"{"+".join(labels)}.op' in line]
    assert len(operators) == 1
    most = sum(f for f, _ in filters) if join == "merge-padded" else max(f for f, _ in filters)
    assert f"x{most}xf32>" in operators[0]


def test_halves_are_rounded_as_they_were():
    text = products(("x", "6"), ("x", "2"), dtype="f16")
    module = module_of(text)
    Mutate(labels=("p0", "p1")).run(Target(module))
    assert is_same(text, module)


def test_only_some_of_the_products_that_are_alike_are_taken():
    text = products(("x", "6"), ("x", "6"), ("x", "6"))
    module = module_of(text)
    Mutate(labels=("p0", "p2")).run(Target(module))
    assert is_same(text, module)
    assert str(module).count("linalg.matmul") == 2
    assert 'linalg.matmul {einnet.label = "p1"}' in str(module)


def test_a_failing_condition_is_reported_where_it_fails():
    module = module_of(products(("x", "6"), ("y", "6")))
    with pytest.raises(InputError, match="merge-padded: t0 is read in several ways") as error:
        Mutate(labels=("p0", "p1"), mutation="merge-padded").run(Target(module))
    assert error.value.location is not None
