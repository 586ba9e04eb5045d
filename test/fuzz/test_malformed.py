"""Damaged and edited inputs through einnet-opt: an error with a place, or a result that mlir-opt
accepts and that `einnet verify` finds equal to the input."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from einnet.toolchain import tools

sys.path.insert(0, str(Path(__file__).resolve().parent))

from malformed import case, einnet_opt, einnet_verify

LOCATED = re.compile(r"^\S+\.mlir(:\d+:\d+)?: error: .", re.MULTILINE)
FUNCTION = re.compile(r"^  func\.func (?:private |public )?@(\w+)\(.*\{$", re.MULTILINE)
NO_TENSOR = re.compile(r"error: '\w+' of @\w+ has type [^,]+, not a tensor of static shape")
"""The one refusal of `einnet verify`: of the program whose function takes a number."""

LEAST_CHANGED = 0.4
"""Share of edited inputs of which another program has to come, which is proved equal. Over all
seeds it is 0.7, and most of the others are no programs."""

SECONDS = 60.0


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    """What a run needs, loaded once: every run is a fork of this process."""
    for module in (
        "einnet.cli.opt.run",
        "einnet.cli.main",
        "einnet.cli.verify",
        "einnet.driver",
        "einnet.passes.labelled",
    ):
        importlib.import_module(module)


def check(seed: int, folder: Path) -> bool:
    """Whether einnet-opt made another program of the seed's input, which is then equal to it."""
    content, flag = case(seed)
    path = folder / f"seed-{seed}.mlir"
    path.write_bytes(content)
    outcome = einnet_opt([str(path), flag], folder, SECONDS)
    what = f"seed {seed}: einnet-opt {path} '{flag}'\n{outcome.stderr}"
    assert outcome.status in (0, 1), f"status {outcome.status}: {what}"
    assert "Traceback" not in outcome.stderr, what
    if outcome.status == 1:
        assert LOCATED.search(outcome.stderr), what
        return False
    result = folder / "result.mlir"
    result.write_text(outcome.stdout, encoding="utf-8")
    before, after = (printed(p) for p in (path, result))
    names = FUNCTION.findall(after)
    assert names, what
    for name in names:
        compared = einnet_verify([str(path), str(result), "--entry", name], folder, SECONDS)
        expected = 3 if NO_TENSOR.search(compared.stderr) else 0
        said = f"{compared.stdout}{compared.stderr}"
        assert compared.status == expected, f"{what}\n@{name}: {compared.status}: {said}"
    return before != after


def printed(path: Path) -> str:
    """The file as mlir-opt prints it. Fails the test if mlir-opt does not take it."""
    command = [str(tools.require("mlir-opt").path), str(path)]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, f"{path}: {shown.stderr}"
    return shown.stdout


def check_edited(seeds: Iterable[int], folder: Path) -> None:
    changed = [check(seed, folder) for seed in seeds]
    assert sum(changed) >= LEAST_CHANGED * len(changed), f"{sum(changed)} of {len(changed)} changed"


# `make test` draws 44 of the 400 inputs, which take half a second each.
@pytest.mark.parametrize("seed", range(1, 400, 20))
def test_a_sample_of_damaged_inputs(seed: int, tmp_path: Path) -> None:
    check(seed, tmp_path)


@pytest.mark.parametrize("first", (0, 100, 200))
def test_a_sample_of_edited_inputs(first: int, tmp_path: Path) -> None:
    check_edited(range(first, first + 16, 2), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(20))
def test_all(batch: int, tmp_path: Path) -> None:
    seeds = range(20 * batch, 20 * batch + 20)
    for seed in seeds[1::2]:
        check(seed, tmp_path)
    check_edited(seeds[::2], tmp_path)
