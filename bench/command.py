"""What the commands of bench/ take and write: wrong options and places are refused before the work,
with exit code 1, and a file is complete or stays as it was."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from einnet.errors import EinnetError
from einnet.output import require_writable, write_file


class Parser(argparse.ArgumentParser):
    """A parser that shows its description as it is written, and refuses with exit code 1."""

    def __init__(self, module: str, description: str | None) -> None:
        super().__init__(
            prog=f"python -m {module}",
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def error(self, message: str) -> NoReturn:
        self.exit(1, f"{self.prog}: error: {message}\n  {self.prog} --help says what it takes\n")

    def require(self, text: str, names: list[str], what: str) -> None:
        """Refuse a text that the name of no `what` holds."""
        if not any(text in name for name in names):
            listed = "\n  ".join(names)
            self.error(f"no {what}'s name holds {text!r}; the {what}s are:\n  {listed}")


def at_least(least: int) -> Callable[[str], int]:
    """The type of an option that takes a whole number from `least` on."""

    def number(text: str) -> int:
        if not text.removeprefix("-").isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(
                f"must be a whole number of at least {least}, not {text!r}"
            )
        return int(text)

    return number


def output_file(text: str) -> Path:
    """The type of an option that names a file to write."""
    path = Path(text)
    try:
        require_writable(path)
    except EinnetError as error:
        raise argparse.ArgumentTypeError(f"{path} {error.message}") from error
    return path


def written(path: Path | None, figures: Mapping[str, object]) -> bool:
    """Write the figures as JSON, if there is a file for them; False, and a line on stderr, if that
    fails after all."""
    if path is None:
        return True
    try:
        write_file(path, [(json.dumps(figures, indent=1) + "\n").encode()])
    except EinnetError as error:
        print(error, file=sys.stderr)
        return False
    return True
