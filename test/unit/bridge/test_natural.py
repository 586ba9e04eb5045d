"""The natural form: importers' idioms become the operators that they stand for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from lifting import Array, evaluate, inputs_of, lifted, natural_scopes, random, run
from strategies import scopes
from tensor_algebra import parse, same_meaning

from einnet.bridge.natural import natural, natural_scope
from einnet.expr.canonical import fingerprint
from einnet.expr.nodes import Scope
from einnet.expr.program import Opaque

HERE = Path(__file__).parent


def filled(shape: str, name: str) -> str:
    return f"""
      %empty_{name} = tensor.empty() : tensor<{shape}xf32>
      %{name} = linalg.fill ins(%zero : f32) outs(%empty_{name} : tensor<{shape}xf32>)
        -> tensor<{shape}xf32>"""


def transposed_convolution(
    n: int, c: int, f: int, size: tuple[int, ...], k: int, s: int, p: int, extra: int = 0
) -> str:
    """torch-mlir's text for a transposed convolution, in 1-d or 2-d."""
    rank = len(size)
    stretched = [(e - 1) * s + 1 + 2 * (k - 1 - p) + extra for e in size]
    out = [(e - 1) * s - 2 * p + k + extra for e in size]

    def shape(*extents: int) -> str:
        return "x".join(map(str, extents))

    x, w = shape(n, c, *size), shape(c, f, *[k] * rank)
    flipped, result = shape(f, c, *[k] * rank), shape(n, f, *out)
    loops = ", ".join(f"d{d}" for d in range(rank + 2))
    indices = "\n".join(f"%i{d} = linalg.index {d} : index" for d in range(rank + 2))
    flips = "\n".join(f"%j{d} = arith.subi %last, %i{d + 2} : index" for d in range(rank))
    place = ", ".join(f"%j{d}" for d in range(rank))
    offsets = [0, 0, *[k - 1 - p] * rank]
    sizes = [n, c, *size]
    strides = [1, 1, *[s] * rank]
    name = {1: "conv_1d_ncw_fcw", 2: "conv_2d_nchw_fchw"}[rank]
    if s == 1 and not extra:
        low = [0, 0, *[k - 1 - p] * rank]
        arguments = ", ".join(f"%p{d}: index" for d in range(rank + 2))
        stretch = f"""
      %stretched = tensor.pad %x low{low} high{low} {{
      ^bb0({arguments}):
        tensor.yield %zero : f32
      }} : tensor<{x}xf32> to tensor<{shape(n, c, *stretched)}xf32>"""
    else:
        stretch = f"""
      {filled(shape(n, c, *stretched), "zeros")}
      %stretched = tensor.insert_slice %x into %zeros{offsets} {sizes} {strides}
        : tensor<{x}xf32> into tensor<{shape(n, c, *stretched)}xf32>"""
    return f"""
    #map = affine_map<({loops}) -> ({loops})>
    func.func @main(%x: tensor<{x}xf32> {{einnet.name = "X"}},
                    %w: tensor<{w}xf32> {{einnet.name = "W"}}) -> tensor<{result}xf32> {{
      %zero = arith.constant 0.000000e+00 : f32
      %last = arith.constant {k - 1} : index
      {filled(flipped, "weights")}
      %flipped = linalg.generic {{indexing_maps = [#map],
          iterator_types = [{", ".join(['"parallel"'] * (rank + 2))}]}}
          outs(%weights : tensor<{flipped}xf32>) {{
      ^bb0(%out: f32):
        {indices}
        {flips}
        %extracted = tensor.extract %w[%i1, %i0, {place}] : tensor<{w}xf32>
        linalg.yield %extracted : f32
      }} -> tensor<{flipped}xf32>
      {stretch}
      {filled(result, "initial")}
      %result = linalg.{name} {{dilations = dense<1> : vector<{rank}xi64>,
          strides = dense<1> : vector<{rank}xi64>}}
          ins(%stretched, %flipped : tensor<{shape(n, c, *stretched)}xf32>,
              tensor<{flipped}xf32>)
          outs(%initial : tensor<{result}xf32>) -> tensor<{result}xf32>
      return %result : tensor<{result}xf32>
    }}"""


def transposed(x: Array, w: Array, s: int, p: int, extra: int) -> Array:
    """The definition: every input element adds a scaled kernel to the output."""
    k, size = w.shape[2], x.shape[2:]
    full = [(e - 1) * s + k + extra for e in size]
    out = np.zeros((x.shape[0], w.shape[1], *full))
    for place in np.ndindex(*size):
        for tap in np.ndindex(*[k] * len(size)):
            where = tuple(a * s + t for a, t in zip(place, tap, strict=True))
            out[(..., *where)] += x[(..., *place)] @ w[(..., *tap)]
    return out[(..., *(slice(p, n - p) for n in full))]


CASES = [
    (3, 1, 0, 0),
    (3, 1, 1, 0),
    (4, 2, 1, 0),
    (2, 2, 0, 0),
    (3, 2, 1, 1),
    (5, 3, 2, 0),
    (5, 3, 1, 2),
    (4, 4, 0, 0),
    (6, 4, 1, 0),
]


def operator(n: int, c: int, f: int, out: Array, k: int, s: int, p: int) -> str:
    """The text of the transposed convolution as itself."""
    rank = out.ndim - 2
    outs = "".join(f",{a}:{e}" for a, e in zip("hw", out.shape[2:], strict=False))
    taps = "".join(f",{a}:{k}" for a in "rs"[:rank])
    moved = [f"({a}+{p}-{t})" for a, t in zip("hw"[:rank], "rs", strict=False)]
    index = ",".join(f"{e} div {s}" for e in moved)
    guards = "".join(f" * [{e} mod {s} = 0]" for e in moved) if s > 1 else ""
    if n == 1:
        # A unit iterator is spelled 0.
        return f"L<n:1,f:{f}{outs}> S<c:{c}{taps}> X[0,c,{index}] * W[c,f,{taps_of(rank)}]{guards}"
    return f"L<n:{n},f:{f}{outs}> S<c:{c}{taps}> X[n,c,{index}] * W[c,f,{taps_of(rank)}]{guards}"


def taps_of(rank: int) -> str:
    return ",".join("rs"[:rank])


@pytest.mark.parametrize("size", [(5,), (3, 4)])
@pytest.mark.parametrize(("k", "s", "p", "extra"), CASES)
def test_zero_stuffing_becomes_the_transposed_convolution(
    size: tuple[int, ...], k: int, s: int, p: int, extra: int
) -> None:
    n, c, f = (2, 3, 2) if len(size) == 1 else (1, 2, 3)
    text = transposed_convolution(n, c, f, size, k, s, p, extra)
    x, w = random(n, c, *size), random(c, f, *[k] * len(size))
    expected = transposed(x, w, s, p, extra)
    np.testing.assert_allclose(run(text, x=x, w=w), expected, atol=1e-12)
    (scope,) = natural_scopes(text)
    plain = parse(operator(n, c, f, expected, k, s, p), X=x.shape, W=w.shape)
    assert fingerprint(scope) == fingerprint(plain), str(scope)


def test_the_second_layer_of_infogan_reads_as_the_design_says() -> None:
    (scope,) = natural_scopes(transposed_convolution(16, 448, 256, (2, 2), 4, 2, 1))
    text = (
        "L<n:16,f:256,h:4,w:4> S<c:448,r:4,s:4> "
        "X[n,c,(h+1-r) div 2,(w+1-s) div 2] * W[c,f,r,s] "
        "* [(h+1-r) mod 2 = 0] * [(w+1-s) mod 2 = 0]"
    )
    assert fingerprint(scope) == fingerprint(parse(text, X=(16, 448, 2, 2), W=(448, 256, 4, 4)))


def test_infogan_as_the_importer_writes_it() -> None:
    program = natural(lifted((HERE / "infogan-small.mlir").read_text()))
    assert not any(isinstance(s, Opaque) for s in program.statements)
    contractions = [d for d in program.definitions if d.scope.summation]
    assert [len(d.scope.body) for d in contractions] == [1, 1, 1]
    assert [len(d.scope.term.reads) for d in contractions] == [2, 2, 2]
    assert [len(d.scope.term.guards) for d in contractions] == [0, 2, 2]
    # Everything else is computed where it is: nothing is only moved.
    others = [d.scope for d in program.definitions if not d.scope.summation]
    assert not any(len(o.body) == 1 and o.term.factors == o.term.reads[:1] for o in others)
    inputs = inputs_of(program)
    variances = {n: np.abs(a) + 0.5 if n.endswith(".var") else a for n, a in inputs.items()}
    (before,) = evaluate(lifted((HERE / "infogan-small.mlir").read_text()), variances)
    (after,) = evaluate(program, variances)
    np.testing.assert_allclose(after, before, rtol=1e-10, atol=1e-12)


def test_padding_of_a_convolution_is_zero_extension() -> None:
    text = """
    func.func @main(%x: tensor<2x3x5xf32> {einnet.name = "X"},
                    %w: tensor<4x3x3xf32> {einnet.name = "W"}) -> tensor<2x4x3xf32> {
      %zero = arith.constant 0.0 : f32
      %p = tensor.pad %x low[0, 0, 1] high[0, 0, 1] {
      ^bb0(%i: index, %j: index, %k: index):
        tensor.yield %zero : f32
      } : tensor<2x3x5xf32> to tensor<2x3x7xf32>
      %f = arith.constant dense<0.0> : tensor<2x4x3xf32>
      %r = linalg.conv_1d_ncw_fcw {dilations = dense<1> : vector<1xi64>,
             strides = dense<2> : vector<1xi64>}
           ins(%p, %w : tensor<2x3x7xf32>, tensor<4x3x3xf32>)
           outs(%f : tensor<2x4x3xf32>) -> tensor<2x4x3xf32>
      return %r : tensor<2x4x3xf32>
    }"""
    (scope,) = natural_scopes(text)
    plain = "L<n:2,f:4,w:3> S<c:3,s:3> X[n,c,2*w+s-1] * W[f,c,s]"
    assert fingerprint(scope) == fingerprint(parse(plain, X=(2, 3, 5), W=(4, 3, 3)))


def reshaped(consumer: str) -> str:
    return f"""
    func.func @main(%x: tensor<2x3x4xf32> {{einnet.name = "X"}},
                    %w: tensor<4x5xf32> {{einnet.name = "W"}}) -> tensor<6x5xf32> {{
      %c = tensor.collapse_shape %x [[0, 1], [2]] : tensor<2x3x4xf32> into tensor<6x4xf32>
      %t = tensor.expand_shape %c [[0, 1], [2]] output_shape [2, 3, 4]
           : tensor<6x4xf32> into tensor<2x3x4xf32>
      %zero = arith.constant dense<0.0> : tensor<6x5xf32>
      {consumer}
      return %r : tensor<6x5xf32>
    }}"""


def test_a_reshape_that_does_not_line_up_with_its_reader_stays() -> None:
    text = reshaped("""
      %r = linalg.matmul ins(%c, %w : tensor<6x4xf32>, tensor<4x5xf32>)
                         outs(%zero : tensor<6x5xf32>) -> tensor<6x5xf32>""")
    moved, product = natural_scopes(text)
    assert not moved.summation
    (a, _) = product.term.reads
    assert all(e.name for e in a.index)


def test_reshapes_there_and_back_vanish() -> None:
    text = reshaped("""
      %three = tensor.expand_shape %zero [[0, 1], [2]] output_shape [2, 3, 5]
           : tensor<6x5xf32> into tensor<2x3x5xf32>
      %s = linalg.generic {indexing_maps = [affine_map<(i, j, k, l) -> (i, j, l)>,
                                            affine_map<(i, j, k, l) -> (l, k)>,
                                            affine_map<(i, j, k, l) -> (i, j, k)>],
             iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
           ins(%t, %w : tensor<2x3x4xf32>, tensor<4x5xf32>) outs(%three : tensor<2x3x5xf32>) {
      ^bb0(%a: f32, %b: f32, %old: f32):
        %m = arith.mulf %a, %b : f32
        %v = arith.addf %old, %m : f32
        linalg.yield %v : f32
      } -> tensor<2x3x5xf32>
      %r = tensor.collapse_shape %s [[0, 1], [2]] : tensor<2x3x5xf32> into tensor<6x5xf32>""")
    product = next(s for s in natural_scopes(text) if s.summation)
    plain = "L<i:2,j:3,k:5> S<l:4> X[i,j,l] * W[l,k]"
    assert fingerprint(product) == fingerprint(parse(plain, X=(2, 3, 4), W=(4, 5)))


def test_a_change_of_type_is_not_composed_because_it_rounds() -> None:
    text = """
    #id = affine_map<(i) -> (i)>
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %e = tensor.empty() : tensor<4xf16>
      %h = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
        ins(%x : tensor<4xf32>) outs(%e : tensor<4xf16>) {
      ^bb0(%a: f32, %old: f16):
        %v = arith.truncf %a : f32 to f16
        linalg.yield %v : f16
      } -> tensor<4xf16>
      %d = tensor.empty() : tensor<4xf32>
      %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
        ins(%h : tensor<4xf16>) outs(%d : tensor<4xf32>) {
      ^bb0(%a: f16, %old: f32):
        %v = arith.extf %a : f16 to f32
        linalg.yield %v : f32
      } -> tensor<4xf32>
      return %r : tensor<4xf32>
    }"""
    assert len(natural_scopes(text)) == 2


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        # A guard that a read's zero extension implies goes, through div as well.
        ("L<h:6> S<r:3> X[h-r] * W[r] * [0 <= h-r < 4]", "L<h:6> S<r:3> X[h-r] * W[r]"),
        ("L<h:6> X[2*h-3] * [3 <= 2*h < 7]", "L<h:6> X[2*h-3]"),
        (
            "L<h:9> X[(h-1) div 2] * [(h-1) mod 2 = 0] * [1 <= h < 8]",
            "L<h:9> X[(h-1) div 2] * [(h-1) mod 2 = 0]",
        ),
        # Without the residue, h = 8 reads X[3].
        ("L<h:9> X[(h-1) div 2] * [1 <= h < 8]", "L<h:9> X[(h-1) div 2] * [1 <= h < 8]"),
        # The plainest summation iterators.
        ("L<h:6> S<r:3> X[h+r] * W[2-r]", "L<h:6> S<r:3> X[h+2-r] * W[r]"),
        ("L<h:6> S<r:1:4> X[h+r] * W[r-1]", "L<h:6> S<r:3> X[h+r+1] * W[r]"),
        ("L<h:6> S<r:2:5> X[h+r]", "L<h:6> S<r:3> X[h+r+2]"),
        # Sums whose ends read nothing, and sums of a constant.
        ("L<h:6> S<r:-2:9> X[h+r] * W[r]", "L<h:6> S<r:3> X[h+r] * W[r]"),
        ("L<h:6> S<r:5> X[h]", "L<h:6> 5 * X[h]"),
        ("L<h:6,i:1> S<r:1> X[h+i] * W[r]", "L<h:6,i:1> X[h] * W[0]"),
        # Guards that contradict each other or the reads.
        ("L<h:6> X[h] * [0 <= h < 2] * [3 <= h < 5] + X[h]", "L<h:6> X[h]"),
        ("L<h:6> X[h+4]", "L<h:6> 0"),
        ("L<h:6> X[h] * [(2*h+1) mod 4 = 0]", "L<h:6> 0"),
        ("L<h:6> X[h] * [(2*h+2) mod 4 = 0]", "L<h:6> X[h] * [(h+1) mod 2 = 0]"),
    ],
)
def test_natural_scope(text: str, plain: str) -> None:
    scope, expected = parse(text, X=(4,), W=(3,)), parse(plain, X=(4,), W=(3,))
    assert fingerprint(natural_scope(scope)) == fingerprint(expected), str(natural_scope(scope))


@settings(max_examples=200, deadline=None)
@given(scopes() | scopes(body=2, calls=True) | scopes(nested=True))
def test_natural_scope_keeps_the_meaning(scope: Scope) -> None:
    assert same_meaning(scope, natural_scope(scope))


@settings(max_examples=50, deadline=None)
@given(scopes())
def test_natural_scope_is_stable(scope: Scope) -> None:
    once = natural_scope(scope)
    assert natural_scope(once) == once
