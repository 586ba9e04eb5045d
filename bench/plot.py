"""A picture of a GPU table: how many times faster ours is than the best peer, row by row.

python -m bench.plot bench/results/h100-operators.json -o docs/images/h100-operators.png
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from bench.command import Parser, output_file
from bench.table_cuda import read_rows
from bench.verdict import Row, ratio, reason_not_to_count
from einnet.errors import EinnetError, InputError, ToolchainError

COLOURS = {"tf32": "#33658a", "fp16": "#f6ae2d", "bf16": "#86bbd8", "fp32": "#758e4f"}


def bars(rows: Sequence[Row]) -> dict[str, dict[str, tuple[float, bool]]]:
    """By precision and row's name: the ratio, and whether the row counts. Rows without a ratio are
    left out."""
    found: dict[str, dict[str, tuple[float, bool]]] = {}
    for row in rows:
        value = ratio(row)
        if value is not None:
            counts = not reason_not_to_count(row)
            found.setdefault(row.precision, {})[row.name] = (value, counts)
    return found


def draw(rows: Sequence[Row], path: Path, title: str) -> None:
    """Write the picture as PNG: one bar for each row and precision, pale if it does not count.

    Raises ToolchainError without matplotlib, InputError if no row has a ratio.
    """
    found = bars(rows)
    if not found:
        raise InputError("no row has both a peer and a result of ours")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ToolchainError(
            f"plotting needs {error.name}", hint="pip install 'einnet[bench]'"
        ) from error
    names = list(dict.fromkeys(row.name for row in rows))
    height = 0.8 / len(found)
    figure = Figure(figsize=(9, 1.2 + 0.42 * len(names)), layout="constrained")
    axes = figure.add_subplot()
    for number, (precision, values) in enumerate(found.items()):
        shift = (number - (len(found) - 1) / 2) * height
        for name, (value, counts) in values.items():
            place = names.index(name) + shift
            colour = COLOURS.get(precision, "#444444")
            axes.barh(place, value, height, color=colour, alpha=1.0 if counts else 0.3)
            axes.text(value, place, f" {value:.2f}", va="center", fontsize=7)
        axes.barh(0, 0, color=COLOURS.get(precision, "#444444"), label=precision)
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("times faster than the best peer (L2 hot)")
    axes.set_title(title, fontsize=10)
    axes.legend(loc="lower right", fontsize=8)
    FigureCanvasAgg(figure).print_png(path)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = Parser("bench.plot", __doc__)
    parser.add_argument("json", type=Path, help="what --json of a GPU table wrote")
    parser.add_argument("-o", "--output", type=output_file, required=True, metavar="PNG")
    options = parser.parse_args(arguments)
    try:
        rows = read_rows(options.json)
        gpus = sorted({str(row.environment.get("gpu", "unknown GPU")) for row in rows})
        draw(rows, options.output, ", ".join(gpus))
    except EinnetError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
