"""`einnet run`: execute an artifact on arrays from .npy files; nothing is searched or lowered."""

from __future__ import annotations

import argparse
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from einnet.cli.flags import path_of, whole
from einnet.errors import InputError, Location

if TYPE_CHECKING:
    from argparse import _SubParsersAction

DESCRIPTION = """\
Runs an artifact once on inputs from .npy files and prints the shape of each result, on the device
that it was compiled for. MLIR is not needed for a GPU, nor if the artifact holds a library for this
host's CPU."""

_WANTED = "an input is one array of numbers in a file of its own, as numpy.save(FILE, array) writes"
_ZIP = b"PK"
"""How an archive of arrays begins."""


def add_parser(verbs: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("run", help="run an artifact", description=DESCRIPTION)
    parser.add_argument("artifact", type=path_of, help="folder that `einnet compile` wrote")
    parser.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="[NAME=]FILE",
        help=".npy file of an input, one flag for each; the name may be left out if there is one",
    )
    parser.add_argument(
        "--output",
        action="append",
        default=[],
        metavar="[NAME=]FILE",
        help=".npy file to write a result to; the name may be left out if there is one result",
    )
    parser.add_argument(
        "--device",
        choices=("cpu", "cuda"),
        help="refuse an artifact that was compiled for another device than this",
    )
    parser.add_argument(
        "--threads",
        type=whole(1, 1024),
        default=1,
        metavar="N",
        help="threads of library calls on the CPU (default: 1, at most 1024)",
    )
    parser.set_defaults(verb=run)


class Loaded(Protocol):
    """A loaded program, of either target."""

    def check(self, inputs: Mapping[str, Any], locations: Mapping[str, Location]) -> None: ...

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]: ...


def run(arguments: argparse.Namespace) -> int:
    import numpy as np

    from einnet.output import require_writable, write_file
    from einnet.runtime.folder import read_manifest, require_target, target_of

    manifest = read_manifest(arguments.artifact)
    if arguments.device is not None:
        require_target(arguments.artifact, manifest, arguments.device)
    load = _load_cuda if target_of(manifest) == "cuda" else _load_cpu
    program, names, results_of = load(arguments)
    inputs = _named(arguments.input, names, "--input")
    outputs = _named(arguments.output, results_of, "--output")
    for path in outputs.values():
        require_writable(path)
    arrays = {name: _load(path) for name, path in inputs.items()}
    program.check(arrays, {name: Location(str(path)) for name, path in inputs.items()})
    results = program.run(arrays)
    for name, path in outputs.items():
        # Not to the file itself: NumPy would add a suffix to its name, and not see a full disk.
        buffer = io.BytesIO()
        np.save(buffer, results[name])
        write_file(path, [buffer.getvalue()])
    for name, array in results.items():
        where = f" -> {outputs[name]}" if name in outputs else ""
        print(f"{name}: {array.dtype} {list(array.shape)}{where}")
    return 0


def _load_cpu(arguments: argparse.Namespace) -> tuple[Loaded, list[str], list[str]]:
    """The program of an artifact for the CPU, and the names of its inputs and results."""
    from einnet.codegen.cpu.openblas import set_threads
    from einnet.runtime.artifact import load_artifact

    program = load_artifact(arguments.artifact)
    set_threads(arguments.threads)
    signature = program.signature
    return program, [a.name for a in signature.inputs], [r.name for r in signature.results]


def _load_cuda(arguments: argparse.Namespace) -> tuple[Loaded, list[str], list[str]]:
    """The same of an artifact for a GPU."""
    from einnet.runtime.cuda.artifact import executable, load_cuda_artifact

    artifact = load_cuda_artifact(arguments.artifact)
    program = executable(artifact)
    return program, list(artifact.program.inputs), list(artifact.program.outputs)


def _named(arguments: list[str], names: list[str], flag: str) -> dict[str, Path]:
    """Files by the names that they are for. Raises InputError for a name that is not in `names`."""
    found: dict[str, Path] = {}
    hint = f"names: {', '.join(names) or 'none'}"
    for argument in arguments:
        name, equals, path = argument.partition("=")
        if not equals:
            if len(names) != 1:
                raise InputError(f"{flag} {argument} needs a name", hint=hint)
            name, path = names[0], argument
        if name in found:
            raise InputError(f"{flag} names {name} twice")
        if name not in names:
            raise InputError(f"{flag}: there is no {name!r}", hint=hint)
        if not path:
            raise InputError(f"{flag} {argument!r} names no file")
        found[name] = Path(path)
    return found


def _load(path: Path) -> Any:
    """The array of a .npy file in this machine's byte order, its elements in C's order."""
    import numpy as np

    location = Location(str(path))
    try:
        with path.open("rb") as file:
            start = file.read(len(np.lib.format.MAGIC_PREFIX))
        if start != np.lib.format.MAGIC_PREFIX and not start.startswith(_ZIP):
            # NumPy would take it for a pickle, and say how to read one.
            raise InputError("this is not a .npy file", location=location, hint=_WANTED)
        array = np.load(path, allow_pickle=False)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", location=location) from error
    except MemoryError as error:
        raise InputError(f"the array is too large: {error}", location=location) from error
    except (ValueError, EOFError) as error:
        if "allow_pickle" in str(error):
            raise InputError(
                "an array of Python objects, not of numbers", location=location, hint=_WANTED
            ) from error
        raise InputError(
            f"not a whole .npy file: {error}", location=location, hint=_WANTED
        ) from error
    if not isinstance(array, np.ndarray):
        raise InputError(
            "an archive of arrays, not one array",
            location=location,
            hint=_WANTED,
        )
    if array.dtype == np.dtype("V2"):
        import ml_dtypes

        # How NumPy writes a type that is not its own.
        array = array.view(ml_dtypes.bfloat16)
    return np.asarray(array, array.dtype.newbyteorder("="), order="C")
