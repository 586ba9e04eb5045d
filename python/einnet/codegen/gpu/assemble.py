"""Kernels as MLIR text to machine code: upstream passes to PTX in process, then ptxas to a cubin.

The modules come from our own builders, whose operations are few and known to lower, so that the
passes run in this process. What MLIR 22 or LLVM would abort on is refused before: memrefs of i1,
and chips that need a newer PTX than the one asked for. `gpu-module-to-binary` could run ptxas
itself, but keeps its report of registers and spills to itself.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from mlir import ir
from mlir.dialects import gpu

from einnet.codegen.gpu.context import kernel_context
from einnet.errors import InputError, ToolchainError
from einnet.options import CHIPS
from einnet.toolchain import tools
from einnet.toolchain.child import run_child
from einnet.toolchain.mlir import parse_module, run_pipeline

_PTX = "+ptx80"
"""The oldest PTX that all of them exist in: the driver never sees PTX, only ptxas does."""

# Bare pointers make a kernel's parameters the addresses alone. convert-gpu-to-nvvm lowers vectors
# too; convert-vector-to-llvm would report vectors in shared memory, whose address space it does not
# know, as errors and go on, and the bindings abort on errors of a pass that succeeds. libdevice is
# linked by gpu-module-to-binary where the bindings or CUDA_HOME have it; only math.sqrt and
# functions without an instruction of their own (exp, tanh, erf, log) need it.
LOWERING = (
    "convert-scf-to-cf",
    "lower-affine",
    "convert-gpu-to-nvvm{use-bare-ptr-memref-call-conv=true}",
    "convert-arith-to-llvm",
    "convert-nvvm-to-llvm",
    "canonicalize",
    "cse",
    "reconcile-unrealized-casts",
)
"""The passes that make a `gpu.module` of kernels one of the dialects llvm and nvvm."""

_PTXAS_SECONDS = 300.0


@dataclass(frozen=True)
class Resources:
    """What ptxas says that a kernel needs: registers of a thread, bytes of a thread's spills
    (stores and loads added) and of its stack frame, bytes of a block's static shared memory."""

    registers: int
    spill_bytes: int
    local_bytes: int
    static_shared_bytes: int


@dataclass(frozen=True)
class Binary:
    """Machine code for one chip, the PTX it came from, and each kernel's needs by its symbol."""

    cubin: bytes
    ptx: str
    resources: Mapping[str, Resources]


def check_chip(chip: str) -> None:
    """Raise `InputError` for a chip that is not among `CHIPS`."""
    if chip not in CHIPS:
        raise InputError(
            f"no kernels are made for the chip '{chip}'", hint=f"there are: {', '.join(CHIPS)}"
        )


def nvvm_pipeline() -> str:
    """The pipeline from a module of `gpu.func`s to one of the dialects llvm and nvvm."""
    return f"builtin.module({_NVVM})"


def binary_pipeline(chip: str) -> str:
    """The pipeline from there to a `gpu.binary` of PTX. Raises `InputError` as `check_chip`."""
    check_chip(chip)
    return f"builtin.module({_binary(chip)})"


def lowering_pipeline(chip: str) -> str:
    """Both pipelines in one, as `mlir-opt` takes it. Raises `InputError` as `check_chip`."""
    check_chip(chip)
    return f"builtin.module({_NVVM},{_binary(chip)})"


_NVVM = f"gpu.module({','.join(LOWERING)})"


def _binary(chip: str) -> str:
    return (
        f"nvvm-attach-target{{chip={chip} features={_PTX} O=3}},gpu-module-to-binary{{format=isa}}"
    )


def assemble(module: str, chip: str) -> Binary:
    """The machine code of a `builtin.module` that holds one `gpu.module` of kernels (`gpu.func`s
    of memrefs, block sizes known) for `chip`.

    Raises `ToolchainError` if ptxas is missing.
    """
    (binary,) = assemble_all((module,), chip)
    return binary


def assemble_all(modules: Sequence[str], chip: str) -> tuple[Binary, ...]:
    """`assemble` of each module, with a ptxas for each processor at a time."""
    pipeline = lowering_pipeline(chip)
    tools.require("ptxas")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        assembled = [
            pool.submit(assemble_ptx, to_ptx(module, pipeline), chip) for module in modules
        ]
        return tuple(future.result() for future in assembled)


def to_ptx(module: str, pipeline: str) -> str:
    """The PTX of a module of kernels; `pipeline` is `lowering_pipeline`'s for PTX."""
    if found := _ABORTS.search(module):
        raise AssertionError(f"MLIR 22 aborts on loads and stores of a {found.group()}...")
    context = kernel_context()
    with context, ir.Location.unknown(context):
        parsed = parse_module(module, context, "<kernels>")
        run_pipeline(parsed, pipeline, "<kernels>")
        return _object_of(parsed)


_ABORTS = re.compile(r"memref<(?:[^<>]*x)?i1[,>]")
"""Memory of truth values: the lowering of its loads and stores fails an assertion."""


def _object_of(module: ir.Module) -> str:
    """The text in the only object of the only `gpu.binary` of a module."""
    (binary,) = (op for op in module.body.operations if op.operation.name == "gpu.binary")
    (attribute,) = cast(ir.ArrayAttr, binary.operation.attributes["objects"])
    # The class comes from the bindings' extension, where the stubs do not see it.
    content = gpu.ObjectAttr(attribute).object  # pyright: ignore[reportAttributeAccessIssue]
    return cast(bytes, content).rstrip(b"\0").decode()


def assemble_ptx(ptx: str, chip: str) -> Binary:
    """The machine code of PTX for `chip`. Raises `ToolchainError` if ptxas is missing, or functions
    that libdevice has."""
    ptxas = str(tools.require("ptxas").path)
    if unresolved := re.search(r"\.extern \.func .*?(__nv_\w+)", ptx, re.DOTALL):
        raise ToolchainError(
            f"a kernel calls {unresolved.group(1)}, and these MLIR bindings hold no libdevice",
            hint="set CUDA_HOME to a CUDA toolkit that has nvvm/libdevice",
        )
    with tempfile.TemporaryDirectory(prefix="einnet-") as folder:
        source, target = Path(folder, "kernels.ptx"), Path(folder, "kernels.cubin")
        source.write_text(ptx, encoding="utf-8")
        command = [ptxas, "-v", "-O3", f"-arch={chip}", str(source), "-o", str(target)]
        done = run_child(command, timeout=_PTXAS_SECONDS)
        report = done.stdout + done.stderr
        if done.status:
            raise AssertionError(f"ptxas refuses a kernel: {report}\n{_reproduce(command, ptx)}")
        return Binary(target.read_bytes(), ptx, _resources(report))


def _reproduce(command: Sequence[str], ptx: str) -> str:
    """Keep the PTX in a file, and the command that assembles it."""
    descriptor, path = tempfile.mkstemp(prefix="einnet-", suffix=".ptx")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(ptx)
    return " ".join([*command[:-3], path, "-o", os.devnull])


_PROPERTIES = re.compile(
    r"Function properties for (?P<symbol>\S+)\s+"
    r"(?P<stack>\d+) bytes stack frame, (?P<stores>\d+) bytes spill stores, "
    r"(?P<loads>\d+) bytes spill loads\s+"
    r".*?Used (?P<registers>\d+) registers(?P<rest>[^\n]*)"
)


def _resources(report: str) -> dict[str, Resources]:
    """The kernels in what `ptxas -v` prints."""
    found: dict[str, Resources] = {}
    for match in _PROPERTIES.finditer(report):
        shared = re.search(r"(\d+) bytes smem", match["rest"])
        found[match["symbol"]] = Resources(
            registers=int(match["registers"]),
            spill_bytes=int(match["stores"]) + int(match["loads"]),
            local_bytes=int(match["stack"]),
            static_shared_bytes=int(shared.group(1)) if shared else 0,
        )
    return found
