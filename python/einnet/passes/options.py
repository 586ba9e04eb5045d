"""Options of passes: MLIR's `{name=value other={a,b} flag}` text to the fields of a dataclass."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, get_type_hints

from einnet.errors import InputError, Location

_CLOSING = {"{": "}", "(": ")", "[": "]"}
_QUOTES = "\"'"
# More digits than any bound, and few enough for `int`.
_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,19}\s*")
_SHOWN = 40
_TRUTH = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True)
class Option:
    """One option of a pass; `default` is text, None for an option that has to be given. An integer
    is within the bounds, if there are any."""

    name: str
    field: str
    type: Any
    help: str
    default: str | None
    bounds: tuple[int, int] | None = None

    @property
    def placeholder(self) -> str:
        """What stands for the value in a list of options."""
        if self.type in (tuple[str, ...], tuple[int, ...]):
            return f"{'<text>' if self.type == tuple[str, ...] else '<int>'},..."
        return {str: "<text>", int: "<int>", bool: "<bool>"}[self.type]


class OptionError(InputError):
    """A value that a pass refuses, of the option of this name: `build` says where it stands."""

    def __init__(self, option: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.option = option


def number(default: int, text: str, *, most: int, least: int = 1) -> Any:
    """A field that is an integer from `least` to `most`."""
    return dataclasses.field(default=default, metadata={"help": text, "bounds": (least, most)})


def options_of(class_: type[Any]) -> tuple[Option, ...]:
    """The options that the fields of a dataclass stand for, in their order."""
    hints = get_type_hints(class_)
    return tuple(
        Option(
            field.name.removesuffix("_").replace("_", "-"),
            field.name,
            hints[field.name],
            field.metadata.get("help", ""),
            None if field.default is dataclasses.MISSING else _text(field.default),
            field.metadata.get("bounds"),
        )
        for field in dataclasses.fields(class_)
    )


P = TypeVar("P")


def build(class_: type[P], name: str, text: str, place: Location) -> P:
    """The pass `name` with the options of `text`, which begins at `place`.

    Raises InputError for an unknown, repeated, missing or malformed option, and for values that
    the pass itself refuses.
    """
    options = {option.name: option for option in options_of(class_)}
    valid = f"options of {name}: {', '.join(options) or 'none'}"
    values: dict[str, Any] = {}
    places: dict[str, Location] = {}
    for key, value, offset in split_options(text, place):
        here = shifted(place, offset)
        if key not in options:
            raise InputError(f"{name} has no option '{key}'", location=here, hint=valid)
        option = options[key]
        if option.field in values:
            raise InputError(f"option '{key}' is given twice", location=here)
        places[key] = here
        _require_no_option(options, value, here)
        values[option.field] = _convert(option, value, here)
    missing = [o.name for o in options.values() if o.default is None and o.field not in values]
    if missing:
        raise InputError(f"{name} needs the option '{missing[0]}'", location=place, hint=valid)
    try:
        return class_(**values)
    except OptionError as error:
        here = places.get(error.option, place)
        raise InputError(error.message, location=here, hint=error.hint) from error
    except InputError as error:
        raise InputError(error.message, location=place, hint=error.hint) from error


def split_options(text: str, place: Location) -> Iterator[tuple[str, str | None, int]]:
    """Name, value (None for a bare flag) and offset of each option.

    Options are separated by white space outside quotes and brackets; quotes or braces around a
    whole value are not part of it. Raises InputError for a quote or bracket without its partner.
    """
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        end = _end_of_option(text, position, place)
        key, equals, value = text[position:end].partition("=")
        yield key, _unwrapped(value) if equals else None, position
        position = end


def shifted(place: Location, columns: int) -> Location:
    """The location `columns` to the right."""
    return dataclasses.replace(place, column=place.column + columns)


def _end_of_option(text: str, start: int, place: Location) -> int:
    pending: list[tuple[str, int]] = []
    for position in range(start, len(text)):
        character = text[position]
        inside = pending[-1][0] if pending else ""
        if inside in _QUOTES and inside:
            if character == inside:
                pending.pop()
        elif character in _QUOTES:
            pending.append((character, position))
        elif character in _CLOSING:
            pending.append((_CLOSING[character], position))
        elif character == inside:
            pending.pop()
        elif character.isspace() and not pending:
            return position
    if pending:
        closing, opened = pending[-1]
        raise InputError(
            f"'{text[opened]}' without its '{closing}'", location=shifted(place, opened)
        )
    return len(text)


def _unwrapped(value: str) -> str:
    if len(value) >= 2 and (value[0] + value[-1] in ("{}", '""', "''")):
        return value[1:-1]
    return value


def _require_no_option(options: Iterable[str], value: str | None, place: Location) -> None:
    """Raise InputError for a value that goes on with another option, after a comma."""
    plain = value is not None and not any(c in value for c in "([{\"'")
    found = re.search(r",\s*([\w-]+)=", value or "") if plain else None
    if found is not None and found[1] in options:
        raise InputError(
            f"'{found[1]}' follows a comma: it would be part of the value",
            location=place,
            hint="white space is what separates options",
        )


def _convert(option: Option, value: str | None, place: Location) -> Any:
    if option.type is bool:
        if value is None:
            return True
        if value in _TRUTH:
            return _TRUTH[value]
        raise InputError(f"'{option.name}' is true or false, not '{value}'", location=place)
    if not value:
        raise InputError(f"option '{option.name}' has no value", location=place)
    if option.type is int:
        return _integer(option, value, place)
    if option.type is str:
        return value
    parts = tuple(part.strip() for part in value.split(","))
    if option.type == tuple[int, ...]:
        return tuple(_integer(option, part, place) for part in parts)
    return parts


def _integer(option: Option, value: str, place: Location) -> int:
    if not _INTEGER.fullmatch(value):
        shown = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}..."
        raise InputError(f"'{option.name}' is an integer, not '{shown}'", location=place)
    found = int(value)
    if option.bounds is not None:
        least, most = option.bounds
        if not least <= found <= most:
            raise InputError(
                f"'{option.name}' must be from {least} to {most}, not {found}", location=place
            )
    return found


def _text(default: Any) -> str:
    if default in ("", ()):
        return "none"
    if isinstance(default, bool):
        return str(default).lower()
    return ",".join(default) if isinstance(default, tuple) else str(default)
