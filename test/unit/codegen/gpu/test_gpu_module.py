"""Host functions launch what their tensor functions mean: run operation by operation on NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from emulate import DTYPES, Memory, run_on
from mlir import ir
from mlir.dialects import func
from numpy.typing import NDArray

from einnet.bridge.lift import lift_function
from einnet.codegen.gpu.frame import Kernel
from einnet.codegen.gpu.module import gpu_module
from einnet.expr.interpreter import Float64, dense, evaluate_everywhere
from einnet.toolchain.mlir import make_context, parse_module

Array = NDArray[Any]

MATMUL = "ins(%at, %bt : tensor<6x4xf32>, tensor<4x8xf32>) outs(%init : tensor<6x8xf32>)"

FUNCTIONS = {
    # A pad, a sum with an initial value, a function of it: temporaries that share the arena.
    "chain": """
      func.func @f(%x: tensor<5x60xf32>, %init: tensor<5xf32>) -> tensor<5xf32> {
        %zero = arith.constant 0.0 : f32
        %wide = tensor.pad %x low[0, 2] high[0, 2] {
        ^bb0(%i: index, %j: index):
          tensor.yield %zero : f32
        } : tensor<5x60xf32> to tensor<5x64xf32>
        %e = tensor.empty() : tensor<5x64xf32>
        %t = linalg.tanh ins(%wide : tensor<5x64xf32>) outs(%e : tensor<5x64xf32>)
          -> tensor<5x64xf32>
        %s = linalg.reduce { arith.addf } ins(%t : tensor<5x64xf32>) outs(%init : tensor<5xf32>)
          dimensions = [1]
        %e1 = tensor.empty() : tensor<5xf32>
        %y = linalg.exp ins(%s : tensor<5xf32>) outs(%e1 : tensor<5xf32>) -> tensor<5xf32>
        return %y : tensor<5xf32>
      }""",
    # Calls, between kernels, on operands that are views and with an initial value.
    "calls": f"""
      func.func @f(%a: tensor<4x6xf32>, %b: tensor<8x4xf32>, %init: tensor<6x8xf32>)
          -> (tensor<6x8xf32>, tensor<6x8xf32>) {{
        %e0 = tensor.empty() : tensor<6x4xf32>
        %at = linalg.transpose ins(%a : tensor<4x6xf32>) outs(%e0 : tensor<6x4xf32>)
          permutation = [1, 0]
        %e1 = tensor.empty() : tensor<4x8xf32>
        %n = linalg.negf ins(%b : tensor<8x4xf32>) outs(%b : tensor<8x4xf32>) -> tensor<8x4xf32>
        %bt = linalg.transpose ins(%n : tensor<8x4xf32>) outs(%e1 : tensor<4x8xf32>)
          permutation = [1, 0]
        %p = linalg.matmul {{einnet.library = "blas"}} {MATMUL} -> tensor<6x8xf32>
        %y = linalg.exp ins(%p : tensor<6x8xf32>) outs(%p : tensor<6x8xf32>) -> tensor<6x8xf32>
        return %y, %p : tensor<6x8xf32>, tensor<6x8xf32>
      }}""",
    # Outputs twice, an output that is an input, scalars.
    "outputs": """
      func.func @f(%x: tensor<f32>) -> (tensor<f32>, tensor<f32>, tensor<f32>) {
        %e = tensor.empty() : tensor<f32>
        %y = linalg.negf ins(%x : tensor<f32>) outs(%e : tensor<f32>) -> tensor<f32>
        return %y, %x, %y : tensor<f32>, tensor<f32>, tensor<f32>
      }""",
}


class Host:
    """Runs a host function; arrays are the memory, views of one share it."""

    def __init__(self, module: ir.Module, calls: Any) -> None:
        self.module, self.calls = module, calls
        self.values: dict[ir.Value, Any] = {}

    def run(self, arrays: list[Array]) -> None:
        (function,) = (
            o for o in self.module.body.operations
            if isinstance(o, func.FuncOp) and not o.is_external
        )  # fmt: skip
        (block,) = function.regions[0].blocks
        types = [ir.MemRefType(a.type) for a in block.arguments]
        arena = np.full(types[-1].shape[0], 0xFF, np.uint8)
        for argument, type_, array in zip(block.arguments, types, [*arrays, arena], strict=True):
            assert tuple(type_.shape) == array.shape
            self.values[argument] = array
        for view in block.operations:
            results = self.operation(view.operation)
            self.values.update(zip(view.operation.results, results, strict=True))

    def operation(self, op: ir.Operation) -> list[Any]:
        operands: list[Any] = [self.values[v] for v in op.operands]
        if op.name == "arith.constant":
            return [ir.IntegerAttr(op.attributes["value"]).value]
        if op.name == "func.return":
            return []
        if op.name == "gpu.memcpy":
            target, source = operands
            target[...] = source
            return []
        if op.name == "func.call":
            self.calls(*operands)
            return []
        if op.name == "gpu.launch_func":
            grid, block = tuple(operands[:3]), tuple(operands[3:6])
            symbol = str(op.attributes["kernel"]).rpartition("@")[2]
            memories = [
                Memory(f"argument {n}", a, np.ones(a.size, bool), shape=a.shape)
                for n, a in enumerate(operands[6:])
            ]
            # What the arena holds may be overwritten: only the last one is.
            for memory in memories[:-1]:
                memory.read_only = True
            memories[-1].written[:] = False
            run_on(Kernel(symbol, str(self.module), grid, block, 0, ()), memories)
            assert memories[-1].written.all()
            return []
        type_ = ir.MemRefType(op.results[0].type)
        if op.name == "memref.view":
            arena, offset = operands
            flat = arena[offset:].view(np.uint8)
            dtype = np.dtype(DTYPES[str(type_.element_type)])
            return [flat[: type_.shape[0] * dtype.itemsize].view(dtype)]
        if op.name in ("memref.collapse_shape", "memref.expand_shape"):
            return [operands[0].reshape(type_.shape)]
        assert op.name == "memref.reinterpret_cast"
        strides, offset = type_.get_strides_and_offset()
        base = operands[0][offset:]
        steps = [s * base.itemsize for s in strides]
        return [np.lib.stride_tricks.as_strided(base, type_.shape, steps)]


def add_product(a: Array, b: Array, c: Array, d: Array) -> None:
    d[...] = a @ b + c


@pytest.mark.parametrize("name", FUNCTIONS)
def test_meaning(name: str) -> None:
    module = parse_module(FUNCTIONS[name], make_context())
    (function,) = module.body.operations
    assert isinstance(function, func.FuncOp)
    program = lift_function(function)
    generator = np.random.default_rng(5)
    values: dict[str, Array] = {
        t.name: np.asarray(generator.uniform(-1, 1, t.shape)) for t in program.inputs
    }
    values = {n: a.astype(np.float32).astype(np.float64) for n, a in values.items()}
    inputs = [values[t.name].astype(np.float32) for t in program.inputs]
    for definition in program.definitions:
        values[definition.result.name] = evaluate_everywhere(
            definition.scope, dense(values), Float64()
        )
    outputs: list[Array] = [np.full(t.shape, np.nan, np.float32) for t in program.outputs]
    before = str(module)
    host = gpu_module(module, "<test>")
    assert str(module) == before
    Host(host, add_product).run([*inputs, *outputs])
    for tensor, array in zip(program.outputs, outputs, strict=True):
        np.testing.assert_allclose(array, values[tensor.name], rtol=1e-5, atol=1e-5)


def test_equal_kernels_are_one() -> None:
    text = "".join(
        f"""func.func @{n}(%x: tensor<8xf32>) -> tensor<8xf32> {{
          %y = linalg.negf ins(%x : tensor<8xf32>) outs(%x : tensor<8xf32>) -> tensor<8xf32>
          return %y : tensor<8xf32>
        }}"""
        for n in "fg"
    )
    made = str(gpu_module(parse_module(text, make_context()), "<test>"))
    assert made.count("gpu.func @") == 1 and made.count("gpu.launch_func") == 2


def test_declarations_stay() -> None:
    text = "func.func private @other(memref<4xf32>) -> i32"
    made = gpu_module(parse_module(text, make_context()), "<test>")
    assert text in str(made)
