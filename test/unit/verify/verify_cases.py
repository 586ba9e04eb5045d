"""Programs from text, the independent oracle, and pairs of programs with one fault each.

The oracle evaluates everything densely with `expr.interpreter` and shares no code with `verify`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from einnet.expr.interpreter import PRIME, Field, dense, evaluate_everywhere
from einnet.expr.nodes import Tensor
from einnet.expr.program import Definition, Opaque, Program, Statement
from einnet.expr.text import parse_scope

Shapes = Mapping[str, tuple[int, ...]]
Array = NDArray[np.int64]


def program(
    shapes: Shapes, statements: Sequence[tuple[str, str] | Opaque], outputs: Sequence[str]
) -> Program:
    """Definitions are pairs of a name and a scope's text."""
    tensors = {n: Tensor(n, s) for n, s in shapes.items()}
    inputs = tuple(tensors.values())
    made: list[Statement] = []
    for statement in statements:
        if isinstance(statement, Opaque):
            made.append(statement)
            tensors.update({t.name: t for t in statement.results})
        else:
            name, text = statement
            scope = parse_scope(text, tensors)
            tensors[name] = Tensor(name, scope.extents)
            made.append(Definition(tensors[name], scope))
    return Program("program", inputs, tuple(made), tuple(tensors[n] for n in outputs))


def single(shapes: Shapes, text: str) -> Program:
    """A program of one definition."""
    return program(shapes, [("Y", text)], ["Y"])


def dense_outputs(program: Program, seed: int) -> list[Array]:
    """Every element of every output in the field; nonlinear functions are random functions."""
    generator = np.random.default_rng(seed)
    arrays = {t.name: generator.integers(0, PRIME, t.shape) for t in program.inputs}
    for statement in program.definitions:
        arrays[statement.result.name] = evaluate_everywhere(statement.scope, dense(arrays), Field())
    return [arrays[t.name] for t in program.outputs]


def differences(reference: Program, candidate: Program) -> set[tuple[int, ...]]:
    """The positions of the first output at which the programs differ for random inputs."""
    found: set[tuple[int, ...]] = set()
    for seed in (1, 2):
        left, right = dense_outputs(reference, seed)[0], dense_outputs(candidate, seed)[0]
        found |= {tuple(int(x) for x in p) for p in np.argwhere(left != right)}
    return found


@dataclass(frozen=True)
class Case:
    """A reference, an equal candidate, and candidates with one fault, as texts of one scope."""

    shapes: Shapes
    reference: str
    equal: str
    faults: Mapping[str, str]


def _swapped(text: str, faults: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """The text with one occurrence replaced, for each fault."""
    made: dict[str, str] = {}
    for name, (old, new) in faults.items():
        assert text.count(old) == 1, f"{name}: {old!r} is not once in {text!r}"
        made[name] = text.replace(old, new)
    return made


def _case(
    shapes: Shapes, reference: str, equal: str, faults: Mapping[str, tuple[str, str]]
) -> Case:
    return Case(shapes, reference, equal, _swapped(equal, faults))


_CONV = "L<n:2,f:3,h:6,w:7> S<c:2,r:3,s:3> X[n,c,h+r-1,w+s-1]*K[f,c,r,s]"
_CONV_PRODUCT = (
    "L<n:2,f:3,h:6,w:7> S<r:3,s:3> "
    "{L<r:3,s:3,f:3,n:2,y:6,x:7> S<c:2> K[f,c,r,s]*X[n,c,y,x]}[r,s,f,n,h+r-1,w+s-1]"
)
_TRANSPOSED = (
    "L<n:2,f:3,h:8,w:6> S<c:2,r:4,s:4> X[n,c,(h+1-r) div 2,(w+1-s) div 2]*W[c,f,r,s]"
    "*[(h+1-r) mod 2=0]*[(w+1-s) mod 2=0]"
)
_TRANSPOSED_PRODUCT = (
    "L<n:2,f:3,h:8,w:6> S<a:2,b:2> {L<n:2,y:4,x:3,r:4,s:4,f:3> S<c:2> X[n,c,y,x]*W[c,f,r,s]}"
    "[n,(h+1) div 2-a,(w+1) div 2-b,2*a+(h+1) mod 2,2*b+(w+1) mod 2,f]"
)

CASES: dict[str, Case] = {
    "conv3x3": _case(
        {"X": (2, 2, 6, 7), "K": (3, 2, 3, 3)},
        _CONV,
        _CONV_PRODUCT,
        {
            "index off by one": ("w+s-1]", "w+s]"),
            "transposed weight": ("K[f,c,r,s]", "K[f,c,s,r]"),
            "short sum": ("S<r:3,s:3> {", "S<r:3,s:2> {"),
            "wrong channel": ("X[n,c,y,x]", "X[n,1-c,y,x]"),
            "last row dropped": ("n:2,y:6,x:7>", "n:2,y:5,x:7>"),
            "last column dropped": ("n:2,y:6,x:7>", "n:2,y:6,x:6>"),
            "first row guarded away": ("K[f,c,r,s]*", "K[f,c,r,s]*[1 <= y < 6]*"),
            "one corner guarded away": ("h+r-1,w+s-1]", "h+r-1,w+s-1]*[1 <= h+w < 13]"),
        },
    ),
    "conv1x7": _case(
        {"X": (2, 2, 4, 9), "K": (3, 2, 1, 7)},
        "L<n:2,f:3,h:4,w:9> S<c:2,s:7> X[n,c,h,w+s-3]*K[f,c,0,s]",
        "L<n:2,f:3,h:4,w:9> S<s:7> {L<s:7,f:3,n:2,y:4,x:9> S<c:2> K[f,c,0,s]*X[n,c,y,x]}"
        "[s,f,n,h,w+s-3]",
        {
            "wrong pad": ("w+s-3]", "w+s-2]"),
            "reflected kernel": ("K[f,c,0,s]", "K[f,c,0,6-s]"),
            "last tap dropped": ("S<s:7> {", "S<s:6> {"),
        },
    ),
    "transposed 4x4 stride 2": _case(
        {"X": (2, 2, 4, 3), "W": (2, 3, 4, 4)},
        _TRANSPOSED,
        _TRANSPOSED_PRODUCT,
        {
            "wrong pad": ("(h+1) div 2-a", "(h+2) div 2-a"),
            "wrong residue class": ("2*a+(h+1) mod 2", "2*a+h mod 2"),
            "index off by one": ("2*b+(w+1) mod 2", "2*b+(w+1) mod 2+1"),
            "dropped taps": ("S<a:2,b:2>", "S<a:2,b:1>"),
            "transposed weight": ("W[c,f,r,s]", "W[c,f,s,r]"),
            "first row dropped": ("X[n,c,y,x]", "X[n,c,y,x]*[1 <= y < 4]"),
        },
    ),
    "transposed, guards": _case(
        {"X": (2, 2, 4, 3), "W": (2, 3, 4, 4)},
        _TRANSPOSED,
        "L<n:2,f:3,h:8,w:6> S<r:4,s:4,c:2> W[c,f,3-r,3-s]*[(h+r) mod 2=0]*[(w+s) mod 2=0]"
        "*X[n,c,(h+r-2) div 2,(w+s-2) div 2]",
        {
            "missing guard": ("[(h+r) mod 2=0]*", ""),
            "wrong residue class": ("[(w+s) mod 2=0]", "[(w+s+1) mod 2=0]"),
            "wrong modulus": ("[(w+s) mod 2=0]", "[(w+s) mod 3=0]"),
            "wrong pad": ("(h+r-2) div 2", "(h+r) div 2"),
        },
    ),
    "three products": _case(
        {"A": (4, 5), "B": (5, 6), "C": (6, 3)},
        "L<m:4,n:3> S<k:6> {L<m:4,k:6> S<j:5> A[m,j]*B[j,k]}[m,k]*C[k,n]",
        "L<m:4,n:3> S<j:5> A[m,j]*{L<n:3,j:5> S<k:6> B[j,k]*C[k,n]}[n,j]",
        {
            "short inner sum": ("S<k:6>", "S<k:5>"),
            "short outer sum": ("L<m:4,n:3> S<j:5>", "L<m:4,n:3> S<j:4>"),
            "index off by one": ("C[k,n]", "C[k,n+1]"),
            "factor": ("A[m,j]*", "2*A[m,j]*"),
            "last row dropped": ("A[m,j]*", "A[m,j]*[0 <= m < 3]*"),
        },
    ),
    "strided": _case(
        {"X": (2, 2, 9), "K": (3, 2, 3)},
        "L<n:2,f:3,h:5> S<c:2,r:3> X[n,c,2*h+r-1]*K[f,c,r]",
        "L<n:2,f:3,h:5> S<c:2,q:2,t:2> {L<n:2,c:2,y:-1:5,t:2> X[n,c,2*y+t]}[n,c,h+q-1,t]"
        "*K[f,c,2*q+t-1]",
        {
            "wrong stride": ("X[n,c,2*y+t]", "X[n,c,3*y+t]"),
            "wrong phase": ("X[n,c,2*y+t]", "X[n,c,2*y+1-t]"),
            "wrong tap": ("K[f,c,2*q+t-1]", "K[f,c,2*q+t]"),
            "one column short": ("y:-1:5", "y:-1:4"),
        },
    ),
    "dilated": _case(
        {"X": (2, 8, 5), "K": (3, 2, 3)},
        "L<f:3,h:8,w:5> S<c:2,r:3> X[c,h+2*r-2,w]*K[f,c,r]",
        "L<f:3,h:8,w:5> {L<f:3,p:2,y:4,w:5> S<c:2,r:3> "
        "{L<c:2,p:2,y:4,w:5> X[c,2*y+p,w]}[c,p,y+r-1,w]*K[f,c,r]}[f,h mod 2,h div 2,w]",
        {
            "phases swapped": ("[f,h mod 2,h div 2,w]", "[f,(h+1) mod 2,h div 2,w]"),
            "dilation lost": ("X[c,2*y+p,w]", "X[c,y+4*p,w]"),
            "wrong pad": ("y+r-1,w]", "y+r,w]"),
        },
    ),
    "sum with the position": _case(
        {"X": (3, 12), "K": (2, 3, 4)},
        "L<f:2,h:9> S<c:3,r:4> X[c,h+r]*K[f,c,r]",
        "L<f:2,h:9> S<c:3,t:12> X[c,t]*K[f,c,t-h]",
        {
            "short sum": ("t:12", "t:11"),
            "index off by one": ("t-h]", "t-h+1]"),
        },
    ),
    "merged image": _case(
        {"X": (2, 6, 5), "K": (3, 2, 3, 3)},
        "L<f:3,m:30> S<c:2,r:3,s:3> X[c,m div 5+r-1,m mod 5+s-1]*K[f,c,r,s]",
        "L<f:3,m:30> {L<f:3,h:6,w:5> S<s:3,r:3> {L<r:3,s:3,f:3,y:6,x:5> S<c:2> X[c,y,x]*K[f,c,r,s]}"
        "[r,s,f,h+r-1,w+s-1]}[f,m div 5,m mod 5]",
        {
            "rows run over": ("w+s-1]}[f,m div 5,m mod 5]", "w+s-1]}[f,m div 5,m mod 5+1]"),
            "wrong width": ("[f,m div 5,m mod 5]", "[f,m div 6,m mod 6]"),
        },
    ),
    "images side by side": _case(
        {"X": (4, 2, 5, 6), "K": (3, 2, 3, 3)},
        "L<n:4,f:3,h:5,w:6> S<c:2,r:3,s:3> X[n,c,h+r-1,w+s-1]*K[f,c,r,s]",
        # Two images share one row of pixels with a column of zeros between them.
        "L<n:4,f:3,h:5,w:6> {L<b:2,f:3,h:5,v:13> S<c:2,r:3,s:3> "
        "{L<b:2,c:2,h:5,v:13> X[2*b+v div 7,c,h,v mod 7]}[b,c,h+r-1,v+s-1]*K[f,c,r,s]}"
        "[n div 2,f,h,7*(n mod 2)+w]",
        {
            "no zeros between": (
                "X[2*b+v div 7,c,h,v mod 7]}[b,c,h+r-1,v+s-1]*K[f,c,r,s]}"
                "[n div 2,f,h,7*(n mod 2)+w]",
                "X[2*b+v div 6,c,h,v mod 6]}[b,c,h+r-1,v+s-1]*K[f,c,r,s]}"
                "[n div 2,f,h,6*(n mod 2)+w]",
            ),
            "images swapped": ("7*(n mod 2)+w", "7-7*(n mod 2)+w"),
        },
    ),
    "gram matrix": _case(
        {"X": (5, 6)},
        "L<i:5,j:5> S<k:6> X[i,k]*X[j,k]",
        "L<i:5,j:5> S<k:6> X[j,5-k]*X[i,5-k]",
        {
            "one row short": ("X[j,5-k]", "X[j,5-k]*[0 <= j < 4]"),
            "only the diagonal": ("X[j,5-k]", "X[i,5-k]"),
            "index off by one": ("X[j,5-k]", "X[j,4-k]"),
        },
    ),
    "average pool": _case(
        {"X": (3, 8, 8)},
        "L<c:3,h:4,w:4> S<r:3,s:3> 1/9*X[c,2*h+r-1,2*w+s-1]",
        "L<c:3,h:4,w:4> S<s:3> 1/3*{L<c:3,h:4,x:8> S<r:3> 1/3*X[c,2*h+r-1,x]}[c,h,2*w+s-1]",
        {
            "wrong constant": ("1/3*X[", "1/4*X["),
            "wrong pad": ("2*w+s-1]", "2*w+s]"),
        },
    ),
}
