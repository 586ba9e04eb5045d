"""`--verify-diagnostics`: the diagnostics of a source are those that its comments expect.

    // expected-error@+2 {{part of the message}}
    // expected-note-re@below {{literal {{[0-9]+}} and regular expressions}}

A comment stands for its own line, or for the line that `@+N`, `@-N`, `@above` or `@below` say,
where lines with such comments are passed over; `@unknown` is for diagnostics without a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from einnet.cli.opt.sources import Renderer
from einnet.errors import Location
from einnet.toolchain.diagnostics import Diagnostic, Kind

_EXPECTED = re.compile(
    r"expected-(error|note|remark|warning)(-re)? *"
    r"(@(?:[+-]\d+|above|below|unknown))? *\{\{(.*)\}\}$"
)
_INNER = re.compile(r"\{\{(.*?)\}\}")


@dataclass(frozen=True)
class Expectation:
    """A comment at `place`; `line` is what it is about, 0 for no line."""

    kind: Kind
    pattern: str
    is_regex: bool
    line: int
    place: Location

    def matches(self, message: str) -> bool:
        if not self.is_regex:
            return self.pattern in message
        return re.search(_regex(self.pattern), message, re.MULTILINE) is not None


def _regex(pattern: str) -> str:
    """The regular expression of a text with such expressions between double braces."""
    parts = _INNER.split(pattern)
    # Odd ones were between braces.
    return "".join(f"({p})" if i % 2 else re.escape(p) for i, p in enumerate(parts))


def parse_expectations(
    lines: Iterable[str], filename: str
) -> tuple[list[Expectation], list[Diagnostic]]:
    """What the comments in `lines` expect, and errors about comments that make no sense."""
    found: list[Expectation] = []
    errors: list[Diagnostic] = []
    waiting: list[int] = []
    last_other = 0
    number = 0
    for number, line in enumerate(lines, 1):
        match = _EXPECTED.search(line.rstrip())
        if match is None:
            for index in waiting:
                found[index] = replace(found[index], line=number)
            waiting.clear()
            last_other = number
            continue
        kind, is_regex, where, pattern = match.groups()
        place = Location(filename, number, match.start() + 1)
        if is_regex and (problem := _problem(pattern)):
            errors.append(Diagnostic(Kind.ERROR, f"invalid regex: {problem}", place))
            continue
        about = number
        if where == "@above":
            about = last_other
        elif where == "@below":
            waiting.append(len(found))
        elif where == "@unknown":
            about = 0
        elif where:
            about = number + int(where[1:])
        found.append(Expectation(Kind(kind), pattern, bool(is_regex), about, place))
    for index in waiting:
        found[index] = replace(found[index], line=number)
    return found, errors


def _problem(pattern: str) -> str | None:
    try:
        re.compile(_regex(pattern))
    except re.error as error:
        return error.msg
    return None


def check(
    diagnostics: Iterable[Diagnostic], renderer: Renderer, *, only_expected: bool
) -> list[str]:
    """What is wrong with the diagnostics of the renderer's source, as texts to print; none if
    nothing is. With `only_expected`, diagnostics that nothing expects are all right."""
    source = renderer.source
    expectations, errors = parse_expectations(source.lines, source.filename)
    wrong = [renderer.line(error, excerpt=True) for error in errors]
    met: set[Expectation] = set()
    for diagnostic in _each(diagnostics):
        wrong += _process(diagnostic, expectations, met, renderer, only_expected=only_expected)
    for expectation in expectations:
        if expectation not in met:
            message = f'expected {expectation.kind.value} "{expectation.pattern}" was not produced'
            error = Diagnostic(Kind.ERROR, message, expectation.place)
            width = max(len(expectation.pattern), 1)
            wrong.append(renderer.line(error, excerpt=True, underlined=width))
    return wrong


def _process(
    diagnostic: Diagnostic,
    expectations: Iterable[Expectation],
    met: set[Expectation],
    renderer: Renderer,
    *,
    only_expected: bool,
) -> list[str]:
    """Meet the expectation of a diagnostic; what is wrong if there is none."""
    place = diagnostic.location
    line = place.line if place is not None and place.file == renderer.source.filename else 0
    near_miss: Expectation | None = None
    for expectation in expectations:
        if expectation.line != line or not expectation.matches(diagnostic.message):
            continue
        if expectation.kind is diagnostic.kind:
            met.add(expectation)
            return []
        near_miss = expectation
    if only_expected or diagnostic.is_advice:
        return []
    if near_miss is not None:
        message = (
            f"'{diagnostic.kind.value}' diagnostic emitted when expecting a "
            f"'{near_miss.kind.value}'"
        )
        return [renderer.line(Diagnostic(Kind.ERROR, message, near_miss.place), excerpt=True)]
    message = f"unexpected {diagnostic.kind.value}: {diagnostic.message}"
    return [renderer.line(Diagnostic(Kind.ERROR, message, place), excerpt=True)]


def _each(diagnostics: Iterable[Diagnostic]) -> Iterable[Diagnostic]:
    """The diagnostics and their notes, without operations that MLIR prints of its own accord."""
    for diagnostic in diagnostics:
        yield diagnostic
        for note in diagnostic.notes:
            if not note.is_echo:
                yield note
