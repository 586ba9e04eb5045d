"""Text that would exhaust the stack of MLIR's parser is refused, and no other."""

from __future__ import annotations

import time

import pytest

from einnet.errors import InputError
from einnet.toolchain.mlir import make_context, parse_module
from einnet.toolchain.nesting import LIMIT, require_shallow

DEEP = 20_000

KINDS = {
    "regions": "module {" * DEEP + "}" * DEEP,
    "types": f"func.func private @f() -> {'tuple<' * DEEP}i32{'>' * DEEP}",
    "attributes": f"module attributes {{a.b = {'[' * DEEP}{']' * DEEP}}} {{}}",
    "expressions": f"#m = affine_map<(d0) -> ({'(' * DEEP}d0{')' * DEEP})>",
}


@pytest.mark.parametrize("text", KINDS.values(), ids=KINDS)
def test_what_would_end_the_process_is_an_error(text: str) -> None:
    with pytest.raises(InputError, match=f"nested more than {LIMIT} deep") as refused:
        parse_module(text, make_context(), "deep.mlir")
    assert str(refused.value.location).startswith("deep.mlir:1:")


def test_the_error_is_where_the_text_gets_too_deep() -> None:
    with pytest.raises(InputError) as refused:
        require_shallow("// {{{\n" + "{\n" * LIMIT + "  {}" + "}" * LIMIT, "deep.mlir")
    assert str(refused.value.location) == f"deep.mlir:{LIMIT + 2}:3"


@pytest.mark.parametrize("depth", [LIMIT - 1, LIMIT])
def test_the_limit_is_exact_and_mlir_lives_through_it(depth: int) -> None:
    context = make_context()
    assert parse_module("module {" * depth + "}" * depth, context).operation.verify()
    require_shallow("{" * LIMIT + "}" * LIMIT, "a.mlir")
    with pytest.raises(InputError):
        require_shallow("{" * (LIMIT + 1), "a.mlir")


@pytest.mark.parametrize(
    "repeated",
    [
        '"{{{" ',
        r'"\"{" ',
        "// {{{\n",
        "() -> () ",
        "(d0 >= 0) ",
        "(d0 <= 0) ",
        "(a < b) ",
        "{a > b} ",
        "<[({})]> ",
    ],
)
def test_what_is_not_nested_may_be_long(repeated: str) -> None:
    require_shallow(repeated * 2 * LIMIT, "a.mlir")


def test_large_constants_cost_next_to_nothing() -> None:
    digits = "0123456789ABCDEF" * (2**22 // 16)
    rows = ", ".join(["[1.0e+00, -2.5e-03, 3.0e+00, 4.0e+00]"] * 2**16)
    text = f'{{"0x{digits}" {rows}}}'
    start = time.process_time()
    require_shallow(text, "a.mlir")
    assert time.process_time() - start < 2e-7 * len(text), "MLIR takes about as long for it"
