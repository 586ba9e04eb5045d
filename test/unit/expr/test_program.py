"""Queries and edits of programs."""

from __future__ import annotations

from dataclasses import replace

from tensor_algebra import tensors

from einnet.expr.check import check_program
from einnet.expr.program import (
    Definition,
    Opaque,
    Program,
    constants_of,
    names_of,
    splice,
    uses_of,
    without_dead,
)
from einnet.expr.text import parse_scope

T = tensors(X=(4,), W=(4,), a=(4,), b=(4,), c=(4,), d=(4,), e=(4,), f=(4,))


def define(result: str, body: str) -> Definition:
    return Definition(T[result], parse_scope(f"L<i:4> {body}", T))


# a and b come from weights alone, d is dead, f is one of two results of an opaque operation.
PROGRAM = Program(
    "main",
    (T["X"], T["W"]),
    (
        define("a", "W[i] * W[i]"),
        define("b", "a[i] + W[i]"),
        define("c", "b[i] * X[i]"),
        define("d", "X[i] * X[i]"),
        Opaque((T["e"], T["f"]), (T["c"],), "tensor.split", 0),
    ),
    (T["f"],),
    frozenset({"W"}),
)


def test_constants_follow_from_weights_alone():
    assert constants_of(PROGRAM) == {"W", "a", "b"}
    assert constants_of(replace(PROGRAM, weights=frozenset())) == frozenset()


def test_the_result_of_an_opaque_operation_is_no_constant():
    frozen = Opaque((T["e"],), (T["W"],), "print", 0)
    after = define("f", "e[i]")
    program = replace(PROGRAM, statements=(frozen, after))
    assert constants_of(program) == {"W"}


def test_dead_statements_go_with_what_only_they_need():
    live = without_dead(PROGRAM)
    assert [s for s in PROGRAM.statements if s not in live.statements] == [PROGRAM.statements[3]]
    check_program(live)
    only_a = without_dead(replace(PROGRAM, outputs=(T["a"],)))
    assert only_a.statements == PROGRAM.statements[:1]
    # One needed result keeps an operation of several.
    assert PROGRAM.statements[4] in without_dead(replace(PROGRAM, outputs=(T["e"],))).statements


def test_operations_with_effects_stay():
    call = Opaque((T["e"],), (T["X"],), "func.call", 1)
    store = Opaque((), (T["X"],), "tensor.store", 2)
    program = replace(PROGRAM, statements=(call, *PROGRAM.statements, store))
    kept = without_dead(replace(program, outputs=(T["a"],))).statements
    assert kept == (call, PROGRAM.statements[0], store)


def test_uses_count_statements_and_outputs():
    assert uses_of(PROGRAM) == {"W": 2, "a": 1, "b": 1, "X": 2, "c": 1, "f": 1}
    assert uses_of(replace(PROGRAM, outputs=(T["c"], T["c"])))["c"] == 3


def test_splice_puts_statements_in_place():
    steps = (define("d", "b[i]"), define("c", "d[i] * X[i]"))
    cut = without_dead(PROGRAM)
    spliced = splice(cut, {"c": steps, "nosuch": ()})
    assert spliced.statements == (*cut.statements[:2], *steps, cut.statements[3])
    check_program(spliced)
    assert spliced.definition_of("c") == steps[1]


def test_lookup_by_name():
    assert PROGRAM.definition_of("b") == PROGRAM.statements[1]
    assert PROGRAM.definition_of("X") is None and PROGRAM.definition_of("f") is None
    assert names_of(PROGRAM) == set("XWabcdef")
    assert PROGRAM.definitions == PROGRAM.statements[:4]
