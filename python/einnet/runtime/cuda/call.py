"""What a library call looks like to the executor: prepared once, then enqueued on a stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar, cast

T = TypeVar("T")

Addresses = Callable[[str], int]
"""The device address of a buffer, by its name. It stays the same while the program lives."""


class Prepared(Protocol):
    """A library call that is ready to run: addresses, algorithm and descriptors are settled.

    `launch` only enqueues: it neither allocates nor synchronises, and may be captured in a graph.
    """

    @property
    def workspace(self) -> int:
        """Bytes of scratch memory that `launch` needs; 0 if none."""
        ...

    def launch(self, stream: int, workspace: int) -> None:
        """Enqueue the call on the stream (a CUstream's address). `workspace` is the address of at
        least `self.workspace` bytes, aligned to 256 and shared with the calls before and after."""
        ...


class Handles:
    """The libraries' handles on one device: each made at its first use, once, and kept."""

    def __init__(self, device: int) -> None:
        self.device = device
        """The ordinal of the device, whose primary context is current while a call is prepared."""
        self._made: dict[str, tuple[object, Callable[[], None]]] = {}

    def get(self, name: str, create: Callable[[], T], destroy: Callable[[T], None]) -> T:
        """The handle `name`; `create` makes it if there is none yet, `destroy` undoes that."""
        if name not in self._made:
            handle = create()
            self._made[name] = (handle, lambda: destroy(handle))
        return cast(T, self._made[name][0])

    def close(self) -> None:
        """Destroy all handles, the last one first. Nothing prepared with them may run any more."""
        while self._made:
            _, (_, destroy) = self._made.popitem()
            destroy()
