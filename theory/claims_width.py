"""Section 3: the least width of the layer before the classifier (Eq. 5–7, Fig. 3)."""

from fractions import Fraction
from typing import Any

import sympy

from theory import exact
from theory.claim import Claim
from theory.claims_simplex import ELIMINATED, RHO, C, Function, gram_eigenvalues, independent_differences
from theory.proof import INCOMPLETE, PROVED, VERIFIED, Step, equal, positive


def eq_7(
    max_classes: int, scale: Function = lambda c: 1 / (c - 1), least: int = 2, columns: Function = lambda c: c - 1
) -> list[Step]:
    """Eq. 5–7: no further vector joins W_C in R^(C−1)."""
    b, total = sympy.symbols("b_i S")
    line, last = b - scale(C) * (total - b), -scale(C) * total

    def finite() -> bool:
        for classes in range(least, min(max_classes, ELIMINATED) + 1):
            size, s = classes - 1, Fraction(scale(Fraction(classes)))
            lines = [[Fraction(1) if i == j else -s for j in range(size)] for i in range(size)]
            if exact.rank([[value + s for value in row] for row in lines]) != size:
                return False
        return True

    return [
        positive(
            r"Eq. 6 has a solution $b$ for every $w_{C+1}$ in $\mathbb{R}^{C-1}$, because the first $C - 1$ columns of "
            r"$W_C$ are independent: their Gram matrix $(1-\rho)I + \rho J$, $\rho = -1/(C-1)$, has the eigenvalues $1 "
            r"- \rho$ and $1 + (C-2)\rho = 1/(C-1)$, above 0.",
            1 - (columns(C) - 1) / (C - 1),
            (C, 2),
        ),
        equal(
            r"With $S = \sum_j b_j$, line $i$ of Eq. 7 is $b_i - (S - b_i)/(C-1)$ and the last is $-S/(C-1)$. "
            r"Their difference is "
            r"$b_i \cdot C/(C-1)$.",
            line - last,
            b * C / (C - 1),
        ),
        positive(
            r"$C/(C-1) > 0$, so $b_i = 0$ for every $i$: the system's matrix is $\frac{C}{C-1} I$, with the "
            r"determinant "
            r"$(C/(C-1))^{C-1} \ne 0$. Nothing here needs $C > 2$.",
            C / (C - 1),
            (C, least),
        ),
        Step(rf"Full rank by elimination for $C = {least},\dots,{min(max_classes, ELIMINATED)}$.", finite, "finite"),
    ]


def min_width(
    max_classes: int,
    width: Function = lambda c: c - 1,
    below: Any = 1,
    arrangement: Any = ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
) -> list[Step]:
    """M_min = C − 1."""
    largest = min(max_classes, ELIMINATED)

    def attained() -> bool:
        return all(
            exact.rank([row for row, _ in rows]) == len(rows) == width(c)  # the roots of a row are not 0
            for c, rows in enumerate(exact.recursion(largest), 2)
        )

    def no_less() -> bool:
        for classes in range(2, largest + 1):
            for rho in (Fraction(-1, classes - 1), Fraction(-1, 2 * classes), Fraction(0), Fraction(9, 10)):
                rows = [[Fraction(1) if i == j else rho for j in range(classes)] for i in range(classes)]
                if exact.rank(rows) != classes - (below if rho == Fraction(-1, classes - 1) else 0):
                    return False
        return True

    basis = [[Fraction(value) for value in vector] for vector in arrangement]

    def holds_no_simplex() -> bool:
        """Of unit vectors with one inner product, that it is none of W_2, …, W_C."""
        inner = {exact.dot(u, v) for n, u in enumerate(basis) for v in basis[:n]}
        simplices = {Fraction(-1, c - 1) for c in range(2, len(basis) + 1)}
        return len(inner) == 1 and not inner & simplices and all(exact.dot(u, u) == 1 for u in basis)

    return [
        Step(
            r"What the paper's argument does not reach: it extends its own $W_C$ only. An orthonormal basis solves Eq. "
            r"2 with $\rho = 0$, which is no $-1/(c-1)$, and so contains no $W_c$; that no such arrangement fits in "
            r"fewer dimensions is the missing step.",
            holds_no_simplex,
            "gap",
            {"kind": "equal-inner-products", "vectors": [exact.texts(v) for v in basis], "inner": "0"},
        ),
        *independent_differences(width),
        *gram_eigenvalues(),
        Step(
            r"The rank is $C - 1$, and not $C$, iff $1 + (C-1)\rho = 0$, that is $\rho = -1/(C-1)$: the simplex "
            r"alone attains it.",
            lambda: sympy.solve(1 + (C - 1) * RHO, RHO) == [-1 / (C - 1)],
        ),
        Step(
            rf"Attained by $W_C$: its size and its rank, by elimination, for $C = 2,\dots,{largest}$.",
            attained,
            "finite",
        ),
        Step(
            rf"The rank of $(1-\rho)I + \rho J$ is $C - 1$ at $\rho = -1/(C-1)$ and $C$ at $-1/(2C)$, 0 and 9/10, by "
            rf"elimination, for $C = 2,\dots,{largest}$.",
            no_less,
            "finite",
        ),
    ]


def fig_3(max_classes: int, degrees: Any = ("180", "120", "109.47"), widths: Any = (9, 9, 99)) -> list[Step]:
    """The angles of Fig. 3, and M_min of the paper's data sets."""
    cosines = [exact.distinct_gram(rows)[1][0] for rows in exact.recursion(4)]
    rounding = Fraction(5, 1000)

    def third() -> bool:
        # cos(90° + x) = −sin x: the angle is printed right iff sin(x − 0.005°) ≤ 1/3 < sin(x + 0.005°)
        x = Fraction(degrees[2]) - 90
        low, high = ([(x + shift) * p / 180 for p in exact.PI] for shift in (-rounding, rounding))
        below, above = exact.sin_bounds(low[0], low[1])[1], exact.sin_bounds(high[0], high[1])[0]
        return cosines[2] == Fraction(-1, 3) and below <= Fraction(1, 3) < above

    return [
        Step(
            r"$C = 2$: the inner product is $-1$, which is $\cos 180°$.",
            lambda: cosines[0] == -1 and sympy.cos(sympy.pi * int(degrees[0]) / 180) == -1,
            "finite",
        ),
        Step(
            r"$C = 3$: it is $-1/2$, which is $\cos 120°$.",
            lambda: (
                cosines[1] == Fraction(-1, 2) and sympy.cos(sympy.pi * int(degrees[1]) / 180) == -sympy.Rational(1, 2)
            ),
            "finite",
        ),
        Step(
            r"$C = 4$: it is $-1/3$, and $\arccos(-1/3)$ is $109.47°$ to two decimals, by rational bounds of "
            r"$\pi$ and $\sin$.",
            third,
            "finite",
        ),
        Step(
            r"$M_{min}$ is 9 for MNIST and CIFAR-10 and 99 for CIFAR-100.",
            lambda: tuple(widths) == (10 - 1, 10 - 1, 100 - 1),
            "finite",
        ),
    ]


CLAIMS = (
    Claim(
        "eq-7",
        "Eq. 5–7",
        "Eq. 7 has only the solution b = 0, for every C ≥ 2",
        PROVED,
        eq_7,
        (
            {"scale": lambda c: 1 / c},
            {"scale": lambda c: -1 / (c - 1)},
            {"least": 1},
            {"columns": lambda c: c},
        ),
        "The paper's restriction C > 2 is not needed.",
    ),
    Claim(
        "min-width",
        "Sec. 3",
        "M_min = C − 1: distinct unit vectors with equal angles need C − 1 dimensions",
        INCOMPLETE,
        min_width,
        (
            {"width": lambda c: c - 2},
            {"width": lambda c: c},
            {"below": 0},
            {"arrangement": ((1, 0, 0), (-1, 0, 0))},
        ),
        "True and proved here. The paper shows that its own W_C cannot be extended, not that no other arrangement fits "
        "in fewer dimensions. The lemma that it lacks: C distinct vectors with equal angles in R^(C−1) are W_C but for "
        "a rotation or reflection, as ρ is then −1/(C−1) and a Gram matrix leaves no more open; with it the paper's "
        "own step (eq-7) would do. Here the independence of the differences w_1 − w_j closes it at once. It is the "
        "width that makes equal angles possible, and says nothing of accuracy.",
    ),
    Claim(
        "fig-3",
        "Fig. 3, Sec. 5.2",
        "W_2, W_3 and W_4 have the equal angles 180°, 120° and 109.47°; M_min is 9, 9 and 99",
        VERIFIED,
        fig_3,
        ({"degrees": ("180", "120", "109.48")}, {"degrees": ("180", "90", "109.47")}, {"widths": (9, 9, 100)}),
        "The figure draws them; the text prints no angle.",
    ),
)
