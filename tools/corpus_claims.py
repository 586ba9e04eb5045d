"""What the test of the corpus holds an input to: the functions that are optimized today.

    python tools/corpus_claims.py FILE...

writes the line `// OPTIMIZED @f @g` into the first comment of inputs that are written by hand.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "test" / "e2e"))

from corpus import (  # pyright: ignore[reportMissingImports]
    OPTIMIZE,
    functions_of,
    is_optimized,
)

_CLAIM = "// OPTIMIZED"


def with_claim(text: str) -> str:
    """The input with a line that names what is optimized: where it had one, or after its first
    comment. Functions whose name needs quotes are left out.

    Raises CalledProcessError if the input cannot be optimized.
    """
    lines = text.splitlines(keepends=True)
    had = [n for n, line in enumerate(lines) if line.startswith(_CLAIM)]
    code = (n for n, line in enumerate(lines) if not line.startswith("//"))
    place = had[0] if had else next(code, len(lines))
    old, new = functions_of(text), functions_of(optimized(text))
    names = [n for n in old if is_optimized(old[n], new[n]) and n.replace("_", "").isalnum()]
    claim = [f"{_CLAIM} {' '.join(f'@{name}' for name in names)}\n"] if names else []
    rest = [line for n, line in enumerate(lines) if n >= place and n not in had]
    return "".join([*lines[:place], *claim, *rest])


def optimized(text: str) -> str:
    """What einnet-opt makes of the input."""
    command = [sys.executable, "-m", "einnet.cli.opt", OPTIMIZE]
    if "--allow-unregistered-dialect" in text:
        command.append("--allow-unregistered-dialect")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "input.mlir"
        path.write_text(text, encoding="utf-8")
        return subprocess.run(
            [*command, str(path)], check=True, stdout=subprocess.PIPE, text=True
        ).stdout


def main(arguments: Sequence[str]) -> int:
    for name in arguments:
        path = Path(name)
        path.write_text(with_claim(path.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
