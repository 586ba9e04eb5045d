"""An artifact: a folder that holds a compiled program and everything known about it.

manifest.json          what the folder is, the program's signature, the files and their hashes
optimized.mlir         the program as the search left it: ordinary linalg
lowered.mlir           the LLVM dialect: what other hosts compile
program.so             machine code, if it was built; runs without MLIR
constants.safetensors  weights and prepared constants, named `weight/NAME`, `constant/NUMBER`
certificate.json  trace.json  environment.json
                       why it is right, how it was derived, where it was built
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from einnet.codegen.cpu.call import Array
from einnet.codegen.cpu.signature import Argument, Signature
from einnet.codegen.cpu.target import Target
from einnet.errors import InputError, Location
from einnet.output import cannot_write
from einnet.runtime.library import load_library
from einnet.runtime.program import Program
from einnet.weights import Weights

if TYPE_CHECKING:
    from einnet.codegen.cpu.lower import Lowered

SCHEMA = "einnet.artifact"
VERSION = 1

MANIFEST = "manifest.json"
OPTIMIZED = "optimized.mlir"
LOWERED = "lowered.mlir"
LIBRARY = "program.so"
CONSTANTS = "constants.safetensors"
CERTIFICATE = "certificate.json"
TRACE = "trace.json"
ENVIRONMENT = "environment.json"

_REBUILD = "build the artifact again"


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
    require_destination(folder)
    try:
        with _replacing(folder) as made:
            _write_files(made, optimized, lowered, stored, library)
            for name, content in (
                (CERTIFICATE, certificate),
                (TRACE, trace),
                (ENVIRONMENT, environment),
            ):
                _write_json(made / name, content)
            _write_manifest(made, lowered.main, library)
    except OSError as error:
        raise cannot_write(folder, error) from error


def require_destination(folder: Path) -> None:
    """Raise `InputError` unless `write_artifact` may write `folder`: before the work, not after."""
    if folder.exists() and not is_artifact(folder):
        raise InputError(
            "exists and is not an artifact: it is left as it is",
            location=Location(str(folder)),
            hint="choose another name, or remove it",
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryDirectory(dir=folder.parent).cleanup()
    except OSError as error:
        raise cannot_write(folder, error) from error


@contextmanager
def _replacing(folder: Path) -> Generator[Path]:
    """An empty folder that takes the place of `folder` if the work in it succeeds."""
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    made, old = work / "new", work / "old"
    try:
        made.mkdir()
        yield made
        if folder.exists():
            folder.rename(old)
        made.rename(folder)
    finally:
        if old.exists() and not folder.exists():
            old.rename(folder)
        shutil.rmtree(work)


def _write_files(
    made: Path,
    optimized: str,
    lowered: Lowered,
    stored: Sequence[Array],
    library: Library | None,
) -> None:
    """The program, in each of its forms, and its constants."""
    (made / OPTIMIZED).write_text(optimized, encoding="utf-8")
    (made / LOWERED).write_text(lowered.text, encoding="utf-8")
    names = [_key(argument) for argument in lowered.main.stored]
    Weights(dict(zip(names, stored, strict=True))).save(made / CONSTANTS)
    if library is not None:
        shutil.copyfile(library.path, made / LIBRARY)


def _write_manifest(made: Path, main: Signature, library: Library | None) -> None:
    """The manifest of everything that is in the folder; it comes last."""
    manifest = {
        "schema": SCHEMA,
        "version": VERSION,
        "main": main.to_json(),
        "target": library.target.to_json() if library else None,
        "files": {file.name: _describe(file) for file in sorted(made.iterdir())},
    }
    _write_json(made / MANIFEST, {**manifest, "digest": _digest(manifest)})


def is_artifact(folder: Path) -> bool:
    """Whether `folder` says that it is an artifact, of any version, complete or not."""
    path = folder / MANIFEST
    if not path.is_file():
        return False
    try:
        manifest = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and cast(dict[str, object], manifest).get("schema") == SCHEMA


def load_artifact(folder: Path) -> Program:
    """The program of the artifact `folder`, with its constants mapped from the file.

    The library is used where there is one that this CPU runs: MLIR is then not imported. Otherwise
    `lowered.mlir` is compiled; `Program.engine` tells which. `InputError`: not an artifact, of an
    unknown version, or a file is missing or is not what the manifest says.
    """
    manifest = _read_manifest(folder)
    signature = Signature.from_json(manifest.get("main"), Location(str(folder / MANIFEST)))
    _check_files(folder, manifest)
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


def _read_manifest(folder: Path) -> dict[str, object]:
    where = Location(str(folder / MANIFEST))
    if not is_artifact(folder):
        if (folder / MANIFEST).exists():
            raise InputError("damaged, or not an artifact's", location=where, hint=_REBUILD)
        raise InputError(
            "not an artifact" if folder.exists() else "no such artifact",
            location=Location(str(folder)),
            hint="an artifact is a folder that `einnet compile` wrote",
        )
    manifest = cast(dict[str, object], json.loads((folder / MANIFEST).read_bytes()))
    if manifest.get("version") != VERSION:
        raise InputError(
            f"the artifact's version is {manifest.get('version')}, this einnet reads {VERSION}",
            location=where,
            hint="build it again with this einnet",
        )
    if manifest.get("digest") != _digest({k: v for k, v in manifest.items() if k != "digest"}):
        raise _altered(where)
    return manifest


def _check_files(folder: Path, manifest: dict[str, object]) -> None:
    files = manifest.get("files")
    if not isinstance(files, dict):
        raise InputError("manifest: 'files' is not an object", location=Location(str(folder)))
    listed = cast(dict[str, object], files)
    for name in (LOWERED, CONSTANTS):
        if name not in listed:
            raise InputError(f"manifest: lists no {name}", location=Location(str(folder)))
    for name, expected in listed.items():
        path = folder / name
        where = Location(str(path))
        if not path.is_file():
            raise InputError("the artifact lacks this file", location=where, hint=_REBUILD)
        match expected:
            case {"bytes": int(size), "sha256": str(digest)}:
                if path.stat().st_size != size or _sha256(path) != digest:
                    raise _altered(where)
            case _:
                raise InputError("manifest: the file's entry makes no sense", location=where)


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


def _altered(where: Location) -> InputError:
    return InputError(
        "the file is not the one that the artifact was written with",
        location=where,
        hint=_REBUILD,
    )


def _digest(manifest: Mapping[str, object]) -> str:
    """SHA-256 of the manifest's other entries. Wrong sizes in it would crash the program."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _describe(file: Path) -> dict[str, object]:
    return {"bytes": file.stat().st_size, "sha256": _sha256(file)}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
