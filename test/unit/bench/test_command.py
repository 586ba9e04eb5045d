"""The commands of bench/ refuse wrong options and places before any work, with exit code 1."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from bench import command, partial, plot, search, soundness, verification

Main = Callable[[Sequence[str]], int]

MAINS: tuple[Main, ...] = (partial.main, search.main, soundness.main, verification.main)


def refused(main: Main, arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a refusal says; nothing may have been printed as a result."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    said = capsys.readouterr()
    assert ended.value.code == 1
    assert not said.out
    return said.err


@pytest.mark.parametrize("main", [*MAINS, plot.main])
@pytest.mark.parametrize("given", [["--nonsense"], ["--row"], ["word", "word"]])
def test_what_is_not_understood(
    main: Main, given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert "--help says what it takes" in refused(main, given, capsys)


@pytest.mark.parametrize("main", MAINS)
def test_a_place_that_cannot_be_written(
    main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(main, ["--json", str(tmp_path / "none" / "x.json")], capsys)
    assert "cannot be written: No such file or directory" in said
    assert "cannot be written: Is a directory" in refused(main, ["--json", str(tmp_path)], capsys)


@pytest.mark.parametrize(
    ("main", "flag", "listed"),
    [
        (partial.main, "--row", "2 images side by side"),
        (search.main, "--row", "gbmm"),
        (soundness.main, "--kind", "correct rewrites"),
        (verification.main, "--row", "infogan b16 cuda"),
    ],
)
def test_a_name_that_nothing_has_lists_the_names(
    main: Main, flag: str, listed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(main, [flag, "nosuch"], capsys)
    assert "name holds 'nosuch'" in said
    assert listed.lower() in said.lower()


@pytest.mark.parametrize(
    "given",
    [
        ["--seed", "-1"],
        ["--seed", "1.5"],
        ["--faults", "-5"],
        ["--rewrites", "-1"],
        ["--rewrites", "many"],
    ],
)
def test_numbers_of_the_soundness_benchmark(
    given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(soundness.main, given, capsys)
    assert f"must be a whole number of at least 0, not '{given[1]}'" in said


@pytest.mark.parametrize(
    "given",
    [
        ["--faults", "0", "--rewrites", "0"],
        ["--faults", "0", "--kind", "row too small"],
        ["--rewrites", "0", "--kind", "correct rewrites"],
    ],
)
def test_nothing_to_draw(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "no pairs to draw" in refused(soundness.main, given, capsys)


def test_variants_that_are_drawn_have_no_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--row names rows" in refused(search.main, ["--holdout", "1", "--row", "conv"], capsys)
    assert "at least 0" in refused(search.main, ["--holdout", "-1"], capsys)


def test_files_are_whole_or_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "figures.json"
    assert command.written(path, {"figures": [1]})
    with pytest.raises(TypeError):
        command.written(path, {"figures": object()})
    assert json.loads(path.read_text()) == {"figures": [1]}
    assert command.written(None, {})
    assert not command.written(Path("/dev/full"), {"figures": [1]})
    assert "cannot be written: No space left on device" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_device_without_room_fails_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--faults", "0", "--rewrites", "2", "--json", "/dev/full"]
    assert soundness.main(arguments) == 1
    assert "cannot be written: No space left" in capsys.readouterr().err
