"""A lowered module to a shared library: code that runs without MLIR.

LLVM's own tools compile it, in child processes, and `cc` links it. Calls of BLAS stay unresolved
until the library is loaded.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from mlir import ir
from mlir.dialects import llvm

from einnet.codegen.cpu.lower import Lowered
from einnet.codegen.cpu.target import Target, make_target
from einnet.errors import ToolchainError
from einnet.toolchain import tools
from einnet.toolchain.child import run_child
from einnet.toolchain.mlir import make_context, parse_module


def build_library(lowered: Lowered, path: Path, target: Target | None = None) -> Target:
    """Compile `lowered` into the shared library `path`, by default for this very host.

    Returns what it was compiled for. `ToolchainError`: `opt`, `llc` or `cc` is missing or fails.
    """
    target = target or make_target()
    opt, llc, cc = (str(tools.require(name).path) for name in ("opt", "llc", "cc"))
    with tempfile.TemporaryDirectory(prefix="einnet-") as folder:
        source, optimized, code = (
            str(Path(folder) / name) for name in ("program.ll", "program.bc", "program.o")
        )
        Path(source).write_text(_llvm_ir(lowered), encoding="utf-8")
        machine = [f"-mtriple={target.machine}-unknown-linux-gnu", f"-mcpu={target.cpu}"]
        _run([opt, "-O3", *machine, source, "-o", optimized])
        _run(
            [llc, "-O3", *machine, "-relocation-model=pic", "-filetype=obj", optimized, "-o", code]
        )
        _run([cc, "-shared", "-o", str(path), code, "-lm"])
    return target


def _llvm_ir(lowered: Lowered) -> str:
    context = make_context()
    with context, ir.Location.unknown():
        module = parse_module(lowered.text, context, "<lowered>")
        return llvm.translate_module_to_llvmir(  # pyright: ignore[reportAttributeAccessIssue]
            module.operation
        )


def _run(command: Sequence[str]) -> None:
    done = run_child(command)
    if done.status:
        raise ToolchainError(
            f"{Path(command[0]).name} failed: {done.stderr.strip() or 'without a message'}"
        )
