"""What a search over a library's algorithms leaves behind, and how a library says no."""

from __future__ import annotations

from dataclasses import dataclass

from einnet.runtime.cuda.call import Prepared

Record = dict[str, object]
"""An algorithm as JSON: `library`, its `version` (an integer), a `name` for people, the bytes of
`workspace`, and what the library needs to find the algorithm again."""


class Unsupported(Exception):  # noqa: N818 - not an error: a generated kernel does it instead
    """The library has nothing for this call; its text says why, in one line."""


@dataclass(frozen=True)
class Candidate:
    """An algorithm and the call that is prepared to run with it."""

    algorithm: Record
    prepared: Prepared


def one_line(error: BaseException) -> str:
    """An error of a library as one line, short enough for a message."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:197] + "..."


def integer(record: Record, name: str) -> int:
    """The field `name` of a record; -1, which no library writes, if it is no integer."""
    value = record.get(name)
    return value if isinstance(value, int) else -1
