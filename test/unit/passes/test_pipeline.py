"""Pipelines of both kinds of passes: which goes where, and where an error is."""

from __future__ import annotations

import pytest
from mlir import ir

from einnet.errors import InputError
from einnet.passes import registry
from einnet.passes.merge_traversals import MergeTraversals
from einnet.passes.optimize import Optimize
from einnet.passes.pipeline import Ours, Upstream, assemble, parse_flag, parse_pipeline
from einnet.passes.split_summation import SplitSummation
from einnet.passes.substitute import Substitute
from einnet.toolchain.mlir import make_context, parse_module


@pytest.fixture(scope="module")
def context() -> ir.Context:
    return make_context()


def test_runs_of_upstream_passes_stay_in_one_piece(context: ir.Context) -> None:
    text = """builtin.module(canonicalize{top-down=false}, cse,
      func.func(cse, einnet-merge-traversals{label=a}, sccp, any(cse)), symbol-dce,
      einnet-optimize{measure=false seed=3})"""
    assert parse_pipeline(text, context).stages == (
        Upstream("canonicalize{top-down=false},cse,func.func(cse)"),
        Ours(MergeTraversals(label="a"), ("func.func",)),
        Upstream("func.func(sccp),func.func(any(cse)),symbol-dce"),
        Ours(Optimize(measure=False, seed=3), ()),
    )


def test_nested_upstream_passes_are_one_piece(context: ir.Context) -> None:
    text = "func.func(cse,canonicalize{max-iterations=2})"
    assert parse_pipeline(f"builtin.module({text})", context).stages == (Upstream(text),)


@pytest.mark.parametrize(
    "options",
    [
        'label=conv.inner with="t1=d0+d3, t2=d1 + d4"',
        "label=conv.inner with={t1=d0+d3, t2=d1 + d4}",
        " with='t1=d0+d3,t2=d1 + d4'   label=conv.inner ",
    ],
)
def test_quotes_and_braces_hold_values_together(context: ir.Context, options: str) -> None:
    pipeline = parse_pipeline(f"builtin.module(einnet-substitute{{{options}}})", context)
    expected = Substitute(label="conv.inner", with_=("t1=d0+d3", "t2=d1 + d4"))
    assert pipeline.stages == (Ours(expected, ()),)
    assert assemble([parse_flag("einnet-substitute", options, context)], context) == pipeline


def test_flags_nest_passes_that_run_on_other_operations(context: ir.Context) -> None:
    flags = [
        parse_flag(name, options, context)
        for name, options in (
            ("cse", ""),
            ("affine-loop-tile", "tile-size=4"),
            ("einnet-split-summation", "label=p iterators=d2"),
        )
    ]
    assert assemble(flags, context).stages == (
        Upstream("cse,func.func(affine-loop-tile{tile-size=4})"),
        Ours(SplitSummation(label="p", iterators=("d2",)), ()),
    )


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "expected the name of a pass, found the end"),
        ("cse", 1, "begins with the operation that it runs on"),
        ("func.func(cse)", 1, "a pipeline for 'func.func' cannot run on a 'builtin.module'"),
        ("builtin.module(cse", 15, "'(' without its ')'"),
        ("builtin.module(cse))", 20, "unexpected ')'"),
        ("builtin.module(cse,)", 20, "expected the name of a pass, found ')'"),
        ("builtin.module(cse sccp)", 20, "unexpected 's'"),
        ("builtin.module(cse{)", 19, "'{' without its '}'"),
        ("builtin.module(cse,nothing)", 20, "unknown pass 'nothing'"),
        ("builtin.module(func.func(cse,einnet-nothing))", 30, "unknown pass 'einnet-nothing'"),
        ("builtin.module(cse,canonicalize{depth=1})", 20, "no such option depth"),
        ("builtin.module(affine-loop-tile)", 16, "restricted to 'func.func'"),
        ("builtin.module(func.func(einnet-optimize))", 26, "runs on a builtin.module"),
        ("builtin.module(einnet-optimize{seed=x})", 32, "'seed' is an integer, not 'x'"),
        ("builtin.module(einnet-optimize{measure=2})", 32, "'measure' is true or false, not '2'"),
        ("builtin.module(einnet-optimize{target=tpu})", 32, "unknown target 'tpu'"),
        (
            "builtin.module(einnet-optimize{rounds=0})",
            32,
            "'rounds' must be from 1 to 10000",
        ),
        ("builtin.module(einnet-split-product)", 16, "needs the option 'factors'"),
        ("builtin.module(einnet-merge-traversals{label=})", 40, "option 'label' has no value"),
        ("builtin.module(einnet-merge-traversals{lable=p})", 40, "has no option 'lable'"),
        ("builtin.module(einnet-merge-traversals{label=p label=q})", 48, "'label' is given twice"),
        ("builtin.module(einnet-merge-traversals{label='p})", 46, "' without its "),
    ],
)
def test_errors_are_at_their_column(
    context: ir.Context, text: str, column: int, message: str
) -> None:
    with pytest.raises(InputError) as raised:
        parse_pipeline(text, context)
    assert message in raised.value.message
    location = raised.value.location
    assert location is not None
    assert (location.file, location.line, location.column) == ("<pass-pipeline>", 1, column)


def test_unknown_passes_list_the_valid_ones(context: ir.Context) -> None:
    with pytest.raises(InputError) as raised:
        parse_pipeline("builtin.module(canonicalise)", context)
    hint = raised.value.hint or ""
    assert "did you mean canonicalize" in hint
    assert ", ".join(registry.NAMES) in hint


FUNCTIONS = """
func.func @f(%a: tensor<4x20xf32>, %b: tensor<20x6xf32>) -> tensor<4x6xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x20xf32>, tensor<20x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}
module @inner {
  func.func @g(%a: tensor<4x20xf32>, %b: tensor<20x6xf32>) -> tensor<4x6xf32> {
    %zero = arith.constant dense<0.0> : tensor<4x6xf32>
    %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x20xf32>, tensor<20x6xf32>)
        outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
    return %p : tensor<4x6xf32>
  }
}
"""


def test_passes_nested_under_any_run_on_functions_and_modules(context: ir.Context) -> None:
    outer, inner = FUNCTIONS.split("module @inner")
    module = parse_module(outer + "module @inner" + inner.replace('"p"', '"q"'), context)
    split = [f"einnet-split-summation{{label={label} iterators=d2}}" for label in "pq"]
    text = f"builtin.module(any({','.join(split)}),any(cse))"
    stages = parse_pipeline(text, context).stages
    assert [getattr(stage, "path", None) for stage in stages] == [("any",), ("any",), None]
    module = parse_pipeline(text, context).run(module)
    assert "linalg.matmul" not in str(module)


@pytest.mark.parametrize("nesting", ["func.func", "builtin.module"])
def test_nested_passes_run_on_what_they_are_nested_under(context: ir.Context, nesting: str) -> None:
    split = "einnet-split-summation{label=p iterators=d2}"
    module = parse_module(FUNCTIONS, context)
    # On the whole module the label would be ambiguous.
    with pytest.raises(InputError, match="2 operations"):
        parse_pipeline(f"builtin.module({split})", context).run(module)
    module = parse_pipeline(f"builtin.module({nesting}({split}))", context).run(module)
    outer, inner = str(module).split("module @inner")
    assert ("linalg.matmul" in outer, "linalg.matmul" in inner) == (
        nesting == "builtin.module",
        nesting == "func.func",
    )
