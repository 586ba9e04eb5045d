"""`einnet doctor`: what the toolchain consists of, and how to get what is missing."""

from __future__ import annotations

import argparse
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
    from einnet.cli.report import print_findings
    from einnet.toolchain.doctor import examine

    findings = examine()
    print_findings(findings)
    return 1 if missing(findings) else 0


def missing(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The required parts that are not there in a usable version."""
    return tuple(f for f in findings if f.required and not f.ok)
