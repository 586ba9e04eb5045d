"""What the command line asks for, and its parser."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from einnet.cli.opt.flags import BY_NAME, REFUSED, Flag, Takes
from einnet.errors import InputError
from einnet.toolchain.style import Style

MARKER = "// -----"
"""What separates the parts of an input and of an output, if nothing else is said."""


@dataclass(frozen=True)
class Reading:
    """How the input is read; `split` is the marker between its parts, None for a single part."""

    split: str | None = None
    unregistered: bool = False
    implicit_module: bool = True
    reproducer: bool = False


@dataclass(frozen=True)
class Passes:
    """What runs: a textual pipeline, or else name and options of each pass flag."""

    pipeline: str | None = None
    flags: tuple[tuple[str, str], ...] = ()
    verify_each: bool = True
    show: bool = False


@dataclass(frozen=True)
class Writing:
    """Where the result goes, and as what; `file` is None for standard output."""

    file: str | None = None
    marker: str = MARKER
    bytecode: bool = False
    bytecode_version: int | None = None
    style: Style = field(default_factory=Style)


@dataclass(frozen=True)
class Watching:
    """What is printed about passes while they run."""

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    before_all: bool = False
    after_all: bool = False
    on_change: bool = False
    on_failure: bool = False
    module_scope: bool = False
    times: str | None = None

    @property
    def dumps(self) -> bool:
        """Whether any IR is printed: as in mlir-opt, a change alone selects no pass."""
        selected = self.before or self.after or self.before_all or self.after_all
        return bool(selected or self.on_failure)


@dataclass(frozen=True)
class Reporting:
    """What becomes of diagnostics; `verify` is "all" or "only-expected" where they are checked.

    `level` is the least severe kind printed. A failure is written to `crash`, the input and
    pipeline to `always`.
    """

    verify: str | None = None
    level: str = "remarks"
    notes: bool = True
    operations: bool = True
    crash: str | None = None
    local: bool = False
    always: str | None = None


@dataclass(frozen=True)
class Command:
    """A command line; `show` names the text that is asked for instead of a run."""

    file: str = "-"
    show: str | None = None
    reading: Reading = Reading()
    passes: Passes = Passes()
    writing: Writing = Writing()
    watching: Watching = Watching()
    reporting: Reporting = Reporting()

    @property
    def filename(self) -> str:
        """The name that stands in messages."""
        return "<stdin>" if self.file == "-" else self.file


def parse_arguments(arguments: Sequence[str]) -> Command:
    """The command of an argument list. Raises InputError for one that is not understood.

    Options are told from passes by name; whether a pass exists is found out later.
    """
    positional: list[str] = []
    passes: list[tuple[str, str]] = []
    values: dict[str, str | bool | int | tuple[str, ...]] = {}
    rest = iter(arguments)
    for argument in rest:
        if argument == "-" or not argument.startswith("-"):
            positional.append(argument)
            continue
        name, equals, value = argument.lstrip("-").partition("=")
        if not name:
            raise InputError(f"{argument}: this names no option and no pass")
        if name in REFUSED:
            raise InputError(
                f"{argument}: einnet-opt does not have this option of mlir-opt",
                hint=REFUSED[name],
            )
        if name not in BY_NAME:
            passes.append((name, value))
            continue
        flag = BY_NAME[name]
        name = "pass-pipeline" if name == "p" else name
        taken = _value(flag, argument, value if equals else None, rest)
        if flag.takes is Takes.NAMES:
            values[name] = (*_names(values.get(name, ())), *_names(taken))
        elif name in values and flag.takes in (Takes.TEXT, Takes.NUMBER):
            raise InputError(f"{argument}: the option is given twice")
        else:
            values[name] = taken
    if len(positional) > 1:
        raise InputError(f"more than one file: {' '.join(positional)}")
    if passes and "pass-pipeline" in values:
        raise InputError(f"--pass-pipeline and --{passes[0][0]}: name passes one way or the other")
    return _command(positional[0] if positional else "-", tuple(passes), _Values(values))


def _value(
    flag: Flag, argument: str, value: str | None, rest: Iterator[str]
) -> str | bool | int | tuple[str, ...]:
    """The value of a flag that is written `argument`."""
    if flag.takes is Takes.NOTHING:
        if value is not None:
            raise InputError(f"{argument}: the option takes no value")
        return True
    if flag.takes is Takes.TRUTH:
        if value not in _TRUTH:
            raise InputError(f"{argument}: the option is true or false, not '{value}'")
        return _TRUTH[value]
    if value is None and flag.takes is Takes.OPTIONAL_TEXT:
        return True
    if value is None:
        value = next(rest, None)
    if value is None:
        raise InputError(f"{argument}: the option needs a value")
    if flag.choices and value not in flag.choices:
        if not value and flag.takes is Takes.OPTIONAL_TEXT:
            return True
        raise InputError(f"{argument}: the option is one of {', '.join(flag.choices)}")
    if flag.takes is Takes.NUMBER:
        if not value.isdecimal():
            raise InputError(f"{argument}: the option is a number, not '{value}'")
        if len(value) > _DIGITS:
            raise InputError(f"{argument}: the option is a number of at most {_DIGITS} digits")
        return int(value)
    if flag.takes is Takes.NAMES:
        return tuple(name.strip() for name in value.split(",") if name.strip())
    return value


_DIGITS = 18
"""Of a number: it has 64 bits in MLIR."""

_TRUTH = {None: True, "true": True, "1": True, "": True, "false": False, "0": False}


def _names(value: object) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else ()


@dataclass(frozen=True)
class _Values:
    """The values of flags by name, each of the type that its flag takes."""

    values: dict[str, str | bool | int | tuple[str, ...]]

    def truth(self, name: str, default: bool = False) -> bool:
        return bool(self.values.get(name, default))

    def text(self, name: str) -> str | None:
        value = self.values.get(name)
        return value if isinstance(value, str) else None

    def text_or(self, name: str, default: str) -> str | None:
        """The text, `default` for a flag without one, None without the flag."""
        return self.text(name) or (default if name in self.values else None)

    def number(self, name: str) -> int | None:
        value = self.values.get(name)
        return value if isinstance(value, int) else None

    def names(self, name: str) -> tuple[str, ...]:
        return _names(self.values.get(name))


def _command(file: str, passes: tuple[tuple[str, str], ...], values: _Values) -> Command:
    times = values.text("mlir-timing-display") or "tree"
    output = values.text("o")
    marker = values.text("output-split-marker")
    return Command(
        file=file,
        show=next((shown for flag, shown in _SHOWN if values.truth(flag)), None),
        reading=Reading(
            split=values.text_or("split-input-file", MARKER),
            unregistered=values.truth("allow-unregistered-dialect"),
            implicit_module=not values.truth("no-implicit-module"),
            reproducer=values.truth("run-reproducer"),
        ),
        passes=Passes(
            pipeline=values.text("pass-pipeline"),
            flags=passes,
            verify_each=values.truth("verify-each", default=True),
            show=values.truth("dump-pass-pipeline"),
        ),
        writing=Writing(
            file=None if output == "-" else output,
            marker=MARKER if marker is None else marker,
            bytecode=values.truth("emit-bytecode"),
            bytecode_version=values.number("emit-bytecode-version"),
            style=Style(
                large_elements_limit=values.number("mlir-elide-elementsattrs-if-larger"),
                large_resource_limit=values.number("mlir-elide-resource-strings-if-larger"),
                enable_debug_info=values.truth("mlir-print-debuginfo"),
                pretty_debug_info=values.truth("mlir-pretty-debuginfo"),
                print_generic_op_form=values.truth("mlir-print-op-generic"),
                use_local_scope=values.truth("mlir-print-local-scope"),
                skip_regions=values.truth("mlir-print-skip-regions"),
                assume_verified=values.truth("mlir-print-assume-verified"),
                use_name_loc_as_prefix=values.truth("mlir-use-nameloc-as-prefix"),
            ),
        ),
        watching=Watching(
            before=values.names("mlir-print-ir-before"),
            after=values.names("mlir-print-ir-after"),
            before_all=values.truth("mlir-print-ir-before-all"),
            after_all=values.truth("mlir-print-ir-after-all"),
            on_change=values.truth("mlir-print-ir-after-change"),
            on_failure=values.truth("mlir-print-ir-after-failure"),
            module_scope=values.truth("mlir-print-ir-module-scope"),
            times=times if values.truth("mlir-timing") else None,
        ),
        reporting=Reporting(
            verify=values.text_or("verify-diagnostics", "all"),
            level=values.text("mlir-diagnostic-verbosity-level") or "remarks",
            notes=not values.truth("mlir-disable-diagnostic-notes"),
            operations=values.truth("mlir-print-op-on-diagnostic", default=True),
            crash=values.text("mlir-pass-pipeline-crash-reproducer"),
            local=values.truth("mlir-pass-pipeline-local-reproducer"),
            always=values.text("mlir-generate-reproducer"),
        ),
    )


_SHOWN = (
    ("help", "help"),
    ("h", "help"),
    ("version", "version"),
    ("show-dialects", "dialects"),
    ("list-passes", "list-passes"),
)
