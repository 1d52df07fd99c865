"""W_C three ways, against each other and against Eq. 4."""

import math
import time

import numpy as np
import pytest
import scipy.linalg
import sympy

from theory.simplex import exact_simplex, min_width, recursive_simplex, simplex_weights

SIZES = [2, 3, 4, 5, 10, 33, 100]


@pytest.mark.parametrize("C", SIZES)
def test_columns_are_unit_vectors_with_one_inner_product(C):
    gram = simplex_weights(C).T @ simplex_weights(C)
    np.testing.assert_allclose(gram, (C * np.eye(C) - 1) / (C - 1), atol=1e-14)


@pytest.mark.parametrize("C", SIZES)
def test_the_closed_form_is_the_recursion(C):
    assert recursive_simplex(C).shape == simplex_weights(C).shape == (C - 1, C)
    np.testing.assert_allclose(simplex_weights(C), recursive_simplex(C), atol=1e-14)


@pytest.mark.parametrize("C", [2, 3, 4, 7, 12])
def test_the_exact_form_is_the_recursion(C):
    exact = exact_simplex(C)
    np.testing.assert_allclose(np.array(exact.evalf(30), dtype=float), recursive_simplex(C), atol=1e-15)
    gram = (exact.T * exact).applyfunc(sympy.nsimplify)
    assert gram == sympy.eye(C) * sympy.Rational(C, C - 1) - sympy.ones(C) / (C - 1)


def test_fig_3():
    assert exact_simplex(2) == sympy.Matrix([[1, -1]])
    root = sympy.sqrt(3) / 2
    half = sympy.Rational(1, 2)
    assert exact_simplex(3) == sympy.Matrix([[root, -root, 0], [-half, -half, 1]])
    for C, degrees in ((2, 180), (3, 120), (4, 109.47122)):
        weights = simplex_weights(C)
        assert math.degrees(math.acos(weights[:, 0] @ weights[:, 1])) == pytest.approx(degrees, abs=1e-5)


@pytest.mark.parametrize("C", [3, 10, 50])
def test_it_is_helmert_s_matrix_scaled(C):
    signs = np.ones(C - 1)
    signs[0] = -1
    helmert = scipy.linalg.helmert(C)
    np.testing.assert_allclose(simplex_weights(C), signs[:, None] * -math.sqrt(C / (C - 1)) * helmert, atol=1e-14)


def test_a_dtype_is_kept():
    assert simplex_weights(5, np.float32).dtype == np.float32


@pytest.mark.parametrize("build", [recursive_simplex, simplex_weights, exact_simplex, min_width])
@pytest.mark.parametrize("C", [1, 0, -3])
def test_fewer_than_two_classes(build, C):
    with pytest.raises(ValueError, match=f"C must be at least 2, got C={C}"):
        build(C)


def test_min_width():
    assert [min_width(C) for C in (2, 10, 100)] == [1, 9, 99]


def test_the_recursion_goes_to_3000():
    np.testing.assert_allclose(recursive_simplex(3000), simplex_weights(3000), atol=1e-12)


def test_the_closed_form_is_no_slower_than_scipy_s_helmert():
    ours, theirs = [], []
    for _ in range(5):
        for times, build in ((ours, simplex_weights), (theirs, scipy.linalg.helmert)):
            started = time.perf_counter()
            build(5000)
            times.append(time.perf_counter() - started)
    assert np.median(ours) <= np.median(theirs)


@pytest.mark.parametrize("build", [min_width, recursive_simplex, simplex_weights, exact_simplex])
@pytest.mark.parametrize("C", [2.5, math.nan, "3", None])
def test_a_number_of_classes_that_is_no_integer(build, C):
    with pytest.raises(TypeError, match=f"C must be an integer, got C={C!r}"):
        build(C)


@pytest.mark.parametrize("dtype", [int, np.uint8, complex, bool, object])
def test_a_dtype_that_cannot_hold_it(dtype):
    with pytest.raises(TypeError, match=f"dtype must be one of floating-point numbers, got {np.dtype(dtype)}"):
        simplex_weights(4, dtype)
