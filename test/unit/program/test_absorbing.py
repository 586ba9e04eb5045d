"""Layouts and scales move into weights, where that is sound, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from definitions import chain

from einnet.expr.check import check_program
from einnet.expr.program import Definition, Library, Product, Program, Window, Windowed
from einnet.program.absorbing import absorb
from einnet.program.folding import fold_constants
from einnet.program.fusion import fuse_eoperators
from einnet.verify.plan import VerifiedProgram, verify_plan

LAYER = "L<n:6,f:5,h:2,w:3> S<c:4> X[n,c] * W[c,f,h,w]"
INPUTS = {"X": (6, 4), "W": (4, 5, 2, 3), "s": (5,), "t": (5,)}
PRODUCT = Product((), ("n",), ("f", "h", "w"), ("c",))
WEIGHTS = ("W", "s", "t")


def with_library(program: Program, library: Library = PRODUCT, number: int = 0) -> Program:
    """The program with its definition `number` computed by a library."""
    statements = list(program.definitions)
    statements[number] = replace(statements[number], library=library)
    program = replace(program, statements=tuple(statements))
    check_program(program)
    return program


def layer(*readers: str, weights: tuple[str, ...] = WEIGHTS, outputs: int = 1) -> Program:
    """A product of latent vectors with weights, and what reads it."""
    return with_library(chain(LAYER, *readers, inputs=INPUTS, weights=weights, outputs=outputs))


def absorbed(program: Program) -> Program:
    """The program after absorption, proved equal to what it was."""
    result = absorb(program)
    check_program(result)
    assert isinstance(verify_plan(program, result), VerifiedProgram)
    return result


def running(program: Program) -> list[Definition]:
    """The definitions of the results of the original program, which are the last ones."""
    return [d for d in program.definitions if d.result.name in ("t0", "t1", "t2")]


def texts(program: Program) -> list[str]:
    return [str(d.scope) for d in running(program)]


def test_a_product_is_stored_as_its_reader_writes():
    program = absorbed(layer("L<n:6,h:2,w:3,c:5> relu(t0[n,c,h,w] + t[c])"))
    product, reader = running(program)
    assert product.result.shape == (6, 2, 3, 5)
    assert isinstance(product.library, Product) and product.library.m == ("n",)
    assert str(reader.scope) == "L<n:6,h:2,w:3,c:5> relu(t0[n,h,w,c] + t[c])"


def test_a_scale_joins_the_weights():
    program = absorbed(layer("L<n:6,f:5,h:2,w:3> relu(t0[n,f,h,w] * s[f] + t[f])"))
    weights, *_ = program.definitions
    assert str(weights.scope) == "L<c:4,f:5,h:2,w:3> W[c,f,h,w] * s[f]"
    assert texts(program)[1] == "L<n:6,f:5,h:2,w:3> relu(t0[n,f,h,w] + t[f])"


def test_a_layout_and_a_scale_become_one_constant():
    """The second layer of InfoGAN: what is left is a library's epilogue."""
    program = absorbed(layer("L<n:6,h:2,w:3,c:5> relu(2 * t0[n,c,h,w] * s[c] + t[c])"))
    program = fold_constants(fuse_eoperators(program))
    weights, product, reader = program.definitions
    assert weights.result.shape == (4, 2, 3, 5) and len(weights.operands) == 2
    assert {t.name for t in product.operands} == {"X", weights.result.name}
    assert str(reader.scope) == "L<n:6,h:2,w:3,c:5> relu(t0[n,h,w,c] + t[c])"


def test_a_scale_goes_through_an_offset_add():
    text = "L<i:8,f:5> relu({L<i:8,f:5> S<r:3> t0[i-r,f,0,r]}[i,f] * s[f] + t[f])"
    program = absorbed(layer(text))
    assert "s[f]" not in texts(program)[1] and "t0[i-r,f,0,r]" in texts(program)[1]
    assert running(program)[0].result.shape == (6, 5, 2, 3)


def test_a_scale_of_what_is_summed_stays():
    """The reader's sum runs over what the scale depends on."""
    text = "L<n:6> relu({L<n:6,g:5> S<f:5> t0[n,f,0,0] * [0 <= f-g < 1]}[n,0] * s[0] + t[1])"
    program = absorbed(layer(text))
    # A scale that depends on nothing joins nevertheless.
    assert str(program.definitions[0].scope) == "L<c:4,f:5,h:2,w:3> W[c,f,h,w] * s[0]"
    text = "L<n:6,g:5> {L<n:6,g:5> S<f:5> t0[n,f,0,0] * [0 <= f-g < 1]}[n,g] * s[g]"
    assert absorb(layer(text)) == layer(text)


def test_the_constant_may_be_the_first_operand():
    first = "L<f:5,h:2,w:3,n:6> S<c:4> W[c,f,h,w] * X[n,c]"
    reader = "L<n:6,h:2,w:3,c:5> relu(t0[c,h,w,n] * s[c])"
    library = Product((), ("f", "h", "w"), ("n",), ("c",))
    program = with_library(chain(first, reader, inputs=INPUTS, weights=WEIGHTS), library)
    assert texts(absorbed(program))[1] == "L<n:6,h:2,w:3,c:5> relu(t0[n,h,w,c])"


def test_a_batched_product():
    first = "L<b:3,m:4,n:5> S<k:2> A[b,m,k] * W[b,k,n]"
    reader = "L<b:3,m:4,n:5> A[b,m,0] * t0[b,m,4-n] * s[b,n]"
    inputs = {"A": (3, 4, 2), "W": (3, 2, 5), "s": (3, 5)}
    program = chain(first, reader, inputs=inputs, weights=("W", "s"))
    program = absorbed(with_library(program, Product(("b",), ("m",), ("n",), ("k",))))
    assert texts(program)[1] == "L<b:3,m:4,n:5> A[b,m,0] * t0[b,m,n]"


def test_iterators_of_one_element():
    program = absorbed(layer("L<n:6,u:1,h:2,w:3,c:5> t0[n,c,h+u,w]"))
    assert running(program)[0].result.shape == (6, 1, 2, 3, 5)
    same = layer("L<n:6,u:1,c:5,h:2,w:3> relu(t0[n,c,h,w])")
    assert absorb(same) == same


def test_a_convolution_takes_scales_but_no_layouts():
    first = "L<n:2,h:6,f:5> S<c:4,r:3> X[n,h+r-1,c] * W[f,r,c]"
    reader = "L<n:2,f:5,h:6> relu(t0[n,h,f] * s[f] + t[f])"
    inputs = {"X": (2, 6, 4), "W": (5, 3, 4), "s": (5,), "t": (5,)}
    library = Windowed("conv1d", (), ("n",), ("f",), ("c",), (Window(0, "h", "r"),))
    program = with_library(chain(first, reader, inputs=inputs, weights=WEIGHTS), library)
    program = absorbed(program)
    assert running(program)[0].result.shape == (2, 6, 5)
    assert texts(program)[1] == "L<n:2,f:5,h:6> relu(t0[n,h,f] + t[f])"


LAYOUT = "L<n:6,h:2,w:3,c:5> relu(t0[n,c,h,w])"


@pytest.mark.parametrize(
    ("readers", "options"),
    [
        # Two readers, one reader that reads twice, or an output.
        ((LAYOUT, "L<i:6> t0[i,0,0,0]"), {"outputs": 2}),
        (("L<n:6,h:2,w:3,c:5> t0[n,c,h,w] * t0[n,c,h,w]",), {}),
        ((LAYOUT,), {"outputs": 2}),
        # No constant operand.
        ((LAYOUT,), {"weights": ("s", "t")}),
        # A read that leaves the product, on either side.
        (("L<n:6,h:2,w:3,c:5> t0[n,c,h-1,w]",), {}),
        (("L<n:6,h:2,w:3,c:5> t0[n,c,h,w+1]",), {}),
        # A sum over what the weights have.
        (("L<n:6,w:3,c:5> S<h:2> t0[n,c,h,w]",), {}),
        # The other operand's rows are shifted, in part, or not read as they are.
        (("L<n:6,h:2,w:3,c:5> t0[n+1,c,h,w]",), {}),
        (("L<n:5,h:2,w:3,c:5> t0[n,c,h,w]",), {}),
        (("L<n:3,h:2,w:3,c:5> t0[2*n,c,h,w]",), {}),
        (("L<n:6,h:2,w:3,c:5> t0[0,c,h,w] * X[n,0]",), {}),
        # What weights have depends on the other operand's rows.
        (("L<n:6,h:2,w:3> t0[n,n div 2,h,w]",), {}),
        # Elements that are read more than once.
        (("L<n:6,a:4,h:2,w:3,c:5> t0[n,c,h,w]",), {}),
        # The reader writes the rows last.
        (("L<h:2,w:3,c:5,n:6> t0[n,c,h,w]",), {}),
        # The product already is as it should be.
        (("L<n:6,f:5,h:2,w:3> relu(t0[n,f,h,w])",), {}),
        # A scale that depends on the rows, is no constant, or is indexed in another way.
        (("L<n:6,f:5,h:2,w:3> t0[n,f,h,w] * s[n]",), {}),
        (("L<n:6,f:5,h:2,w:3> t0[n,f,h,w] * X[n,0]",), {}),
        (("L<n:6,f:5,h:2,w:3> t0[n,4-f,h,w+1] * s[f]",), {}),
    ],
)
def test_what_is_not_absorbed(readers: tuple[str, ...], options: dict[str, object]):
    program = layer(*readers, **options)  # pyright: ignore[reportArgumentType]
    assert absorb(program) == program


def test_two_products_in_a_row():
    first = "L<n:6,h:2,w:3,c:5> relu(t0[n,c,h,w] * s[c])"
    second = "L<n:6,h:2,w:3,f:7> S<c:5> t1[n,h,w,c] * V[c,f]"
    third = "L<n:6,h:2,w:3,f:7> tanh(t2[n,h,w,6-f])"
    inputs = {**INPUTS, "V": (5, 7)}
    program = chain(LAYER, first, second, third, inputs=inputs, weights=(*WEIGHTS, "V"))
    program = with_library(program)
    program = with_library(program, Product((), ("n", "h", "w"), ("f",), ("c",)), 2)
    program = absorbed(program)
    assert str(program.definitions[-1].scope) == "L<n:6,h:2,w:3,f:7> tanh(t2[n,h,w,f])"
    assert texts(program)[1] == "L<n:6,h:2,w:3,c:5> relu(t0[n,h,w,c])"
