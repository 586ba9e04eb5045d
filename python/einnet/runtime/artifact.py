"""An artifact for the CPU: a folder that holds a compiled program and everything known about it.

manifest.json          what the folder is, the program's signature, the files and their hashes
optimized.mlir         the program as the search left it: ordinary linalg
lowered.mlir           the LLVM dialect: what other hosts compile
program.so             machine code, if it was built; runs without MLIR
constants.safetensors  weights and prepared constants, named `weight/NAME`, `constant/NUMBER`
certificate.json  trace.json  environment.json
                       why it is right, how it was derived, where it was built
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from einnet.codegen.cpu.call import Array
from einnet.codegen.cpu.signature import Argument, Signature
from einnet.codegen.cpu.target import Target
from einnet.errors import InputError, Location
from einnet.runtime.folder import (
    CONSTANTS,
    MANIFEST,
    OPTIMIZED,
    check_files,
    read_manifest,
    replacing,
    require_target,
    write_manifest,
    write_reports,
)
from einnet.runtime.library import load_library
from einnet.runtime.program import Program
from einnet.weights import Weights

if TYPE_CHECKING:
    from einnet.codegen.cpu.lower import Lowered

LOWERED = "lowered.mlir"
LIBRARY = "program.so"


@dataclass(frozen=True)
class Library:
    """A shared library and what it was compiled for, as `build_library` made it."""

    path: Path
    target: Target


def write_artifact(
    folder: Path,
    *,
    optimized: str,
    lowered: Lowered,
    stored: Sequence[Array],
    library: Library | None = None,
    certificate: object = None,
    trace: object = None,
    environment: object = None,
) -> None:
    """Write the artifact `folder`, or replace it if it is one already.

    `stored` are the weights and constants of `lowered.main`, in its order; `certificate`, `trace`
    and `environment` anything JSON can hold. The folder appears complete or not at all.
    `InputError`: `folder` exists and is something else.
    """
    with replacing(folder) as made:
        (made / OPTIMIZED).write_text(optimized, encoding="utf-8")
        (made / LOWERED).write_text(lowered.text, encoding="utf-8")
        names = [_key(argument) for argument in lowered.main.stored]
        Weights(dict(zip(names, stored, strict=True))).save(made / CONSTANTS)
        if library is not None:
            shutil.copyfile(library.path, made / LIBRARY)
        write_reports(made, certificate=certificate, trace=trace, environment=environment)
        target = library.target.to_json() if library else None
        write_manifest(made, {"main": lowered.main.to_json(), "target": target})


def load_artifact(folder: Path) -> Program:
    """The program of the artifact `folder`, with its constants mapped from the file.

    The library is used where there is one that this CPU runs: MLIR is then not imported. Otherwise
    `lowered.mlir` is compiled; `Program.engine` tells which. `InputError`: not an artifact, of an
    unknown version or another target, or a file is missing or is not what the manifest says.
    """
    manifest = read_manifest(folder)
    require_target(folder, manifest, "cpu")
    signature = Signature.from_json(manifest.get("main"), Location(str(folder / MANIFEST)))
    check_files(folder, manifest, (LOWERED, CONSTANTS))
    arrays = Weights.load(folder / CONSTANTS)
    missing = [a.name for a in signature.stored if _key(a) not in arrays]
    if missing:
        raise InputError(f"lacks {', '.join(missing)}", location=Location(str(folder / CONSTANTS)))
    stored = [arrays[_key(argument)] for argument in signature.stored]
    target = _target(folder, manifest)
    if target is not None and target.runs_here():
        return Program(load_library(folder / LIBRARY, signature), stored, "library")
    if importlib.util.find_spec("mlir") is None:
        reason = "has no library" if target is None else f"has a library for {target.cpu} only"
        raise InputError(
            f"{reason}, and MLIR is not installed to compile {LOWERED}",
            location=Location(str(folder)),
            hint="pip install einnet on this host, or build the artifact for it",
        )
    from einnet.codegen.cpu.jit import Executable
    from einnet.codegen.cpu.lower import Lowered

    text = (folder / LOWERED).read_text(encoding="utf-8")
    return Program(Executable(Lowered(text, signature, None)).main, stored, "jit")


def _key(argument: Argument) -> str:
    return f"{argument.role}/{argument.name}"


def _target(folder: Path, manifest: dict[str, object]) -> Target | None:
    match manifest.get("target"):
        case None:
            return None
        case {"machine": str(machine), "cpu": str(cpu), "flags": [*flags]}:
            return Target(machine, cpu, frozenset(str(flag) for flag in flags))
        case _:
            raise InputError(
                "manifest: 'target' makes no sense", location=Location(str(folder / MANIFEST))
            )
