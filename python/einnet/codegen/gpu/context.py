"""The MLIR context that kernels are made in: making one takes longer than making most kernels."""

from __future__ import annotations

import threading

from mlir import ir

from einnet.toolchain.mlir import make_context

_THREADS = threading.local()


def kernel_context() -> ir.Context:
    """The context of this thread. Nothing but modules of kernels is made in it, and nothing in it
    is set: what one kernel leaves behind changes no other."""
    context: ir.Context | None = getattr(_THREADS, "context", None)
    if context is None:
        context = _THREADS.context = make_context()
    return context
