"""MLIR's crashes become errors of einnet-opt; these run it as users do, in a process of its own."""

from __future__ import annotations

import faulthandler
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from einnet.cli.opt.blackbox import Activity, BlackBox, Crash, isolated
from einnet.toolchain import tools

COMMAND = [sys.executable, "-m", "einnet.cli.opt"]
LOADS_BITS = """\
func.func @f(%m: memref<4xi1>, %i: index) -> i1 {
  %0 = memref.load %m[%i] : memref<4xi1>
  return %0 : i1
}
"""


def run(arguments: list[str], text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], input=text, capture_output=True, text=True, check=False, timeout=60
    )


def test_a_pipeline_that_aborts_is_an_error_at_its_column() -> None:
    done = run(["-p", "builtin.module(cse,func.func(tosa-to-linalg-pipeline))"], "module {}")
    assert done.returncode == 1
    assert "LLVM ERROR: Can't add pass" in done.stderr
    assert "<pass-pipeline>:1:30: error: MLIR crashed (SIGABRT) while it read" in done.stderr


def test_a_pass_that_aborts_comes_with_its_command() -> None:
    flags = ["--canonicalize", "--finalize-memref-to-llvm"]
    done = run(flags, LOADS_BITS)
    assert done.returncode == 1 and done.stdout == ""
    assert "<stdin>: error: MLIR crashed (SIGABRT) while it ran 'builtin.module(" in done.stderr
    found = re.search(r"reproduce: \S*mlir-opt (\S+) (\S+)\n", done.stderr)
    assert found is not None
    pipeline, path = found.group(1).strip("'"), Path(found.group(2))
    again = subprocess.run([tools.require("mlir-opt").path, pipeline, path], capture_output=True)
    assert again.returncode == -signal.SIGABRT
    path.unlink()


def test_crash_reproducers_are_written_by_whoever_survives(tmp_path: Path) -> None:
    path = tmp_path / "again.mlir"
    flag = f"--mlir-pass-pipeline-crash-reproducer={path}"
    done = run(["--finalize-memref-to-llvm", flag], LOADS_BITS)
    assert done.returncode == 1
    assert f"note: reproducer generated at `{path}`" in done.stderr
    again = run([str(path), "--run-reproducer"])
    assert again.returncode == 1
    assert f"{path}: error: MLIR crashed (SIGABRT)" in again.stderr


def test_inputs_that_are_nested_too_deep_are_errors() -> None:
    done = run([], "func.func @f() {" + "scf.execute_region {" * 20000)
    assert done.returncode == 1
    assert "<stdin>: error: MLIR crashed (SIGSEGV) while it read the input" in done.stderr


def test_a_crash_in_a_pass_of_einnets_is_a_bug_of_ours(capfd: pytest.CaptureFixture[str]) -> None:
    from einnet.cli.opt.entry import report

    crash = Crash(signal.SIGSEGV, Activity("it ran 'x'", "a.mlir", ours=True), b"")
    assert report(crash, ["a.mlir"]) == 70
    err = capfd.readouterr().err
    found = re.fullmatch(r"einnet-opt: internal error; the report is in (\S+)\n", err)
    assert found is not None
    assert "SIGSEGV while it ran 'x'" in Path(found.group(1)).read_text(encoding="utf-8")
    Path(found.group(1)).unlink()


def test_the_last_record_survives() -> None:
    def work(box: BlackBox) -> int:
        box.record(Activity("a longer first activity", "a.mlir"), lambda: b"a longer text")
        box.record(Activity("second", "a.mlir", 2, 3), lambda: b"text\n")
        faulthandler.disable()  # pytest's: it would print a stack as if this were not meant
        os.abort()

    seen: list[Crash] = []

    def crashed(crash: Crash) -> int:
        seen.append(crash)
        return 5

    assert isolated("test", work, crashed) == 5
    assert seen == [Crash(signal.SIGABRT, Activity("second", "a.mlir", 2, 3), b"text\n")]


def test_exit_codes_pass_through() -> None:
    assert isolated("test", lambda _: 70, lambda _: 1) == 70


def test_a_killed_command_leaves_nothing_behind(tmp_path: Path) -> None:
    fifo = tmp_path / "never.mlir"
    os.mkfifo(fifo)
    with subprocess.Popen([*COMMAND, str(fifo)], stdout=subprocess.PIPE) as process:
        descriptor = os.open(fifo, os.O_RDWR)  # until the child reads it, and so is there
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        deadline = time.monotonic() + 30
        while not (found := children.read_text().split()) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.2)  # for the child to ask that it ends with its parent
        process.kill()
        # The pipe closes when its last holder ends.
        assert process.stdout is not None and process.stdout.read() == b""
        os.close(descriptor)
    assert found
