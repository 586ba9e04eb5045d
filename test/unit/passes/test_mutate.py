"""einnet-mutate and einnet-correct: which mutants they take, and what they leave equal."""

from __future__ import annotations

import pytest
from mlir import ir
from mlir.dialects import func

from einnet.bridge.attributes import MUTANT
from einnet.bridge.lift import lift_function
from einnet.bridge.mutants import marks_in, take_mutants_as_they_are
from einnet.errors import InputError, Location
from einnet.expr.program import Program
from einnet.mutations.wanted import Wanted
from einnet.passes.correct import Correct, parse_steps
from einnet.passes.module_pass import Target
from einnet.passes.mutate import Mutate
from einnet.passes.options import build
from einnet.passes.wanted_mutations import parse_mutations
from einnet.rules.rewrite import Step
from einnet.toolchain.mlir import make_context, parse_module
from einnet.verify.equivalence import Different, Equal, compare

SEAM = "merge-borders(gap=0)"

BIASED = """
func.func @main(%x: tensor<2x3x8xf32>, %w: tensor<4x3x3xf32>, %b: tensor<2x4x8xf32>)
    -> tensor<2x4x8xf32> {
  %zero = arith.constant 0.0 : f32
  %padded = tensor.pad %x low[0, 0, 1] high[0, 0, 1] {
  ^bb0(%n: index, %c: index, %i: index):
    tensor.yield %zero : f32
  } : tensor<2x3x8xf32> to tensor<2x3x10xf32>
  %y = linalg.conv_1d_ncw_fcw {einnet.label = "p"}
      ins(%padded, %w : tensor<2x3x10xf32>, tensor<4x3x3xf32>)
      outs(%b : tensor<2x4x8xf32>) -> tensor<2x4x8xf32>
  return %y : tensor<2x4x8xf32>
}"""

CHAIN = """
func.func @main(%x: tensor<2x3x10xf32>, %w: tensor<4x3x3xf32>, %v: tensor<4x4x3xf32>)
    -> tensor<2x4x6xf32> {
  %zero = arith.constant dense<0.0> : tensor<2x4x8xf32>
  %y = linalg.conv_1d_ncw_fcw ins(%x, %w : tensor<2x3x10xf32>, tensor<4x3x3xf32>)
      outs(%zero : tensor<2x4x8xf32>) -> tensor<2x4x8xf32>
  %none = arith.constant dense<0.0> : tensor<2x4x6xf32>
  %z = linalg.conv_1d_ncw_fcw ins(%y, %v : tensor<2x4x8xf32>, tensor<4x4x3xf32>)
      outs(%none : tensor<2x4x6xf32>) -> tensor<2x4x6xf32>
  return %z : tensor<2x4x6xf32>
}"""


def module_of(text: str) -> ir.Module:
    return parse_module(text, make_context())


def main_of(module: ir.Module) -> Program:
    functions = (f for f in module.body.operations if isinstance(f, func.FuncOp))
    return lift_function(next(f for f in functions if f.name.value == "main"))


def verdict(text: str, module: ir.Module) -> Equal | Different:
    found = compare(main_of(module_of(text)), main_of(module))
    assert isinstance(found, Equal | Different)
    return found


def test_mutations_are_named_with_parameters() -> None:
    assert parse_mutations("") == ()
    assert parse_mutations("merge-borders(gap=0, outer=2), stride-one") == (
        Wanted("merge-borders", (("gap", 0), ("outer", 2))),
        Wanted("stride-one", ()),
    )


@pytest.mark.parametrize(
    "text",
    [
        "merge",
        "merge-borders(gap)",
        "merge-borders(",
        "(gap=0)",
        "merge-borders(gap=²)",
        "merge-borders(gap=-1)",
        f"merge-borders(gap={'9' * 5000})",
        "merge-borders(zzz=1)",
        "merge-borders(gap=0,gap=1)",
        "diagonal(operand=0)",
    ],
)
def test_what_names_no_mutation_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        Mutate(mutation=text)


@pytest.mark.parametrize(
    "options, column, message",
    [
        ("label=p depth=100000000", 9, "'depth' must be from 1 to 100"),
        ("label=p rounds=0", 9, "'rounds' must be from 1 to 100"),
        ("label=p beam=100000000", 9, "'beam' must be from 1 to 1000"),
        (f"label=p depth={'9' * 5000}", 9, "'depth' is an integer"),
        ("label=p mutation=merge", 9, "unknown mutation 'merge'"),
        ("label=p target=tpu", 9, "unknown target 'tpu'"),
        ("depth=1 label=p labels=p,q", 9, "label names one operation"),
        ("depth=1 labels=,", 9, "a label is empty"),
        ("depth=1 labels=p,", 9, "a label is empty"),
        ("depth=1 labels=p,q,p", 9, "the label p is given twice"),
        ("label=p share", 9, "share is of corrections"),
        ("label=p,depth=1", 1, "'depth' follows a comma"),
    ],
)
def test_errors_of_options_are_where_the_option_is(options: str, column: int, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        build(Mutate, Mutate.NAME, options, Location("here", 1, 1))
    assert error.value.location == Location("here", 1, column)
    assert len(error.value.message) < 200


@pytest.mark.parametrize(
    "steps, reason",
    [
        ("nothing(a=1)", "there is no mutation nothing"),
        ("merge-borders(operand=0)", "outer is not given as a number"),
        ("merge-borders(operand=7, outer=0, inner=2, gap=0)", "operand is from 0 to 1, not 7"),
        ("merge-borders(operand=0, outer=0, inner=9, gap=0)", "inner is from 0 to 2, not 9"),
        ("merge-borders(operand=0, outer=0, inner=2, gap=²)", "gap is not given as a number"),
    ],
)
def test_steps_that_share_cannot_replay_are_refused(steps: str, reason: str) -> None:
    module = module_of(BIASED)
    Mutate(label="p", mutation=SEAM).run(Target(module))
    (mark,) = marks_in(module.operation)
    with module.context:
        mark.operation.attributes[MUTANT] = ir.StringAttr.get(steps)
    with pytest.raises(InputError, match=reason):
        Correct(share=True).run(Target(module))


def test_a_bug_in_a_replayed_step_is_no_error_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    module = module_of(BIASED)
    Mutate(label="p", mutation=SEAM).run(Target(module))

    def broken(*_: object) -> None:
        raise KeyError("gap")

    monkeypatch.setattr("einnet.passes.correct.replay", broken)
    with pytest.raises(KeyError):
        Correct(share=True).run(Target(module))


def test_steps_are_read_as_they_are_written() -> None:
    steps = (
        Step("merge-borders", (("operand", 0), ("gap", 1))),
        Step("ungroup", (("iterator", "d1"), ("filled", 0))),
        Step("pool-as-convolution"),
    )
    assert parse_steps(", ".join(map(str, steps))) == steps


@pytest.mark.parametrize("share", [False, True])
def test_what_is_added_to_an_initial_value_is_added_to_the_mutant(share: bool) -> None:
    module = module_of(BIASED)
    Mutate(label="p", mutation=SEAM).run(Target(module))
    (mark,) = marks_in(module.operation)
    assert mark.boxes == ("[0, 0:4:1, 7]", "[1, 0:4:1, 0]")
    Correct(share=share).run(Target(module))
    assert isinstance(verdict(BIASED, module), Equal)
    assert len(list(module.body.operations)) == 1


def test_the_boxes_are_where_the_mutant_is_wrong() -> None:
    module = module_of(BIASED)
    Mutate(label="p", mutation=SEAM).run(Target(module))
    take_mutants_as_they_are(module)
    found = verdict(BIASED, module)
    assert isinstance(found, Different)
    places = {(n, i) for n, _, i in found.boxes for n in range(*n) for i in range(*i)}
    assert places == {(0, 7), (1, 0)}


def test_without_a_label_all_that_qualify_are_mutated() -> None:
    module = module_of(CHAIN)
    Mutate(mutation="merge-borders", depth=1).run(Target(module))
    # Without padding nothing is wrong at the seam, if images are far enough apart.
    assert str(module).count("linalg.conv_1d_nwc_wcf") == 2
    Correct().run(Target(module))
    assert isinstance(verdict(CHAIN, module), Equal)


def test_one_mutant_at_a_time_is_corrected() -> None:
    text = BIASED.replace("@main", "@other") + BIASED.replace('"p"', '"q"')
    module = module_of(text)
    for label in ("p", "q"):
        Mutate(label=label, mutation=SEAM).run(Target(module))
    Correct(label="q").run(Target(module))
    assert [mark.label for mark in marks_in(module.operation)] == ["p"]
    assert isinstance(verdict(BIASED, module), Equal)


def test_a_box_less_than_the_mutant_needs_is_an_error_where_it_stands() -> None:
    module = module_of(BIASED)
    Mutate(label="p", mutation=SEAM).run(Target(module))
    text = str(module).replace('"[1, 0:4:1, 0]"', '"[1, 0:3:1, 0]"')
    with pytest.raises(InputError, match=r"wrong too: \[1, 3, 0\]") as error:
        Correct(merge=False).run(Target(module_of(text)))
    assert error.value.location is not None and error.value.location.line > 1


def test_a_fully_equal_mutant_needs_no_mark() -> None:
    module = module_of(BIASED)
    Mutate(label="p", mutation="merge-borders(gap=1)").run(Target(module))
    assert not marks_in(module.operation)
    assert isinstance(verdict(BIASED, module), Equal)


def test_sums_of_halves_are_corrected_in_floats_and_rounded() -> None:
    text = BIASED.replace("f32", "f16")
    module = module_of(text)
    Mutate(label="p", mutation=SEAM, correct=True).run(Target(module))
    corrected = [line for line in str(module).splitlines() if "einnet.correction" in line]
    assert any(
        "linalg.conv_1d_ncw_fcw" in line and "-> tensor<2x4x2xf32>" in line for line in corrected
    )
    assert isinstance(verdict(text, module), Equal)


def test_a_mutant_that_reads_something_else_is_refused() -> None:
    module = module_of(BIASED)
    Mutate(label="p", mutation=SEAM).run(Target(module))
    operand = "ins(%arg1 : tensor<4x3x3xf32>)"
    text = str(module)
    place = text.index(operand, text.index("@main"))
    text = text[:place] + text[place:].replace(operand, operand.replace("%arg1", "%other"), 1)
    text = text.replace(
        "%arg2: tensor<2x4x8xf32>)", "%arg2: tensor<2x4x8xf32>, %other: tensor<4x3x3xf32>)"
    )
    with pytest.raises(InputError, match="reads values that its original does not"):
        Correct().run(Target(module_of(text)))


def test_without_labels_the_padding_of_a_convolution_is_no_operation_to_mutate() -> None:
    text = BIASED.replace('{einnet.label = "p"}', "")
    module = module_of(text)
    Mutate(mutation=SEAM, correct=True).run(Target(module))
    assert module.operation.verify()
    assert "einnet.correction" in str(module)
    assert isinstance(verdict(text, module), Equal)
