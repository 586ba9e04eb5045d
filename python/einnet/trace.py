"""What a compilation reports while it runs: stages with their CPU seconds, and messages.

A leaf module: anything may report, nothing is decided by it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Trace:
    """Collects the CPU seconds of each named stage; `listen` is told of progress as it happens."""

    listen: Callable[[str], None] = lambda _: None
    seconds: dict[str, float] = field(default_factory=dict[str, float])

    @contextmanager
    def stage(self, name: str) -> Generator[None]:
        """Time a stage in process CPU seconds, child processes that it waited for included."""
        begin = _cpu_seconds()
        self.listen(name)
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + _cpu_seconds() - begin

    def progress(self, message: str) -> None:
        self.listen(message)

    @property
    def total(self) -> float:
        return sum(self.seconds.values())


def _cpu_seconds() -> float:
    import resource

    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
