import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from einnet.errors import Location, ToolchainError
from einnet.toolchain.child import ChildError, Outcome, run_child


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_result_holds_streams_and_status():
    result = run_child(
        python(
            "import sys; print(sys.stdin.read() * 2); print('no', file=sys.stderr); sys.exit(3)"
        ),
        "ab",
        timeout=10,
    )
    assert (result.status, result.stdout, result.stderr) == (3, "abab\n", "no\n")


@pytest.mark.parametrize(
    ("code", "signal"),
    [
        ("import os; os.abort()", "SIGABRT"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        # A shell in between reports its child's signal as a status.
        ("import sys; sys.exit(128 + 11)", "SIGSEGV"),
    ],
)
def test_crash(code: str, signal: str):
    with pytest.raises(ChildError, match=rf"crashed \({signal}\)") as caught:
        run_child(python(code), timeout=10, location=Location("model.onnx"))
    assert caught.value.outcome is Outcome.CRASHED
    assert str(caught.value).startswith("model.onnx: error: ")


def test_crash_tells_the_last_message_before_the_stack_dump():
    code = (
        "import os, sys; print('Assertion failed: rank > 0\\nStack dump:\\n 0. x', "
        "file=sys.stderr, flush=True); os.abort()"
    )
    with pytest.raises(ChildError) as caught:
        run_child(python(code), timeout=10)
    assert caught.value.hint == "Assertion failed: rank > 0"


def test_hang_is_killed_with_its_own_children(tmp_path: Path):
    pid_file = tmp_path / "pid"
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(pid_file)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(60)"
    )
    started = time.monotonic()
    with pytest.raises(ChildError, match="did not end within 1 s") as caught:
        run_child(python(code), timeout=1)
    assert caught.value.outcome is Outcome.TIMED_OUT
    assert time.monotonic() - started < 10
    status = Path(f"/proc/{pid_file.read_text()}/stat")
    deadline = time.monotonic() + 5
    while status.exists() and status.read_text().split()[2] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_memory_limit():
    code = "x = bytearray(2 << 30)"
    with pytest.raises(ChildError, match=r"ran out of memory \(limit 1\.0 GiB\)") as caught:
        run_child(python(code), timeout=10, memory_limit=1 << 30)
    assert caught.value.outcome is Outcome.OUT_OF_MEMORY
    assert run_child(python("x = bytearray(1 << 20)"), timeout=10, memory_limit=1 << 30).status == 0


def test_missing_program():
    with pytest.raises(ToolchainError, match="not an executable program"):
        run_child(["/no/such/program"], timeout=10)


def test_command_reproduces_the_crash_with_its_input():
    code = "import os, sys; sys.stdin.read() == 'bad input' and os.abort()"
    with pytest.raises(ChildError) as caught:
        run_child(python(code), "bad input", timeout=10, memory_limit=1 << 30)
    command = caught.value.reproduce
    assert command is not None
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=False)
    assert done.returncode == 128 + 6
    os.unlink(command.split()[-1])


def test_a_child_that_ends_while_it_is_killed(monkeypatch: pytest.MonkeyPatch):
    killpg = os.killpg

    def late(group: int, number: int) -> None:
        killpg(group, number)
        raise ProcessLookupError

    monkeypatch.setattr(os, "killpg", late)
    with pytest.raises(ChildError) as caught:
        run_child(python("import time; time.sleep(60)"), timeout=0.1)
    assert caught.value.outcome is Outcome.TIMED_OUT
