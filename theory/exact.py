"""Exact arithmetic for finite checks: W_C in rationals, ranks, rational bounds of exp, sin and π."""

import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

from sympy import QQ
from sympy.polys.matrices import DomainMatrix

Row = tuple[list[Fraction], Fraction]
"""A row of W_C: rational coefficients and the square of their common factor, so that inner products stay rational."""

Vector = Sequence[Fraction]


def paper_shrink(c: Any) -> Any:
    """The square of the factor of W_(c−1) in Eq. 3."""
    return ((c - 1) ** 2 - 1) / (c - 1) ** 2


def paper_inner(c: Any) -> Any:
    """The inner product of two columns in Eq. 4."""
    return -1 / (c - 1)


def recursion(largest: int, shrink: Callable[[Any], Any] = paper_shrink) -> Iterator[list[Row]]:
    """W_2, W_3, …, W_`largest` by Eq. 3, exactly: row i is `coefficients` · √`square`.

    *Arguments*: `shrink`(c), the square of the factor of W_(c−1)."""
    rows: list[Row] = [([Fraction(1), Fraction(-1)], Fraction(1))]
    yield rows
    for c in range(3, largest + 1):
        factor = Fraction(shrink(Fraction(c)))
        rows = [([*row, Fraction(0)], square * factor) for row, square in rows]
        rows.append(([Fraction(paper_inner(Fraction(c)))] * (c - 1) + [Fraction(1)], Fraction(1)))
        yield rows


def gram(rows: Sequence[Row]) -> list[list[Fraction]]:
    """All inner products of the columns, entry by entry, O(C³)."""
    columns = range(len(rows[0][0]))
    return [[sum((q * row[i] * row[j] for row, q in rows), Fraction(0)) for j in columns] for i in columns]


def distinct_gram(rows: Sequence[Row]) -> tuple[list[Fraction], list[Fraction]]:
    """The norms² of the columns, and for each column k > 0 its inner product with every column before it, O(C).

    Sound because it first sees that row i is constant on its first i + 1 columns and 0 past the next one: then
    columns j < k differ from each other in no row that k is not 0 in.

    *Raises*: `ValueError` if a row is not of that form.
    """
    heads, tips = [], []
    for i, (row, square) in enumerate(rows):
        if len(set(row[: i + 1])) > 1 or any(row[i + 2 :]):
            raise ValueError(f"row {i} is not constant on its first {i + 1} entries and 0 past the next one")
        heads.append((row[0], square))
        tips.append(row[i + 1])
    below = Fraction(0)
    norms, inner = [Fraction(0)] * (len(rows) + 1), [Fraction(0)] * (len(rows) + 1)
    for k in range(len(rows), 0, -1):
        head, square = heads[k - 1]
        norms[k] = square * tips[k - 1] ** 2 + below
        inner[k] = square * head * tips[k - 1] + below
        below += square * head**2
    norms[0] = below
    return norms, inner[1:]


def rank(matrix: Sequence[Sequence[Fraction]]) -> int:
    """Rank over the rationals."""
    rows = [[QQ(entry.numerator, entry.denominator) for entry in row] for row in matrix]
    return int(DomainMatrix(rows, (len(rows), len(rows[0])), QQ).rank())


def dot(u: Vector, v: Vector) -> Fraction:
    """Inner product."""
    return sum((a * b for a, b in zip(u, v, strict=True)), Fraction(0))


def plus(u: Vector, v: Vector, factor: Fraction = Fraction(1)) -> list[Fraction]:
    """u·factor + v."""
    return [factor * a + b for a, b in zip(u, v, strict=True)]


def root(value: Fraction) -> Fraction:
    """The rational square root; `ValueError` if there is none."""
    top, bottom = math.isqrt(value.numerator), math.isqrt(value.denominator)
    if top * top != value.numerator or bottom * bottom != value.denominator:
        raise ValueError(f"{value} has no rational square root")
    return Fraction(top, bottom)


def exp_bounds(x: Fraction, terms: int = 40) -> tuple[Fraction, Fraction]:
    """Rationals around e^x, for x < `terms`: Taylor's sum and its geometric remainder for |x|, the reciprocal for x <
    0."""
    if x < 0:
        low, high = exp_bounds(-x, terms)
        return 1 / high, 1 / low
    term = total = Fraction(1)
    for n in range(1, terms):
        term *= x / n
        total += term
    return total, total + term * x / terms / (1 - x / terms)


PI = Fraction(3141592653589793, 10**15), Fraction(3141592653589794, 10**15)
"""Rationals around π."""


def sin_bounds(low: Fraction, high: Fraction) -> tuple[Fraction, Fraction]:
    """Rationals around sin on [low, high] ⊂ [0, 1]: Taylor's alternating sum, cut after a negative and a positive
    term."""

    def taylor(x: Fraction, count: int) -> Fraction:
        return sum(
            (Fraction((-1) ** n, math.factorial(2 * n + 1)) * x ** (2 * n + 1) for n in range(count)), Fraction(0)
        )

    return taylor(low, 24), taylor(high, 25)


def text(value: Fraction | int) -> str:
    """`p/q`, for evidence."""
    return str(Fraction(value))


def texts(vector: Sequence[Fraction | int]) -> list[str]:
    """`text` of each entry."""
    return [text(value) for value in vector]
