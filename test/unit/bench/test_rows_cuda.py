"""A row's contest and the processes around it, with made-up contenders and no GPU."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest
from bench import models, operators, rows_cuda, table_cuda
from bench.cases import CASES, reference, to_layout
from bench.contender import Ours, Workload
from bench.generators import bytes_of, evaluate, flops_of, latent_of, read_generator
from bench.peers_torch import TimeUp, time_limit
from bench.rows_cuda import Contest, Setting, run_contest
from bench.table_cuda import Table, chosen_rows, load_build, main
from bench.verdict import Row, Verdict, fastest

from einnet.errors import InputError, ToolchainError
from einnet.expr.program import Program
from einnet.runtime.cuda.timing import Contender as Replays
from einnet.runtime.cuda.timing import GpuSamples

EXPECTED = np.array([[1.0, 2.0], [3.0, 4.0]])


def nothing() -> None:
    return


@dataclass
class Fake:
    """A contender of ours or a peer that takes `microseconds`."""

    name: str
    microseconds: float
    result: np.ndarray
    refuses: str = ""
    provenance: str = "derived"
    captured: int | None = None

    @property
    def candidates(self) -> Mapping[str, float]:
        return {"derived": self.microseconds, "original": 9.0}

    @property
    def algorithms(self) -> Sequence[str]:
        return ["matmul: algorithm 7"]

    def capture(self, stream: int) -> Replays:
        if self.refuses:
            raise RuntimeError(f"{self.refuses}\nand a long trace")
        self.captured = stream
        return Replays(nothing, nothing)

    def output(self) -> np.ndarray:
        return self.result

    def sample(self) -> float:
        return self.microseconds


def contest_of(contest: Contest, *fakes: Fake) -> tuple[Any, ...]:
    """Run it with a clock that says what each fake takes."""
    times = {fake.name: fake.microseconds for fake in fakes}

    def clock(contenders: Mapping[str, Replays]) -> dict[str, GpuSamples]:
        return {n: GpuSamples((times[n],) * 3, (times[n] + 1,) * 3) for n in contenders}

    return run_contest(contest, EXPECTED, clock, 7, 3)


def test_contenders_are_checked_and_timed():
    peer, mine = Fake("peer", 4.0, EXPECTED), Fake("mine", 2.0, EXPECTED.T)
    host = Fake("host", 5.0, EXPECTED)
    contest = Contest([Ours("mine", mine, (1, 0))], [peer], [host], {"peer": 3.0})
    timed = contest_of(contest, peer, mine)
    assert [t.name for t in timed] == ["mine", "peer", "host"]
    row = Row("t", "r", "tf32", True, 4.0, 1.0, 1e-3, timed)
    assert all(row.correct(t) for t in timed)
    ours, best = fastest(row, ours=True), fastest(row, ours=False)
    assert ours is not None and best is not None and best.name == "peer"
    assert (ours.median(), ours.median(cold=True)) == (2.0, 3.0)
    assert ours.candidates == {"derived": 2.0, "original": 9.0}
    assert ours.algorithms == ("matmul: algorithm 7",) and best.algorithms == ()
    assert best.compile_seconds == 3.0
    assert timed[2].cold == () and timed[2].hot == (5.0, 5.0, 5.0)
    assert peer.captured == mine.captured == 7
    assert contest.notes == []


def test_ours_is_built_before_the_gpu_is_ours_alone_and_all_else_after(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    device = SimpleNamespace(properties=SimpleNamespace(bus="rows"), make_stream=lambda: 7)
    monkeypatch.setattr(rows_cuda, "open_device", lambda: device)
    seen: dict[str, bool] = {}

    def note(what: str) -> None:
        with (tmp_path / "einnet-gpu-rows.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                seen[what] = False
            except BlockingIOError:
                seen[what] = True

    class Host(Fake):
        def sample(self) -> float:
            note("timing")
            return 1.0

    def build(workload: Workload, precision: str) -> Fake:
        note(f"ours, {workload.name} in {precision}")
        return Fake("ours", 1.0, EXPECTED)

    def torch(layout: str, compiled: bool) -> Any:
        raise AssertionError(f"torch is not wanted, in {layout}, {compiled}")

    def reference() -> np.ndarray:
        note("reference")
        return EXPECTED

    def jax() -> Fake:
        note("peer")
        return Host("jax", 1.0, EXPECTED)

    given = Workload("w", Path("none.onnx"), {})
    sides = rows_cuda.Sides(lambda: {"ours": (given, None)}, torch, jax, reference)

    def clock(*_: object) -> dict[str, GpuSamples]:
        note("ours, timed")
        return {}

    monkeypatch.setattr(rows_cuda, "time_programs", clock)
    setting = Setting(build, peers=("jax",), rounds=2)
    row = rows_cuda.measure_row(blank("r", "tf32"), setting, sides)
    assert seen.pop("timing") and seen.pop("ours, timed")
    assert seen == {"ours, w in tf32": False, "reference": True, "peer": True}
    note("after")
    assert not seen["after"] and [t.name for t in row.timed] == ["jax"]


def test_one_that_refuses_is_left_out_with_a_note():
    good, bad = Fake("good", 1.0, EXPECTED), Fake("bad", 1.0, EXPECTED, refuses="no engine")
    contest = Contest(peers=[good, bad])
    assert [t.name for t in contest_of(contest, good)] == ["good"]
    assert contest.notes == ["bad is left out: RuntimeError: no engine"]


def test_a_wrong_one_is_shown_and_never_the_best():
    good, bad = Fake("good", 3.0, EXPECTED), Fake("bad", 1.0, EXPECTED + 1)
    timed = contest_of(Contest(peers=[good, bad]), good, bad)
    row = Row("t", "r", "tf32", True, None, 1.0, 1e-3, timed)
    best = fastest(row, ours=False)
    assert len(timed) == 2 and best is not None and best.name == "good"


def test_a_bug_is_not_a_note():
    with pytest.raises(ZeroDivisionError):
        Contest().attempt("x", lambda: 1 // 0)


def test_two_of_one_name_are_refused():
    fake = Fake("x", 1.0, EXPECTED)
    with pytest.raises(ValueError, match="two contenders"):
        contest_of(Contest(peers=[fake, fake]), fake)


def test_a_missing_library_is_a_note():
    contest = Contest()

    def missing() -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    assert contest.attempt("torch-nchw", missing) is None
    assert contest.notes == ["torch-nchw is left out: there is no module torch"]


def test_the_time_limit_passes_through_those_who_catch_every_exception():
    begin = time.monotonic()
    with pytest.raises(TimeUp), time_limit(0.05):
        while True:
            try:
                time.sleep(5)
            except Exception:  # noqa: BLE001 - as compilers do that try many things
                continue
    assert time.monotonic() - begin < 2
    with time_limit(0.02):
        pass
    time.sleep(0.05)


def test_nothing_of_a_peer_is_imported_with_the_tables():
    code = (
        "import sys; import bench.operators, bench.models, bench.kernels, bench.plot;"
        "print([m for m in ('torch', 'jax', 'cuda', 'matplotlib', 'mlir') if m in sys.modules])"
    )
    folder = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder
    )
    assert done.stdout.strip() == "[]"


def setting(**changes: Any) -> Setting:
    return replace(Setting(None), **changes)


@pytest.mark.parametrize("precision", ["tf32", "fp16", "bf16"])
def test_an_operator_is_given_to_ours_with_its_data(precision: str):
    case = next(c for c in CASES if c.model == "PET")
    sides = operators.sides_of(case, precision, setting(layouts=("nhwc", "nchw")))
    given = sides.ours()
    assert list(given) == ["einnet-nhwc", "einnet-nchw"]
    (last, last_axes), (first, first_axes) = given.values()
    assert (last_axes, first_axes) == (None, (0, 2, 3, 1))
    assert last.name != first.name
    for work in (last, first):
        assert isinstance(work.source, Program)
        assert [t.shape for t in work.source.inputs] == [
            work.inputs["X"].shape,
            work.weights["W"].shape,
        ]
        assert work.inputs["X"].dtype == operators.DTYPES[precision]
    np.testing.assert_array_equal(last.inputs["X"], first.inputs["X"].transpose(0, 2, 3, 1))
    x, w = (a.astype(np.float64) for a in (last.inputs["X"], last.weights["W"]))
    np.testing.assert_allclose(sides.reference(), reference(case, x, w), rtol=1e-12, atol=1e-12)
    # x is (n, h, w, c) already: what `to_layout` makes of the other one.
    np.testing.assert_array_equal(to_layout(first.inputs["X"], "nhwc"), last.inputs["X"])


@pytest.mark.parametrize("name", ["infogan b1", "dcgan b1"])
def test_a_model_is_read_back_as_onnx_means_it(name: str, tmp_path: Path):
    model = models.MODELS[name]
    path = models.write_onnx(model, tmp_path)
    generator = read_generator(path)
    latent = latent_of(generator, 5)
    session = onnxruntime.InferenceSession(path.read_bytes())
    (expected,) = session.run(None, {"latent": latent})
    np.testing.assert_allclose(evaluate(generator, latent), np.asarray(expected), atol=2e-5, rtol=0)
    sides = models.sides_of(model, path, "fp16", setting())
    ((work, axes),) = sides.ours().values()
    assert isinstance(work, Workload) and axes is None
    assert work.source == path and work.inputs["latent"].dtype == np.float16


def test_sizes_of_a_model(tmp_path: Path):
    generator = read_generator(models.write_onnx(models.MODELS["dcgan b1"], tmp_path))
    # Each layer's channels in and out, taps, and pixels of its input.
    layers = [
        (100, 512, 1),
        (512, 256, 16),
        (256, 128, 64),
        (128, 64, 256),
        (64, 3, 1024),
    ]
    assert flops_of(generator) == sum(2 * c * f * 16 * pixels for c, f, pixels in layers)
    weights = sum(c * f * 16 for c, f, _ in layers)
    assert bytes_of(generator, 2) == 2 * (100 + weights + 3 * 64 * 64)


def test_another_graph_is_no_generator(tmp_path: Path):
    model = replace(models.MODELS["dcgan b1"], batch=None)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="fixed batch"):
        read_generator(models.write_onnx(model, tmp_path))


def test_the_models_are_the_four_of_the_issue():
    rows = [models.blank(n, p) for n in models.TABLE.rows for p in models.TABLE.precisions]
    assert len(rows) == 8 and all(row.decides and row.baseline for row in rows)
    assert all(0 < row.roof < (row.baseline or 0) for row in rows)


ROWS = ("one", "two", "two and a half")


def blank(name: str, precision: str) -> Row:
    return Row("made up", name, precision, True, 10.0, 1.0, 1e-3, ())


def judge(rows: Sequence[Row]) -> Verdict:
    return Verdict((f"{len(rows)} rows",), tuple(r.label for r in rows if not r.timed))


def table(child: str) -> Table:
    """A table whose children run the Python program `child` instead."""

    def measure(row: Row, _: Setting) -> Row:
        return row

    return Table("made up", f"bench.none -c {child}", ROWS, ("tf32",), blank, measure, judge)


WRITES = """
import json, sys
path, name = (sys.argv[sys.argv.index(flag) + 1] for flag in ("--json", "--rows"))
row = {"table": "made up", "name": name, "precision": "tf32", "decides": True, "baseline": 10.0,
       "roof": 1.0, "tolerance": 1e-3, "notes": [], "environment": {}, "launch": None,
       "timed": [{"name": "t", "ours": True, "hot": [1.0], "cold": [], "provenance": "",
                  "error": {"norm": 0.0, "largest": 0.0}, "candidates": {},
                  "compile_seconds": None}]}
json.dump({"rows": [row]}, open(path, "w"))
"""


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Makes a row's process run a script with the flags that it would have had."""
    limited = table_cuda._run_limited

    def replace_by(script: str) -> None:
        path = tmp_path / "child.py"
        path.write_text(script)

        def run(command: Sequence[str], limit: float) -> tuple[int | None, str]:
            flags = command[command.index("--in-process") :]
            return limited([sys.executable, str(path), *flags], limit)

        monkeypatch.setattr(table_cuda, "_run_limited", run)

    return replace_by


def test_rows_are_measured_apart_and_judged(child: Any, capsys: Any, tmp_path: Path):
    child(WRITES)
    arguments = ["--rows", "one", "--check", "--json", str(tmp_path / "out.json")]
    assert main(table(""), "", arguments) == 0
    assert "1 rows" in capsys.readouterr().out
    assert [r.name for r in table_cuda.read_rows(tmp_path / "out.json")] == ["one"]


def test_other_rows_of_a_file_stay_and_what_is_measured_is_judged_again(
    child: Any, capsys: Any, tmp_path: Path
):
    child(WRITES)
    path = tmp_path / "out.json"
    file = ["--json", str(path)]
    assert main(table(""), "", ["--rows", "two", *file]) == 0
    assert main(table(""), "", ["--rows", "one", *file, "--update"]) == 0
    assert [r.name for r in table_cuda.read_rows(path)] == ["one", "two"]
    capsys.readouterr()
    assert main(table(""), "", ["--measured", str(path)]) == 0
    assert "2 rows" in capsys.readouterr().out
    assert main(table(""), "", ["--measured", str(path), "--rows", "two"]) == 0
    assert "1 rows" in capsys.readouterr().out
    capsys.readouterr()
    for wrong, words in (("--update", "--json names"), ("--measured=none", "none: No such file")):
        assert main(table(""), "", [wrong]) == 1
        said = capsys.readouterr()
        assert words in said.err and not said.out


def test_rows_of_several_commits_are_said_to_be():
    one, two = (
        Row("t", n, "tf32", True, None, 1.0, 1.0, (), environment={"commit": n}) for n in "ab"
    )
    assert table_cuda.commits_of([one, one]) == []
    assert table_cuda.commits_of([one, two]) == ["measured at several commits: a (1), b (1)"]
    changed = replace(one, environment={"commit": "a+"})
    assert table_cuda.commits_of([one, changed]) == ["measured at several commits: a (1), a+ (1)"]


def test_a_fault_loses_one_row_and_check_names_it(child: Any, capsys: Any):
    child("import os, sys; print('illegal address'); sys.stdout.flush(); os._exit(3)")
    assert main(table(""), "", ["--rows", "one", "--check"]) == 1
    out = capsys.readouterr().out
    assert "its process ended with 3: illegal address" in out
    assert "falls short:\n  one tf32" in out
    assert main(table(""), "", ["--rows", "one"]) == 0


def test_an_exception_is_a_fault_of_its_row(child: Any, capsys: Any):
    child("raise RuntimeError('CUDA error: an illegal memory access was encountered')")
    assert main(table(""), "", ["--rows", "one", "two"]) == 0
    lines = [s for s in capsys.readouterr().out.splitlines() if "illegal memory" in s]
    assert len(lines) == 2


def test_what_was_written_before_a_fault_is_kept(child: Any):
    child(WRITES + "\nimport os; os.abort()")
    assert main(table(""), "", ["--rows", "one", "--check"]) == 0


def test_a_row_that_hangs_is_ended_and_tried_without_compiling(child: Any, capsys: Any):
    child(
        "import sys, time\n"
        "if sys.argv[sys.argv.index('--compile-limit') + 1] != '0.0': time.sleep(60)\n" + WRITES
    )
    begin = time.monotonic()
    assert main(table(""), "", ["--rows", "one", "--row-limit", "1", "--check"]) == 0
    assert time.monotonic() - begin < 20
    assert "torch.compile is left out: the row did not end in 1 s" in capsys.readouterr().out


def test_a_process_that_a_row_leaves_behind_is_ended(tmp_path: Path):
    mark = tmp_path / "mark"
    child = f"import time; time.sleep(1.5); open({str(mark)!r}, 'w')"
    script = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}])"
    assert table_cuda._run_limited([sys.executable, "-c", script], 20) == (0, "")
    time.sleep(2)
    assert not mark.exists()


def test_what_no_row_can_do_without_ends_the_table(child: Any, capsys: Any):
    child("import sys; sys.exit('error: there is no GPU')")
    assert main(table(""), "", []) == 1
    captured = capsys.readouterr()
    assert "there is no GPU" in captured.err and "two" not in captured.out


def test_rows_are_chosen_by_text_or_whole_name():
    assert chosen_rows(table(""), [""]) == list(ROWS)
    assert chosen_rows(table(""), ["two"]) == ["two"]
    assert chosen_rows(table(""), ["half", "one"]) == ["one", "two and a half"]
    with pytest.raises(InputError, match="no row's name"):
        chosen_rows(table(""), ["three"])


def test_ours_is_a_function_of_a_module():
    with pytest.raises(InputError, match=r"no module bench\.nowhere"):
        load_build("bench.nowhere")
    with pytest.raises(InputError, match="no function"):
        load_build("bench.cases")


def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: Any):
    def refuse() -> None:
        raise ToolchainError("NVIDIA's driver is missing")

    monkeypatch.setattr("bench.rows_cuda.open_device", refuse)
    arguments = ["--in-process", "--peers-only", "--rows", "conv5x5 n1 c48", "--peers"]
    assert main(operators.TABLE, "", arguments) == 1
    assert "driver is missing" in capsys.readouterr().err
