"""`einnet run`: execute an artifact on arrays from .npy files; nothing is searched or lowered."""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from einnet.cli.flags import positive
from einnet.errors import InputError, Location

if TYPE_CHECKING:
    from argparse import _SubParsersAction

DESCRIPTION = """\
Runs an artifact once on inputs from .npy files and prints the shape of each result. MLIR is not
needed if the artifact holds a library for this host's CPU."""


def add_parser(verbs: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("run", help="run an artifact", description=DESCRIPTION)
    parser.add_argument("artifact", type=Path, help="folder that `einnet compile` wrote")
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
        "--threads", type=positive, default=1, metavar="N", help="threads of library calls"
    )
    parser.set_defaults(verb=run)


def run(arguments: argparse.Namespace) -> int:
    import numpy as np

    from einnet.codegen.cpu.openblas import set_threads
    from einnet.output import require_writable, write_file
    from einnet.runtime.artifact import load_artifact

    program = load_artifact(arguments.artifact)
    signature = program.signature
    inputs = _named(arguments.input, [a.name for a in signature.inputs], "--input")
    outputs = _named(arguments.output, [r.name for r in signature.results], "--output")
    for path in outputs.values():
        require_writable(path)
    arrays = {name: _load(path) for name, path in inputs.items()}
    program.check(arrays, {name: Location(str(path)) for name, path in inputs.items()})
    set_threads(arguments.threads)
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
        array = np.load(path, allow_pickle=False)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", location=location) from error
    except (ValueError, EOFError) as error:
        raise InputError(f"not a .npy file of numbers: {error}", location=location) from error
    if not isinstance(array, np.ndarray):
        raise InputError(
            "an archive of arrays, not one array",
            location=location,
            hint="write each input to a .npy file of its own: numpy.save",
        )
    return np.asarray(array, array.dtype.newbyteorder("="), order="C")
