"""Printing IR before and after passes, as the options `--mlir-print-ir-*` of `mlir-opt` do."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from mlir import ir, passmanager

from einnet.passes import upstream
from einnet.passes.module_pass import ANY, Target
from einnet.passes.pipeline import Element, Ours, parse_elements
from einnet.toolchain.printing import Style, text_of

MakeManager = Callable[[str, ir.Context], passmanager.PassManager]


@dataclass(frozen=True)
class Selection:
    """Passes by name, or all of them."""

    names: frozenset[str] = frozenset()
    everything: bool = False

    def has(self, name: str) -> bool:
        return self.everything or name in self.names

    def has_any(self, element: Element) -> bool:
        """Whether the element or something nested in it is selected."""
        inner = element.nested or ()
        return self.has(element.name) or any(self.has_any(nested) for nested in inner)


@dataclass(frozen=True)
class Dumps:
    """Which passes to print IR before and after.

    `on_change` and `on_failure` leave out what is printed after other passes; with `module_scope`
    the whole root is printed, whatever the pass ran on.
    """

    before: Selection
    after: Selection
    on_change: bool = False
    on_failure: bool = False
    module_scope: bool = False
    style: Style = field(default_factory=Style)

    def before_ours(self, stage: Ours, target: Target) -> list[str]:
        """Print what comes before a pass of einnet's; returns the texts to compare with later."""
        roots = target.roots()
        if self.before.has(stage.pass_.NAME):
            for root in roots:
                self._print("Before", stage, root, target)
        wanted = self.on_change and self.after.has(stage.pass_.NAME)
        return [text_of(root, self.style) for root in roots] if wanted else []

    def after_ours(self, stage: Ours, target: Target, before: Sequence[str]) -> None:
        if self.on_failure or not self.after.has(stage.pass_.NAME):
            return
        for index, root in enumerate(target.roots()):
            known = before[index] if index < len(before) else None
            if not (self.on_change and text_of(root, self.style) == known):
                self._print("After", stage, root, target)

    def after_ours_failed(self, stage: Ours, target: Target) -> None:
        if self.on_failure or self.after.has(stage.pass_.NAME):
            for root in target.roots():
                self._print("After", stage, root, target, " Failed")

    def _print(
        self, when: str, stage: Ours, root: ir.Operation, target: Target, outcome: str = ""
    ) -> None:
        name = f"{type(stage.pass_).__name__}{outcome} ({stage.pass_.NAME})"
        shown = target.module.operation if self.module_scope else root
        scope = f" ({_described(root)})" if self.module_scope else ""
        header = f"// -----// IR Dump {when} {name}{scope} //----- //"
        print(f"{header}\n{text_of(shown, self.style)}\n\n", end="", file=sys.stderr, flush=True)


def _described(operation: ir.Operation) -> str:
    symbol = operation.attributes.get("sym_name")
    name = f": @{symbol.value}" if isinstance(symbol, ir.StringAttr) else ""
    return f"'{operation.name}' operation{name}"


def run_dumped(
    pipeline: str, root: ir.Operation, dumps: Dumps, make: MakeManager
) -> list[passmanager.PassManager]:
    """Run a pipeline of MLIR's passes one by one, with MLIR's own printing around the selected.

    Returns the pass managers that ran. Passes run in the order of MLIR's pass manager: those that
    are nested under functions run all on one function, then all on the next.
    """
    runner = _Runner(dumps, make, {})
    (outermost,) = parse_elements(pipeline)
    text = upstream.expanded(pipeline[len(outermost.name) + 1 : -1], outermost.name, root.context)
    runner.run(root, parse_elements(text))
    return list(runner.managers.values())


@dataclass
class _Runner:
    dumps: Dumps
    make: MakeManager
    managers: dict[str, passmanager.PassManager]

    def run(self, operation: ir.Operation, elements: Sequence[Element]) -> None:
        for split, group in groupby(elements, _is_split):
            if split:
                self.descend(operation, tuple(group))
            else:
                for element in group:
                    self.run_pass(operation, element)

    def descend(self, operation: ir.Operation, anchors: Sequence[Element]) -> None:
        """Run what is nested under neighbouring anchors on the operations of their names."""
        for region in operation.regions:
            for block in region.blocks:
                for view in list(block.operations):
                    inner = view.operation
                    for anchor in anchors:
                        if anchor.name == inner.name:
                            self.run(inner, anchor.nested or ())

    def run_pass(self, operation: ir.Operation, element: Element) -> None:
        text = f"{operation.name}({element.text})"
        if text not in self.managers:
            manager = self.make(text, operation.context)
            before, after = self.dumps.before.has_any(element), self.dumps.after.has_any(element)
            after = after or self.dumps.on_failure
            if before or after:
                self.enable(manager, before=before, after=after)
            self.managers[text] = manager
        sys.stderr.flush()
        self.managers[text].run(operation)

    def enable(self, manager: passmanager.PassManager, *, before: bool, after: bool) -> None:
        style = self.dumps.style
        manager.enable_ir_printing(
            print_before_all=before,
            print_after_all=after,
            print_module_scope=self.dumps.module_scope,
            print_after_change=self.dumps.on_change,
            print_after_failure=self.dumps.on_failure,
            large_elements_limit=style.large_elements_limit,
            large_resource_limit=style.large_resource_limit,
            enable_debug_info=style.enable_debug_info,
            print_generic_op_form=style.print_generic_op_form,
        )


def _is_split(element: Element) -> bool:
    """Whether it is an anchor whose passes run one by one; MLIR decides what `any` matches."""
    return element.nested is not None and element.name != ANY
