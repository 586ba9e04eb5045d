"""What library calls do on the way out: bias, residual, activation, and what stays a kernel.

As in `test_gpu_lower.py`, every host program computes what its program says, on NumPy.
"""

from __future__ import annotations

import math
import random
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from mlir.dialects import func
from test_gpu_lower import SAME, Kernels, definition, ending, kinds
from test_gpu_lower import kernels as interpreted
from test_gpu_lower import lowered as lowered_with

from einnet.bridge.lift import lift_function
from einnet.bridge.natural import natural
from einnet.codegen.gpu.gelu import ALLOWED, deviation, gelu_argument
from einnet.codegen.gpu.host import ConvolutionCall, HostProgram, KernelLaunch, MatrixProduct
from einnet.codegen.gpu.lower import Ends
from einnet.expr.interpreter import Float64, dense, evaluate_everywhere
from einnet.expr.nodes import Scope, Tensor
from einnet.expr.program import Definition, Product, Program, constants_of
from einnet.expr.text import parse_scope
from einnet.operators.cost import h100
from einnet.program.subprograms import LIBRARIES, LIMITS, contractions_of, derive
from einnet.program.variants import ORIGINAL, variants
from einnet.toolchain.mlir import make_context, parse_module

kernels = interpreted
"""The fixture: kernels are computed by the interpreter."""

SHAPES = {"A": (6, 10), "B": (10, 8), "Z": (6, 8), "V": (8, 6), "t": (8,), "u": (6,), "W": (6, 8)}
WEIGHTS = frozenset("BtuW")
PRODUCT = Product((), ("m",), ("n",), ("k",))


def lowered(
    program: Program,
    kernels: Kernels,
    reference: Program | None = None,
    fused: bool = False,
    precision: str = "fp32",
    error: float = 1e-4,
    ends: Ends = "likely",
) -> HostProgram:
    """As in `test_gpu_lower.py`, but products end in whatever they can."""
    return lowered_with(program, kernels, reference, fused, precision, error, ends)


def product(text: str, result: str, groups: Product = PRODUCT, **shapes: tuple[int, ...]):
    return replace(definition(text, result, **shapes), library=groups)


def program_of(*statements: Definition, outputs: tuple[str, ...] = ("Y",)) -> Program:
    """The statements as a program; its inputs are what they read and do not define."""
    made = {s.result.name: s.result for s in statements}
    read = {t.name: t for s in statements for t in s.operands if t.name not in made}
    found = tuple(made[n] for n in outputs)
    return Program("f", tuple(read.values()), statements, found, WEIGHTS & read.keys())


def after(*texts: str) -> Program:
    """`P = A B` and what follows it: P0, P1, ..., Y; Q is tanh of Z, computed after P."""
    statements = [product("L<m:6,n:8> S<k:10> A[m,k] * B[k,n]", "P", A=(6, 10), B=(10, 8))]
    shapes = SHAPES | {"P": (6, 8), "Q": (6, 8)}
    if any("Q[" in t for t in texts):
        statements.append(definition("L<m:6,n:8> tanh(Z[m,n])", "Q", Z=(6, 8)))
    for number, text in enumerate(texts):
        name = "Y" if number == len(texts) - 1 else f"P{number}"
        statements.append(definition(f"L<m:6,n:8> {text}", name, **shapes))
        shapes[name] = (6, 8)
    return program_of(*statements)


def the_product(host: HostProgram) -> MatrixProduct:
    """The only step of the program."""
    (call,) = host.steps
    assert isinstance(call, MatrixProduct)
    return call


@pytest.mark.parametrize(
    ("texts", "end"),
    [
        (["P[m,n] + Z[m,n]"], (1, 1, False, "")),
        (["t[n] + P[m,n] + Z[m,n]"], (1, 1, True, "")),
        (["relu(P[m,n] + t[n] + Z[m,n])"], (1, 1, True, "relu")),
        (["2 * P[m,n] - 3 * Z[m,n]"], (2, -3, False, "")),
        (["relu(2 * P[m,n] + t[n])"], (2, 0, True, "relu")),
        (["P[m,n] + t[n]", "P0[m,n] + Z[m,n]"], (1, 1, True, "")),
        (["P[m,n] + Z[m,n]", "P0[m,n] + t[n]", "relu(P1[m,n])"], (1, 1, True, "relu")),
        (["P[m,n] + 2 * Z[m,n] + t[n]", "relu(3 * P0[m,n] + t[n])"], (3, 6, True, "relu")),
        (["P[m,n] + W[m,n]"], (1, 1, False, "")),  # a constant, though of rows and columns
        (["P[m,n] + t[n] + 1/2 * t[n]*t[n] + 1"], (1, 0, True, "")),
    ],
)
def test_bias_residual_and_activation_end_the_product(
    texts: list[str], end: tuple[int, int, bool, str], kernels: Kernels
) -> None:
    call = the_product(lowered(after(*texts), kernels))
    beta = call.beta if call.c is not None else 0
    assert (call.alpha, beta, bool(call.bias), call.activation) == end
    assert call.c is None or call.c.buffer in ("Z", "W")


@pytest.mark.parametrize(
    "texts",
    [
        ["P[m,n] + V[n,m]"],  # an input, stored by columns
        ["P[m,n] + Z[m,7-n]"],  # at another position
        ["P[m,n] + Z[m,n] * Z[m,n]"],
        ["P[m,n] + Z[m,n] * t[n]"],
        ["P[m,n] + Z[m,n] * [0 <= m < 3]"],
        ["P[m,n] + u[m]"],  # no bias, and no matrix
        ["relu(P[m,n]) + Z[m,n]"],
        ["P[m,n] + P[5-m,n]"],
        ["P[m,n] * P[m,n] + t[n]"],
        ["P[m,n] + Z[m,n] + Q[m,n]"],  # two residuals
        ["P[m,n-1] + Z[m,n]"],  # zeros at the edge
        ["P[m,n] * [0 <= m < 3] + Z[m,n]"],
        ["P[m,n] + Z[m,m]"],
    ],
)
def test_another_end_of_a_product_is_a_kernel(texts: list[str], kernels: Kernels) -> None:
    host = lowered(after(*texts), kernels)
    assert isinstance(host.steps[-1], KernelLaunch)
    (call,) = (c for c in host.calls if isinstance(c, MatrixProduct))
    assert call.c is None and not call.bias and not call.activation and call.alpha == 1


def test_a_part_of_a_product_is_a_kernel(kernels: Kernels) -> None:
    made = after("P[m,n] + Z[m,n]").definitions[0]
    last = definition("L<m:6,n:7> P[m,n] + Z[m,n]", "Y", P=(6, 8), Z=(6, 8))
    assert kinds(lowered(program_of(made, last), kernels)) == ["MatrixProduct", "KernelLaunch"]


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("relu(P[m,n] + V[n,m])", 1),
        ("2 * P[m,n]", 1),
        ("P[m,n] + Z[m,n]", 2),  # which is stored by rows
        ("P[m,n] + t[n]", 2),  # cuBLASLt has no bias down the columns
    ],
)
def test_a_result_stored_by_columns(text: str, steps: int, kernels: Kernels) -> None:
    made = after("P[m,n] + Z[m,n]").definitions[0]
    last = definition(f"L<n:8,m:6> {text}", "Y", **{**SHAPES, "P": (6, 8)})
    host = lowered(program_of(made, last), kernels)
    assert len(host.steps) == steps
    call = host.steps[0]
    assert isinstance(call, MatrixProduct) and call.d.transposed == (steps == 1)


def test_what_follows_an_activation_is_a_kernel(kernels: Kernels) -> None:
    host = lowered(after("relu(P[m,n] + t[n])", "P0[m,n] + Z[m,n]"), kernels)
    assert kinds(host) == ["MatrixProduct", "KernelLaunch"]
    (call,) = host.calls
    assert call.activation == "relu"


def test_a_residual_that_does_not_fit_leaves_the_bias_in_the_call(kernels: Kernels) -> None:
    host = lowered(after("P[m,n] + t[n]", "relu(P0[m,n] + V[n,m])"), kernels)
    assert kinds(host) == ["MatrixProduct", "KernelLaunch"]
    (call,) = host.calls
    assert call.bias and not call.activation


def test_a_residual_is_complete_before_the_call(kernels: Kernels) -> None:
    host = lowered(after("P[m,n] + Q[m,n]"), kernels)
    assert kinds(host) == ["KernelLaunch", "MatrixProduct"]
    assert host.steps[0].arguments[-1] == "Q"


def test_a_result_that_something_else_reads_is_stored(kernels: Kernels) -> None:
    made = after("P[m,n] + Z[m,n]")
    other = definition("L<m:6,n:8> tanh(P[m,n])", "T", P=(6, 8))
    host = lowered(program_of(*made.definitions, other, outputs=("Y", "T")), kernels)
    assert kinds(host) == ["MatrixProduct", "KernelLaunch", "KernelLaunch"]
    host = lowered(program_of(*made.definitions, outputs=("Y", "P")), kernels)
    assert kinds(host) == ["MatrixProduct", "KernelLaunch"]


def test_a_temporary_residual_is_placed_as_the_call_reads_it(kernels: Kernels) -> None:
    other = definition("L<n:8,m:6> tanh(V[n,m])", "T", V=(8, 6))
    made = after("P[m,n] + Z[m,n]").definitions[0]
    last = definition("L<m:6,n:8> relu(P[m,n] + T[n,m])", "Y", P=(6, 8), T=(8, 6))
    host = lowered(program_of(made, other, last), kernels)
    assert kinds(host) == ["KernelLaunch", "MatrixProduct"]


def test_an_operand_may_be_the_residual(kernels: Kernels) -> None:
    made = product("L<m:6,n:8> S<k:8> Z[m,k] * B[k,n]", "P", Z=(6, 8), B=(8, 8))
    last = definition("L<m:6,n:8> P[m,n] + Z[m,n]", "Y", P=(6, 8), Z=(6, 8))
    call = the_product(lowered(program_of(made, last), kernels))
    assert call.c == call.a


def test_of_two_products_that_are_added_one_is_the_residual(kernels: Kernels) -> None:
    first = after("P[m,n] + Z[m,n]").definitions[0]
    second = product("L<m:6,n:8> S<k:4> C[m,k] * D[k,n]", "R", C=(6, 4), D=(4, 8))
    shift = definition("L<m:6,n:8> R[m,n] + t[n]", "S", R=(6, 8), t=(8,))
    last = definition("L<m:6,n:8> relu(P[m,n] + S[m,n])", "Y", P=(6, 8), S=(6, 8))
    host = lowered(program_of(first, second, shift, last), kernels)
    one, two = host.calls
    assert len(host.steps) == 2
    assert isinstance(one, MatrixProduct) and isinstance(two, MatrixProduct)
    assert one.bias and two.c is not None and two.c.buffer == one.d.buffer


BATCHED = Product(("b",), ("m",), ("n",), ("k",))


@pytest.mark.parametrize(
    ("residual", "stride"), [("Z[b,m,n]", 48), ("Z[m,n]", 0), ("Z[b,n]", None), ("Z[n,m]", None)]
)
def test_a_batch_has_residuals_of_its_own_or_one(
    residual: str, stride: int | None, kernels: Kernels
) -> None:
    sizes = {"b": 3, "m": 6, "n": 8}
    shape = tuple(sizes[n] for n in residual[2:-1].split(","))
    text = "L<b:3,m:6,n:8> S<k:10> A[b,m,k] * D[b,k,n]"
    made = product(text, "P", BATCHED, A=(3, 6, 10), D=(3, 10, 8))
    last = definition(
        f"L<b:3,m:6,n:8> relu(P[b,m,n] + {residual} + t[n])",
        "Y", P=(3, 6, 8), Z=shape, t=(8,),
    )  # fmt: skip
    host = lowered(program_of(made, last), kernels)
    if stride is None:
        assert kinds(host) == ["MatrixProduct", "KernelLaunch"]
        return
    call = the_product(host)
    assert call.c is not None and call.c.batch_stride == stride and call.bias


def test_a_result_in_another_order_is_written_there(kernels: Kernels) -> None:
    """The heads of an attention next to each other: [b,h,m,n] as [b,m,h,n]."""
    groups = Product(("b", "h"), ("m",), ("n",), ("k",))
    text = "L<b:2,h:3,m:6,n:8> S<k:5> A[b,h,m,k] * D[b,h,k,n]"
    made = product(text, "P", groups, A=(2, 3, 6, 5), D=(2, 3, 5, 8))
    shapes = {"P": (2, 3, 6, 8), "Z": (2, 6, 3, 8)}
    last = definition("L<b:2,m:6,h:3,n:8> P[b,h,m,n] + Z[b,m,h,n]", "Y", **shapes)
    host = lowered(program_of(made, last), kernels)  # (b, h) is no one dimension of [b,m,h,n]
    assert kinds(host) == ["MatrixProduct", "KernelLaunch"]
    last = definition("L<b:2,m:6,h:3,n:8> relu(2 * P[b,h,m,n])", "T", **shapes)
    use = definition("L<b:2,m:6,h:3,n:8> tanh(T[b,m,h,n])", "Y", T=(2, 6, 3, 8))
    host = lowered(program_of(made, last, use), kernels)
    assert kinds(host) == ["MatrixProduct", "KernelLaunch"]
    (call,) = host.calls
    assert call.activation == "relu"


def test_half_precision_is_rounded_once(kernels: Kernels) -> None:
    made = after("relu(P[m,n] + t[n] + Z[m,n])")
    call = the_product(lowered(made, kernels, precision="fp16", error=2e-2))
    assert (call.dtype, call.result) == ("f16", "f16") and call.c is not None


def test_a_residual_of_another_type_is_a_kernel(kernels: Kernels) -> None:
    made = after("P[m,n] + Z[m,n]")
    text = str(made.definitions[1].scope)
    tensors = {"P": made.definitions[0].result, "Z": Tensor("Z", (6, 8), "f16")}
    last = replace(made.definitions[1], scope=parse_scope(text, tensors))
    host = lowered(program_of(made.definitions[0], last), kernels, error=1e-2)
    assert kinds(host) == ["MatrixProduct", "KernelLaunch"]


@pytest.mark.parametrize("seed", range(40))
def test_random_ends_mean_what_they_say(seed: int, kernels: Kernels) -> None:
    """Products of any batch followed by up to three random eOperators, in any order of dimensions,
    which also read inputs, constants and the product's own operands."""
    generator = random.Random(seed)
    sizes = {"b": generator.choice([1, 2]), "m": 4, "n": generator.choice([1, 4]), "k": 3}
    shapes = {"A": "bmk", "D": "bkn", "Z": "bmn", "V": "bnm", "U": "mn", "t": "n", "B": "n"}
    text = {name: ",".join(shapes[name]) for name in shapes}
    loops = [f"{n}:{sizes[n]}" for n in "bmn"]
    product_text = f"L<{','.join(loops)}> S<k:3> A[{text['A']}] * D[{text['D']}]"
    sized = {name: tuple(sizes[n] for n in dims) for name, dims in shapes.items()}
    statements = [product(product_text, "P", BATCHED, A=sized["A"], D=sized["D"])]
    last, order = "P", ["b", "m", "n"]
    sized["P"] = statements[0].result.shape
    for name in ["P0", "P1", "Y"][generator.randint(0, 2) :]:
        terms = [f"{generator.choice([1, 1, 2, -1])} * {last}[{','.join(order)}]"]
        others = generator.sample(["Z", "V", "U", "t", "B"], generator.randint(0, 2))
        terms += [f"{generator.choice([1, 1, 3])} * {o}[{text[o]}]" for o in others]
        generator.shuffle(terms)
        body = " + ".join(terms).replace("+ -", "- ").removeprefix("-")
        body = f"relu({body})" if generator.random() < 0.3 else body
        if generator.random() < 0.3:
            generator.shuffle(order)
        own = ",".join(f"{n}:{sizes[n]}" for n in order)
        statements.append(definition(f"L<{own}> {body}", name, **sized))
        sized[name] = statements[-1].result.shape
        last = name
    lowered(program_of(*statements), kernels)


# GELU ---------------------------------------------------------------------------------------

ERF = "1/2 * {x} + 1/2 * {x} * erf(8388608/11863283 * {x})"
DIVIDED = "1/2 * {x} + 1/2 * {x} * erf({x} * reciprocal(11863283/8388608))"
ROOT = str(Fraction(float(np.float32(math.sqrt(2 / math.pi)))))
CUBIC = str(Fraction(ROOT) * Fraction(float(np.float32(0.044715))))
TANH = f"1/2 * {{x}} + 1/2 * {{x}} * tanh({ROOT} * {{x}} + {CUBIC} * {{x}} * {{x}} * {{x}})"
IMPORTED = TANH.replace(ROOT, "797724/1000000").replace(
    CUBIC, str(Fraction("0.797724") * Fraction("0.044715"))
)


@pytest.mark.parametrize("precision", ["fp32", "tf32", "fp16", "bf16"])
@pytest.mark.parametrize(
    "form", [ERF, DIVIDED, TANH, IMPORTED], ids=["erf", "divided", "tanh", "coarse"]
)
def test_gelu_ends_a_product_where_the_precision_allows_its_form(
    form: str, precision: str, kernels: Kernels
) -> None:
    made = after("P[m,n] + t[n]", form.format(x="P0[m,n]"))
    error = {"fp32": 1e-6, "tf32": ALLOWED["tf32"], "fp16": 2e-2, "bf16": 2e-1}[precision]
    host = lowered(made, kernels, precision=precision, error=error)
    (call,) = host.calls
    assert call.bias
    if precision == "fp32":
        assert kinds(host) == ["MatrixProduct", "KernelLaunch"]
    else:
        assert the_product(host).activation == "gelu"


def test_gelu_of_a_sum_is_found_multiplied_out(kernels: Kernels) -> None:
    """As a residual and a bias look inside one eOperator."""
    terms = {"P[m,n]": 1, "t[n]": 1, "Z[m,n]": 2}
    half = " + ".join(f"{n}/2 * {t}" for t, n in terms.items())
    scaled = " + ".join(f"{n * 8388608}/11863283 * {t}" for t, n in terms.items())
    body = f"{half} + " + " + ".join(f"{n}/2 * {t} * erf({scaled})" for t, n in terms.items())
    found = the_product(lowered(after(body), kernels, precision="tf32", error=2e-3))
    assert (found.activation, bool(found.bias), found.beta) == ("gelu", True, 2)


SOURCE = Tensor("V", (4,))


def scope(body: str) -> Scope:
    return parse_scope(f"L<i:4> {body}", {"V": SOURCE, "t": Tensor("t", (4,))})


@pytest.mark.parametrize(
    "body",
    [
        "1/2 * V[i] + 1/2 * V[i] * erf(V[i])",  # without the root of two
        "V[i] + 1/2 * V[i] * erf(8388608/11863283 * V[i])",
        "1/2 * V[i] + 1/2 * V[i] * erf(8388608/11863283 * t[i])",
        "1/2 * V[i] - 1/2 * V[i] * erf(8388608/11863283 * V[i])",
        "1/2 * V[i] + 1/2 * V[i] * tanh(4/5 * V[i])",
        "1/2 * t[i] + 1/2 * t[i] * erf(8388608/11863283 * V[i])",
        "1/2 * V[i] + 1/2 * V[i] * erf(8388608/11863283 * V[i]) * erf(8388608/11863283 * V[i])",
        "1/2 * V[i] * V[i] + 1/2 * V[i] * V[i] * erf(8388608/11863283 * V[i] * V[i])",
        "1/2 * V[i] + 1/2 * V[i] * erf(8388608/11863283 * V[i]) + t[i]",
        "V[i] * sigmoid(851/500 * V[i])",  # off by 2e-2
        "relu(V[i])",
        "erf(8388608/11863283 * V[i])",
    ],
)
def test_what_is_not_gelu(body: str) -> None:
    assert gelu_argument(scope(body).body, SOURCE, "bf16") is None


@pytest.mark.parametrize("seed", range(20))
def test_the_argument_that_is_found_is_the_one_that_was_put_in(seed: int) -> None:
    """x is a random sum of the tensor and others, in the form by tanh, multiplied out."""
    generator = random.Random(seed)
    pick = [
        Fraction(generator.choice([1, 2, -1, 3]), generator.choice([1, 2, 4])) for _ in range(3)
    ]
    reads = ["V[i]", "t[i]", ""][: generator.randint(1, 3)]
    x = list(zip(pick, reads, strict=False))

    def times(a: list[tuple[Fraction, str]], b: list[tuple[Fraction, str]]):
        return [(c * d, " * ".join(filter(None, (f, g)))) for c, f in a for d, g in b]

    def text(terms: list[tuple[Fraction, str]]) -> str:
        generator.shuffle(terms)
        return " + ".join(f"{c} * {f}" if f else str(c) for c, f in terms).replace("+ -", "- ")

    cube = times(x, times(x, x))
    linear, cubic = Fraction(ROOT), Fraction(CUBIC)
    argument = text([(c * linear, f) for c, f in x] + [(c * cubic, f) for c, f in cube])
    half = [(c / 2, f) for c, f in x]
    body = scope(text(half + times(half, [(Fraction(1), f"tanh({argument})")]))).body
    found = gelu_argument(body, SOURCE, "tf32")
    assert found is not None
    arrays = {n: np.random.default_rng(seed).standard_normal(4) for n in "Vt"}
    loops = scope("V[i]").traversal
    value = evaluate_everywhere(Scope(loops, (), found), dense(arrays), Float64())
    expected = evaluate_everywhere(scope(text(x)), dense(arrays), Float64())
    np.testing.assert_allclose(value, expected, rtol=1e-12)


def test_deviations_of_the_forms_of_gelu() -> None:
    """As they are known: 4.7e-4 between erf and tanh, and rounding of constants to f32."""
    assert deviation("erf", math.sqrt(0.5), 0.0) == pytest.approx(4.73e-4, rel=0.01)
    assert deviation("tanh", float(Fraction(ROOT)), float(Fraction(CUBIC))) < 2.0**-24
    assert deviation("tanh", 0.797724, 0.797724 * 0.044715) == pytest.approx(5.1e-5, rel=0.02)


# Convolutions -------------------------------------------------------------------------------

IMAGE = {"X": (2, 6, 6, 5), "W": (5, 5, 3, 3), "t": (5,)}
SQUARE = SAME.replace("c:3", "c:5")


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("relu(P[n,h,w,f] + t[f] + X[n,h,w,f])", (True, "relu")),
        ("P[n,h,w,f] + X[n,h,w,f]", (False, "")),
        ("relu(X[n,h,w,f] + P[n,h,w,f])", (False, "relu")),
    ],
)
def test_a_residual_ends_a_convolution(text: str, end: tuple[bool, str], kernels: Kernels) -> None:
    program, reference = ended(SQUARE, f"L<n:2,h:6,w:6,f:5> {text}")
    host = lowered(program, kernels, reference, fused=True)
    (call,) = host.steps
    assert isinstance(call, ConvolutionCall) and call.z is not None
    assert (bool(call.bias), call.activation, call.z.buffer) == (*end, "X")
    assert kinds(lowered(program, kernels, reference)) == ["ConvolutionCall", "KernelLaunch"]


def ended(convolution: str, text: str, **more: tuple[int, ...]) -> tuple[Program, Program]:
    """As `ending`, where what follows also reads the image X, or more inputs."""
    program, reference = ending(convolution, "L<n:2,h:6,w:6,f:5> P[n,h,w,f] + t[f]", **IMAGE)
    last = definition(text, "Y", P=(2, 6, 6, 5), **IMAGE, **more)
    inputs = {t.name: t for t in (*program.inputs, *last.operands) if t.name != "P"}
    return tuple(
        replace(
            p,
            inputs=tuple(inputs.values()),
            outputs=(last.result,),
            statements=(*p.statements[:-1], last),
        )
        for p in (program, reference)
    )  # pyright: ignore[reportReturnType]


@pytest.mark.parametrize(
    "text",
    [
        "L<n:2,h:6,w:6,f:5> relu(P[n,h,w,f] + R[n,f,h,w])",  # in another layout
        "L<n:2,h:6,w:6,f:5> relu(P[n,h,w,f] + R[n,f,0,w])",
        "L<n:2,h:6,w:6,f:5> P[n,h,w,f] + 2 * X[n,h,w,f]",  # which cuDNN's graph here does not scale
        "L<n:2,h:6,w:6,f:5> 2 * P[n,h,w,f] + X[n,h,w,f]",
        "L<n:2,f:5,h:6,w:6> relu(P[n,h,w,f] + X[n,h,w,f])",  # an output in another layout
        "L<n:2,h:6,w:6,f:5> " + ERF.format(x="P[n,h,w,f]"),
    ],
)
def test_another_end_of_a_convolution_is_a_kernel(text: str, kernels: Kernels) -> None:
    program, reference = ended(SQUARE, text, R=(2, 5, 6, 6))
    host = lowered(program, kernels, reference, fused=True, precision="tf32")
    assert kinds(host) == ["ConvolutionCall", "KernelLaunch"]


def test_engines_with_an_end_have_one_layout(kernels: Kernels) -> None:
    """An image with its channels first, and a result with its channels last."""
    first = SQUARE.replace("X[n,h+r-1,w+s-1,c]", "X[n,c,h+r-1,w+s-1]")
    text = "L<n:2,h:6,w:6,f:5> relu(P[n,h,w,f] + t[f])"
    program, reference = ending(first, text, X=(2, 5, 6, 6), W=(5, 5, 3, 3), t=(5,))
    host = lowered(program, kernels, reference, fused=True)
    assert kinds(host) == ["ConvolutionCall", "KernelLaunch"]


@pytest.mark.parametrize(
    ("ends", "steps"),
    [
        ("certain", ["MatrixProduct", "KernelLaunch"]),
        ("likely", ["MatrixProduct"]),
        ("all", ["MatrixProduct"]),
    ],
)
def test_a_product_without_its_residual_hedges_the_one_with_it(
    ends: Ends, steps: list[str], kernels: Kernels
) -> None:
    program = after("P[m,n] + t[n]", "relu(P0[m,n] + Z[m,n])")
    host = lowered(program, kernels, ends=ends)
    assert kinds(host) == steps
    (call,) = host.calls
    assert isinstance(call, MatrixProduct)
    assert call.bias


@pytest.mark.parametrize(
    ("ends", "steps"),
    [
        ("certain", ["ConvolutionCall", "KernelLaunch", "KernelLaunch"]),
        ("likely", ["ConvolutionCall", "KernelLaunch"]),
        ("all", ["ConvolutionCall"]),
    ],
)
def test_a_convolution_takes_in_more_at_each_level(
    ends: Ends, steps: list[str], kernels: Kernels
) -> None:
    last = "L<n:2,h:6,w:6,f:5> relu(B0[n,h,w,f] + X[n,h,w,f])"
    program, reference = ended(SQUARE, "L<n:2,h:6,w:6,f:5> P[n,h,w,f] + t[f]")
    program, reference = (_followed(p, last) for p in (program, reference))
    assert kinds(lowered(program, kernels, reference, ends=ends)) == steps


def _followed(program: Program, text: str) -> Program:
    """The program with a definition after its result, which is then called B0."""
    *before, biased = program.definitions
    middle = replace(biased, result=replace(biased.result, name="B0"))
    shapes = {t.name: t.shape for t in (*program.inputs, middle.result)}
    last = definition(text, "Y", **shapes)
    return replace(program, statements=(*before, middle, last), outputs=(last.result,))


# Blocks of models ---------------------------------------------------------------------------


def test_residual_blocks_are_a_call_for_each_convolution(kernels: Kernels) -> None:
    """A stem and two blocks as models have them, channels first; each image is read twice."""
    statements: list[Definition] = []
    shapes: dict[str, tuple[int, ...]] = {"X": (1, 3, 5, 5), "U": (4, 3, 3, 3), "b": (4,)}

    def add(name: str, text: str) -> None:
        statements.append(definition(text, name, **shapes))
        shapes[name] = statements[-1].result.shape

    def convolution(name: str, image: str, weight: str, channels: int) -> None:
        sums = f"S<c:{channels},r:3,s:3>"
        add(name, f"L<n:1,f:4,h:5,w:5> {sums} {image}[n,c,h+r-1,w+s-1] * {weight}[f,c,r,s]")

    convolution("S", "X", "U", 3)
    add("I0", "L<n:1,f:4,h:5,w:5> relu(S[n,f,h,w] + b[f])")
    for k in range(2):
        shapes |= {f"V{k}": (4, 4, 3, 3), f"W{k}": (4, 4, 3, 3)}
        convolution(f"P{k}", f"I{k}", f"V{k}", 4)
        add(f"H{k}", f"L<n:1,f:4,h:5,w:5> relu(P{k}[n,f,h,w] + b[f])")
        convolution(f"Q{k}", f"H{k}", f"W{k}", 4)
        add(f"I{k + 1}", f"L<n:1,f:4,h:5,w:5> relu(b[f] + Q{k}[n,f,h,w] + I{k}[n,f,h,w])")
    add("Y", "L<n:1,f:4> S<h:5,w:5> 1/25 * I2[n,f,h,w]")
    read = {
        t.name: t
        for s in statements
        for t in s.operands
        if t.name not in {s.result.name for s in statements}
    }
    reference = Program(
        "f",
        tuple(read.values()),
        tuple(statements),
        (statements[-1].result,),
        frozenset(read.keys() - {"X"}),
    )
    program = in_variants(reference, "tf32")[ORIGINAL]
    host = lowered(program, kernels, reference, fused=True)
    # The stem reads an image that the caller stores channels first; the mean takes the last end.
    stem, rest = kinds(host)[:2], kinds(host)[2:]
    assert stem == ["ConvolutionCall", "KernelLaunch"]
    assert rest == [*["ConvolutionCall"] * 4, "KernelLaunch"]
    calls = [c for c in host.calls if isinstance(c, ConvolutionCall)]
    ends = [(bool(c.bias), c.activation, c.z is not None) for c in calls]
    block = [(True, "relu", False), (True, "relu", True)]
    assert ends == [
        (False, "", False),
        *block,
        block[0],
        (False, "", False),
    ]  # the last: the mean's
    assert len(lowered(program, kernels, reference).steps) == 10


def in_variants(program: Program, precision: str) -> dict[str, Program]:
    """The variants of a program that a compilation for a GPU has, by name."""
    machine, constants = h100(precision), constants_of(program)
    found = [
        derive(d, program, constants, machine, LIMITS, 2, "converging", LIBRARIES["cuda"])
        for d in contractions_of(program, constants, machine.types)
    ]
    return {v.name: v.program for v in variants(program, found, 8)}


MLP = """
#rows = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (j)>
func.func @main(%x: tensor<6x8xf32> {einnet.name = "x"}, %u: tensor<8x16xf32> {einnet.weight = "u"},
    %v: tensor<16x8xf32> {einnet.weight = "v"}, %b: tensor<16xf32> {einnet.weight = "b"},
    %c: tensor<8xf32> {einnet.weight = "c"}) -> (tensor<6x8xf32> {einnet.name = "y"}) {
  %zero = arith.constant 0.0 : f32
  %half = arith.constant 0.5 : f32
  %one = arith.constant 1.0 : f32
  %root = arith.constant 1.41421354 : f32
  %e0 = tensor.empty() : tensor<6x16xf32>
  %z0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<6x16xf32>) -> tensor<6x16xf32>
  %p = linalg.matmul ins(%x, %u : tensor<6x8xf32>, tensor<8x16xf32>)
      outs(%z0 : tensor<6x16xf32>) -> tensor<6x16xf32>
  %q = linalg.generic {indexing_maps = [#rows, #row, #rows],
      iterator_types = ["parallel", "parallel"]}
      ins(%p, %b : tensor<6x16xf32>, tensor<16xf32>) outs(%e0 : tensor<6x16xf32>) {
  ^bb0(%a: f32, %s: f32, %o: f32):
    %r = arith.addf %a, %s : f32
    linalg.yield %r : f32
  } -> tensor<6x16xf32>
  %h = linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]}
      ins(%q : tensor<6x16xf32>) outs(%e0 : tensor<6x16xf32>) {
  ^bb0(%a: f32, %o: f32):
    %d = arith.divf %a, %root : f32
    %e = math.erf %d : f32
    %f = arith.addf %e, %one : f32
    %g = arith.mulf %f, %half : f32
    %r = arith.mulf %a, %g : f32
    linalg.yield %r : f32
  } -> tensor<6x16xf32>
  %e1 = tensor.empty() : tensor<6x8xf32>
  %z1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<6x8xf32>) -> tensor<6x8xf32>
  %m = linalg.matmul ins(%h, %v : tensor<6x16xf32>, tensor<16x8xf32>)
      outs(%z1 : tensor<6x8xf32>) -> tensor<6x8xf32>
  %y = linalg.generic {indexing_maps = [#rows, #row, #rows, #rows],
      iterator_types = ["parallel", "parallel"]}
      ins(%m, %c, %x : tensor<6x8xf32>, tensor<8xf32>, tensor<6x8xf32>)
      outs(%e1 : tensor<6x8xf32>) {
  ^bb0(%a: f32, %s: f32, %t: f32, %o: f32):
    %k = arith.addf %a, %s : f32
    %r = arith.addf %k, %t : f32
    linalg.yield %r : f32
  } -> tensor<6x8xf32>
  return %y : tensor<6x8xf32>
}
"""


@pytest.mark.parametrize(("precision", "steps"), [("tf32", 2), ("fp16", 2), ("fp32", 3)])
def test_a_transformers_mlp_is_a_call_for_each_product(
    precision: str, steps: int, kernels: Kernels
) -> None:
    """matmul, bias, GELU, matmul, bias, residual; f32 computes GELU as the model has it."""
    module = parse_module(MLP, make_context(), "mlp.mlir")
    (main,) = (op for op in module.body.operations if isinstance(op, func.FuncOp))
    program = natural(lift_function(main))
    error = {"tf32": 2e-2, "fp16": 2e-1, "fp32": 1e-4}[precision]
    hosts = [
        lowered(v, kernels, program, precision=precision, error=error)
        for v in in_variants(program, precision).values()
    ]
    (fewest,) = (h for h in hosts if len(h.calls) == 2)
    assert len(fewest.steps) == steps
    first, last = fewest.calls
    assert isinstance(first, MatrixProduct) and isinstance(last, MatrixProduct)
    assert first.bias and (first.activation == "gelu") == (precision != "fp32")
    assert last.bias and last.c is not None and last.c.buffer == "x"
