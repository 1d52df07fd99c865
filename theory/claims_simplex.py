"""Section 3: equal angles, and the simplex that has them (Eq. 2–4)."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import sympy

from theory import exact
from theory.claim import Claim
from theory.exact import paper_inner, paper_shrink
from theory.proof import CONDITIONAL, PROVED, Step, equal, is_zero, positive

C = sympy.Symbol("C", integer=True, positive=True)
ROW = sympy.Symbol("i", integer=True, positive=True)
RHO = sympy.Symbol("rho", real=True)

ELIMINATED = 64
"""Largest C whose ranks are found by elimination."""

MULTIPLIED = 24
"""Largest C whose columns are multiplied in full: it costs C³ rationals."""

Function = Callable[[Any], Any]


def gram_eigenvalues() -> list[Step]:
    """(1 − ρ)I + ρJ has the eigenvalue 1 − ρ on e_1 − e_j and 1 + (C − 1)ρ on the vector of ones."""
    return [
        Step(
            r"The Gram matrix $G = (1-\rho)I + \rho J$ takes $e_1 - e_j$ to $(1-\rho)(e_1 - e_j)$: row 1 gives "
            r"$1 - \rho$, row $j$ gives $\rho - 1$, every other row $\rho - \rho = 0$; $C = 3$ has a row of each kind.",
            lambda: (
                sympy.Matrix([[1, RHO, RHO], [RHO, 1, RHO], [RHO, RHO, 1]]) * sympy.Matrix([1, -1, 0])
                == sympy.Matrix([1 - RHO, RHO - 1, 0])
            ),
        ),
        equal(
            r"$G$ takes $(1,\dots,1)$ to $(1 + (C-1)\rho)(1,\dots,1)$: $(1-\rho) + C\rho = 1 + (C-1)\rho$.",
            (1 - RHO) + C * RHO,
            1 + (C - 1) * RHO,
        ),
    ]


def independent_differences(width: Function) -> list[Step]:
    """C distinct unit vectors with one common inner product span C − 1 dimensions at least, as `width`(C) differences
    of them are independent."""
    a, total = sympy.symbols("a S")
    return [
        equal(
            r"Let $C$ distinct unit vectors have one common inner product $\rho$; then $\rho < 1$. The $C - 1$ "
            r"differences $d_j = w_1 - w_j$ have $d_j^T d_k = 1 - \rho - \rho + \rho = 1 - \rho$ for $j \ne k$, and "
            r"$d_j^T d_j = 2 - 2\rho$: with $S = \sum_j a_j$, $d_k^T \sum_j a_j d_j = (1-\rho)(S - a_k) + (2-2\rho)a_k "
            r"= (1-\rho)(S + a_k)$.",
            (1 - RHO - RHO + RHO) * (total - a) + (1 - RHO - RHO + 1) * a,
            (1 - RHO) * (total + a),
        ),
        equal(
            r"If $\sum_j a_j d_j = 0$, every $a_k = -S$: all are one $a$, and $S + a = (C-1)a + a = Ca$ is 0, so $a = "
            r"0$. The differences are independent, and $M \ge C - 1$: whatever the arrangement.",
            width(C) * a + a,
            C * a,
        ),
    ]


def equal_angles_exist(
    max_classes: int, width: Function = lambda c: c - 1, vectors: Any = ((1,), (1,), (1,))
) -> list[Step]:
    """Eq. 2 has a solution if, and only if, M ≥ C − 1."""
    columns = [[Fraction(x) for x in v] for v in vectors]

    def coincident() -> bool:
        inner = {exact.dot(u, v) for n, u in enumerate(columns) for v in columns[:n]}
        units = all(exact.dot(u, u) == 1 for u in columns)
        return units and len(inner) == 1 and len(columns[0]) < len(columns) - 1

    return [
        Step(
            r"Against it as printed: $w_1 = w_2 = w_3 = (1)$ are unit vectors in $\mathbb{R}^1$ and solve Eq. 2, "
            r"all inner products "
            r"being 1; but $1 < C - 1 = 2$. Coincident vectors solve it in every $M$ and for every $C$.",
            coincident,
            "counterexample",
            {"kind": "equal-inner-products", "vectors": [exact.texts(v) for v in columns], "inner": "1"},
        ),
        *independent_differences(width),
        equal(
            r"In $\mathbb{R}^{C-1}$, and so in every larger $M$, the simplex $W_C$ solves it (eq-4): its Gram matrix, "
            r"$\rho = -1/(C-1)$, takes $(1,\dots,1)$ to $1 + (C-1)\rho = 0$, so that its rank is no more than $C - 1$.",
            1 + (C - 1) * paper_inner(C),
            0,
        ),
    ]


def equal_angles_are_optimal(max_classes: int, best: Function = paper_inner, other: Any = 0) -> list[Step]:
    """The distribution is optimal when the angle between any two weight vectors is a constant value."""
    basis = [[Fraction(int(i == j)) for j in range(4)] for i in range(4)]

    def orthonormal() -> bool:
        inner = {exact.dot(u, v) for n, u in enumerate(basis) for v in basis[:n]}
        return inner == {Fraction(other)} and Fraction(other) > Fraction(-1, 3)

    largest = sympy.Symbol("m", real=True)
    return [
        Step(
            r"Against it: an orthonormal basis of $\mathbb{R}^4$ has equal angles, $\rho = 0$, and four classes "
            r"can have $-1/3$: "
            r"$90°$ against $109.47°$.",
            orthonormal,
            "counterexample",
            {"kind": "equal-inner-products", "vectors": [exact.texts(v) for v in basis], "inner": "0"},
        ),
        *gram_eigenvalues(),
        equal(
            r"Rank: $1 + (C-1)\rho$ is 0 at $\rho = -1/(C-1)$ only, so in $M = C-1$ the simplex is the only "
            r"solution of distinct vectors, "
            r"and from $M = C$ on every $\rho \in [-1/(C-1), 1)$ is one: infinitely many.",
            sympy.Add(*sympy.solve(1 + (C - 1) * RHO, RHO)),
            best(C),
        ),
        equal(
            r"The simplex bound: $0 \le \|\sum_j w_j\|^2 \le C + C(C-1)m$ with $m$ the largest inner product; it "
            r"is 0 at "
            r"$m = -1/(C-1)$.",
            (C + C * (C - 1) * largest).subs(largest, best(C)),
            0,
        ),
        positive(
            r"It grows with $m$, so $m \ge -1/(C-1)$ always, with equality iff all inner products are equal and "
            r"$\sum_j w_j = 0$.",
            sympy.diff(C + C * (C - 1) * largest, largest),
            (C, 2),
        ),
    ]


def eq_4(max_classes: int, inner: Function = paper_inner, shrink: Function = paper_shrink) -> list[Step]:
    """Eq. 4 by induction on Eq. 3, then exactly."""

    def finite() -> bool:
        for classes, rows in enumerate(exact.recursion(max_classes, shrink), 2):
            norms, found = exact.distinct_gram(rows)
            if set(norms) != {1} or set(found) != {Fraction(inner(Fraction(classes)))}:
                return False
        return True

    def dense() -> bool:
        for classes, rows in enumerate(exact.recursion(min(max_classes, MULTIPLIED), shrink), 2):
            expected = Fraction(inner(Fraction(classes)))
            for i, line in enumerate(exact.gram(rows)):
                if any(value != (1 if i == j else expected) for j, value in enumerate(line)):
                    return False
        return True

    ten = list(exact.recursion(10, shrink))[-1]
    evidence = {
        "kind": "simplex",
        "C": 10,
        "inner": exact.text(Fraction(inner(Fraction(10)))),
        "rows": [{"square": exact.text(q), "coefficients": exact.texts(row)} for row, q in ten],
    }
    s = shrink(C)
    return [
        Step(
            r"Base: $W_2 = [1, -1]$, of norms 1, has $w_1^T w_2 = -1 = -1/(2-1)$.",
            lambda: is_zero(inner(sympy.Integer(2)) + 1),
        ),
        equal(
            r"Step, an old column's norm: $s^2 \cdot 1 + 1/(C-1)^2 = 1$ with $s^2 = ((C-1)^2-1)/(C-1)^2$.",
            s + paper_inner(C) ** 2,
            1,
        ),
        equal(
            r"Step, two old columns: $s^2 \cdot (-1/(C-2)) + 1/(C-1)^2 = -1/(C-1)$.",
            s * inner(C - 1) + paper_inner(C) ** 2,
            inner(C),
        ),
        equal(
            r"Step, an old column and the new one, which is 0 but for a last entry of 1, and so of norm 1: $s \cdot 0 "
            r"+ (-1/(C-1)) \cdot 1 = -1/(C-1)$.",
            paper_inner(C),
            inner(C),
        ),
        positive(r"The root is real: $s^2 > 0$ for $C \ge 3$.", s, (C, 3)),
        Step(
            rf"Every inner product of $W_C$ built by the recursion, in exact rationals, for $C = "
            rf"2,\dots,{max_classes}$.",
            finite,
            "finite",
        ),
        Step(
            rf"The same by full products of the columns, for $C = 2,\dots,{min(max_classes, MULTIPLIED)}$.",
            dense,
            "finite",
            evidence,
        ),
    ]


def closed_form(max_classes: int, square: Function = lambda i: i * C / ((i + 1) * (C - 1))) -> list[Step]:
    """Entries, W Wᵀ, Σ w_j and distances of W_C, for every C."""
    t2 = square(ROW)
    return [
        equal(
            r"The root of row $i$ starts at 1, when $C = i + 1$: $t_i^2 = iC/((i+1)(C-1)) = 1$.", t2.subs(C, ROW + 1), 1
        ),
        equal(
            r"and each step multiplies it by $s^2$: $t_i^2(C)/t_i^2(C-1) = C(C-2)/(C-1)^2$ (the product "
            r"telescopes). So row $i$ of $W_C$ is "
            r"$(-t_i/i, \dots, -t_i/i, t_i, 0, \dots, 0)$ for every $C$, the first row's sign turned.",
            t2 / t2.subs(C, C - 1),
            paper_shrink(C),
        ),
        equal(
            r"These are the rows of $-\sqrt{C/(C-1)} \cdot$ Helmert: $t_i^2 = \frac{C}{C-1} \cdot "
            r"\frac{i^2}{i(i+1)}$, so "
            r"$W_C = D \cdot (-\sqrt{C/(C-1)}\,H)$, $D = \operatorname{diag}(-1, 1, \dots, 1)$.",
            t2,
            C / (C - 1) * ROW**2 / (ROW * (ROW + 1)),
        ),
        equal(r"Every row sums to 0, $i \cdot (-1/i) + 1 = 0$, so $\sum_j w_j = 0$.", ROW * (-1 / ROW) + 1, 0),
        equal(
            r"Rows are orthogonal (a later row is constant where an earlier one lives), and each has the norm² "
            r"$t_i^2 (i/i^2 + 1) = C/(C-1)$, so $W_C W_C^T = \frac{C}{C-1} I$ and the rank is $C - 1$.",
            t2 * (ROW / ROW**2 + 1),
            C / (C - 1),
        ),
        equal(
            r"The distance of two columns is $\sqrt{2 - 2 \cdot (-1/(C-1))} = \sqrt{2C/(C-1)}$.",
            2 - 2 * paper_inner(C),
            2 * C / (C - 1),
        ),
        Step(
            r"The rank is $C - 1$, by elimination, for $C = 2,\dots," + f"{min(max_classes, ELIMINATED)}$.",
            lambda: all(
                exact.rank([row for row, _ in rows]) == c - 1  # the roots of a row are not 0
                for c, rows in enumerate(exact.recursion(min(max_classes, ELIMINATED)), 2)
            ),
            "finite",
        ),
    ]


CLAIMS = (
    Claim(
        "optimal",
        "Sec. 3",
        "Weight vectors with equal angles between them are distributed optimally",
        CONDITIONAL,
        equal_angles_are_optimal,
        ({"best": lambda c: -1 / c}, {"other": Fraction(-1, 3)}, {"best": lambda c: 1 / (c - 1)}),
        "From M = C − 1 on the optimum is the common inner product −1/(C−1) and no other. In M = C − 1 it is the only "
        "one that distinct vectors can have; from M = C on, infinitely many others solve Eq. 2. Below it no distinct "
        "vectors have equal angles, so from M = 2 on the optimum has unequal ones (the square, for C = 4 and M = 2).",
    ),
    Claim(
        "eq-2",
        "Sec. 3, Eq. 2",
        "Eq. 2 has a solution iff M ≥ C − 1",
        CONDITIONAL,
        equal_angles_exist,
        ({"width": lambda c: c - 2}, {"vectors": ((1,), (1,))}, {"vectors": ((1,), (-1,), (1,))}),
        "True for distinct vectors. As printed, coincident vectors solve it in any M.",
    ),
    Claim(
        "eq-4",
        "Eq. 3–4",
        "W_C has unit columns with every inner product −1/(C−1), for every C ≥ 2",
        PROVED,
        eq_4,
        (
            {"inner": lambda c: -1 / c},
            {"shrink": lambda c: ((c - 1) ** 2 - 1) / c**2},
            {"inner": lambda c: 1 / (c - 1)},
        ),
    ),
    Claim(
        "closed-form",
        "Eq. 3",
        "W_C in closed form: a scaled Helmert matrix of rank C − 1, W Wᵀ = C/(C−1) I, Σ w_j = 0",
        PROVED,
        closed_form,
        ({"square": lambda i: i * C / ((i + 2) * (C - 1))}, {"square": lambda i: i * C / ((i + 1) * C)}),
        "The rank is the paper's, of its Assumption 1; the closed form is not in the paper.",
    ),
)
