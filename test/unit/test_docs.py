"""Generated documentation is what the sources say."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "python" / "einnet" / "rules"

SOURCE = '''"""Doubling: twice is two times.

Formulas:

- `f + f  =  2 * f`;
- `2 * f  =  f + f`.

Condition: none: it is
always so.

Paper: anyone's.

A note.

Another one.
"""

RULE = "double"
HALF = "halve"
'''


@pytest.fixture(name="generator")
def _generator(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module; it stands in no package."""
    name = "generate_rules_doc"
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)  # where dataclasses look it up
    spec.loader.exec_module(module)
    return module


def test_the_page_of_rules_is_up_to_date(generator: ModuleType):
    page = (ROOT / "docs" / "rules.md").read_text()
    assert page == generator.render(generator.entries()), "run `make docs`"


def test_every_rule_has_an_entry(generator: ModuleType):
    modules = {p.stem for p in RULES.glob("*.py")} - {"__init__", "rewrite"}
    entries = generator.entries()
    assert {e.module for e in entries} == modules == set(generator.ORDER)
    names = [name for e in entries for name in e.names]
    assert len(set(names)) == len(names)


def test_the_parts_of_an_entry(generator: ModuleType):
    entry = generator.read_entry("doubling", SOURCE)
    assert entry.title == "Doubling: twice is two times."
    assert entry.names == ("double", "halve")
    assert entry.formula == "- `f + f  =  2 * f`;\n- `2 * f  =  f + f`."
    assert entry.condition == "none: it is\nalways so."
    assert entry.paper == "anyone's."
    assert entry.notes == "A note.\n\nAnother one."


def test_a_module_that_names_no_rule_has_no_entry(generator: ModuleType):
    assert generator.read_entry("other", '"""Some text."""\nLIMIT = 3\n') is None


@pytest.mark.parametrize("part", ["Formulas:", "Condition:", "Paper:"])
def test_a_docstring_without_a_part_is_an_error(generator: ModuleType, part: str):
    with pytest.raises(generator.ShapeError, match=r"rules/doubling.py.*`Condition:`"):
        generator.read_entry("doubling", SOURCE.replace(part, "Then:"))


def test_a_rule_without_a_docstring_is_an_error(generator: ModuleType):
    with pytest.raises(generator.ShapeError, match="no docstring"):
        generator.read_entry("bare", 'RULE = "bare"\n')


def test_a_stale_page_is_reported(
    generator: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setattr(generator, "PAGE", tmp_path / "rules.md")
    assert generator.main(["--check"]) == 1
    assert "make docs" in capsys.readouterr().err
    assert generator.main([]) == 0
    assert generator.main(["--check"]) == 0
    (tmp_path / "rules.md").write_text("old\n")
    assert generator.main(["--check"]) == 1
