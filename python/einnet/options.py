"""What a user may choose; the flags of the commands derive from these fields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, dataclass, field, fields
from typing import Any

from einnet.errors import InputError

TARGETS = ("cpu", "cuda")
PRECISIONS = ("fp32", "tf32", "fp16", "bf16")
STRATEGIES = ("converging", "explorative", "blind")
CHIPS = ("sm_80", "sm_86", "sm_87", "sm_89", "sm_90", "sm_90a")

_REPETITIONS = {"cpu": 5, "cuda": 30}


def _number(default: int, text: str, *, most: int, least: int = 1) -> Any:
    """An option that is a whole number from `least` to `most`."""
    return field(default=default, metadata={"help": text, "bounds": (least, most)})


@dataclass(frozen=True, kw_only=True)
class MutationOptions:
    """How far a compilation looks for partially equivalent programs."""

    mutate: bool = field(
        default=True,
        metadata={"help": "try mutants: equal in part, corrected where they are not"},
    )
    mutation_depth: int = _number(2, "mutations in one round", most=100)
    mutation_rounds: int = _number(
        2, "rounds, each of which starts from the best mutants so far", most=100
    )
    mutation_beam: int = _number(2, "mutants of each kind that are gone on from", most=1000)


@dataclass(frozen=True)
class Options(MutationOptions):
    """Options of a compilation. Nothing else, and no environment variable, changes its result.

    `repetitions` is never 0 once the options are made.
    Raises InputError for an unknown target, strategy, precision or chip, for a precision that the
    target does not have, and for numbers out of their bounds.
    """

    target: str = field(
        default="cpu", metadata={"help": f"what to compile for: {', '.join(TARGETS)}"}
    )
    precision: str = field(
        default="fp32",
        metadata={
            "help": "what f32 becomes: fp32; for cuda also tf32 (products rounded), fp16, bf16"
        },
    )
    candidates: int = _number(2, "derived plans that are measured for each subprogram", most=1000)
    strategy: str = field(
        default="converging",
        metadata={"help": f"how derivations are searched: {', '.join(STRATEGIES)}"},
    )
    measure: bool = field(
        default=True,
        metadata={
            "help": "choose by measurement, for cuda on the GPU here; else by estimated cost"
        },
    )
    chips: str = field(
        default="sm_90a",
        metadata={"help": "GPUs that kernels are assembled for, with commas between: sm_80,sm_90a"},
    )
    repetitions: int = _number(
        0,
        "timed runs of each candidate on a CPU, rounds of each variant on a GPU; 0 for the target's"
        " own number, 5 and 30",
        least=0,
        most=100_000,
    )
    threads: int = _number(1, "threads of library calls", most=1024)
    seed: int = _number(0, "seed of verification and measurement data", least=0, most=2**63 - 1)
    rounds: int = _number(2, "independent rounds of random testing", most=10_000)

    def __post_init__(self) -> None:
        if self.target not in TARGETS:
            raise InputError(
                f"unknown target '{self.target}'", hint=f"targets: {', '.join(TARGETS)}"
            )
        if self.precision not in PRECISIONS:
            raise InputError(
                f"unknown precision '{self.precision}'", hint=f"precisions: {', '.join(PRECISIONS)}"
            )
        if self.target == "cpu" and self.precision != "fp32":
            raise InputError(
                f"the target cpu has no precision '{self.precision}'",
                hint="use fp32, or the target cuda",
            )
        if self.strategy not in STRATEGIES:
            raise InputError(
                f"unknown strategy '{self.strategy}'", hint=f"strategies: {', '.join(STRATEGIES)}"
            )
        for chip in self.chips.split(","):
            if chip not in CHIPS:
                raise InputError(
                    f"no kernels are made for the chip '{chip}'", hint=f"chips: {', '.join(CHIPS)}"
                )
        for option, least, most in _numbers():
            if not least <= (value := getattr(self, option.name)) <= most:
                raise InputError(f"'{name_of(option)}' must be from {least} to {most}, not {value}")
        if self.repetitions == 0:
            object.__setattr__(self, "repetitions", _REPETITIONS[self.target])


def name_of(option: Field[Any]) -> str:
    """What users call an option, on every command line."""
    return option.name.replace("_", "-")


def _numbers() -> Iterator[tuple[Field[Any], int, int]]:
    for option in fields(Options):
        if "bounds" in option.metadata:
            yield option, *option.metadata["bounds"]
