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


def biased(w_c, w_j, alpha):
    """w' of Eq. 1, after seeing that the weights are unit vectors."""
    assert dot(w_c, w_c) == dot(w_j, w_j) == 1
    moved = [alpha * a + b for a, b in zip(w_c, w_j, strict=True)]
    norm = rational_root(dot(moved, moved))
    return [value / norm for value in moved]


def triple(evidence):
    """w_c, w_j, x and the biased w'."""
    w_c, w_j, x = (vector(evidence[name]) for name in ("w_c", "w_j", "x"))
    assert F(evidence["alpha"]) > 0
    return w_c, w_j, x, biased(w_c, w_j, F(evidence["alpha"]))


def power(x):
    """Rationals around e^x, |x| < 29: partial sums of its series, for x < 0 of that of −x."""
    assert abs(x) < 29
    term = total = F(1)
    for n in range(1, 60):
        term *= abs(x) / n
        total += term
    low, high = total, total + 2 * term  # the terms from the 60th on at least halve
    return (low, high) if x >= 0 else (1 / high, 1 / low)


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
    """1/(1 + e^−x) rounds to percent/100."""
    for high in power(F(e["x"])):
        assert F(2 * e["percent"] - 1, 200) <= high / (1 + high) < F(2 * e["percent"] + 1, 200)


def tie(e):
    w_c, w_j, x = (vector(e[name]) for name in ("w_c", "w_j", "x"))
    assert dot(w_c, w_c) == dot(w_j, w_j) == 1
    assert w_c != w_j
    assert dot(x, x) > 0
    assert dot(w_c, x) == dot(w_j, x)


def antipode(e):
    """Below α = 1 Eq. 1 moves w_j nowhere, at 1 it is 0/0, above it gives w_c."""
    w_c, w_j = [F(e["w_c"])], [F(e["w_j"])]
    for alpha in (F(1, 4), F(1, 2)):
        assert biased(w_c, w_j, alpha) == w_j
    assert w_c[0] + w_j[0] == 0
    assert biased(w_c, w_j, F(2)) == w_c


def sum_of_angles(e):
    """Right in training, and θ_j is not θ'_j + θ(w'_j, w_j)."""
    w_c, w_j, x, moved = triple(e)
    assert dot(x, x) == 1
    a, b = dot(moved, x), dot(moved, w_j)
    assert a < dot(w_c, x)
    assert dot(w_j, x) != a * b - rational_root(1 - a * a) * rational_root(1 - b * b)


def inverted(e):
    """Right in training, wrong at test."""
    w_c, w_j, x, moved = triple(e)
    assert dot(moved, x) < dot(w_c, x) <= dot(w_j, x)


def arc(e):
    """At 90° and α = 1, −x = w_c + y w_j is right in training from y = n − α on, which is tan 22.5°, to 45°."""
    w_c, w_j, alpha = vector(e["w_c"]), vector(e["w_j"]), F(e["alpha"])
    assert dot(w_c, w_c) == dot(w_j, w_j) == 1
    assert dot(w_c, w_j) == 0
    a, b = vector(e["tangent"])  # of a + b√2 > 0
    assert b > 0
    assert a * a < 2 * b * b
    assert (a * a + 2 * b * b, 2 * a * b) == (1 - 2 * a, -2 * b)  # tan 45° = 2t/(1 − t²) = 1
    assert ((a + alpha) ** 2 + 2 * b * b, 2 * (a + alpha) * b) == (1 + alpha * alpha, 0)  # t + α = n


def weaker(e):
    """Right in training, and wrong at α = 0."""
    w_c, w_j, x, moved = triple(e)
    assert dot(moved, x) < dot(w_c, x) <= dot(w_j, x)


def chain(e):
    """On its own side, right in training and at test, and z_j ≥ z' all the same."""
    w_c, w_j, x, moved = triple(e)
    assert dot(w_c, x) > 0
    assert dot(w_c, x) > dot(w_j, x) >= dot(moved, x)


def cheaper(e):
    """On the boundary of test, where the loss is smaller than softmax's."""
    w_c, w_j, x, moved = triple(e)
    assert w_c != w_j
    assert dot(w_c, x) == dot(w_j, x) > dot(moved, x)


def misclassified(e):
    """Wrong at test, and the loss is smaller than softmax's."""
    w_c, w_j, x, moved = triple(e)
    assert dot(w_c, x) < dot(w_j, x)
    assert dot(moved, x) < dot(w_j, x)


def probability_falls(e):
    """Every negative logit grows, and the probability of the first of these classes falls."""
    w_c, x, alpha = vector(e["w_c"]), vector(e["x"]), F(e["alpha"])
    others = [vector(texts) for texts in e["others"]]
    before = [dot(w, x) for w in others]
    after = [dot(biased(w_c, w, alpha), x) for w in others]
    assert all(z < moved for z, moved in zip(before, after, strict=True))

    def reciprocal(logits, end):
        return sum(power(z - logits[0])[end] for z in [dot(w_c, x), *logits])

    assert reciprocal(before, 1) < reciprocal(after, 0)


def farther(e):
    """At a given norm the loss of two classes is least along w_c − w'; the larger α has that direction farther from
    w_c."""
    w_c, w_j = vector(e["w_c"]), vector(e["w_j"])
    assert F(e["alphas"][0]) < F(e["alphas"][1])
    cosines = []
    for alpha in e["alphas"]:
        best = [a - b for a, b in zip(w_c, biased(w_c, w_j, F(alpha)), strict=True)]
        assert dot(w_c, best) > 0
        cosines.append(dot(w_c, best) ** 2 / dot(best, best))
    assert cosines[0] > cosines[1]


def shared(e):
    """One feature is right in training for every class, and has one logit for all at test."""
    weights, x, alpha = [vector(texts) for texts in e["weights"]], vector(e["x"]), F(e["alpha"])
    assert len({dot(w, x) for w in weights}) == 1
    for i, w_c in enumerate(weights):
        for j, w_j in enumerate(weights):
            assert i == j or dot(biased(w_c, w_j, alpha), x) < dot(w_c, x)


def close(e):
    """Two features of one norm, each right in training for its class, closer than the margin θ − φ of α = 1."""
    w_c, w_j, alpha = vector(e["w_c"]), vector(e["w_j"]), F(e["alpha"])
    one, other = map(vector, e["x"])
    moved = biased(w_c, w_j, alpha)
    assert alpha == 1  # so that θ − φ = φ
    assert dot(moved, one) < dot(w_c, one)
    assert dot(moved, other) < dot(w_j, other)
    assert dot(one, one) == dot(other, other)
    assert dot(one, other) / dot(one, one) > dot(w_c, moved)


def close_on_the_simplex(e):
    """Two features by their logits, whose Gram matrix on the simplex is a multiple of their own: right in training for
    the first and the second class, and closer than the margin θ − φ of α = 1 in the plane of two weights."""
    one, other = map(vector, e["logits"])
    alpha, inner = F(e["alpha"]), F(-1, len(one) - 1)
    assert alpha == 1  # so that θ − φ = φ
    assert sum(one) == sum(other) == 0
    norm = rational_root(1 + alpha**2 + 2 * alpha * inner)
    assert all(z < (norm - alpha) * one[0] for z in one[1:])
    assert all(z < (norm - alpha) * other[1] for z in [other[0], *other[2:]])
    assert dot(one, one) == dot(other, other)
    assert dot(one, other) / dot(one, one) == F(e["cosine"]) > (alpha + inner) / norm


def compact(e):
    """Every angle to w of the one class is larger than every one of the other, and its variance is smaller."""
    w, classes = vector(e["w"]), [list(map(vector, e[name])) for name in ("one", "other")]
    assert dot(w, w) == 1
    cosines = [[dot(w, x) / rational_root(dot(x, x)) for x in each] for each in classes]
    assert max(cosines[0]) < min(cosines[1])
    variances = []
    for each in classes:
        centre = [sum(entries) / len(each) for entries in zip(*each, strict=True)]
        variances.append(sum(dot(x, x) for x in each) / len(each) - dot(centre, centre))
    assert variances == vector(e["variances"])
    assert variances[0] < variances[1]


def bias(e):
    """With x = 0 softmax with the bias (log odds, 0) gives p_1 = odds/(odds + 1); without a bias it is 1/2."""
    odds, share = F(e["odds"]), F(e["share"])
    assert odds > 0
    assert odds / (odds + 1) == share != F(1, 2)


def norms(e):
    """Weights whose logits differ, and those of their directions do not."""
    w_c, w_j, x, told = (vector(e[name]) for name in ("w_c", "w_j", "x", "logits"))
    logits = [dot(w, x) for w in (w_c, w_j)]
    assert logits == told
    assert logits[0] != logits[1]
    one, other = (logit / rational_root(dot(w, w)) for logit, w in zip(logits, (w_c, w_j), strict=True))
    assert one == other


def free_direction(e):
    """x_c = w_c + tu, u at right angles to the four weights of a simplex: right in training, and ever closer."""
    inner, alpha, told = F(e["inner"]), F(e["alpha"]), vector(e["logits"])
    assert inner == F(-1, 3)
    assert 1 + alpha * alpha + 2 * alpha * inner == 1  # n²
    assert told == [1, alpha + inner]
    assert told[1] < told[0]
    lengths, cosines = vector(e["lengths"]), vector(e["cosines"])
    assert cosines == [(t * t + inner) / (t * t + 1) for t in lengths]
    assert F(1, 2) < cosines[0] < cosines[1] < 1


def accuracies(e):
    """`one` above `other` by more than two standard errors, or the two within them."""
    p, q = F(e["one"], 10_000), F(e["other"], 10_000)
    assert 0 < p < 1
    assert 0 < q < 1
    square = 4 * (p * (1 - p) / e["images"] + q * (1 - q) / e["images_of_other"])
    assert (p - q) ** 2 > square if e["exceeds"] else (p - q) ** 2 <= square
    assert p > q or not e["exceeds"]


KINDS = {
    "simplex": simplex,
    "equal-inner-products": equal_inner_products,
    "sigmoid": sigmoid,
    "tie": tie,
    "antipode": antipode,
    "sum-of-angles": sum_of_angles,
    "inverted": inverted,
    "arc": arc,
    "weaker": weaker,
    "chain": chain,
    "cheaper": cheaper,
    "misclassified": misclassified,
    "probability-falls": probability_falls,
    "farther": farther,
    "shared": shared,
    "close": close,
    "close-on-the-simplex": close_on_the_simplex,
    "compact": compact,
    "bias": bias,
    "norms": norms,
    "free-direction": free_direction,
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
