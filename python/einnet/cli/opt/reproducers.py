"""Reproducers: a module with the pipeline to run on it, in the form of `mlir-opt`."""

from __future__ import annotations

import re
import shlex
import tempfile
from dataclasses import dataclass
from pathlib import Path

from einnet.errors import InputError, Location
from einnet.output import write_file
from einnet.toolchain import tools

BYTECODE = b"ML\xefR"
"""How a file of MLIR bytecode begins."""

_RESOURCE = "mlir_reproducer"
UNKNOWN = f"ignoring unknown external resources for '{_RESOURCE}'"
"""What MLIR's parser warns of in a reproducer, because it is not told what the resource is for."""

_SECTION = re.compile(rf"\{{-#(?:(?!#-\}}).)*?\b{_RESOURCE}\s*:\s*\{{(.*?)#-\}}", re.DOTALL)
_PIPELINE = re.compile(r'\bpipeline\s*:\s*"((?:[^"\\]|\\.)*)"')
_VERIFY = re.compile(r"\bverify_each\s*:\s*(true|false)")
_ESCAPE = re.compile(rb"\\([0-9A-Fa-f]{2}|.)", re.DOTALL)


@dataclass(frozen=True)
class Reproducer:
    """A pipeline and whether to verify after each of its passes."""

    pipeline: str
    verify_each: bool = True


def attach(text: str, reproducer: Reproducer) -> str:
    """The module `text` with the resource that holds the pipeline."""
    pipeline = "".join(_escaped(character) for character in reproducer.pipeline)
    verify = str(reproducer.verify_each).lower()
    return (
        f"{text}\n{{-#\n  external_resources: {{\n    {_RESOURCE}: {{\n"
        f'      pipeline: "{pipeline}",\n      disable_threading: true,\n'
        f"      verify_each: {verify}\n    }}\n  }}\n#-}}\n"
    )


def _escaped(character: str) -> str:
    plain = character.isprintable() and character not in '"\\'
    return character if plain else "".join(f"\\{byte:02X}" for byte in character.encode())


def find(text: str, filename: str) -> Reproducer:
    """The reproducer in a text. Raises InputError if there is none."""
    section = _SECTION.search(text)
    pipeline = section and _PIPELINE.search(section.group(1))
    if section is None or pipeline is None:
        raise InputError(
            f"this is no reproducer: no external resource '{_RESOURCE}' holds a pipeline",
            location=Location(filename),
            hint="--mlir-generate-reproducer=FILE writes one",
        )

    def unescape(match: re.Match[bytes]) -> bytes:
        code = match.group(1)
        return bytes([int(code, 16)]) if len(code) == 2 else code

    text = _ESCAPE.sub(unescape, pipeline.group(1).encode()).decode("utf-8", errors="replace")
    verify = _VERIFY.search(section.group(1))
    return Reproducer(text, verify is None or verify.group(1) == "true")


def write(path: str, text: str, reproducer: Reproducer) -> None:
    """Write the reproducer for the module `text`. Raises InputError if it cannot be written."""
    write_file(Path(path), [attach(text, reproducer).encode()])


def command(content: bytes, reproducer: Reproducer, *, ours: bool, unregistered: bool) -> str:
    """Write a module to a new temporary file; the command that runs the pipeline on it.

    It is einnet-opt's if the pipeline has passes of einnet's, mlir-opt's if not.
    """
    suffix = ".mlirbc" if is_bytecode(content) else ".mlir"
    with tempfile.NamedTemporaryFile(prefix="einnet-", suffix=suffix, delete=False) as file:
        file.write(content)
    return command_on(file.name, reproducer, ours=ours, unregistered=unregistered)


def command_on(path: str, reproducer: Reproducer, *, ours: bool, unregistered: bool) -> str:
    """The command that runs the pipeline on a file."""
    tool = None if ours else tools.find("mlir-opt")
    program = ["einnet-opt" if ours else str(tool.path) if tool else "mlir-opt"]
    flags = [f"--pass-pipeline={reproducer.pipeline}"]
    if not reproducer.verify_each:
        flags.append("--verify-each=false")
    if unregistered:
        flags.append("--allow-unregistered-dialect")
    return shlex.join([*program, *flags, path])


def is_bytecode(content: bytes) -> bool:
    """Whether a module is bytecode rather than text."""
    return content.startswith(BYTECODE)
