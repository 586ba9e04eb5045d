"""`einnet-worker`: runs one pipeline on one module for another compiler, over pipes.

The pass plugin (passes/) starts it, writes a request to its stdin and reads an answer from its
stdout. Either is one message: the line `einnet-worker 1 H M`, then H bytes of JSON, then M bytes of
MLIR bytecode; passes/Protocol.h has the fields. Errors of the user's are part of an answer. For
anything else the exit code is not 0, the last line of stderr says why, and there is no answer.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import threading
import zlib
from dataclasses import dataclass
from typing import Any, BinaryIO

from einnet.cli.guard import run_guarded
from einnet.errors import EinnetError, InputError, Location

PROGRAM = "einnet-worker"
VERSION = "1"

_OPTIONS = "<options>"
"""The file of locations in the pipeline, a text of the plugin's making: no place to show."""


@dataclass(frozen=True)
class Request:
    """What is to be done: a pipeline as einnet-opt takes it, on a module as bytecode.

    `filename` stands in messages for the module as a whole.
    """

    pipeline: str
    filename: str
    bytecode: bytes


@dataclass(frozen=True)
class Answer:
    """The module that came of a request, as bytecode; or the error why none did."""

    bytecode: bytes = b""
    dialects: tuple[str, ...] = ()
    error: EinnetError | None = None


def main() -> int:
    """Answer the request on stdin. Returns the exit code."""
    return run_guarded(PROGRAM, _serve)


def _serve() -> int:
    # What anything prints must not get between the bytes of the answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    request = read_request(sys.stdin.buffer)
    threading.Thread(target=_stop_when_abandoned, daemon=True).start()
    with answers:
        answers.write(encode(answer(request)))
    return 0


def _stop_when_abandoned() -> None:
    """Stop, children included, when the other side closes: nobody waits for the answer any more."""
    # Not through the buffer, whose lock this thread would still hold when the interpreter ends.
    while os.read(sys.stdin.fileno(), 1):
        pass
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


def read_request(stream: BinaryIO) -> Request:
    """The request on a stream. Raises InputError for what is none."""
    words = stream.readline().decode("utf-8", "replace").split()
    if len(words) != 4 or words[0] != PROGRAM or not all(word.isdecimal() for word in words[1:]):
        raise InputError(
            "there is no request on standard input",
            hint="this program is for the pass plugin; einnet-opt runs passes on a file",
        )
    if words[1] != VERSION:
        raise InputError(
            f"the plugin speaks version {words[1]} of the protocol, this is version {VERSION}",
            hint="build the plugin from the same sources as this einnet",
        )
    header = json.loads(_exactly(stream, int(words[2])))
    bytecode = _exactly(stream, int(words[3]))
    return Request(header["pipeline"], header["filename"], bytecode)


def _exactly(stream: BinaryIO, size: int) -> bytes:
    found = stream.read(size)
    if len(found) != size:
        raise InputError(f"the request ends after {len(found)} of {size} bytes")
    return found


def answer(request: Request) -> Answer:
    """What comes of a request: the user's errors are answers too."""
    try:
        # Here and not above: importing MLIR takes half a second, and what is wrong with it is an
        # answer too. This module reports that, so it comes first.
        from einnet.toolchain.mlir import make_context, parse_module

        context = make_context(allow_unregistered=True)
        from einnet.passes.pipeline import parse_pipeline

        pipeline = parse_pipeline(request.pipeline, context, _OPTIONS)
        module = parse_module(request.bytecode, context, request.filename)
        module = pipeline.run(module, request.filename)
    except EinnetError as error:
        return Answer(error=error)
    buffer = io.BytesIO()
    module.operation.write_bytecode(buffer)
    return Answer(buffer.getvalue(), dialects_of(module))


def dialects_of(module: Any) -> tuple[str, ...]:
    """The names of the dialects that the operations of a module are of."""
    from mlir import ir

    found: set[str] = set()

    def visit(view: Any) -> ir.WalkResult:
        found.add(view.operation.name.partition(".")[0])
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit)
    return tuple(sorted(found))


def encode(answer: Answer) -> bytes:
    """The message that an answer is."""
    header = {
        "status": "done" if answer.error is None else "failed",
        "errors": [] if answer.error is None else [report(answer.error)],
        "dialects": answer.dialects,
        "checksum": zlib.crc32(answer.bytecode),
    }
    text = json.dumps(header).encode()
    start = f"{PROGRAM} {VERSION} {len(text)} {len(answer.bytecode)}\n"
    return start.encode() + text + answer.bytecode


def report(error: EinnetError) -> dict[str, Any]:
    """An error as a diagnostic; its hint and its command are notes at the same place."""
    place = _place(error.location)
    notes = [("", error.hint), ("reproduce: ", error.reproduce)]
    return {
        "message": error.message,
        "location": place,
        "notes": [{"message": f"{kind}{text}", "location": place} for kind, text in notes if text],
    }


def _place(location: Location | None) -> tuple[str, int, int]:
    """File, line and column; line 0 for what is wrong nowhere in particular."""
    if location is None or location.file == _OPTIONS:
        return "", 0, 0
    return location.file, location.line, location.column


if __name__ == "__main__":
    sys.exit(main())
