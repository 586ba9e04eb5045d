"""The input: reading it, splitting it, and showing lines of it under diagnostics."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from einnet.cli.opt.reproducers import is_bytecode
from einnet.errors import InputError, Location
from einnet.toolchain.diagnostics import Diagnostic, Kind


@dataclass(frozen=True)
class Source:
    """A part of an input: `content` begins with as many line breaks as were before it.

    It is bytes for bytecode and text for everything else. `filename` stands in messages.
    """

    filename: str
    content: str | bytes

    @property
    def encoded(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else self.content.encode()

    @property
    def lines(self) -> list[str]:
        return [] if isinstance(self.content, bytes) else self.content.split("\n")


def read_input(file: str, filename: str) -> Source:
    """A file, or standard input for `-`. Raises InputError, at the first wrong byte, for what is
    neither text nor bytecode."""
    location = Location(filename)
    if file == "-" and sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison]
        raise InputError("standard input is closed", location=location)
    try:
        # The bytes, because a C locale would let anything pass as text.
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise InputError(message, location=location) from error
    if is_bytecode(content):
        return Source(filename, content)
    try:
        return Source(filename, content.decode("utf-8"))
    except UnicodeDecodeError as error:
        before = content[: error.start]
        column = error.start - before.rfind(b"\n")
        raise InputError(
            "this is neither text in UTF-8 nor MLIR bytecode",
            location=Location(filename, before.count(b"\n") + 1, column),
        ) from error


def split(source: Source, marker: str | None) -> tuple[tuple[Source, ...], tuple[Diagnostic, ...]]:
    """The parts of a source between markers, and warnings about what is nearly a marker."""
    if marker is None or isinstance(source.content, bytes):
        return (source,), ()
    parts: list[Source] = []
    warnings: list[Diagnostic] = []
    end = 0
    for text in source.content.split(marker):
        # What is before a part becomes blank, so that lines and columns are those of the file.
        before = source.content[:end]
        blank = "\n" * before.count("\n") + " " * (len(before) - before.rfind("\n") - 1)
        parts.append(Source(source.filename, blank + text))
        warnings += _near_misses(blank + text, marker, source.filename)
        end += len(text) + len(marker)
    return tuple(parts), tuple(warnings)


def _near_misses(text: str, marker: str, filename: str) -> list[Diagnostic]:
    """MLIR warns about a marker without its last two characters."""
    if len(marker) <= 2:
        return []
    found: list[Diagnostic] = []
    for match in re.finditer(re.escape(marker[:-2]), text):
        line = text.count("\n", 0, match.end()) + 1
        column = match.end() - text.rfind("\n", 0, match.end())
        place = Location(filename, line, column)
        found.append(Diagnostic(Kind.WARNING, "near miss with file split marker", place))
    return found


@dataclass(frozen=True)
class Renderer:
    """Diagnostics as MLIR's tools print them, with the lines of `source` that they are about.

    Errors of einnet's passes are printed without the line, so that what to do comes next.
    """

    source: Source
    notes: bool = True
    operations: bool = True

    def render(self, diagnostic: Diagnostic) -> str:
        """The text, with a line break at the end."""
        shown = self.line(diagnostic, excerpt=not any(n.is_advice for n in diagnostic.notes))
        previous = diagnostic.location
        for note in diagnostic.notes if self.notes else ():
            if note.is_echo and not self.operations:
                continue
            shown += self.line(note, excerpt=note.location != previous)
            previous = note.location
        return shown

    def line(self, diagnostic: Diagnostic, *, excerpt: bool, underlined: int = 1) -> str:
        """The diagnostic without its notes; `underlined` columns of the excerpt are marked."""
        place = diagnostic.location
        shown = f"{self.place(place)}: {diagnostic.kind.value}: {diagnostic.message}\n"
        if not excerpt or place is None or place.file != self.source.filename:
            return shown
        lines = self.source.lines
        if not 0 < place.line <= len(lines):
            return shown
        line = lines[place.line - 1].removesuffix("\r")
        # MLIR counts columns in bytes.
        before = line.encode()[: max(place.column - 1, 0)].decode(errors="ignore")
        indent = "".join("\t" if character == "\t" else " " for character in before)
        mark = "^" + "~" * (min(underlined, len(line) - len(before)) - 1)
        return shown + f"{line}\n{indent}{mark}\n".expandtabs(8)

    def place(self, location: Location | None) -> str:
        """A location as MLIR prints it; the file as a whole for one that has none."""
        if location is None:
            return self.source.filename
        if location.file == self.source.filename and not location.line and not location.column:
            return location.file
        return str(location)


def severe_enough(kind: Kind, level: str) -> bool:
    """Whether `--mlir-diagnostic-verbosity-level` lets a kind of diagnostic through."""
    least = {"errors": (Kind.ERROR, Kind.NOTE), "warnings": (Kind.ERROR, Kind.NOTE, Kind.WARNING)}
    return level == "remarks" or kind in least[level]
