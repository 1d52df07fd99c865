"""Section 4.2: what being right in training says of test"""

from fractions import Fraction
from typing import Any

import sympy

from theory import exact
from theory.claim import Claim
from theory.plane import ACUTE, ALPHA, COS, EAST, OBTUSE, ON_SIMPLEX, SIN, G, K, N, biased, pair, units
from theory.proof import CONDITIONAL, Step, above_zero, equal, is_zero


def sum_of_angles(max_classes: int, x: Any = (Fraction(96, 125), Fraction(-3, 125), Fraction(80, 125))) -> list[Step]:
    """ "It is clear that there exists θ₂ = θ₂' + θ(w₂', w₂)"."""
    psi, phi, theta = sympy.symbols("psi phi theta", real=True)
    a, b, c = sympy.symbols("a b c", real=True)
    w_c, w_j, feature = (*EAST, Fraction(0)), (*ACUTE, Fraction(0)), [Fraction(value) for value in x]

    def differs() -> bool:
        moved = biased(w_c, w_j, Fraction(1))
        cos_2, cos_moved, cos_between = exact.dot(w_j, feature), exact.dot(moved, feature), exact.dot(moved, w_j)
        sines = exact.root(1 - cos_moved**2) * exact.root(1 - cos_between**2)
        right = exact.dot(w_c, feature) > cos_moved
        return units(w_c, w_j, moved, feature) and right and cos_2 != cos_moved * cos_between - sines

    return [
        equal(
            r"In the plane, with $x$ at $\psi$, $\theta - \pi \le \psi \le \varphi$, so that $\theta - \psi$ and its "
            r"parts are in $[0, \pi]$: $\theta - \psi = (\varphi - \psi) + (\theta - \varphi)$.",
            theta - psi,
            (phi - psi) + (theta - phi),
        ),
        equal(
            r"In general only $\theta_2 \le \theta'_2 + \theta_{w'_2,w_2}$: for unit vectors with the inner "
            r"products $a, b, c$ the Gram determinant "
            r"$1 - a^2 - b^2 - c^2 + 2abc \ge 0$ is $(1-a^2)(1-b^2) - (c - ab)^2$, so $c \ge ab - "
            r"\sqrt{(1-a^2)(1-b^2)}$, the cosine of the sum where that is at most $\pi$ (else there is nothing to "
            r"show).",
            sympy.Matrix([[1, a, b], [a, 1, c], [b, c, 1]]).det(),
            (1 - a**2) * (1 - b**2) - (c - a * b) ** 2,
        ),
        Step(
            r"Against equality: $w_1 = (1,0,0)$, $w_2 = (7/25, 24/25, 0)$, $\alpha = 1$, $w'_2 = (4/5, 3/5, 0)$, "
            r"$x = (96, -3, 80)/125$, right in training, $\cos\theta_1 = 96/125 > \cos\theta'_2 = 3/5$: "
            r"$\cos\theta_2 = 24/125$, but $\cos(\theta'_2 + \theta_{w'_2,w_2}) = 3/5 \cdot 4/5 - 4/5 \cdot 3/5 = 0$.",
            differs,
            "counterexample",
            pair("sum-of-angles", w_c, w_j, feature),
        ),
    ]


def train_test(
    max_classes: int,
    x: Any = (-1, Fraction(-1, 2)),
    upper: Any = 1 + ALPHA,
    lower: Any = ALPHA + G,
    across: Any = 0,
    positive: bool = True,
    arc: Any = 1,
) -> list[Step]:
    """Classified correctly in training ⇒ correctly at test, by a margin."""
    feature = [Fraction(value) for value in x]
    square = 1 + ALPHA**2 + 2 * ALPHA * G
    z_c, z_j = sympy.symbols("z_c z_j", real=True)
    ours, first, second, gap = sympy.symbols("lambda_c x_1 x_2 d_j", positive=True)
    factor, theirs = sympy.Symbol("D", positive=True), sympy.Symbol("lambda_j", positive=positive or None, real=True)
    w_c, point = sympy.Matrix([COS, SIN]), sympy.Matrix([first, second])
    rest = -ours * (w_c + across * sympy.Matrix([-SIN, COS]))

    def inverted() -> bool:
        own, other = exact.dot(EAST, feature), exact.dot(ACUTE, feature)
        return units(EAST, ACUTE) and exact.dot(biased(EAST, ACUTE, Fraction(1)), feature) < own <= other

    def fills_the_arc() -> bool:
        def right(y: Fraction) -> bool:  # (α z_c + z_j)/n < z_c with z_c = −1, z_j = −y
            return bool((arc + y) ** 2 > 1 + arc**2)

        ends = is_zero(sympy.sqrt(1 + sympy.Integer(arc) ** 2) - arc - sympy.tan(sympy.pi / 8))
        inside = right(Fraction(1, 2)) and right(Fraction(1)) and not right(Fraction(2, 5))
        return ends and inside and sympy.tan(sympy.pi / 4) == 1

    return [
        equal(
            r"Right in training means $z' < z_c$, that is $z_j < (n_j - \alpha) z_c$. Now $(1+\alpha)^2 - n^2 = "
            r"2\alpha(1 - g) \ge 0$, so $n \le 1 + \alpha$, and "
            r"**if $z_c \ge 0$** then $z_j < z_c$: right at test.",
            upper**2 - square,
            2 * ALPHA * (1 - G),
        ),
        equal(r"Also $n^2 - (\alpha + g)^2 = 1 - g^2 \ge 0$, so $n \ge \alpha + g$.", square - lower**2, 1 - G**2),
        equal(
            r"**If some positive combination $\sum_j \lambda_j w_j = 0$** (weights centred before they are normalised, "
            r"or of zero sum), let $T_j = \lambda_j ((n_j - \alpha) z_c - z_j)$, above 0 in training. $T_j - z_c "
            r"\lambda_j (n_j - \alpha - g_j) = \lambda_j (g_j z_c - z_j)$,",
            theirs * ((N - ALPHA) * z_c - z_j) - z_c * theirs * (N - ALPHA - G),
            theirs * (G * z_c - z_j),
        ),
        equal(
            r"and over $j \ne c$ that sums to 0: with $\sum_{j \ne c} \lambda_j w_j = -\lambda_c w_c$, $z_c \sum_{j "
            r"\ne c} \lambda_j g_j - \sum_{j \ne c} \lambda_j z_j = -\lambda_c z_c \, w_c^T w_c + \lambda_c z_c = 0$ "
            r"(checked in the plane of $w_c$ and $x$, where all of it lies). So $z_c \sum_{j \ne c} \lambda_j (n_j - "
            r"\alpha - g_j) = \sum_{j \ne c} T_j$.",
            point.dot(w_c) * w_c.dot(rest) - point.dot(rest),
            0,
        ),
        above_zero(
            r"The right side is above 0, and the factor $D$ of $z_c$ not below, so it is above 0 too, and $z_c = \sum "
            r"T_j/D$, $T_j = \lambda_j d_j$, is: every feature that is right in training is on its class's side, and "
            r"right at test, for every $\alpha$.",
            theirs * gap / factor,
        ),
        equal(
            r"The simplex is such: $\sum_j w_j = 0$, $w_c^T \sum_j w_j = 1 + (C-1) \cdot (-1/(C-1)) = 0$.",
            1 + (sympy.Symbol("C") - 1) * exact.paper_inner(sympy.Symbol("C")),
            0,
        ),
        Step(
            r"Against it otherwise: $w_c = (1,0)$, $w_j = (7/25, 24/25)$, $\alpha = 1$, $x = (-1, -1/2)$: $z' = "
            r"-11/10 < z_c = -1$, right in training; "
            r"$z_j = -19/25 > z_c$, wrong at test.",
            inverted,
            "counterexample",
            pair("inverted", EAST, ACUTE, feature),
        ),
        Step(
            r"At 90° and $\alpha = 1$ the features that are right in training and wrong at test fill the arc from "
            r"$180° + 22.5°$ to $225°$: $x = -(w_c + yw_j)$ has $z_c = -1$ and $z_j = -y$, so it is right in training "
            r"if $y > n - \alpha = \sqrt2 - 1 = \tan 22.5°$, and wrong at test if $y \le 1 = \tan 45°$; no other "
            r"feature is both, as $z_c < 0$ for one that is.",
            fills_the_arc,
            "counterexample",
            {"kind": "arc", "w_c": ["1", "0"], "w_j": ["0", "1"], "alpha": "1", "tangent": ["-1", "1"]},
        ),
    ]


def chain(
    max_classes: int, x: Any = (1, -10), w_j: Any = OBTUSE, least: Any = 1 - K * ALPHA, antipode: Any = -1
) -> list[Step]:
    """ "cos θ₁ > cos θ₂' > cos θ₂": the middle of the chain."""
    feature = [Fraction(value) for value in x]
    east, opposite, half = [Fraction(1)], [Fraction(antipode)], Fraction(1, 2)

    def broken() -> bool:
        moved = biased(EAST, w_j, Fraction(1))
        z_c, z_j, z_moved = (exact.dot(w, feature) for w in (EAST, w_j, moved))
        return units(EAST, w_j) and z_c > 0 and z_c > z_j and z_moved < z_c and z_moved <= z_j

    return [
        equal(
            r"$z' > z_j$ means $\alpha z_c > (n-1) z_j$. Let $z_c > 0$ and $z_j < (n-\alpha) z_c$. For $n > 1$ "
            r"and $z_j \ge 0$: "
            r"$\alpha - (n-1)(n-\alpha) = n(1 + \alpha - n) \ge 0$, so it holds. It holds by signs if $n \ge 1$ "
            r"and $z_j < 0$, or $n \le 1$ and $z_j \ge 0$. "
            r"So it is true if $z_c > 0$ and ($n \ge 1$, that is $g \ge -\alpha/2$, or $z_j \ge 0$).",
            ALPHA - (N - 1) * (N - ALPHA),
            N * (1 + ALPHA - N),
        ),
        equal(
            r"**On the simplex**, $k = C - 1 \ge 2$, $n^2 = 1 + \alpha^2 - 2\alpha/k$, let $x$ be right in training "
            r"against every class, so $z_c > 0$ (train-test). Only $n < 1$, $z_j < 0$ is left: $\alpha < 2/k$. There "
            r"the chain fails only if $z_j \le -\alpha z_c/(1-n)$, where $\alpha/(1-n) = \alpha(1+n)/(1-n^2) = "
            r"k(1+n)/(2 - k\alpha)$:",
            (2 - K * ALPHA) * ALPHA,
            K * (1 - ON_SIMPLEX),
        ),
        equal(
            r"it is at least $k$, because $n \ge 1 - k\alpha$: $n^2 - (1-k\alpha)^2 = \alpha(k^2-1)(2/k - \alpha) \ge "
            r"0$. But $\sum_i z_i = 0$ and the other $k - 1$ classes have $z_i < (n-\alpha)z_c < z_c$, so $z_j > -z_c "
            r"- (k-1)z_c = -k z_c$. So it never fails.",
            ON_SIMPLEX - least**2,
            ALPHA * (K**2 - 1) * (2 / K - ALPHA),
        ),
        Step(
            r"Against it otherwise, with $z_c > 0$ and right at test: $w_1 = (1,0)$, $w_2 = (-527/625, 336/625)$, "
            r"$\alpha = 1$, $w'_2 = (7/25, 24/25)$, "
            r"$x = (1, -10)$: $z_1 = 1 > z_2 = -3887/625 > z'_2 = -233/25$.",
            broken,
            "counterexample",
            pair("chain", EAST, w_j, feature),
        ),
        Step(
            r"And for the paper's own $W_2 = [1, -1]$, at every $\alpha < 1$: $w'_2 = (\alpha - 1)/(1 - \alpha) = "
            r"w_2$, so that $\theta_{w'_2,w_2} = 0$, which by the paper it is only at $\alpha = 0$, and $\theta'_2 = "
            r"\theta_2$: at $\alpha = 1/2$, $x = 1$ has $z_1 = 1 > z'_2 = z_2 = -1$.",
            lambda: biased(east, opposite, half) == opposite and opposite[0] < east[0],
            "counterexample",
            {"kind": "antipode", "w_c": "1", "w_j": exact.text(opposite[0])},
        ),
    ]


def stronger(max_classes: int, x: Any = (-1, Fraction(-1, 2)), lower: Any = ALPHA + G, slope: Any = -1) -> list[Step]:
    """A big α "imposes a stronger constraint on the spatial distribution of learned features"."""
    feature = [Fraction(value) for value in x]
    square = 1 + ALPHA**2 + 2 * ALPHA * G
    root = sympy.sqrt(square)

    def weaker() -> bool:
        z_c, z_j = exact.dot(EAST, feature), exact.dot(ACUTE, feature)
        return units(EAST, ACUTE) and z_j >= z_c > exact.dot(biased(EAST, ACUTE, Fraction(1)), feature)

    return [
        equal(
            r"Right in training means $z_j < (n_j - \alpha) z_c$ for every $j \ne c$. $n - \alpha$ has the derivative "
            r"$(\alpha + g)/n - 1$ in $\alpha$,",
            sympy.diff(root - ALPHA, ALPHA),
            (ALPHA + G) / root + slope,
        ),
        equal(
            r"which is not above 0, as $n^2 - (\alpha + g)^2 = 1 - g^2 \ge 0$: $n - \alpha$ falls, or stays, as "
            r"$\alpha$ grows. So **if $z_c \ge 0$** a feature that is right in training at one $\alpha$ is so at every "
            r"smaller one, 0 included: the constraint gets stronger. Where a positive combination of the weights is 0, "
            r"as on the simplex, $z_c > 0$ for all that are right in training (train-test), so there it is true.",
            square - lower**2,
            1 - G**2,
        ),
        Step(
            r"Against it on the far side, where a larger $\alpha$ asks for less: $w_c = (1, 0)$, $w_j = (7/25, "
            r"24/25)$, $x = (-1, -1/2)$ has $z_j = -19/25 > z_c = -1$ and is wrong at $\alpha = 0$, softmax; at "
            r"$\alpha = 1$ $z' = -11/10 < -1$: right.",
            weaker,
            "counterexample",
            pair("weaker", EAST, ACUTE, feature),
        ),
    ]


CLAIMS = (
    Claim(
        "sum-of-angles",
        "Sec. 4.2",
        "θ₂ = θ₂' + θ(w₂', w₂)",
        CONDITIONAL,
        sum_of_angles,
        ({"x": (Fraction(24, 25), Fraction(-7, 25), 0)}, {"x": (1, 0, 0)}, {"x": (0, 0, 1)}),
        "In the plane, for x from w'_2 on, past w_1, to the antipode of w_2; in general only ≤.",
    ),
    Claim(
        "train-test",
        "Sec. 4.2",
        "A feature that is right in training is right at test",
        CONDITIONAL,
        train_test,
        (
            {"x": (-1, -2)},
            {"x": (1, -1)},
            {"upper": ALPHA},
            {"lower": ALPHA - G},
            {"across": 1},
            {"positive": False},
            {"arc": 2},
        ),
        "True if cos θ_c ≥ 0. True for every feature, every α and every C if a positive combination of the "
        "weights is 0: on the simplex, and for weights centred before they are normalised, if none is 0 then; wherever "
        "Eq. 1 is defined, which for C = 2, where such weights are antipodes, it is not at α = 1.",
    ),
    Claim(
        "chain",
        "Sec. 4.2",
        "Right in training ⇒ cos θ₁ > cos θ₂' > cos θ₂ at test",
        CONDITIONAL,
        chain,
        ({"x": (1, 1)}, {"w_j": ACUTE}, {"least": 1 - 2 * K * ALPHA}, {"antipode": 1}),
        "True on the simplex (C ≥ 3), for every α > 0 and every feature right in training against all classes. Else if "
        "cos θ₁ > 0 and (w_1·w_2 ≥ −α/2 or cos θ₂ ≥ 0); with neither of the two, θ₂' can be the larger angle. For two "
        "antipodes, the simplex of C = 2, and α < 1 the two are equal.",
    ),
    Claim(
        "stronger",
        "Sec. 4.3",
        "A bigger α imposes a stronger constraint on the spatial distribution of learned features",
        CONDITIONAL,
        stronger,
        ({"x": (1, -1)}, {"x": (-1, -2)}, {"lower": ALPHA}, {"slope": 1}),
        "On the side of the class's weight, so everywhere if a positive combination of the weights is 0, as on the "
        "simplex. On the far side a larger α accepts more.",
    ),
)
