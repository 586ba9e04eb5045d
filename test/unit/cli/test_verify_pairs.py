"""`einnet verify` on the pairs of test/verify/, which are as users write them.

The first line of a file is the verdict: `equal`, or `different` and the boxes that are reported.
The two functions follow, as the parts of the file between lines `// -----`.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from einnet.cli.main import main

PAIRS = sorted((Path(__file__).resolve().parents[2] / "verify").glob("*.mlir"))
SECONDS: dict[str, float] = {}


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.stem)
def test_pair(pair: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected, _, text = pair.read_text(encoding="utf-8").partition("\n")
    verdict, _, regions = expected.removeprefix("// ").partition(" ")
    sides = [tmp_path / "a.mlir", tmp_path / "b.mlir"]
    for path, part in zip(sides, text.split("// -----"), strict=True):
        path.write_text(part, encoding="utf-8")
    start = time.process_time()
    status = main(["verify", *map(str, sides)])
    SECONDS[pair.stem] = time.process_time() - start
    printed = capsys.readouterr()
    assert (printed.out.partition(":")[0], printed.err) == (verdict, "")
    assert status == {"equal": 0, "different": 1}[verdict]
    found = re.findall(r"^  (\[.*\])$", printed.out, re.MULTILINE)
    if regions == "diagonal":
        assert found == [f"[{i}, {i}]" for i in range(8)]
        assert "  and 40 boxes more\n" in printed.out
    else:
        assert found == re.findall(r"\[.*?\]", regions)


def test_there_are_twenty_and_they_are_quick() -> None:
    verdicts = [p.read_text(encoding="utf-8").split(maxsplit=2)[1] for p in PAIRS]
    assert len(verdicts) >= 20
    assert min(verdicts.count("equal"), verdicts.count("different")) >= 8
    assert sum(SECONDS.values()) < 20, SECONDS
