"""Running pipelines as `mlir-opt` does: verified, printed and timed pass by pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mlir import ir, passmanager

from einnet.errors import EinnetError
from einnet.passes.dumps import Dumps, run_dumped
from einnet.passes.module_pass import Target
from einnet.passes.pipeline import Ours, Pipeline, Stage
from einnet.passes.stopwatch import Stopwatch, released_rows
from einnet.toolchain.diagnostics import errors_received
from einnet.toolchain.mlir import MLIRError


class StageError(Exception):
    """A stage of a pipeline failed.

    `error` says why for a pass of einnet's; what MLIR says about its own has gone to the context's
    handlers. `before` is the root that went into the stage.
    """

    def __init__(self, stage: Stage, before: ir.Operation, error: EinnetError | None) -> None:
        super().__init__(stage)
        self.stage = stage
        self.before = before
        self.error = error


def _ignore(stage: Stage, root: ir.Operation) -> None:
    """Watch nothing."""
    del stage, root


@dataclass(frozen=True)
class Observation:
    """What is done beside running the passes.

    `watch` is told of each stage before it runs, with the root that goes into it.
    """

    verify_each: bool = True
    dumps: Dumps | None = None
    stopwatch: Stopwatch | None = None
    watch: Callable[[Stage, ir.Operation], None] = _ignore


def execute(
    pipeline: Pipeline, root: ir.Module | ir.Operation, filename: str, observation: Observation
) -> ir.Module | ir.Operation:
    """Run the stages on `root`, in place where they can; returns the root to go on with.

    `filename` stands in messages for a source without a name. Raises StageError.
    """
    for stage in pipeline.stages:
        operation = root.operation
        observation.watch(stage, operation)
        # A clone in memory costs little because weights are not in the IR.
        before = operation.clone().operation
        try:
            if isinstance(stage, Ours):
                # A pass of einnet's is for modules: no pipeline for another root has one.
                assert isinstance(root, ir.Module)
                root = _run_ours(stage, root, filename, observation)
            else:
                with errors_received(operation.context):
                    _run_upstream(f"{pipeline.root}({stage.text})", operation, observation)
        except EinnetError as error:
            raise StageError(stage, before, error) from error
        except MLIRError as error:
            raise StageError(stage, before, None) from error
    return root


def _run_ours(stage: Ours, module: ir.Module, filename: str, observation: Observation) -> ir.Module:
    target = Target(module, filename, stage.path)
    dumps = observation.dumps
    shown = None if dumps is None else dumps.before_ours(stage, target)
    try:
        if observation.stopwatch is None:
            result = stage.pass_.run(target)
        else:
            with observation.stopwatch.timed(type(stage.pass_).__name__):
                result = stage.pass_.run(target)
        if observation.verify_each:
            with errors_received(module.context):
                result.operation.verify()
    except (EinnetError, MLIRError):
        if dumps is not None:
            dumps.after_ours_failed(stage, target)
        raise
    if dumps is not None and shown is not None:
        dumps.after_ours(stage, Target(result, filename, stage.path), shown)
    return result


def _run_upstream(pipeline: str, root: ir.Operation, observation: Observation) -> None:
    def manager(text: str, context: ir.Context) -> passmanager.PassManager:
        made = passmanager.PassManager.parse(text, context)
        made.enable_verifier(observation.verify_each)
        if observation.stopwatch is not None:
            made.enable_timing()
        return made

    if observation.dumps is not None:
        managers = run_dumped(pipeline, root, observation.dumps, manager)
    else:
        managers = [manager(pipeline, root.context)]
        managers[0].run(root)
    if observation.stopwatch is not None:
        observation.stopwatch.rows.extend(released_rows(managers))
