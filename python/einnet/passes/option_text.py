"""The text of a pass's options, which `options.build` reads again."""

from __future__ import annotations

from typing import Any

from einnet.passes.options import options_of


def written(pass_: Any) -> str:
    """`{name=value ...}` with every option of a pass, empty for a pass without options."""
    parts: list[str] = []
    for option in options_of(type(pass_)):
        value: Any = getattr(pass_, option.field)
        if isinstance(value, bool):
            parts.append(f"{option.name}={str(value).lower()}")
        elif isinstance(value, tuple) and value:
            parts.append(f"{option.name}={{{','.join(map(str, value))}}}")
        elif value not in ("", (), None):
            parts.append(f"{option.name}={_quoted(str(value))}")
    return f"{{{' '.join(parts)}}}" if parts else ""


def _quoted(value: str) -> str:
    plain = not any(character.isspace() or character in "{}()[]\"'" for character in value)
    return value if plain else f"{{{value}}}"
