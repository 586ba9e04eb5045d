"""The table of flags: complete beside mlir-opt's, and the one of docs/mlir-opt.md."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from einnet.cli.opt import main
from einnet.cli.opt.command import parse_arguments
from einnet.cli.opt.flags import BY_NAME, FLAGS, REFUSED, Flag, Takes, table
from einnet.errors import InputError
from einnet.toolchain import tools

PAGE = Path(__file__).resolve().parents[3] / "docs" / "mlir-opt.md"

# The rest of what mlir-opt lists is LLVM's code generators' and optimizers', and passes.
GENERAL = re.compile(
    r"mlir-.*|emit-bytecode.*|elide-resource.*|verify-(each|diagnostics|roundtrip)|log-.*actions.*"
    r"|profile-actions-to|remark-.*|remarks-(filter.*|output.*)|load-.*-plugin|irdl-file"
    r"|no-implicit-module|o|p|pass-pipeline|run-reproducer|show-dialects|split-input-file"
    r"|output-split-marker|list-passes|dump-pass-pipeline|allow-unregistered-dialect|color"
    r"|h|help.*|version|print-(all-)?options"
)


@pytest.fixture(scope="module")
def theirs() -> set[str]:
    command = [tools.require("mlir-opt").path, "--help-hidden"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^  --?([\w-]+)", text, re.MULTILINE))


def test_every_general_flag_of_mlir_opt_is_known(theirs: set[str]) -> None:
    general = {name for name in theirs if GENERAL.fullmatch(name)}
    assert len(general) > 60
    assert general - set(BY_NAME) - set(REFUSED) == set()


def test_no_flag_is_made_up(theirs: set[str]) -> None:
    ours = {flag.name for flag in FLAGS if flag.differs is not None} | set(REFUSED)
    assert ours - theirs == set()
    assert set(BY_NAME) & set(REFUSED) == set()


def test_the_page_has_the_table() -> None:
    assert table() in PAGE.read_text(encoding="utf-8"), (
        "docs/mlir-opt.md is old; this prints its table: "
        "python -c 'from einnet.cli.opt.flags import table; print(table())'"
    )


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refused_flags_say_why(name: str) -> None:
    with pytest.raises(InputError, match="does not have this option of mlir-opt") as raised:
        parse_arguments([f"--{name}=value"])
    assert raised.value.hint == REFUSED[name]


def test_help_has_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for flag in FLAGS:
        assert f"  {flag.form} " in text and flag.help in text


@pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: flag.name)
def test_every_flag_changes_the_command(flag: Flag) -> None:
    """A flag that nothing reads would leave the command as it is."""
    values = {
        Takes.TRUTH: "=false" if flag.name in TRUE_BY_ITSELF else "",
        Takes.TEXT: f"={flag.choices[-1] if flag.choices else 'x'}",
        Takes.NUMBER: "=3",
        Takes.NAMES: "=cse",
    }
    argument = f"--{flag.name}{values.get(flag.takes, '')}"
    if flag.name == "mlir-timing-display":
        assert parse_arguments([argument, "--mlir-timing"]) != parse_arguments(["--mlir-timing"])
    elif flag.name == "mlir-diagnostic-verbosity-level":
        assert parse_arguments([f"--{flag.name}=errors"]) != parse_arguments([])
    elif flag.name == "mlir-disable-threading":  # there are none to disable
        assert parse_arguments([argument]) == parse_arguments([])
    else:
        assert parse_arguments([argument]) != parse_arguments([])


TRUE_BY_ITSELF = ("verify-each", "mlir-print-op-on-diagnostic")
