"""A small kernel of proofs: a proof is a list of steps, and each step is decided by sympy or by exact rationals.

No step is decided in floating point, and none by belief: what sympy cannot decide counts as false, and so does a step
that raises an error. A claim's verdict is computed from the roles of its steps (see `verdict`), never stated."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import sympy

Role = Literal["proof", "finite", "counterexample", "against", "gap"]
"""What a step contributes: an argument for every C; a finite exact check; an exact example against the statement as
it is printed; an argument against it, not one example; an exact example of what the paper's own argument does not
reach."""

PROVED, VERIFIED, INCOMPLETE = "PROVED", "VERIFIED", "INCOMPLETE"
CONDITIONAL, REFUTED, NOT_PROVED = "CONDITIONAL", "REFUTED", "NOT PROVED"


@dataclass(frozen=True)
class Step:
    """One step: what it says (`text`, with LaTeX between dollars), how it is decided, its role.

    `evidence` is plain JSON from which the step can be checked again without this package: numbers as strings `p/q`.
    """

    text: str
    decide: Callable[[], bool]
    role: Role = "proof"
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Checked:
    """A step and whether it holds."""

    step: Step
    holds: bool
    error: str = ""


def check(steps: Sequence[Step]) -> list[Checked]:
    """Decide every step. A step that cannot be decided, or raises an error, does not hold."""
    checked = []
    for step in steps:
        try:
            checked.append(Checked(step, step.decide() is True))
        except (ArithmeticError, ValueError, TypeError, NotImplementedError) as error:
            checked.append(Checked(step, False, f"{type(error).__name__}: {error}"))
    return checked


def verdict(checked: Sequence[Checked]) -> str:
    """The verdict that the steps give.

    `NOT PROVED` if there is none or one does not hold. Else, with a counterexample or an argument against the
    statement: `CONDITIONAL` if there is a proof or a finite check as well (of the statement under a condition),
    `REFUTED` if not. Without one: `INCOMPLETE` if the steps show a gap in the paper's own argument, `PROVED` if there
    is a proof, `VERIFIED` if all checks are finite.
    """
    if not checked or not all(each.holds for each in checked):
        return NOT_PROVED
    roles = {each.step.role for each in checked}
    if roles & {"counterexample", "against"}:
        return CONDITIONAL if roles & {"proof", "finite"} else REFUTED
    if "gap" in roles:
        return INCOMPLETE
    return PROVED if "proof" in roles else VERIFIED


def equal(text: str, left: Any, right: Any, role: Role = "proof") -> Step:
    """The step that two sympy expressions are identical wherever both are defined."""
    return Step(text, lambda: is_zero(sympy.sympify(left) - sympy.sympify(right)), role)


def is_zero(expression: sympy.Expr) -> bool:
    """Whether sympy decides that an expression is identically 0; False where it cannot."""
    return bool(sympy.simplify(sympy.together(sympy.expand(expression))) == 0)


def above_zero(text: str, expression: Any, role: Role = "proof") -> Step:
    """The step that an expression is above 0, by the assumptions of its symbols (α > 0, t > 0, …)."""
    return Step(text, lambda: sympy.factor(sympy.together(sympy.sympify(expression))).is_positive is True, role)


def positive(text: str, expression: Any, *least: tuple[sympy.Symbol, Any], role: Role = "proof") -> Step:
    """The step that a rational function is above 0 whenever each symbol is at least its bound.

    Decided by coefficients: with every symbol written as its bound + k, k ≥ 0, numerator and denominator must be
    polynomials whose coefficients are all ≥ 0 and whose constants are above 0 (or both so after a change of sign).
    That is sufficient; where it does not apply the step fails."""
    return Step(text, lambda: is_positive(sympy.sympify(expression), *least), role)


def is_positive(expression: sympy.Expr, *least: tuple[sympy.Symbol, Any]) -> bool:
    """See `positive`."""
    shifts = [sympy.Symbol(f"k_{symbol}", nonnegative=True) for symbol, _ in least]
    shifted = expression.subs(
        {symbol: bound + shift for (symbol, bound), shift in zip(least, shifts, strict=True)}, simultaneous=True
    )
    parts = [sympy.Poly(part, *shifts) for part in sympy.fraction(sympy.cancel(sympy.together(shifted)))]
    if all(part.eval(dict.fromkeys(shifts, 0)).is_negative for part in parts):
        parts = [-part for part in parts]
    return all(
        part.eval(dict.fromkeys(shifts, 0)).is_positive is True
        and all(value.is_nonnegative is True for value in part.coeffs())
        for part in parts
    )
