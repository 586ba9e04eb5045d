"""The plugin in mlir-opt. With workers that do not behave the host reports, and never crashes."""

from __future__ import annotations

import io
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mlir import ir

from einnet.cli.worker import Answer, Request, answer, encode
from einnet.errors import InputError, Location
from einnet.passes import registry
from einnet.passes.options import options_of
from einnet.passes.pipeline import parse_pipeline
from einnet.toolchain import tools
from einnet.toolchain.mlir import make_context, parse_module

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from plugin_build import PLUGIN, host

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.skipif(not PLUGIN.exists(), reason="not built; `make plugin` builds it")
HOST = host()

MODULE = """
func.func @product(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>) -> tensor<4x6xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}
"""
FOREIGN = f'"foreign.first"() : () -> ()\n{MODULE}'

Worker = Callable[[str], Path]


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    """Makes an interpreter of a shell script."""

    def make(script: str) -> Path:
        path = tmp_path / "worker"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return make


@pytest.fixture
def replay(worker: Worker, tmp_path: Path) -> Callable[[bytes], Path]:
    """Makes an interpreter that reads its request and answers these bytes."""

    def make(message: bytes) -> Path:
        path = tmp_path / "answer"
        path.write_bytes(message)
        return worker(f"cat {shlex.quote(str(path))}")

    return make


def command(python: Path | str, options: str = "", pass_name: str = "einnet-optimize") -> list[str]:
    return [
        str(HOST),
        f"--load-pass-plugin={PLUGIN}",
        "--allow-unregistered-dialect",
        f"--pass-pipeline=builtin.module({pass_name}{{python={python} {options}}})",
    ]


def run(
    module: str, python: Path | str, options: str = "", pass_name: str = "einnet-optimize"
) -> subprocess.CompletedProcess[str]:
    """The host on a module. A host that crashes fails the test."""
    result = subprocess.run(
        command(python, options, pass_name),
        input=module,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=60,
    )
    assert result.returncode in (0, 1), result.stderr
    assert (result.returncode == 1) == ("error:" in result.stderr), result.stderr
    return result


def bytecode(text: str) -> bytes:
    buffer = io.BytesIO()
    context = ir.Context()
    context.allow_unregistered_dialects = True
    with context:
        ir.Module.parse(text).operation.write_bytecode(buffer)
    return buffer.getvalue()


def test_an_answer_takes_the_place_of_the_module(replay: Callable[[bytes], Path]) -> None:
    text = MODULE.replace("@product", "@other")
    result = run(MODULE, replay(encode(Answer(bytecode(text), ("func",)))))
    assert "@other" in result.stdout
    assert result.returncode == 0


def test_damaged_answers_are_refused(replay: Callable[[bytes], Path]) -> None:
    message = encode(Answer(bytecode(MODULE), ("arith", "func")))
    source = random.Random(5)
    for _ in range(30):
        damaged = bytearray(message)
        for _ in range(source.randint(1, 4)):
            damaged[source.randrange(len(damaged))] = source.randrange(256)
        if bytes(damaged) == message:
            continue
        result = run(MODULE, replay(bytes(damaged)))
        # A dialect's name may have become another one that is there.
        assert result.returncode == 1 or "@product" in result.stdout


def test_answers_cut_short_are_refused(replay: Callable[[bytes], Path]) -> None:
    message = encode(Answer(bytecode(MODULE), ("arith", "func")))
    for size in (1, 20, message.index(b"\n") + 1, message.index(b"\n") + 9, len(message) - 1):
        result = run(MODULE, replay(message[:size]))
        assert "answered what is not understood" in result.stderr


def test_sizes_that_no_memory_holds_are_refused(replay: Callable[[bytes], Path]) -> None:
    for sizes in (b"99999999999999999999 1", b"18446744073709551615 2", b"-1 4", b"1"):
        result = run(MODULE, replay(b"einnet-worker 1 " + sizes + b"\nxyz"))
        assert "answered what is not understood" in result.stderr


def test_another_version_is_named(replay: Callable[[bytes], Path]) -> None:
    result = run(MODULE, replay(b"einnet-worker 7 0 0\n"))
    assert "version '7' of the protocol" in result.stderr


def test_a_module_that_is_not_valid_is_refused(replay: Callable[[bytes], Path]) -> None:
    buffer = io.BytesIO()
    with ir.Context(), ir.Location.unknown():
        module = ir.Module.create()
        with ir.InsertionPoint(module.body):
            ir.Operation.create("func.return")
        module.operation.write_bytecode(buffer)
    result = run(MODULE, replay(encode(Answer(buffer.getvalue(), ("func",)))))
    assert "the result is not valid here" in result.stderr


def test_a_dialect_that_the_host_lacks_is_named(replay: Callable[[bytes], Path]) -> None:
    result = run(MODULE, replay(encode(Answer(bytecode(MODULE), ("elsewhere", "func")))))
    assert "the result needs the dialect 'elsewhere'" in result.stderr


@pytest.mark.parametrize(
    "answered",
    [
        "",
        MODULE,
        "func.func @product_0(%a: tensor<4x6xf32>) -> tensor<4x6xf32> {"
        " return %a : tensor<4x6xf32> }",
        "func.func private @product_0(tensor<4x5xf32>, tensor<5x6xf32>) -> tensor<4x6xf32>",
    ],
)
def test_functions_that_were_not_asked_for_are_refused(
    replay: Callable[[bytes], Path], answered: str
) -> None:
    result = run(FOREIGN, replay(encode(Answer(bytecode(answered), ("func",)))))
    assert "changes whole modules" in result.stderr
    assert "<stdin>:1:1" in result.stderr


def test_errors_stand_at_their_place(replay: Callable[[bytes], Path]) -> None:
    error = InputError("no\nsuch thing", location=Location("<stdin>", 4, 8), hint="another")
    result = run(MODULE, replay(encode(Answer(error=error))))
    assert "<stdin>:4:8: error: no\nsuch thing" in result.stderr
    assert "<stdin>:4:8: note: another" in result.stderr


def test_a_worker_that_does_not_read_blocks_nobody(worker: Worker) -> None:
    values = "0x" + "0000803F" * (1 << 20)
    large = f'func.func @f() -> tensor<{1 << 20}xf32> {{ %c = arith.constant dense<"{values}"> : '
    large += f"tensor<{1 << 20}xf32> return %c : tensor<{1 << 20}xf32> }}"
    assert "exited with status 3" in run(large, worker("exec 0<&-; exit 3")).stderr
    assert "within 1 s" in run(large, worker("exec sleep 60"), "timeout=1").stderr


def test_a_large_module_gets_there_and_back() -> None:
    values = "0x" + "0000803F00000040" * (1 << 18)
    size = 1 << 19
    text = f'func.func @f() -> tensor<{size}xf32> {{ %c = arith.constant dense<"{values}"> : '
    text += f"tensor<{size}xf32> return %c : tensor<{size}xf32> }}"
    assert values in run(text, sys.executable).stdout


def test_what_a_late_worker_started_is_stopped(worker: Worker, tmp_path: Path) -> None:
    script = worker(f"sleep 300 & echo $! > {tmp_path}/child; wait")
    assert "did not answer within 1 s" in run(MODULE, script, "timeout=1").stderr
    assert gone(int((tmp_path / "child").read_text()))


def test_a_worker_stops_with_its_host(worker: Worker, tmp_path: Path) -> None:
    program = (
        "import einnet.cli.worker as w, os, time;"
        f"w.answer = lambda request: (open('{tmp_path}/ready', 'w').write(str(os.getpid())),"
        " time.sleep(300));"
        "w.main()"
    )
    script = worker(f"exec {shlex.quote(sys.executable)} -c {shlex.quote(program)}")
    with subprocess.Popen(command(script), stdin=subprocess.PIPE, text=True) as host:
        assert host.stdin is not None
        host.stdin.write(MODULE)
        host.stdin.close()
        ready = tmp_path / "ready"
        wait_for(lambda: ready.exists() and bool(ready.read_text()))
        host.kill()
    assert gone(int(ready.read_text()))


def test_modules_in_parallel() -> None:
    inner = "\n".join(f"module @m{i} {{ {MODULE} }}" for i in range(4))
    optimize = f"einnet-optimize{{python={sys.executable} measure=false}}"
    pipeline = f"builtin.module(builtin.module({optimize}))"
    arguments = [*command(sys.executable)[:-1], f"--pass-pipeline={pipeline}"]
    result = subprocess.run(arguments, input=inner, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count('einnet.library = "blas"') == 4
    assert all(f"module @m{i} {{" in result.stdout for i in range(4))


def test_the_table_is_that_of_the_registry() -> None:
    arguments = [*command(sys.executable)[:2], "--help"]
    help_ = subprocess.run(arguments, capture_output=True, text=True, timeout=60).stdout
    for name in registry.NAMES:
        _, found, rest = help_.partition(f"--{name} ")
        assert found, f"{name} is not in {PLUGIN}; `make plugin` builds it again"
        own = rest.partition("\n      --")[0]
        for option in options_of(registry.load(name)):
            assert f"--{option.name}" in own


@pytest.mark.parametrize("name", registry.NAMES)
def test_every_pass_gives_what_einnet_opt_gives(name: str) -> None:
    example = registry.load(name).EXAMPLE
    result = run(example.before, sys.executable, example.options, name)
    assert result.returncode == 0, result.stderr
    expected = optimized(example.before, f"{name}{{{example.options}}}")
    assert printed(result.stdout) == expected
    assert expected != printed(example.before)


@pytest.mark.parametrize("named", ["/opt/bin/mlir-opt-22", None, "EINNET_MLIR_OPT-NOTFOUND"])
def test_the_host_is_that_of_the_build(tmp_path: Path, named: str | None) -> None:
    lines = ["CMAKE_AR:FILEPATH=/usr/bin/ar", "", "OTHER:PATH=/"]
    if named is not None:
        lines.insert(1, f"EINNET_MLIR_OPT:FILEPATH={named}")
        (tmp_path / "CMakeCache.txt").write_text("\n".join(lines))
    wheels = tools.require("mlir-opt").path
    assert host(tmp_path) == (Path(named) if named and "NOTFOUND" not in named else wheels)


def printed(text: str) -> str:
    return str(parse_module(text, make_context()))


def optimized(text: str, passes: str) -> str:
    """What einnet-opt makes of the module."""
    context = make_context()
    pipeline = parse_pipeline(f"builtin.module({passes})", context, "<options>")
    return printed(str(pipeline.run(parse_module(text, context, "<stdin>"), "<stdin>")))


def test_the_commands_of_the_page(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "howto" / "plugin.md").read_text()
    script = "".join(re.findall(r"^```bash\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    assert "mlir-opt" in script
    folders = [HOST.parent, Path(sys.executable).parent]
    path = ":".join([*map(str, folders), os.environ["PATH"]])
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "PLUGIN": str(PLUGIN)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.count('einnet.library = "blas"') == 2


def test_the_worker_itself_answers_the_same() -> None:
    pipeline = "builtin.module(einnet-split-summation{label={p} iterators={d9}})"
    error = answer(Request(pipeline, "<stdin>", bytecode(MODULE))).error
    assert error is not None
    result = run(MODULE, sys.executable, "label=p iterators=d9", "einnet-split-summation")
    assert f"error: {error.message}" in result.stderr


def gone(process: int) -> bool:
    """Whether a process ends within a few seconds."""

    def check() -> bool:
        try:
            os.kill(process, 0)
            # A process that nobody has waited for yet is gone too.
            return "State:\tZ" in Path(f"/proc/{process}/status").read_text()
        except (ProcessLookupError, FileNotFoundError):
            return True

    try:
        wait_for(check)
    except TimeoutError:
        os.kill(process, signal.SIGKILL)
        return False
    return True


def wait_for(check: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.05)
