"""Host programs mean what their programs mean: placement, views, epilogues, calls, one arena.

Library calls are computed from their fields and kernels from their definitions, in the memory that
the host program asks for (`simulate.py`); the reference is the interpreter.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from simulate import Memory, simulate

from einnet.codegen.gpu import lower as lowering
from einnet.codegen.gpu.frame import Kernel
from einnet.codegen.gpu.host import (
    Buffer,
    ConvolutionCall,
    HostProgram,
    KernelLaunch,
    MatrixProduct,
)
from einnet.codegen.gpu.memory import Lifetime, arena
from einnet.errors import InputError
from einnet.expr.interpreter import Float64, dense, evaluate_everywhere
from einnet.expr.nodes import Tensor
from einnet.expr.program import Definition, Opaque, Product, Program
from einnet.expr.text import parse_scope
from einnet.operators import contraction
from einnet.program.convolutions import as_written, channels_last

Array = NDArray[Any]


class Kernels(dict[str, Any]):
    """Kernels that compute their definitions with the interpreter, by symbol."""

    def build(
        self, definition: Definition, buffers: Mapping[str, Buffer], _: object = None
    ) -> Kernel:
        names = (*(t.name for t in definition.operands), definition.result.name)

        def run(memory: Memory, arguments: tuple[str, ...]) -> None:
            arrays = {
                name: memory.strided(a, buffers[name].shape, buffers[name].strides)
                for name, a in zip(names, arguments, strict=True)
            }
            wide = {n: a.astype(np.float64) for n, a in arrays.items()}
            arrays[names[-1]][...] = evaluate_everywhere(definition.scope, dense(wide), Float64())

        symbol = f"kernel{len(self)}"
        self[symbol] = run
        return Kernel(symbol, "", (1, 1, 1), (1, 1, 1), 0, names)

    @staticmethod
    def schedules(_: Definition, __: Mapping[str, Buffer]) -> tuple[None]:
        return (None,)


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> Generator[Kernels]:
    made = Kernels()
    lowering._choices.cache_clear()
    monkeypatch.setattr(lowering, "build_kernel", made.build)
    monkeypatch.setattr(lowering, "schedules", Kernels.schedules)
    yield made
    lowering._choices.cache_clear()


def evaluate(program: Program, arrays: Mapping[str, Array]) -> dict[str, Array]:
    values = {name: a.astype(np.float64) for name, a in arrays.items()}
    for d in program.definitions:
        values[d.result.name] = evaluate_everywhere(d.scope, dense(values), Float64())
    return values


def lowered(program: Program, kernels: Kernels, reference: Program | None = None) -> HostProgram:
    """The host program, after it has computed what the reference (or the program) computes."""
    made = lowering.lower_program(program, program, "fp32")
    generator = np.random.default_rng(7)
    arrays = {t.name: generator.standard_normal(t.shape) for t in program.inputs}
    host, constants = lowering.store(made, evaluate(made.prepare, arrays))
    assert HostProgram.from_json(json.loads(json.dumps(host.to_json()))) == host
    outputs = simulate(host, constants, kernels, {n: arrays[n] for n in host.inputs})
    expected = evaluate(reference or program, arrays)
    for tensor, name in zip(program.outputs, host.outputs, strict=True):
        np.testing.assert_allclose(
            outputs[name].reshape(tensor.shape), expected[tensor.name], rtol=1e-4, atol=1e-4
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
        "L<b:4,p:10,n:20> relu(2 * P[b,p,n] + t[n])",  # scaled
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
