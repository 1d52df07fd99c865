"""A small kernel of proofs: a proof is a list of steps, and each step is decided by sympy or by exact
rationals.

No step is decided in floating point, and none by belief: what sympy cannot decide counts as false. A step
that raises an error has failed as well."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sympy


@dataclass(frozen=True)
class Step:
    """One step: what it says (`text`, with formulas in LaTeX between dollars), and how it is decided."""

    text: str
    decide: Callable[[], bool]


@dataclass(frozen=True)
class Checked:
    """A step and whether it holds."""

    text: str
    holds: bool


def check(steps: Sequence[Step]) -> list[Checked]:
    """Decide every step. A step that cannot be decided, or raises an error, does not hold."""
    checked = []
    for step in steps:
        try:
            holds = step.decide() is True
        except (ArithmeticError, ValueError, TypeError, NotImplementedError) as error:
            checked.append(Checked(f"{step.text} [{type(error).__name__}: {error}]", False))
        else:
            checked.append(Checked(step.text, holds))
    return checked


def equal(text: str, left: Any, right: Any) -> Step:
    """The step that two sympy expressions are identical wherever both are defined."""
    return Step(text, lambda: is_zero(sympy.sympify(left) - sympy.sympify(right)))


def is_zero(expression: sympy.Expr) -> bool:
    """Whether sympy decides that an expression is identically 0; False where it cannot."""
    return bool(sympy.simplify(sympy.together(sympy.expand(expression))) == 0)


def positive(text: str, expression: Any, symbol: sympy.Symbol, least: Any) -> Step:
    """The step that a rational function of one symbol is above 0 for every real value ≥ `least`.

    Decided by its coefficients: with the symbol written as `least` + k, numerator and denominator must be
    polynomials in k whose coefficients are all ≥ 0 and whose constants are above 0. That is sufficient, and
    false where it does not apply."""
    return Step(text, lambda: is_positive(sympy.sympify(expression), symbol, sympy.sympify(least)))


def is_positive(expression: sympy.Expr, symbol: sympy.Symbol, least: sympy.Expr) -> bool:
    """See `positive`."""
    shift = sympy.Symbol("k", nonnegative=True)
    parts = sympy.fraction(sympy.cancel(sympy.together(expression.subs(symbol, least + shift))))
    coefficients = [sympy.Poly(part, shift).all_coeffs() for part in parts]
    if all(each[-1].is_negative for each in coefficients):
        coefficients = [[-value for value in each] for each in coefficients]
    return all(
        each[-1].is_positive is True and all(value.is_nonnegative is True for value in each) for each in coefficients
    )
