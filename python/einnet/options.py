"""What a user may choose; the flags of the commands derive from these fields."""

from __future__ import annotations

from dataclasses import dataclass, field

from einnet.errors import InputError

TARGETS = ("cpu",)
STRATEGIES = ("converging", "explorative", "blind")


@dataclass(frozen=True)
class Options:
    """Options of a compilation. Nothing else, and no environment variable, changes its result.

    Raises InputError for an unknown target or strategy, for counts below 1 and for a negative seed.
    """

    target: str = field(default="cpu", metadata={"help": "what to compile for: cpu"})
    candidates: int = field(
        default=2, metadata={"help": "derived plans that are measured for each subprogram"}
    )
    strategy: str = field(
        default="converging",
        metadata={"help": f"how derivations are searched: {', '.join(STRATEGIES)}"},
    )
    measure: bool = field(
        default=True, metadata={"help": "choose by measurement; without it by estimated cost"}
    )
    repetitions: int = field(default=5, metadata={"help": "timed runs of each candidate"})
    threads: int = field(default=1, metadata={"help": "threads of library calls"})
    seed: int = field(default=0, metadata={"help": "seed of verification and measurement data"})
    rounds: int = field(default=2, metadata={"help": "independent rounds of random testing"})

    def __post_init__(self) -> None:
        if self.target not in TARGETS:
            raise InputError(
                f"unknown target '{self.target}'", hint=f"targets: {', '.join(TARGETS)}"
            )
        if self.strategy not in STRATEGIES:
            raise InputError(
                f"unknown strategy '{self.strategy}'", hint=f"strategies: {', '.join(STRATEGIES)}"
            )
        if self.seed < 0:
            raise InputError(f"'seed' must be at least 0, not {self.seed}")
        for name in ("candidates", "repetitions", "threads", "rounds"):
            if getattr(self, name) < 1:
                raise InputError(f"'{name}' must be at least 1, not {getattr(self, name)}")
