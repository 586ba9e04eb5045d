"""How lit runs the `.mlir` tests: `lit test/`, or through pytest (see conftest.py)."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import lit.formats

from einnet.toolchain import tools

sys.path.insert(0, str(Path(__file__).resolve().parent))

import plugin_build

if TYPE_CHECKING:
    from lit.LitConfig import LitConfig
    from lit.TestingConfig import TestingConfig

# Lit runs this file with these among its globals; naming them lets the type checker see them.
config: TestingConfig = globals()["config"]
lit_config: LitConfig = globals()["lit_config"]


def command(name: str, line: str) -> tuple[str, str]:
    """Replace the word `name` in RUN lines, but not inside an option, a path or a pass name."""
    return rf"(?<![\w/.%=-]){re.escape(name)}(?![\w/.=-])", line.replace("\\", r"\\")


def program(name: str) -> tuple[str, str]:
    """The program by its full path: a test must not pick up another MLIR that is on PATH."""
    return command(name, shlex.quote(str(tools.require(name).path)))


TEST_ROOT = Path(__file__).resolve().parent
PYTHON = shlex.quote(sys.executable)

config.name = "einnet"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = {".mlir"}
config.excludes = {"Inputs", "unit", "e2e", "device", "fuzz"}
config.test_source_root = str(TEST_ROOT)
config.test_exec_root = str(TEST_ROOT.parent / "build" / "lit")

config.substitutions += [
    ("%python", PYTHON.replace("\\", r"\\")),
    (
        "%mlir_lib",
        str(tools.require("mlir-runner").path.parent.parent / "lib").replace("\\", r"\\"),
    ),
    command("einnet-opt", f"{PYTHON} -m einnet.cli.opt"),
    command("einnet", f"{PYTHON} -m einnet.cli.main"),
    program("mlir-opt"),
    program("mlir-runner"),
    program("mlir-translate"),
    program("FileCheck"),
]
# The pass plugin, and the mlir-opt that loads it, are those of --param or of plugin_build.py.
PLUGIN = Path(lit_config.params.get("plugin", plugin_build.PLUGIN))
if PLUGIN.exists():
    config.available_features.add("plugin")
    HOST = lit_config.params.get("plugin_host", str(plugin_build.host()))
    config.substitutions.insert(
        0, ("%plugin-opt", f"{shlex.quote(HOST)} --load-pass-plugin={shlex.quote(str(PLUGIN))}")
    )

# `not` is lit's own, but `not --crash` runs the program.
not_folder = tools.require("not").path.parent
config.environment["PATH"] = f"{not_folder}:{config.environment['PATH']}"
