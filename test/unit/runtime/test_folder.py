"""What may become an artifact, and what is none: answers for any name and any content."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from einnet.errors import InputError
from einnet.runtime.folder import (
    MANIFEST,
    SCHEMA,
    is_artifact,
    read_json,
    read_manifest,
    replacing,
    require_destination,
)

LONG = "a" * 300


def test_a_destination_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "nowhere").symlink_to("none")
    for name, message in [
        (LONG, "cannot be written: File name too long"),
        ("file", "exists and is not an artifact"),
        ("loop", "exists and is not an artifact"),
        ("nowhere", "exists and is not an artifact"),
        ("file/m", "file is not a folder"),
        ("file/new/m", "file is not a folder"),
    ]:
        with pytest.raises(InputError, match=message) as refused:
            require_destination(tmp_path / name)
        assert str(refused.value.location) == str(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "loop", "nowhere"]


def test_the_longest_name_is_written(tmp_path: Path) -> None:
    folder = tmp_path / ("m" * 255)
    with replacing(folder) as made:
        (made / "a").touch()
    assert [path.name for path in folder.iterdir()] == ["a"]


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", "5", "[" * 100_000, "9" * 5000, '{"schema": "other"}'],
    ids=["empty", "cut", "list", "null", "number", "deep", "long", "other"],
)
def test_a_manifest_may_hold_anything(tmp_path: Path, content: str) -> None:
    (tmp_path / MANIFEST).write_text(content)
    assert not is_artifact(tmp_path)
    with pytest.raises(InputError, match="damaged, or not an artifact's") as refused:
        read_manifest(tmp_path)
    assert str(refused.value.location) == str(tmp_path / MANIFEST)


def test_what_has_no_manifest(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, message in [
        (".", "not an artifact: there is no manifest.json in it"),
        ("file", "not an artifact"),
        ("none", "no such artifact"),
        (LONG, "no such artifact"),
    ]:
        with pytest.raises(InputError) as refused:
            read_manifest(tmp_path / name)
        assert refused.value.message == message
    (tmp_path / MANIFEST).mkdir()
    with pytest.raises(InputError, match="damaged, or not an artifact's"):
        read_manifest(tmp_path)


def test_json_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"schema": SCHEMA}))
    assert read_json(path) == {"schema": SCHEMA}
    path.write_bytes(b"\xff\x00{")
    with pytest.raises(InputError, match="damaged: not JSON"):
        read_json(path)
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read_json(tmp_path)
