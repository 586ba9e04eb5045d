"""Other systems that the same model runs on, for comparison in one process."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from einnet.codegen.cpu.call import Array
from einnet.errors import Location, ToolchainError


def onnxruntime_runner(
    model: Path, threads: int, inputs: Mapping[str, Array]
) -> tuple[Callable[[], list[Array]], str]:
    """A call that runs the model once in ONNX Runtime on the CPU, and the runtime's version.

    All graph optimizations are on; `threads` is the number of threads inside an operator. Raises
    ToolchainError if the runtime is not installed or refuses the model.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ToolchainError(
            "ONNX Runtime is not installed", hint="pip install 'einnet[bench]'"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    try:
        session = onnxruntime.InferenceSession(
            str(model), options, providers=["CPUExecutionProvider"]
        )
    except _refusals() as error:
        raise ToolchainError(
            f"ONNX Runtime {onnxruntime.__version__} does not take the model: {error}",
            location=Location(str(model)),
        ) from error
    feeds = dict(inputs)

    def run() -> list[Array]:
        return [np.asarray(result) for result in session.run(None, feeds)]

    return run, onnxruntime.__version__


def _refusals() -> tuple[type[Exception], ...]:
    """ONNX Runtime's exceptions, which have no base class of their own."""
    state = importlib.import_module("onnxruntime.capi.onnxruntime_pybind11_state")

    return (
        state.Fail,
        state.InvalidArgument,
        state.InvalidGraph,
        state.InvalidProtobuf,
        state.NotImplemented,
        state.RuntimeException,
    )
