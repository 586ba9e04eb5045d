"""The report of `--mlir-timing`, in mlir-opt's form."""

from __future__ import annotations

from einnet.passes.stopwatch import Row

_RULE = f"==={'-' * 73}==="
_TITLE = "... Execution time report ..."


def report(rows: list[Row], total: float, display: str) -> str:
    """The rows as a tree, in the order of the work, or as a list, the longest first."""
    rest = Row("Rest", total - sum(row.seconds for row in rows))
    whole = Row("Total", total)
    if display == "list":
        merged: dict[str, float] = {}
        _merge(rows, merged)
        ordered = sorted(merged.items(), key=lambda item: -item[1])
        shown = [Row("root", total), *(Row(name, seconds) for name, seconds in ordered)]
    else:
        shown = rows
    lines = [
        _RULE,
        _TITLE.center(len(_RULE)).rstrip(),
        _RULE,
        f"  Total Execution Time: {total:.4f} seconds",
        "",
        "  ----Wall Time----  ----Name----",
    ]
    for row in (*shown, rest, whole):
        lines += _lines(row, total, 0)
    return "\n".join(lines) + "\n"


def _merge(rows: list[Row], merged: dict[str, float]) -> None:
    for row in rows:
        merged[row.name] = merged.get(row.name, 0.0) + row.seconds
        _merge(row.children, merged)


def _lines(row: Row, total: float, depth: int) -> list[str]:
    share = 100 * row.seconds / total if total else 0.0
    line = f"  {row.seconds:8.4f} ({share:5.1f}%)  {'  ' * depth}{row.name}"
    return [line, *(text for child in row.children for text in _lines(child, total, depth + 1))]
