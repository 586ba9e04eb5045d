"""Lowering in a child process: an abort of MLIR, a hang or a memory hog become one error.

MLIR 22 aborts the process on some modules (`LLVM ERROR`, failed assertions). The driver lowers here
whatever holds a user's operations, at the price of starting an interpreter: half a second.
"""

from __future__ import annotations

import json
import sys
from typing import cast

from einnet.codegen.cpu.lower import MAIN, Lowered, lower
from einnet.codegen.cpu.signature import Signature
from einnet.errors import EinnetError, InputError, Location
from einnet.toolchain.child import run_child


def lower_isolated(
    text: str,
    function: str = MAIN,
    filename: str = "<stdin>",
    *,
    timeout: float = 600.0,
) -> Lowered:
    """`lower` in a child process; `ChildError` when that crashes or needs more than `timeout` s."""
    done = run_child(
        [sys.executable, "-m", __name__, function, filename],
        text,
        timeout,
        location=Location(filename),
    )
    if done.status:
        raise AssertionError(f"the child that lowers {filename} failed: {done.stderr}")
    answer = cast(dict[str, object], json.loads(done.stdout))
    match answer:
        case {"message": str(message), "location": location, "hint": hint, "reproduce": command}:
            raise InputError(
                message,
                location=Location(filename if location is None else str(location)),
                hint=None if hint is None else str(hint),
                reproduce=None if command is None else str(command),
            )
        case {"text": str(lowered), "main": main, "prepare": prepare}:
            return Lowered(
                lowered,
                Signature.from_json(main),
                None if prepare is None else Signature.from_json(prepare),
            )
        case _:
            raise AssertionError(f"the child that lowers {filename} answered {answer}")


def _serve(function: str, filename: str, text: str) -> dict[str, object]:
    try:
        lowered = lower(text, function, filename)
    except EinnetError as error:
        return {
            "message": error.message,
            "location": str(error.location) if error.location else None,
            "hint": error.hint,
            "reproduce": error.reproduce,
        }
    return {
        "text": lowered.text,
        "main": lowered.main.to_json(),
        "prepare": lowered.prepare.to_json() if lowered.prepare else None,
    }


if __name__ == "__main__":
    json.dump(_serve(sys.argv[1], sys.argv[2], sys.stdin.read()), sys.stdout)
