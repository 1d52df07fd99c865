"""The claims of the paper, in the paper's order: source, statement, expected verdict, check.

A check is a function from constants to steps, with the paper's constants as defaults: a wrong constant must
make a step fail, and the tests see to it (`Claim.mutants`). The verdict found is computed from the steps,
never stated."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import sympy

from theory.proof import Checked, Step, check, equal, is_zero, positive

C = sympy.Symbol("C", integer=True, positive=True)

PROVED = "PROVED"
VERIFIED = "VERIFIED"
INCOMPLETE = "INCOMPLETE"
NOT_PROVED = "NOT PROVED"


@dataclass(frozen=True)
class Claim:
    """One claim.

    *Attributes*: `id`; `source`, the place in the paper; `statement`; `expected`, the verdict; `steps`, from
    constants (and the largest C of finite checks) to steps; `mutants`, changed constants under which a step
    must fail; `note`, what the paper's own argument lacks, if anything."""

    id: str
    source: str
    statement: str
    expected: str
    steps: Callable[..., Sequence[Step]]
    mutants: Sequence[dict[str, Any]]
    note: str = ""


@dataclass(frozen=True)
class Verdict:
    """A claim, its checked steps, and the verdict they give."""

    claim: Claim
    found: str
    steps: list[Checked] = field(default_factory=list)

    @property
    def as_expected(self) -> bool:
        """Whether the verdict found is the one expected."""
        return self.found == self.claim.expected


def judge(claim: Claim, max_classes: int = 64, **constants: Any) -> Verdict:
    """Check a claim: its expected verdict if every step holds, else `NOT PROVED`.

    *Arguments*: `claim`; `max_classes`, the largest C of finite checks; `constants`, to be put in place of
    the paper's."""
    steps = check(claim.steps(max_classes=max_classes, **constants))
    proved = bool(steps) and all(step.holds for step in steps)
    return Verdict(claim, claim.expected if proved else NOT_PROVED, steps)


Row = tuple[list[Fraction], Fraction]
"""A row of W_C: rational coefficients and the square of their common factor."""


def exact_rows(classes: int, shrink: Callable[[int], Fraction], inner: Callable[[int], Fraction]) -> list[Row]:
    """W_C by the recursion of Eq. 3, exactly: row i is `coefficients` · √`square`.

    *Arguments*: `classes`, C; `shrink`(c), the square of the factor of W_(c−1); `inner`(c), the new row's
    first c − 1 entries."""
    rows: list[Row] = [([Fraction(1), Fraction(-1)], Fraction(1))]
    for c in range(3, classes + 1):
        rows = [([*row, Fraction(0)], square * shrink(c)) for row, square in rows]
        rows.append(([inner(c)] * (c - 1) + [Fraction(1)], Fraction(1)))
    return rows


def exact_gram(rows: Sequence[Row]) -> list[list[Fraction]]:
    """The inner products of the columns: rational, because every row has one common root."""
    columns = range(len(rows[0][0]))
    return [[sum((q * row[i] * row[j] for row, q in rows), Fraction(0)) for j in columns] for i in columns]


def rank(matrix: Sequence[Sequence[Fraction]]) -> int:
    """Rank by Gaussian elimination over the rationals."""
    rows = [list(row) for row in matrix]
    found = 0
    for column in range(len(rows[0])):
        pivot = next((i for i in range(found, len(rows)) if rows[i][column]), None)
        if pivot is None:
            continue
        rows[found], rows[pivot] = rows[pivot], rows[found]
        head = rows[found]
        for i in range(found + 1, len(rows)):
            factor = rows[i][column] / head[column]
            if factor:
                rows[i] = [a - factor * b for a, b in zip(rows[i], head, strict=True)]
        found += 1
    return found


def _shrink(c: Any) -> Any:
    return ((c - 1) ** 2 - 1) / (c - 1) ** 2


def _inner(c: Any) -> Any:
    return -1 / (c - 1)


def _eq_4(max_classes: int, inner: Callable[[Any], Any] = _inner, shrink: Callable[[Any], Any] = _shrink) -> list[Step]:
    """Base and induction step of Eq. 4, then all of it exactly for C = 2 … `max_classes`."""

    def finite() -> bool:
        for classes in range(2, max_classes + 1):
            rows = exact_rows(classes, lambda c: Fraction(shrink(Fraction(c))), lambda c: Fraction(_inner(Fraction(c))))
            expected = Fraction(inner(Fraction(classes)))
            for i, line in enumerate(exact_gram(rows)):
                if any(value != (1 if i == j else expected) for j, value in enumerate(line)):
                    return False
        return True

    s, previous = shrink(C), inner(C - 1)
    return [
        Step(
            "Base: $W_2 = [1, -1]$ has $w_1^T w_2 = -1 = -1/(2-1)$.",
            lambda: is_zero(inner(sympy.Integer(2)) + 1),
        ),
        equal("Norm of an old column: $s^2 + 1/(C-1)^2 = 1$.", s + _inner(C) ** 2, 1),
        equal(
            "Two old columns: $s^2 \\cdot (-1/(C-2)) + 1/(C-1)^2 = -1/(C-1)$.",
            s * previous + _inner(C) ** 2,
            inner(C),
        ),
        equal("An old column and the new one: $-1/(C-1) \\cdot 1 = -1/(C-1)$.", _inner(C), inner(C)),
        positive("The factor is real: $s^2 > 0$ for $C \\ge 3$.", s, C, 3),
        Step(f"Exactly, entry by entry, for $C = 2, \\dots, {max_classes}$.", finite),
    ]


def _rank(max_classes: int, width: Callable[[Any], Any] = lambda c: c - 1) -> list[Step]:
    def finite() -> bool:
        return all(
            rank(exact_gram(exact_rows(c, lambda k: Fraction(_shrink(Fraction(k))), lambda k: Fraction(-1, k - 1))))
            == width(c)
            for c in range(2, min(max_classes, 24) + 1)
        )

    off = _inner(C)
    return [
        equal(
            "The Gram matrix $G$ takes $(1,\\dots,1)$ to 0: $1 + (C-1) \\cdot (-1/(C-1)) = 0$.",
            1 + (C - 1) * off,
            0,
        ),
        equal("It takes $e_1 - e_j$ to $C/(C-1)$ times itself: $1 + 1/(C-1) = C/(C-1)$.", 1 - off, C / (C - 1)),
        positive("That eigenvalue is not 0.", C / (C - 1), C, 2),
        equal("So the rank is the number of $j = 2, \\dots, C$, which is $C - 1$.", width(C), C - 1),
        Step(f"By elimination over the rationals for $C = 2, \\dots, {min(max_classes, 24)}$.", finite),
    ]


def _eq_7(max_classes: int, scale: Callable[[Any], Any] = lambda c: 1 / (c - 1), least: int = 2) -> list[Step]:
    """Eq. 7 as a linear system in b, for every C, then by elimination."""
    b, other, rest = sympy.symbols("b_i b_j r")
    # b_i − s(S − b_i) with S = b_i + b_j + r, r the sum of the others
    total = b + other + rest
    difference = (b - scale(C) * (total - b)) - (other - scale(C) * (total - other))
    last = (b - scale(C) * ((C - 1) * b - b)) + scale(C) * (C - 1) * b

    def finite() -> bool:
        for classes in range(least, min(max_classes, 24) + 1):
            size, s = classes - 1, Fraction(scale(Fraction(classes)))
            lines = [[Fraction(1) if i == j else -s for j in range(size)] for i in range(size)] + [[-s] * size]
            system = [[a - c for a, c in zip(line, lines[-1], strict=True)] for line in lines[:-1]]
            if rank(system) != size:
                return False
        return True

    return [
        equal(
            "The difference of two lines: $(1 + 1/(C-1))(b_i - b_j) = 0$.",
            difference,
            C / (C - 1) * (b - other),
        ),
        positive("Its factor $C/(C-1)$ is above 0, so all $b_i$ equal one $b$.", C / (C - 1), C, least),
        equal("Any line less the last is then $b \\cdot C/(C-1) = 0$.", last, C / (C - 1) * b),
        Step(f"Only b = 0, by elimination, for $C = {least}, \\dots, {min(max_classes, 24)}$.", finite),
    ]


def _min_width(max_classes: int, width: Callable[[Any], Any] = lambda c: c - 1) -> list[Step]:
    """The Gram matrix (1−ρ)I + ρJ of any C unit vectors with one common inner product ρ < 1."""
    rho = sympy.Symbol("rho", real=True)
    top, others = 1 + (C - 1) * rho, 1 - rho

    def attained() -> bool:
        found = []
        for classes in range(2, min(max_classes, 24) + 1):
            gram = [
                [Fraction(1) if i == j else Fraction(-1, classes - 1) for j in range(classes)] for i in range(classes)
            ]
            found.append(rank(gram) == width(classes))
        return all(found)

    return [
        equal("$G = (1-\\rho)I + \\rho J$ takes $e_1 - e_j$ to $(1-\\rho)$ times itself.", 1 - rho, others),
        equal("It takes $(1, \\dots, 1)$ to $1 + (C-1)\\rho$ times itself.", others + C * rho, top),
        Step(
            "Distinct unit vectors have $\\rho < 1$, so $1-\\rho \\ne 0$ and the rank, hence $M$, is at least $C-1$.",
            lambda: sympy.solveset(others, rho, sympy.S.Reals) == sympy.FiniteSet(1) and is_zero(width(C) - (C - 1)),
        ),
        Step(
            "The rank is $C - 1$ and not $C$ exactly at $\\rho = -1/(C-1)$.",
            lambda: sympy.solve(top, rho) == [-1 / (C - 1)],
        ),
        Step(f"Attained, by elimination, for $C = 2, \\dots, {min(max_classes, 24)}$.", attained),
    ]


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "eq-4", "Eq. 3–4", "W_C has unit columns with every inner product −1/(C−1), for every C ≥ 2", PROVED, _eq_4,
        ({"inner": lambda c: -1 / c}, {"shrink": lambda c: ((c - 1) ** 2 - 1) / c**2}, {"inner": lambda c: 1 / (c - 1)}),
    ),
    Claim(
        "rank", "Sec. 3", "W_C has rank C − 1", PROVED, _rank,
        ({"width": lambda c: c}, {"width": lambda c: c - 2}),
    ),
    Claim(
        "eq-7", "Eq. 5–7", "Eq. 7 has only the solution b = 0, for every C ≥ 2", PROVED, _eq_7,
        ({"scale": lambda c: 1 / c}, {"scale": lambda c: -1 / (c - 1)}, {"scale": lambda c: 0 * c - 1}),
    ),
    Claim(
        "min-width", "Sec. 3", "C distinct unit vectors with equal angles exist in R^M iff M ≥ C − 1 = M_min", INCOMPLETE,
        _min_width, ({"width": lambda c: c - 2}, {"width": lambda c: c}),
        note="The paper shows that its own W_C cannot be extended, not that no other arrangement fits in fewer dimensions.",
    ),
)  # fmt: skip
