"""Spherical codes by search, and the certificate of a code that integers give.

A code is C unit vectors in R^M; its cosine is the largest inner product of two of them.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import optimize
from threadpoolctl import threadpool_limits

from theory.spherical_codes import Integers

Reals = npt.NDArray[np.float64]

BETAS = (8.0, 32.0, 128.0, 512.0, 4096.0, 65536.0)

COARSE = (2.2204460492503131e-09, 1e-5)
"""L-BFGS-B's own tolerances: of the value, relative, and of the slope."""


def search(C: int, M: int, seed: int = 0, symmetry: int = 1) -> Reals:
    """C unit vectors in R^M with a large smallest angle: minimises log Σ exp(β g_ij), β rising; deterministic.

    Small codes are tried several times. With a symmetry p > 1 the vectors are orbits of a random orthogonal matrix of
    order p, and C mod p vectors that it leaves where they are: one vector of each orbit is varied, so that far fewer
    numbers are.

    *Returns*: (C, M) float64. Good, and never claimed to be the best.

    *Raises*: `ValueError` as `check_symmetry`.
    """
    check_symmetry(C, M, symmetry)
    rng = np.random.default_rng([seed, C, M] if symmetry == 1 else [seed, C, M, symmetry])
    orbits, left = divmod(C, symmetry)
    powers = _powers(M, symmetry, left > 0, rng)
    small = C * C * M < 2000
    best, best_cosine = np.empty(0), math.inf
    # products this small are slower on several threads, much slower on a busy machine, and less reproducible
    with threadpool_limits(limits=1):
        for _ in range(8 if small else 1):
            start = rng.standard_normal((orbits + left, M))
            unit = _minimise(start, left, powers, BETAS, 300 if small or symmetry > 1 else 150)
            cosine = (unit @ unit.T)[np.triu_indices(C, 1)].max()
            if cosine < best_cosine:
                best, best_cosine = unit, cosine
    return best


def check_symmetry(C: int, M: int, symmetry: int) -> None:
    """*Raises*: `ValueError` for a symmetry below 1, above C, or that needs more dimensions than M."""
    if not 1 <= symmetry <= C:
        raise ValueError(f"the symmetry must be from 1 to C={C}, got {symmetry}")
    needed = min(symmetry - 1, 2) + (C % symmetry > 0)  # a sign or a plane, and a coordinate for what is left
    if needed > M:
        raise ValueError(f"a symmetry of order {symmetry} needs {needed} dimensions for {C} vectors, got M={M}")


def refine(code: Reals) -> Reals:
    """Unit vectors (C, M) near those of a code, each moved by itself, and mostly with a larger smallest angle.

    It takes several times as long as `search`.
    """
    with threadpool_limits(limits=1):
        return _minimise(code, 0, np.eye(code.shape[1])[None], (*BETAS[-2:], 2.0**20, 2.0**24), 1000, (1e-14, 1e-10))


def _minimise(
    start: Reals,
    left: int,
    powers: Reals,
    betas: Sequence[float],
    iterations: int,
    tolerances: tuple[float, float] = COARSE,
) -> Reals:
    """Minimise from the rows of `start` that stand for all with their images under the `powers`, (p, M, M), and from
    the last `left` ones, which stand for themselves and are projected to what the powers leave where it is.

    *Returns*: all unit vectors, p·(rows − left) + left of them, a row each.
    """
    M, order = start.shape[1], len(powers)
    fixed = powers.mean(0)
    orbits = len(start) - left

    def spread(flat: Reals) -> Reals:
        raw = flat.reshape(-1, M)
        turned = np.einsum("gab,kb->gka", powers, raw[:orbits]).reshape(-1, M)
        return np.concatenate([turned, raw[orbits:] @ fixed])

    def gather(slope: Reals) -> Reals:
        turned = slope[: order * orbits].reshape(order, orbits, M)
        back = np.einsum("gab,gka->kb", powers, turned)
        return np.concatenate([back, slope[order * orbits :] @ fixed]).ravel()

    def energy(flat: Reals, beta: float) -> tuple[float, Reals]:
        raw = spread(flat)
        norms = np.linalg.norm(raw, axis=1, keepdims=True)
        unit = raw / norms
        gram = unit @ unit.T
        np.fill_diagonal(gram, -np.inf)
        top = gram.max()
        weights = np.exp(beta * (gram - top))
        total = weights.sum()
        slope = 2 * (weights / total) @ unit
        slope = (slope - (slope * unit).sum(1, keepdims=True) * unit) / norms
        return float(top + np.log(total) / beta), gather(slope)

    code = start.ravel()
    for beta in betas:
        code = optimize.minimize(
            energy,
            code,
            (beta,),
            "L-BFGS-B",
            jac=True,
            options={"maxiter": iterations, "ftol": tolerances[0], "gtol": tolerances[1]},
        ).x
    unit = spread(code)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    return unit


def _powers(M: int, order: int, fix: bool, rng: np.random.Generator) -> Reals:
    """The powers 0, …, p − 1 of a random orthogonal matrix of order p: (p, M, M).

    Of order 2 it changes the sign of some coordinates, else it turns some planes by multiples of 1/p, one of them by
    1/p; with `fix` it leaves a coordinate where it is.
    """
    powers = np.tile(np.eye(M), (order, 1, 1))
    if order == 1:
        return powers
    size = 1 if order == 2 else 2
    most = (M - fix) // size
    for place in range(int(rng.integers(1, most + 1))):
        step = 1 if place == 0 or order == 2 else int(rng.integers(1, order))
        for g in range(order):
            turn = 2 * math.pi * (g * step % order) / order
            i = size * place
            if size == 1:
                powers[g, i, i] = (-1) ** g
            else:
                powers[g, i : i + 2, i : i + 2] = [[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]
    return powers


GRID = 2**20


def on_a_grid(code: Reals) -> Integers:
    """A code as integer vectors of length about `GRID`: exact, to be certified."""
    return np.rint(code * GRID).astype(np.int64)


def certified_cosine(vectors: Integers) -> float:
    """A number that is at least the largest cosine of any two integer vectors.

    Inner products of integers below 2^21 in up to 2^10 dimensions are exact in int64, and below 2^53 in float64; the
    quotient by the norms is then right to a few units in the last place, and 10^−14 more than covers them.

    *Raises*: `ValueError` for larger entries, more dimensions, or a vector that is 0."""
    if np.abs(vectors).max() > 2 * GRID or vectors.shape[1] > 1024:
        raise ValueError(f"entries up to {2 * GRID} in at most 1024 dimensions expected, got {vectors.shape}")
    products = vectors @ vectors.T
    squares = np.diag(products).astype(np.float64)
    if not squares.all():
        raise ValueError(f"a vector of the {len(vectors)} is 0: it has no direction")
    cosines = products / np.sqrt(squares[:, None] * squares[None])
    np.fill_diagonal(cosines, -1)
    return float(cosines.max()) + 1e-14
