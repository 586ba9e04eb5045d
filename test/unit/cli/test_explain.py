"""`einnet explain`, called in process: what it prints is true, and its errors are the user's."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tensor_algebra import parse, random_elements, same_meaning, tensors, value_of

from einnet.cli.main import main
from einnet.expr.interpreter import dense
from einnet.expr.text import parse_scope

MODEL = Path(__file__).parent.parent / "bridge" / "infogan-small.mlir"
TRANSPOSED = (
    "L<n:2,f:3,h:4,w:4> S<c:5,r:4,s:4> X[n,c,(h+1-r) div 2,(w+1-s) div 2] * W[c,f,r,s]"
    " * [(h+1-r) mod 2 = 0] * [(w+1-s) mod 2 = 0]"
)
SHAPES: dict[str, tuple[int, ...]] = {"X": (2, 5, 2, 2), "W": (5, 3, 4, 4)}
EXPRESSION = ["--expression", TRANSPOSED, "--tensor", "X=2x5x2x2", "--tensor", "W=5x3x4x4"]
PRODUCT = [
    *("--expression", "L<m:2,n:4> S<k:3> A[m,k] * B[k,n]"),
    *("--tensor", "A=2x3", "--tensor", "B=3x4"),
]


def explain(
    capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0
) -> tuple[str, str]:
    assert main(["explain", *arguments]) == status
    captured = capsys.readouterr()
    return captured.out, captured.err


def after(text: str, heading: str) -> list[str]:
    """The lines of a paragraph, without its heading."""
    paragraphs = [p.splitlines() for p in text.split("\n\n")]
    (lines,) = [p[1:] for p in paragraphs if p[0].startswith(heading)]
    return lines


@pytest.mark.parametrize("strategy", ["converging", "explorative"])
def test_the_expression_after_each_step_equals_the_start(
    capsys: pytest.CaptureFixture[str], strategy: str
):
    out, _ = explain(capsys, *EXPRESSION, "--strategy", strategy, "--first")
    start = parse(TRANSPOSED, **SHAPES)
    lines = after(out, "derivation")
    assert lines[0].split() == ["0", "normalised"]
    scopes = [parse_scope(line.strip(), tensors(**SHAPES)) for line in lines[1::2]]
    assert len(scopes) > 5
    assert all(same_meaning(start, scope) for scope in scopes)
    assert len({str(s) for s in scopes}) == len(scopes)


def test_the_plan_computes_the_expression(capsys: pytest.CaptureFixture[str]):
    out, _ = explain(capsys, *EXPRESSION, "--constant", "W")
    assert "tensors: X 2x5x2x2, W 5x3x4x4 constant" in out
    shapes = dict(SHAPES)
    start = parse(TRANSPOSED, **SHAPES)
    arrays = {
        n: random_elements(t, (slice(None),) * len(t.shape)) for n, t in tensors(**shapes).items()
    }
    for line in after(out, "plan"):
        head, _, text = line.strip().removesuffix("  (matmul)").partition(" = ")
        name, shape = head.split()
        scope = parse_scope(text, tensors(**shapes))
        shapes[name] = tuple(map(int, shape.split("x")))
        assert scope.extents == shapes[name]
        arrays[name] = value_of(scope, dense(arrays))
    assert "(matmul)" in out
    assert (arrays["out"] == value_of(start)).all()


def test_the_tree_of_a_transposed_convolution(capsys: pytest.CaptureFixture[str]):
    out, _ = explain(capsys, *EXPRESSION)
    assert "converging towards matmul" in out
    assert "component n, X by W: nothing to repair" in out
    assert re.search(r"^    split-summation\(r\) +distance 4$", out, re.M)
    assert re.search(r"^ +split\(h\.s, 2\) +distance 0, repaired$", out, re.M)
    assert re.search(r"matched: matmul 8x48x5, \S+ us$", out, re.M)
    assert "component s, w: as h, r" in out


def test_a_limit_keeps_what_leads_to_results(capsys: pytest.CaptureFixture[str]):
    whole, _ = explain(capsys, *EXPRESSION, "--limit", "0")
    whole_tree = tree_of(whole)
    assert "left out" not in whole and "- duplicate: " in whole
    for limit in (5, 20, 60):
        out, _ = explain(capsys, *EXPRESSION, "--limit", str(limit))
        tree = tree_of(out)
        assert len(tree) == limit
        # Lines are dropped, not changed, but for the width of their column.
        assert set(map(squeezed, tree)) <= set(map(squeezed, whole_tree))
        left_out = sum(int(n) for n in re.findall(r"(\d+) lines? left out", out))
        assert left_out == len(whole_tree) - limit
        # Every line follows from one that is shown.
        depth = 0
        for line in tree:
            indent = (len(line) - len(line.lstrip())) // 2
            assert 1 <= indent <= depth + 1
            depth = indent
        if limit > 5:
            assert any("matched" in line for line in tree)


def tree_of(out: str) -> list[str]:
    """The lines of all trees, without their titles."""
    tree = out.split("\n\n")[1]
    return [line for line in tree.splitlines() if line.startswith(" ")]


def squeezed(line: str) -> str:
    return " ".join(line.split())


def test_reasons_are_told(capsys: pytest.CaptureFixture[str]):
    out, _ = explain(
        capsys, *EXPRESSION, "--strategy", "explorative", "--visits", "5", "--limit", "0"
    )
    assert "explorative towards matmul: 5 states visited" in out
    assert "whole expression, X by W: 5 states visited" in out
    assert "- budget of visits: " in out


def test_a_start_that_matches(capsys: pytest.CaptureFixture[str]):
    out, _ = explain(capsys, *PRODUCT)
    assert "matched: matmul 2x4x3" in out
    assert len(after(out, "derivation")) == 2
    (plan,) = after(out, "plan")
    assert plan == "  out 2x4 = L<m:2,n:4> S<k:3> A[m,k] * B[k,n]  (matmul)"


@pytest.mark.parametrize("target", ["conv2d", "conv2x2"])
def test_other_targets(capsys: pytest.CaptureFixture[str], target: str):
    out, _ = explain(capsys, *EXPRESSION, "--target", target)
    assert f"matched: {target}" in out and f"({target})" in out
    assert "W by X: no dimension has two iterators, as a window has" in out


def test_nothing_found(capsys: pytest.CaptureFixture[str]):
    text = "L<i:4> S<j:5> X[i,j] * Y[i]"
    out, _ = explain(capsys, "--expression", text, "--tensor", "X=4x5", "--tensor", "Y=4")
    assert out.endswith("\nnothing found\n")
    assert "combinations: distance is not 0" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "explain takes a model or --expression"),
        ([str(MODEL), *PRODUCT], "explain takes a model or --expression"),
        ([*PRODUCT, "--subprogram", "1"], "--subprogram is for a model"),
        ([*PRODUCT, "--batch", "1"], "--batch is for a model"),
        ([*PRODUCT, "--strategy", "random"], "strategies: converging, explorative, blind"),
        ([*PRODUCT, "--target", "conv"], "unknown target operator 'conv'"),
        ([*PRODUCT, "--target", "conv0x3"], "operators: matmul, conv1d"),
        ([*PRODUCT, "--tensor", "A=2x3"], "--tensor gives A twice"),
        ([*PRODUCT, "--tensor", "C=2x"], "--tensor 'C=2x' is not a name and a shape"),
        ([*PRODUCT, "--tensor", "C=0"], "--tensor 'C=0' is not a name and a shape"),
        ([*PRODUCT, "--constant", "C"], "there is no tensor 'C'"),
        ([*PRODUCT, "--limit", "-1"], "must be a whole number"),
        (["--expression", "L<i:4> Z[i]", "--tensor", "A=4"], "--expression:1:8: error: unknown"),
        (["--expression", "L<i:4> A[i", "--tensor", "A=4"], "--expression:1:11: error: expected"),
        (["--expression", "L<i:4> A[i]", "--tensor", "A=4"], "nothing is searched"),
        (["--expression", "L<i:4> A[i] * A[i+4]", "--tensor", "A=4"], "nothing is searched"),
        (["nosuch.onnx"], "there is no such file"),
        ([str(MODEL), "--tensor", "A=4"], "--tensor is for an expression"),
        ([str(MODEL)], "there are 3 subprograms; --subprogram says which"),
        ([str(MODEL), "--subprogram", "4"], "there is no subprogram '4'"),
        ([str(MODEL), "--subprogram", "nosuch"], "hint: subprograms: 1 v"),
    ],
)
def test_errors(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str):
    out, err = explain(capsys, *arguments, status=1)
    assert out == "" and message in err


def test_subprograms_by_number_and_name(capsys: pytest.CaptureFixture[str]):
    by_number, _ = explain(capsys, str(MODEL), "--subprogram", "2", "--limit", "10")
    name = by_number.split()[0]
    by_name, _ = explain(capsys, str(MODEL), "--subprogram", name, "--limit", "10")
    assert by_number == by_name
    assert re.search(r"tensors: \S+ \S+, \S+ \S+ constant", by_name)


def test_an_expression_needs_no_mlir():
    code = (
        "import sys; from einnet.cli.main import main;"
        f"status = main(['explain', *{PRODUCT!r}]);"
        "print('mlir' in sys.modules, status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False 0"
