"""What each kind of failure does to a command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from einnet.cli.guard import run_guarded
from einnet.errors import InputError, Location


def raising(error: BaseException) -> int:
    raise error


def test_a_status_is_passed_on() -> None:
    assert run_guarded("einnet", lambda: 3) == 3


def test_the_users_error_is_printed_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    error = InputError("wrong", location=Location("a.mlir", 3, 7), hint="do this")
    assert run_guarded("einnet", lambda: raising(error)) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "a.mlir:3:7: error: wrong\n  hint: do this\n"


def test_an_error_without_a_place_is_the_command_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_guarded("einnet", lambda: raising(InputError("wrong"))) == 1
    assert capsys.readouterr().err == "einnet: error: wrong\n"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(28, "No space left on device", "a.txt"), "a.txt: No space left on device"),
        (MemoryError("Unable to allocate 1 PiB"), "out of memory: Unable to allocate 1 PiB"),
    ],
)
def test_a_resource_that_ran_out_is_no_bug(
    capfd: pytest.CaptureFixture[str], error: Exception, line: str
) -> None:
    assert run_guarded("einnet", lambda: raising(error)) == 1
    assert capfd.readouterr().err == f"einnet: error: {line}\n"


def test_a_missing_package_of_einnets_own_is_no_bug(capsys: pytest.CaptureFixture[str]) -> None:
    error = ModuleNotFoundError("No module named 'mlir'", name="mlir")
    assert run_guarded("einnet", lambda: raising(error)) == 1
    line, hint = capsys.readouterr().err.splitlines()
    assert line == "einnet: error: this needs the package mlir" and "einnet doctor" in hint


def test_a_library_that_is_gone_is_no_bug(capsys: pytest.CaptureFixture[str]) -> None:
    gone = "libLLVM.so.22.1: cannot open shared object file: No such file or directory"
    assert run_guarded("einnet", lambda: raising(ImportError(gone))) == 1
    line, hint = capsys.readouterr().err.splitlines()
    assert line == ("einnet: error: this needs the library libLLVM.so.22.1, which cannot be opened")
    assert "einnet doctor" in hint


def test_standard_output_that_is_closed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout", None)
    assert run_guarded("einnet", lambda: 0) == 1
    assert "standard output is closed" in capsys.readouterr().err


def test_a_full_disk_behind_standard_output() -> None:
    script = (
        "from einnet.cli.guard import run_guarded; import sys;"
        "sys.exit(run_guarded('einnet', lambda: print('x') or 0))"
    )
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", script], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert done.stderr == "einnet: error: cannot go on: No space left on device\n"


def test_an_interrupt_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_guarded("einnet", lambda: raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == ""


INTERRUPT = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"


@pytest.mark.parametrize("work", [f"exec({INTERRUPT!r})", "__import__('interrupting')"])
def test_an_interrupt_from_outside(tmp_path: Path, work: str) -> None:
    # In an import too, where it may not become an exception: extension modules would crash.
    (tmp_path / "interrupting.py").write_text(
        f"try:\n    {INTERRUPT}\nexcept KeyboardInterrupt:\n    print('an exception')\n"
    )
    script = (
        "from einnet.cli.guard import run_guarded; import sys;"
        f"sys.exit(run_guarded('einnet', lambda: {work}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=20
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_a_bug_of_ours_leaves_a_report(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    error = ZeroDivisionError("by nothing")
    assert run_guarded("einnet-opt", lambda: raising(error), ["a b.mlir", "--cse"]) == 70
    (report,) = tmp_path.iterdir()
    line = f"einnet-opt: internal error; the report is in {report}\n"
    assert capsys.readouterr().err == line
    text = report.read_text(encoding="utf-8")
    assert "command: einnet-opt 'a b.mlir' --cse\n" in text
    assert "ZeroDivisionError: by nothing" in text
    assert "xtc-mlir-python-bindings: 22." in text


@pytest.mark.parametrize("size", [1, 1_000_000])
def test_a_reader_that_goes_away_is_no_error(size: int) -> None:
    # What fits into the buffer fails only when it is flushed.
    script = (
        "from einnet.cli.guard import run_guarded; import sys; input();"
        f"sys.exit(run_guarded('einnet', lambda: print('x' * {size}) or 0))"
    )
    buffered = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env=buffered,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate(b"\n", timeout=20)
    assert (process.returncode, errors) == (141, b"")
