"""`einnet-opt`: `mlir-opt` with einnet's passes. A flag means what it means to `mlir-opt`."""

from einnet.cli.opt.entry import main

__all__ = ["main"]
