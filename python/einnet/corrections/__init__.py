"""Corrections: what a mutant computes wrongly is computed again by the original expression.

`boxes` says where, as few strided boxes as are worth while; `recompute` restricts the original to
each and puts the results into the mutant's; `sharing` lets the mutant's own operator compute them
where the weights are the same. (PET, OSDI 2021, sections 5 and 6.)
"""
