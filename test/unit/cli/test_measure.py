"""`einnet measure` without a GPU: what it writes and prints, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gpu_artifacts import CUBINS, records, write

from einnet.cli.main import main
from einnet.cli.measure import variant_table
from einnet.errors import ToolchainError
from einnet.runtime.cuda.records import Records, load_records
from einnet.toolchain.doctor import Gpu

Show = Callable[[Gpu | None], None]


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Show:
    """Makes the driver show a GPU, or none."""

    def set_gpu(gpu: Gpu | None) -> None:
        def find() -> tuple[Gpu, ...]:
            if gpu is None:
                raise ToolchainError("NVIDIA's driver (libcuda) is missing", hint="install it")
            return (gpu,)

        monkeypatch.setattr("einnet.toolchain.doctor.find_gpus", find)

    return set_gpu


def test_the_verb_loads_no_compiler_and_no_tables_of_rich() -> None:
    script = (
        "import sys, einnet.cli.main, einnet.cli.measure, einnet.cli.explain_artifact,"
        " einnet.cli.bench_cuda, einnet.cli.columns, einnet.cli.doctor,"
        " einnet.runtime.cuda.measure, einnet.toolchain.doctor\n"
        "loaded = {m.partition('.')[0] for m in sys.modules}\n"
        "print(*sorted(loaded & {'mlir', 'torch_mlir', 'rich', 'onnx', 'torch'}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def test_records_are_written_and_the_variants_printed(
    tmp_path: Path,
    show: Show,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    taken = records({"original": 90.0, "derived": 30.0})
    asked: list[Any] = []

    def measure(folder: Path, *, say: Callable[[str], None], **given: Any) -> Records:
        say("timing")
        asked.append((folder, given))
        return taken

    show(Gpu("Fake GPU", (9, 0)))
    monkeypatch.setattr("einnet.runtime.cuda.measure.measure_artifact", measure)
    before = records({"derived": 1.0})
    folder = write(tmp_path / "m", records=before)
    out = tmp_path / "r.json"
    assert main(["measure", str(folder), "-o", str(out), "--rounds", "7", "--seed", "3"]) == 0
    ((measured, given),) = asked
    assert measured == folder and (given["rounds"], given["seed"]) == (7, 3)
    assert given["known"].calls == before.calls, "algorithms need not be searched again"
    assert not given["known"].variants, "times of another session do not compare"
    assert load_records(out) == taken
    printed = capsys.readouterr()
    assert printed.err == "timing\n"
    lines = printed.out.splitlines()
    assert lines[0].startswith("tf32 on Fake GPU: driver 580.1.2, CUDA 13.0")
    assert lines[3].split()[:7] == ["derived", "30.00", "us", "0.00", "us", "60.00", "us"]
    assert "3.00x" in lines[3] and "fastest, chosen in the artifact" in lines[3]
    assert lines[4].split()[0] == "original" and "1.00x" in lines[4]
    assert main(["measure", str(folder), "-o", str(out), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_lead_within_the_noise_is_called_so() -> None:
    lines = variant_table(
        records({"original": 30.0, "derived": 29.99}), ("original", "derived"), ""
    )
    assert "fastest, within the noise of the original" in lines[3]


def test_a_variant_that_failed_has_no_times() -> None:
    lines = variant_table(records({"original": 30.0}), ("derived", "original"), "derived")
    assert lines[-1].split()[:2] == ["derived", "-"] and "failed or not measured" in lines[-1]


@pytest.mark.parametrize(
    ("chip", "gpu", "message"),
    [
        ("sm_80", Gpu("H100", (9, 0)), "has kernels for sm_80; this is H100 (sm_90)"),
        ("sm_90a", Gpu("A100", (8, 0)), "has kernels for sm_90a; this is A100 (sm_80)"),
        ("sm_90a", None, "NVIDIA's driver (libcuda) is missing"),
    ],
)
def test_no_gpu_for_the_artifact(
    tmp_path: Path,
    show: Show,
    capsys: pytest.CaptureFixture[str],
    chip: str,
    gpu: Gpu | None,
    message: str,
) -> None:
    show(gpu)
    folder = write(tmp_path / "m", cubins={chip: CUBINS})
    assert main(["measure", str(folder), "-o", str(tmp_path / "r.json")]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert message in lines[0] and lines[1].startswith("  hint: ") and len(lines) == 2
    assert not (tmp_path / "r.json").exists()


def test_what_is_no_artifact_for_a_gpu(
    tmp_path: Path, show: Show, capsys: pytest.CaptureFixture[str]
) -> None:
    show(None)
    folder = write(tmp_path / "m")
    (folder / "variants.json").write_text("{}")
    out = str(tmp_path / "r.json")
    for arguments, message in [
        ([str(folder), "-o", out], "m/variants.json: error: the file is not the one"),
        ([str(tmp_path / "no"), "-o", out], "no: error: no such artifact"),
        ([str(tmp_path), "-o", out], "error: not an artifact"),
        ([str(folder), "-o", str(tmp_path / "no" / "r")], "no/r: error: cannot be written"),
        ([str(folder)], "einnet measure: error: the following arguments are required"),
        ([str(folder), "-o", out, "--rounds", "0"], "argument --rounds: must be"),
    ]:
        assert main(["measure", *arguments]) == 1
        error = capsys.readouterr().err
        assert message in error and "Traceback" not in error
    manifest = json.loads((write(tmp_path / "n") / "manifest.json").read_text())
    (tmp_path / "n" / "manifest.json").unlink()
    from einnet.runtime.folder import write_manifest

    entries = {k: manifest[k] for k in ("chips", "precision", "chosen")}
    write_manifest(tmp_path / "n", {**entries, "target": None})
    assert main(["measure", str(tmp_path / "n"), "-o", out]) == 1
    assert "compiled for cpu, not for cuda" in capsys.readouterr().err
