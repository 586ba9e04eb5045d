"""MLIR's own passes: whether a pipeline of them is right, and what they can be nested under."""

from __future__ import annotations

import re
from difflib import get_close_matches

from mlir import ir, passmanager

from einnet.errors import InputError, Location
from einnet.passes import registry
from einnet.toolchain import child, tools

_UNKNOWN = "does not refer to a registered pass"


def names() -> tuple[str, ...]:
    """The names of all upstream passes. The bindings cannot list them; `mlir-opt` can."""
    return tuple(re.findall(r"^  --([\w-]+)", listing(), re.MULTILINE))


def listing() -> str:
    """What `mlir-opt --list-passes` prints: one line a pass, its options indented under it."""
    return child.run_child([str(tools.require("mlir-opt").path), "--list-passes"]).stdout


def dialects() -> str:
    """What `mlir-opt --show-dialects` prints."""
    return child.run_child([str(tools.require("mlir-opt").path), "--show-dialects"]).stdout


def require_name(name: str, context: ir.Context, place: Location) -> None:
    """Raise InputError at `place` unless MLIR has a pass of this name."""
    message = _refusal(name, ("builtin.module",), context)
    if message is not None and _UNKNOWN in message:
        raise unknown_pass(name, place)


def nested(element: str, path: tuple[str, ...]) -> str:
    """The pipeline text of `element` under the operations of `path`, outermost first."""
    for anchor in reversed(path):
        element = f"{anchor}({element})"
    return element


def check(element: str, path: tuple[str, ...], context: ir.Context, place: Location) -> None:
    """Raise InputError at `place` unless MLIR accepts `element` nested under `path`.

    `path` begins with the root operation. MLIR aborts the process on some elements: those that put
    passes of a module under a function, for example.
    """
    message = _refusal(element, path, context)
    if message is None:
        return
    name = re.split(r"[{(]", element)[0].strip()
    if _UNKNOWN in message:
        raise unknown_pass(name, place)
    raise InputError(f"{name}: {message}", location=place)


def unknown_pass(name: str, place: Location) -> InputError:
    """The error for a name that is neither einnet's nor MLIR's."""
    near = get_close_matches(name, (*registry.NAMES, *names()), 3)
    guess = f"did you mean {' or '.join(near)}? " if near else ""
    return InputError(
        f"unknown pass '{name}'",
        location=place,
        hint=f"{guess}einnet's passes: {', '.join(registry.NAMES)}; "
        "einnet-opt --list-passes prints MLIR's too",
    )


def required_anchor(
    element: str, context: ir.Context, root: str = "builtin.module"
) -> tuple[str, ...]:
    """What `element` has to be nested under in `root`, as `mlir-opt --PASS` does by itself."""
    message = _refusal(element, (root,), context)
    restricted = message and re.search(r"restricted to '([\w.]+)'", message)
    return (restricted.group(1),) if restricted else ()


def _refusal(element: str, path: tuple[str, ...], context: ir.Context) -> str | None:
    """Why MLIR does not accept the pipeline, in one line; None if it does."""
    try:
        passmanager.PassManager.parse(nested(element, path), context)
    except ValueError as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        # "MLIR Textual PassPipeline Parser:1:1: error: what is wrong", then the text and a caret.
        return re.sub(r"^(.*error: |<[\w-]+>: )", "", lines[0]) if lines else "it does not parse"
    return None


def expanded(element: str, root: str, context: ir.Context) -> str:
    """`element` under `root` with every option and with named pipelines as the passes they are."""
    text = str(passmanager.PassManager.parse(f"{root}({element})", context))
    return text[len(root) + 1 : -1]
