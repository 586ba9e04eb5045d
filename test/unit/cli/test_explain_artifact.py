"""`einnet explain` of an artifact: steps, variants, proof, without MLIR and without a GPU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from gpu_artifacts import PROGRAM, WITH_CALL, records, write

from einnet.cli.main import main
from einnet.runtime.folder import CERTIFICATE, MANIFEST, TRACE, write_manifest


def explain(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["explain", *arguments]) == 0
    return capsys.readouterr().out


def test_steps_variants_and_proof(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    variants = {"original": PROGRAM, "derived": WITH_CALL}
    taken = records({"original": 90.0, "derived": 30.0})
    folder = str(write(tmp_path / "m", variants=variants, records=taken))
    out = explain(capsys, folder)
    assert f"{folder}: for sm_90a in tf32, 2 variants" in out
    assert "variant 'derived': 0 kernels and 1 library call," in out
    (step,) = [line for line in out.splitlines() if "4x4x4 f32" in line]
    assert "matmul.1 and 1 more 4x4x4 f32 as tf32 + relu" in step
    assert "algorithm 21 tile 64x64" in step and "3.50 us" in step and step.endswith("x w -> y")
    assert "v1          matmul 4x4x4  skew split  L<i:4,j:4> S<k:4> x[i,k] * w[k,j]" in out
    assert "3.00x" in out and "tf32 on Fake GPU" in out
    assert "on 3 cells at 7 positions, 1 segments, 2 rounds" in out and "at most 4e-18" in out
    assert "optimized.mlir is not proved by itself: too many cells" in out

    out = explain(capsys, folder, "--variant", "original")
    (scale, add) = [line for line in out.splitlines() if line.split()[:1] in (["1"], ["2"])]
    assert scale.split()[1] == "add" and "schedule measured fastest" in scale and "1.75 us" in scale
    assert "1 blocks of 32" in add and add.endswith("t w -> y")
    assert "subprograms" not in out, "the trace is of the chosen variant"


def test_what_was_not_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = explain(capsys, str(write(tmp_path / "m", variants={"derived": WITH_CALL})))
    assert "the library's first algorithm" in out and "nothing was measured" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["m", "--variant", "best"], "m: error: there is no variant 'best'"),
        (["m", "--subprogram", "1"], "--subprogram is for a model or an expression"),
        (["model.mlir", "--variant", "derived"], "--variant is for an artifact"),
    ],
)
def test_what_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    write(tmp_path / "m")
    monkeypatch.chdir(tmp_path)
    assert main(["explain", *arguments]) == 1
    assert message in capsys.readouterr().err


BROKEN = ["{", "null", "[]", "{}", "5", '"text"', "[5]", "[" * 100_000, "\x00"]

EMPTY = ((TRACE, "[]"), (TRACE, "{}"), (CERTIFICATE, "null"))
"""No contractions, no proof."""


def rewritten(folder: Path) -> None:
    """The manifest again, of the files as they are."""
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).unlink()
    write_manifest(folder, {k: v for k, v in manifest.items() if k not in ("files", "digest")})


@pytest.mark.parametrize("name", [CERTIFICATE, TRACE])
@pytest.mark.parametrize("content", BROKEN)
def test_reports_that_make_no_sense(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: str
) -> None:
    """They are what the manifest lists, so that only reading them shows it."""
    folder = write(tmp_path / "m")
    (folder / name).write_text(content)
    rewritten(folder)
    status = main(["explain", str(folder)])
    err = capsys.readouterr().err
    if (name, content) in EMPTY:
        assert status == 0
    else:
        assert status == 1 and f"{folder / name}: error: " in err


@pytest.mark.parametrize("name", [CERTIFICATE, TRACE])
def test_reports_that_are_not_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    folder = write(tmp_path / "m")
    (folder / name).unlink()
    rewritten(folder)
    assert main(["explain", str(folder)]) == 1
    assert f"manifest: lists no {name}" in capsys.readouterr().err


def test_no_certificate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no certificate" in explain(
        capsys, str(write(tmp_path / "m", certificate=None))
    )
