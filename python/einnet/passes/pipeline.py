"""Textual pipelines of MLIR's passes and einnet's, as `mlir-opt --pass-pipeline` takes them.

Passes written in Python are no part of MLIR's pass manager: a run of MLIR's passes goes to it in
one piece, einnet's are called in between.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from mlir import ir

from einnet.errors import InputError, Location
from einnet.passes import registry, upstream
from einnet.passes.module_pass import ANY, MODULE, ModulePass, Target
from einnet.passes.option_text import written
from einnet.passes.options import build, shifted
from einnet.toolchain.mlir import run_pipeline

Watch = Callable[[str, Location], None]
"""Told of each piece of a pipeline just before MLIR reads it, which may abort the process."""


@dataclass(frozen=True)
class Element:
    """A pass, with the text between its braces, or an operation with what is nested under it.

    `text` is the whole of it as it was written, `place` where it was.
    """

    name: str
    text: str
    place: Location
    options: str = ""
    nested: tuple[Element, ...] | None = None

    @property
    def is_upstream(self) -> bool:
        """Whether MLIR's pass manager can run all of it."""
        if self.nested is None:
            return self.name not in registry.NAMES
        return all(element.is_upstream for element in self.nested)


@dataclass(frozen=True)
class Upstream:
    """A piece of a pipeline for MLIR's pass manager, without the module around it."""

    text: str

    def pipeline(self, root: str) -> str:
        """The stage as a pipeline of its own for a root operation of this name."""
        return f"{root}({self.text})"


@dataclass(frozen=True)
class Ours:
    """A pass of einnet's, and the operations that it is nested under."""

    pass_: ModulePass
    path: tuple[str, ...]

    @property
    def text(self) -> str:
        """The pass with its options, nested, without the module around it."""
        return upstream.nested(f"{self.pass_.NAME}{written(self.pass_)}", self.path)

    def pipeline(self, root: str) -> str:
        """The stage as a pipeline of its own for a root operation of this name."""
        return f"{root}({self.text})"


Stage = Upstream | Ours


@dataclass(frozen=True)
class Pipeline:
    """Stages in order, never two of MLIR's after each other, for a root operation `root`."""

    stages: tuple[Stage, ...]
    root: str = MODULE

    @property
    def text(self) -> str:
        """The pipeline's text; it parses to the same pipeline."""
        return f"{self.root}({','.join(stage.text for stage in self.stages)})"

    @property
    def has_ours(self) -> bool:
        return any(isinstance(stage, Ours) for stage in self.stages)

    def described(self, context: ir.Context) -> str:
        """The pipeline with every option, a line a pass, as `--dump-pass-pipeline` prints it."""
        elements: list[Element] = []
        for stage in self.stages:
            text = stage.text
            if isinstance(stage, Upstream):
                text = upstream.expanded(text, self.root, context)
            elements += parse_elements(text) if text else ()
        lines = [f"Pass Manager with {len(elements)} passes:", *_lines(self.root, elements, 0)]
        return "\n".join(lines) + "\n"

    def run(self, module: ir.Module, filename: str = "<stdin>") -> ir.Module:
        """Run the stages on `module`, in place where they can; returns the module to go on with.

        Raises EinnetError where a pass fails. What einnet's passes leave behind is verified.
        """
        for stage in self.stages:
            if isinstance(stage, Upstream):
                run_pipeline(module, f"{self.root}({stage.text})", filename)
            else:
                module = stage.pass_.run(Target(module, filename, stage.path))
                module.operation.verify()
        return module


def _lines(anchor: str, elements: Sequence[Element], depth: int) -> list[str]:
    indent = "  " * depth
    # MLIR leaves a line empty where there are no passes.
    lines = [f"{indent}{anchor}(", *([] if elements else [""])]
    for index, element in enumerate(elements):
        if element.nested is None:
            lines.append(f"{indent}  {element.text}")
        else:
            lines += _lines(element.name, element.nested, depth + 1)
        lines[-1] += "," if index + 1 < len(elements) else ""
    return [*lines, f"{indent})"]


def _ignore(text: str, place: Location) -> None:
    """Watch nothing."""
    del text, place


def parse_pipeline(
    text: str,
    context: ir.Context,
    source: str = "<pass-pipeline>",
    root: str = MODULE,
    watch: Watch = _ignore,
) -> Pipeline:
    """The pipeline of a text such as `builtin.module(canonicalize,einnet-substitute{...})`.

    It is for a root operation named `root`.

    Raises InputError, at the column of `text` in the file `source`, for whatever does not parse,
    for unknown passes and for wrong options.
    """
    (outermost,) = parse_elements(text, source, limit=1)
    if outermost.nested is None:
        raise InputError(
            f"a pipeline begins with the operation that it runs on, not with '{outermost.name}'",
            location=outermost.place,
            hint=f"write {root}({outermost.text})",
        )
    if outermost.name not in (root, ANY):
        raise InputError(
            f"a pipeline for '{outermost.name}' cannot run on a '{root}'",
            location=outermost.place,
            hint=f"write {root}({outermost.text})",
        )
    return assemble(outermost.nested, context, root, watch)


def parse_elements(
    text: str, source: str = "<pass-pipeline>", limit: int | None = None
) -> tuple[Element, ...]:
    """The elements of a text, at most `limit` of them. Raises InputError where it does not parse.

    Whether the passes exist is not looked at.
    """
    return _Parser(text, source).elements(0, closed=False, limit=limit)


def parse_flag(
    name: str, options: str, context: ir.Context, root: str = MODULE, watch: Watch = _ignore
) -> Element:
    """The element that `--name=options` stands for.

    A pass of MLIR's that runs on functions only is nested under them, as `mlir-opt` does. Raises
    InputError for a name that is neither einnet's nor MLIR's.
    """
    text = f"{name}{{{options}}}" if options else name
    place = Location(f"--{name}", 1, 1)
    element = Element(name, text, place, options)
    if element.is_upstream:
        watch(text, place)
        for anchor in upstream.required_anchor(name, context, root):
            element = Element(anchor, f"{anchor}({text})", place, nested=(element,))
    return element


def assemble(
    elements: Iterable[Element],
    context: ir.Context,
    root: str = MODULE,
    watch: Watch = _ignore,
) -> Pipeline:
    """The pipeline of the elements of a root. Raises InputError as `parse_pipeline` does."""
    stages: list[Stage] = []
    everything = _stages(tuple(elements), _Scope(context, root, (), watch))
    for ours, group in groupby(everything, lambda stage: isinstance(stage, Ours)):
        if ours:
            stages.extend(group)
        else:
            texts = (stage.text for stage in group if isinstance(stage, Upstream))
            stages.append(Upstream(",".join(texts)))
    return Pipeline(tuple(stages), root)


@dataclass(frozen=True)
class _Scope:
    """Where an element stands: under the operations `path` of a root operation `root`."""

    context: ir.Context
    root: str
    path: tuple[str, ...]
    watch: Watch

    def inside(self, name: str) -> _Scope:
        return replace(self, path=(*self.path, name))


def _stages(elements: Sequence[Element], scope: _Scope) -> list[Stage]:
    stages: list[Stage] = []
    for element in elements:
        if element.is_upstream:
            _check(element, scope)
            stages.append(Upstream(upstream.nested(element.text, scope.path)))
        elif element.nested is not None:
            stages.extend(_stages(element.nested, scope.inside(element.name)))
        else:
            class_ = registry.load(element.name, element.place)
            parent = scope.path[-1] if scope.path else scope.root
            if scope.root != MODULE or (scope.path and class_.MODULE_ONLY):
                where = "one inside of another" if parent == MODULE else f"'{parent}'"
                raise InputError(
                    f"{element.name} runs on a {MODULE}, not on {where}",
                    location=element.place,
                )
            # The options begin after the name and a brace, or after the flag's equals sign.
            place = shifted(element.place, len(element.name) + 1 if element.options else 0)
            stages.append(Ours(build(class_, element.name, element.options, place), scope.path))
    return stages


def _check(element: Element, scope: _Scope) -> None:
    """Check MLIR's passes one at a time, so that the column is that of the wrong one."""
    for inner in element.nested or ():
        _check(inner, scope.inside(element.name))
    path = (scope.root, *scope.path)
    scope.watch(upstream.nested(element.text, path), element.place)
    upstream.check(element.text, path, scope.context, element.place)


_NAME = re.compile(r"[\w.*-]+")


class _Parser:
    """Recursive descent over `name`, `name{options}` and `anchor(elements)`."""

    def __init__(self, text: str, source: str) -> None:
        self.text = text
        self.source = source
        self.position = 0

    def place(self, position: int) -> Location:
        return Location(self.source, 1, position + 1)

    def skip(self) -> str:
        """Skip white space; the character after it, empty at the end."""
        while self.text[self.position : self.position + 1].isspace():
            self.position += 1
        return self.text[self.position : self.position + 1]

    def elements(
        self, opened: int, *, closed: bool, limit: int | None = None
    ) -> tuple[Element, ...]:
        """Elements separated by commas, up to the `)` that belongs to `opened`, or to the end."""
        found: list[Element] = []
        if closed and self.skip() == ")":
            self.position += 1
            return ()
        while True:
            found.append(self.element())
            character = self.skip()
            if character == "," and limit != len(found):
                self.position += 1
            elif character == ")" and closed:
                self.position += 1
                return tuple(found)
            elif not character and not closed:
                return tuple(found)
            elif not character:
                raise InputError("'(' without its ')'", location=self.place(opened))
            else:
                raise InputError(f"unexpected '{character}'", location=self.place(self.position))

    def element(self) -> Element:
        self.skip()
        start = self.position
        match = _NAME.match(self.text, start)
        if match is None:
            found = self.text[start : start + 1]
            raise InputError(
                f"expected the name of a pass, found {repr(found) if found else 'the end'}",
                location=self.place(start),
            )
        self.position = match.end()
        name = match.group()
        character = self.skip()
        options, nested = "", None
        if character == "{":
            options = self.braces()
        elif character == "(":
            opened = self.position
            self.position += 1
            nested = self.elements(opened, closed=True)
        text = self.text[start : self.position].rstrip()
        return Element(name, text, self.place(start), options, nested)

    def braces(self) -> str:
        """The text between `{` and its `}`."""
        opened = self.position
        depth = 0
        for position in range(opened, len(self.text)):
            depth += {"{": 1, "}": -1}.get(self.text[position], 0)
            if depth == 0:
                self.position = position + 1
                return self.text[opened + 1 : position]
        raise InputError("'{' without its '}'", location=self.place(opened))
