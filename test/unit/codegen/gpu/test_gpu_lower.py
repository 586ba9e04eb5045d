"""Host programs mean what their programs mean: placement, views, epilogues, calls, one arena.

Library calls are computed from their fields and kernels from their definitions, in the memory that
the host program asks for (`simulate.py`); the reference is the interpreter.
"""

from __future__ import annotations

import json
import random
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from simulate import Kernels, kernels_by_definition, simulate

from einnet.codegen.gpu import lower as lowering
from einnet.codegen.gpu.host import (
    ConvolutionCall,
    HostProgram,
    KernelLaunch,
    MatrixProduct,
)
from einnet.codegen.gpu.memory import Lifetime, arena
from einnet.errors import InputError
from einnet.expr.interpreter import Float64, dense, evaluate_everywhere
from einnet.expr.nodes import Tensor
from einnet.expr.program import (
    Definition,
    Opaque,
    Product,
    Program,
    Window,
    Windowed,
    constants_of,
)
from einnet.expr.text import parse_scope
from einnet.operators import contraction
from einnet.operators.cost import h100
from einnet.program.convolutions import as_written, channels_last
from einnet.program.precision import in_precision
from einnet.program.subprograms import LIBRARIES, LIMITS, contractions_of, derive
from einnet.program.variants import variants

Array = NDArray[Any]


@pytest.fixture
def kernels() -> Generator[Kernels]:
    with kernels_by_definition() as made:
        yield made


def evaluate(program: Program, arrays: Mapping[str, Array]) -> dict[str, Array]:
    values = {name: a.astype(np.float64) for name, a in arrays.items()}
    for d in program.definitions:
        values[d.result.name] = evaluate_everywhere(d.scope, dense(values), Float64())
    return values


def lowered(
    program: Program,
    kernels: Kernels,
    reference: Program | None = None,
    fused: bool = False,
    precision: str = "fp32",
    error: float = 1e-4,
    ends: lowering.Ends = "certain",
) -> HostProgram:
    """The host program, after it has computed what the reference (or the program) computes. `fused`
    is short for all ends."""
    stored = in_precision(program, precision)
    made = lowering.lower_program(program, stored, precision, ends="all" if fused else ends)
    generator = np.random.default_rng(7)
    arrays = {t.name: generator.standard_normal(t.shape) for t in program.inputs}
    host, constants = lowering.store(made, evaluate(made.prepare, arrays))
    assert HostProgram.from_json(json.loads(json.dumps(host.to_json()))) == host
    outputs = simulate(host, constants, kernels, {n: arrays[n] for n in host.inputs})
    expected = evaluate(reference or program, arrays)
    for tensor, name in zip(program.outputs, host.outputs, strict=True):
        np.testing.assert_allclose(
            outputs[name].reshape(tensor.shape), expected[tensor.name], rtol=error, atol=error
        )
    return host


def definition(text: str, result: str, **shapes: tuple[int, ...]) -> Definition:
    scope = parse_scope(text, {n: Tensor(n, s) for n, s in shapes.items()})
    return Definition(Tensor(result, scope.extents), scope, result)


def kinds(host: HostProgram) -> list[str]:
    return [type(s).__name__ for s in host.steps]


FORWARD = {
    "plain": (
        "L<n:2,f:5,h:6,w:6> S<c:3,r:3,s:3> X[n,c,h+r-1,w+s-1] * W[f,c,r,s]",
        (2, 3, 6, 6),
        (5, 3, 3, 3),
    ),
    "strided": (
        "L<n:2,f:5,h:3,w:3> S<c:3,r:3,s:3> X[n,c,2*h+r-1,2*w+s-1] * W[f,c,r,s]",
        (2, 3, 6, 6),
        (5, 3, 3, 3),
    ),
    "dilated, channels last": (
        "L<n:2,h:6,w:6,f:5> S<c:3,r:3,s:3> X[n,h+2*r-2,w+2*s-2,c] * W[f,c,r,s]",
        (2, 6, 6, 3),
        (5, 3, 3, 3),
    ),
    "7x1": (
        "L<n:2,h:7,w:5,f:4> S<c:3,r:7> X[n,h+r-3,w,c] * W[f,c,r,0]",
        (2, 7, 5, 3),
        (4, 3, 7, 1),
    ),
    "1x7": (
        "L<n:2,f:4,h:7,w:5> S<c:3,s:7> X[n,c,h,w+s-3] * W[f,c,0,s]",
        (2, 3, 7, 5),
        (4, 3, 1, 7),
    ),
    "one filter": (
        "L<n:2,h:6,w:6,f:1> S<c:3,r:5,s:5> X[n,h+r-2,w+s-2,c] * W[f,c,r,s]",
        (2, 6, 6, 3),
        (1, 3, 5, 5),
    ),
    "one channel": (
        "L<n:2,h:6,w:6,f:4> S<c:1,r:5,s:5> X[n,h+r-2,w+s-2,c] * W[f,c,r,s]",
        (2, 6, 6, 1),
        (4, 1, 5, 5),
    ),
    "padded on one side": (
        "L<n:1,h:6,w:6,f:5> S<c:3,r:3,s:3> X[n,h+r,w+s-2,c] * W[f,c,r,s]",
        (1, 6, 6, 3),
        (5, 3, 3, 3),
    ),
    "cropped": (
        "L<n:2,h:3,w:6,f:5> S<c:3,r:3,s:3> X[n,h+r+2,w+s-1,c] * W[f,c,r,s]",
        (2, 9, 6, 3),
        (5, 3, 3, 3),
    ),
    "transposed": (
        "L<n:2,f:5,h:6,w:6> S<c:3,r:4,s:4> X[n,c,(h+1-r) div 2,(w+1-s) div 2] * W[c,f,r,s]"
        " * [(h+1-r) mod 2 = 0] * [(w+1-s) mod 2 = 0]",
        (2, 3, 3, 3),
        (3, 5, 4, 4),
    ),
    "transposed, channels last": (
        "L<n:2,h:6,w:6,f:5> S<c:3,r:4,s:4> X[n,(h+1-r) div 2,(w+1-s) div 2,c] * W[c,f,r,s]"
        " * [(h+1-r) mod 2 = 0] * [(w+1-s) mod 2 = 0]",
        (2, 3, 3, 3),
        (3, 5, 4, 4),
    ),
}


@pytest.mark.parametrize("name", FORWARD)
def test_a_convolution_is_one_call_in_any_layout(name: str, kernels: Kernels) -> None:
    text, x, w = FORWARD[name]
    convolution = definition(text, "Y", X=x, W=w)
    written = as_written(convolution)
    assert written is not None
    plan = contraction.plan(written, convolution.result, {"X", "W", "Y"})
    inputs = convolution.operands
    reference = Program("f", inputs, (convolution,), (convolution.result,), frozenset({"W"}))
    program = Program("f", inputs, plan, (convolution.result,), frozenset({"W"}))
    host = lowered(program, kernels, reference)
    assert kinds(host) == ["ConvolutionCall"]  # no layout is copied
    (call,) = host.calls
    assert isinstance(call, ConvolutionCall) and call.transposed == name.startswith("transposed")


def test_groups_are_one_call_with_channels_last(kernels: Kernels) -> None:
    text = "L<n:2,g:2,f:5,h:6,w:6> S<c:3,r:3,s:3> X[n,g,c,h+r-1,w+s-1] * W[g,f,c,r,s]"
    convolution = definition(text, "Y", X=(2, 2, 3, 6, 6), W=(2, 5, 3, 3, 3))
    written = as_written(convolution)
    assert written is not None
    taken = {"X", "W", "Y"}
    plan = channels_last(contraction.plan(written, convolution.result, taken), taken)
    inputs = convolution.operands
    reference = Program("f", inputs, (convolution,), (convolution.result,), frozenset({"W"}))
    host = lowered(
        Program("f", inputs, plan, (convolution.result,), frozenset({"W"})), kernels, reference
    )
    (call,) = host.calls
    assert isinstance(call, ConvolutionCall) and call.groups == 2


SAME = "L<n:2,h:6,w:6,f:5> S<c:3,r:3,s:3> X[n,h+r-1,w+s-1,c] * W[f,c,r,s]"
UP = (
    "L<n:2,h:6,w:6,f:5> S<c:3,r:4,s:4> X[n,(h+1-r) div 2,(w+1-s) div 2,c] * W[c,f,r,s]"
    " * [(h+1-r) mod 2 = 0] * [(w+1-s) mod 2 = 0]"
)


def ending(convolution: str, after: str, **shapes: tuple[int, ...]) -> tuple[Program, Program]:
    """A convolution P of X and W and what follows it, which reads P and the constant t: as a
    program of library operators, and as it is written."""
    inner = definition(convolution, "P", X=shapes["X"], W=shapes["W"])
    last = definition(after, "Y", P=inner.result.shape, t=shapes["t"])
    written = as_written(inner)
    assert written is not None
    taken = {"X", "W", "P", "Y", "t"}
    plan = channels_last(contraction.plan(written, inner.result, taken), taken)
    inputs = (*inner.operands, Tensor("t", shapes["t"]))
    program = Program("f", inputs, (*plan, last), (last.result,), frozenset("Wt"))
    return program, replace(program, statements=(inner, last))


@pytest.mark.parametrize(
    ("after", "activation", "bias"),
    [
        ("relu(P[n,h,w,f] + t[f])", "relu", True),
        ("P[n,h,w,f] + t[f]", "", True),
        ("relu(P[n,h,w,f])", "relu", False),
    ],
)
def test_a_convolution_ends_in_bias_and_activation_if_that_is_asked_for(
    after: str, activation: str, bias: bool, kernels: Kernels
) -> None:
    after = f"L<n:2,h:6,w:6,f:5> {after}"
    program, reference = ending(SAME, after, X=(2, 6, 6, 3), W=(5, 3, 3, 3), t=(5,))
    host = lowered(program, kernels, reference, fused=True)
    (call,) = host.steps
    assert isinstance(call, ConvolutionCall)
    assert (call.activation, bool(call.bias)) == (activation, bias)
    assert kinds(lowered(program, kernels, reference)) == ["ConvolutionCall", "KernelLaunch"]


def test_a_transposed_convolution_ends_in_a_kernel(kernels: Kernels) -> None:
    after = "L<n:2,h:6,w:6,f:5> relu(P[n,h,w,f] + t[f])"
    program, reference = ending(UP, after, X=(2, 3, 3, 3), W=(3, 5, 4, 4), t=(5,))
    host = lowered(program, kernels, reference, fused=True)
    assert kinds(host) == ["ConvolutionCall", "KernelLaunch"]


def test_a_single_image_may_be_read_by_its_number(kernels: Kernels) -> None:
    one = SAME.replace("n:2", "n:1")
    after = "L<n:1,h:6,w:6,f:5> relu(P[0,h,w,f] + t[f])"
    program, reference = ending(one, after, X=(1, 6, 6, 3), W=(5, 3, 3, 3), t=(5,))
    assert kinds(lowered(program, kernels, reference, fused=True)) == ["ConvolutionCall"]


def test_the_bias_of_groups_follows_the_filters(kernels: Kernels) -> None:
    convolution = "L<n:2,h:6,w:6,g:2,f:5> S<c:3,r:3,s:3> X[n,h+r-1,w+s-1,g,c] * W[g,f,c,r,s]"
    after = "L<n:2,h:6,w:6,g:2,f:5> relu(P[n,h,w,g,f] + t[g,f])"
    program, reference = ending(convolution, after, X=(2, 6, 6, 2, 3), W=(2, 5, 3, 3, 3), t=(2, 5))
    host = lowered(program, kernels, reference, fused=True)
    (call,) = host.calls
    assert isinstance(call, ConvolutionCall)
    assert call.groups == 2 and host.buffer(call.bias).elements == 10


@pytest.mark.parametrize(
    "after",
    [
        "L<n:2,h:6,w:6,f:5> relu(P[n,h,w,f] + t[h])",  # not along the filters
        "L<n:2,h:6,w:6,f:5> relu(P[n,5-h,w,f] + t[f])",  # at another position
        "L<n:2,h:6,w:6,f:5> relu(P[0,h,w,f] + t[f])",  # at another image's
        "L<n:2,h:6,w:6,f:5> relu(2 * P[n,h,w,f] + t[f])",  # scaled
        "L<n:2,h:6,w:6,f:5> tanh(P[n,h,w,f] + t[f])",  # which no library has
        "L<n:2,f:5,h:6,w:6> relu(P[n,h,w,f] + t[f])",  # in another layout
    ],
)
def test_another_end_of_a_convolution_is_a_kernel(after: str, kernels: Kernels) -> None:
    extent = 6 if "t[h]" in after else 5
    program, reference = ending(UP, after, X=(2, 3, 3, 3), W=(3, 5, 4, 4), t=(extent,))
    host = lowered(program, kernels, reference, fused=True)
    assert kinds(host) == ["ConvolutionCall", "KernelLaunch"]
    (call,) = host.calls
    assert not call.bias and not call.activation


def test_an_end_does_not_make_a_convolution_impossible(
    kernels: Kernels, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no library can write the end's result, both are steps of their own."""
    make = lowering.convolution_call

    def convolution_call(d: Definition, library: Any, where: Any, *types: Any) -> ConvolutionCall:
        if where[2].buffer == "Y":
            raise ValueError("not there")
        return make(d, library, where, *types)

    monkeypatch.setattr(lowering, "convolution_call", convolution_call)
    after = "L<n:2,h:6,w:6,f:5> relu(P[n,h,w,f] + t[f])"
    program, reference = ending(UP, after, X=(2, 3, 3, 3), W=(3, 5, 4, 4), t=(5,))
    host = lowered(program, kernels, reference, fused=True)
    assert kinds(host) == ["ConvolutionCall", "KernelLaunch"]


@pytest.mark.usefixtures("kernels")
def test_an_operator_that_no_library_has_keeps_its_end_apart() -> None:
    made = layer("L<b:4,p:10,n:20> relu(P[b,p,n])")
    short = Tensor("B", (6, 20), "i8")
    scope = parse_scope(str(made.product.scope), {"A": made.layout.result, "B": short})
    mixed = replace(made.product, scope=scope)
    inputs = (Tensor("X", (4, 6, 10)), short)
    program = Program("f", inputs, (made.layout, mixed, made.after), (made.after.result,))
    host = lowering.lower_program(program, program, "fp32").host
    assert set(kinds(host)) == {"KernelLaunch"}
    assert host.steps[-1].arguments[-1] == "Y"


@dataclass(frozen=True)
class Layer:
    """`P = A B` and what follows it, A read through a layout."""

    layout: Definition
    product: Definition
    after: Definition

    def program(self) -> Program:
        shapes = {"X": (4, 6, 10), "B": (6, 20), "t": (20,)}
        inputs = tuple(Tensor(n, s) for n, s in shapes.items())
        statements = (self.layout, self.product, self.after)
        return Program("f", inputs, statements, (self.after.result,), frozenset({"B", "t"}))


def layer(after: str) -> Layer:
    layout = definition("L<b:4,p:10,k:6> X[b,k,p]", "A", X=(4, 6, 10))
    text = "L<b:4,p:10,n:20> S<k:6> A[b,p,k] * B[k,n]"
    product = definition(text, "P", A=(4, 10, 6), B=(6, 20))
    groups = Product((), ("b", "p"), ("n",), ("k",))
    product = Definition(product.result, product.scope, "P", groups)
    return Layer(layout, product, definition(after, "Y", P=(4, 10, 20), t=(20,)))


def test_a_bias_and_an_activation_end_the_call(kernels: Kernels) -> None:
    host = lowered(layer("L<b:4,p:10,n:20> relu(P[b,p,n] + t[n])").program(), kernels)
    assert kinds(host) == ["KernelLaunch", "MatrixProduct"]
    (call,) = host.calls
    assert isinstance(call, MatrixProduct)
    assert (call.activation, host.buffer(call.bias).shape) == ("relu", (20,))
    assert call.b.transposed and call.b.leading % 4 == 0, "the summed dimension is contiguous"


def test_another_end_is_a_kernel(kernels: Kernels) -> None:
    for after in (
        "L<b:4,p:10,n:20> relu(P[b,p,n] + t[p])",  # along the rows
        "L<b:4,p:10,n:20> relu(P[b,p,19-n] + t[n])",  # at another position
        "L<b:4,p:10,n:20> tanh(P[b,p,n] + t[n])",  # which no library has
    ):
        host = lowered(layer(after).program(), kernels)
        assert kinds(host)[-2:] == ["MatrixProduct", "KernelLaunch"], after


def test_a_result_that_is_only_moved_is_written_where_it_goes(kernels: Kernels) -> None:
    host = lowered(layer("L<p:10,b:4,n:20> P[b,p,n]").program(), kernels)
    (call,) = host.calls
    assert kinds(host)[-1] == "KernelLaunch"  # (b, p) is no one dimension of [p, b, n]
    text = "L<i:40,n:20> P[i div 10,i mod 10,n]"
    host = lowered(layer(text).program(), kernels)
    call = host.calls[0]
    assert isinstance(call, MatrixProduct)


def test_a_transposed_operand_is_a_view(kernels: Kernels) -> None:
    layout = definition("L<m:10,k:6> X[k,m]", "A", X=(6, 10))
    product = definition("L<m:10,n:8> S<k:6> A[m,k] * B[k,n]", "Y", A=(10, 6), B=(6, 8))
    product = Definition(product.result, product.scope, "", Product((), ("m",), ("n",), ("k",)))
    inputs = (Tensor("X", (6, 10)), Tensor("B", (6, 8)))
    host = lowered(Program("f", inputs, (layout, product), (product.result,)), kernels)
    (call,) = host.steps
    assert isinstance(call, MatrixProduct)
    assert call.a.buffer == "X" and call.a.transposed


def test_a_reversed_operand_is_no_view(kernels: Kernels) -> None:
    layout = definition("L<m:10,k:6> X[9-m,k]", "A", X=(10, 6))
    product = definition("L<m:10,n:8> S<k:6> A[m,k] * B[k,n]", "Y", A=(10, 6), B=(6, 8))
    product = Definition(product.result, product.scope, "", Product((), ("m",), ("n",), ("k",)))
    inputs = (Tensor("X", (10, 6)), Tensor("B", (6, 8)))
    host = lowered(Program("f", inputs, (layout, product), (product.result,)), kernels)
    assert kinds(host) == ["KernelLaunch", "MatrixProduct"]


@pytest.mark.parametrize("seed", range(12))
def test_random_convolutions_mean_in_every_variant_what_they_say(
    seed: int, kernels: Kernels
) -> None:
    program = random_convolution(random.Random(seed))
    constants, machine = constants_of(program), h100("fp32")
    found = [
        derive(d, program, constants, machine, LIMITS, 2, "converging", LIBRARIES["cuda"])
        for d in contractions_of(program, constants, machine.types)
    ]
    for variant in variants(program, found, 8):
        lowered(variant.program, kernels, program)


@pytest.mark.parametrize("image", ["n,c,3*h+r-1,3*w+s-1", "n,3*h+r-1,3*w+s-1,c"])
def test_windows_that_see_nothing_but_padding_along_a_dimension(
    image: str, kernels: Kernels
) -> None:
    text = f"L<n:5,h:1,w:2,f:3> S<c:2,r:1,s:3> X[{image}] * W[f,c,r,s]"
    shape = (5, 2, 1, 2) if image.startswith("n,c") else (5, 1, 2, 2)
    first = definition(text, "Y", X=shape, W=(3, 2, 1, 3))
    program = Program("f", first.operands, (first,), (first.result,), frozenset("W"))
    constants, machine = constants_of(program), h100("fp32")
    found = derive(first, program, constants, machine, LIMITS, 2, "converging", LIBRARIES["cuda"])
    reasons: list[str] = []
    for variant in variants(program, [found], 8):
        assert "ConvolutionCall" not in kinds(lowered(variant.program, kernels, program))
        made = lowering.lower_program(variant.program, variant.program, "fp32")
        reasons += made.refused.values()
    assert any("reads nothing but padding" in reason for reason in reasons)


def random_convolution(generator: random.Random) -> Program:
    """A convolution or transposed convolution of any stride, dilation, padding and layout, perhaps
    with a scale, a shift and an activation after it in another order of dimensions."""
    pick = generator.choice
    n, c, f, k, taps = (pick([1, 2, 3]) for _ in range(5))
    h, w, p = generator.randint(3, 6), generator.randint(3, 6), generator.randint(0, k - 1)
    stride, dilation = pick([1, 1, 2, 3]), pick([1, 1, 2])
    if pick([True, False]):
        height, width = h * stride + generator.randint(-1, 2), w * stride
        rows, columns = f"(h+{p}-r)", f"(w+{p}-s)"
        guards = f" * [{rows} mod {stride} = 0] * [{columns} mod {stride} = 0]"
        rows, columns = f"{rows} div {stride}", f"{columns} div {stride}"
        weights, kernel = (c, f, k, taps), "c,f,r,s"
        guards = guards if stride > 1 else ""
        if stride == 1:
            rows, columns = f"h+{p}-r", f"w+{p}-s"
    else:
        height = max(1, (h + 2 * p - dilation * (k - 1) - 1) // stride + 1)
        width = max(1, (w + 2 * p - dilation * (taps - 1) - 1) // stride + 1)
        rows = f"{stride}*h+{dilation}*r-{p}"
        columns, guards = f"{stride}*w+{dilation}*s-{p}", ""
        weights, kernel = (f, c, k, taps), "f,c,r,s"
    last = pick([True, False])
    image = f"n,{rows},{columns},c" if last else f"n,c,{rows},{columns}"
    shape = (n, h, w, c) if last else (n, c, h, w)
    order = [f"n:{n}", f"f:{f}", f"h:{height}", f"w:{width}"]
    generator.shuffle(order)
    sums = f"S<c:{c},r:{k},s:{taps}>"
    text = f"L<{','.join(order)}> {sums} X[{image}] * W[{kernel}]{guards}"
    first = definition(text, "P", X=shape, W=weights)
    inputs = (*first.operands, Tensor("b", (f,)))
    if pick([True, False]):
        return Program("f", inputs, (first,), (first.result,), frozenset("Wb"))
    index = ",".join(i.name for i in first.scope.traversal)
    generator.shuffle(order)
    after = f"L<{','.join(order)}> relu(P[{index}] * b[f] + b[f])"
    end = definition(after, "Y", P=first.result.shape, b=(f,))
    return Program("f", inputs, (first, end), (end.result,), frozenset("Wb"))


def test_rows_that_libraries_read_are_whole_units(kernels: Kernels) -> None:
    made = layer("L<b:4,p:10,n:20> tanh(P[b,p,n])")
    narrow = definition("L<b:4,p:10,n:7> S<k:6> A[b,p,k] * C[k,n]", "P", A=(4, 10, 6), C=(6, 7))
    narrow = Definition(narrow.result, narrow.scope, "P", made.product.library)
    after = definition("L<b:4,p:10,n:7> tanh(P[b,p,n])", "Y", P=(4, 10, 7))
    inputs = (Tensor("X", (4, 6, 10)), Tensor("C", (6, 7)))
    program = Program("f", inputs, (made.layout, narrow, after), (after.result,), frozenset("C"))
    (call,) = lowered(program, kernels).calls
    assert isinstance(call, MatrixProduct)
    assert (call.a.leading, call.b.leading, call.d.leading) == (8, 8, 8)


def test_an_output_may_be_an_input_a_constant_or_named_twice(kernels: Kernels) -> None:
    double = definition("L<i:4> 2 * X[i]", "Y", X=(4,))
    constant = definition("L<i:4> 3 * W[i]", "C", W=(4,))
    inputs = (Tensor("X", (4,)), Tensor("W", (4,)))
    outputs = (double.result, inputs[0], constant.result, double.result)
    program = Program("f", inputs, (double, constant), outputs, frozenset("W"))
    host = lowered(program, kernels)
    assert [host.buffer(n).role for n in host.outputs] == ["output", "input", "constant", "output"]
    assert len(host.steps) == 1


@pytest.mark.usefixtures("kernels")
def test_a_product_of_integers_is_a_kernel() -> None:
    product = definition("L<m:3,n:4> S<k:5> A[m,k] * B[k,n]", "Y", A=(3, 5), B=(5, 4))
    tensors = {n: Tensor(n, s, "i32") for n, s in {"A": (3, 5), "B": (5, 4), "Y": (3, 4)}.items()}
    scope = parse_scope(str(product.scope), tensors)
    integer = Definition(tensors["Y"], scope, "", Product((), ("m",), ("n",), ("k",)))
    program = Program("f", (tensors["A"], tensors["B"]), (integer,), (tensors["Y"],))
    made = lowering.lower_program(program, program, "fp32")
    assert kinds(made.host) == ["KernelLaunch"]


def through_kernels(text: str, kernels: Kernels, **shapes: tuple[int, ...]) -> HostProgram:
    inputs = tuple(Tensor(n, s) for n, s in shapes.items())
    made = definition(text, "Y", **shapes)
    return lowered(Program("f", inputs, (made,), (made.result,)), kernels)


def test_a_long_sum_with_few_results_is_two_kernels(kernels: Kernels) -> None:
    host = through_kernels("L<i:2> S<k:40000> X[i,k]*X[i,k]", kernels, X=(2, 40000))
    first, second = host.steps
    assert (first.arguments[-1], second.arguments) == ("Y.part", ("Y.part", "Y"))
    assert host.buffer("Y.part").shape == (9, 2)


def test_a_function_of_a_long_sum_is_one_kernel(kernels: Kernels) -> None:
    nested = "{L<i:9> S<k:256> X[i,k]}"
    host = through_kernels(f"L<i:9> relu({nested}[i]*A[i])", kernels, X=(9, 256), A=(9,))
    assert len(host.steps) == 1
    # Each sum is needed at many places, and computed once.
    host = through_kernels(f"L<i:9,j:4> X[i,j] - {nested}[i]", kernels, X=(9, 256))
    assert len(host.steps) == 2


def test_a_function_of_partial_sums(kernels: Kernels) -> None:
    text = "L<i:2> tanh({L<i:-1:2> S<k:40000> X[i,k]}[i]) + B[i]"
    host = through_kernels(text, kernels, X=(2, 40000), B=(2,))
    assert [s.arguments[-1] for s in host.steps] == ["Y.part", "Y"]


@pytest.mark.usefixtures("kernels")
def test_an_opaque_operation_is_refused() -> None:
    x, y = Tensor("X", (4,)), Tensor("Y", (4,))
    program = Program("f", (x,), (Opaque((y,), (x,), "other.sort", 0),), (y,))
    with pytest.raises(InputError, match=r"other\.sort"):
        lowering.lower_program(program, program, "fp32")


def test_temporaries_alive_together_do_not_overlap() -> None:
    generator = np.random.default_rng(3)
    for _ in range(50):
        lifetimes: dict[str, Lifetime] = {}
        for number in range(12):
            first = int(generator.integers(0, 10))
            last = first + int(generator.integers(0, 4))
            lifetimes[f"t{number}"] = Lifetime(int(generator.integers(1, 5000)), first, last)
        offsets, total = arena(lifetimes)
        for a, one in lifetimes.items():
            assert offsets[a] % 256 == 0 and offsets[a] + one.bytes <= total
            for b, other in lifetimes.items():
                apart = (
                    offsets[a] + one.bytes <= offsets[b] or offsets[b] + other.bytes <= offsets[a]
                )
                assert a == b or apart or not one.meets(other)
        assert total < sum(t.bytes + 256 for t in lifetimes.values())


def test_memory_of_temporaries_is_shared(kernels: Kernels) -> None:
    chain = [definition("L<i:512> tanh(X[i])", "t0", X=(512,))]
    chain += [
        definition(f"L<i:512> tanh(t{n}[i])", f"t{n + 1}", **{f"t{n}": (512,)}) for n in range(5)
    ]
    program = Program("f", (Tensor("X", (512,)),), tuple(chain), (chain[-1].result,))
    host = lowered(program, kernels)
    assert sum(isinstance(s, KernelLaunch) for s in host.steps) == 6
    assert host.arena == 2 * 4 * 512


def product(result: str, left: str, right: str, **shapes: tuple[int, ...]) -> Definition:
    made = definition(f"L<m:4,n:8> S<k:6> {left}[m,k]*{right}[k,n]", result, **shapes)
    return replace(made, library=Product((), ("m",), ("n",), ("k",)))


def test_a_product_that_no_library_reads_is_a_kernel_that_finds_its_operands(
    kernels: Kernels,
) -> None:
    """A library would have read part of x in place, from its offset on; a kernel does not."""
    x, b = Tensor("X", (8, 6)), Tensor("B", (3, 6, 5))
    part = definition("L<m:4,k:6> X[m+4,k]", "A", X=(8, 6))
    text = "L<m:4,n:3,o:5> S<k:6> A[m,k]*B[n,k,o]"
    refused = replace(
        definition(text, "P", A=(4, 6), B=(3, 6, 5)),
        library=Product((), ("m",), ("n", "o"), ("k",)),
    )
    program = Program("f", (x, b), (part, refused), (refused.result,))
    assert "MatrixProduct" not in kinds(lowered(program, kernels))
    assert set(lowering.lower_program(program, program, "fp32").refused) == {"P"}


def test_what_is_moved_from_outside_is_zero(kernels: Kernels) -> None:
    a, b = Tensor("A", (4, 6)), Tensor("B", (6, 1))
    made = replace(
        definition("L<m:4,n:1> S<k:6> A[m,k]*B[k,n]", "P", A=(4, 6), B=(6, 1)),
        library=Product((), ("m",), ("n",), ("k",)),
    )
    moved = definition("L<i:4> P[i,1]", "Y", P=(4, 1))
    lowered(Program("f", (a, b), (made, moved), (moved.result,)), kernels)


@pytest.mark.parametrize("input_", [False, True])
def test_sums_of_a_kernels_own_take_no_name_of_the_programs(kernels: Kernels, input_: bool) -> None:
    text = "L<i:40,k:300> X[i,k] - 1/300*{L<i:40> S<k:300> X[i,k]}[i]"
    x, other = Tensor("X", (40, 300)), Tensor("Y.sum", (40,))
    centred = definition(text, "Y", X=(40, 300))
    scope = parse_scope("L<i:40> S[i]*Y[i,1]", {"S": other, "Y": centred.result})
    last = Definition(Tensor("Z", (40,)), scope)
    if input_:
        program = Program("f", (x, other), (centred, last), (last.result,))
    else:
        first = definition("L<i:40> 2*X[i,0]", "Y.sum", X=(40, 300))
        program = Program("f", (x,), (first, centred, last), (first.result, last.result))
    lowered(program, kernels)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("ends", lowering.ENDS)
def test_residuals_in_another_type_than_the_result(
    kernels: Kernels, precision: str, ends: lowering.Ends
) -> None:
    shapes = {"A": (4, 6), "B": (6, 8), "t": (8,)}
    a, b, t = (Tensor(n, s) for n, s in shapes.items())
    z = Tensor("Z", (4, 8), "f16")
    made = product("P", "A", "B", A=(4, 6), B=(6, 8))
    scope = parse_scope("L<m:4,n:8> P[m,n]+Z[m,n]", {"P": made.result, "Z": z})
    added = Definition(Tensor("Q", (4, 8)), scope, "Q")
    last = definition("L<m:4,n:8> Q[m,n]+t[n]", "R", Q=(4, 8), t=(8,))
    weights = frozenset({"B", "t"})
    program = Program("f", (a, b, z, t), (made, added, last), (last.result,), weights)
    lowered(program, kernels, precision=precision, ends=ends, error=3e-2)


def test_a_constant_that_is_a_result_is_dense(kernels: Kernels) -> None:
    a, b = Tensor("A", (4, 17)), Tensor("B", (17, 7))
    made = replace(
        definition("L<m:4,n:7> S<k:17> A[m,k]*B[k,n]", "P", A=(4, 17), B=(17, 7)),
        library=Product((), ("m",), ("n",), ("k",)),
    )
    host = lowered(Program("f", (a, b), (made,), (made.result, b), frozenset({"B"})), kernels)
    assert host.buffer(host.outputs[1]).strides == (7, 1)


@pytest.mark.parametrize(("precision", "size"), [("fp32", 4), ("fp16", 2)])
def test_convolutions_read_images_that_start_where_cudnn_can(
    kernels: Kernels, precision: str, size: int
) -> None:
    text = "L<n:2,f:5,h:7,w:7> S<c:58,r:3,s:3> A[n,c,h+r-1,w+s-1]*W[f,c,r,s]"
    x, w = Tensor("X", (2, 232, 7, 7)), Tensor("W", (5, 58, 3, 3))
    part = definition("L<n:2,c:58,h:7,w:7> X[n,c+58,h,w]", "A", X=x.shape)
    windows = (Window(0, "h", "r"), Window(0, "w", "s"))
    windowed = replace(
        definition(text, "Y", A=(2, 58, 7, 7), W=w.shape),
        library=Windowed("convolution", (), ("n",), ("f",), ("c",), windows),
    )
    program = Program("f", (x, w), (part, windowed), (windowed.result,), frozenset({"W"}))
    host = lowered(program, kernels, precision=precision, error=0.5 if size == 2 else 1e-3)
    calls = [s for s in host.steps if isinstance(s, ConvolutionCall)]
    assert calls and all(c.x.offset * size % 16 == 0 for c in calls)
