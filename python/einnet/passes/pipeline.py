"""Textual pipelines of MLIR's passes and einnet's, as `mlir-opt --pass-pipeline` takes them.

Passes written in Python are no part of MLIR's pass manager: a run of MLIR's passes goes to it in
one piece, einnet's are called in between.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from mlir import ir

from einnet.errors import InputError, Location
from einnet.passes import registry, upstream
from einnet.passes.module_pass import ModulePass, Target
from einnet.passes.options import build, shifted
from einnet.toolchain.mlir import run_pipeline

MODULE = "builtin.module"
_ANY = "any"


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


@dataclass(frozen=True)
class Ours:
    """A pass of einnet's, and the operations that it is nested under."""

    pass_: ModulePass
    path: tuple[str, ...]


Stage = Upstream | Ours


@dataclass(frozen=True)
class Pipeline:
    """Stages in order; never two of MLIR's after each other."""

    stages: tuple[Stage, ...]

    def run(self, module: ir.Module, filename: str = "<stdin>") -> ir.Module:
        """Run the stages on `module`, in place where they can; returns the module to go on with.

        Raises EinnetError where a pass fails. What einnet's passes leave behind is verified.
        """
        for stage in self.stages:
            if isinstance(stage, Upstream):
                run_pipeline(module, f"{MODULE}({stage.text})", filename)
            else:
                module = stage.pass_.run(Target(module, filename, stage.path))
                module.operation.verify()
        return module


def parse_pipeline(text: str, context: ir.Context, source: str = "<pass-pipeline>") -> Pipeline:
    """The pipeline of a text such as `builtin.module(canonicalize,einnet-substitute{...})`.

    Raises InputError, at the column of `text` in the file `source`, for whatever does not parse,
    for unknown passes and for wrong options.
    """
    parser = _Parser(text, source)
    (root,) = parser.elements(0, closed=False, limit=1)
    if root.nested is None:
        raise InputError(
            f"a pipeline begins with the operation that it runs on, not with '{root.name}'",
            location=root.place,
            hint=f"write {MODULE}({root.text})",
        )
    if root.name not in (MODULE, _ANY):
        raise InputError(
            f"a pipeline for '{root.name}' cannot run on a '{MODULE}'",
            location=root.place,
            hint=f"write {MODULE}({root.text})",
        )
    return assemble(root.nested, context)


def parse_flag(name: str, options: str, context: ir.Context) -> Element:
    """The element that `--name=options` stands for.

    A pass of MLIR's that runs on functions only is nested under them, as `mlir-opt` does. Raises
    InputError for a name that is neither einnet's nor MLIR's.
    """
    text = f"{name}{{{options}}}" if options else name
    place = Location(f"--{name}", 1, 1)
    element = Element(name, text, place, options)
    if element.is_upstream:
        for anchor in upstream.required_anchor(name, context):
            element = Element(anchor, f"{anchor}({text})", place, nested=(element,))
    return element


def assemble(elements: Iterable[Element], context: ir.Context) -> Pipeline:
    """The pipeline of the elements of a module. Raises InputError as `parse_pipeline` does."""
    stages: list[Stage] = []
    everything = _stages(tuple(elements), (), context)
    for ours, group in groupby(everything, lambda stage: isinstance(stage, Ours)):
        if ours:
            stages.extend(group)
        else:
            texts = (stage.text for stage in group if isinstance(stage, Upstream))
            stages.append(Upstream(",".join(texts)))
    return Pipeline(tuple(stages))


def _stages(elements: Sequence[Element], path: tuple[str, ...], context: ir.Context) -> list[Stage]:
    stages: list[Stage] = []
    for element in elements:
        if element.is_upstream:
            _check(element, path, context)
            stages.append(Upstream(upstream.nested(element.text, path)))
        elif element.nested is not None:
            stages.extend(_stages(element.nested, (*path, element.name), context))
        else:
            class_ = registry.load(element.name, element.place)
            if path and class_.MODULE_ONLY:
                raise InputError(
                    f"{element.name} runs on a {MODULE}, not on '{path[-1]}'",
                    location=element.place,
                )
            # The options begin after the name and a brace, or after the flag's equals sign.
            place = shifted(element.place, len(element.name) + 1 if element.options else 0)
            stages.append(Ours(build(class_, element.name, element.options, place), path))
    return stages


def _check(element: Element, path: tuple[str, ...], context: ir.Context) -> None:
    """Check MLIR's passes one at a time, so that the column is that of the wrong one."""
    for inner in element.nested or ():
        _check(inner, (*path, element.name), context)
    upstream.check(element.text, path, context, element.place)


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
