"""The (batched) matrix product: `out[b,m,n] = S<k> A[b,m,k] * B[b,k,n]`, each letter a group."""

from einnet.operators.target import Target

PRODUCT = Target("matmul", needs="k")
