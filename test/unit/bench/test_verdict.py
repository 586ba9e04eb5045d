"""What the GPU tables conclude from made-up rows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench.contender import Error, error_of
from bench.plot import bars, draw
from bench.plot import main as plot
from bench.table_cuda import read_rows, shown, write_rows
from bench.verdict import (
    Row,
    Timed,
    fastest,
    geomean,
    judge_kernels,
    judge_models,
    judge_operators,
    ratio,
    reason_not_to_count,
)

from einnet.errors import InputError

RIGHT = Error(1e-4, 1e-4)


def timed(name: str, hot: float, *, ours: bool = False, **more: Any) -> Timed:
    """A contender with ten samples close to `hot`."""
    samples = tuple(hot * (1 + 0.001 * (i % 3 - 1)) for i in range(10))
    fields: dict[str, Any] = {"cold": tuple(2 * s for s in samples), "error": RIGHT, **more}
    return Timed(name, ours, samples, **fields)


def row(
    ours: float | None, peer: float, name: str = "r", precision: str = "tf32", **more: Any
) -> Row:
    """A row whose baseline is 10 microseconds."""
    made = [timed("slow", 3 * peer), timed("torch", peer)]
    if ours is not None:
        made.append(timed("einnet", ours, ours=True, provenance="derived"))
    base = Row("operators", name, precision, True, 10.0, 1.0, 3e-3, tuple(made))
    return replace(base, **more)


def test_the_ratio_is_that_of_the_fastest_correct_ones():
    found = row(4.0, 10.0)
    assert ratio(found) == pytest.approx(2.5)
    assert ratio(found, cold=True) == pytest.approx(2.5)
    wrong_peer = timed("wrong", 1.0, error=Error(0.5, 0.5))
    other_shape = timed("shape", 1.0, error=None)
    wrong_ours = timed("einnet-2", 1.0, ours=True, error=Error(1e-4, 0.01))
    host = timed("jax", 0.5, cold=())
    more = replace(found, timed=(*found.timed, wrong_peer, other_shape, wrong_ours))
    assert ratio(more) == pytest.approx(2.5)
    with_host = replace(found, timed=(*found.timed, host))
    assert fastest(with_host, ours=False) == host
    assert ratio(with_host, cold=True) == pytest.approx(2.5)
    assert ratio(row(None, 10.0)) is None


def test_a_row_counts_only_if_its_peer_is_as_good_as_the_baseline():
    assert reason_not_to_count(row(1.0, 11.4)) == ""
    assert "16% more than the baseline" in reason_not_to_count(row(1.0, 11.6))
    assert reason_not_to_count(row(1.0, 2.0)) == ""
    assert "no baseline" in reason_not_to_count(row(1.0, 10.0, baseline=None))
    assert "no peer" in reason_not_to_count(replace(row(1.0, 10.0), timed=()))


def test_operators_reach_their_bars():
    rows = [row(5.0, 10.0, "a"), row(5.5, 10.0, "b"), row(10.0, 10.0, "free", decides=False)]
    verdict = judge_operators(rows, ["a", "b"])
    assert verdict.short == ()
    assert any("geometric mean 1.91x hot" in line for line in verdict.lines)
    assert any("derived plans are our fastest in 3 of 3 rows" in line for line in verdict.lines)


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (row(6.5, 10.0, "b"), "geometric mean 1.69x < 1.7x"),
        (row(10.5, 10.0, "b"), "b tf32: 0.95x, slower than the best peer"),
        (row(5.5, 12.0, "b"), "1 of 2 rows of the geometric mean count"),
        (row(None, 10.0, "b"), "b tf32: nothing of ours ran"),
        (
            replace(
                row(5.5, 10.0, "b"),
                timed=(timed("t", 10.0), timed("e", 5.0, ours=True, error=None)),
            ),
            "b tf32: e is wrong",
        ),
    ],
)
def test_operators_that_fall_short_are_named(bad: Row, complaint: str):
    verdict = judge_operators([row(5.4, 10.0, "a"), bad], ["a", "b"])
    assert any(complaint in s for s in verdict.short), verdict.short


def test_a_loss_within_the_noise_is_none():
    assert judge_operators([row(10.02, 10.0, "free", precision="bf16")], []).short == ()


def test_a_row_that_does_not_count_is_reported_and_cannot_fall_short():
    verdict = judge_operators([row(20.0, 12.0, "b", precision="bf16")], [])
    assert verdict.short == ()
    assert any("b bf16 does not count" in line for line in verdict.lines)


def test_fp16_has_a_bar_of_its_own():
    verdict = judge_operators([row(5.4, 10.0, "a", "fp16")], ["a"])
    assert verdict.short == ("operators fp16: geometric mean 1.85x < 2.0x",)


def test_models_have_a_mean_and_a_least():
    good = [row(4.0, 10.0, "a"), row(4.5, 10.0, "b")]
    assert judge_models(good, 2).short == ()
    assert "7 rows" not in judge_models(good, 2).lines[0]
    low = [row(3.0, 10.0, "a"), row(6.5, 10.0, "b")]
    assert judge_models(low, 2).short == ("b tf32: 1.54x < 1.6x",)
    assert judge_models(good, 8).short == ("models: 2 of 8 rows of the geometric mean count",)


def kernel(kind: str, ours: float, copy: float, **more: Any) -> Row:
    return row(ours, copy, kind, table=kind, baseline=None, **more)


def test_kernels_are_held_against_the_copy_and_the_floor():
    good = [
        kernel("copy", 11.0, 10.0),
        kernel("copy", 30.0, 10.0, decides=False),
        kernel("transpose", 13.0, 10.0),
        kernel("offset-add", 15.0, 10.0, roof=10.0, launch=2.0),
    ]
    assert judge_kernels(good).short == ()
    bad = [
        kernel("copy", 12.0, 10.0),
        kernel("transpose", 13.5, 10.0),
        kernel("offset-add", 16.0, 10.0, roof=10.0, launch=2.0),
        kernel("offset-add", 15.0, 10.0, roof=10.0),
    ]
    assert [s.split(":")[0] for s in judge_kernels(bad).short] == [b.label for b in bad]


def test_errors():
    reference = np.array([3.0, -4.0])
    assert error_of(np.array([3.0, -4.0], np.float16), reference) == Error(0.0, 0.0)
    error = error_of(np.array([3.0, -3.0]), reference)
    assert (error.norm, error.largest) == (pytest.approx(0.2), pytest.approx(0.25))
    for bad in (np.array([3.0, np.nan]), np.array([np.inf, 1.0]), np.zeros((2, 1))):
        assert not error_of(bad, reference).within(1e30)


def test_the_geometric_mean():
    assert geomean([2.0, 8.0]) == pytest.approx(4.0)
    assert geomean([]) == 0.0


def test_rows_survive_a_file(tmp_path: Path):
    rows = [row(4.0, 10.0, notes=("n",), environment={"gpu": "g"}), row(None, 1.0)]
    failed = replace(rows[0], timed=(timed("t", 1.0, error=None, compile_seconds=2.0),))
    path = tmp_path / "rows.json"
    write_rows(path, [*rows, failed])
    assert read_rows(path) == [*rows, failed]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"rows": [{}]}', '{"rows": [1]}'])
def test_other_files_are_refused(tmp_path: Path, text: str):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(InputError, match="does not hold rows"):
        read_rows(path)


def test_a_line_says_who_won_and_why_not():
    line = shown(row(4.0, 10.0, notes=("something is left out",)))
    assert "torch" in line and "2.50x" in line and "derived" in line and "25%" in line
    assert "something is left out" in line
    assert "does not count" in shown(row(4.0, 20.0))
    wrong = timed("torch-compile", 5.0, error=Error(1.0, 1.0), compile_seconds=7.4)
    line = shown(replace(row(None, 10.0), timed=(wrong,)))
    assert "torch-compile 5.0 WRONG (compiled in 7 s)" in line


def test_bars_are_by_precision_and_pale_without_a_baseline(tmp_path: Path):
    rows = [
        row(5.0, 10.0, "a"),
        row(5.0, 30.0, "b"),
        row(None, 1.0, "c"),
        row(2.0, 8.0, "a", "fp16"),
    ]
    found = bars(rows)
    assert found["tf32"] == {
        "a": (pytest.approx(2.0), True),
        "b": (pytest.approx(6.0), False),
    }
    assert found["fp16"] == {"a": (pytest.approx(4.0), True)}
    path = tmp_path / "p.png"
    draw(rows, path, "a GPU")
    assert path.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InputError, match="no row"):
        draw(rows[2:3], path, "")


def test_plot_reads_what_a_table_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_rows(tmp_path / "r.json", [row(5.0, 10.0, "a")])
    assert plot([str(tmp_path / "r.json"), "-o", str(tmp_path / "r.png")]) == 0
    assert (tmp_path / "r.png").stat().st_size > 1000
    assert plot([str(tmp_path / "none.json"), "-o", str(tmp_path / "r.png")]) == 1
    assert "No such file" in capsys.readouterr().err
    assert json.loads((tmp_path / "r.json").read_text())["rows"][0]["name"] == "a"
