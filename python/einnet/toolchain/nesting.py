"""How deep MLIR text is nested, read without MLIR: its parser recurses, and dies of what is too
deep without a word."""

from __future__ import annotations

import re

from einnet.errors import InputError, Location

LIMIT = 256
"""Brackets around one place. MLIR's parser lives through a thousand of the kind that takes most of
its stack; clang too stops at 256."""

_CLOSED_BY = {")": "(", "]": "[", "}": "{", ">": "<"}
_TOKEN = re.compile(
    r"""(?:[^"/\-<>(\[{}\])]++ | -(?!>))*+  # at once what is none of them: digits of constants
    (?:"[^"]*+(?<!\\)" | "[^"\\]*+(?:\\.[^"\\]*+)*+"  # strings, those without escapes faster
    | //[^\n]* | -> | [<>]= | ([(\[{<>}\])]) | . | \Z)""",
    re.VERBOSE | re.DOTALL,
)


def require_shallow(text: str, filename: str) -> None:
    """Raise `InputError` at the first bracket that is inside of `LIMIT` others."""
    if sum(map(text.count, _CLOSED_BY.values())) <= LIMIT:
        return
    opened: list[str] = []
    for token in _TOKEN.finditer(text):
        bracket = token[1]
        if bracket is None:
            continue
        if bracket in _CLOSED_BY.values():
            opened.append(bracket)
        else:
            _close(opened, _CLOSED_BY[bracket])
        if len(opened) > LIMIT:
            start = token.start(1)
            line = text.count("\n", 0, start) + 1
            column = start - text.rfind("\n", 0, start)
            raise InputError(
                f"nested more than {LIMIT} deep",
                location=Location(filename, line, column),
                hint="MLIR's parser would run out of stack on what is nested much deeper",
            )


def _close(opened: list[str], opening: str) -> None:
    """Take the innermost bracket of this kind and what was left open in it. An angle may be a sign
    of comparison, so one alone neither closes nor is closed by another kind."""
    last = len(opened) - 1
    if opening != "<":
        while last >= 0 and opened[last] == "<":
            last -= 1
    if last >= 0 and opened[last] == opening:
        del opened[last:]
