"""Partially equivalent transformations: one mutation a file, each a pure function on a core.

A mutation gives an expression of the same shape that may differ from the original at some
positions; `verify` says at which, and `corrections` computes those again. What a mutation promises
is only that the result is well formed. (PET, OSDI 2021, section 4.)
"""
