"""`einnet run`: execute an artifact on arrays from .npy files; nothing is searched or lowered."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from einnet.errors import InputError, Location

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(verbs: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("run", help="run an artifact")
    parser.add_argument("artifact", type=Path, help="folder that `einnet compile` wrote")
    parser.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="[NAME=]FILE",
        help=".npy file of an input; the name may be left out if there is one input",
    )
    parser.add_argument(
        "--output",
        action="append",
        default=[],
        metavar="[NAME=]FILE",
        help=".npy file to write a result to; the name may be left out if there is one result",
    )
    parser.add_argument("--threads", type=int, default=1, help="threads of library calls")
    parser.set_defaults(verb=run)


def run(arguments: argparse.Namespace) -> int:
    import numpy as np

    from einnet.runtime.artifact import load_artifact
    from einnet.runtime.threads import set_threads

    program = load_artifact(arguments.artifact)
    signature = program.signature
    inputs = _named(arguments.input, [a.name for a in signature.inputs], "--input")
    outputs = _named(arguments.output, [r.name for r in signature.results], "--output")
    set_threads(arguments.threads)
    results = program.run({name: _load(path) for name, path in inputs.items()})
    for name, path in outputs.items():
        try:
            np.save(path, results[name])
        except OSError as error:
            raise InputError(f"cannot write: {error.strerror}", location=Location(path)) from error
    for name, array in results.items():
        where = f" -> {outputs[name]}" if name in outputs else ""
        print(f"{name}: {array.dtype} {list(array.shape)}{where}")
    return 0


def _named(arguments: list[str], names: list[str], flag: str) -> dict[str, str]:
    """Files by the names that they are for."""
    found: dict[str, str] = {}
    for argument in arguments:
        name, equals, path = argument.partition("=")
        if not equals:
            if len(names) != 1:
                raise InputError(
                    f"{flag} {argument} needs a name", hint=f"names: {', '.join(names)}"
                )
            name, path = names[0], argument
        if name in found:
            raise InputError(f"{flag} names {name} twice")
        if name not in names:
            raise InputError(f"{flag}: there is no {name!r}", hint=f"names: {', '.join(names)}")
        found[name] = path
    return found


def _load(path: str) -> Any:
    import numpy as np

    try:
        return np.load(path, allow_pickle=False)
    except OSError as error:
        raise InputError(f"cannot read: {error.strerror}", location=Location(path)) from error
    except ValueError as error:
        raise InputError(f"not a .npy file of numbers: {error}", location=Location(path)) from error
