"""Two unit vectors and a feature: the symbols and exact examples that the claims on W-Softmax share.

For unit vectors w_c and w_j at the angle θ, g = cos θ, n = ‖αw_c + w_j‖ = √(1 + α² + 2αg), w' = (αw_c + w_j)/n at the
angle φ from w_c, and a feature x has the logits z_c, z_j and z' = (αz_c + z_j)/n. With t = tan(θ/2) > 0, cos θ and
sin θ are rational: (1 − t²)/(1 + t²) and 2t/(1 + t²)."""

from fractions import Fraction
from typing import Any

import sympy

from theory import exact
from theory.exact import Vector

ALPHA = sympy.Symbol("alpha", positive=True)
T = sympy.Symbol("t", positive=True)
COS, SIN = (1 - T**2) / (1 + T**2), 2 * T / (1 + T**2)
K = sympy.Symbol("k", positive=True)
ON_SIMPLEX = 1 + ALPHA**2 - 2 * ALPHA / K
"""n² on the simplex, where g = −1/k, k = C − 1."""
G, N = sympy.Symbol("g", real=True), sympy.Symbol("n", positive=True)

EAST = (Fraction(1), Fraction(0))
ACUTE = (Fraction(7, 25), Fraction(24, 25))
"""At α = 1 from (1, 0): n = 8/5 and w' = (4/5, 3/5), all rational."""
OBTUSE = (Fraction(-527, 625), Fraction(336, 625))
"""At α = 1 from (1, 0): n = 14/25 and w' = (7/25, 24/25)."""


def biased(w_c: Vector, w_j: Vector, alpha: Fraction) -> list[Fraction]:
    """Eq. 1 in rationals; `ValueError` if the norm is not rational, `ZeroDivisionError` if it is 0."""
    moved = exact.plus(w_c, w_j, alpha)
    norm = exact.root(exact.dot(moved, moved))
    return [value / norm for value in moved]


def pair(kind: str, w_c: Vector, w_j: Vector, x: Vector) -> dict[str, Any]:
    """Evidence: the vectors of an example at α = 1, exactly."""
    return {
        "kind": kind,
        "w_c": exact.texts(w_c),
        "w_j": exact.texts(w_j),
        "x": exact.texts(x),
        "alpha": "1",
    }


def units(*vectors: Vector) -> bool:
    """Whether all are unit vectors."""
    return all(exact.dot(v, v) == 1 for v in vectors)
