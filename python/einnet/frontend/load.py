"""The door for every model: the suffix decides which front end reads it."""

from __future__ import annotations

import os
from pathlib import Path

from einnet.errors import InputError, Location
from einnet.frontend.model import ImportedModel
from einnet.toolchain.mlir import read_source

ACCEPTED = "a model is an .onnx file, an .mlir file (linalg on tensors), or - for .mlir on stdin"


def load_model(
    path: str | Path, *, batch: int | None = None, entry: str | None = None
) -> ImportedModel:
    """Load a model by its suffix.

    `batch` is for ONNX models with a symbolic batch, `entry` for MLIR with several functions.
    Raises `InputError` for anything that is not a model, saying what is accepted.
    """
    source = Path(path)
    location = Location(str(path) or "''")
    if str(path) != "-":
        if not str(path):
            raise InputError("the name of the model is empty", location=location, hint=ACCEPTED)
        if os.path.isdir(source):
            raise InputError("this is a folder, not a model", location=location, hint=ACCEPTED)
        if not os.path.exists(source):
            raise InputError("there is no such file", location=location, hint=ACCEPTED)
    if source.suffix == ".onnx":
        if entry is not None:
            raise InputError(f"an ONNX model has no function @{entry}", location=location)
        # Here and not above: the onnx package is needed for ONNX models only.
        from einnet.frontend.onnx import import_onnx

        return import_onnx(source, batch=batch)
    if str(path) != "-" and source.suffix != ".mlir":
        kind = f"files of type {source.suffix}" if source.suffix else "files without a suffix"
        raise InputError(f"{kind} are not models", location=location, hint=ACCEPTED)
    if batch is not None:
        raise InputError("the shapes of an MLIR module are fixed", location=location)
    from einnet.frontend.mlir import import_mlir

    return import_mlir(path, read_source(str(path)), entry=entry)
