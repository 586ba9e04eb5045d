"""The command line of einnet-opt, called in process; what passes do is tested by lit."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from einnet.cli.opt import Command, main, parse_arguments
from einnet.errors import InputError

MODULE = "func.func @f() -> i32 {\n  %c = arith.constant 1 : i32\n  return %c : i32\n}\n"


def test_arguments_are_told_apart() -> None:
    arguments = [
        "--cse",
        "-o=out.mlir",
        "-canonicalize=max-iterations=2",
        "in.mlir",
        "--split-input-file",
        "--allow-unregistered-dialect",
        "--einnet-optimize",
    ]
    assert parse_arguments(arguments) == Command(
        file="in.mlir",
        output="out.mlir",
        passes=(("cse", ""), ("canonicalize", "max-iterations=2"), ("einnet-optimize", "")),
        split=True,
        unregistered=True,
    )


def test_options_that_open_with_o_are_passes() -> None:
    command = parse_arguments(["-one-shot-bufferize", "-o", "-", "-"])
    assert command == Command(output="-", passes=(("one-shot-bufferize", ""),))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o"], "needs a value"),
        (["--"], "names no option"),
        (["--pass-pipeline"], "needs a value"),
        (["-o", "a", "-o", "b"], "given twice"),
        (["a.mlir", "b.mlir"], "more than one file"),
        (["--split-input-file=1"], "takes no value"),
        (["--pass-pipeline=x", "--cse"], "one way or the other"),
    ],
)
def test_wrong_arguments_are_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_arguments(arguments)


def test_nothing_is_written_after_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = tmp_path / "a.mlir", tmp_path / "b.mlir"
    source.write_text(MODULE + "// -----\n" + MODULE.replace("%c :", "%d :"), encoding="utf-8")
    output.write_text("before", encoding="utf-8")
    assert main([str(source), "--split-input-file", "-o", str(output)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    # The line is that of the file, not of the part.
    assert captured.err.startswith(f"{source}:8:10: error: ")
    assert output.read_text(encoding="utf-8") == "before"


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", None])
def test_unreadable_files_are_the_users_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    source = tmp_path / "a.mlir"
    if content is not None:
        source.write_bytes(content)
    assert main([str(source)]) == 1
    assert capsys.readouterr().err.startswith(f"{source}: error: ")


def test_unwritable_outputs_are_the_users_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "a.mlir"
    source.write_text(MODULE, encoding="utf-8")
    output = tmp_path / "missing" / "b.mlir"
    assert main([str(source), "-o", str(output)]) == 1
    assert f"{output}: error: cannot be written" in capsys.readouterr().err


def test_a_failing_upstream_pass_comes_with_its_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "a.mlir"
    source.write_text(
        "func.func @f(%t: tensor<4xf32>) {\n"
        '  "test.use"(%t) : (tensor<4xf32>) -> ()\n  return\n}\n',
        encoding="utf-8",
    )
    flags = ["--allow-unregistered-dialect", "--cse", "--one-shot-bufferize"]
    assert main([str(source), *flags]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"{source}:2:3: error: a pass failed: ")
    pipeline = re.escape("--pass-pipeline=builtin.module(cse,one-shot-bufferize)")
    assert re.search(rf"reproduce: \S*mlir-opt '{pipeline}' \S+", captured.err)


def test_starting_up_imports_no_model_front_end_and_no_driver() -> None:
    script = (
        "import sys; from einnet.cli.opt import main; main(['-', '--cse']);"
        "bad = {'torch', 'torch_mlir', 'onnx', 'einnet.driver', 'einnet.bridge', 'rich'};"
        "sys.exit(str(bad & set(sys.modules)) if bad & set(sys.modules) else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=MODULE, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
