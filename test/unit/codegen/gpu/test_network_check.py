"""The command line of network_check.py refuses what it cannot do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from network_check import parser


@pytest.mark.parametrize(
    "text", ["x", "", "5", "1:", ":2", "1.5:2", "1:2:3", "1:9:0", "9:3", "3:3", "-1:2", "1:²"]
)
def test_seeds_are_a_range(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args([f"--seeds={text}"])
    assert "must be FIRST:END" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["x", "", "-1", "0", "nan", "inf"])
def test_seconds_are_above_0(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args([f"--seconds={text}"])
    assert "must be a number above 0" in capsys.readouterr().err


def test_what_is_right_is_taken() -> None:
    given = parser().parse_args(["--seeds", "17:19", "--seconds", "0.5"])
    assert (given.seeds, given.seconds) == (range(17, 19), 0.5)
    assert parser().parse_args([]).seeds == range(100)
