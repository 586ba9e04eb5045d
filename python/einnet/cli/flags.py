"""Command-line flags that derive from the fields of `Options`."""

from __future__ import annotations

import argparse
from dataclasses import MISSING, fields
from typing import Any

from einnet.options import Options


def add_options(parser: argparse.ArgumentParser) -> None:
    """One flag for each option: `--name value`, or `--no-name` for what is on by default."""
    group = parser.add_argument_group("options")
    for field in fields(Options):
        assert field.default is not MISSING
        flag = f"--{field.name.replace('_', '-')}"
        text = f"{field.metadata['help']} (default: {field.default})"
        if isinstance(field.default, bool):
            group.add_argument(
                flag, action=argparse.BooleanOptionalAction, default=field.default, help=text
            )
        else:
            group.add_argument(flag, type=type(field.default), default=field.default, help=text)


def options_of(arguments: argparse.Namespace) -> Options:
    """The options that the flags say. Raises InputError for a value out of range."""
    values: dict[str, Any] = {f.name: getattr(arguments, f.name) for f in fields(Options)}
    return Options(**values)
