"""Which pass plugin the tests load, and into which mlir-opt.

Both are those of a CMake build: build/cmake, or the folder that EINNET_PLUGIN_BUILD names. The
mlir-opt is the one that the build found beside the MLIR it compiled against, such as an installed
mlir-opt-22: a plugin runs in no other one.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from einnet.toolchain import tools

BUILD = Path(
    os.environ.get("EINNET_PLUGIN_BUILD", Path(__file__).resolve().parents[1] / "build" / "cmake")
)
PLUGIN = BUILD / "lib" / "libEinnetPasses.so"


def host(build: Path = BUILD) -> Path:
    """The mlir-opt in the build's cache; that of the wheels if the cache has none."""
    cache = build / "CMakeCache.txt"
    text = cache.read_text(encoding="utf-8") if cache.exists() else ""
    found = re.search(r"^EINNET_MLIR_OPT:FILEPATH=(?!.*-NOTFOUND$)(.+)$", text, re.MULTILINE)
    return Path(found[1]) if found else tools.require("mlir-opt").path
