"""Derivation rules: one a file, each a pure function from an expression to equal expressions.

A rule never searches, logs, counts or chooses; it checks its side condition and refuses with a
reason (`NotApplicable`). Rules are tested against the meaning of expressions, and every plan that
the search builds from them is verified again.
"""
