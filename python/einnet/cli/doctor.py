"""`einnet doctor`: what the toolchain consists of, and how to get what is missing."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from einnet.toolchain.doctor import Finding

DESCRIPTION = """\
Looks for every tool and library, and says what each is for and which command installs what is
missing. The exit code is 1 if a required one is."""


def add_parser(verbs: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "doctor", help="check the tools and libraries that einnet needs", description=DESCRIPTION
    )
    parser.set_defaults(verb=run)


def run(arguments: argparse.Namespace) -> int:
    del arguments
    from einnet.toolchain.doctor import examine

    findings = (*examine(), *gpu_libraries())
    print_findings(findings)
    return 1 if missing(findings) else 0


def missing(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The required parts that are not there in a usable version."""
    return tuple(f for f in findings if f.required and not f.ok)


def gpu_libraries() -> tuple[Finding, ...]:
    """The libraries that compute on a GPU, each loaded to ask for its version."""
    from einnet.runtime.cuda.convolution import load_cudnn
    from einnet.runtime.cuda.matmul import load_cublaslt

    return (
        _library("cuBLASLt", "products on GPUs", lambda: load_cublaslt().get_version()),
        _library("cuDNN", "convolutions on GPUs", lambda: load_cudnn().backend_version()),
    )


def _library(name: str, purpose: str, version: Callable[[], object]) -> Finding:
    from einnet.errors import ToolchainError
    from einnet.toolchain.doctor import Finding

    try:
        found, remedy = str(version()), ""
    except ToolchainError as error:
        found, remedy = None, error.hint or error.message
    return Finding(name, found, None, found is not None, remedy, False, purpose)


def print_findings(findings: Sequence[Finding]) -> None:
    """One row for each part of the toolchain: what it is for, and where it is or how to get it."""
    from einnet.cli.columns import format_columns

    rows = [
        (
            f.name,
            "ok" if f.ok else "MISSING" if f.required else "optional",
            f.version or "-",
            f.purpose,
            str(f.path or "") if f.ok else f.remedy,
        )
        for f in findings
    ]
    headings = ("part", "", "version", "for", "where, or how to get it")
    print(*format_columns(headings, rows), sep="\n")
