"""The flags of einnet-opt, and those of `mlir-opt` that it refuses: one table for the parser, the
help and docs/mlir-opt.md."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Takes(enum.Enum):
    """What follows a flag's name."""

    NOTHING = "nothing"
    TRUTH = "optionally =true or =false"
    TEXT = "a text"
    NUMBER = "a number"
    NAMES = "names of passes, separated by commas; the flag may be repeated"
    OPTIONAL_TEXT = "optionally = and a text"


@dataclass(frozen=True)
class Flag:
    """A flag; `placeholder` stands for its value in the help.

    `choices` are the values of a text, if they are a few. `differs` says how its meaning departs
    from mlir-opt's and why; None for a flag that mlir-opt does not have.
    """

    name: str
    takes: Takes
    help: str
    placeholder: str = ""
    choices: tuple[str, ...] = ()
    differs: str | None = ""

    @property
    def form(self) -> str:
        """The flag as the help shows it."""
        if self.name in ("o", "h", "p"):
            return f"-{self.name} {self.placeholder}".rstrip()
        if self.takes is Takes.OPTIONAL_TEXT:
            return f"--{self.name}[={self.placeholder}]"
        return f"--{self.name}={self.placeholder}" if self.placeholder else f"--{self.name}"


_INNER_PASSES = (
    "what a pass runs by itself, as `inline` does, is printed with that pass: the bindings cannot "
    "choose among them"
)

FLAGS = (
    Flag("o", Takes.TEXT, "write the result to FILE instead of standard output", "FILE"),
    Flag(
        "pass-pipeline",
        Takes.TEXT,
        "run a textual pipeline, such as builtin.module(cse,func.func(...))",
        "PIPELINE",
        differs="errors are at `<pass-pipeline>:1:COLUMN` of the whole text, and unknown passes "
        "come with near names",
    ),
    Flag("p", Takes.TEXT, "the same as --pass-pipeline", "PIPELINE"),
    Flag(
        "split-input-file",
        Takes.OPTIONAL_TEXT,
        "take the parts between lines `// -----`, or MARKER, as separate modules",
        "MARKER",
    ),
    Flag(
        "output-split-marker",
        Takes.TEXT,
        "what separates the parts of the output (default // -----)",
        "MARKER",
    ),
    Flag(
        "verify-diagnostics",
        Takes.OPTIONAL_TEXT,
        "check that the diagnostics are those of the expected-* comments",
        "all|only-expected",
        ("all", "only-expected"),
        differs="hints of einnet's own errors may be expected as notes but need not be; "
        "`expected-*@unknown` that is not met is an error (mlir-opt 22 aborts)",
    ),
    Flag(
        "verify-each",
        Takes.TRUTH,
        "verify after each pass (default true)",
    ),
    Flag(
        "allow-unregistered-dialect",
        Takes.TRUTH,
        "accept operations of unknown dialects",
    ),
    Flag(
        "no-implicit-module",
        Takes.TRUTH,
        "the input is one operation, which need not be a module",
        differs="einnet's passes run on a builtin.module only",
    ),
    Flag("emit-bytecode", Takes.TRUTH, "write bytecode instead of text"),
    Flag(
        "emit-bytecode-version",
        Takes.NUMBER,
        "the version of the bytecode to write",
        "N",
    ),
    Flag(
        "mlir-print-ir-before",
        Takes.NAMES,
        "print IR before these passes",
        "PASS,...",
        differs=_INNER_PASSES,
    ),
    Flag(
        "mlir-print-ir-after",
        Takes.NAMES,
        "print IR after these passes",
        "PASS,...",
        differs=_INNER_PASSES,
    ),
    Flag("mlir-print-ir-before-all", Takes.TRUTH, "print IR before each pass"),
    Flag("mlir-print-ir-after-all", Takes.TRUTH, "print IR after each pass"),
    Flag(
        "mlir-print-ir-after-change",
        Takes.TRUTH,
        "of what is printed after passes, only what they changed",
    ),
    Flag("mlir-print-ir-after-failure", Takes.TRUTH, "print IR after a pass that fails, only"),
    Flag(
        "mlir-print-ir-module-scope",
        Takes.TRUTH,
        "print the whole module where a pass runs on less",
        differs="needs no --mlir-disable-threading: there are no threads",
    ),
    Flag(
        "mlir-elide-elementsattrs-if-larger",
        Takes.NUMBER,
        "print ... for elements attributes with more elements",
        "N",
    ),
    Flag(
        "mlir-elide-resource-strings-if-larger",
        Takes.NUMBER,
        "leave out resources with more characters",
        "N",
    ),
    Flag("mlir-print-debuginfo", Takes.TRUTH, "print locations"),
    Flag("mlir-pretty-debuginfo", Takes.TRUTH, "print locations in a pretty form"),
    Flag("mlir-print-op-generic", Takes.TRUTH, "print the generic form of operations"),
    Flag(
        "mlir-print-local-scope",
        Takes.TRUTH,
        "print without aliases of attributes, types and locations",
        differs="does not hold for IR printed around MLIR's own passes: the bindings cannot ask",
    ),
    Flag("mlir-print-skip-regions", Takes.TRUTH, "print operations without their regions"),
    Flag("mlir-print-assume-verified", Takes.TRUTH, "print without verifying before"),
    Flag("mlir-use-nameloc-as-prefix", Takes.TRUTH, "name values after their name locations"),
    Flag(
        "mlir-print-op-on-diagnostic",
        Takes.TRUTH,
        "print the operation that a diagnostic is about under it (default true)",
    ),
    Flag(
        "mlir-disable-diagnostic-notes",
        Takes.TRUTH,
        "print diagnostics without their notes",
        differs="also without the operation that MLIR prints of its own accord",
    ),
    Flag(
        "mlir-diagnostic-verbosity-level",
        Takes.TEXT,
        "which diagnostics to print (default remarks)",
        "errors|warnings|remarks",
        ("errors", "warnings", "remarks"),
    ),
    Flag("mlir-disable-threading", Takes.TRUTH, "accepted: einnet-opt has no threads"),
    Flag(
        "mlir-timing",
        Takes.TRUTH,
        "print how long reading, each pass and writing took",
    ),
    Flag(
        "mlir-timing-display",
        Takes.TEXT,
        "the form of times (default tree)",
        "tree|list",
        ("tree", "list"),
        differs="the list leaves out rows that only gather others (`Pipeline Collection`)",
    ),
    Flag(
        "mlir-pass-pipeline-crash-reproducer",
        Takes.TEXT,
        "write the input and pipeline of a failure to FILE",
        "FILE",
        differs="one that crashes MLIR begins at the stage that crashed (a run of MLIR's passes, "
        "or a pass of einnet's); one that fails begins at the start, as in mlir-opt",
    ),
    Flag(
        "mlir-pass-pipeline-local-reproducer",
        Takes.TRUTH,
        "begin the reproducer at the part of the pipeline that fails",
        differs="the part is a stage, a run of MLIR's passes or one of einnet's, not a single pass",
    ),
    Flag(
        "mlir-generate-reproducer",
        Takes.TEXT,
        "write the input and the pipeline to FILE in any case",
        "FILE",
    ),
    Flag(
        "run-reproducer",
        Takes.TRUTH,
        "run the pipeline that the input, a reproducer, holds",
        differs="an input that holds none is an error (mlir-opt runs nothing)",
    ),
    Flag("dump-pass-pipeline", Takes.TRUTH, "print the pipeline with all options, then run it"),
    Flag(
        "list-passes",
        Takes.NOTHING,
        "print einnet's and MLIR's passes with their options",
        differs="einnet's passes come first, under a heading of their own",
    ),
    Flag("show-dialects", Takes.NOTHING, "print the registered dialects"),
    Flag(
        "version",
        Takes.NOTHING,
        "print the versions of einnet and MLIR",
        differs="einnet's own form",
    ),
    Flag(
        "help",
        Takes.NOTHING,
        "print this",
        differs="lists einnet's passes; MLIR's are under --list-passes",
    ),
    Flag("h", Takes.NOTHING, "print this", differs="as --help"),
)

BY_NAME = {flag.name: flag for flag in FLAGS}

_BINDINGS = "MLIR's Python bindings, which run the passes, cannot ask for it"

REFUSED: dict[str, str] = {
    "color": "diagnostics are plain text, as compilers write into pipes",
    "elide-resource-data-from-bytecode": f"{_BINDINGS}; use mlir-opt on the result",
    "help-hidden": "there are no hidden flags; use --help, and --list-passes for MLIR's passes",
    "help-list": "use --help",
    "help-list-hidden": "use --help",
    "irdl-file": "einnet knows no dialects but MLIR's; use --allow-unregistered-dialect",
    "load-dialect-plugin": f"{_BINDINGS}; use --allow-unregistered-dialect, or mlir-opt with "
    "einnet's pass plugin",
    "load-pass-plugin": f"{_BINDINGS}; use mlir-opt with einnet's pass plugin and yours",
    "log-actions-to": f"{_BINDINGS}; use --mlir-print-ir-after-all",
    "log-mlir-actions-filter": f"{_BINDINGS}; use --mlir-print-ir-after=PASS",
    "mlir-debug-counter": f"{_BINDINGS}; use mlir-opt for MLIR's passes",
    "mlir-enable-debugger-hook": f"{_BINDINGS}; use mlir-opt for MLIR's passes",
    "mlir-output-format": "times are printed as text; use --mlir-timing-display=list or tree",
    "mlir-pass-statistics": "einnet's passes keep none; use mlir-opt for MLIR's passes",
    "mlir-pass-statistics-display": "einnet's passes keep none; use mlir-opt for MLIR's passes",
    "mlir-print-debug-counter": f"{_BINDINGS}; use mlir-opt for MLIR's passes",
    "mlir-print-elementsattrs-with-hex-if-larger": f"{_BINDINGS}; use mlir-opt on the result",
    "mlir-print-ir-tree-dir": "IR is printed to standard error; use --mlir-print-ir-after-all "
    "2>FILE",
    "mlir-print-stacktrace-on-diagnostic": f"{_BINDINGS}; use mlir-opt for MLIR's passes",
    "mlir-print-unique-ssa-ids": f"{_BINDINGS}; use mlir-opt on the result",
    "mlir-print-value-users": f"{_BINDINGS}; use mlir-opt on the result",
    "mlir-very-unsafe-disable-verifier-on-parsing": "einnet's passes rely on verified IR; use "
    "mlir-opt",
    "print-all-options": "use --help",
    "print-options": "use --help",
    "profile-actions-to": f"{_BINDINGS}; use --mlir-timing",
    "remark-format": f"{_BINDINGS}; use mlir-opt for MLIR's passes",
    "remark-policy": f"{_BINDINGS}; use mlir-opt for MLIR's passes",
    "remarks-filter": f"{_BINDINGS}; use mlir-opt for MLIR's passes",
    "remarks-filter-analyse": f"{_BINDINGS}; use mlir-opt for MLIR's passes",
    "remarks-filter-failed": f"{_BINDINGS}; use mlir-opt for MLIR's passes",
    "remarks-filter-missed": f"{_BINDINGS}; use mlir-opt for MLIR's passes",
    "remarks-filter-passed": f"{_BINDINGS}; use mlir-opt for MLIR's passes",
    "remarks-output-file": f"{_BINDINGS}; use mlir-opt for MLIR's passes",
    "verify-roundtrip": "use mlir-opt --verify-roundtrip on the result",
}
"""Flags of `mlir-opt` that einnet-opt does not have: why, and what to use."""


def table() -> str:
    """The table of docs/mlir-opt.md."""
    lines = ["| mlir-opt's flag | einnet-opt | |", "|---|---|---|"]
    for flag in FLAGS:
        if flag.differs is not None:
            state = "different" if flag.differs else "same"
            form = flag.form.replace("|", "\\|")
            lines.append(f"| `{form}` | {state} | {flag.differs} |")
    lines += [f"| `--{name}` | absent | {reason} |" for name, reason in sorted(REFUSED.items())]
    return "\n".join(lines) + "\n"
