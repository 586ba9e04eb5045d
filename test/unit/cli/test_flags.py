"""Command lines that are wrong are refused before any work: the message names flag and bounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from einnet.cli.main import main

LONG = "a" * 300
MANY = "9" * 5000


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("compile m -o o --rounds 100000000000", "compile: error: argument --rounds: must be a"),
        ("compile m -o o --rounds 0", "must be a whole number from 1 to 10000, not '0'"),
        ("compile m -o o --repetitions -1", "from 0 to 100000, not '-1'"),
        ("compile m -o o --seed -1", f"from 0 to {2**63 - 1}, not '-1'"),
        ("compile m -o o --seed 1.5", "not '1.5'"),
        ("compile m -o o --mutation-depth 0", "argument --mutation-depth: must be"),
        (f"compile m -o o --batch {MANY}", "argument --batch: must be a whole number from 1 to"),
        ("bench m --batch 99999999999999999999", "not '99999999999999999999'"),
        ("bench m --runs 1000000", "from 1 to 100000, not '1000000'"),
        ("explain m --limit -1", "from 0 to"),
        ("explain m --visits 100000000000", "from 1 to 10000000"),
        ("run m --threads 0", "run: error: argument --threads: must be"),
        ("compile m -o o --fast", "compile: error: unrecognized arguments: --fast"),
        ("doctor --fast", "einnet doctor --help prints what it takes"),
        ("compile m -o o --chips sm_1", "no kernels are made for the chip 'sm_1'"),
        ("compile m -o EMPTY", "argument -o/--output: the name is empty"),
        ("compile EMPTY -o o", "argument model: the name is empty"),
        ("run EMPTY", "argument artifact: the name is empty"),
        ("import m.mlir -o EMPTY", "argument -o/--output: the name is empty"),
        ("explain EMPTY", "argument model: the name is empty"),
        (f"explain m --target conv{MANY}", "unknown target operator 'conv99"),
        (f"explain --expression L<i:4>A[i] --tensor A={MANY}", "is not a name and a shape"),
        (f"explain --expression L<i:{MANY}>A[i] --tensor A=4", "--expression:1:5: error: a num"),
        (f"run {LONG}", "no such artifact"),
        (f"explain {LONG}.mlir", "there is no such file"),
        (f"bench {LONG}.onnx", "there is no such file"),
        (f"compile {LONG} -o o", "there is no such file"),
        (f"compile m.mlir -o {LONG}", "cannot be written: File name too long"),
        (f"import {LONG}.mlir", "there is no such file"),
        ("explain folder", "folder: error: not an artifact: there is no manifest.json in it"),
        ("bench folder", "folder: error: not an artifact: there is no manifest.json in it"),
        ("explain damaged", "damaged/manifest.json: error: damaged, or not an artifact's"),
        ("bench damaged", "damaged/manifest.json: error: damaged, or not an artifact's"),
        ("explain deep.mlir", "deep.mlir:1:2056: error: nested more than 256 deep"),
        ("import deep.mlir", "deep.mlir:1:2056: error: nested more than 256 deep"),
    ],
)
def test_the_users_mistakes(
    line: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m.mlir").touch()
    Path("deep.mlir").write_text("module {" * 20_000 + "}" * 20_000)
    Path("folder").mkdir()
    Path("damaged").mkdir()
    Path("damaged", "manifest.json").write_text("{")
    assert main(["" if word == "EMPTY" else word for word in line.split()]) == 1
    printed = capsys.readouterr()
    assert message in printed.err and not printed.out
    assert len(printed.err) < 12_000 and "Traceback" not in printed.err
