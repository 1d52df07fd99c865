"""Eq. 1 and 10–13 as geometry: the biased weights, and where training and test draw their boundaries.

In the plane of two unit weights at the angle θ, w_c at 0 and w_j at θ: the biased weight w' = (αw_c + w_j)/‖αw_c +
w_j‖ is at

    φ = atan2(sin θ, α + cos θ),

training draws w_c's boundary at φ/2 and w_j's at θ − φ/2, test draws one at θ/2, in the middle: the margin between the
two training boundaries is θ − φ, half of it on each side (claims `eq-1`, `boundary`).
"""

import math

import numpy as np
import numpy.typing as npt

ANTIPODAL = 1e-7
"""‖αw_c + w_j‖ below which the rounding of weights kept in float32 decides its direction."""

Floats = npt.NDArray[np.float64]


def biased_weights(weight: npt.ArrayLike, c: int, alpha: float) -> Floats:
    """The weights that a sample of class c is trained with: w'_j = (αw_c + w_j)/‖αw_c + w_j‖ for j ≠ c, w_c itself
    (Eq. 1).

    *Arguments*: `weight` (C, M), rows of any norm above 0, which are normalised first (of the simplex, whose matrix has
    a column a class, `simplex_weights(C).T`); `c` in 0…C−1; `alpha` ≥ 0.

    *Returns*: (C, M), unit rows.

    *Raises*: `ValueError` for a zero row, for `c` or `alpha` out of range, and where Eq. 1 is 0/0: α = 1 and w_j =
    −w_c."""
    rows = np.asarray(weight, dtype=np.float64)
    if rows.ndim != 2 or len(rows) < 2:
        raise ValueError(f"weight must have shape (C, M) with C at least 2, got {rows.shape}")
    if not 0 <= c < len(rows):
        raise ValueError(f"c must be in 0…{len(rows) - 1}, got c={c}")
    _check_alpha(alpha)
    largest = np.abs(rows).max(axis=1, keepdims=True)  # so that no square is too large or too small
    if not (np.isfinite(largest) & (largest > 0)).all():
        wrong = int(np.argmin(np.isfinite(largest) & (largest > 0)))
        raise ValueError(f"row {wrong} of weight is zero or not finite")
    unit = rows / largest
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    scale = max(1.0, alpha)
    biased = (alpha / scale) * unit[c] + unit / scale
    biased[c] = unit[c]
    lengths = np.linalg.norm(biased, axis=1, keepdims=True)
    if not (lengths > ANTIPODAL / scale).all():
        raise ValueError(
            f"αw_c + w_j is 0, or too near it, for j = {int(lengths.argmin())}: antipodal weights at alpha={alpha}"
        )
    found: Floats = biased / lengths
    return found


def biased_angle(theta: npt.ArrayLike, alpha: npt.ArrayLike) -> Floats:
    """φ, the angle from w_c to the biased weight of a class at the angle θ.

    *Arguments*: `theta` in [0, π], radians; `alpha` ≥ 0; they broadcast.

    *Returns*: radians in [0, θ]. Right near θ = π and α = 1, where α + cos θ cancels: it is (α − 1) + 2 cos²(θ/2). At
    both, where Eq. 1 is 0/0, the limit θ → π, which is π/2.

    *Raises*: `ValueError` for an angle or an α out of range.
    """
    angle, bias = np.asarray(theta, dtype=np.float64), np.asarray(alpha, dtype=np.float64)
    if not ((angle >= 0) & (angle <= math.pi)).all():
        raise ValueError(f"theta must be in [0, π], got {np.asarray(theta)}")
    if not (np.isfinite(bias) & (bias >= 0)).all():
        raise ValueError(f"alpha must be finite and at least 0, got alpha={np.asarray(alpha)}")
    half = np.cos(angle / 2)
    found: Floats = np.arctan2(2 * np.sin(angle / 2) * half, (bias - 1) + 2 * half**2)
    return found


def boundary_angle(theta: npt.ArrayLike, alpha: npt.ArrayLike) -> Floats:
    """φ/2, the angle from w_c to the training boundary against a class at the angle θ: see `biased_angle`."""
    return biased_angle(theta, alpha) / 2


def margin(theta: npt.ArrayLike, alpha: npt.ArrayLike) -> Floats:
    """θ − φ, the angle between the two classes' training boundaries: 0 at α = 0, θ/2 at 1, rising to θ: see
    `biased_angle`."""
    return np.asarray(theta, dtype=np.float64) - biased_angle(theta, alpha)


def inverted_arc(theta: npt.ArrayLike, alpha: npt.ArrayLike) -> tuple[Floats, Floats]:
    """The directions in the plane, from w_c towards w_j, of features that are right in training and wrong at test.

    *Returns*: the arc's ends, π + φ/2 and π + θ/2, radians: as wide as half the margin, on the far side of w_c (claim
    `train-test`)."""
    return math.pi + boundary_angle(theta, alpha), math.pi + np.asarray(theta, dtype=np.float64) / 2


def _check_alpha(alpha: float) -> None:
    if not (math.isfinite(alpha) and alpha >= 0):
        raise ValueError(f"alpha must be finite and at least 0, got alpha={alpha}")
