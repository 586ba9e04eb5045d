"""The worker's side of the pass plugin, without the plugin."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zlib
from typing import Any

import pytest
from mlir import ir

from einnet.cli.worker import Answer, Request, answer, encode, read_request
from einnet.errors import InputError, Location

MODULE = """
func.func @product(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>) -> tensor<4x6xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}
"""


def bytecode(text: str = MODULE) -> bytes:
    buffer = io.BytesIO()
    with ir.Context():
        ir.Module.parse(text).operation.write_bytecode(buffer)
    return buffer.getvalue()


def request(pipeline: str, data: bytes, filename: str = "a.mlir") -> bytes:
    header = json.dumps({"pipeline": pipeline, "filename": filename}).encode()
    return f"einnet-worker 1 {len(header)} {len(data)}\n".encode() + header + data


def decoded(message: bytes) -> tuple[dict[str, Any], bytes]:
    line, _, rest = message.partition(b"\n")
    name, version, header, module = line.split()
    assert (name, version) == (b"einnet-worker", b"1")
    assert len(rest) == int(header) + int(module)
    return json.loads(rest[: int(header)]), rest[int(header) :]


def test_requests_are_read_as_written() -> None:
    data = b"\n\0 {}\n"
    message = request("builtin.module(cse)", data)
    assert read_request(io.BytesIO(message)) == Request("builtin.module(cse)", "a.mlir", data)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "no request"),
        (b"einnet-worker 1 x 3\n", "no request"),
        (b"einnet-worker 2 3 3\n", "version 2"),
        (request("p", b"12345")[:-2], "ends after 3 of 5 bytes"),
    ],
)
def test_what_is_no_request_is_refused(message: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_request(io.BytesIO(message))


def test_the_result_comes_back_as_bytecode() -> None:
    pipeline = "builtin.module(einnet-split-summation{label={p} iterators={d2}})"
    found = answer(Request(pipeline, "a.mlir", bytecode()))
    assert found.error is None
    assert {"builtin", "func", "linalg"} <= set(found.dialects)
    with ir.Context():
        module = ir.Module.parse(found.bytecode)
        assert module.operation.verify()
        assert '"p.inner"' in str(module)


def test_an_error_of_the_users_is_an_answer() -> None:
    pipeline = "builtin.module(einnet-split-summation{label={p} iterators={d9}})"
    found = answer(Request(pipeline, "a.mlir", bytecode()))
    assert found.error is not None
    header, module = decoded(encode(found))
    (report,) = header["errors"]
    assert (header["status"], module) == ("failed", b"")
    # Bytecode of a text without a name.
    assert report["location"] == ["a.mlir", 4, 8]
    assert report["notes"][0]["message"].startswith("the operation is L<")


def test_wrong_options_have_no_place_in_the_users_file() -> None:
    pipeline = "builtin.module(einnet-optimize{target={abacus}})"
    header, _ = decoded(encode(answer(Request(pipeline, "a.mlir", bytecode()))))
    assert header["errors"][0]["location"] == ["", 0, 0]


def test_a_module_that_cannot_be_read_is_an_error() -> None:
    found = answer(Request("builtin.module(cse)", "a.mlir", bytecode()[:-5]))
    assert found.error is not None


def test_hint_and_command_are_notes() -> None:
    error = InputError("m", location=Location("a.mlir", 2, 3), hint="h", reproduce="c")
    header, _ = decoded(encode(Answer(error=error)))
    assert [n["message"] for n in header["errors"][0]["notes"]] == ["h", "reproduce: c"]


def test_the_checksum_is_of_the_module() -> None:
    header, module = decoded(encode(Answer(b"some bytes", ("func",))))
    assert module == b"some bytes"
    assert header["checksum"] == zlib.crc32(module)


def test_what_is_printed_is_no_part_of_the_answer() -> None:
    program = (
        "import einnet.cli.worker as w, os\n"
        "def answer(request):\n"
        "    print('printed'); os.write(1, b'written')\n"
        "    return w.Answer(b'module')\n"
        "w.answer = answer\n"
        "raise SystemExit(w.main())\n"
    )
    # stdin stays open, as the plugin leaves it.
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        assert child.stdin and child.stdout and child.stderr
        child.stdin.write(request("p", b"m"))
        child.stdin.flush()
        header, module = decoded(child.stdout.read())
        assert (header["status"], module) == ("done", b"module")
        assert child.wait(timeout=20) == 0
        assert b"printed" in child.stderr.read()


def test_without_a_request_there_is_an_exit_code() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "einnet.cli.worker"], input="", capture_output=True, text=True
    )
    assert result.returncode == 1
    assert not result.stdout
    assert "einnet-worker: error: there is no request on standard input" in result.stderr
