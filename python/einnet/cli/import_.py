"""`einnet import`: a model to linalg text, its weights beside it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from einnet.cli.flags import add_model, path_of
from einnet.errors import InputError, Location

if TYPE_CHECKING:
    from argparse import _SubParsersAction

DESCRIPTION = """\
Prints the model as MLIR: linalg on tensors, its weights as arguments with the attribute
`einnet.weight`. With -o model.mlir the weights go to model.safetensors, where the other verbs find
them again."""


def add_parser(verbs: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "import", help="turn a model into linalg text and weights", description=DESCRIPTION
    )
    add_model(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=path_of,
        metavar="FILE",
        help=".mlir file to write, the weights beside it (default: standard output, no weights)",
    )
    parser.set_defaults(verb=run)


def run(arguments: argparse.Namespace) -> int:
    from einnet.frontend.load import load_model
    from einnet.output import require_writable, write_file

    output: Path | None = arguments.output
    if output is not None and output.suffix != ".mlir":
        raise InputError(
            "the output is an .mlir file, with its weights in a .safetensors file beside it",
            location=Location(str(output)),
            hint=f"write -o {output}.mlir, or leave -o out for standard output",
        )
    if output is not None:
        require_writable(output)
    model = load_model(arguments.model, batch=arguments.batch, entry=arguments.entry)
    if output is None:
        sys.stdout.write(model.mlir)
        if model.weights:
            print(
                f"einnet: note: {len(model.weights)} weights are not part of the text; "
                "-o FILE.mlir writes them too",
                file=sys.stderr,
            )
        return 0
    if model.weights:
        model.weights.save(output.with_suffix(".safetensors"))
    write_file(output, [model.mlir.encode()])
    return 0
