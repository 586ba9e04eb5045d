"""Damaged inputs through einnet-opt: an error with a place, or a result that mlir-opt accepts and
that `einnet verify` does not tell from the input."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from einnet.toolchain import tools

sys.path.insert(0, str(Path(__file__).resolve().parent))

from malformed import case, einnet_opt

LOCATED = re.compile(r"^\S+\.mlir(:\d+:\d+)?: error: .", re.MULTILINE)
FUNCTION = re.compile(r"^  func\.func (?:private |public )?@(\w+)\(.*\{$", re.MULTILINE)
SECONDS = 60.0


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    """What a run needs, loaded once: every run is a fork of this process."""
    for module in ("einnet.cli.opt.run", "einnet.driver", "einnet.passes.labelled"):
        importlib.import_module(module)


def check(seed: int, folder: Path) -> None:
    content, flag = case(seed)
    path = folder / f"seed-{seed}.mlir"
    path.write_bytes(content)
    outcome = einnet_opt([str(path), flag], folder, SECONDS)
    what = f"seed {seed}: einnet-opt {path} '{flag}'\n{outcome.stderr}"
    assert outcome.status in (0, 1), f"status {outcome.status}: {what}"
    assert "Traceback" not in outcome.stderr, what
    if outcome.status == 1:
        assert LOCATED.search(outcome.stderr), what
        return
    result = folder / "result.mlir"
    result.write_text(outcome.stdout, encoding="utf-8")
    accepted = subprocess.run(
        [tools.require("mlir-opt").path, result], capture_output=True, text=True, check=False
    )
    assert accepted.returncode == 0, f"{what}\n{accepted.stderr}"
    for name in FUNCTION.findall(outcome.stdout):
        compared = subprocess.run(
            [sys.executable, "-m", "einnet.cli.main", "verify", path, result, "--entry", name],
            capture_output=True,
            text=True,
            check=False,
        )
        # Not different, and no crash; what has no expression may be beyond a decision, or refused.
        assert compared.returncode in (0, 2, 3), f"{what}\n@{name}: {compared.stdout}"
        assert "Traceback" not in compared.stderr, compared.stderr


@pytest.mark.parametrize("seed", range(0, 200, 10))
def test_a_sample(seed: int, tmp_path: Path) -> None:
    check(seed, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(20))
def test_all(batch: int, tmp_path: Path) -> None:
    for seed in range(10 * batch, 10 * batch + 10):
        check(seed, tmp_path)
