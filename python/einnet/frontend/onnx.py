"""ONNX models -> linalg on tensors, through torch-mlir in a child process.

torch-mlir is built on another LLVM: only its text crosses to MLIR 22, and it may crash or hang, so
it never runs in this process.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import NoReturn

from mlir import ir
from mlir.dialects import func

from einnet.bridge.attributes import NAME, WEIGHT
from einnet.errors import InputError, Location, ToolchainError
from einnet.frontend.model import ImportedModel, ports
from einnet.toolchain import tools
from einnet.toolchain.child import ChildResult, run_child
from einnet.toolchain.mlir import make_context, parse_module, run_pipeline

try:
    import onnx
    from google.protobuf.message import DecodeError
except ImportError as error:
    raise ToolchainError(
        f"reading an ONNX model needs the onnx package: {error}", hint="pip install 'einnet[onnx]'"
    ) from error

from einnet.frontend.onnx_prepare import ENTRY, Prepared, describe, fail, prepare

TIME_LIMIT_S = 300.0
"""For each of torch-mlir's steps; the largest network measured took 3 s."""

MEMORY_LIMIT = 8 * 2**30
"""Address space for each of torch-mlir's steps, in bytes; weights do not pass through it."""

_STEM = 40
"""Characters of a model's name that the temporary folder is called by."""

_TO_TORCH = "torch-onnx-to-torch-backend-pipeline"
_TO_LINALG = "torch-backend-to-linalg-on-tensors-backend-pipeline"


_TM_TENSOR = frozenset(
    {
        "CumSum",
        "NonMaxSuppression",
        "Scatter",
        "ScatterElements",
        "ScatterND",
        "TopK",
    }
)
"""Operators that torch-mlir lowers to operations of its own dialect."""


def import_onnx(
    path: Path, *, batch: int | None = None, time_limit: float = TIME_LIMIT_S
) -> ImportedModel:
    """Import the ONNX model at `path`, `batch` put for a symbolic first dimension of its inputs.

    The function is `@main`: the model's inputs in order, then its weights (every float constant
    that is learned) in the order of first use. Raises `InputError`, naming the node, for what is
    not supported, and `ToolchainError` if torch-mlir is missing, crashes or hangs.
    """
    prepared = prepare(_load(path), batch, str(path))
    text = _compile(prepared, path, time_limit)
    context = make_context()
    with context:
        module = parse_module(text, context, f"{path} (as torch-mlir's linalg)")
        function = _sole_function(module, path)
        _annotate(function, prepared)
        # torch-mlir leaves the global seed of its random numbers behind.
        run_pipeline(module, "builtin.module(symbol-dce)", str(path))
        inputs, weights, outputs = ports(function, str(path))
        assert [port.name for port in weights] == list(prepared.weights)
        return ImportedModel(
            str(module), prepared.weights, inputs, outputs, path, function.name.value
        )


def _load(path: Path) -> onnx.ModelProto:
    """Read the whole model, tensors stored in files beside it included."""
    file = str(path)
    if not os.path.isfile(path):
        fail(file, "there is no such file")
    try:
        return onnx.load(path)
    except DecodeError as error:
        raise InputError(
            f"this is not an ONNX model: {error}",
            location=Location(file),
            hint="the file may be cut short, or of another format; write it again",
        ) from error
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        raise InputError(
            f"the model's external data cannot be read: {error}",
            location=Location(file),
            hint="keep the data files where the model names them, relative to the model",
        ) from error


def _compile(prepared: Prepared, path: Path, time_limit: float) -> str:
    """The linalg text that torch-mlir makes of a prepared model."""
    with _workplace(path) as folder:
        model, torch = folder / "model.onnx", folder / "model.torch.mlir"
        onnx.save(prepared.model, model)
        importer = [sys.executable, "-m", "torch_mlir.tools.import_onnx", str(model)]
        importer += ["--temp-dir", str(folder), "-o", str(torch)]
        imported = run_child(importer, "", time_limit, MEMORY_LIMIT, location=Location(str(path)))
        if imported.status != 0:
            _explain_import(imported, path)
        lowered = _run_opt(f"{_TO_TORCH},{_TO_LINALG}", torch, path, time_limit)
        if lowered.status != 0:
            partial = _run_opt(_TO_TORCH, torch, path, time_limit)
            _explain_lowering(lowered, partial, torch.read_text(encoding="utf-8"), prepared, path)
    if "tm_tensor." in lowered.stdout:
        _explain_foreign(lowered.stdout, prepared, path)
    return lowered.stdout


@contextlib.contextmanager
def _workplace(path: Path) -> Generator[Path]:
    """A temporary folder, kept if torch-mlir failed so that the command in the message works."""
    folder = Path(tempfile.mkdtemp(prefix=f"einnet-{path.stem[:_STEM]}-"))
    yield folder
    shutil.rmtree(folder)


def _run_opt(passes: str, source: Path, path: Path, time_limit: float) -> ChildResult:
    """Run torch-mlir-opt on a file."""
    tool = tools.require("torch-mlir-opt")
    return run_child(
        [
            str(tool.path),
            f"--pass-pipeline=builtin.module({passes})",
            str(source),
        ],
        "",
        time_limit,
        MEMORY_LIMIT,
        location=Location(str(path)),
    )


def _explain_import(result: ChildResult, path: Path) -> NoReturn:
    """Raise the error of a failed import."""
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    if any("No module named 'torch_mlir" in line for line in lines):
        raise ToolchainError(
            "reading an ONNX model needs torch-mlir", hint="pip install 'einnet[onnx]'"
        )
    raise InputError(
        f"torch-mlir cannot import the model: {lines[-1] if lines else 'it gave no reason'}",
        location=Location(str(path)),
        reproduce=result.command,
    )


def _explain_lowering(
    result: ChildResult, partial: ChildResult, torch: str, prepared: Prepared, path: Path
) -> NoReturn:
    """Raise the error of a failed lowering, located at the node that caused it.

    An operator without a pattern survives the first pipeline, while the second often blames a
    constant beside it: so what survived is named first.
    """
    survivor = re.search(r'torch\.operator "onnx\.(\w+)"', partial.stdout)
    reported = re.search(
        r"^.*?:(\d+):\d+: error: (.*)$", partial.stderr or result.stderr, re.MULTILINE
    )
    if survivor:
        operator = survivor.group(1)
        names = [node.name for node in prepared.model.graph.node if node.op_type == operator]
        subject = f"node '{names[0]}' ({operator})" if len(names) == 1 else f"operator {operator}"
        others = f"; it is one of: {', '.join(names[:8])}" if len(names) > 1 else ""
        message = f"{subject} is not supported by torch-mlir in this form{others}"
    elif reported:
        node = _node_at(torch, int(reported.group(1)), prepared)
        subject = describe(node) if node else "the model"
        message = f"{subject} is not supported by torch-mlir: {reported.group(2)}"
    else:
        message = "the model is not supported by torch-mlir, which gave no reason"
    raise InputError(message, location=Location(str(path)), reproduce=result.command)


def _explain_foreign(linalg: str, prepared: Prepared, path: Path) -> NoReturn:
    """Raise the error of a module with operations that only torch-mlir has."""
    operations = set(re.findall(r"\btm_tensor\.(?!yield\b)\w+", linalg))
    nodes = [node for node in prepared.model.graph.node if node.op_type in _TM_TENSOR]
    subject = describe(nodes[0]) if nodes else "the model"
    fail(str(path), f"{subject} becomes {', '.join(sorted(operations))}, which MLIR does not have")


def _node_at(torch: str, line: int, prepared: Prepared) -> onnx.NodeProto | None:
    """The node that the importer wrote at a line: it keeps the order of each operator's nodes."""
    lines = torch.splitlines()
    if not 1 <= line <= len(lines):
        return None
    written = re.search(r'torch\.operator "onnx\.(\w+)"', lines[line - 1])
    if written is None:
        return None
    before = sum(written.group(0) in text for text in lines[: line - 1])
    nodes = [node for node in prepared.model.graph.node if node.op_type == written.group(1)]
    return nodes[before] if before < len(nodes) else None


def _sole_function(module: ir.Module, path: Path) -> func.FuncOp:
    functions = [operation for operation in module.body if isinstance(operation, func.FuncOp)]
    if len(functions) != 1 or functions[0].name.value != ENTRY:
        fail(str(path), "control flow in the model is not supported by torch-mlir")
    return functions[0]


def _annotate(function: func.FuncOp, prepared: Prepared) -> None:
    """Write the names of inputs, weights and outputs on the function."""

    def named(key: str, name: str) -> ir.DictAttr:
        return ir.DictAttr.get({key: ir.StringAttr.get(name)})

    function.arg_attrs = [
        *(named(NAME, name) for name in prepared.inputs),
        *(named(WEIGHT, name) for name in prepared.weights),
    ]
    function.attributes["res_attrs"] = ir.ArrayAttr.get(
        [named(NAME, name) for name in prepared.outputs]
    )
