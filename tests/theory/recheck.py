"""Check the evidence that ``python -m theory.verify --json FILE`` writes, with the standard library's rationals alone.

python tests/theory/recheck.py FILE: exit status 0 if every piece of evidence holds. Shares no code with the package.
"""

import json
import math
import sys
from fractions import Fraction as F


def vector(texts):
    return [F(text) for text in texts]


def dot(u, v):
    assert len(u) == len(v)
    return sum(a * b for a, b in zip(u, v, strict=True))


def rational_root(value):
    top, bottom = math.isqrt(value.numerator), math.isqrt(value.denominator)
    assert (top * top, bottom * bottom) == (value.numerator, value.denominator)
    return F(top, bottom)


def triple(evidence):
    """w_c, w_j, x and the biased w' (Eq. 1), after seeing that the weights are unit vectors."""
    w_c, w_j, x = (vector(evidence[name]) for name in ("w_c", "w_j", "x"))
    assert dot(w_c, w_c) == dot(w_j, w_j) == 1
    alpha = F(evidence["alpha"])
    moved = [alpha * a + b for a, b in zip(w_c, w_j, strict=True)]
    norm = rational_root(dot(moved, moved))
    return w_c, w_j, x, [value / norm for value in moved]


def simplex(e):
    classes, inner = e["C"], F(e["inner"])
    assert len(e["rows"]) == classes - 1
    assert inner == F(-1, classes - 1)
    rows = [(F(row["square"]), vector(row["coefficients"])) for row in e["rows"]]
    for i in range(classes):
        for j in range(classes):
            assert sum(q * row[i] * row[j] for q, row in rows) == (1 if i == j else inner)


def equal_inner_products(e):
    vectors = [vector(texts) for texts in e["vectors"]]
    for i, u in enumerate(vectors):
        for j, v in enumerate(vectors):
            assert dot(u, v) == (1 if i == j else F(e["inner"]))


def sigmoid(e):
    """1/(1 + e^−x) rounds to percent/100: e^x between (1 − high)/high … by partial sums of its series from below."""
    x, percent = F(e["x"]), e["percent"]
    term = total = F(1)
    for n in range(1, 60):
        term *= x / n
        total += term
    low, high = total, total + 2 * term  # x < 30, so the terms from the 60th on at least halve
    assert x < 29
    for power in (low, high):
        assert F(2 * percent - 1, 200) <= power / (1 + power) < F(2 * percent + 1, 200)


def tie(e):
    w_c, w_j, x = (vector(e[name]) for name in ("w_c", "w_j", "x"))
    assert dot(w_c, w_c) == dot(w_j, w_j) == 1
    assert w_c != w_j
    assert dot(w_c, x) == dot(w_j, x)


def antipode(e):
    assert F(e["w_c"]) ** 2 == F(e["w_j"]) ** 2 == 1
    assert F(e["w_c"]) + F(e["w_j"]) == 0


def sum_of_angles(e):
    _, w_j, x, moved = triple(e)
    assert dot(x, x) == 1
    a, b = dot(moved, x), dot(moved, w_j)
    assert dot(w_j, x) != a * b - rational_root(1 - a * a) * rational_root(1 - b * b)


def inverted(e):
    w_c, w_j, x, moved = triple(e)
    assert dot(moved, x) < dot(w_c, x) <= dot(w_j, x)


def chain(e):
    w_c, w_j, x, moved = triple(e)
    assert dot(w_c, x) > dot(w_j, x) >= dot(moved, x)


def cheaper(e):
    _, w_j, x, moved = triple(e)
    assert dot(moved, x) < dot(w_j, x)


def accuracies(e):
    p, q = F(e["one"], 10_000), F(e["other"], 10_000)
    assert ((p - q) ** 2 * e["images"] > 4 * (p * (1 - p) + q * (1 - q))) is e["exceeds"]


KINDS = {
    "simplex": simplex,
    "equal-inner-products": equal_inner_products,
    "sigmoid": sigmoid,
    "tie": tie,
    "antipode": antipode,
    "sum-of-angles": sum_of_angles,
    "inverted": inverted,
    "chain": chain,
    "cheaper": cheaper,
    "accuracies": accuracies,
}


def recheck(claims):
    """Check all evidence; returns how many pieces there are, and the texts of the steps whose evidence fails."""
    count, failures = 0, []
    for claim in claims:
        for step in claim["steps"]:
            if "evidence" in step:
                count += 1
                try:
                    KINDS[step["evidence"]["kind"]](step["evidence"])
                except (AssertionError, KeyError, ValueError, ArithmeticError):
                    failures.append(f"{claim['id']}: {step['text']}")
    return count, failures


def main(arguments):
    with open(arguments[0], encoding="utf-8") as stream:
        count, failures = recheck(json.load(stream))
    print(f"{count} pieces of evidence, {len(failures)} fail", *failures, sep="\n")
    return 1 if failures or not count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
