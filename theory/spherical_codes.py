"""Spherical codes that need no search: the optimal ones that are known, other good ones, and two constructions.

A code is C unit vectors in R^M; its cosine is the largest inner product of two of them.
"""

import math

import numpy as np
import numpy.typing as npt

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
SHARP |= {  # to ten million vectors
    ((q + 1) * (q**3 + 1), q * (q**3 + 1) // (q + 1)): (1 / q**2, f"isotropic subspaces, q = {q}")
    for q in (4, 5, 7, 8, 9, 11, 13, 16, 17, 19, 23, 25, 27, 29, 31, 32, 37, 41, 43, 47, 49, 53)
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
    (120, 4): ((1 + math.sqrt(5)) / 4, "600-cell (Böröczky 1978; Andreev 1999)"),
    (56, 20): (1 / 15, "Gewirtz graph (Cohn, de Laat & Leijenhorst 2024)"),
    (50, 21): (1 / 21, "Hoffman–Singleton graph (Cohn, de Laat & Leijenhorst 2024)"),
    (77, 21): (1 / 12, "M22 graph (Cohn, de Laat & Leijenhorst 2024)"),
    **{
        (2 ** (4 * k) + 2 ** (2 * k + 1), 2 ** (2 * k)): (1 / 2**k, "Kerdock code (Cohn, de Laat & Leijenhorst 2024)")
        for k in (2, 3, 4, 5)
    },
}

GOOD: dict[tuple[int, int], tuple[float, str]] = {  # (C, M): cosine, code. Not known to be optimal.
    (105, 20): (1 / 8, "flags of PG(2, 4)"),
    (2048, 32): (1 / 4, "Reed–Muller and Gold code"),
    (65536, 64): (1 / 4, "extended BCH code"),
    (32768, 128): (1 / 8, "Reed–Muller and Gold code"),
    (524288, 512): (1 / 16, "Reed–Muller and Gold code"),
}

KISSING: dict[int, tuple[int, str]] = {  # M: vectors in R^M at 60° or more from each other, and what they are
    **{M: (size, "roots") for M, size in ((4, 24), (5, 40), (6, 72), (7, 126), (8, 240))},
    9: (306, "Leech & Sloane 1971"),
    **{M: (size, "Ganzhinov 2022") for M, size in ((10, 510), (11, 592))},
    12: (840, "Leech & Sloane 1971"),
    13: (1154, "Zinoviev & Ericson 1999"),
    14: (1932, "Ganzhinov 2022"),
    15: (2564, "Leech & Sloane 1971"),
    16: (4320, "Barnes–Wall lattice"),
    **{M: (size, "Cohn & Li 2024") for M, size in ((17, 5730), (18, 7654), (19, 11692), (20, 19448), (21, 29768))},
    **{M: (size, "laminated lattice") for M, size in ((22, 49896), (23, 93150), (24, 196560))},
}
"""As Cohn's table of kissing number bounds has them (hdl.handle.net/1721.1/153312), without the larger ones in R^11,
R^12 and R^19 that were found in 2025 and 2026. Up to R^8, in R^16 and from R^22 on they are minimal vectors of
lattices, which Conway & Sloane, Sphere Packings, Lattices and Groups, 3rd ed., have in Table 1.2."""


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
