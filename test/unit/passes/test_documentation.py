"""docs/passes.md is what the classes of the passes say, and shows what they do."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest
from mlir import ir

from einnet.passes import registry
from einnet.passes.module_pass import Example, ModulePass, Target

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "passes.md"


@dataclass(frozen=True)
class Rename(ModulePass):
    """It renames
    everything.

    Twice.
    """

    NAME: ClassVar[str] = "einnet-split-product"
    SUMMARY: ClassVar[str] = "Rename"
    EXAMPLE: ClassVar[Example] = Example("module {}", "to=x")

    to: str = field(metadata={"help": "the name"})
    often: int = field(default=2, metadata={"help": "how often"})

    def run(self, target: Target) -> ir.Module:
        return target.module


@pytest.fixture(name="generator", scope="module")
def _generator() -> ModuleType:
    """The script as a module; it stands in no package."""
    spec = importlib.util.spec_from_file_location(
        "generate_passes_doc", ROOT / "tools" / "generate_passes_doc.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(generator: ModuleType) -> None:
    assert PAGE.read_text() == generator.render(), "run `make docs`"


def test_every_pass_has_its_section() -> None:
    titles = [line for line in PAGE.read_text().splitlines() if line.startswith("## ")]
    assert titles == [f"## {name}" for name in registry.NAMES]


def test_the_parts_of_a_section(generator: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object) -> type[ModulePass]:
        return Rename

    monkeypatch.setattr(registry, "load", load)
    page = generator.render([Rename.NAME])
    assert "It renames\neverything.\n\nTwice.\n" in page
    assert "| `to=<text>` | required | the name |" in page
    assert "| `often=<int>` | 2 | how often |" in page
    example = 'Example: `einnet-opt --einnet-split-product="to=x"` makes of'
    assert f"{example}\n\n```mlir\nmodule {{}}\n```\n\nthis:\n\n```mlir\nmodule {{" in page


def test_a_long_result_is_cut(generator: ModuleType) -> None:
    text = "\n".join(f"line {n}  " for n in range(generator.MAX_LINES + 5))
    shown = generator._shown(text).splitlines()
    assert len(shown) == generator.MAX_LINES + 1
    assert shown[-1] == "// and 5 more lines"
    assert shown[0] == "line 0"


def test_a_stale_page_is_reported(
    generator: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(generator, "PAGE", tmp_path / "passes.md")
    monkeypatch.setattr(generator, "render", lambda: "new\n")
    assert generator.main(["--check"]) == 1
    assert "make docs" in capsys.readouterr().err
    assert generator.main([]) == 0
    assert generator.main(["--check"]) == 0
    (tmp_path / "passes.md").write_text("old\n")
    assert generator.main(["--check"]) == 1
