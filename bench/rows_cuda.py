"""One row on the GPU: contenders checked against the reference, then timed against each other.

All contenders of a row are timed in one process, interleaved in random order. A contender that
cannot be made is left out with a note; one that is wrong is timed, shown, and never the best.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.cases import LAYOUTS, Layout
from bench.contender import Build, Contender, Error, HostTimed, Ours, Workload, error_of
from bench.peers_torch import TorchContender, compile_within, set_precision, warm
from bench.verdict import Row, Timed
from einnet.errors import EinnetError
from einnet.runtime.cuda.device import Device, open_device
from einnet.runtime.cuda.exclusive import alone
from einnet.runtime.cuda.timing import Contender as Replays
from einnet.runtime.cuda.timing import GpuSamples, time_programs

T = TypeVar("T")

PEERS = ("torch-nchw", "torch-nhwc", "torch-compile", "jax")


@dataclass(frozen=True)
class Setting:
    """How rows are measured. `build` makes our contenders, None measures the peers alone."""

    build: Build | None
    peers: tuple[str, ...] = PEERS
    layouts: tuple[Layout, ...] = ("nhwc",)
    rounds: int = 20
    seed: int = 0
    compile_limit: float = 60.0


Clock = Callable[[Mapping[str, Replays]], Mapping[str, GpuSamples]]
"""Times contenders against each other, interleaved in random order."""


@dataclass
class Contest:
    """The contenders of one row, as they are made, and why others are missing."""

    ours: list[Ours] = field(default_factory=list[Ours])
    peers: list[Contender] = field(default_factory=list[Contender])
    hosts: list[HostTimed] = field(default_factory=list[HostTimed])
    compile_seconds: dict[str, float] = field(default_factory=dict[str, float])
    notes: list[str] = field(default_factory=list[str])

    def attempt(self, name: str, make: Callable[[], T]) -> T | None:
        """What `make` returns; None with a note if a library is missing or refuses."""
        try:
            return make()
        except ModuleNotFoundError as error:
            self.notes.append(f"{name} is left out: there is no module {error.name}")
        except (EinnetError, ImportError, RuntimeError, ValueError, TypeError) as error:
            # A library's own refusals come as these; their texts run over many lines.
            first = (str(error).splitlines() or [""])[0]
            self.notes.append(f"{name} is left out: {type(error).__name__}: {first[:200]}")
        return None


Ourselves = tuple[Workload, tuple[int, ...] | None]
"""A workload, and the axes that permute its result into the layout of the reference."""


@dataclass(frozen=True)
class Sides:
    """What makes the contenders and the reference of one row, each in the row's precision.

    `ours` are workloads by the contender's name. `torch` takes a memory format and whether to
    compile. Nothing is made, and no peer's library imported, before it is called.
    """

    ours: Callable[[], Mapping[str, Ourselves]]
    torch: Callable[[Layout, bool], TorchContender]
    jax: Callable[[], HostTimed]
    reference: Callable[[], NDArray[np.float64]]


def measure_row(row: Row, setting: Setting, sides: Sides) -> Row:
    """The row with all contenders checked and timed. Raises ToolchainError without a GPU."""
    device = open_device()
    contest = Contest()
    if setting.build is not None:
        _add_ours(contest, setting.build, sides.ours(), row.precision)
    with alone(device, say):
        reference = sides.reference()  # which a peer's library may compute on the GPU
        timed = _timed(row, setting, sides, contest, reference, device)
    facts = device_facts(Path(__file__).resolve().parent)
    return replace(row, timed=timed, notes=tuple(contest.notes), environment=facts)


def say(line: str) -> None:
    """Tell who watches what a measurement waits for."""
    if line:
        print(f"  {line}", file=sys.stderr, flush=True)


def _timed(
    row: Row,
    setting: Setting,
    sides: Sides,
    contest: Contest,
    reference: NDArray[np.float64],
    device: Device,
) -> tuple[Timed, ...]:
    """The peers made, which choose their algorithms meanwhile, and all timed."""
    stream = device.make_stream()
    _add_torch(contest, setting, sides, row.precision)
    if "jax" in setting.peers:
        jax = contest.attempt("jax", sides.jax)
        contest.hosts += [jax] if jax is not None else []
    return run_contest(
        contest,
        reference,
        lambda c: time_programs(c, device, stream, setting.rounds, setting.seed),
        stream,
        setting.rounds,
    )


def _add_ours(
    contest: Contest, build: Build, workloads: Mapping[str, Ourselves], precision: str
) -> None:
    for name, (workload, axes) in workloads.items():
        built = contest.attempt(name, lambda w=workload: build(w, precision))
        if built is not None:
            contest.ours.append(Ours(name, built, axes))


def _add_torch(contest: Contest, setting: Setting, sides: Sides, precision: str) -> None:
    wanted = [p for p in setting.peers if p.startswith("torch-")]
    if wanted:
        contest.attempt("PyTorch's precision", lambda: set_precision(precision))
    for layout in LAYOUTS:
        if f"torch-{layout}" in wanted:
            eager = contest.attempt(
                f"torch-{layout}", lambda at=layout: warm(sides.torch(at, False))
            )
            contest.peers += [eager] if eager is not None else []
    name, limit = "torch-compile", setting.compile_limit
    if name in wanted and limit > 0:
        made = contest.attempt(name, lambda: compile_within(sides.torch("nhwc", True), limit))
        if made is not None:
            contest.compile_seconds[name] = made.seconds
            contest.peers += [made.contender] if made.contender is not None else []
            if made.contender is None:
                contest.notes.append(f"{name} is left out: not compiled in {limit:g} s")


def run_contest(
    contest: Contest, reference: NDArray[np.float64], clock: Clock, stream: int, samples: int
) -> tuple[Timed, ...]:
    """Check and time every contender on the stream; those that the host times, `samples` times.

    Notes what fails on the way.
    """
    contenders: dict[str, Contender] = {}
    for contender in (*contest.ours, *contest.peers):
        if contender.name in contenders:
            raise ValueError(f"two contenders are called {contender.name}")
        contenders[contender.name] = contender
    captured: dict[str, Replays] = {}
    for name, contender in contenders.items():
        replays = contest.attempt(name, lambda c=contender: c.capture(stream))
        if replays is not None:
            captured[name] = replays
    measured = clock(captured) if captured else {}
    built = {o.name: o.built for o in contest.ours}
    timed = [
        Timed(
            name,
            name in built,
            times.hot,
            times.cold,
            _error(contest, contenders[name], reference),
            built[name].provenance if name in built else "",
            dict(built[name].candidates) if name in built else {},
            contest.compile_seconds.get(name),
            tuple(built[name].algorithms) if name in built else (),
        )
        for name, times in measured.items()
    ]
    for host in contest.hosts:
        hot = contest.attempt(host.name, lambda h=host: tuple(h.sample() for _ in range(samples)))
        if hot is not None:
            timed.append(Timed(host.name, False, hot, (), _error(contest, host, reference)))
    return tuple(timed)


def _error(
    contest: Contest, contender: Contender | HostTimed, reference: NDArray[np.float64]
) -> Error | None:
    output = contest.attempt(contender.name, contender.output)
    return None if output is None else error_of(output, reference)


def device_facts(folder: Path) -> dict[str, Any]:
    """GPU, driver, versions of the libraries that are compared, and the commit in `folder`."""
    facts: dict[str, Any] = {"commit": commit_of(folder)}
    names = "name,driver_version,clocks.max.sm,clocks.max.memory"
    query = ["nvidia-smi", f"--query-gpu={names}", "--format=csv,noheader", "--id=0"]
    found = _output_of(query)
    if found:
        values = (v.strip() for v in found.split(","))
        facts |= dict(
            zip(("gpu", "driver", "max_sm_clock", "max_memory_clock"), values, strict=True)
        )
    return facts | library_versions()


def library_versions() -> dict[str, str]:
    """Versions of the packages that decide times, as far as they are installed."""
    import importlib.metadata

    found: dict[str, str] = {}
    for name in (
        "torch",
        "triton",
        "jax",
        "jaxlib",
        "nvidia-cudnn-cu13",
        "nvidia-cublas",
        "nvidia-cuda-runtime",
        "nvmath-python",
        "nvidia-cudnn-frontend",
        "cuda-bindings",
        "numpy",
    ):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def commit_of(folder: Path) -> str:
    """The commit that is checked out, "+" behind it if files differ; without git, the one that
    `git archive` has written into commit.txt; "unknown" without either."""
    commit = _output_of(["git", "-C", str(folder), "rev-parse", "HEAD"])
    if commit:
        changed = _output_of(["git", "-C", str(folder), "status", "--porcelain"])
        return commit + ("+" if changed else "")
    archived = Path(__file__).with_name("commit.txt").read_text(encoding="utf-8").strip()
    return "unknown" if archived.startswith("$") else archived


def _output_of(command: list[str]) -> str:
    """What a program prints; "" if there is no such program or it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
