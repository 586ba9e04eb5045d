"""Emitted modules compute what the expressions mean: run by upstream passes, against the
interpreter."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mlir
import numpy as np
import pytest
from mlir import ir
from mlir.execution_engine import ExecutionEngine
from mlir.runtime import (
    get_ranked_memref_descriptor,
    make_nd_memref_descriptor,
    ranked_memref_to_numpy,
)
from numpy.typing import NDArray

from einnet.bridge.emit import emit_definition, emit_program
from einnet.bridge.lift import lift_composed, lift_function
from einnet.bridge.refusal import NotEmittable
from einnet.errors import InputError
from einnet.expr.check import check_program
from einnet.expr.interpreter import PRIME, Arithmetic, Field, Float64, dense, evaluate_everywhere
from einnet.expr.nodes import Tensor
from einnet.expr.program import Definition, Opaque, Product, Program, constants_of
from einnet.expr.text import parse_scope
from einnet.toolchain.mlir import make_context, run_pipeline

Array = NDArray[Any]

BUFFERIZE = (
    "canonicalize,cse,one-shot-bufferize{bufferize-function-boundaries=1"
    " function-boundary-type-conversion=identity-layout-map"
    " unknown-type-conversion=identity-layout-map},canonicalize"
)
LOWER = (
    "func.func(convert-linalg-to-loops),expand-strided-metadata,lower-affine,convert-scf-to-cf,"
    "arith-expand,memref-expand,convert-math-to-llvm,convert-math-to-libm,convert-index-to-llvm,"
    "finalize-memref-to-llvm,convert-arith-to-llvm,convert-func-to-llvm,convert-cf-to-llvm,"
    "reconcile-unrealized-casts"
)
RUNNER = Path(next(iter(mlir.__path__))) / "lib" / "libmlir_c_runner_utils.so"
TYPES = {"f64": np.float64, "f32": np.float32, "i64": np.int64}


def tensors(declarations: str) -> dict[str, Tensor]:
    """`X[2,3] b[]:f32` as tensors; f64 where no type is given."""
    found: dict[str, Tensor] = {}
    for declaration in declarations.split():
        name, rest = declaration.split("[")
        shape, _, dtype = rest.partition("]")
        extents = tuple(int(n) for n in shape.split(",") if n)
        found[name] = Tensor(name, extents, dtype.lstrip(":") or "f64")
    return found


def define(
    name: str,
    text: str,
    known: Mapping[str, Tensor],
    product: Product | None = None,
    dtype: str = "f64",
) -> Definition:
    scope = parse_scope(text, known)
    return Definition(Tensor(name, scope.extents, dtype), scope, f"label of {name}", product)


def program_of(
    declarations: str,
    *texts: str,
    weights: str = "",
    product: Product | None = None,
    dtype: str = "f64",
) -> Program:
    """A program of definitions v0, v1, ...; the last is its output and may be a product."""
    known = tensors(declarations)
    inputs = tuple(known.values())
    definitions: list[Definition] = []
    for number, text in enumerate(texts):
        library = product if number == len(texts) - 1 else None
        definitions.append(define(f"v{number}", text, known, library, dtype))
        known[f"v{number}"] = definitions[-1].result
    program = Program(
        "main", inputs, tuple(definitions), (definitions[-1].result,), frozenset(weights.split())
    )
    check_program(program)
    return program


@dataclass
class Compiled:
    """A module's functions in machine code."""

    engine: ExecutionEngine

    def call(self, name: str, arguments: Sequence[Array], result: Tensor) -> Array:
        element = {"f64": ctypes.c_double, "f32": ctypes.c_float, "i64": ctypes.c_int64}
        out = make_nd_memref_descriptor(len(result.shape), element[result.dtype])()
        if not result.shape:
            raise ValueError("results of rank 0 are not supported here")
        packed = [ctypes.pointer(ctypes.pointer(out))]
        packed += [
            ctypes.pointer(ctypes.pointer(get_ranked_memref_descriptor(a))) for a in arguments
        ]
        self.engine.invoke(name, *packed)
        return np.array(ranked_memref_to_numpy(ctypes.pointer(out)))


def compile_module(module: ir.Module) -> Compiled:
    with module.context:
        for operation in module.body.operations:
            operation.attributes["llvm.emit_c_interface"] = ir.UnitAttr.get()
    run_pipeline(module, f"builtin.module({BUFFERIZE},{LOWER})")
    return Compiled(ExecutionEngine(module, opt_level=0, shared_libs=[str(RUNNER)]))


def run(program: Program, arrays: Mapping[str, Array]) -> Array:
    """The program's output from its emitted module, @prepare first."""
    module = emit_program(program, make_context())
    compiled = compile_module(module.parse(str(module), module.context))
    main = function(module, "main")
    arguments: list[Array] = []
    prepared = [d.result for d in program.definitions if d.result.name in _constants(program)]
    for attributes in argument_attributes(main):
        if "einnet.constant" in attributes:
            weights = [
                arrays[text(a, "einnet.weight")]
                for a in argument_attributes(function(module, "prepare"))
            ]
            assert len(prepared) == 1
            arguments.append(compiled.call("prepare", weights, prepared[0]))
        else:
            key = "einnet.weight" if "einnet.weight" in attributes else "einnet.name"
            arguments.append(arrays[text(attributes, key)])
    return compiled.call("main", arguments, program.outputs[0])


def _constants(program: Program) -> set[str]:
    """What @prepare returns in programs in which every constant definition is used later."""
    return set(constants_of(program)) - set(program.weights)


def function(module: ir.Module, name: str) -> Any:
    # Every operation in these modules is a function.
    operations: list[Any] = list(module.body.operations)
    (found,) = (o for o in operations if o.name.value == name)
    return found


def argument_attributes(operation: Any) -> list[ir.DictAttr]:
    return [ir.DictAttr(a) for a in operation.arg_attrs]


def text(attributes: ir.DictAttr, key: str) -> str:
    return ir.StringAttr(attributes[key]).value


def evaluate(inputs: Mapping[str, Array], program: Program, arithmetic: Arithmetic) -> Array:
    """The program's output by the interpreter; it has no opaque statements."""
    known = dict(inputs)
    for statement in program.statements:
        assert isinstance(statement, Definition), f"opaque: {statement}"
        value = evaluate_everywhere(statement.scope, dense(known), arithmetic)
        known[statement.result.name] = value
    return known[program.outputs[0].name]


def expected(program: Program, arrays: Mapping[str, Array]) -> Array:
    return evaluate({name: a.astype(np.float64) for name, a in arrays.items()}, program, Float64())


def check(program: Program, tolerance: float = 1e-12) -> None:
    random = np.random.default_rng(1)
    arrays: dict[str, Array] = {}
    for tensor in program.inputs:
        values = random.uniform(0.5, 2.0, tensor.shape) * random.choice([-1.0, 1.0], tensor.shape)
        if tensor.dtype == "i64":
            values = random.integers(-9, 9, tensor.shape)
        arrays[tensor.name] = np.ascontiguousarray(values.astype(TYPES[tensor.dtype]))
    np.testing.assert_allclose(
        run(program, arrays), expected(program, arrays), rtol=tolerance, atol=tolerance
    )


def emitted(program: Program) -> str:
    return str(emit_program(program, make_context()))


def copies(program: Program) -> int:
    """How many copies bufferization puts into the module."""
    module = emit_program(program, make_context())
    run_pipeline(module, f"builtin.module({BUFFERIZE})")
    return str(module).count("memref.copy")


POINTWISE = [
    # Pointwise, broadcast, functions, several terms, negative and fractional coefficients.
    ("X[3,4] b[4]", "L<i:3,j:4> relu(X[i,j]+b[j])"),
    ("X[3,4] b[4]", "L<j:4,i:3> tanh(X[i,j])*b[j] - 1/4*X[i,j] + 3"),
    ("X[3,4] Y[3,4]", "L<i:3,j:4> -X[i,j] - 2*Y[i,j]*Y[i,j]"),
    ("X[3,4]", "L<i:3,j:4> sigmoid(X[i,j]) + exp(X[i,j]) + erf(X[i,j]) + abs(X[i,j])"),
    ("X[3] Y[3]", "L<i:3> maximum(X[i],Y[i]) * minimum(X[i],Y[i]) + reciprocal(X[i])"),
    ("X[3]", "L<i:3> log(abs(X[i])) + sqrt(abs(X[i])) + rsqrt(abs(X[i]))"),
    ("X[3] s[]", "L<i:3> X[i]*s[]"),
    ("X[3]", "L<i:5> 7/2"),
    ("X[3]", "L<i:5> 0"),
]
MOVEMENTS = [
    # Transposition, reversal, strides, crops, pads, gathers, upsampling, guards alone.
    ("X[2,3,4]", "L<i:4,j:2,k:3> X[j,k,i]"),
    ("X[5]", "L<i:5> X[4-i]"),
    ("X[9]", "L<i:4> X[2*i+1]"),
    ("X[9,3]", "L<i:4,j:3> X[i,j]"),
    ("X[9,3]", "L<i:4,j:3> X[i,2]"),
    ("X[3,3]", "L<i:5,j:6> X[i-1,j-2]"),
    ("X[3]", "L<i:8> X[(i-1) div 3]"),
    ("X[4]", "L<i:9> X[(i-5) div 2]*[(i+1) mod 3 = 0]"),
    ("X[2,4]", "L<i:4,j:2> X[(j+1) mod 2,3-i]"),
    ("X[9]", "L<i:6,j:6> X[(i-j) div 2 + (j-i) mod 3]"),
    ("X[4]", "L<i:6,j:6> X[i-j]*[1 <= i+j < 7] + [(i-2*j) mod 4 = 0]"),
]
INTEGERS = [
    ("X[3,4]:i64", "L<i:5,j:4> X[i-1,j]"),
    ("X[3,9]:i64", "L<i:3> S<k:9> 2*relu(X[i,k])*X[i,k-1] - X[i,k]"),
    ("X[3]:i64 Y[3]:i64", "L<i:3> maximum(X[i],Y[i]) - 3*minimum(X[i],abs(Y[i]))"),
]
SUMS = [
    # Loops: plain reductions, bounds from no operand, guarded reads, sums of several terms.
    ("X[3,100]", "L<i:3> S<k:100> X[i,k]"),
    ("X[3,100] y[100]", "L<i:3> S<k:100> X[i,k]*y[k] + 1/2*y[k]"),
    ("X[80]", "L<i:3> S<k:70> X[k+i]"),
    ("X[80]", "L<i:3> S<k:5:75> X[k+2*i-9]"),
    ("X[20,5]", "L<i:3> S<k:20,l:5> X[k,l]*[(k+l+i) mod 3 = 0]"),
    ("X[20]", "L<i:3> S<k:70> exp(X[k div 4])"),
    # Unrolled: short, starting elsewhere than at 0, with invariant factors, dead everywhere.
    ("X[3,8] y[3]", "L<i:3> S<k:2:7> X[i,k+i-1]*y[i]"),
    ("X[3,20]", "L<i:3> S<k:20> X[i+1,k]"),
    ("X[3] y[3]", "L<i:3> S<k:5> X[i] + y[k-1]*X[i]*[k mod 2 = 0]"),
    ("X[3]", "L<i:3> S<k:5> X[i+k+3]"),
]
NESTED = [
    # Short sums under functions and factors; long ones, shared ones; shifted boxes; two levels.
    ("X[4,5]", "L<i:4> relu({L<a:4> S<k:5> X[a,k]}[i])*{L<a:4> S<k:5> X[a,k+1]}[i]"),
    ("X[4,90]", "L<i:4> exp(1/8*{L<a:4> S<k:90> X[a,k]}[i]) + {L<a:4> S<k:90> X[a,k]}[3-i]"),
    ("X[9,20]", "L<i:9,j:20> exp(X[i,j])*reciprocal({L<a:9> S<k:20> exp(X[a,k])}[i])"),
    ("X[9]", "L<i:7> {L<a:2:6> X[a+1]}[i]*2"),
    ("X[90]", "L<i:7> {L<a:2:6> S<k:70> X[a+k]}[i+1]"),
    ("X[9]", "L<i:5> S<r:3> tanh({L<a:-2:4> S<k:-1:2> X[a+k+2]}[i+r-3])"),
    ("X[4,3]", "L<i:4> {L<> S<a:4,k:3> X[a,k]}[]*X[i,0]"),
    ("X[6]", "L<i:6> {L<a:6> S<k:3> {L<b:6> S<l:2> X[b+l]}[a+k]}[i] + {L<a:6> 0}[i]"),
]
OFFSET_ADDS = [
    # The last step of convolutions as products: 3x3, and transposed, naively and by residues.
    (
        "P[2,4,5,3,3,6] g[6] b[6]",
        "L<n:2,h:4,w:5,f:6> relu({L<n:2,h:4,w:5,f:6> S<r:3,s:3> P[n,h+r-1,w+s-1,r,s,f]}[n,h,w,f]"
        "*g[f] + b[f])",
    ),
    (
        "P[2,3,3,4,4,5]",
        "L<n:2,f:5,h:6,w:6> S<r:4,s:4> P[n,(h+1-r) div 2,(w+1-s) div 2,r,s,f]"
        "*[(h+1-r) mod 2 = 0]*[(w+1-s) mod 2 = 0]",
    ),
    (
        "P[2,3,3,4,4,5]",
        "L<n:2,h:6,w:6,f:5> S<r:2,s:2>"
        " P[n,(h+1) div 2-r,(w+1) div 2-s,2*r+(h+1) mod 2,2*s+(w+1) mod 2,f]",
    ),
]
CONVOLUTIONS = [
    # As they are: sums with guarded reads, too long to unroll.
    (
        "X[2,5,3,3] W[5,4,4,4]",
        "L<n:2,f:4,h:6,w:6> S<c:5,r:4,s:4> X[n,c,(h+1-r) div 2,(w+1-s) div 2]*W[c,f,r,s]"
        "*[(h+1-r) mod 2 = 0]*[(w+1-s) mod 2 = 0]",
    ),
    (
        "X[2,9,5,5] W[4,9,3,3]",
        "L<n:2,f:4,h:5,w:5> S<c:9,r:3,s:3> X[n,c,h+2*r-2,w+2*s-2]*W[f,c,r,s]",
    ),
]


@pytest.mark.parametrize(
    ("declarations", "expression"),
    [*POINTWISE, *MOVEMENTS, *SUMS, *NESTED, *OFFSET_ADDS, *CONVOLUTIONS],
    ids=lambda value: value if value.startswith("L") else "",
)
def test_generic_computes_the_expression(declarations: str, expression: str) -> None:
    check(program_of(declarations, expression))


@pytest.mark.parametrize(("declarations", "expression"), INTEGERS)
def test_integers(declarations: str, expression: str) -> None:
    check(program_of(declarations, expression, dtype="i64"))


def test_integers_have_no_exponential() -> None:
    with pytest.raises(NotEmittable, match="no operation computes exp in i64"):
        emitted(program_of("X[3]:i64", "L<i:3> exp(X[i])", dtype="i64"))


RESHAPES = [
    ("X[2,3,4]", "L<i:6,j:4> X[i div 3,i mod 3,j]"),
    ("X[6,4]", "L<i:2,j:3,k:2,l:2> X[3*i+j,2*k+l]"),
    ("X[4,6]", "L<i:6,j:4> X[(4*i+j) div 6,(4*i+j) mod 6]"),
    ("X[3,1,2]", "L<i:1,j:3,k:1,l:2> X[j,k,l]"),
    ("X[3,2]", "L<i:3,u:1,j:2> X[i,j+u]"),
    ("X[24]", "L<i:2,j:3,k:4> X[12*i+4*j+k]"),
]


@pytest.mark.parametrize(("declarations", "expression"), RESHAPES)
def test_reshape_is_a_view(declarations: str, expression: str) -> None:
    program = program_of(declarations, expression)
    assert "linalg" not in emitted(program)
    assert copies(program) == 0
    check(program)


@pytest.mark.parametrize(
    ("declarations", "expression"),
    [
        ("X[2,3]", "L<i:3,j:2> X[j,i]"),
        ("X[2,3]", "L<i:2,j:2> X[i,j]"),
        ("X[4]", "L<i:4> X[i]*[i mod 2 = 0]"),
        ("X[4]", "L<i:2,j:2> X[i+2*j]"),
    ],
)
def test_other_movements_are_no_reshapes(declarations: str, expression: str) -> None:
    assert "linalg.generic" in emitted(program_of(declarations, expression))


BATCH, M, N, K = ("b",), ("m", "p"), ("n",), ("k", "l")
EXTENTS = {"b": 2, "m": 3, "p": 2, "n": 4, "k": 5, "l": 2}


def product_program(a: str, b: str, batch: bool) -> Program:
    """`a` and `b` list the iterators of the operands in the order in which they hold them."""
    names = (*(BATCH if batch else ()), *M, *N)
    declarations = " ".join(
        f"{tensor}[{','.join(str(EXTENTS[i]) for i in order)}]"
        for tensor, order in (("A", a), ("B", b))
    )
    traversal = ",".join(f"{i}:{EXTENTS[i]}" for i in names)
    expression = f"L<{traversal}> S<k:5,l:2> A[{','.join(a)}]*B[{','.join(b)}]"
    return program_of(declarations, expression, product=Product(BATCH if batch else (), M, N, K))


@pytest.mark.parametrize("a", ["mpkl", "klmp"])
@pytest.mark.parametrize("b", ["kln", "nkl"])
def test_product_of_matrices(a: str, b: str) -> None:
    program = product_program(a, b, batch=False)
    assert 'einnet.library = "blas"' in emitted(program)
    assert "linalg.matmul" in emitted(program)
    assert copies(program) == 0
    check(program)


@pytest.mark.parametrize(
    ("a", "b", "name"),
    [
        ("bmpkl", "bkln", "batch_matmul"),
        ("bklmp", "bnkl", "batch_matmul"),
        ("klbmp", "bnkl", "contract"),
        ("mpklb", "nbkl", "contract"),
    ],
)
def test_product_with_batch(a: str, b: str, name: str) -> None:
    program = product_program(a, b, batch=True)
    assert f"linalg.{name}" in emitted(program)
    assert copies(program) == 0
    check(program)


@pytest.mark.parametrize(
    ("declarations", "expression", "product"),
    [
        ("A[5] B[5,4]", "L<n:4> S<k:5> A[k]*B[k,n]", Product((), (), ("n",), ("k",))),
        ("A[3,5] B[5]", "L<m:3> S<k:5> A[m,k]*B[k]", Product((), ("m",), (), ("k",))),
        ("A[3] B[4]", "L<m:3,n:4> A[m]*B[n]", Product((), ("m",), ("n",), ())),
        (
            "A[1,3,5] B[5,1,4]",
            "L<b:1,m:3,n:4> S<k:5> A[b,m,k]*B[k,b,n]",
            Product(("b",), ("m",), ("n",), ("k",)),
        ),
        (
            "A[2,5] B[2,5,4]",
            "L<b:2,n:4> S<k:5> A[b,k]*B[b,k,n]",
            Product(("b",), (), ("n",), ("k",)),
        ),
    ],
)
def test_product_with_empty_groups(declarations: str, expression: str, product: Product) -> None:
    program = program_of(declarations, expression, product=product)
    assert copies(program) == 0
    check(program)


@pytest.mark.parametrize(
    ("declarations", "expression", "product", "reason"),
    [
        (
            "A[3,5,2] B[5,4]",
            "L<m:3,p:2,n:4> S<k:5> A[m,k,p]*B[k,n]",
            Product((), M, N, ("k",)),
            "several pieces",
        ),
        (
            "A[3,6] B[5,4]",
            "L<m:3,n:4> S<k:5> A[m,k]*B[k,n]",
            Product((), ("m",), N, ("k",)),
            "whole tensors",
        ),
        (
            "A[3,5] B[5,4]",
            "L<m:3,n:4> S<k:5> 2*A[m,k]*B[k,n]",
            Product((), ("m",), N, ("k",)),
            "scaled",
        ),
    ],
)
def test_product_that_no_library_computes(
    declarations: str, expression: str, product: Product, reason: str
) -> None:
    program = program_of(declarations, expression, product=product)
    with pytest.raises(NotEmittable, match=reason):
        emitted(program)


@pytest.mark.parametrize(
    ("declarations", "expression"),
    [*POINTWISE, *MOVEMENTS, *SUMS, *NESTED, *OFFSET_ADDS, *CONVOLUTIONS, *RESHAPES],
    ids=lambda value: value if value.startswith("L") else "",
)
def test_lifting_gives_the_expression_back(declarations: str, expression: str) -> None:
    program = program_of(declarations, expression)
    context = make_context()
    lifted = lift_composed(emit_program(program, context))
    random = np.random.default_rng(2)
    inputs = {t.name: random.integers(0, PRIME, t.shape) for t in program.inputs}
    found = evaluate(inputs, lifted, Field())
    assert np.array_equal(found, evaluate(inputs, program, Field()))


PADDED = "L<n:2,f:8,h:6,w:6> S<c:9,r:3,s:3> X[n,c,h+r-1,w+s-1]*W[f,c,r,s]"
POOLED = "L<n:2,c:9,h:6,w:6> S<r:5,s:5> 1/25*X[n,c,h+r-2,w+s-2]"
STRETCHED = (
    "L<n:2,f:9,h:12,w:12> S<c:8,r:4,s:4> Y[n,c,(h+1-r) div 2,(w+1-s) div 2]*V[c,f,r,s]"
    "*[(h+1-r) mod 2 = 0]*[(w+1-s) mod 2 = 0]"
)
OPERANDS = "X[2,9,6,6]:f32 W[8,9,3,3]:f32 Y[2,8,6,6]:f32 V[8,9,4,4]:f32 b[8]:f32"


@pytest.mark.parametrize(
    ("expression", "operations"),
    [
        (PADDED, ["tensor.pad", "linalg.conv_2d_nchw_fchw"]),
        (POOLED, ["tensor.pad", "linalg.generic"]),
        (STRETCHED, ["tensor.pad", "linalg.generic", "linalg.transpose", "tensor.collapse_shape"]),
        (
            f"L<n:2,f:8,h:6,w:6> tanh({{{PADDED}}}[n,f,h,w] + b[f])",
            ["tensor.pad", "linalg.conv_2d_nchw_fchw", "linalg.generic"],
        ),
    ],
    ids=["convolution", "average pooling", "transposed convolution", "convolution and activation"],
)
def test_no_sum_asks_where_it_is(expression: str, operations: list[str]) -> None:
    """Convolutions and poolings run over padded operands; one operation has the label."""
    program = program_of(OPERANDS, expression, dtype="f32")
    module = emitted(program)
    assert "arith.select" not in module and "tensor.extract " not in module
    found = re.findall(r"(?:linalg|tensor)\.(?!yield|empty|fill|index)\w+", module)
    assert found == operations
    assert module.count('einnet.label = "label of v0"') == 1
    check(program, tolerance=1e-4)


def test_transposed_convolution_as_product_and_offset_add() -> None:
    """Relayouts, weight folding in @prepare, a product, a fused offset-add: a whole plan."""
    known = tensors("X[2,3,4,4] W[3,5,4,4] g[5] b[5]")
    inputs = tuple(known.values())
    relayout = define("V", "L<n:2,h:4,w:4,c:3> X[n,c,h,w]", known)
    folded = define("U", "L<c:3,r:4,s:4,f:5> W[c,f,r,s]*g[f]", known)
    known |= {d.result.name: d.result for d in (relayout, folded)}
    product = define(
        "P",
        "L<n:2,h:4,w:4,r:4,s:4,f:5> S<c:3> V[n,h,w,c]*U[c,r,s,f]",
        known,
        Product((), ("n", "h", "w"), ("r", "s", "f"), ("c",)),
    )
    known["P"] = product.result
    result = define(
        "Y",
        "L<n:2,f:5,h:8,w:8> relu({L<n:2,h:8,w:8,f:5> S<r:2,s:2> P[n,(h+1) div 2-r,"
        "(w+1) div 2-s,2*r+(h+1) mod 2,2*s+(w+1) mod 2,f]}[n,h,w,f]+b[f])",
        known,
    )
    statements = (relayout, folded, product, result)
    weights = frozenset(("W", "g", "b"))
    program = Program("main", inputs, statements, (result.result,), weights)
    check_program(program)
    check(program)
    assert copies(program) == 0
    module = emit_program(program, make_context())
    wanted = [text(a, "einnet.weight") for a in argument_attributes(function(module, "prepare"))]
    assert wanted == ["W", "g"]
    main = [str(a) for a in argument_attributes(function(module, "main"))]
    assert main == [
        '{einnet.name = "X"}',
        '{einnet.weight = "b"}',
        "{einnet.constant = 0 : i64}",
    ]
    labels = [definition.label for definition in program.definitions]
    assert [label for label in labels if f'"{label}"' in str(module)] == labels


def test_residues_leave_only_live_terms() -> None:
    """Four taps of sixteen, whether the sum runs over these alone or guards say which they are."""
    for case in OFFSET_ADDS[1:]:
        text = emitted(program_of(*case))
        assert text.count("tensor.extract ") == 4
        assert "floordivsi" not in text


def test_batch_normalization_folds_into_weights() -> None:
    check(
        program_of(
            "x[3] W[4,3] g[4] v[4] m[4] b[4]",
            "L<f:4> g[f]*rsqrt(v[f]*v[f]+1/1000)",
            "L<f:4,c:3> W[f,c]*v0[f]",
            "L<f:4> S<c:3> v1[f,c]*x[c] + 1/3*b[f] - 1/3*m[f]*v0[f]",
        )
    )


def test_half_precision_sums_in_f32() -> None:
    program = program_of("X[3,100]:f16", "L<i:3> S<k:100> X[i,k]", dtype="f16")
    module = emitted(program)
    assert "tensor<3xf32>" in module
    assert "arith.extf" in module
    assert "arith.truncf" in module
    moved = emitted(program_of("X[3,4]:bf16", "L<i:5,j:4> X[i-1,j]", dtype="bf16"))
    assert "extf" not in moved


def test_kernels_are_numbered() -> None:
    module = emitted(
        program_of(
            "X[4,90]",
            "L<i:4> tanh({L<a:4> S<k:90> X[a,k]}[i])",
            "L<i:4> v0[i]+1",
            "L<i:2,j:2> v1[2*i+j]",
        )
    )
    assert [module.count(f"einnet.kernel = {n} ") for n in range(4)] == [2, 1, 1, 0]


OPAQUE = """
func.func private @helper(tensor<4xf64>) -> tensor<4xf64>
func.func @main(%x: tensor<4xf64> {einnet.name = "x/in"}, %n: index,
                %w: tensor<4xf64> {einnet.weight = "w"}) -> (tensor<4xf64> {einnet.name = "y"}) {
  %c1 = arith.constant 1 : index
  %m = arith.addi %n, %c1 : index
  %0 = func.call @helper(%x) : (tensor<4xf64>) -> tensor<4xf64>
  %1 = tensor.generate {
  ^bb0(%i: index):
    %j = arith.remui %m, %i : index
    %e = tensor.extract %0[%j] : tensor<4xf64>
    tensor.yield %e : f64
  } : tensor<4xf64>
  return %1 : tensor<4xf64>
}
"""


def test_opaque_operations_are_copied() -> None:
    """With what their regions use from outside, which the program may have changed meanwhile."""
    context = make_context()
    source = ir.Module.parse(OPAQUE, context)
    program = lift_function(function(source, "main"))
    call, generate = (s for s in program.statements if isinstance(s, Opaque) if s.handle >= 2)
    (called,) = call.results
    scaled = define("s", f"L<i:4> 2*{called.name}[i]", {called.name: called})
    operands = tuple(scaled.result if t == called else t for t in generate.operands)
    statements = (*program.statements[:-1], scaled, replace(generate, operands=operands))
    printed = str(emit_program(replace(program, statements=statements), context, source))
    assert "func.func private @helper" in printed
    assert '%arg0: tensor<4xf64> {einnet.name = "x/in"}, %arg1: index)' in printed
    assert 'einnet.name = "y"' in printed
    (value,) = (line.split()[0] for line in printed.splitlines() if "linalg.generic" in line)
    assert f"tensor.extract {value}[" in printed[printed.index("tensor.generate") :]


def test_lifted_module_with_opaque_operations_is_emitted_again() -> None:
    context = make_context()
    source = ir.Module.parse(OPAQUE, context)
    program = lift_function(function(source, "main"))
    assert any(isinstance(s, Opaque) for s in program.statements)
    module = emit_program(program, context, source)
    again = lift_function(function(module, "main"))
    texts = [[s.operation for s in p.statements if isinstance(s, Opaque)] for p in (program, again)]
    assert texts[0] == texts[1]


def test_source_with_a_prepare_of_its_own_is_refused() -> None:
    context = make_context()
    source = ir.Module.parse("func.func private @prepare()\n" + OPAQUE, context)
    program = lift_function(function(source, "main"))
    with pytest.raises(InputError, match="@prepare"):
        emit_program(program, context, source)


def test_definition_replaces_one_operation_in_place() -> None:
    """How a pass for one rule uses it: at an insertion point, on values of its own."""
    context = make_context()
    module = ir.Module.parse(OPAQUE, context)
    operation = function(module, "main").regions[0].blocks[0].operations[2]
    x = tensors("x[4]")
    with ir.InsertionPoint(operation), ir.Location.unknown(context):
        value = emit_definition(define("y", "L<i:4> x[i]*x[i]", x), {"x": operation.operands[0]})
    operation.results[0].replace_all_uses_with(value)
    operation.operation.erase()
    module.operation.verify()
    assert 'einnet.label = "label of y"' in str(module)
