"""Spherical codes: the optimal ones that are known, Levenshtein's bound, strongly regular graphs checked in integers,
and a search.

A code is C unit vectors in R^M; its cosine is the largest inner product of two of them.
"""

import functools
import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy import optimize, special
from threadpoolctl import threadpool_limits

Integers = npt.NDArray[np.int64]

SHARP: dict[tuple[int, int], tuple[float, str]] = {  # (C, M): cosine, code. They meet Levenshtein's bound.
    (12, 3): (1 / math.sqrt(5), "icosahedron (Fejes Tóth 1943)"),
    (16, 5): (1 / 5, "Clebsch graph"),
    (27, 6): (1 / 4, "Schläfli graph; isotropic subspaces, q = 2"),
    (56, 7): (1 / 3, "kissing arrangement of E8's"),
    (240, 8): (1 / 2, "roots of E8"),
    (112, 21): (1 / 9, "isotropic subspaces, q = 3"),
    (162, 21): (1 / 7, "from the McLaughlin graph"),
    (100, 22): (1 / 11, "Higman–Sims graph"),
    (275, 22): (1 / 6, "McLaughlin graph"),
    (891, 22): (1 / 4, "kissing arrangement in the Leech lattice"),
    (552, 23): (1 / 5, "equiangular lines in R^23"),
    (4600, 23): (1 / 3, "kissing arrangement in the Leech lattice"),
    (196560, 24): (1 / 2, "minimal vectors of the Leech lattice"),
}
SHARP |= {
    ((q + 1) * (q**3 + 1), q * (q**3 + 1) // (q + 1)): (1 / q**2, f"isotropic subspaces, q = {q}")
    for q in (4, 5, 7, 8, 9)
}

PROVED: dict[tuple[int, int], tuple[float, str]] = {  # (C, M): cosine, code. Optimal, but above Levenshtein's bound.
    (7, 3): (1 / math.tan(math.radians(40)) / math.tan(math.radians(80)), "proved by Schütte & van der Waerden 1951"),
    (8, 3): ((2 * math.sqrt(2) - 1) / 7, "proved by Schütte & van der Waerden 1951"),
    (9, 3): (1 / 3, "proved by Schütte & van der Waerden 1951"),
    (10, 3): (math.cos(math.radians(66.1468220)), "proved by Danzer 1986"),
    (11, 3): (1 / math.sqrt(5), "proved by Danzer 1986"),
    (13, 3): (math.cos(math.radians(57.1367031)), "proved by Musin & Tarasov 2012"),
    (14, 3): (math.cos(math.radians(55.6705700)), "proved by Musin & Tarasov 2015"),
    (24, 3): (math.cos(math.radians(43.6907671)), "proved by Robinson 1961"),
    (10, 4): (1 / 6, "Petersen graph (Bachoc & Vallentin 2009)"),
    (24, 4): (1 / 2, "24-cell (de Laat, Leijenhorst & de Muinck Keizer 2024)"),
    (120, 4): ((1 + math.sqrt(5)) / 4, "600-cell (Andreev 1999)"),
    (56, 20): (1 / 15, "Gewirtz graph (Cohn, de Laat & Leijenhorst 2024)"),
    (50, 21): (1 / 21, "Hoffman–Singleton graph (Cohn, de Laat & Leijenhorst 2024)"),
    (77, 21): (1 / 12, "M22 graph (Cohn, de Laat & Leijenhorst 2024)"),
    **{
        (2 ** (4 * k) + 2 ** (2 * k + 1), 2 ** (2 * k)): (1 / 2**k, "Kerdock code (Cohn, de Laat & Leijenhorst 2024)")
        for k in (2, 3, 4, 5)
    },
}

KISSING: dict[int, int] = {  # M: vectors at 60° or more from each other, minimal in a lattice of R^M
    **{4: 24, 5: 40, 6: 72, 7: 126, 8: 240, 9: 272, 10: 336, 11: 438, 12: 756, 13: 918, 14: 1422, 15: 2340},
    **{16: 4320, 17: 5346, 18: 7398, 19: 10668, 20: 17400, 21: 27720, 22: 49896, 23: 93150, 24: 196560},
}
"""Conway & Sloane, Sphere Packings, Lattices and Groups, Table 1.5."""


def integer_shell(C: int, M: int, most: int = 4096) -> int | None:
    """The least n ≤ `most` such that at least C integer vectors of R^M have the norm² n; None if there is none.

    Two of them differ by an integer vector of the even norm² 2n − 2x·y, which is 2 or more: their cosine is at most
    1 − 1/n. For n = 2 they are the roots of D_M, 2M(M − 1) vectors at 60°.
    """
    if 2 * M * (M - 1) >= C:
        return 1 if 2 * M >= C else 2
    counts = np.zeros(most + 1, np.int64)
    counts[0] = 1
    for _ in range(M):
        before = counts.copy()
        for root in range(1, math.isqrt(most) + 1):
            counts[root * root :] += 2 * before[: most + 1 - root * root]
        np.minimum(counts, C, out=counts)  # no more need be told apart
    found = np.flatnonzero(counts[1:] >= C)
    return int(found[0]) + 1 if len(found) else None


def layered_angle(C: int, M: int) -> float:
    """An angle, radians, that at least C unit vectors of R^M, M ≥ 3, can all be apart.

    They stand in layers of latitude, that angle from one to the next, each filled in the same way. Meant for M ≤ 4: the
    cost is a power of the number of layers.
    """
    low, high = 2 * math.pi / C, math.pi
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if _layers(M, middle) >= C else (low, middle)
    return low - 1e-9


def _layers(M: int, angle: float) -> int:
    """How many vectors such layers hold, from a pole or from half the angle beside it."""
    if M == 2:
        return max(1, math.floor(2 * math.pi / angle))
    best = 0
    for start in (0.0, angle / 2):
        count = 0
        for place in range(math.floor((math.pi - start) / angle) + 1):
            ratio = math.sin(angle / 2) / max(math.sin(start + place * angle), 1e-300)
            count += 1 if ratio > 1 else _layers(M - 1, 2 * math.asin(ratio))
        best = max(best, count)
    return best


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
    low, at, high = (_gegenbauer(degree, M, cosine) for degree in (k - 1, k, k + 1))
    if cosine <= _largest_zero(k, (M - 1) / 2, (M - 3) / 2):
        bracket = (2 * k + M - 3) / (M - 1) - (low - at) / ((1 - cosine) * at)
        return float(special.binom(k + M - 3, k - 1) * bracket)
    bracket = (2 * k + M - 1) / (M - 1) - (1 + cosine) * (at - high) / ((1 - cosine) * (at + high))
    return float(special.binom(k + M - 2, k) * bracket)


@functools.lru_cache(maxsize=4096)
def _largest_zero(degree: int, a: float, b: float) -> float:
    """The largest zero of the Jacobi polynomial, by the eigenvalues of its recurrence."""
    n = np.arange(degree, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        diagonal = np.where(a * a == b * b, 0.0, (b * b - a * a) / ((2 * n + a + b) * (2 * n + a + b + 2)))
    diagonal[0] = (b - a) / (a + b + 2)
    n = n[1:]
    square = 4 * n * (n + a) * (n + b) * (n + a + b)
    square = square / ((2 * n + a + b) ** 2 * (2 * n + a + b + 1) * (2 * n + a + b - 1))
    matrix = np.diag(diagonal) + np.diag(np.sqrt(square), 1) + np.diag(np.sqrt(square), -1)
    return float(np.linalg.eigvalsh(matrix)[-1])


def _gegenbauer(degree: int, M: int, x: float) -> float:
    """P_k of R^M at x, P_k(1) = 1, by (k + M − 2) P_(k+1) = (2k + M − 2) x P_k − k P_(k−1)."""
    before, now = 1.0, x
    if degree == 0:
        return before
    for k in range(1, degree):
        before, now = now, ((2 * k + M - 2) * x * now - k * before) / (k + M - 2)
    return now


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


def fejes_toth_angle(C: int) -> float:
    """Fejes Tóth's upper bound (1943) of the smallest angle of C ≥ 3 points on the sphere in R^3, radians."""
    turn = C / (C - 2) * math.pi / 6
    # its cosine is (cot² turn − 1)/2; this form of half its sine loses no digits where that is near 1
    return 2 * math.asin(math.sqrt(math.sin(math.pi / (3 * (C - 2))) * math.sin(turn + math.pi / 6)) / math.sin(turn))


def search(C: int, M: int, seed: int = 0) -> npt.NDArray[np.float64]:
    """C unit vectors in R^M with a large smallest angle: minimises log Σ exp(β g_ij), β rising; deterministic.

    Small codes are tried several times.

    *Returns*: (C, M) float64. Good, and never claimed to be the best.
    """
    rng = np.random.default_rng([seed, C, M])
    upper = np.triu_indices(C, 1)

    def energy(flat: npt.NDArray[np.float64], beta: float) -> tuple[float, npt.NDArray[np.float64]]:
        raw = flat.reshape(C, M)
        norms = np.linalg.norm(raw, axis=1, keepdims=True)
        unit = raw / norms
        gram = unit @ unit.T
        np.fill_diagonal(gram, -np.inf)
        top = gram.max()
        weights = np.exp(beta * (gram - top))
        total = weights.sum()
        slope = 2 * (weights / total) @ unit
        slope = (slope - (slope * unit).sum(1, keepdims=True) * unit) / norms
        return float(top + np.log(total) / beta), slope.ravel()

    best, best_cosine = np.empty(0), math.inf
    # products this small are slower on several threads, much slower on a busy machine, and less reproducible
    limits = threadpool_limits(limits=1)
    small = C * C * M < 2000
    for _ in range(8 if small else 1):
        code = rng.standard_normal((C, M)).ravel()
        for beta in (8.0, 32.0, 128.0, 512.0, 4096.0, 65536.0):
            code = optimize.minimize(
                energy, code, (beta,), "L-BFGS-B", jac=True, options={"maxiter": 300 if small else 150}
            ).x
        unit = code.reshape(C, M) / np.linalg.norm(code.reshape(C, M), axis=1, keepdims=True)
        cosine = (unit @ unit.T)[upper].max()
        if cosine < best_cosine:
            best, best_cosine = unit, cosine
    limits.restore_original_limits()
    return best


GRID = 2**20


def on_a_grid(code: npt.NDArray[np.float64]) -> Integers:
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


@dataclass(frozen=True)
class GraphCode:
    """A strongly regular graph (v, k, λ, μ) and the eigenvalue whose eigenspace holds v unit vectors with two inner
    products."""

    adjacency: Integers
    parameters: tuple[int, int, int, int]
    eigenvalue: int

    def check(self) -> tuple[int, int, int]:
        """See in integers that the graph is what it says, and that its code is one of rank M.

        With B = pI + qA + r(J − I − A), where q/p and r/p are the inner products of adjacent and other vertices, B² =
        (pv/M) B makes B a multiple of a projection, and its trace gives the rank.

        *Returns*: (M, r, p): the dimension, and the cosine as the fraction r/p.

        *Raises*: `ValueError` naming the identity that fails.
        """
        A, (v, k, lam, mu), theta = self.adjacency, self.parameters, self.eigenvalue
        one, J = np.eye(v, dtype=np.int64), np.ones((v, v), dtype=np.int64)
        if not (np.array_equal(A, A.T) and not A.diagonal().any() and set(np.unique(A)) == {0, 1}):
            raise ValueError("not the adjacency matrix of a graph")
        if not np.array_equal(A @ A, k * one + lam * A + mu * (J - one - A)):
            raise ValueError(f"A² is not {k}I + {lam}A + {mu}(J − I − A)")
        p, q, r = k * (v - k - 1), theta * (v - k - 1), -(1 + theta) * k
        B = p * one + q * A + r * (J - one - A)
        square = B @ B
        factor = int(square[0, 0]) // p
        if not np.array_equal(square, factor * B):
            raise ValueError(f"B² is not {factor}B")
        shared = math.gcd(r, p)
        return p * v // factor, r // shared, p // shared


def petersen() -> GraphCode:
    """10 vectors in R^4: pairs of five things, adjacent if disjoint."""
    pairs = list(combinations(range(5), 2))
    adjacency = np.array([[int(not set(a) & set(b)) for b in pairs] for a in pairs], dtype=np.int64)
    return GraphCode(adjacency, (10, 3, 0, 1), -2)


def clebsch() -> GraphCode:
    """16 vectors in R^5: words of four bits, adjacent if they differ in one bit or in all."""
    adjacency = np.array([[int((a ^ b).bit_count() in (1, 4)) for b in range(16)] for a in range(16)], dtype=np.int64)
    return GraphCode(adjacency, (16, 5, 0, 2), -3)


def higman_sims() -> GraphCode:
    """100 vectors in R^22: a point, the 22 points and the 77 blocks of the Steiner system S(3, 6, 22).

    The blocks are the octads of the extended Golay code (the quadratic residues modulo 23 and their shifts span it)
    through two given points. The first point is adjacent to the 22, a point to the blocks through it, two blocks if
    disjoint."""
    residues = {x * x % 23 for x in range(1, 23)}
    basis = [sum(1 << ((r + shift) % 23) for r in residues) for shift in range(12)]
    words = {0}
    for word in (w | ((w.bit_count() & 1) << 23) for w in basis):
        words |= {word ^ other for other in words}
    blocks = [w & ((1 << 22) - 1) for w in sorted(words) if w.bit_count() == 8 and w >> 22 == 3]
    adjacency = np.zeros((100, 100), dtype=np.int64)
    adjacency[0, 1:23] = 1
    for i, block in enumerate(blocks):
        for point in range(22):
            adjacency[1 + point, 23 + i] = block >> point & 1
        for j in range(i):
            adjacency[23 + j, 23 + i] = int(not block & blocks[j])
    return GraphCode(adjacency + adjacency.T, (100, 22, 0, 6), -8)
