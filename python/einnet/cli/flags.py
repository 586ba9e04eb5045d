"""Command-line flags that several verbs share; those of `Options` derive from its fields."""

from __future__ import annotations

import argparse
from dataclasses import MISSING, fields
from typing import Any

from einnet.options import Options


def add_model(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """The model that a verb reads, and what it takes to read it."""
    parser.add_argument(
        "model",
        nargs=None if required else "?",
        help=".onnx file, .mlir file (linalg on tensors), or - for .mlir on standard input",
    )
    parser.add_argument(
        "--batch",
        type=positive,
        metavar="N",
        help="value of an ONNX model's symbolic batch",
    )
    parser.add_argument(
        "--entry",
        metavar="NAME",
        help="function of an .mlir file to read (default: main, or the only public one)",
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """One flag for each option: `--name value`, or `--no-name` for what is on by default."""
    group = parser.add_argument_group("optimization")
    for field in fields(Options):
        assert field.default is not MISSING
        flag = f"--{field.name.replace('_', '-')}"
        text = field.metadata["help"]
        if isinstance(field.default, bool):
            group.add_argument(
                flag,
                action=argparse.BooleanOptionalAction,
                default=field.default,
                help=f"{text} (default: {'on' if field.default else 'off'})",
            )
        else:
            group.add_argument(
                flag,
                type=type(field.default),
                default=field.default,
                metavar="N" if isinstance(field.default, int) else "NAME",
                help=f"{text} (default: {field.default})",
            )


def options_of(arguments: argparse.Namespace) -> Options:
    """The options that the flags say. Raises InputError for a value out of range."""
    values: dict[str, Any] = {f.name: getattr(arguments, f.name) for f in fields(Options)}
    return Options(**values)


def positive(text: str) -> int:
    """The type of a flag that counts something."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


def natural(text: str) -> int:
    """The type of a flag that may be 0."""
    return 0 if text == "0" else positive(text)
