"""Whole programs: which definitions are searched, which candidate each gets, what is fused after.

In order: `interplay` rewrites several definitions at once, `subprograms` finds contractions and
their candidate plans (`convolutions`: those that libraries have as they are), `selection` chooses
one for each, `fusion` composes eOperators, `folding` moves what depends on weights alone to compile
time. For a GPU `absorbing` moves layouts and scales into weights, `variants` puts together whole
programs to be measured, and `precision` stores the proved ones in another type.
"""
