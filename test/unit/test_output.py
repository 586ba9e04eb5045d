"""Output files: complete, or as they were."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from einnet.errors import InputError
from einnet.output import require_writable, write_file


def test_a_file_is_replaced_and_keeps_its_mode(tmp_path: Path):
    path = tmp_path / "a"
    write_file(path, [b"old"])
    path.chmod(0o640)
    write_file(path, [b"n", b"ew"])
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [item.name for item in tmp_path.iterdir()] == ["a"]


def test_a_link_stays_a_link(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "link").symlink_to("a")
    write_file(tmp_path / "link", [b"new"])
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "a").read_bytes() == b"new"


def test_what_fails_half_way_leaves_the_old_file(tmp_path: Path):
    def parts() -> Iterator[bytes]:
        yield b"new"
        raise OSError(28, "No space left on device")

    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(InputError, match="No space left") as caught:
        write_file(path, parts())
    assert str(caught.value.location) == str(path)
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["a"]


def test_a_device_is_written_in_place():
    write_file(Path("/dev/null"), [b"gone"])
    assert Path("/dev/null").is_char_device()
    require_writable(Path("/dev/full"))
    with pytest.raises(InputError, match="No space left"):
        write_file(Path("/dev/full"), [b"too much"])


@pytest.mark.parametrize("name", [".", "file/a", "missing/a"])
def test_what_cannot_be_written_is_known_before(tmp_path: Path, name: str):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        require_writable(tmp_path / name)
    with pytest.raises(InputError, match="cannot be written"):
        write_file(tmp_path / name, [b""])


def test_a_name_may_be_as_long_as_names_can_be(tmp_path: Path):
    path = tmp_path / ("x" * 255)
    require_writable(path)
    write_file(path, [b"text"])
    assert path.read_bytes() == b"text" and [*tmp_path.iterdir()] == [path]
