"""Section 4: the boundaries and margins of W-Softmax, and what training says of test (Eq. 10–13)"""

from fractions import Fraction
from typing import Any

import sympy

from theory import exact
from theory.claim import Claim
from theory.plane import ACUTE, ALPHA, COS, EAST, OBTUSE, SIN, G, N, T, biased, pair, units
from theory.proof import CONDITIONAL, PROVED, Step, above_zero, equal

K = sympy.Symbol("k", positive=True)
ON_SIMPLEX = 1 + ALPHA**2 - 2 * ALPHA / K


def eq_12(max_classes: int, sign: int = 1) -> list[Step]:
    """Eq. 11 is Eq. 12: the term j = c."""
    w = sympy.Symbol("w_c", real=True)
    return [
        equal(
            r"$\alpha w_c + w_c = (\alpha + 1)w_c$ has the norm $\alpha + 1$, so $w'_c = w_c$ and the term $j = "
            r"c$ of Eq. 12 is $e^{w_c^T x}$.",
            (ALPHA * w + sign * w) / sympy.sqrt((ALPHA + sign) ** 2),
            w,
        ),
    ]


def alpha_0(max_classes: int, bias: Any = 2) -> list[Step]:
    """ "The softmax loss is a special case of W-Softmax loss when α = 0"."""
    w = sympy.Symbol("w_j", real=True)
    log = sympy.log(sympy.sympify(bias))
    return [
        equal(
            r"At $\alpha = 0$, $w'_j = w_j/\|w_j\| = w_j$ for unit weights: the softmax without bias and with "
            r"normalised weights.",
            (0 * w + w) / 1,
            w,
        ),
        Step(
            r"Against the conventional softmax of Eq. 8, which has a bias: with $x = 0$ and $b = (\log 2, 0)$ it "
            r"gives $p_1 = 2/3$, and W-Softmax "
            r"1/2 whatever its weights.",
            lambda: sympy.simplify(sympy.exp(log) / (sympy.exp(log) + 1)) == sympy.Rational(2, 3),
            "counterexample",
        ),
    ]


def boundary(max_classes: int, at_one: Any = Fraction(1, 2), limit: Any = 1, antipode: Any = -1) -> list[Step]:
    """The decision boundary of training, and the margin between those of the two classes."""
    psi, phi, theta = sympy.symbols("psi phi theta", real=True)
    cot = (ALPHA + COS) / SIN
    margin = theta - phi
    sine, shifted = sympy.Symbol("s", positive=True), sympy.Symbol("u", real=True)
    return [
        equal(
            r"In the plane, at the angle $\psi$ from $w_c$: $\cos\psi - \cos(\psi - \varphi) = -2\sin(\psi - "
            r"\varphi/2)\sin(\varphi/2)$, which is 0 at the "
            r"bisector $\psi = \varphi/2$, and above 0 on $w_c$'s side.",
            sympy.expand_trig(sympy.cos(psi) - sympy.cos(psi - 2 * phi) + 2 * sympy.sin(psi - phi) * sympy.sin(phi)),
            0,
        ),
        equal(
            r"By symmetry $w_j$'s own boundary in training is at $\varphi/2$ from $w_j$, so at $\theta - \varphi/2$: "
            r"between the two there is the margin $m = \theta - \varphi$, with the boundary of test, $\theta/2$, in "
            r"its middle.",
            theta - phi / 2 - phi / 2,
            margin,
        ),
        equal(
            r"At $\alpha = 0$, $\cot\varphi = \cot\theta$ and $m = 0$.",
            cot.subs(ALPHA, 0),
            COS / SIN,
        ),
        equal(
            r"$\partial m/\partial\alpha = \frac{\partial\cot\varphi/\partial\alpha}{1 + \cot^2\varphi} = "
            r"\sin\theta/n^2$.",
            sympy.diff(cot, ALPHA) / (1 + cot**2),
            SIN / (1 + ALPHA**2 + 2 * ALPHA * COS),
        ),
        above_zero(
            r"It is above 0, because $\sin\theta > 0$ and $n^2 = (\alpha + \cos\theta)^2 + \sin^2\theta$: the "
            r"margin grows with $\alpha$.",
            sine / (shifted**2 + sine**2),
        ),
        equal(
            r"At $\alpha = 1$, $\cot\varphi = (1 + \cos\theta)/\sin\theta = \cot(\theta/2)$,", cot.subs(ALPHA, 1), 1 / T
        ),
        equal(
            r"so $\varphi = \theta/2$ and $m = \theta/2$.", margin.subs(phi, theta / 2), sympy.Rational(at_one) * theta
        ),
        equal(
            r"As $\alpha \to \infty$, $\varphi \to 0$ and $m \to \theta$, which it does not reach.",
            margin.subs(phi, 0),
            sympy.Rational(limit) * theta,
        ),
        Step(
            r"Against it at $\theta = \pi$, where $w_j = -w_c$, as for $W_2 = [1, -1]$: at $\alpha = 1/4$ and at $1/2$ "
            r"alike $w' = -w_c$, so that $\varphi = \theta$ and the margin is 0.",
            lambda: all(
                biased([Fraction(1)], [Fraction(antipode)], alpha) == [-1] for alpha in (Fraction(1, 4), Fraction(1, 2))
            ),
            "counterexample",
        ),
    ]


def near_boundary(
    max_classes: int, x: Any = (Fraction(-4, 5), Fraction(-3, 5)), upper: Any = 1 + ALPHA, least: Any = 1 - K * ALPHA
) -> list[Step]:
    """ "The loss of CNNs will be enlarged if features locate around the original decision boundaries"."""
    feature = [Fraction(value) for value in x]
    z = sympy.Symbol("z", real=True)

    def smaller() -> bool:
        z_c, z_j = exact.dot(EAST, feature), exact.dot(ACUTE, feature)
        return units(EAST, ACUTE) and z_c == z_j and exact.dot(biased(EAST, ACUTE, Fraction(1)), feature) < z_j

    return [
        equal(
            r"On the boundary of test, $z_c = z_j = z$: $z' - z_j = (1 + \alpha - n) z/n$.",
            (ALPHA * z + z) / N - z,
            (1 + ALPHA - N) * z / N,
        ),
        equal(
            r"$(1+\alpha)^2 - n^2 = 2\alpha(1 - g) > 0$ for $w_j \ne w_c$: so $z'$ is above $z_j$, and the loss of two "
            r"classes, $\log(1 + e^{z' - z_c})$, above softmax's $\log 2$, if $z > 0$; both are below if $z < 0$. By "
            r"continuity it is so around that feature too.",
            upper**2 - (1 + ALPHA**2 + 2 * ALPHA * G),
            2 * ALPHA * (1 - G),
        ),
        equal(
            r"**On the simplex**, $k = C - 1 \ge 2$, let $z_c = z_j = z$ be the largest logits and $x \ne 0$: they sum "
            r"to 0, so $z > 0$, and $z_i \ge -kz$ for every other class $i$. $z'_i \ge z_i$ means $\alpha z \ge (n-1) "
            r"z_i$: by $n - 1 \le \alpha$ or by signs, unless $n < 1$ and $z_i < 0$, where $\alpha/(1-n) \ge k$ "
            r"(chain) shows it. So no negative logit falls and $z'_j$ is above $z_j$: the loss is larger than "
            r"softmax's, for every $C \ge 3$.",
            ON_SIMPLEX - least**2,
            ALPHA * (K**2 - 1) * (2 / K - ALPHA),
        ),
        Step(
            r"Against it on the far side: $w_c = (1,0)$, $w_j = (7/25, 24/25)$, $\alpha = 1$, $x = -(4/5, 3/5)$: $z_c "
            r"= z_j = -4/5 > z' = -1$, and the loss is smaller than softmax's.",
            smaller,
            "counterexample",
            pair("cheaper", EAST, ACUTE, feature),
        ),
    ]


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
    max_classes: int, x: Any = (-1, Fraction(-1, 2)), upper: Any = 1 + ALPHA, lower: Any = ALPHA + G, share: Any = -1
) -> list[Step]:
    """Classified correctly in training ⇒ correctly at test, by a margin."""
    feature = [Fraction(value) for value in x]
    square = 1 + ALPHA**2 + 2 * ALPHA * G
    size, weight = sympy.symbols("r lambda_c", positive=True)

    def inverted() -> bool:
        z_c, z_j = exact.dot(EAST, feature), exact.dot(ACUTE, feature)
        return units(EAST, ACUTE) and exact.dot(biased(EAST, ACUTE, Fraction(1)), feature) < z_c <= z_j

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
            r"**If some positive combination $\sum_j \lambda_j w_j = 0$** (weights centred before they are "
            r"normalised, or of zero sum), then "
            r"$\sum_{j \ne c} \lambda_j g_j = -\lambda_c$. Suppose $z_c = -r < 0$ in training. Each $z_j < "
            r"(\alpha - n_j) r \le -g_j r$, so "
            r"$\sum_{j \ne c} \lambda_j z_j < \lambda_c r$; but it is $-\lambda_c z_c = \lambda_c r$. If $z_c = "
            r"0$, all $z_j < 0$, but $\sum_{j \ne c} \lambda_j z_j = 0$. "
            r"So $z_c > 0$: every feature that is right in training is on its class's side, and right at test, "
            r"for every $\alpha$.",
            -(share * weight) * size,
            -weight * -size,
        ),
        equal(
            r"The simplex is such: $\sum_j w_j = 0$, $(C-1) \cdot (-1/(C-1)) = -1$.",
            share,
            (sympy.Symbol("C") - 1) * exact.paper_inner(sympy.Symbol("C")),
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
            r"$180° + 22.5°$ to $225°$: "
            r"$n - \alpha = \sqrt2 - 1 = \tan 22.5°$, and $z_j = z_c$ at 45°.",
            lambda: sympy.simplify(sympy.tan(sympy.pi / 8) - (sympy.sqrt(2) - 1)) == 0 and sympy.tan(sympy.pi / 4) == 1,
            "counterexample",
        ),
    ]


def chain(max_classes: int, x: Any = (1, -10), w_j: Any = OBTUSE, least: Any = 1 - K * ALPHA) -> list[Step]:
    """ "cos θ₁ > cos θ₂' > cos θ₂": the middle of the chain."""
    feature = [Fraction(value) for value in x]

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
    ]


CLAIMS = (
    Claim(
        "boundary",
        "Sec. 1, 4.2, 4.3",
        "The training boundary bisects the angle of w_c and w'_i; the margin grows with α",
        CONDITIONAL,
        boundary,
        ({"at_one": Fraction(1, 4)}, {"limit": Fraction(1, 2)}, {"antipode": 1}),
        "The margin between the two classes' training boundaries is θ − φ: 0 at α = 0, θ/2 at 1, less than θ for every "
        "α; half of it lies on each side of the boundary of test. Not for parallel weights (eq-1).",
    ),
    Claim(
        "near-boundary",
        "Sec. 1",
        "The loss is larger than softmax's for features around the original decision boundaries",
        CONDITIONAL,
        near_boundary,
        ({"x": (Fraction(4, 5), Fraction(3, 5))}, {"upper": ALPHA}, {"least": 1 - 2 * K * ALPHA}),
        "With the same weights, for two classes on the side of their weights, z_c = z_j > 0; on the far side it is "
        "smaller. On the simplex (C ≥ 3), between the two classes of the largest logits, always.",
    ),
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
        ({"x": (-1, -2)}, {"x": (1, -1)}, {"upper": ALPHA}, {"lower": ALPHA - G}, {"share": -2}),
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
        ({"x": (1, 1)}, {"w_j": ACUTE}, {"least": 1 - 2 * K * ALPHA}),
        "True on the simplex (C ≥ 3), for every α > 0 and every feature right in training against all classes. Else if "
        "cos θ₁ > 0 and (w_1·w_2 ≥ −α/2 or cos θ₂ ≥ 0); with neither of the two, θ₂' can be the larger angle.",
    ),
    Claim(
        "eq-12",
        "Eq. 11–12",
        "Eq. 11 simplifies to Eq. 12",
        PROVED,
        eq_12,
        ({"sign": -1},),
        "From its second line: the first, as the text has it, lacks the prime of w'_j.",
    ),
    Claim(
        "alpha-0",
        "Sec. 1, 4.3",
        "At α = 0 W-Softmax is the conventional softmax",
        CONDITIONAL,
        alpha_0,
        ({"bias": 1},),
        "It is the softmax without bias and with normalised weights.",
    ),
)
