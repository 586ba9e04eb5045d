"""The folder of an artifact, of any target: written whole or not at all, and checked when read.

manifest.json says what the folder is and holds the size and hash of every file, and a hash of
itself. Its `target` tells the targets apart: "cuda", or, for the CPU, what the library was
compiled for.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Literal, cast

from einnet.errors import InputError, Location
from einnet.output import cannot_write

SCHEMA = "einnet.artifact"
VERSION = 1

MANIFEST = "manifest.json"
OPTIMIZED = "optimized.mlir"
CONSTANTS = "constants.safetensors"
CERTIFICATE = "certificate.json"
TRACE = "trace.json"
ENVIRONMENT = "environment.json"

REBUILD = "build the artifact again"

_WORK = ".einnet."
"""How the names of folders begin in which artifacts are written."""

TargetName = Literal["cpu", "cuda"]


def require_destination(folder: Path) -> None:
    """Raise `InputError` unless an artifact may be written to `folder`: before the work, not
    after."""
    # Also what a link that leads nowhere is the name of.
    if os.path.lexists(folder) and not is_artifact(folder):
        raise InputError(
            "exists and is not an artifact: it is left as it is",
            location=Location(str(folder)),
            hint="choose another name, or remove it",
        )
    for parent in folder.parents:
        if os.path.lexists(parent) and not os.path.isdir(parent):
            raise InputError(
                f"cannot be written: {parent} is not a folder", location=Location(str(folder))
            )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryDirectory(prefix=_WORK, dir=folder.parent).cleanup()
        with contextlib.suppress(FileNotFoundError):
            # Only the file system knows what names it takes.
            os.lstat(folder)
    except OSError as error:
        raise cannot_write(folder, error) from error


@contextlib.contextmanager
def replacing(folder: Path) -> Generator[Path]:
    """An empty folder that takes the place of `folder` if the work in it succeeds.

    `InputError`: `folder` exists and is no artifact, or cannot be written.
    """
    require_destination(folder)
    try:
        work = Path(tempfile.mkdtemp(prefix=_WORK, dir=folder.parent))
        made, old = work / "new", work / "old"
        try:
            made.mkdir()
            yield made
            if os.path.lexists(folder):
                folder.rename(old)
            made.rename(folder)
        finally:
            if os.path.lexists(old) and not os.path.lexists(folder):
                old.rename(folder)
            shutil.rmtree(work)
    except OSError as error:
        raise cannot_write(folder, error) from error


def write_reports(made: Path, *, certificate: object, trace: object, environment: object) -> None:
    """Why the program is right, how it was derived, where it was built: anything JSON can hold."""
    write_json(made / CERTIFICATE, certificate)
    write_json(made / TRACE, trace)
    write_json(made / ENVIRONMENT, environment)


def write_manifest(made: Path, entries: Mapping[str, object]) -> None:
    """The manifest of everything that is in the folder, with these entries; it comes last."""
    files = sorted(path for path in made.rglob("*") if path.is_file())
    manifest = {
        **entries,
        "schema": SCHEMA,
        "version": VERSION,
        "files": {file.relative_to(made).as_posix(): _describe(file) for file in files},
    }
    write_json(made / MANIFEST, {**manifest, "digest": _digest(manifest)})


def is_artifact(folder: Path) -> bool:
    """Whether `folder` says that it is an artifact, of any version, complete or not."""
    if not os.path.isfile(folder / MANIFEST):
        return False
    try:
        manifest = read_json(folder / MANIFEST)
    except InputError:
        return False
    return isinstance(manifest, dict) and cast(dict[str, object], manifest).get("schema") == SCHEMA


def read_manifest(folder: Path) -> dict[str, object]:
    """The manifest. `InputError`: not an artifact, of an unknown version, or altered."""
    where = Location(str(folder / MANIFEST))
    if not is_artifact(folder):
        if os.path.lexists(folder / MANIFEST):
            raise InputError("damaged, or not an artifact's", location=where, hint=REBUILD)
        message = f"not an artifact: there is no {MANIFEST} in it"
        if not os.path.isdir(folder):
            message = "not an artifact" if os.path.exists(folder) else "no such artifact"
        raise InputError(
            message,
            location=Location(str(folder)),
            hint="an artifact is a folder that `einnet compile` wrote",
        )
    manifest = cast(dict[str, object], read_json(folder / MANIFEST))
    if manifest.get("version") != VERSION:
        raise InputError(
            f"the artifact's version is {manifest.get('version')}, this einnet reads {VERSION}",
            location=where,
            hint="build it again with this einnet",
        )
    if manifest.get("digest") != _digest({k: v for k, v in manifest.items() if k != "digest"}):
        raise _altered(where)
    return manifest


def target_of(manifest: Mapping[str, object]) -> TargetName:
    """What the artifact was compiled for."""
    return "cuda" if manifest.get("target") == "cuda" else "cpu"


def require_target(folder: Path, manifest: Mapping[str, object], target: TargetName) -> None:
    """Raise `InputError` if the artifact was compiled for another target."""
    found = target_of(manifest)
    if found != target:
        raise InputError(
            f"the artifact was compiled for {found}, not for {target}",
            location=Location(str(folder)),
            hint=f"`einnet compile --target {target}` makes one for {target}",
        )


def require_listed(
    folder: Path, manifest: Mapping[str, object], required: Sequence[str]
) -> dict[str, object]:
    """The manifest's entries of files. Raise `InputError` if it lacks a required one."""
    files = manifest.get("files")
    if not isinstance(files, dict):
        raise InputError("manifest: 'files' is not an object", location=Location(str(folder)))
    listed = cast(dict[str, object], files)
    for name in required:
        if name not in listed:
            raise InputError(f"manifest: lists no {name}", location=Location(str(folder)))
    return listed


def check_files(folder: Path, manifest: Mapping[str, object], required: Sequence[str]) -> None:
    """Raise `InputError` if a file is missing or is not what the manifest says."""
    for name, expected in require_listed(folder, manifest, required).items():
        path = folder / name
        where = Location(str(path))
        if not os.path.isfile(path):
            raise InputError("the artifact lacks this file", location=where, hint=REBUILD)
        if not isinstance(expected, dict):
            raise InputError("manifest: the file's entry makes no sense", location=where)
        try:
            found = _describe(path)
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", location=where) from error
        if found != expected:
            raise _altered(where)


def read_json(path: Path) -> object:
    """What a JSON file of an artifact says. `InputError`: it cannot be read, or is not JSON."""
    where = Location(str(path))
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", location=where) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"damaged: not JSON: {error}", location=where, hint=REBUILD) from error


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _altered(where: Location) -> InputError:
    return InputError(
        "the file is not the one that the artifact was written with",
        location=where,
        hint=REBUILD,
    )


def _digest(manifest: Mapping[str, object]) -> str:
    """SHA-256 of the manifest's other entries. Wrong sizes in it would crash the program."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _describe(file: Path) -> dict[str, object]:
    return {"bytes": file.stat().st_size, "sha256": _sha256(file)}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
