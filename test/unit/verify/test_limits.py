"""Programs made to confuse the verifier's arithmetic, its names or its notion of a signature."""

from __future__ import annotations

from dataclasses import replace

import pytest
from verify_cases import program

from einnet.errors import InputError
from einnet.expr.index import var
from einnet.expr.nodes import Iterator, Read, Scope, Tensor, Term
from einnet.expr.program import Definition, Opaque, Program
from einnet.expr.text import parse_scope
from einnet.verify.equivalence import Different, Equal, Undecided, compare, compare_scopes


@pytest.mark.parametrize(
    ("reference", "candidate"),
    [
        ("L<i:5> 2147483647*X[i]", "L<i:5> 0"),
        ("L<i:5> 1073741824*X[i] + 1073741823*X[i]", "L<i:5> 0"),
        ("L<i:5> 1073741824*X[i] + 1073741824*X[i]", "L<i:5> X[i]"),
        ("L<i:5> S<a:65536,b:65536> X[i]*[a mod 2=0]", "L<i:5> X[i]"),
    ],
)
def test_no_prime_that_is_known_beforehand_confuses_constants(
    reference: str, candidate: str
) -> None:
    # They differ by a multiple of 2^31 - 1.
    pair = [program({"X": (5,)}, [("Y", text)], ["Y"]) for text in (reference, candidate)]
    assert isinstance(compare(*pair), Different)


@pytest.mark.parametrize(
    ("shape", "reference", "candidate"),
    [
        # In 64 bits the two elements have one row-major number.
        ((2**33, 2**32), "L<v:4> X[4294967296,v]", "L<v:4> X[0,v]"),
        ((2**70,), "L<v:4> X[18446744073709551616*v]", "L<v:4> X[0]"),
        (
            (8,),
            "L<v:8> X[v]*[0 <= 4611686018427387904*v < 4611686018427387905]",
            "L<v:8> X[v]*[0 <= v < 2] + X[v]*[4 <= v < 6]",
        ),
        ((8,), "L<v:8> X[v]*[0 <= v < 18446744073709551617]", "L<v:8> X[7-v]"),
        ((8,), "L<v:8> relu(X[v]*[0 <= 4611686018427387904*v < 5])", "L<v:8> relu(X[v])"),
    ],
)
def test_integers_that_64_bits_do_not_hold_are_never_wrapped_around(
    shape: tuple[int, ...], reference: str, candidate: str
) -> None:
    pair = [program({"X": shape}, [("Y", text)], ["Y"]) for text in (reference, candidate)]
    assert not isinstance(compare(*pair), Equal)
    assert not isinstance(compare(*reversed(pair)), Equal)


def test_indices_with_a_very_long_common_period() -> None:
    moduli = (1009, 1013, 1019, 1021, 1031, 1033, 1039, 1049)
    steps = " + ".join(f"X[(3*v + {m - 1}) div {m}]" for m in moduli)

    def sums(text: str) -> Program:
        return program({"X": (9,)}, [("Y", f"L<v:4> {text}")], ["Y"])

    assert isinstance(compare(sums(steps), sums("X[(v + 2) div 3] * 8")), Equal)
    assert isinstance(compare(sums(steps), sums("X[(v + 3) div 4] * 8")), Equal)
    assert isinstance(compare(sums(steps), sums("X[(v + 1) div 3] * 8")), Different)


def test_an_input_may_be_called_like_a_symbol() -> None:
    # The result of the first opaque operation is named by the verifier.
    shapes = {"A": (4,), "reference.opaque#0.0": (4,)}
    reference = program(
        shapes, [Opaque((Tensor("O", (4,)),), (Tensor("A", (4,)),), "tensor.sort", 0)], ["O"]
    )
    candidate = program(shapes, [], ["reference.opaque#0.0"])
    assert not isinstance(compare(reference, candidate), Equal)


def test_an_iterator_may_be_called_like_a_renamed_sum() -> None:
    x = Tensor("X", (4, 3))
    rows = parse_scope("L<a:4> S<b:3> X[a,b]", {"X": x})
    own, sum_ = Iterator("%1", 0, 4), Iterator("%2", 0, 3)
    reader = Scope((own,), (), (Term((Read(rows, (var("%1"),)),)),))
    diagonal = Scope((own,), (sum_,), (Term((Read(x, (var("%2"), var("%2"))),)),))
    assert isinstance(compare_scopes(reader, rows), Equal)
    assert isinstance(compare_scopes(reader, diagonal), Different)


def test_deep_nesting_is_undecided() -> None:
    x = Tensor("X", (4,))
    scope = copy = parse_scope("L<i:4> X[i]", {"X": x})
    for _ in range(3000):
        scope = Scope(scope.traversal, (), (Term((Read(scope, (var("i"),)),)),))
    undecided = Undecided("scopes or indices are nested too deeply")
    assert compare_scopes(copy, scope) == undecided
    result = Tensor("Y", (4,))
    shallow, deep = (
        Program("copy", (x,), (Definition(result, s),), (result,)) for s in (copy, scope)
    )
    assert compare(shallow, deep) == undecided


def test_empty_tensors_are_equal() -> None:
    shapes = {"A": (0, 1, 3), "B": (0, 1, 3)}
    assert isinstance(compare(program(shapes, [], ["A"]), program(shapes, [], ["B"])), Equal)


def test_weights_and_the_order_of_inputs_have_to_agree() -> None:
    shapes = {"A": (4,), "B": (4,)}
    reference = program(shapes, [("Y", "L<i:4> A[i] - B[i]")], ["Y"])
    turned = replace(reference, inputs=reference.inputs[::-1])
    with pytest.raises(InputError, match="order of the inputs: A, B in"):
        compare(reference, turned)
    with pytest.raises(InputError, match="weights: none in"):
        compare(reference, replace(turned, weights=frozenset({"A"})))
    weights = frozenset({"A", "B"})
    ours, theirs = (replace(p, weights=weights) for p in (reference, turned))
    assert isinstance(compare(ours, theirs), Equal)


def test_effects_have_to_stay() -> None:
    shapes = {"A": (4,), "B": (4,)}

    def printing(*names: str, y: str = "A[i] + A[i]") -> Program:
        effects = [Opaque((), (Tensor(n, (4,)),), "print", 0) for n in names]
        return program(shapes, [("Y", f"L<i:4> {y}"), *effects], ["Y"])

    reference = printing("A", "Y")
    assert isinstance(compare(reference, printing("A", "Y", y="2*A[i]")), Equal)
    for names in ((), ("A",), ("Y", "A"), ("A", "B")):
        assert isinstance(compare(reference, printing(*names)), Undecided)


def test_what_is_read_after_an_effect_is_something_else() -> None:
    shapes = {"M": (), "A": (4,)}
    first, second = (Opaque((Tensor(n, (4,)),), (Tensor("M", ()),), "tensor.load", 0) for n in "PQ")
    store = Opaque((), (Tensor("M", ()), Tensor("A", (4,))), "store", 0)
    difference = ("Y", "L<i:4> P[i] - Q[i]")
    reference = program(shapes, [first, store, second, difference], ["Y"])
    zero = program(shapes, [store, ("Y", "L<i:4> 0")], ["Y"])
    assert isinstance(compare(reference, reference), Equal)
    assert isinstance(compare(reference, zero), Undecided)
    unchanged = program(shapes, [first, second, store, difference], ["Y"])
    assert isinstance(compare(unchanged, zero), Equal)


def test_an_operation_with_an_effect_may_have_another_result_every_time() -> None:
    shapes = {"A": (4,)}

    def drawing(*results: str, y: str) -> Program:
        draws = [Opaque((Tensor(r, (4,)),), (Tensor("A", (4,)),), "call @draw", 0) for r in results]
        return program(shapes, [*draws, ("Y", f"L<i:4> {y}")], ["Y"])

    difference = drawing("P", "Q", y="P[i] - Q[i]")
    assert isinstance(compare(difference, drawing("P", "Q", y="2*P[i] - Q[i] - P[i]")), Equal)
    for other in (
        drawing("P", "Q", y="0"),
        drawing("P", "Q", y="Q[i] - P[i]"),
        drawing(y="0"),
        drawing("P", y="P[i] - P[i]"),
    ):
        assert not isinstance(compare(difference, other), Equal)
        assert not isinstance(compare(other, difference), Equal)
    # Nobody reads the result; it is drawn all the same.
    unread = drawing("P", y="A[i]")
    assert isinstance(compare(unread, drawing("P", y="2*A[i] - A[i]")), Equal)
    assert isinstance(compare(unread, drawing(y="A[i]")), Undecided)


def test_a_weight_that_decides_nothing_may_be_left_out() -> None:
    shapes = {"A": (4,), "W": (4,)}
    twice = program(shapes, [("Y", "L<i:4> A[i] + A[i]")], ["Y"])
    times = program(shapes, [("Y", "L<i:4> A[i]*W[i]")], ["Y"])
    without = program({"A": (4,)}, [("Y", "L<i:4> 2*A[i]")], ["Y"])
    weights = frozenset({"W"})
    assert isinstance(compare(replace(twice, weights=weights), without), Equal)
    assert isinstance(compare(replace(times, weights=weights), without), Different)
    with pytest.raises(InputError, match="input W"):
        compare(twice, without)
    with pytest.raises(InputError, match="input W"):
        compare(without, replace(twice, weights=weights))
