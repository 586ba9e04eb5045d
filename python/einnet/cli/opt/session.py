"""What the parts of an input share: context, pipelines and times."""

from __future__ import annotations

import sys

from einnet.cli.opt.blackbox import Activity, BlackBox
from einnet.cli.opt.command import Command
from einnet.errors import Location
from einnet.passes import registry, upstream
from einnet.passes.dumps import Dumps, Selection
from einnet.passes.pipeline import Pipeline, assemble, parse_flag, parse_pipeline
from einnet.passes.stopwatch import Stopwatch
from einnet.toolchain.mlir import make_context


class Session:
    """One call of the command; `stopwatch` began with it."""

    def __init__(self, command: Command, box: BlackBox) -> None:
        self.command = command
        self.box = box
        self.stopwatch = Stopwatch()
        self.context = make_context(allow_unregistered=command.reading.unregistered)
        self.style = command.writing.style
        self._pipelines: dict[str, Pipeline] = {}

    def check_names(self) -> None:
        """Raise InputError for a name in `--mlir-print-ir-before` or `-after` that is no pass."""
        watching = self.command.watching
        for when, names in (("before", watching.before), ("after", watching.after)):
            for name in names:
                if name not in registry.NAMES:
                    place = Location(f"--mlir-print-ir-{when}={name}")
                    upstream.require_name(name, self.context, place)

    def pipeline_for(self, root: str) -> Pipeline:
        """The pipeline of the command line for a root operation of this name."""
        if root not in self._pipelines:
            self._pipelines[root] = self._pipeline(root)
        return self._pipelines[root]

    def parse(self, text: str, root: str) -> Pipeline:
        """The pipeline of a text. Raises InputError."""
        return parse_pipeline(text, self.context, root=root, watch=self._watch)

    def _pipeline(self, root: str) -> Pipeline:
        passes = self.command.passes
        if passes.pipeline is not None:
            pipeline = self.parse(passes.pipeline, root)
        else:
            elements = [
                parse_flag(name, options, self.context, root, self._watch)
                for name, options in passes.flags
            ]
            pipeline = assemble(elements, self.context, root, self._watch)
        if passes.show:
            sys.stderr.write(f"{pipeline.described(self.context)}\n")
            sys.stderr.flush()
        return pipeline

    def _watch(self, text: str, place: Location) -> None:
        what = f"it read the pipeline '{text}'"
        activity = Activity(what, place.file, place.line, place.column, text)
        self.box.record(activity, lambda: b"module {}\n")

    def dumps(self) -> Dumps | None:
        """Which IR is printed beside the result."""
        watching = self.command.watching
        if not watching.dumps:
            return None
        return Dumps(
            before=Selection(frozenset(watching.before), watching.before_all),
            after=Selection(frozenset(watching.after), watching.after_all or watching.on_failure),
            on_change=watching.on_change,
            on_failure=watching.on_failure,
            module_scope=watching.module_scope,
            style=self.style,
        )
