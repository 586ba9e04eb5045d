"""Collect einnet and every wheel it needs in one folder, for a host without a network.

    python tools/toolchain_bundle.py build/bundle --extra cuda --python 3.12
    pip install --no-index --find-links build/bundle 'einnet[cuda]'      # on that host

Wheels are for x86-64 Linux. Raises subprocess.CalledProcessError when pip cannot find one.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# The newest baseline first: pip takes the best wheel among the platforms it is told of.
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64")


def collect(folder: Path, extras: list[str], python: str) -> None:
    """Fill `folder` with einnet's own wheel and the wheels of what it requires."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    wheels = [*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(wheels, check=True)
    einnet = max(folder.glob("einnet-*.whl"), key=lambda path: path.stat().st_mtime)
    names = f"[{','.join(extras)}]" if extras else ""
    platforms = [word for name in PLATFORMS for word in ("--platform", name)]
    download = ["download", "--quiet", "--only-binary=:all:", "--python-version", python]
    subprocess.run(
        [*pip, *download, *platforms, "--dest", str(folder), f"einnet{names} @ {einnet.as_uri()}"],
        check=True,
    )


def main() -> None:
    """Parse the command line and say how large the bundle became."""
    parser = argparse.ArgumentParser(description="Collect einnet and all its wheels in one folder.")
    parser.add_argument("folder", type=Path, help="created if missing")
    parser.add_argument("--extra", action="append", default=[], help="onnx, bench, cuda or dev")
    parser.add_argument("--python", default="3.11", help="the other host's Python (default 3.11)")
    options = parser.parse_args()
    collect(options.folder.resolve(), options.extra, options.python)
    files = list(options.folder.glob("*.whl"))
    size = sum(path.stat().st_size for path in files)
    print(f"{len(files)} wheels, {size / 2**20:.0f} MiB in {options.folder}")


if __name__ == "__main__":
    main()
