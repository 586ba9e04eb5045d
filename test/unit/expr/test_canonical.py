"""One canonical form for spellings of one expression, different ones for different expressions."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import scopes
from tensor_algebra import parse, same_meaning

from einnet.expr.canonical import canonical, fingerprint
from einnet.expr.nodes import Call, Factor, Read, Residue, Scope, Tensor, Term, Within
from einnet.expr.transform import rename

SHAPES = {"X": (2, 3, 6, 5), "V": (2, 3, 6, 5), "W": (4, 3, 3, 2), "Y": (9,)}
CONVOLUTION = "L<n:2,f:4,h:6,w:6> S<c:3,r:3,s:2> X[n,c,h+r-1,w+s-1] * W[f,c,r,s] * [h mod 2 = 0]"


@given(scopes(nested=True, calls=True, body=2))
def test_the_canonical_form_means_the_same(scope: Scope):
    form = canonical(scope)
    assert same_meaning(scope, form)
    assert canonical(form) == form


@st.composite
def respelled(draw: st.DrawFn, scope: Scope, *, permute: bool) -> Scope:
    """Other names, other orders of factors, guards and terms; with `permute` of iterators too."""
    names = [i.name for i in scope.traversal + scope.summation]
    fresh = draw(st.permutations([f"n{k}" for k in range(len(names))]))
    renamed = rename(scope, dict(zip(names, fresh, strict=True)))
    traversal, summation = list(renamed.traversal), list(renamed.summation)
    if permute:
        summation = draw(st.permutations(summation))

    def factor(f: Factor) -> Factor:
        if isinstance(f, Call):
            return Call(f.function, tuple(body(a) for a in f.arguments))
        if not isinstance(f.source, Scope):
            return f
        inner = draw(respelled(f.source, permute=permute))
        order = list(range(len(f.index)))
        if permute:
            order = draw(st.permutations(order))
        inner = replace(inner, traversal=tuple(inner.traversal[p] for p in order))
        return Read(inner, tuple(f.index[p] for p in order))

    def term(t: Term) -> Term:
        factors = draw(st.permutations([factor(f) for f in t.factors]))
        return Term(tuple(factors), tuple(draw(st.permutations(t.guards))), t.coefficient)

    def body(terms: tuple[Term, ...]) -> tuple[Term, ...]:
        return tuple(draw(st.permutations([term(t) for t in terms])))

    return Scope(tuple(traversal), tuple(summation), body(renamed.body))


@given(scopes(nested=True, calls=True, body=2), st.data())
def test_names_and_orders_of_commutative_parts_do_not_matter(scope: Scope, data: st.DataObject):
    other = data.draw(respelled(scope, permute=False))
    assert canonical(other) == canonical(scope)
    assert fingerprint(other) == fingerprint(scope)


DISTINCT = [
    CONVOLUTION,
    "L<x:4> S<r:3,s:3> Y[x-r-2*s]",
    "L<x:4> S<r:3,s:3> Y[x+2*r+s+3] * [(r+1) mod 2 = 0]",
    "L<x:4> S<r:3,s:3,t:3> Y[x+r+s div 2] * Y[t] * [0 <= s+t < 3]",
    "L<x:6> S<r:4,s:4> Y[x+r] * Y[r] * Y[s]",
    "L<x:6> S<r:-1:2,s:-2:1> Y[x+r+s+3]",
    "L<x:4> S<r:2> {L<a:4,b:5> S<c:3,d:3> Y[a+b+2*c] * Y[d]}[x,r] * Y[x]",
    "L<x:4> S<r:2> relu({L<a:4,b:4> S<c:3> Y[a+2*b+c]}[x,r]) * relu(Y[r])",
]


@given(st.sampled_from(DISTINCT), st.data())
def test_orders_of_distinguishable_iterators_do_not_matter(text: str, data: st.DataObject):
    scope = parse(text, **SHAPES)
    other = data.draw(respelled(scope, permute=True))
    assert same_meaning(scope, other)
    assert canonical(other) == canonical(scope)
    assert fingerprint(other) == fingerprint(scope)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[h mod 2 = 0]", "[h mod 3 = 0]"),
        ("[h mod 2 = 0]", "[(h+1) mod 2 = 0]"),
        ("[h mod 2 = 0]", "[w mod 2 = 0]"),
        ("[h mod 2 = 0]", "[0 <= h < 2]"),
        (" * [h mod 2 = 0]", ""),
        ("h:6", "h:5"),
        ("h:6", "h:1:6"),
        ("r:3", "r:2"),
        ("r:3", "r:1:3"),
        ("h+r-1", "h+r"),
        ("h+r-1", "h+2*r-1"),
        ("h+r-1", "h-r+1"),
        ("X[", "V["),
        ("W[f,c,r,s]", "W[f,c,r,s] * W[f,c,r,s]"),
        ("W[f,c,r,s]", "W[f,c,r,s] * 2"),
        ("W[f,c,r,s]", "relu(W[f,c,r,s])"),
        ("n:2,f:4", "f:4,n:2"),
        ("h:6,w:6", "w:6,h:6"),
    ],
)
def test_different_expressions_differ(old: str, new: str):
    assert old in CONVOLUTION
    scope, other = parse(CONVOLUTION, **SHAPES), parse(CONVOLUTION.replace(old, new), **SHAPES)
    assert canonical(scope) != canonical(other)
    assert fingerprint(scope) != fingerprint(other)


def test_shape_and_element_type_of_a_tensor_count():
    a = parse("L<i:2> Y[i]", Y=(4,))
    longer = parse("L<i:2> Y[i]", Y=(5,))
    read = a.term.reads[0]
    assert fingerprint(a) != fingerprint(longer)
    half = replace(read, source=Tensor("Y", (4,), "f16"))
    assert fingerprint(a) != fingerprint(replace(a, body=(Term((half,)),)))


@given(scopes(body=2), st.data())
def test_a_change_of_meaning_changes_the_fingerprint(scope: Scope, data: st.DataObject):
    term = scope.body[0]
    changes = [replace(term, coefficient=term.coefficient * Fraction(5))]
    for position, guard in enumerate(term.guards):
        rest = term.guards[:position] + term.guards[position + 1 :]
        changes.append(replace(term, guards=rest))
        if isinstance(guard, Residue):
            other = Residue(guard.index + 1, guard.modulus)
        else:
            other = Within(guard.index, guard.lo, guard.hi + 1)
        changes.append(replace(term, guards=(*rest, other)))
    factors = term.factors
    changes += [replace(term, factors=factors[:p] + factors[p + 1 :]) for p in range(len(factors))]
    other = replace(scope, body=(data.draw(st.sampled_from(changes)), *scope.body[1:]))
    if not same_meaning(scope, other):
        assert fingerprint(scope) != fingerprint(other)


REPORT = """
import sys
from einnet.expr.canonical import canonical, fingerprint
from einnet.expr.nodes import Tensor
from einnet.expr.text import parse_scope
shapes = {shapes}
scope = parse_scope(sys.argv[1], {{n: Tensor(n, s) for n, s in shapes.items()}})
print(canonical(scope), fingerprint(scope))
"""


def test_the_same_in_every_process():
    outputs = {
        subprocess.run(
            [sys.executable, "-c", REPORT.format(shapes=SHAPES), DISTINCT[-1]],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "12345")
    }
    assert len(outputs) == 1
