"""Sections 1 and 2: what the paper says of softmax, of Eq. 1, and of the cost of W-Softmax."""

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import sympy

from theory import exact
from theory.claim import Claim
from theory.plane import ACUTE, ALPHA, COS, EAST, SIN, biased, pair, units
from theory.printed_tables import BATCHES
from theory.proof import CONDITIONAL, PROVED, VERIFIED, Step, above_zero, equal, is_positive, positive


def softmax_norms(
    max_classes: int, cosine: Any = "0.05", printed: Any = ((1, 52), (10, 73), (30, 95), (50, 99))
) -> list[Step]:
    """softmax([y_1, y_2]) at ‖x‖ = 1, 10, 30, 50 with cos θ = ±0.05, and 4096 units for 20 classes."""

    def rounds(norm: int, percent: int) -> bool:
        low, high = exact.exp_bounds(-2 * norm * Fraction(cosine))
        shares = 1 / (1 + high), 1 / (1 + low)
        half = Fraction(1, 200)
        return all(Fraction(percent, 100) - half <= share < Fraction(percent, 100) + half for share in shares)

    return [
        *(
            Step(
                rf"$\|x\| = {norm}$: $1/(1 + e^{{-2 \cdot {norm} \cdot 0.05}})$ rounds to 0.{percent}, by "
                rf"rational bounds of $e^x$.",
                partial(rounds, norm, percent),
                "finite",
                {"kind": "sigmoid", "x": exact.text(2 * norm * Fraction(cosine)), "percent": percent},
            )
            for norm, percent in printed
        ),
        Step(
            '4096 units for 20 classes are 204.8 times as many; "up to 200 times" is that, rounded to hundreds.',
            lambda: round(Fraction(4096, 20), -2) == 200,
            "finite",
        ),
    ]


def large_norm(max_classes: int, sign: int = 1, tie: Any = (1, 1), closer: int = 1) -> list[Step]:
    """ "Feature x with a large norm makes the Softmax loss decrease easily to zero, even if θ_1 is approximately equals
    to θ_2": of a feature with θ_1 < θ_2."""
    r, d, s = sympy.symbols("r d s", positive=True)
    others = sympy.Symbol("k", integer=True, positive=True)
    u, v = sympy.symbols("u v", real=True)
    x = [Fraction(value) for value in tie]
    return [
        Step(
            r"For unit weights without bias let $d_j = \cos\theta_c - \cos\theta_j$, and $d$ the least of them. The "
            r"loss at norm $r$ is $\log(1 + \sum_{j \ne c} e^{-r d_j}) \le \log(1 + (C-1)e^{-rd})$: it tends to 0 if "
            r"$d > 0$, however small $d$ is.",
            lambda: sympy.limit(sympy.log(1 + others * sympy.exp(-sign * r * d)), r, sympy.oo) == 0,
        ),
        Step(
            r"Only then: if one $d_j < 0$, its term alone makes the loss tend to infinity.",
            lambda: sympy.limit(sympy.log(1 + sympy.exp(sign * r * d)), r, sympy.oo) is sympy.oo,
        ),
        Step(
            r"Against it at a tie, $\theta_1 = \theta_2$: $w_c = (1, 0)$, $w_j = (0, 1)$, $x = r(1, 1)$ has $d = 0$ "
            r"and the loss $\log 2$ at every norm.",
            lambda: exact.dot(EAST, x) == exact.dot((Fraction(0), Fraction(1)), x),
            "counterexample",
            {"kind": "tie", "w_c": ["1", "0"], "w_j": ["0", "1"], "x": exact.texts(x)},
        ),
        equal(
            r"W-Softmax has $\theta'_j$ for $\theta_j$, and no more: its loss tends to 0 in the same way wherever "
            r"$\theta_c < \theta'_j$ for all $j$, however close. Of two classes with $w' \ne w_c$, $x = w_c + w' + "
            r"s(w_c - w')$ has for every $s > 0$ the positive $z_c - z' = s\|w_c - w'\|^2$. Coordinate by coordinate, "
            r"with $u$ of $w_c$ and $v$ of $w'$: $(u - v)(u + v + s(u - v)) = u^2 - v^2 + s(u-v)^2$, and $\sum u^2 = "
            r"\sum v^2 = 1$.",
            (u - v) * (u + v + closer * s * (u - v)),
            u**2 - v**2 + s * (u - v) ** 2,
        ),
    ]


def eq_1(max_classes: int, sign: int = 1, antipode: Any = -1) -> list[Step]:
    """w'_i "must fall into the included angle of w_c and w_i", and gets closer to w_c as α gets larger."""
    cot = (sign * ALPHA + COS) / SIN
    other = Fraction(antipode)
    return [
        equal(
            r"In the plane of $w_c = (1, 0)$ and $w_i = (\cos\theta, \sin\theta)$, $0 < \theta < \pi$, the vector "
            r"$\alpha w_c + w_i$ has "
            r"$n^2 = 1 + \alpha^2 + 2\alpha\cos\theta$.",
            (ALPHA + COS) ** 2 + SIN**2,
            1 + ALPHA**2 + 2 * ALPHA * COS,
        ),
        above_zero(r"It is above the axis, $\sin\theta > 0$, so $0 < \varphi < \pi$ and $n > 0$.", SIN),
        above_zero(
            r"$\cot\varphi - \cot\theta = \alpha/\sin\theta > 0$ and the cotangent falls on $(0, \pi)$, so "
            r"$\varphi < \theta$: within the angle.",
            cot - COS / SIN,
        ),
        above_zero(
            r"It is linear in $\alpha$ with the slope $1/\sin\theta > 0$, so $\varphi$ falls strictly as $\alpha$ "
            r"grows, and to 0.",
            sympy.diff(cot, ALPHA),
        ),
        equal(r"(The slope does not depend on $\alpha$.)", sympy.diff(cot, ALPHA, 2), 0),
        Step(
            r"Against it at $\theta = \pi$, $w_i = -w_c$: at $\alpha = 1/2$ it is $-w_c$, at $\alpha = 1$ it is "
            r"0/0, at $\alpha = 2$ it is $w_c$ itself, "
            r"so that $z'_i = z_c$ and with two classes the loss is the constant $\log 2$. For $C = 2$, $W_2 = "
            r"[1, -1]$ is the paper's own optimum.",
            lambda: (
                units([other])
                and 1 + other == 0
                and biased([Fraction(1)], [other], Fraction(2)) == [1]
                and biased([Fraction(1)], [other], Fraction(1, 2)) == [-1]
            ),
            "counterexample",
            {"kind": "antipode", "w_c": "1", "w_j": exact.text(other)},
        ),
    ]


def negatives(
    max_classes: int,
    x: Any = (7, 24),
    second: Any = (Fraction(527, 625), Fraction(336, 625)),
    share: Callable[[Any, Any], Any] = lambda negative, target: negative / (target + negative),
) -> list[Step]:
    """ "By increasing the probabilities of all the negative classes"."""
    feature = [Fraction(value) for value in x]
    u, v, f = sympy.symbols("u v f", real=True)
    target, negative = sympy.symbols("t s", positive=True)
    w_2 = [Fraction(value) for value in second]
    w_3 = [-value for value in w_2]

    def reciprocal(z_2: Fraction, z_3: Fraction) -> list[Fraction]:
        """Bounds of 1/p_2 for x = w_c."""
        terms = exact.exp_bounds(1 - z_2), exact.exp_bounds(z_3 - z_2)
        return [1 + sum(ends, Fraction(0)) for ends in zip(*terms, strict=True)]

    def one_falls() -> bool:
        pairs = [(w[0], biased(EAST, w, Fraction(1))[0]) for w in (w_2, w_3)]
        before, after = (reciprocal(*z) for z in zip(*pairs, strict=True))
        return units(w_2, w_3) and all(z < moved for z, moved in pairs) and before[1] < after[0]

    def cheaper() -> bool:
        z_c, z_j = exact.dot(EAST, feature), exact.dot(ACUTE, feature)
        return units(EAST, ACUTE) and z_c < z_j and exact.dot(biased(EAST, ACUTE, Fraction(1)), feature) < z_j

    return [
        equal(
            r"$z' - z_j = (w' - w_j)^T x$, and $\|x - w_j\|^2 - \|x - w'\|^2 = 2(w' - w_j)^T x$ for unit vectors: "
            r"the negative logit grows exactly where $x$ is "
            r"nearer to $w'$ than to $w_j$. Coordinate by coordinate, with $f$ of $x$, $u$ of $w'$, $v$ of $w_j$: "
            r"$(f-v)^2 - (f-u)^2 - 2(u-v)f = v^2 - u^2$, and $\sum u^2 = \sum v^2 = 1$.",
            (f - v) ** 2 - (f - u) ** 2 - 2 * (u - v) * f,
            v**2 - u**2,
        ),
        above_zero(
            r"Of all the negative classes together the probability is $1 - p_c = s/(t + s)$ with $t = e^{z_c}$, which "
            r"Eq. 1 leaves as it is, and $s = \sum_{j \ne c} e^{z'_j}$. Its derivative by $s$ is $t/(t+s)^2 > 0$: the "
            r"sum grows, and the loss $-\log p_c$ with it, wherever every negative logit grows.",
            sympy.diff(share(negative, target), negative),
        ),
        Step(
            r"Against it elsewhere: $w_c = (1,0)$, $w_j = (7/25, 24/25)$, $\alpha = 1$, $x = (7, 24)$ along "
            r"$w_j$: $z' = 20 < z_j = 25$, so a badly "
            r"misclassified sample costs less than with softmax.",
            cheaper,
            "counterexample",
            pair("misclassified", EAST, ACUTE, feature),
        ),
        Step(
            r"Against it class by class, even where every negative logit grows: $w_c = x = (1, 0)$, $w_2 = -w_3 = "
            r"(527/625, 336/625)$, $\alpha = 1$: $z_2$ and $z_3$ grow from $\pm 0.8432$ to 0.96 and 0.28, but the "
            r"probability of class 2 falls, from 0.425 to 0.393: its reciprocal $\sum_j e^{z_j - z_2}$ grows.",
            one_falls,
            "counterexample",
            {
                "kind": "probability-falls",
                "w_c": exact.texts(EAST),
                "others": [exact.texts(w_2), exact.texts(w_3)],
                "x": exact.texts(EAST),
                "alpha": "1",
            },
        ),
    ]


def parameters(max_classes: int, extra: Any = 0) -> list[Step]:
    """ "No extra trainable parameters compared with the conventional softmax loss"."""
    classes, width = sympy.symbols("C M", integer=True, positive=True)
    return [
        equal(
            r"Learned weights: $CM$ for both, and the conventional softmax has $C$ biases more. On the fixed "
            r"simplex: none.",
            (classes * width + classes) - (classes * width + extra),
            classes,
        ),
    ]


def efficiency(
    max_classes: int,
    factor: Callable[[Any, Any], Any] = lambda n, m: 2 + 3 / m + 2 / n,
    norms: int = 1,
    algorithm_1: Callable[[Any, Any], Any] = lambda n, c: 3 - 1 / c + 2 / n,
    cifar: tuple[int, int] = BATCHES["CIFAR-10"],
    faces: tuple[int, int] = BATCHES["LFW"],
) -> list[Step]:
    """ "Computationally very efficient in the training and optimization, just as the conventional Softmax loss"."""
    n, c, m, k = sympy.symbols("N C M k", integer=True, positive=True)
    more = sympy.Symbol("e", integer=True, nonnegative=True)  # N = k + e, as k = min(N, C)
    softmax = n * c * m
    gram, entries, normalised = k * c * m, k * c + n + n * c, 2 * c * m
    times = sympy.expand((softmax + gram + entries + normalised) / softmax)
    of_each_sample = m + 2 * (c - 1) * m + c * m  # αw_c; each norm and division of the others; the logits

    def at(setting: tuple[int, int], width: Any) -> Any:
        batch, classes = setting
        return times.subs({k: min(batch, classes), n: batch, c: classes, m: width})

    small, large = at(cifar, cifar[1] - 1), at(faces, m)
    return [
        positive(
            r"Multiplications forward: softmax $NCM$. W-Softmax through $n^2 = 1 + \alpha^2 + 2\alpha g$: as many for "
            r"the logits, $kCM$ for the $k = \min(N, C)$ rows of the Gram matrix that a batch can need, $kC + N + NC$ "
            r"for $2\alpha g$, $\alpha z_c$ and the divisions by $n$, and $2CM$ to normalise the weights. That is less "
            r"than $2 + 3/M + 2/N$ times as many: the same order.",
            (factor(n, m) - times).subs(n, k + more),
            (k, 1),
            (c, 2),
            (m, 1),
            (more, 0),
        ),
        positive(
            r"Numbers held, beyond the weights and their normalised copy of $CM$: $NC$ logits, and $kC \le NC$ norms "
            r"more: at most $2NC$ (less than $2NC + 1$), of 4 bytes each, where softmax holds $4NC$ bytes. Where the "
            r"loss takes float64, for weights near antipodes, and for any at $\alpha$ near 1 where it may not look, of "
            r"8, with copies of its inputs, $8(NM + CM)$.",
            (2 * n * c + 1 - (n * c + norms * k * c)).subs(n, k + more),
            (k, 1),
            (c, 2),
            (more, 0),
        ),
        equal(
            r"Algorithm 1 as printed builds $W_i$ for every sample: $NCM$ numbers, and $M$ multiplications for $\alpha "
            r"w_c$, $2(C-1)M$ for the norms and the divisions by them, $CM$ for the logits, with the $2CM$ of the "
            r"weights' own norms: $3 - 1/C + 2/N$ times softmax's, forward.",
            (n * of_each_sample + normalised) / softmax,
            algorithm_1(n, c),
            "against",
        ),
        Step(
            f"On CIFAR-10 as the paper trains (a batch of {cifar[0]}, {cifar[1]} classes, here with $M = "
            f"{cifar[1] - 1}$) the Gram rows are few: {float(small):.2f} times as many.",
            lambda: bool(1 < small < sympy.Rational(6, 5)),
            "finite",
        ),
        Step(
            f"Against “just as”, computed through $n^2 = 1 + \\alpha^2 + 2\\alpha g$: for LFW it trains on "
            f"{faces[1]:,} subjects, with batches of {faces[0]}. If their labels differ, ${faces[0]}$ Gram rows take "
            f"as many multiplications as the logits: more than twice as many in all, whatever $M$.",
            lambda: is_positive(large - 2, (m, 1)),
            "counterexample",
        ),
    ]


CLAIMS = (
    Claim(
        "norms",
        "Sec. 1",
        "softmax at ‖x‖ = 1, 10, 30, 50 with cos θ = ±0.05; up to 200 times as many units as classes (204.8)",
        VERIFIED,
        softmax_norms,
        ({"cosine": "0.06"}, {"printed": ((1, 53),)}, {"printed": ((30, 96),)}),
    ),
    Claim(
        "large-norm",
        "Sec. 1",
        "A feature with a large norm drives the softmax loss to 0, even if θ_1 is approximately equal to θ_2",
        CONDITIONAL,
        large_norm,
        ({"sign": -1}, {"tie": (2, 1)}, {"closer": -1}),
        "Where θ_1 < θ_2, as in the example from which the paper draws it, however close the two are; its conclusion "
        "does not repeat that. "
        "W-Softmax does the same at its own boundary, between w_c and w'_j: the problem is moved there, not solved.",
    ),
    Claim(
        "eq-1",
        "Eq. 1, Sec. 4.2",
        "w'_i lies within the angle of w_c and w_i, nearer to w_c as α grows",
        CONDITIONAL,
        eq_1,
        ({"sign": -1}, {"antipode": 1}),
        "Not for parallel weights: at w_i = w_c nothing moves; antipodes, the paper's own optimum for C = 2, give 0/0 "
        "at α = 1, w_c at α > 1.",
    ),
    Claim(
        "negatives",
        "Sec. 1",
        "W-Softmax increases the probabilities of all negative classes",
        CONDITIONAL,
        negatives,
        (
            {"x": (24, 7)},
            {"x": (1, 0)},
            {"second": ACUTE},
            {"share": lambda negative, target: target / (target + negative)},
        ),
        "Of all of them together, 1 − p_c, it is true wherever every negative logit grows, that is where x is nearer "
        "to every w'_j than to w_j: (w'_j − w_j)·x > 0; for two classes exactly there. Not class by class: of three or "
        "more, one can fall even there.",
    ),
    Claim(
        "parameters",
        "Sec. 1",
        "W-Softmax has no extra trainable parameters",
        PROVED,
        parameters,
        ({"extra": sympy.Symbol("C")},),
    ),
    Claim(
        "efficiency",
        "Sec. 1",
        "W-Softmax is as efficient as softmax",
        CONDITIONAL,
        efficiency,
        (
            {"factor": lambda n, m: 1 + 3 / m + 2 / n},
            {"factor": lambda n, m: 2},
            {"norms": 2},
            {"algorithm_1": lambda n, c: 3 - 1 / c},
            {"cifar": (256, 256)},
            {"faces": (128, 10)},
        ),
        "Within a constant factor: forward, less than 2 + 3/M + 2/N times as many multiplications; about twice where a "
        "batch has fewer samples than there are classes, few more where it has many times as many, and three times by "
        "Algorithm 1 as printed. On the fixed simplex there are no Gram rows, as all norms are one constant. (Counts "
        "of these two ways to compute it, not a bound for all; the backward pass is not counted. What it takes by the "
        "clock is measured: loss-speed.)",
    ),
)
