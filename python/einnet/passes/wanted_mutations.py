"""The option `mutation` of `einnet-mutate`: mutations by name, with parameters that matter."""

from __future__ import annotations

import re

from einnet.mutations.moves import PARAMETERS
from einnet.mutations.wanted import JOINS, Wanted
from einnet.passes.options import OptionError

MUTATIONS = tuple(sorted(PARAMETERS))
"""The mutations of one operation, by name."""

_MUTATION = re.compile(r"\s*([\w-]+)\s*(?:\(([^()]*)\))?\s*(?:,|$)")

_NUMBER = re.compile(r"[0-9]{1,9}")
"""Numbers of a parameter: no tensor has a dimension of more."""

_SHOWN = 40


def parse_mutations(text: str) -> tuple[Wanted, ...]:
    """What the option `mutation` names. Raises OptionError."""
    wanted: list[Wanted] = []
    position = 0
    while position < len(text):
        match = _MUTATION.match(text, position)
        if match is None:
            raise OptionError(
                "mutation",
                f"'{_shown(text[position:])}' is no mutation",
                hint="a name, perhaps with parameters: merge-borders(gap=0),split-residues",
            )
        if match[1] not in (*MUTATIONS, *JOINS):
            raise OptionError(
                "mutation",
                f"unknown mutation '{_shown(match[1])}'",
                hint=f"mutations: {', '.join(MUTATIONS)}; of several operations: "
                f"{', '.join(JOINS)}",
            )
        wanted.append(Wanted(match[1], _parameters(match[1], match[2] or "")))
        position = match.end()
    return tuple(wanted)


def _parameters(mutation: str, text: str) -> tuple[tuple[str, int], ...]:
    valid = PARAMETERS.get(mutation, ())
    found: dict[str, int] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not _NUMBER.fullmatch(value):
            raise OptionError(
                "mutation",
                f"'{_shown(part)}' is no parameter",
                hint="a parameter is a number of at most 9 digits: gap=0",
            )
        if key not in valid:
            raise OptionError(
                "mutation",
                f"{mutation} has no parameter '{_shown(key)}'",
                hint=f"parameters of {mutation}: {', '.join(valid) or 'none'}",
            )
        if key in found:
            raise OptionError("mutation", f"{key} of {mutation} is given twice")
        found[key] = int(value)
    return tuple(found.items())


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
