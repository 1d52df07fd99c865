"""The kernel decides what is true, rejects what is false, and takes what it cannot decide for false."""

import math
from fractions import Fraction

import pytest
import sympy

from theory import exact
from theory.proof import Checked, Step, above_zero, check, equal, positive, verdict

C = sympy.Symbol("C", integer=True, positive=True)
X, P = sympy.Symbol("x", real=True), sympy.Symbol("p", positive=True)

STEPS = [
    (equal("true", (C + 1) ** 2, C**2 + 2 * C + 1), True),
    (equal("false", (C + 1) ** 2, C**2 + 2 * C + 2), False),
    (equal("radicals", sympy.sqrt(8), 2 * sympy.sqrt(2)), True),
    (equal("off by 1e-30", sympy.Rational(1, 3), sympy.Rational(1, 3) + sympy.Rational(1, 10**30)), False),
    (positive("C − 1 > 0 from 2", C - 1, (C, 2)), True),
    (positive("C − 1 > 0 from 1 is false", C - 1, (C, 1)), False),
    (positive("numerator and denominator negative", (1 - C) / (2 - 2 * C), (C, 2)), True),
    (positive("a sign changes later", (10 - C) / C, (C, 2)), False),
    (positive("true, but not by its coefficients", (C - 4) ** 2 + 1, (C, 2)), False),
    (above_zero("p² + x²", P**2 + X**2), True),
    (above_zero("p − 1", P - 1), False),
    (above_zero("x²", X**2), False),
    (Step("undecided", lambda: P > 1), False),
    (Step("an error", lambda: 1 / 0 > 0), False),
    (Step("truthy is not true", lambda: 1), False),
]


@pytest.mark.parametrize(("step", "holds"), STEPS, ids=lambda value: getattr(value, "text", None))
def test_the_kernel_tells_true_from_false(step, holds):
    assert [each.holds for each in check([step])] == [holds]


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        ("", "NOT PROVED"),
        ("proof", "PROVED"),
        ("proof finite", "PROVED"),
        ("finite", "VERIFIED"),
        ("proof gap", "INCOMPLETE"),
        ("proof counterexample", "CONDITIONAL"),
        ("finite counterexample", "CONDITIONAL"),
        ("counterexample", "REFUTED"),
        ("against", "REFUTED"),
        ("proof against", "CONDITIONAL"),
        ("against gap", "REFUTED"),
        ("proof !against", "NOT PROVED"),
        ("proof !finite", "NOT PROVED"),
        ("proof !counterexample", "NOT PROVED"),
    ],
)
def test_a_verdict_comes_from_the_steps_roles(roles, expected):
    steps = [Checked(Step("", lambda: True, role.removeprefix("!")), role[0] != "!") for role in roles.split()]
    assert verdict(steps) == expected


def test_the_recursion_and_its_short_gram_are_the_full_one():
    for C_, rows in enumerate(exact.recursion(9), 2):
        full = exact.gram(rows)
        norms, inner = exact.distinct_gram(rows)
        assert norms == [full[k][k] for k in range(C_)]
        assert all(full[j][k] == inner[k - 1] for k in range(1, C_) for j in range(k))


def test_the_short_gram_refuses_rows_of_another_form():
    rows = list(exact.recursion(5))[-1]
    rows[2][0][0] += 1
    with pytest.raises(ValueError, match="row 2 is not constant"):
        exact.distinct_gram(rows)


def test_rank():
    rows = [[Fraction(v) for v in line] for line in ((1, 2, 3), (2, 4, 6), (1, 0, 1))]
    assert exact.rank(rows) == 2
    assert exact.rank([[Fraction(0)] * 3]) == 0


def test_roots_and_bounds():
    assert exact.root(Fraction(49, 64)) == Fraction(7, 8)
    with pytest.raises(ValueError, match="no rational square root"):
        exact.root(Fraction(1, 2))
    for x in (Fraction(-5), Fraction(-1, 10), Fraction(3)):
        low, high = exact.exp_bounds(x)
        assert low < high
        assert float(low) == pytest.approx(math.exp(x), rel=1e-12)
    low, high = exact.sin_bounds(Fraction(1, 3), Fraction(1, 3))
    assert float(low) == pytest.approx(math.sin(1 / 3), rel=1e-15)
    assert low < high
    assert exact.PI[0] < Fraction(math.pi) < exact.PI[1]
