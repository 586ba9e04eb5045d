#!/usr/bin/env python3
"""Write the C++ table of einnet's passes, which the build of the plugin in passes/ includes.

Names, summaries and options are those of `einnet.passes.registry`; the dialects are those that
`mlir-opt` has. With `-o FILE` the table goes there instead of to standard output.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

from einnet.output import write_file
from einnet.passes import registry
from einnet.passes.options import Option, options_of
from einnet.toolchain import tools

RESERVED = ("python", "timeout")
"""Options that the plugin gives to every pass, for its worker."""

_KINDS = {str: "Text", int: "Integer", bool: "Flag"}


def literal(text: str) -> str:
    """A C++ string literal."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'


def option_row(pass_name: str, option: Option, default: object) -> str:
    """The row of an option. Raises ValueError for a name that the plugin has taken."""
    if option.name in RESERVED:
        raise ValueError(f"{pass_name} has an option '{option.name}', which the plugin has taken")
    kind = _KINDS.get(option.type, "TextList")
    text = option.help if option.default is None else f"{option.help} (default {option.default})"
    # Lists keep theirs to the engine, which is only told of options that were given.
    standard = ""
    if isinstance(default, bool):
        standard = str(default).lower()
    elif isinstance(default, int | str):
        standard = str(default)
    row = ", ".join((literal(option.name), literal(text), f"OptionKind::{kind}", literal(standard)))
    return f"    {{{row}}},"


def table() -> str:
    """The C++ text: an array of options for each pass, the array of passes, that of dialects."""
    lines: list[str] = []
    rows: list[str] = []
    for number, name in enumerate(registry.NAMES):
        class_ = registry.load(name)
        defaults = {field.name: field.default for field in fields(cast(Any, class_))}
        options = [option_row(name, o, defaults[o.field]) for o in options_of(class_)]
        array = f"options{number}" if options else "{}"
        if options:
            lines += [f"const OptionRow {array}[] = {{", *options, "};", ""]
        rows.append(f"    {{{literal(name)}, {literal(class_.SUMMARY)}, {array}}},")
    lines += ["const PassRow passes[] = {", *rows, "};", ""]
    lines += ["constexpr llvm::StringLiteral engineDialects[] = {"]
    lines += [f"    {literal(dialect)}," for dialect in dialects()]
    lines += ["};", ""]
    return "\n".join(lines)


def dialects() -> list[str]:
    """The names of upstream's dialects."""
    command = [str(tools.require("mlir-opt").path), "--show-dialects"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return shown.partition("Available Dialects:")[2].strip().split(",")


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the C++ table of einnet's passes.")
    parser.add_argument("-o", dest="output", type=Path, help="the file to write")
    output: Path | None = parser.parse_args().output
    if output is None:
        sys.stdout.write(table())
    else:
        write_file(output, [table().encode()])
    return 0


if __name__ == "__main__":
    sys.exit(main())
