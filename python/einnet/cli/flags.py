"""Command-line flags that several verbs share; those of `Options` derive from its fields."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from einnet.options import Options, name_of

_SHOWN = 40


def add_model(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """The model that a verb reads, and what it takes to read it."""
    parser.add_argument(
        "model",
        type=source,
        nargs=None if required else "?",
        help=".onnx file, .mlir file (linalg on tensors), or - for .mlir on standard input",
    )
    add_batch(parser)
    parser.add_argument(
        "--entry",
        type=source,
        metavar="NAME",
        help="function of an .mlir file to read (default: main, or the only public one)",
    )


def add_batch(parser: argparse.ArgumentParser) -> None:
    """The flag for what an ONNX model may leave open."""
    parser.add_argument(
        "--batch", type=positive, metavar="N", help="value of an ONNX model's symbolic batch"
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """One flag for each option: `--name value`, or `--no-name` for what is on by default."""
    group = parser.add_argument_group("optimization")
    for field in fields(Options):
        assert field.default is not MISSING
        flag, text = f"--{name_of(field)}", field.metadata["help"]
        if isinstance(field.default, bool):
            group.add_argument(
                flag,
                action=argparse.BooleanOptionalAction,
                default=field.default,
                help=f"{text} (default: {'on' if field.default else 'off'})",
            )
        elif "bounds" in field.metadata:
            least, most = field.metadata["bounds"]
            group.add_argument(
                flag,
                type=whole(least, most),
                default=field.default,
                metavar="N",
                help=f"{text} (default: {field.default}{_at_most(most)})",
            )
        else:
            group.add_argument(
                flag,
                default=field.default,
                metavar="NAME",
                help=f"{text} (default: {field.default})",
            )


def _at_most(most: int) -> str:
    return f", at most {most}" if most < 2**31 else ""


def options_of(arguments: argparse.Namespace) -> Options:
    """The options that the flags say. Raises InputError for a value that there is not."""
    values: dict[str, Any] = {f.name: getattr(arguments, f.name) for f in fields(Options)}
    return Options(**values)


def whole(least: int, most: int) -> Callable[[str], int]:
    """The type of a flag that is a whole number from `least` to `most`."""

    def number(text: str) -> int:
        # More digits than `most` has may be more than Python converts.
        fits = re.fullmatch(r"[+-]?0*[0-9]{1,20}", text) is not None and len(text) <= 1000
        if not fits or not least <= int(text) <= most:
            shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
            raise argparse.ArgumentTypeError(
                f"must be a whole number from {least} to {most}, not {shown!r}"
            )
        return int(text)

    return number


positive = whole(1, 2**31 - 1)
"""The type of a flag that counts something."""

natural = whole(0, 2**63 - 1)
"""The type of a flag that may be 0, such as a seed."""


def source(text: str) -> str:
    """The type of an argument that names something: a file, a function."""
    if not text:
        raise argparse.ArgumentTypeError("the name is empty")
    return text


def path_of(text: str) -> Path:
    """The type of an argument that names a file or a folder: an empty name would be the folder
    that the command runs in."""
    return Path(source(text))
