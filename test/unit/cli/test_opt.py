"""The command line of einnet-opt, called in process; what passes do is tested by lit."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from einnet.cli.opt import main
from einnet.cli.opt.command import (
    Command,
    Passes,
    Reading,
    Reporting,
    Watching,
    Writing,
    parse_arguments,
)
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
        writing=Writing(file="out.mlir"),
        passes=Passes(
            flags=(("cse", ""), ("canonicalize", "max-iterations=2"), ("einnet-optimize", ""))
        ),
        reading=Reading(split="// -----", unregistered=True),
    )


def test_options_that_open_with_o_are_passes() -> None:
    command = parse_arguments(["-one-shot-bufferize", "-o", "-", "-"])
    assert command == Command(passes=Passes(flags=(("one-shot-bufferize", ""),)))


def test_values_come_after_an_equals_sign_or_next() -> None:
    arguments = [
        "--split-input-file=//8<",
        "--output-split-marker",
        "",
        "--mlir-print-ir-before=cse,sccp",
        "--mlir-print-ir-before",
        "inline",
        "--verify-diagnostics=only-expected",
        "--verify-each=false",
        "--emit-bytecode-version=3",
        "-p",
        "builtin.module()",
    ]
    assert parse_arguments(arguments) == Command(
        reading=Reading(split="//8<"),
        passes=Passes(pipeline="builtin.module()", verify_each=False),
        writing=Writing(marker="", bytecode_version=3),
        watching=Watching(before=("cse", "sccp", "inline")),
        reporting=Reporting(verify="only-expected"),
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o"], "needs a value"),
        (["--"], "names no option"),
        (["--pass-pipeline"], "needs a value"),
        (["-o", "a", "-o", "b"], "given twice"),
        (["a.mlir", "b.mlir"], "more than one file"),
        (["--list-passes=1"], "takes no value"),
        (["--verify-each=maybe"], "true or false, not 'maybe'"),
        (["--verify-diagnostics=some"], "one of all, only-expected"),
        (["--mlir-elide-elementsattrs-if-larger=x"], "a number, not 'x'"),
        (["--mlir-elide-elementsattrs-if-larger=" + "9" * 5000], "of at most 18 digits"),
        (["--load-pass-plugin=a.so"], "does not have this option of mlir-opt"),
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
    # As mlir-opt does: the part that is right goes to standard output, and no file is written.
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
    place = f"{source}:1:1" if content else f"{source}"
    assert capsys.readouterr().err.startswith(f"{place}: error: ")


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
    assert captured.err.startswith(f"{source}:2:3: error: op was not bufferized")
    pipeline = re.escape("--pass-pipeline=builtin.module(cse,one-shot-bufferize)")
    command = rf"reproduce: \S*mlir-opt '{pipeline}' --allow-unregistered-dialect {source}"
    assert re.search(command, captured.err)


UPSTREAM_ONLY = """
import resource, sys
from einnet.cli.opt import main
assert main(['-', '--canonicalize', '--cse']) == 0
heavy = {'torch', 'torch_mlir', 'onnx', 'scipy', 'rich', 'importlib.metadata',
         'mlir.dialects.linalg', 'einnet.driver', 'einnet.bridge', 'einnet.expr', 'einnet.runtime'}
sys.exit(str(sorted(heavy & set(sys.modules))) if heavy & set(sys.modules) else 0)
"""
RULE = """
import sys
from einnet.cli.opt import main
main(['-', '--einnet-split-summation=label=none iterators=d2'])
heavy = {'torch', 'torch_mlir', 'onnx', 'scipy', 'rich', 'einnet.driver', 'einnet.search',
         'einnet.codegen', 'einnet.runtime', 'einnet.tuning', 'einnet.program'}
sys.exit(str(sorted(heavy & set(sys.modules))) if heavy & set(sys.modules) else 0)
"""


@pytest.mark.parametrize("script", [UPSTREAM_ONLY, RULE])
def test_starting_up_imports_nothing_heavy(script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", script], input=MODULE, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("flag", "bar"), [("--canonicalize", 0.6), ("--einnet-split-summation=iterators=d2", 0.8)]
)
def test_starting_up_takes_a_fraction_of_a_second(flag: str, bar: float) -> None:
    """In CPU seconds, of which others on the machine can only add some: the least of three starts.
    They were 0.40 and 0.53 where this was written, and up to half as much more on a busy machine.
    """

    def start() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "einnet.cli.opt", flag]
        subprocess.run(command, input=MODULE, capture_output=True, text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(start() for _ in range(3)) < bar


def test_notes_are_left_out_where_they_are_not_wanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "twice.mlir"
    text = "func.func @twice() { return }\nfunc.func @twice() { return }\n"
    source.write_text(text, encoding="utf-8")
    shown: list[str] = []
    for flags in ([], ["--mlir-disable-diagnostic-notes"]):
        assert main([str(source), "--cse", *flags]) == 1
        shown.append(capsys.readouterr().err)
    with_notes, without = shown
    assert "twice.mlir:2:1: error: redefinition of symbol named 'twice'" in without
    assert "note: see existing symbol definition here" in with_notes
    assert "note:" not in without
    assert [line for line in without.splitlines() if "error:" in line] == [
        line for line in with_notes.splitlines() if "error:" in line
    ]
