"""Whole programs: which definitions are searched, which candidate each gets, what is fused after.

In order: `subprograms` finds contractions and their candidate plans, `select` chooses one for each,
`fusion` composes eOperators, `folding` moves what depends on weights alone to compile time.
"""
