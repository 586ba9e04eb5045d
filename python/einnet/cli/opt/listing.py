"""The texts of `--help`, `--version`, `--list-passes` and `--show-dialects`."""

from __future__ import annotations

from einnet import __version__
from einnet.cli.opt.flags import FLAGS

_USAGE = """\
usage: einnet-opt [options] [FILE | -]

Runs passes on MLIR text or bytecode and prints the result, as mlir-opt does, einnet's passes beside
MLIR's. Without FILE, or with -, it reads standard input.

examples:
  einnet-opt model.mlir --einnet-optimize
  einnet-opt model.mlir --canonicalize --einnet-split-summation='label=p iterators=d2' -o out.mlir
  einnet-opt model.mlir --pass-pipeline='builtin.module(einnet-optimize{measure=false},cse)'

options (docs/mlir-opt.md compares them with mlir-opt's):
"""

_CLOSING = """\

exit codes: 0 done; 1 the input or the options are at fault, or MLIR crashed on them; 70 a bug in
einnet, with a report

einnet's passes (rule passes run on the operation with the attribute einnet.label = "LABEL", whose
loops they call d0, d1, ... in the order of its linalg.generic form):
"""


def describe(what: str) -> str:
    """The text that a command asks for instead of a run."""
    if what == "version":
        from einnet.toolchain import mlir

        return f"einnet {__version__}, MLIR {mlir.version()}\n"
    if what == "help":
        return _USAGE + _options() + _CLOSING + _our_passes()
    from einnet.passes import upstream

    if what == "dialects":
        return upstream.dialects()
    return f"einnet's passes:\n{_our_passes()}\nMLIR's passes:\n{upstream.listing()}"


def _options() -> str:
    lines = ["  --PASS[=OPTIONS]".ljust(42) + " - run a pass; several run in the order given"]
    lines += [f"  {flag.form:<40} - {flag.help}" for flag in FLAGS]
    return "\n".join(lines) + "\n"


def _our_passes() -> str:
    from einnet.passes import registry
    from einnet.passes.options import options_of

    lines: list[str] = []
    for name in registry.NAMES:
        class_ = registry.load(name)
        lines.append(f"  --{name:<40} - {class_.SUMMARY}")
        for option in options_of(class_):
            default = "" if option.default is None else f" (default {option.default})"
            text = f"{option.name}={option.placeholder}"
            lines.append(f"    {text:<40} - {option.help}{default}")
    return "\n".join(lines) + "\n"
