"""Tables as plain text: what a host with a GPU prints need not have `rich`."""

from __future__ import annotations

from collections.abc import Sequence


def format_columns(
    headings: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()
) -> list[str]:
    """Lines with the cells of each column under its heading; those of the columns `right` end
    below each other."""
    table = [tuple(headings), *map(tuple, rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(headings))]
    lines: list[str] = []
    for row in table:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(f"  {'  '.join(cells)}".rstrip())
    rule = "  ".join("-" * width for width in widths)
    return [lines[0], f"  {rule}", *lines[1:]]


def format_microseconds(value: float | None) -> str:
    """Three digits at least: `3.58 us`, `912 us`; a dash for what was not measured."""
    if value is None:
        return "-"
    return f"{value:.2f} us" if value < 100 else f"{value:,.0f} us"
