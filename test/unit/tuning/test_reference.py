"""The reference in double precision, its tolerance, and the data that programs are compared on."""

import numpy as np
import pytest

from einnet.codegen.cpu.signature import NUMPY_DTYPES
from einnet.expr.nodes import Tensor
from einnet.expr.program import Definition, Program
from einnet.expr.text import parse_scope
from einnet.tuning.candidates import random_array
from einnet.tuning.reference import reference_outputs, relative_error, tolerance


def product(k: int, dtype: str, outputs: int = 1) -> Program:
    """A product of a 2 x k and a k x 3 matrix, returned so many times."""
    a, b = Tensor("a", (2, k), dtype), Tensor("b", (k, 3), dtype)
    scope = parse_scope(f"L<i:2,j:3> S<k:{k}> a[i,k] * b[k,j]", {"a": a, "b": b})
    c = Tensor("c", (2, 3), dtype)
    return Program("main", (a, b), (Definition(c, scope),), (c,) * outputs)


def test_the_reference_is_computed_in_double_precision():
    a = np.full((2, 9), 1 / 3, np.float32)
    b = np.full((9, 3), 1 / 7, np.float32)
    # One tensor may be several outputs.
    named = reference_outputs(product(9, "f32", outputs=2), {}, {"a": a, "b": b})
    assert named["c"].dtype == np.float64
    np.testing.assert_allclose(named["c"], a.astype(np.float64) @ b.astype(np.float64), rtol=1e-15)


def test_the_tolerance_grows_with_the_sum_and_the_precision():
    assert tolerance(product(400, "f32")) == pytest.approx(10 * tolerance(product(4, "f32")))
    assert tolerance(product(4, "f16")) > 1000 * tolerance(product(4, "f32"))
    assert tolerance(product(4, "f32")) > 1000 * tolerance(product(4, "f64"))
    assert 1e-7 < tolerance(product(4, "f32")) < 1e-5


def test_what_is_not_a_number_is_infinitely_wrong():
    good = np.array([1.0, -4.0])
    assert relative_error([good], [good]) == 0
    assert relative_error([np.array([1.0, -3.0])], [good]) == 0.25
    assert relative_error([np.array([1.0, np.nan])], [good]) == float("inf")
    # Differences of small integers do not wrap.
    assert relative_error([np.array([-128], np.int8)], [np.array([127], np.int8)]) > 2


@pytest.mark.parametrize("element", NUMPY_DTYPES)
def test_random_data_of_every_element_type(element: str):
    array = random_array(Tensor("x", (50,), element), seed=1)
    assert array.dtype == NUMPY_DTYPES[element]
    assert array.min() < array.max()
    assert np.abs(array.astype(np.float64)).max() <= 1
    np.testing.assert_array_equal(array, random_array(Tensor("x", (50,), element), seed=1))
    if array.dtype.kind == "i":
        assert array.min() >= 0  # may be used as an index
