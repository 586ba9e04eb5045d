"""What a user may choose; the flags of the commands derive from these fields."""

from __future__ import annotations

from dataclasses import dataclass, field

from einnet.errors import InputError

TARGETS = ("cpu", "cuda")
PRECISIONS = ("fp32", "tf32", "fp16", "bf16")
STRATEGIES = ("converging", "explorative", "blind")

_MUTATION_COUNTS = ("mutation_depth", "mutation_rounds", "mutation_beam")

_REPETITIONS = {"cpu": 5, "cuda": 30}


@dataclass(frozen=True, kw_only=True)
class MutationOptions:
    """How far a compilation looks for partially equivalent programs."""

    mutate: bool = field(
        default=True,
        metadata={"help": "try mutants: equal in part, corrected where they are not"},
    )
    mutation_depth: int = field(default=2, metadata={"help": "mutations in one round"})
    mutation_rounds: int = field(
        default=2, metadata={"help": "rounds, each of which starts from the best mutants so far"}
    )
    mutation_beam: int = field(
        default=2, metadata={"help": "mutants of each kind that are gone on from"}
    )


@dataclass(frozen=True)
class Options(MutationOptions):
    """Options of a compilation. Nothing else, and no environment variable, changes its result.

    `repetitions` is never 0 once the options are made.
    Raises InputError for an unknown target, strategy or precision, for a precision that the target
    does not have, for counts below 1 and for a negative seed.
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
    candidates: int = field(
        default=2, metadata={"help": "derived plans that are measured for each subprogram"}
    )
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
    repetitions: int = field(
        default=0,
        metadata={
            "help": "timed runs of each candidate on a CPU, rounds of each variant on a GPU; 0 for"
            " the target's own number, 5 and 30"
        },
    )
    threads: int = field(default=1, metadata={"help": "threads of library calls"})
    seed: int = field(default=0, metadata={"help": "seed of verification and measurement data"})
    rounds: int = field(default=2, metadata={"help": "independent rounds of random testing"})

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
        if self.seed < 0:
            raise InputError(f"'seed' must be at least 0, not {self.seed}")
        if self.repetitions == 0:
            object.__setattr__(self, "repetitions", _REPETITIONS[self.target])
        for name in ("candidates", "repetitions", "threads", "rounds", *_MUTATION_COUNTS):
            if getattr(self, name) < 1:
                raise InputError(f"'{name}' must be at least 1, not {getattr(self, name)}")
