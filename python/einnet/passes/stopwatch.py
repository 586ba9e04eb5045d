"""Times of passes, einnet's and MLIR's, as the rows of `mlir-opt --mlir-timing`."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from mlir import passmanager

_ROW = re.compile(r"^ *(-?[\d.]+) \( *-?[\w.]+%\)  ( *)(\S.*)$", re.MULTILINE)
_TOTALS = ("Rest", "Total")


@dataclass
class Row:
    """Wall seconds under a name, and what they are made of."""

    name: str
    seconds: float
    children: list[Row] = field(default_factory=list["Row"])


class Stopwatch:
    """Rows in the order in which their work was done."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self._started = time.perf_counter()

    @property
    def total(self) -> float:
        """Seconds since the stopwatch was made."""
        return time.perf_counter() - self._started

    @contextmanager
    def timed(self, name: str) -> Generator[None]:
        """Add the time until the end of the block; a row of that name that is there grows."""
        started = time.perf_counter()
        try:
            yield
        finally:
            row = next((row for row in self.rows if row.name == name), None)
            if row is None or row.children:
                row = Row(name, 0.0)
                self.rows.append(row)
            row.seconds += time.perf_counter() - started


def released_rows(managers: list[passmanager.PassManager]) -> list[Row]:
    """Empty the list of pass managers, and return the times that each prints when it goes.

    They print to the process's stderr, whatever Python's is.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as file:
        stderr = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            managers.clear()
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
        file.seek(0)
        return parse_rows(file.read().decode("utf-8", errors="replace"))


def parse_rows(text: str) -> list[Row]:
    """The rows of reports in MLIR's tree form, one report after the other."""
    root = Row("", 0.0)
    path = [root]
    for seconds, indent, name in _ROW.findall(text):
        if name in _TOTALS and not indent:
            continue
        depth = len(indent) // 2 + 1
        row = Row(name, float(seconds))
        del path[depth:]
        path[-1].children.append(row)
        path.append(row)
    return root.children
