"""The parent process: children that crash, hang and report errors; the child over a fake GPU."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_records import HERE, RECORDS

from einnet.errors import InputError, ToolchainError
from einnet.runtime.cuda.measure import measure_artifact
from einnet.runtime.cuda.records import Records, load_records, save_records

CHILD = """
print(flush=True)  # before the imports, which take a while on a busy machine
import json, os, sys, time
from dataclasses import replace
from pathlib import Path
from einnet.runtime.cuda.records import CallRecord, Records, load_records, save_records
from einnet.runtime.cuda.timing import GpuSamples

folder, path, *options = sys.argv[1:]
path = Path(path)
skip = {o.partition("=")[2] for o in options if o.startswith("--skip=")}
records = load_records(path)


def about(line, name):
    print(line, flush=True)
    return name not in skip
"""
"""What every child starts with: `about` announces and says whether it is not to be skipped."""


def child(folder: Path, body: str) -> tuple[str, ...]:
    script = folder / "child.py"
    script.write_text(CHILD + body)
    return (sys.executable, str(script))


EMPTY = Records(HERE)

MEASURING = """
for key in ("k1", "k2", "k3"):
    if key in records.calls:
        continue
    if not about(f"call {key} conv {key}", key):
        continue
    if key == "k2":
        FAULT
    records = replace(records, calls={**records.calls, key: CallRecord({"name": "a"}, 1.0)})
    save_records(records, path)
    print(f"call {key}: 3 algorithms in 0.1 s", flush=True)
if about("variant original: as it is", "original: as it is"):
    records = replace(records, variants={"original": GpuSamples((1.0,))})
save_records(records, path)
"""

FAULTS = {
    "os.abort()": "it crashed: exit status -6",
    "raise ValueError('lost')": "it crashed: ValueError: lost",
    "os._exit(3)": "it crashed: exit status 3",
    "time.sleep(60)": "it was silent for 2 s",
    "os.close(1); time.sleep(60)": "it was silent for 2 s",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_crashes_or_hangs_is_skipped_and_the_rest_measured(fault: str, tmp_path: Path) -> None:
    command = child(tmp_path, MEASURING.replace("FAULT", fault))
    said: list[str] = []
    started = time.monotonic()
    records = measure_artifact(tmp_path, known=EMPTY, say=said.append, child=command, patience=2.0)
    assert time.monotonic() - started < 10
    assert list(records.calls) == ["k1", "k3"] and list(records.variants) == ["original"]
    assert f"dropped k2: {FAULTS[fault]}" in said
    assert said.count("call k1 conv k1") == 1, "what was written before the crash is kept"


def test_a_variant_is_skipped_by_its_whole_name(tmp_path: Path) -> None:
    body = """
if about("variant conv 1: product, fused", "conv 1: product, fused"):
    os.abort()
save_records(replace(records, variants={"original": GpuSamples((1.0,))}), path)
"""
    records = measure_artifact(tmp_path, known=EMPTY, child=child(tmp_path, body))
    assert list(records.variants) == ["original"]


def test_lines_that_come_at_once_are_all_heard(tmp_path: Path) -> None:
    """Else the first of them would be blamed for what the last one does."""
    body = """
if "k2" in skip:
    save_records(records, path)
else:
    print("call k1 one\\ncall k1: 3 algorithms\\ncall k2 two", flush=True)
    time.sleep(60)
"""
    said: list[str] = []
    measure_artifact(
        tmp_path, known=EMPTY, say=said.append, child=child(tmp_path, body), patience=2.0
    )
    assert "dropped k2: it was silent for 2 s" in said


def test_signs_of_life_are_not_passed_on(tmp_path: Path) -> None:
    body = """
for _ in range(6):
    print(flush=True)
    time.sleep(0.5)
"""
    said: list[str] = []
    command = child(tmp_path, body)
    assert measure_artifact(
        tmp_path, known=EMPTY, say=said.append, child=command, patience=2.0
    ) == EMPTY  # fmt: skip
    assert not said


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("InputError", InputError),
        ("ToolchainError", ToolchainError),
        ("OutOfMemory", ToolchainError),
    ],
)
def test_the_users_error_is_raised_as_it_is(
    kind: str, expected: type[Exception], tmp_path: Path
) -> None:
    body = f"""
about("call k1 conv", "k1")
error = dict(kind={kind!r}, message="no GPU", location="model.einnet", hint="buy one")
print(json.dumps(error), flush=True)
sys.exit(3)
"""
    said: list[str] = []
    with pytest.raises(expected) as caught:
        measure_artifact(tmp_path, known=EMPTY, say=said.append, child=child(tmp_path, body))
    error = caught.value
    assert isinstance(error, InputError | ToolchainError)
    assert (error.message, str(error.location), error.hint) == ("no GPU", "model.einnet", "buy one")
    assert said == ["call k1 conv"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise ImportError('no cuda')", "measuring fails: ImportError: no cuda"),
        ("about('variant a', 'a'); print('timing', flush=True); os.abort()", "exit status -6"),
        ("about('call k1 conv', ''); os.abort()", "exit status -6"),  # it does not skip
    ],
)
def test_a_crash_that_nothing_can_be_blamed_for_is_an_error(
    body: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ToolchainError, match=message) as caught:
        measure_artifact(tmp_path, known=EMPTY, child=child(tmp_path, body))
    assert "child.py" in str(caught.value.hint)


def test_known_records_reach_the_child(tmp_path: Path) -> None:
    assert measure_artifact(tmp_path, known=RECORDS, child=child(tmp_path, "")) == RECORDS


def test_a_child_is_killed_with_whoever_listens(tmp_path: Path) -> None:
    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        measure_artifact(
            tmp_path,
            known=EMPTY,
            say=interrupted,
            child=child(tmp_path, "print('call k1 x', flush=True); time.sleep(60)"),
        )
    assert time.monotonic() - started < 10


def test_an_error_of_the_child_itself_arrives(tmp_path: Path) -> None:
    """The real child: the artifact is damaged, which it finds before it opens a GPU."""
    with pytest.raises(InputError) as caught:
        measure_artifact(tmp_path / "none.einnet")
    assert "none.einnet" in str(caught.value.location)


REAL = """
import sys
sys.path.insert(0, {tests!r})
from fake_device import CONSTANTS, CUBINS, KERNELS, PROGRAM, FakeDevice, kernel
from einnet.runtime.cuda import measure
from einnet.runtime.cuda.artifact import CudaArtifact
from pathlib import Path

class Ticking(FakeDevice):
    def record(self, event, stream):
        self.advance(3)
        super().record(event, stream)

measure.open_device = lambda: Ticking(KERNELS)
measure.load_cuda_artifact = lambda folder: CudaArtifact(
    folder, "fp32", "original", {{"original": PROGRAM}}, {{"sm_90a": CUBINS}}, CONSTANTS, {{}}
)
raise SystemExit(measure._main())
"""


def test_the_real_child_over_a_fake_device(tmp_path: Path) -> None:
    script = tmp_path / "real.py"
    script.write_text(REAL.format(tests=str(Path(__file__).parent)))
    said: list[str] = []
    records = measure_artifact(
        tmp_path, rounds=4, say=said.append, child=(sys.executable, str(script))
    )
    assert records.environment.gpu == "Fake GPU"
    assert len(records.variants["original"].hot) == 4
    assert said == ["variant original", "timing"]


def test_the_child_needs_no_compiler(tmp_path: Path) -> None:
    script = (
        "import sys, einnet.runtime.cuda.measure\n"
        "heavy = {'mlir', 'torch', 'onnx', 'cuda', 'nvmath', 'cudnn'}\n"
        "ours = ('einnet.bridge', 'einnet.toolchain', 'einnet.search', 'einnet.expr')\n"
        "print([n for n in sys.modules if n.split('.')[0] in heavy or n.startswith(ours)])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"
    assert not list(tmp_path.iterdir())


def test_records_written_so_far_survive_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "records.json"
    save_records(RECORDS, path)
    body = "\nif about('call k9 x', 'k9'):\n    os.abort()\nassert records.calls\n"
    command = child(tmp_path, body)
    assert measure_artifact(tmp_path, known=load_records(path), child=command) == RECORDS
