"""Running imported linalg as it stands: scalar loops, LLVM's JIT, no part of einnet's compiler."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np
from mlir import ir
from mlir.execution_engine import ExecutionEngine
from mlir.runtime import (
    get_ranked_memref_descriptor,
    make_nd_memref_descriptor,
    ranked_memref_to_numpy,
)
from numpy.typing import NDArray

from einnet.frontend.model import ImportedModel
from einnet.toolchain import tools
from einnet.toolchain.mlir import make_context, parse_module, run_pipeline

Array = NDArray[np.float32]

_LAYOUT = (
    "function-boundary-type-conversion=identity-layout-map "
    "unknown-type-conversion=identity-layout-map"
)
LOOPS = (
    "builtin.module(canonicalize,cse,func.func(linalg-fuse-elementwise-ops),"
    f"one-shot-bufferize{{bufferize-function-boundaries=1 {_LAYOUT}}},canonicalize,"
    "func.func(convert-linalg-to-loops),expand-realloc,expand-strided-metadata,lower-affine,"
    "convert-scf-to-cf,arith-expand,memref-expand,convert-math-to-llvm,convert-math-to-libm,"
    "convert-index-to-llvm,finalize-memref-to-llvm,convert-arith-to-llvm,convert-func-to-llvm,"
    "convert-cf-to-llvm,reconcile-unrealized-casts)"
)


def run(model: ImportedModel, inputs: Sequence[Array]) -> Array:
    """The single f32 output of `model`; its buffer is never freed."""
    context = make_context()
    with context:
        module = parse_module(model.mlir, context)
        entry = module.body.operations[0]
        entry.attributes["llvm.emit_c_interface"] = ir.UnitAttr.get()
        run_pipeline(module, LOOPS)
        (folder,) = tools.package_folders("mlir")
        library = folder / "lib" / "libmlir_c_runner_utils.so"
        engine = ExecutionEngine(module, 2, [str(library)])
        rank = len(model.outputs[0].shape)
        result = make_nd_memref_descriptor(rank, ctypes.c_float)()
        arrays = [*map(np.ascontiguousarray, inputs), *map(np.array, model.weights.values())]
        descriptors = [get_ranked_memref_descriptor(array) for array in arrays]
        pointers = [
            ctypes.pointer(ctypes.pointer(descriptor)) for descriptor in (result, *descriptors)
        ]
        engine.invoke(model.entry, *pointers)
        return np.array(ranked_memref_to_numpy(pointers[0][0]))
