"""Options of passes derive from the fields of their dataclasses; so does the registry's table."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import pytest

from einnet.errors import InputError, Location
from einnet.options import Options
from einnet.passes import registry
from einnet.passes.module_pass import ModulePass
from einnet.passes.options import build, options_of

PLACE = Location("here", 1, 1)


@dataclass(frozen=True)
class Example:
    names: tuple[str, ...]
    with_: str = "all"
    at_most: int = field(default=3, metadata={"help": "a bound"})
    exact: bool = False


def test_names_types_and_defaults_come_from_fields() -> None:
    found = {o.name: (o.placeholder, o.default, o.help) for o in options_of(Example)}
    assert found == {
        "names": ("<text>,...", None, ""),
        "with": ("<text>", "all", ""),
        "at-most": ("<int>", "3", "a bound"),
        "exact": ("<bool>", "false", ""),
    }


def test_values_are_converted() -> None:
    built = build(Example, "example", "names={a, b} with='c d' at-most=-7 exact", PLACE)
    assert built == Example(("a", "b"), "c d", -7, exact=True)
    assert build(Example, "example", "names=a", PLACE) == Example(("a",))


def test_a_missing_option_is_named() -> None:
    with pytest.raises(InputError, match="example needs the option 'names'"):
        build(Example, "example", "", PLACE)


@pytest.mark.parametrize("name", registry.NAMES)
def test_each_registered_pass_says_what_it_is(name: str) -> None:
    class_ = registry.load(name)
    assert issubclass(class_, ModulePass)
    assert name == class_.NAME
    assert class_.SUMMARY
    assert all(option.help for option in options_of(class_))


def test_the_optimizer_has_the_options_of_a_compilation() -> None:
    names = {option.field for option in options_of(registry.load("einnet-optimize"))}
    assert names == {f.name for f in fields(Options)}


def test_a_name_registered_twice_fails_at_once() -> None:
    with pytest.raises(ValueError, match="pass a is registered as x:X and as y:Y"):
        registry.table([("a", "x:X"), ("b", "z:Z"), ("a", "y:Y")])


def test_an_unknown_name_lists_the_valid_ones() -> None:
    with pytest.raises(InputError) as raised:
        registry.load("einnet-nothing")
    assert all(name in str(raised.value) for name in registry.NAMES)
