"""Pytest runs the lit tests too, so that one summary counts everything.

Each `.mlir` file that lit.cfg.py accepts is one pytest item. Lit runs inside the pytest process:
a test costs what its RUN lines cost, and `-k`, `-x`, `--numprocesses` apply as to any other test.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import lit.discovery
import lit.LitConfig
import lit.Test
import pytest

if TYPE_CHECKING:
    from _pytest._code.code import TerminalRepr, TracebackStyle

# `make test` draws the same examples every time; `make test-all` new ones, and many more.
hypothesis.settings.register_profile("sampled", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.register_profile("full", deadline=None, max_examples=1000)
hypothesis.settings.load_profile("sampled")

TEST_ROOT = Path(__file__).resolve().parent


@dataclass(frozen=True)
class LitSuite:
    """What lit found under test/: its configuration and one test for each file."""

    lit_config: lit.LitConfig.LitConfig
    tests: dict[Path, lit.Test.Test]


LIT_SUITE = pytest.StashKey[LitSuite]()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> LitFile | None:
    """Collect the files that lit itself discovers under test/."""
    if file_path.suffix != ".mlir":
        return None
    stash = parent.config.stash
    if LIT_SUITE not in stash:
        stash[LIT_SUITE] = discover_lit_tests()
    if file_path.resolve() not in stash[LIT_SUITE].tests:
        return None
    return LitFile.from_parent(parent, path=file_path)


def discover_lit_tests() -> LitSuite:
    """Read lit.cfg.py and walk test/ as the command `lit test/` does."""
    lit_config = lit.LitConfig.LitConfig(
        progname="pytest",
        path=[],
        diagnostic_level="note",
        useValgrind=False,
        valgrindLeakCheck=False,
        valgrindArgs=[],
        noExecute=False,
        debug=False,
        isWindows=False,
        order="lexical",
        params={},
    )
    tests = lit.discovery.find_tests_for_inputs(lit_config, [str(TEST_ROOT)])
    return LitSuite(lit_config, {Path(test.getSourcePath()).resolve(): test for test in tests})


class LitFile(pytest.File):
    """One `.mlir` file with a single item."""

    def collect(self) -> Iterator[LitItem]:
        yield LitItem.from_parent(self, name="lit")


class LitError(Exception):
    """Lit's verdict on a file and the output of its RUN lines."""


class LitItem(pytest.Item):
    """The RUN lines of one file. Lit's REQUIRES becomes a skip, its XFAIL an xfail."""

    def runtest(self) -> None:
        suite = self.config.stash[LIT_SUITE]
        test = suite.tests[self.path.resolve()]
        result = test.config.test_format.execute(test, suite.lit_config)
        test.setResult(result)  # applies XFAIL to the result's code
        verdict, output = result.code, result.output
        if verdict.isFailure:
            raise LitError(f"{verdict.label}: {self.path}\n{output}")
        if verdict is lit.Test.UNSUPPORTED:
            pytest.skip(output)
        if verdict is lit.Test.XFAIL:
            pytest.xfail("marked XFAIL in the file")

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: TracebackStyle | None = None
    ) -> str | TerminalRepr:
        if isinstance(excinfo.value, LitError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, self.name
