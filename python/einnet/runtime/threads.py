"""How many threads a program uses: BLAS calls use `set_threads`' many, generated loops one."""

from einnet.codegen.cpu.openblas import set_threads, threads

__all__ = ["set_threads", "threads"]
