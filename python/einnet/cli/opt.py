"""`einnet-opt`: `mlir-opt` with einnet's passes.

A flag means what it means to `mlir-opt`; flags that name passes run in the order given.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from einnet import __version__
from einnet.cli.guard import USER_ERROR, run_guarded
from einnet.errors import EinnetError, InputError, Location
from einnet.output import require_writable, write_file

USAGE = """\
usage: einnet-opt [options] [FILE | -]

Runs passes on MLIR text and prints the result, as mlir-opt does, einnet's passes beside MLIR's.
Without FILE, or with -, it reads standard input.

examples:
  einnet-opt model.mlir --einnet-optimize
  einnet-opt model.mlir --canonicalize --einnet-split-summation='label=p iterators=d2' -o out.mlir
  einnet-opt model.mlir --pass-pipeline='builtin.module(einnet-optimize{measure=false},cse)'

options:
  -o FILE                       write the result to FILE instead of standard output
  --pass-pipeline=PIPELINE      run a textual pipeline, such as builtin.module(cse,func.func(...))
  --PASS[=OPTIONS]              run a pass of einnet's or MLIR's; several run in the order given
  --split-input-file            take the parts between lines `// -----` as separate modules
  --allow-unregistered-dialect  accept operations of unknown dialects
  --list-passes                 print einnet's and MLIR's passes with their options
  --version                     print the versions of einnet and MLIR
  -h, --help                    print this

exit codes: 0 done; 1 the input or the options are at fault; 70 a bug in einnet, with a report

einnet's passes (rule passes run on the operation with the attribute einnet.label = "LABEL", whose
loops they call d0, d1, ... in the order of its linalg.generic form):
"""

_SPLIT = re.compile(r"^// -----\s*$", re.MULTILINE)
_SEPARATOR = "// -----\n"


@dataclass(frozen=True)
class Command:
    """What the command line asks for. `passes` holds name and options of each pass flag."""

    file: str = "-"
    output: str | None = None
    pipeline: str | None = None
    passes: tuple[tuple[str, str], ...] = ()
    split: bool = False
    unregistered: bool = False
    show: str | None = None

    @property
    def filename(self) -> str:
        """The name that stands in messages."""
        return "<stdin>" if self.file == "-" else self.file


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; `argv` is without the program's name. Returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    return run_guarded("einnet-opt", lambda: _run(parse_arguments(arguments)), arguments)


def parse_arguments(arguments: Sequence[str]) -> Command:
    """The command of an argument list. Raises InputError for one that is not understood.

    Options are told from passes by name; whether a pass exists is found out later.
    """
    positional: list[str] = []
    passes: list[tuple[str, str]] = []
    values: dict[str, str] = {}
    flags: set[str] = set()
    rest = iter(arguments)
    for argument in rest:
        if argument == "-" or not argument.startswith("-"):
            positional.append(argument)
            continue
        name, equals, value = argument.lstrip("-").partition("=")
        if not name:
            raise InputError(f"{argument}: this names no option and no pass")
        if name in ("o", "pass-pipeline"):
            if name in values:
                raise InputError(f"{argument}: the option is given twice")
            values[name] = value if equals else _next(rest, argument)
        elif name in _FLAGS:
            if equals:
                raise InputError(f"{argument}: the option takes no value")
            flags.add(name)
        else:
            passes.append((name, value))
    if len(positional) > 1:
        raise InputError(f"more than one file: {' '.join(positional)}")
    if passes and "pass-pipeline" in values:
        raise InputError(f"--pass-pipeline and --{passes[0][0]}: name passes one way or the other")
    return Command(
        file=positional[0] if positional else "-",
        output=values.get("o"),
        pipeline=values.get("pass-pipeline"),
        passes=tuple(passes),
        split="split-input-file" in flags,
        unregistered="allow-unregistered-dialect" in flags,
        show=next((shown for flag, shown in _SHOWN if flag in flags), None),
    )


_FLAGS = (
    "split-input-file",
    "allow-unregistered-dialect",
    "list-passes",
    "help",
    "h",
    "version",
)


_SHOWN = (("help", "help"), ("h", "help"), ("version", "version"), ("list-passes", "list-passes"))


def _next(rest: Iterator[str], argument: str) -> str:
    value = next(rest, None)
    if value is None:
        raise InputError(f"{argument}: the option needs a value")
    return value


def _run(command: Command) -> int:
    if command.show is not None:
        print(_describe(command.show), end="")
        return 0
    # Here and not above: importing MLIR takes half a second.
    from einnet.passes.pipeline import assemble, parse_flag, parse_pipeline
    from einnet.toolchain.mlir import make_context, parse_module

    output = None if command.output in (None, "-") else Path(command.output)
    if output is not None:
        require_writable(output)
    context = make_context(allow_unregistered=command.unregistered)
    if command.pipeline is not None:
        pipeline = parse_pipeline(command.pipeline, context)
    else:
        flags = (parse_flag(name, options, context) for name, options in command.passes)
        pipeline = assemble(flags, context)
    results: list[str] = []
    failures = 0
    for text in _parts(command):
        try:
            module = parse_module(text, context, command.filename)
            # With the same line breaks as mlir-opt, so that outputs can be compared.
            results.append(f"{pipeline.run(module, command.filename)}\n")
        except EinnetError as error:
            # As mlir-opt does: each part gets its turn, so that one run shows all errors.
            error.location = error.location or Location("einnet-opt")
            print(error, file=sys.stderr)
            failures += 1
    if failures:
        return USER_ERROR
    text = _SEPARATOR.join(results)
    if output is None:
        sys.stdout.write(text)
    else:
        write_file(output, [text.encode()])
    return 0


def _parts(command: Command) -> list[str]:
    """The modules of the input; each begins with as many line breaks as were before it."""
    from einnet.toolchain.mlir import read_source

    text = read_source(command.file)
    if not command.split:
        return [text]
    parts: list[str] = []
    start = 0
    for end in [*(match.start() for match in _SPLIT.finditer(text)), len(text)]:
        parts.append("\n" * text.count("\n", 0, start) + text[start:end])
        start = end
    return parts


def _describe(what: str) -> str:
    if what == "version":
        from einnet.toolchain import mlir

        return f"einnet {__version__}, MLIR {mlir.version()}\n"
    if what == "help":
        return USAGE + _our_passes()
    from einnet.passes import upstream

    return f"einnet's passes:\n{_our_passes()}\nMLIR's passes:\n{upstream.listing()}"


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


if __name__ == "__main__":
    sys.exit(main())
