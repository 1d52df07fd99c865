"""Section 4: the loss, its boundaries and its margins (Eq. 10–13)"""

from fractions import Fraction
from typing import Any

import sympy

from theory import exact
from theory.claim import Claim
from theory.plane import ACUTE, ALPHA, COS, EAST, ON_SIMPLEX, SIN, G, K, N, T, biased, pair, units
from theory.proof import CONDITIONAL, PROVED, Step, above_zero, equal, is_zero


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


def algorithm_1(max_classes: int, batch: int = 50, divided: int = 1, decay: Any = Fraction(1, 2000)) -> list[Step]:
    """Algorithm 1 adds up the losses of which Eq. 13 takes the mean."""
    w, g = sympy.symbols("w g", positive=True)
    size, rate, decays = sympy.symbols("B eta lambda", positive=True)
    more = sympy.Symbol("b", positive=True)

    def step(sum_of: sympy.Expr, learning: sympy.Expr, decaying: sympy.Expr) -> sympy.Expr:
        """Of gradient descent with weight decay, where the mean of the gradients is g."""
        return w - learning * (sum_of * g + decaying * w)

    def moved(gradients: int) -> Fraction:
        return 1 - Fraction(1, 100) * (gradients + Fraction(decay))

    return [
        equal(
            r"Line 6 is the loss of Eq. 12, one instance at a time; lines 3 to 8 add them up, so that line 9 has $B$ "
            r"times the gradient $g$ of Eq. 13. With the learning rate $\eta/B$ and the weight decay $B\lambda$ that "
            r"is its step: $w - (\eta/B)(Bg + B\lambda w) = w - \eta(g + \lambda w)$.",
            step(size, rate / size, size * decays),
            step(sympy.Integer(divided), rate, decays),
        ),
        above_zero(
            r"The rate alone does not mend it: for $B = 1 + b > 1$, $w - (\eta/B)(Bg + \lambda w)$ is longer by "
            r"$\eta\lambda w(1 - 1/B) > 0$: weights decay $B$ times as slowly.",
            sympy.expand(step(size, rate / size, decays) - step(sympy.Integer(1), rate, decays)).subs(size, 1 + more),
            "against",
        ),
        Step(
            r"With the numbers of Sec. 5.1 and 5.3 as printed, $B = 50$, $\eta = 1/100$, $\lambda = 1/2000$, the "
            r"weight $w = 1$ and the mean gradient $g = 1$: $1 - (50 + 1/2000)/100 = 99999/200000$, half the weight; "
            r"by Eq. 13 $1 - (1 + 1/2000)/100 = 197999/200000$.",
            lambda: (moved(batch), moved(1)) == (Fraction(99_999, 200_000), Fraction(197_999, 200_000)),
            "counterexample",
        ),
    ]


def alpha_0(max_classes: int, norm: Any = 2, bias: Any = 2) -> list[Step]:
    """ "The softmax loss is a special case of W-Softmax loss when α = 0"."""
    w_c, w_j = sympy.symbols("w_c w_j", real=True)
    log = sympy.log(sympy.sympify(bias))
    long, other, x = [Fraction(norm), Fraction(0)], [Fraction(0), Fraction(1)], [Fraction(1)] * 2

    def differs() -> bool:
        unit = [value / Fraction(norm) for value in long]
        same = exact.dot(unit, x) == exact.dot(biased(unit, other, Fraction(0)), x)
        return same and exact.dot(long, x) != exact.dot(other, x)

    return [
        equal(
            r"At $\alpha = 0$, $w'_j = w_j/\|w_j\| = w_j$ for unit weights: the softmax without bias and with "
            r"normalised weights.",
            ((ALPHA * w_c + w_j) / sympy.sqrt(1 + ALPHA**2 + 2 * ALPHA * G)).subs(ALPHA, 0),
            w_j,
        ),
        Step(
            r"Against the conventional softmax of Eq. 8, whose weights have norms of their own: $w_1 = (2, 0)$, $w_2 = "
            r"(0, 1)$, $x = (1, 1)$ have the logits 2 and 1 there, and normalised 1 and 1.",
            differs,
            "counterexample",
            {
                "kind": "norms",
                "w_c": exact.texts(long),
                "w_j": exact.texts(other),
                "x": ["1", "1"],
                "logits": ["2", "1"],
            },
        ),
        Step(
            r"And which has a bias: with $x = 0$ and $b = (\log 2, 0)$ it gives $p_1 = 2/3$, and W-Softmax 1/2 "
            r"whatever its weights.",
            lambda: sympy.simplify(sympy.exp(log) / (sympy.exp(log) + 1)) == sympy.Rational(2, 3),
            "counterexample",
            {"kind": "bias", "odds": exact.text(Fraction(bias)), "share": "2/3"},
        ),
    ]


def _antipodes(w_j: Any) -> Step:
    """Two weights that are parallel have no margin."""
    return Step(
        r"Against it at $\theta = \pi$, where $w_j = -w_c$, as for $W_2 = [1, -1]$: at $\alpha = 1/4$ and at $1/2$ "
        r"alike $w' = -w_c$, so that $\varphi = \theta$ and the margin is 0.",
        lambda: all(
            biased([Fraction(1)], [Fraction(w_j)], alpha) == [-1] for alpha in (Fraction(1, 4), Fraction(1, 2))
        ),
        "counterexample",
        {"kind": "antipode", "w_c": "1", "w_j": exact.text(Fraction(w_j))},
    )


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
            r"between the two, on the weights' side, there is the margin $m = \theta - \varphi$, with the boundary of "
            r"test, $\theta/2$, in its middle. (On the far side, half a turn on, the regions of the two classes "
            r"overlap by as much: kept-apart.)",
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
        Step(
            r"As $\alpha \to \infty$, $\cot\varphi \to \infty$, so $\varphi \to 0$ and $m \to \theta$, which it does "
            r"not reach, as $\cot\varphi$ is finite.",
            lambda: (
                sympy.limit(cot, ALPHA, sympy.oo) is sympy.oo
                and is_zero(margin.subs(phi, 0) - sympy.Rational(limit) * theta)
            ),
        ),
        _antipodes(antipode),
    ]


def flexible(max_classes: int, sign: int = 1, power: int = 2, end: Any = 1, antipode: Any = -1) -> list[Step]:
    """ "The size of decision margins can be flexibly controlled by adjusting a hyperparameter α", "any positive real
    number"."""
    theta, phi, m = sympy.symbols("theta phi m", real=True)
    wanted = sympy.sin(m) / sympy.sin(theta - sign * m)
    sine, other = sympy.symbols("s u", positive=True)
    return [
        equal(
            r"The margin is $m = \theta - \varphi$ with $\cot\varphi = (\alpha + \cos\theta)/\sin\theta$ (boundary), "
            r"$0 < \theta < \pi$: so $\alpha = \sin\theta\cot\varphi - \cos\theta = \sin(\theta - "
            r"\varphi)/\sin\varphi$,",
            sympy.sin(theta) * sympy.cos(phi) / sympy.sin(phi) - sympy.cos(theta),
            sympy.sin(theta - phi) / sympy.sin(phi),
        ),
        equal(
            r"which, for a margin $0 \le m < \theta$ that is wanted, is $\alpha = \sin m/\sin(\theta - m)$: 0 at $m = "
            r"0$, and with the derivative $\sin\theta/\sin^2(\theta - m)$ in $m$,",
            sympy.diff(wanted, m),
            sympy.sin(theta) / sympy.sin(theta - m) ** power,
        ),
        above_zero(
            r"which is above 0: so no two margins are made by one $\alpha$.",
            sine / other**2,
        ),
        equal(
            r"And $1/\alpha = \sin(\theta - m)/\sin m$ is continuous up to $m = \theta$, where it is 0, as $\sin\theta "
            r"> 0$: $\alpha$ grows without end. So every margin in $[0, \theta)$ is made by exactly one $\alpha \ge "
            r"0$, and every $\alpha \ge 0$ makes one.",
            (1 / wanted).subs(m, end * theta),
            0,
        ),
        _antipodes(antipode),
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
            r"**On the simplex**, $k = C - 1 \ge 2$, let $z_c = z_j = z$ be the largest logits, and not all be 0: "
            r"they sum to 0, so $z > 0$, and $z_i \ge -kz$ for every other class $i$. $z'_i \ge z_i$ means $\alpha z "
            r"\ge (n-1) z_i$: by $n - 1 \le \alpha$ or by signs, unless $n < 1$ and $z_i < 0$, where $\alpha/(1-n) "
            r"\ge k$ (chain) shows it. So no negative logit falls and $z'_j$ is above $z_j$: the loss is larger than "
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


CLAIMS = (
    Claim(
        "boundary",
        "Sec. 1, 4.2, 4.3",
        "The training boundary bisects the angle of w_c and w'_i; the margin grows with α",
        CONDITIONAL,
        boundary,
        ({"at_one": Fraction(1, 4)}, {"limit": Fraction(1, 2)}, {"antipode": 1}),
        "In the plane of the two weights, on their side, the margin between the two classes' training boundaries is "
        "θ − φ: 0 at α = 0, θ/2 at 1, less than θ for every α; half of it lies on each side of the boundary of test. "
        "On the far side, and between features in more dimensions: kept-apart. Not for parallel weights (eq-1).",
    ),
    Claim(
        "flexible",
        "Abstract, Sec. 1, 4.3, 6",
        "The decision margin can be adjusted by α, any positive real number",
        CONDITIONAL,
        flexible,
        ({"sign": -1}, {"power": 1}, {"end": Fraction(1, 2)}, {"antipode": 1}),
        "To any margin below θ, between the training boundaries of two weights that are not parallel, in their plane, "
        "on their side. One α makes different margins where the angles θ differ; and those of features in more "
        "dimensions, and of the far side, are not it: kept-apart.",
    ),
    Claim(
        "near-boundary",
        "Sec. 1",
        "The loss is larger than softmax's for features around the original decision boundaries",
        CONDITIONAL,
        near_boundary,
        ({"x": (Fraction(4, 5), Fraction(3, 5))}, {"upper": ALPHA}, {"least": 1 - 2 * K * ALPHA}),
        "With the same weights, for two classes on the side of their weights, z_c = z_j > 0; on the far side it is "
        "smaller. On the simplex (C ≥ 3), between the two classes of the largest logits, always, if not all "
        "logits are 0.",
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
        "algorithm-1",
        "Sec. 4.2",
        "Algorithm 1 trains with the loss of Eq. 13",
        CONDITIONAL,
        algorithm_1,
        ({"batch": 1}, {"divided": 2}, {"decay": 0}),
        "With the learning rate divided by B, the number of instances of a batch, and the weight decay multiplied by "
        "it: it takes the sum where Eq. 13 has the mean. Nor does it say when the weights get their length of 1, which "
        "Eq. 1 wants: after line 9 they have another.",
    ),
    Claim(
        "alpha-0",
        "Sec. 1, 4.3",
        "At α = 0 W-Softmax is the conventional softmax",
        CONDITIONAL,
        alpha_0,
        ({"bias": 1}, {"norm": 1}),
        "It is the softmax without bias and with normalised weights.",
    ),
)
