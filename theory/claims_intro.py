"""Sections 1 and 2: what the paper says of softmax, of Eq. 1, and of the cost of W-Softmax."""

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import sympy

from theory import exact
from theory.claim import Claim
from theory.plane import ACUTE, ALPHA, COS, EAST, SIN, biased, pair, units
from theory.proof import CONDITIONAL, PROVED, VERIFIED, Step, above_zero, equal


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
            '4096 units for 20 classes are 204.8 times as many; "up to 200 times" is that, rounded.',
            lambda: 200 <= Fraction(4096, 20) < 210,
            "finite",
        ),
    ]


def large_norm(max_classes: int, sign: int = 1, tie: Any = (1, 1)) -> list[Step]:
    """ "Feature x with a large norm makes the Softmax loss decrease easily to zero"."""
    r, d = sympy.symbols("r d", positive=True)
    x = [Fraction(value) for value in tie]
    return [
        Step(
            r"For unit weights without bias let $d_j = \cos\theta_c - \cos\theta_j$. The loss at norm $r$ is $\log(1 + "
            r"\sum_{j \ne c} e^{-r d_j}) \le \sum_{j \ne c} e^{-r d_j}$, "
            r"and $e^{-rd} \to 0$ if $d > 0$: it tends to 0 if the class is strictly the closest.",
            lambda: sympy.limit(sympy.exp(-sign * r * d), r, sympy.oo) == 0,
        ),
        Step(
            r"If one $d_j < 0$, its term alone makes the loss tend to infinity.",
            lambda: sympy.limit(sympy.log(1 + sympy.exp(sign * r * d)), r, sympy.oo) is sympy.oo,
        ),
        Step(
            r"Against it for a tie: $w_c = (1, 0)$, $w_j = (0, 1)$, $x = r(1, 1)$ has $d = 0$ and the loss "
            r"$\log 2$ at every norm.",
            lambda: exact.dot(EAST, x) == exact.dot((Fraction(0), Fraction(1)), x),
            "counterexample",
            {"kind": "tie", "w_c": ["1", "0"], "w_j": ["0", "1"], "x": exact.texts(x)},
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


def negatives(max_classes: int, x: Any = (7, 24), second: Any = (Fraction(527, 625), Fraction(336, 625))) -> list[Step]:
    """ "By increasing the probabilities of all the negative classes"."""
    feature = [Fraction(value) for value in x]
    u, v, f = sympy.symbols("u v f", real=True)
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
        return units(EAST, ACUTE) and exact.dot(biased(EAST, ACUTE, Fraction(1)), feature) < exact.dot(ACUTE, feature)

    return [
        equal(
            r"$z' - z_j = (w' - w_j)^T x$, and $\|x - w_j\|^2 - \|x - w'\|^2 = 2(w' - w_j)^T x$ for unit vectors: "
            r"the negative logit grows exactly where $x$ is "
            r"nearer to $w'$ than to $w_j$. Coordinate by coordinate, with $f$ of $x$, $u$ of $w'$, $v$ of $w_j$: "
            r"$(f-v)^2 - (f-u)^2 - 2(u-v)f = v^2 - u^2$, and $\sum u^2 = \sum v^2 = 1$.",
            (f - v) ** 2 - (f - u) ** 2 - 2 * (u - v) * f,
            v**2 - u**2,
        ),
        Step(
            r"Against it elsewhere: $w_c = (1,0)$, $w_j = (7/25, 24/25)$, $\alpha = 1$, $x = (7, 24)$ along "
            r"$w_j$: $z' = 20 < z_j = 25$, so a badly "
            r"misclassified sample costs less than with softmax.",
            cheaper,
            "counterexample",
            pair("cheaper", EAST, ACUTE, feature),
        ),
        Step(
            r"Against it with three classes, even where every negative logit grows: $w_c = x = (1, 0)$, $w_2 = -w_3 = "
            r"(527/625, 336/625)$, $\alpha = 1$: $z_2$ and $z_3$ grow from $\pm 0.8432$ to 0.96 and 0.28, but the "
            r"probability of class 2 falls, from 0.425 to 0.393: its reciprocal $\sum_j e^{z_j - z_2}$ grows.",
            one_falls,
            "counterexample",
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


def efficiency(max_classes: int, factor: Callable[[Any], Any] = lambda m: 2 + 4 / m) -> list[Step]:
    """ "Computationally very efficient in the training and optimization, just as the conventional Softmax loss"."""
    n, c, m = sympy.symbols("N C M", integer=True, positive=True)
    softmax = n * c * m
    most = softmax + n * c * m + 4 * n * c  # Gram rows for each sample, and four products an entry
    return [
        equal(
            r"Forward multiplications, beyond the norms of the weights ($2CM$ once a batch): softmax $NCM$; W-Softmax "
            r"through $n^2 = 1 + \alpha^2 + 2\alpha g$ at most $2NCM + 4NC$ "
            r"($NCM + \min(N,C)\,CM + 4NC$): $2 + 4/M$ times as many, the same order.",
            most / softmax,
            factor(m),
        ),
        equal(
            r"Memory beyond the weights: $NC$ and $2NC$ numbers; Algorithm 1 as printed builds $NCM$. On the "
            r"simplex all norms are one constant: "
            r"$O(NC)$ in all.",
            (2 * n * c) / (n * c),
            2,
        ),
        Step(
            r"Against “just as”: a batch of 256 different labels, $M = 512$, $C = 1000$, computed so, takes $256 \cdot "
            r"1000 \cdot 512$ multiplications for the Gram rows that softmax does not: twice as many.",
            lambda: (
                Fraction(int(most.subs({n: 256, c: 1000, m: 512}))) / int(softmax.subs({n: 256, c: 1000, m: 512}))
                > Fraction(2)
            ),
            "counterexample",
        ),
    ]


CLAIMS = (
    Claim(
        "norms",
        "Sec. 1",
        "softmax at ‖x‖ = 1, 10, 30, 50 with cos θ = ±0.05; up to 200 times as many units as classes",
        VERIFIED,
        softmax_norms,
        ({"cosine": "0.06"}, {"printed": ((1, 53),)}, {"printed": ((30, 96),)}),
    ),
    Claim(
        "large-norm",
        "Sec. 1",
        "A feature with a large norm drives the softmax loss to 0",
        CONDITIONAL,
        large_norm,
        ({"sign": -1}, {"tie": (2, 1)}),
        "Iff its class is strictly the closest, as in the paper's example, however close the next. A tie keeps the "
        "loss at log 2 or above, a mistake makes it grow without bound.",
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
        ({"x": (24, 7)}, {"x": (1, 0)}, {"second": ACUTE}),
        "For two classes, exactly where x is nearer to w' than to w_j: (w' − w_j)·x > 0. For three or more not even "
        "where every negative logit grows.",
    ),
    Claim(
        "parameters", "Sec. 1", "W-Softmax has no extra parameters", PROVED, parameters, ({"extra": sympy.Symbol("C")},)
    ),
    Claim(
        "efficiency",
        "Sec. 1",
        "W-Softmax is as efficient as softmax",
        CONDITIONAL,
        efficiency,
        ({"factor": lambda m: 1 + 4 / m}, {"factor": lambda m: 1}),
        "Within a constant factor: up to 2 + 4/M times as many multiplications, beyond the norms of the weights. On "
        "the fixed simplex there are no Gram rows.",
    ),
)
