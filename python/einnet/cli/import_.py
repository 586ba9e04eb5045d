"""`einnet import`: a model to linalg text, its weights beside it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(verbs: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("import", help="turn a model into linalg text and weights")
    parser.add_argument("model", help=".onnx or .mlir file")
    parser.add_argument("-o", "--output", type=Path, help=".mlir file (default: standard output)")
    parser.add_argument("--batch", type=int, help="value of an ONNX model's symbolic batch")
    parser.set_defaults(verb=run)


def run(arguments: argparse.Namespace) -> int:
    from einnet.frontend.load import load_model

    model = load_model(arguments.model, batch=arguments.batch)
    if arguments.output is None:
        print(model.mlir)
        return 0
    arguments.output.write_text(model.mlir, encoding="utf-8")
    if model.weights:
        model.weights.save(arguments.output.with_suffix(".safetensors"))
    return 0
