"""Codes of `theory.spherical_codes` made anew, from graphs and from traces, and checked in integers."""

import math
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from theory.spherical_codes import Integers


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

        *Returns*: (M, a, b): the dimension, and the larger of the two inner products as the fraction a/b.

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
        larger = max(q, r)
        shared = math.gcd(larger, p)
        return p * v // factor, larger // shared, p // shared


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


def flags() -> GraphCode:
    """105 vectors in R^20: the flags (point on line) of the projective plane of order 4, adjacent if they share neither
    but the point of one is on the line of the other."""
    times = [[0, 0, 0, 0], [0, 1, 2, 3], [0, 2, 3, 1], [0, 3, 1, 2]]  # GF(4); its sum is that of bits
    points = [(1, b, c) for b in range(4) for c in range(4)] + [(0, 1, c) for c in range(4)] + [(0, 0, 1)]
    on = np.array([[times[a][x] ^ times[b][y] ^ times[c][z] == 0 for a, b, c in points] for x, y, z in points])
    point, line = np.nonzero(on)
    apart = (point[:, None] != point) & (line[:, None] != line)
    return GraphCode((apart & (on[point][:, line] | on[point][:, line].T)).astype(np.int64), (105, 32, 4, 12), -10)


FORMS = {5: (0b100101, (3,)), 6: (0b1000011, (5, 9)), 7: (0b10000011, (3,)), 9: (0b1000010001, (3,))}
"""m: a primitive polynomial of GF(2^m), its coefficients as bits, and the exponents of `trace_code`."""


def trace_code(m: int) -> Integers:
    """The vectors (−1)^Q(x), x in GF(2^m), for all sums Q of Tr(a x^e), each exponent e of `FORMS` with every a:
    (number, 2^m), entries ±1.

    With the 2^(m+1) vectors (−1)^L(x) of affine L (the first-order Reed–Muller code) they make a code: all products of
    one of these and one of those. The product of two of its vectors is another, so its cosine is the largest sum of the
    entries of one that is not constant, by 2^m. That is a Walsh coefficient of a vector here. For m odd and the
    exponent 3 it is 2^((m+1)/2) (Gold 1968); for m = 6 it is 16 (the extended BCH code [64, 16, 24]).

    *Raises*: `ValueError` for an m that `FORMS` lacks.
    """
    if m not in FORMS:
        raise ValueError(f"m must be one of {sorted(FORMS)}, got m={m}")
    polynomial, exponents = FORMS[m]
    powers = [1]
    while len(powers) < 2**m - 1:
        power = powers[-1] << 1
        powers.append(power ^ polynomial if power >> m else power)
    logs = {power: n for n, power in enumerate(powers)}
    trace = np.zeros(2**m, np.int64)
    for n, power in enumerate(powers):
        conjugates = [powers[n * 2**i % (2**m - 1)] for i in range(m)]
        trace[power] = np.bitwise_xor.reduce(conjugates)
    codes = []
    for e in exponents:
        bits = np.zeros((2**m, 2**m), np.int64)
        for a, x in product(powers, powers):
            bits[a, x] = trace[powers[(logs[a] + e * logs[x]) % (2**m - 1)]]
        codes.append(bits)
    words = codes[0]
    for bits in codes[1:]:
        words = np.unique((words[:, None] ^ bits).reshape(-1, 2**m), axis=0)
    return 1 - 2 * words
