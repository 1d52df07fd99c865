"""How far apart C unit vectors in R^M can be at most: the bounds of Levenshtein, of Delsarte by linear programming, of
Fejes Tóth and Böröczky, and those of kissing numbers. (Semidefinite programs, Bachoc & Vallentin 2008, give stronger
ones, which are not computed here.)

A code is C unit vectors in R^M; its cosine is the largest inner product of two of them.
"""

import functools
import math

import numpy as np
import numpy.typing as npt
from scipy import linalg, optimize, special

Reals = npt.NDArray[np.float64]

KISSING_AT_MOST: dict[int, int] = {  # M: no more vectors than these have angles of 60° or more
    **{3: 12, 4: 24, 5: 44, 6: 77, 7: 134, 8: 240, 9: 363, 10: 553},
    **{11: 868, 12: 1355, 13: 2064, 14: 3174, 15: 4853, 16: 7320, 17: 10978, 18: 16406},
    **{19: 24417, 20: 36195, 21: 53524, 22: 80810, 23: 122351, 24: 196560},
}
"""M = 3: Schütte & van der Waerden 1953; 4: Musin 2008; 5 and 7: Mittelmann & Vallentin 2010; 6: de Laat, Leijenhorst
& de Muinck Keizer 2024; 8 and 24: Levenshtein 1979, Odlyzko & Sloane 1979; 9 and 10: Machado & de Oliveira Filho 2018;
11 to 23: de Laat & Leijenhorst 2024; as Cohn's table of kissing number bounds has them in 2026."""

SIMPLEX = 8
"""Largest M that `boroczky_angle` is worth its cost for, which is 32^(M/2): from M = 8 on Levenshtein's bound is the
better up to 1000 vectors, and for many more by little the worse."""

DEGREE = 24
"""Of the polynomials of `delsarte_cosine`."""


def levenshtein(M: int, cosine: float) -> float:
    """Levenshtein's bound: the most unit vectors in R^M, M ≥ 3, with all inner products at most `cosine` (Levenshtein
    1979).

    With P_k the Gegenbauer polynomial of R^M, P_k(1) = 1, and t_k^(1,1), t_k^(1,0) the largest zeros of the adjacent
    ones,

        L_(2k−1)(s) = (k+M−3 over k−1) [(2k+M−3)/(M−1) − (P_(k−1) − P_k)/((1−s) P_k)]
            on t_(k−1)^(1,1) ≤ s ≤ t_k^(1,0),

        L_(2k)(s) = (k+M−2 over k) [(2k+M−1)/(M−1) − (1+s)(P_k − P_(k+1))/((1−s)(P_k + P_(k+1)))]
            on t_k^(1,0) ≤ s ≤ t_k^(1,1).

    *Raises*: `ValueError` for M < 3 or a cosine outside [−1, 1).
    """
    if M < 3:
        raise ValueError(f"M must be at least 3, got M={M}")
    if not -1 <= cosine < 1:
        raise ValueError(f"the cosine must be in [−1, 1), got {cosine}")
    k = 1
    while cosine > _largest_zero(k, (M - 1) / 2, (M - 1) / 2):
        k += 1
    low, at, high = _gegenbauer(k + 1, M, cosine)[k - 1 :]
    if cosine <= _largest_zero(k, (M - 1) / 2, (M - 3) / 2):
        bracket = (2 * k + M - 3) / (M - 1) - (low - at) / ((1 - cosine) * at)
        return float(special.binom(k + M - 3, k - 1) * bracket)
    bracket = (2 * k + M - 1) / (M - 1) - (1 + cosine) * (at - high) / ((1 - cosine) * (at + high))
    return float(special.binom(k + M - 2, k) * bracket)


@functools.lru_cache(maxsize=4096)
def _largest_zero(degree: int, a: float, b: float) -> float:
    """The largest zero of the Jacobi polynomial, by the eigenvalues of its recurrence."""
    if degree == 1:  # a matrix of one entry, which older versions of scipy refuse
        return (b - a) / (a + b + 2)
    n = np.arange(degree, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        diagonal = np.where(a * a == b * b, 0.0, (b * b - a * a) / ((2 * n + a + b) * (2 * n + a + b + 2)))
    diagonal[0] = (b - a) / (a + b + 2)
    n = n[1:]
    square = 4 * n * (n + a) * (n + b) * (n + a + b)
    square = square / ((2 * n + a + b) ** 2 * (2 * n + a + b + 1) * (2 * n + a + b - 1))
    last = degree - 1
    (zero,) = linalg.eigvalsh_tridiagonal(diagonal, np.sqrt(square), select="i", select_range=(last, last))
    return float(zero)


def _gegenbauer(degree: int, M: int, x: npt.ArrayLike) -> Reals:
    """P_0 to P_degree of R^M at x, a row each, P_k(1) = 1, by (k + M − 2) P_(k+1) = (2k + M − 2) x P_k − k P_(k−1)."""
    x = np.asarray(x, np.float64)
    rows = [np.ones_like(x), x]
    for k in range(1, degree):
        rows.append(((2 * k + M - 2) * x * rows[k] - k * rows[k - 1]) / (k + M - 2))
    return np.stack(rows[: degree + 1])


def least_cosine(C: int, M: int) -> float:
    """A lower bound, by Levenshtein, of the cosine of any C unit vectors in R^M, M ≥ 3, C > 2M; rounded to the safe
    side.

    L grows with the cosine, so the code's cosine is at least the one where L = C. At t_k^(1,1) it is 2 (k+M−1 over k)
    (Delsarte, Goethals & Seidel 1977), which tells between which of these that is.
    """
    k = 1
    while 2 * math.comb(k + M - 1, k) < C:
        k += 1
    low, high = (_largest_zero(degree, (M - 1) / 2, (M - 1) / 2) for degree in (k - 1, k))
    for _ in range(60):
        middle = (low + high) / 2
        if levenshtein(M, middle) < C * (1 - 1e-11):
            low = middle
        else:
            high = middle
    return low - 1e-12


def most_programmed(M: int) -> int:
    """The most vectors in R^M that `delsarte_cosine` is worth its cost for: more want larger degrees; and from M = 17
    on it gains next to nothing."""
    return 2 * math.comb(M + 7, 8) if M <= 16 else 0


def delsarte_cosine(C: int, M: int) -> float:
    """A lower bound, by linear programming, of the cosine of any C unit vectors in R^M, M ≥ 3, C > 2M; rounded to the
    safe side, and no less than `least_cosine`, which is the best one of small degrees.

    For f = 1 + Σ f_k P_k, k = 1…`DEGREE`, with every f_k ≥ 0 and f ≤ 0 on [−1, s], a code of the cosine s has at most
    f(1) vectors (Delsarte, Goethals & Seidel 1977): of N of them the sum of f over all N² inner products is at least
    N², as no P_k has a sum below 0, and at most N f(1), that of the N which are 1.
    """
    known = low = least_cosine(C, M)
    high = 1.0
    for _ in range(16):
        middle = (low + high) / 2
        low, high = (middle, high) if _programmed(M, middle) < C * (1 - 1e-11) else (low, middle)
    return max(known, low - 1e-12)


def _programmed(M: int, cosine: float) -> float:
    """A bound f(1) of the size of a code, infinite if none is found. The program asks for f ≤ 0 at some points alone;
    so what f is above 0 at most is taken off it. Between points h apart it is at most h²/8 · max |f″| more than at
    these, and |f″| is largest at 1."""
    degrees = np.arange(1, DEGREE + 1)
    points = -1 + (1 + cosine) * (1 - np.cos(np.linspace(0, math.pi, 500))) / 2
    constraints = _gegenbauer(DEGREE, M, points)[1:].T
    found = optimize.linprog(np.ones(DEGREE), A_ub=constraints, b_ub=-np.ones(len(points)), bounds=(0, None))
    if found.x is None:
        return math.inf
    f = np.maximum(found.x, 0)
    between, h = np.linspace(-1, cosine, 50_000, retstep=True)
    second = degrees * (degrees - 1) * (degrees + M - 2) * (degrees + M - 1) / ((M - 1) * (M + 1))
    above = float((1 + f @ _gegenbauer(DEGREE, M, between)[1:]).max() + h * h / 8 * (f @ second) + 1e-10)
    return (1 + float(f.sum()) - above) / (1 - above) if above < 1 else math.inf


def fejes_toth_angle(C: int) -> float:
    """Fejes Tóth's upper bound (1943) of the smallest angle of C ≥ 3 points on the sphere in R^3, radians."""
    turn = C / (C - 2) * math.pi / 6
    # its cosine is (cot² turn − 1)/2; this form of half its sine loses no digits where that is near 1
    return 2 * math.asin(math.sqrt(math.sin(math.pi / (3 * (C - 2))) * math.sin(turn + math.pi / 6)) / math.sin(turn))


def boroczky_angle(C: int, M: int) -> float:
    """Böröczky's upper bound (1978) of the smallest angle of C > 2M unit vectors in R^M, M ≥ 3, radians.

    Caps of radius φ/2 < 45° fill no more of the sphere than M of them that touch fill of their simplex, as Coxeter
    (1963) had supposed; so that with the angle φ there are at most

        N = 2 F_(M−1)(α) / F_M(α),  sec 2α = sec φ + M − 2,

    vectors, F being Schläfli's function, 2α the simplex's dihedral angle. It is met by the icosahedron and the
    600-cell, and for M = 3 it is Fejes Tóth's. N falls as φ grows: by F_n' = (2/π) F_(n−2)(β), sec 2β = sec 2α − 2, the
    numerator, which begins above 0, and the denominator, which begins at 0, have slopes in the ratio of the bound for
    M − 2, which falls, or is constant: it is 2 for M = 1 and 2π/φ for M = 2.

    The angle is the one where N, computed with a relative error below 10^−13, is C (1 − 10^−11): a safe side 100 times
    as wide as the error.

    *Raises*: `ValueError` for M < 3 or C ≤ 2M.
    """
    if M < 3 or C <= 2 * M:
        raise ValueError(f"M ≥ 3 and C > 2M expected, got C={C}, M={M}")
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if _simplex_bound(M, middle) < C * (1 - 1e-11) else (middle, high)
    return high


def _simplex_bound(M: int, angle: float) -> float:
    """Coxeter's N, 2 F_(M−1)(α)/F_M(α), for any angle up to the simplex's."""
    cosine = math.cos(angle)
    # both functions have one dihedral angle: sec φ + M − 2 = (sec φ + 1) + (M − 1) − 2
    side = math.acos(cosine / (1 + cosine))
    numerator, denominator = _schlafli(M - 1, np.array([side])), _schlafli(M, np.array([angle]))
    return 2 * float(numerator[0] / denominator[0])


_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(32)


def _schlafli(n: int, edge: Reals) -> Reals:
    """Schläfli's function F_n of the regular spherical simplices in R^n with these edges, radians: 2^n/n! times their
    share of the sphere.

    F_0 = F_1 = 1, F_n(α) = (2/π) ∫ F_(n−2)(β) dα from where sec 2α = n − 1. With sec 2α = sec φ + n − 2, φ the edge,
    β belongs to the same φ, and

        F_n = (1/π) ∫ F_(n−2) sin φ dφ / ((1 + (n−2) c) √((1 + (n−1) c)(1 + (n−3) c))) from 0 to φ, c = cos φ:

    analytic and positive while cos φ > −1/(n−1), so that Gauss's 32 points give almost all digits.
    """
    if n < 2:
        return np.ones_like(edge)
    if n == 2:
        return edge / math.pi
    phi = edge[:, None] * (1 + _POINTS) / 2
    c = np.cos(phi)
    root = np.sqrt((1 + (n - 1) * c) * (1 + (n - 3) * c))
    inner = _schlafli(n - 2, phi.ravel()).reshape(phi.shape)
    values = inner * np.sin(phi) / ((1 + (n - 2) * c) * root)
    result: Reals = edge / 2 * (values @ _WEIGHTS) / math.pi
    return result
