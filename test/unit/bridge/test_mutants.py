"""Marks of mutants: written, read, seen through, and opaque to whoever lifts the module."""

from __future__ import annotations

from lifting import function_of, module, refused
from mlir import ir

from einnet.bridge.lift import lift_function
from einnet.bridge.mutants import emit_mark, marks_in, original_of, take_mutants_as_they_are

TEXT = """
func.func private @original(%x: tensor<4xf32>, %w: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
func.func @main(%x: tensor<4xf32>, %w: tensor<4xf32>) -> tensor<4xf32> {
  %y = builtin.unrealized_conversion_cast %w, %x, %w
      : tensor<4xf32>, tensor<4xf32>, tensor<4xf32> to tensor<4xf32>
      {einnet.label = "p", einnet.mutant = "a(b=1)", einnet.incorrect_boxes = ["[0:2:1]"],
       einnet.original = @original}
  return %y : tensor<4xf32>
}"""


def test_a_mark_is_read() -> None:
    owner = module(TEXT)
    (mark,) = marks_in(owner.operation)
    assert (mark.label, mark.steps, mark.boxes) == ("p", "a(b=1)", ("[0:2:1]",))
    main = function_of(owner)
    assert mark.mutant == main.arguments[1]
    assert mark.arguments == [main.arguments[0], main.arguments[1]]
    found = original_of(mark)
    assert found is not None and found.name.value == "original"


def test_what_is_written_is_read() -> None:
    owner = module(TEXT)
    (mark,) = marks_in(owner.operation)
    with ir.InsertionPoint(mark.operation), mark.operation.location:
        value = emit_mark(
            mark.mutant,
            mark.arguments,
            label=mark.label,
            steps=mark.steps,
            boxes=mark.boxes,
            original=mark.original,
        )
    assert str(value.owner).partition(" = ")[2] == str(mark.operation).partition(" = ")[2]


def test_a_mutant_is_opaque_until_it_is_taken_as_it_is() -> None:
    (refusal,) = refused(TEXT)
    assert "einnet-correct" in refusal.reason
    owner = module(TEXT)
    take_mutants_as_they_are(owner)
    assert not marks_in(owner.operation)
    program = lift_function(function_of(owner))
    assert program.outputs == (program.inputs[1],)


def test_a_cast_of_others_is_no_mark() -> None:
    text = TEXT.replace("einnet.mutant", "other")
    assert not marks_in(module(text).operation)
    (refusal,) = refused(text)
    assert "not part of the expression language" in refusal.reason
