"""One part of the input: parse it, run the passes on it, print it, or say what failed."""

from __future__ import annotations

import io
from dataclasses import dataclass

from mlir import ir

from einnet.cli.opt import reproducers
from einnet.cli.opt.blackbox import Activity
from einnet.cli.opt.reproducers import Reproducer
from einnet.cli.opt.session import Session
from einnet.cli.opt.sources import Source
from einnet.errors import InputError, Location
from einnet.passes.execution import Observation, StageError, execute
from einnet.passes.module_pass import MODULE
from einnet.passes.pipeline import Ours, Pipeline, Stage
from einnet.toolchain.diagnostics import (
    Diagnostic,
    Kind,
    Receiver,
    errors_received,
    from_error,
    received,
)
from einnet.toolchain.mlir import MLIRError
from einnet.toolchain.printing import name_source, text_of

Root = ir.Module | ir.Operation


def run_part(source: Source, session: Session, receive: Receiver) -> bytes | None:
    """What the passes make of a part; None if it failed and what MLIR says went to `receive`.

    Raises EinnetError for a failure that nobody was told of.
    """
    with received(session.context, receive, source.filename):
        with session.stopwatch.timed("Parser"):
            root = _parse(source, session)
        if root is None:
            return None
        run = _run(source, root, session)
        always, crash = session.command.reporting.always, session.command.reporting.crash
        if always is not None:
            reproducers.write(always, str(root), run.reproducer)
        whole = crash is not None and not session.command.reporting.local
        initial = root.operation.clone().operation if whole else None
        try:
            result = execute(run.pipeline, root, source.filename, run.observation())
        except StageError as failure:
            for diagnostic in run.explained(failure):
                receive(diagnostic)
            if crash is not None:
                receive(run.reproduced(crash, failure, initial))
            return None
        activity = Activity("it printed the result", source.filename, ours=run.pipeline.has_ours)
        session.box.record(activity)
        with session.stopwatch.timed("Output"):
            return _written(result, session)


def _parse(source: Source, session: Session) -> Root | None:
    """The root operation; None for a part that does not parse."""
    activity = Activity("it read the input", source.filename, pipeline=f"{MODULE}()")
    session.box.record(activity, lambda: source.encoded)
    context, content = session.context, source.content
    try:
        with errors_received(context):
            root = _operation(content, source.filename, session)
            if root is None:
                root = ir.Module.parse(content, context)
    except MLIRError:
        return None
    if session.style.enable_debug_info or session.command.writing.bytecode:
        name_source(root.operation, source.filename)
    return root


def _operation(content: str | bytes, filename: str, session: Session) -> ir.Operation | None:
    """The input's only operation if no module may be put around it; None for a module."""
    if session.command.reading.implicit_module:
        return None
    if isinstance(content, bytes):
        raise InputError(
            "--no-implicit-module is for text",
            location=Location(filename),
            hint="bytecode keeps the module that was put around it",
        )
    view = ir.Operation.parse(content, source_name=filename, context=session.context)
    return None if view.operation.name == MODULE else view.operation


def _run(source: Source, root: Root, session: Session) -> _Run:
    """What is to be run on a part: what the command line says, or the reproducer in the part."""
    passes, name = session.command.passes, root.operation.name
    if not session.command.reading.reproducer:
        return _Run(source, session, session.pipeline_for(name), passes.verify_each)
    stored = reproducers.find(source.encoded.decode("utf-8", errors="replace"), source.filename)
    return _Run(source, session, session.parse(stored.pipeline, name), stored.verify_each)


@dataclass(frozen=True)
class _Run:
    """A pipeline on a part."""

    source: Source
    session: Session
    pipeline: Pipeline
    verify_each: bool

    @property
    def place(self) -> Location:
        return Location(self.source.filename)

    @property
    def reproducer(self) -> Reproducer:
        return Reproducer(self.pipeline.text, self.verify_each)

    def failed(self, failure: StageError) -> Reproducer:
        """The reproducer of the stage that failed."""
        return Reproducer(failure.stage.pipeline(failure.before.name), self.verify_each)

    def observation(self) -> Observation:
        """What to print, time and record while the pipeline runs."""
        session, first = self.session, self.pipeline.stages[:1]

        def watch(stage: Stage, root: ir.Operation) -> None:
            pipeline = stage.pipeline(root.name)
            what = f"it ran '{pipeline}'"
            ours = isinstance(stage, Ours)
            activity = Activity(what, self.source.filename, pipeline=pipeline, ours=ours)
            unchanged = any(stage is known for known in first)
            session.box.record(
                activity, lambda: self.source.encoded if unchanged else str(root).encode()
            )

        timed = session.command.watching.times is not None
        stopwatch = session.stopwatch if timed else None
        return Observation(self.verify_each, session.dumps(), stopwatch, watch)

    def explained(self, failure: StageError) -> list[Diagnostic]:
        """Why a stage failed, if MLIR has not said it, and the command that shows it again."""
        command = self._command(failure)
        if failure.error is not None:
            failure.error.reproduce = command or failure.error.reproduce
            failure.error.location = failure.error.location or self.place
            return [from_error(failure.error)]
        if command is None:
            return []
        return [Diagnostic(Kind.NOTE, f"reproduce: {command}", self.place, is_advice=True)]

    def reproduced(
        self, path: str, failure: StageError, initial: ir.Operation | None
    ) -> Diagnostic:
        """Write a reproducer to `path`: of the pipeline on what was `initial`, or of the stage."""
        if initial is None:
            reproducers.write(path, str(failure.before), self.failed(failure))
        else:
            reproducers.write(path, str(initial), self.reproducer)
        message = "Failures have been detected while processing an MLIR pass pipeline"
        note = Diagnostic(Kind.NOTE, f"reproducer generated at `{path}`", self.place)
        return Diagnostic(Kind.ERROR, message, self.place, (note,))

    def _command(self, failure: StageError) -> str | None:
        """The command that shows a failure again; None where nobody would see it."""
        command = self.session.command
        if command.reporting.crash is not None or command.reporting.verify is not None:
            return None
        flags = {
            "ours": isinstance(failure.stage, Ours),
            "unregistered": command.reading.unregistered,
        }
        stage = self.failed(failure)
        whole = command.file != "-" and command.reading.split is None
        if whole and failure.stage is self.pipeline.stages[0]:
            return reproducers.command_on(command.file, stage, **flags)
        return reproducers.command(str(failure.before).encode(), stage, **flags)


def _written(root: Root, session: Session) -> bytes | None:
    """The result as text or bytecode; None if MLIR has said why it cannot be written."""
    writing = session.command.writing
    if not writing.bytecode:
        # With the same line breaks as mlir-opt, so that outputs can be compared.
        return f"{text_of(root.operation, session.style)}\n".encode()
    buffer = io.BytesIO()
    with errors_received(session.context):
        try:
            root.operation.write_bytecode(buffer, desired_version=writing.bytecode_version)
        except ValueError:  # of a version that there is not, which MLIR has said
            return None
    return buffer.getvalue()
