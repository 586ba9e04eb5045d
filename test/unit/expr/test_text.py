"""Printing and parsing are inverse, and errors say where they are."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from strategies import scopes
from tensor_algebra import tensors

from einnet.errors import InputError
from einnet.expr.check import check_scope
from einnet.expr.index import Range
from einnet.expr.nodes import Call, Read, Scope, Tensor, tensors_of
from einnet.expr.text import format_scope, parse_index, parse_scope

DECLARED = tensors(X=(4, 4), Y=(4,), W=(3, 3), c=(), S=(4,), relu=(4,))


@given(scopes(nested=True, calls=True, body=2))
def test_printed_scopes_parse_back(scope: Scope):
    check_scope(scope)
    declared = {t.name: t for t in tensors_of(scope)}
    assert parse_scope(str(scope), declared) == scope


@pytest.mark.parametrize(
    "text",
    [
        "L<x:4> Y[x]",
        "L<x:-1:4,y:2:3> X[x,y]",
        "L<> S<r:4> Y[r]",
        "L<x:4> 0",
        "L<x:4> 3",
        "L<x:4,y:2> 0 * Y[x] - 2/3 * Y[y]",
        "L<x:4> c[]",
        "L<x:4> S[x]",
        "L<x:4> S<r:3> S[x] * Y[r]",
        "L<x:4> -Y[x] + 2/3 * Y[x] * Y[x-1] - 2 * c[] + 1/2",
        "L<x:4> Y[x] * [x mod 2 = 0] * [-1 <= x-3 < 2]",
        "L<x:4> Y[x] * [(x+1) mod 2 = 0]",
        "L<x:4> S<r:3> Y[r+x-1] * [(2*r+x) mod 3 = 0]",
        "L<x:4> Y[3*(x div 3)-2*(x mod 2)]",
        "L<x:4,y:4> X[(x+y div 3) div 2,(2*x+y) mod 3]",
        "L<x:4> [0 <= x < 3]",
        "L<x:4> maximum(Y[x] + 1, 2 * Y[x])",
        "L<x:4> Y[x] * relu(Y[x] - Y[x+1] * [0 <= x < 3])",
        "L<x:4> relu[x]",
        "L<x:4,y:4> S<r:-2:1> {L<z:4> S<r:3> Y[z] * W[r,r]}[x] * {L<x:4> Y[x]}[y-r]",
        "L<x.q:2,x.r:2> Y[2*x.q+x.r]",
        "L<x:4> {L<> S<r:4> Y[r]}[]",
    ],
)
def test_what_each_node_prints(text: str):
    assert format_scope(parse_scope(text, DECLARED)) == text


def test_the_natural_transposed_convolution_of_the_design():
    text = (
        "L<n:16,f:256,h:4,w:4> S<c:448,r:4,s:4> X[n,c,(h+1-r) div 2,(w+1-s) div 2] * W[c,f,r,s]"
        " * [(h+1-r) mod 2 = 0] * [(w+1-s) mod 2 = 0]"
    )
    declared = tensors(X=(16, 448, 2, 2), W=(448, 256, 4, 4))
    scope = parse_scope(text, declared)
    assert scope.extents == (16, 256, 4, 4)
    assert parse_scope(str(scope), declared) == scope


def test_a_name_before_brackets_is_a_tensor_and_before_parentheses_a_function():
    (read, call) = parse_scope("L<x:4> relu[x] * relu(Y[x])", DECLARED).term.factors
    assert isinstance(read, Read) and read.source == Tensor("relu", (4,))
    assert isinstance(call, Call) and call.function == "relu"


def test_spaces_and_lines_do_not_matter():
    spread = "L < x : 4 >\n  S<r:0:3>\n  Y [ x + r*1 ] *\n  2"
    assert str(parse_scope(spread, DECLARED)) == "L<x:4> S<r:3> 2 * Y[r+x]"


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("", 1, 1, "expected 'L' but found the end"),
        ("M<x:4> Y[x]", 1, 1, "expected 'L' but found 'M'"),
        ("L<x:4> Y[x] Y[x]", 1, 13, "unexpected 'Y' after the expression"),
        ("L<x:4> Y[x] ?", 1, 13, "unexpected character '?'"),
        ("L<x:4>\n Y[x] * $", 2, 9, "unexpected character '$'"),
        ("L<x:4> Y[x", 1, 11, "expected ',' but found the end"),
        ("L<x:4 Y[x]", 1, 7, "expected ',' but found 'Y'"),
        ("L<x:4,x:3> Y[x]", 1, 7, "iterator 'x' is declared twice"),
        ("L<x:4> S<x:3> Y[x]", 1, 10, "iterator 'x' is declared twice"),
        ("L<x> Y[x]", 1, 4, "expected ':' but found '>'"),
        ("L<4> Y[x]", 1, 3, "expected a name but found '4'"),
        ("L<x:y> Y[x]", 1, 5, "expected an integer but found 'y'"),
        ("L<x:0> Y[x]", 1, 3, "iterator 'x' has the empty range 0:0"),
        ("L<y:2,x:3:3> Y[x]", 1, 7, "iterator 'x' has the empty range 3:3"),
        ("L<x:4> Z[x]", 1, 8, "unknown tensor 'Z'"),
        ("L<x:4>\n  Y[x] *\n  Q[x]", 3, 3, "unknown tensor 'Q'"),
        ("L<x:4> Y[z]", 1, 10, "unknown iterator 'z'; this scope has: x"),
        ("L<x:4> {L<z:4> Y[x]}[x]", 1, 18, "unknown iterator 'x'; this scope has: z"),
        ("L<x:4> X[x]", 1, 9, "1 indices for a source of rank 2"),
        ("L<x:4> {L<z:4> Y[z]}[x,x]", 1, 21, "2 indices for a source of rank 1"),
        ("L<x:4> Y[x*x]", 1, 13, "an index may not multiply iterators"),
        ("L<x:4> Y[x div 0]", 1, 16, "the divisor of div must be at least 1, not 0"),
        ("L<x:4> Y[x mod -2]", 1, 16, "the divisor of mod must be at least 1, not -2"),
        ("L<x:4> Y[x div x]", 1, 16, "expected an integer but found 'x'"),
        ("L<x:4> Y[x] * [x mod 2 = 1]", 1, 26, "expected '0' but found '1'"),
        ("L<x:4> Y[x] * [x mod 1 = 0]", 1, 22, "the modulus of a guard must be at least 2, not 1"),
        ("L<x:4> Y[x] * [x mod 0 = 0]", 1, 22, "the modulus of a guard must be at least 2, not 0"),
        ("L<x:4> Y[x] * [0 <= x]", 1, 22, "expected '<' but found ']'"),
        ("L<x:4> Y[x] *", 1, 14, "expected a name but found the end"),
        ("L<x:4> Y[x] +", 1, 14, "expected a name but found the end"),
        ("L<x:4> 1/0 * Y[x]", 1, 10, "a denominator must be at least 1, not 0"),
        ("L<x:4> {L<z:4> Y[z][x]", 1, 20, "expected '}' but found '['"),
        ("L<x:4> nosuch(Y[x])", 1, 8, "unknown function 'nosuch'"),
        ("L<x:4> maximum(Y[x])", 1, 8, "1 arguments for maximum, which takes 2"),
        (f"L<x:{2**63}> Y[x]", 1, 5, f"{2**63} is out of range: at most {2**63 - 1}"),
        (f"L<x:4> Y[x div {2**63}]", 1, 16, f"{2**63} is out of range"),
        (f"L<x:{'9' * 5000}> Y[x]", 1, 5, "a number of 5000 digits"),
        (f"L<x:4> {'9' * 5000} * Y[x]", 1, 8, "a number of 5000 digits"),
        (f"L<x:4> Y[{'(' * 5000}x]", 1, 73, "nested more than 64 deep"),
        (f"L<x:4> {'{L<x:4> ' * 5000}Y[x]", 1, 8 + 8 * 64, "nested more than 64 deep"),
        (f"L<x:4> {'relu(' * 5000}Y[x]", 1, 12 + 5 * 64, "nested more than 64 deep"),
    ],
)
def test_errors_say_where(text: str, line: int, column: int, message: str):
    with pytest.raises(InputError) as caught:
        parse_scope(text, DECLARED, "model.txt")
    assert message in caught.value.message
    location = caught.value.location
    assert location is not None
    assert (location.file, location.line, location.column) == ("model.txt", line, column)


def test_coefficients_may_be_as_long_as_a_float_is_exact():
    coefficient = Fraction(5e-324) * 3
    scope = parse_scope(f"L<x:4> {coefficient} * Y[x]", DECLARED)
    assert scope.body[0].coefficient == coefficient
    assert parse_scope(str(scope), DECLARED) == scope


@pytest.mark.parametrize(
    "body",
    [
        "{L<x:4> " * 62 + "Y[x]" + "}[x]" * 62,
        "relu(" * 62 + "Y[x]" + ")" * 62,
        "Y[" + "(" * 62 + "x" + ")" * 62 + "]",
    ],
)
def test_what_is_less_deep_can_be_parsed_and_checked(body: str):
    scope = parse_scope(f"L<x:4> {body}", DECLARED)
    check_scope(scope)
    assert parse_scope(str(scope), DECLARED) == scope


def test_an_index_has_its_own_parser():
    with pytest.raises(InputError, match="<index>:1:3: error: unexpected 'x'"):
        parse_index("x x", {"x": Range(0, 4)})
