"""`einnet doctor`: what the toolchain consists of, and how to get what is missing."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(verbs: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("doctor", help="check the tools and libraries that einnet needs")
    parser.set_defaults(verb=run)


def run(arguments: argparse.Namespace) -> int:
    del arguments
    from einnet.toolchain.doctor import examine

    findings = examine()
    for finding in findings:
        print(finding)
    return 0 if all(f.ok for f in findings) else 1
