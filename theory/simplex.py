"""W_C of Eq. 3: C unit vectors in R^(C−1) with every inner product −1/(C−1), as columns; and the width they
need.

Three constructions of one matrix: the paper's recursion, its closed form, and its exact entries. With
t_i = √(iC / ((i+1)(C−1))), row i of W_C is

    (−t_i/i, …, −t_i/i, t_i, 0, …, 0),      t_i in column i + 1,

the first row's sign turned. In other words W_C = D · (−√(C/(C−1)) · H) with H the Helmert matrix without its
constant row and D = diag(−1, 1, …, 1)."""

import operator
from typing import Any

import numpy as np
import numpy.typing as npt
import sympy


def min_width(C: int) -> int:
    """M_min = C − 1: the least M for which C distinct unit vectors in R^M can have one common inner product.

    *Raises*: `ValueError` for C < 2; `TypeError` for a C that is no integer.
    """
    _check(C)
    return C - 1


def recursive_simplex(C: int) -> npt.NDArray[np.float64]:
    """W_C by the recursion of Eq. 3, in a loop: W_2 = [1, −1], and then

        W_c = [[√(((c−1)² − 1)/(c−1)²) · W_(c−1), 0], [−1/(c−1), …, −1/(c−1), 1]],      c = 3…C.

    What multiplies W_(c−1) multiplies each of its rows, so every row keeps its product until the end: O(C²). It is for
    checking `simplex_weights`.

    *Returns*: (C − 1, C) float64, column j the weight vector of class j.

    *Raises*: `ValueError` for C < 2; `TypeError` for a C that is no integer.
    """
    _check(C)
    weights = np.zeros((C - 1, C))
    weights[0, :2] = 1, -1
    factors = np.ones(C - 1)
    for c in range(3, C + 1):
        factors[: c - 2] *= np.sqrt(((c - 1) ** 2 - 1) / (c - 1) ** 2)
        weights[c - 2, : c - 1] = -1 / (c - 1)
        weights[c - 2, c - 1] = 1
    return factors[:, None] * weights


def simplex_weights(C: int, dtype: npt.DTypeLike = np.float64) -> npt.NDArray[Any]:
    """W_C in closed form, O(C²): the same matrix as `recursive_simplex`, each entry rounded at most three
    times (once more in a narrower dtype).

    *Returns*: (C − 1, C) of `dtype`, column j the weight vector of class j.

    *Raises*: `ValueError` for C < 2; `TypeError` for a C that is no integer, or a dtype of no real floating-point
    numbers.
    """
    _check(C)
    if not np.issubdtype(dtype, np.floating):
        raise TypeError(f"dtype must be one of floating-point numbers, got {np.dtype(dtype)}")
    index = np.arange(1, C, dtype=np.float64)
    diagonal = np.sqrt(index * C / ((index + 1) * (C - 1)))
    below = -diagonal / index
    diagonal[0], below[0] = -diagonal[0], -below[0]
    weights = np.zeros((C - 1, C), dtype=dtype)
    for row in range(C - 1):
        weights[row, : row + 1] = below[row]
        weights[row, row + 1] = diagonal[row]
    return weights


def exact_simplex(C: int) -> sympy.Matrix:
    """W_C with exact entries, by the recursion of Eq. 3: a (C − 1, C) sympy matrix of square roots of
    rationals.

    *Raises*: `ValueError` for C < 2; `TypeError` for a C that is no integer.
    """
    _check(C)
    weights = sympy.Matrix([[1, -1]])
    for c in range(3, C + 1):
        shrink = sympy.sqrt(sympy.Rational((c - 1) ** 2 - 1, (c - 1) ** 2))
        above = (shrink * weights).row_join(sympy.zeros(c - 2, 1))
        last = sympy.Matrix([[sympy.Rational(-1, c - 1)] * (c - 1) + [1]])
        weights = above.col_join(last)
    return weights


def _check(C: int) -> None:
    try:
        operator.index(C)
    except TypeError:
        raise TypeError(f"C must be an integer, got C={C!r}") from None
    if C < 2:
        raise ValueError(f"C must be at least 2, got C={C}")
