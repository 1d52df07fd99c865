"""Sections 1 and 4: what the losses ask of features, and whether the features of two classes are kept apart"""

from fractions import Fraction
from typing import Any

import sympy

from theory import exact
from theory.claim import Claim
from theory.plane import ACUTE, ALPHA, COS, EAST, ON_SIMPLEX, SIN, G, K, N, T, biased, units
from theory.proof import CONDITIONAL, Step, above_zero, equal, positive

B = sympy.Symbol("b", positive=True)
"""n − α, the share of z_c that every other logit is below in training."""


def least_loss_on_the_simplex(others: Any = -1) -> list[Step]:
    """At a given norm the loss is least along w_c, for every α ≥ 0."""
    z = sympy.Symbol("z_c", real=True)
    return [
        equal(
            r"**On the simplex**, $k = C - 1 \ge 2$: $\sum_{j \ne c} z_j = -z_c$, so $\sum_{j \ne c} (z'_j - z_c) = "
            r"(k\alpha z_c - z_c)/n - k z_c = z_c (k(\alpha - n) - 1)/n$.",
            (K * ALPHA * z + others * z) / N - K * z,
            z * (K * (ALPHA - N) - 1) / N,
        ),
        positive(
            r"The factor of $z_c$ is below 0, because $n > \alpha - 1/k$: $n^2 - (\alpha - 1/k)^2 = 1 - 1/k^2 > 0$. By "
            r"Jensen $\sum_{j \ne c} e^{z'_j - z_c} \ge k e^{s/k}$ with $s$ that sum, which at $\|x\| = r$ is least at "
            r"$z_c = r$; and at $x = r w_c$ all terms are equal. So the feature of least loss is $r w_c$, and no other "
            r"is as good: for every $r$ and $\alpha$.",
            sympy.expand(ON_SIMPLEX - (ALPHA - 1 / K) ** 2),
            (K, 2),
        ),
    ]


def squares(b: Any) -> Any:
    """Σ z² on the simplex at a vertex of what is right in training, z_c = 1: all other logits b but the last."""
    return 1 + (K - 1) * b**2 + (1 + (K - 1) * b) ** 2


def closer(
    max_classes: int,
    alpha: Any = 1,
    w_j: Any = ACUTE,
    others: Any = -1,
    away: Any = -2,
    square: Any = 1 - G**2,
    widest: Any = squares,
) -> list[Step]:
    """ "The W-Softmax loss can force features to draw close to the weight vectors of their corresponding class by
    increasing the value of α"."""
    b = sympy.Symbol("b", real=True)
    h = sympy.Symbol("h", real=True)
    theta, phi = sympy.symbols("theta phi", real=True)

    def cosine_squared(bias: Fraction) -> Fraction:
        """Of w_c and w_c − w', which at a given norm has the least loss of two classes."""
        direction = exact.plus(biased(EAST, w_j, bias), EAST, Fraction(-1))
        return exact.dot(EAST, direction) ** 2 / exact.dot(direction, direction)

    return [
        *least_loss_on_the_simplex(others),
        equal(
            r"**And in $C - 1$ dimensions what is right in training narrows to the weight.** (In more a feature may "
            r"hold any part at right angles to all weights, and is at up to 90° then.) With $b = n - \alpha$ it is "
            r"$z_j < b z_c$, and $z_c > 0$, see `train-test`. At $z_c = 1$ the $k$ others, each at most $b$, add up to "
            r"$-1$: a simplex, at whose vertices all but one are $b$ and that is $-1 - (k-1)b$. There the convex "
            r"$\sum_j z_j^2$ is largest, $q(b) = 1 + (k-1)b^2 + (1 + (k-1)b)^2$, and $\|x\|^2 = \frac{k}{k+1} \sum_j "
            r"z_j^2$: so every such $x$ is at less than the angle $\psi$ from $w_c$, $\cos^2\psi = "
            r"\frac{k+1}{k\,q(b)}$, and some come as near to it as one likes. $q'(b) = 2(k-1)(1 + kb)$,",
            sympy.diff(widest(b), b),
            2 * (K - 1) * (1 + K * b),
        ),
        equal(
            r"which is above 0 as $b > -1/k$; and $b$ falls as $\alpha$ grows, as its derivative $(\alpha - 1/k)/n - "
            r"1$ is below 0: both by $n > \alpha - 1/k$. So $\psi$ falls, from $\arccos(1/k)$ at $\alpha = 0$, where "
            r"$b = 1$,",
            K / (K + 1) * widest(1),
            K**2,
        ),
        equal(
            r"to 0: $b = (1 - 2\alpha/k)/(n + \alpha)$ tends to $-1/k$ as $\alpha$ grows, where $\cos\psi = 1$. "
            r"(For $C = 10$: 83.6° at $\alpha = 0$, 74.4° at 1.)",
            K / (K + 1) * widest(-1 / K),
            1,
        ),
        equal(
            r"**For two weights** the loss $\log(1 + e^{(w' - w_c)^T x})$ is least along $w_c - w'$. With $h = "
            r"\cos\varphi$ its angle from $w_c$ has $\cos^2 = (1 - h)^2/(2 - 2h) = (1-h)/2 = \sin^2(\varphi/2)$: it is "
            r"at $90° - \varphi/2$ from $w_c$, on the other side than $w_j$.",
            (1 - h) ** 2 / (2 - 2 * h),
            (1 - h) / 2,
            "against",
        ),
        equal(
            r"$\varphi$ falls as $\alpha$ grows: $h = (\alpha + g)/n$ has the derivative $(n^2 - (\alpha + g)^2)/n^3 = "
            r"(1 - g^2)/n^3$,",
            sympy.diff((ALPHA + G) / sympy.sqrt(1 + ALPHA**2 + 2 * ALPHA * G), ALPHA),
            square / sympy.sqrt(1 + ALPHA**2 + 2 * ALPHA * G) ** 3,
            "against",
        ),
        above_zero(
            r"which is above 0 unless the weights are parallel, $g = \cos\theta$ with $0 < \theta < \pi$. So the "
            r"feature of least loss moves *away* from $w_c$, from $90° - \theta/2$ at $\alpha = 0$ towards $90°$.",
            (1 - COS**2) / N**3,
            "against",
        ),
        equal(
            r"(It does move away from $w_j$ too, as Sec. 4.2 says, if $\theta \le 90°$: $w_j^T(w_c - w') = \cos\theta "
            r"- \cos(\theta - \varphi) = -2\sin(\theta - \varphi/2)\sin(\varphi/2)$, and $\|w_c - w'\| = "
            r"2\sin(\varphi/2)$: it is at $90° + \theta - \varphi/2$ from $w_j$, which grows as $\varphi$ falls.)",
            sympy.cos(theta) - sympy.cos(theta - phi),
            away * sympy.sin(theta - phi / 2) * sympy.sin(phi / 2),
        ),
        Step(
            r"Against it: $w_c = (1, 0)$, $w_j = (7/25, 24/25)$. At $\alpha = 0$ the loss is least along $(3, -4)$, at "
            r"$\cos^2 = 9/25$ from $w_c$ (53.1°); at $\alpha = 1$ along $(1, -3)$, at $\cos^2 = 1/10$ (71.6°).",
            lambda: (
                units(EAST, w_j)
                and cosine_squared(Fraction(0)) == Fraction(9, 25)
                and cosine_squared(Fraction(alpha)) == Fraction(1, 10)
            ),
            "counterexample",
            {
                "kind": "farther",
                "w_c": exact.texts(EAST),
                "w_j": exact.texts(w_j),
                "alphas": ["0", exact.text(Fraction(alpha))],
            },
        ),
    ]


def kept_apart(
    max_classes: int,
    shared: Any = (Fraction(-4, 5), Fraction(-3, 5)),
    height: Any = 2,
    size: Any = Fraction(3, 4),
    pairs: Any = K,
    upper: Any = 1 + ALPHA,
    between: Any = Fraction(-1, 3),
    swapped: Any = (10, 3),
    widest: Any = squares,
) -> list[Step]:
    """ "Decision boundaries between any two classes get separated", "by a large angular margin"."""
    one = Fraction(1)
    feature = [Fraction(value) for value in shared]
    bias = Fraction(size)
    basis = [[Fraction(int(i == j)) for j in range(10)] for i in range(10)]
    apart = (*EAST, Fraction(height)), (*ACUTE, Fraction(height))
    square = 1 + ALPHA**2 + 2 * ALPHA * G
    high, low = map(Fraction, swapped)
    near = [[*first, *[low] * 7, -(high + 8 * low)] for first in ([high, low], [low, high])]
    s, gap = sympy.symbols("s d", positive=True)

    def right(x: Any, w_c: Any, w_j: Any, alpha: Fraction) -> bool:
        return exact.dot(biased(w_c, w_j, alpha), x) < exact.dot(w_c, x)

    def both() -> bool:
        return units(EAST, ACUTE) and right(feature, EAST, ACUTE, one) and right(feature, ACUTE, EAST, one)

    def ten() -> bool:
        x = [Fraction(-1)] * 10
        return all(
            exact.dot(biased(u, v, bias), x) == Fraction(-7, 5) and right(x, u, v, bias)
            for u in basis
            for v in basis
            if u is not v
        )

    def close() -> bool:
        w_1, w_2 = (*EAST, Fraction(0)), (*ACUTE, Fraction(0))
        x_1, x_2 = apart
        both_right = right(x_1, w_1, w_2, one) and right(x_2, w_2, w_1, one)
        cosine = exact.dot(x_1, x_2) / exact.root(exact.dot(x_1, x_1) * exact.dot(x_2, x_2))
        return both_right and cosine > exact.dot(w_1, biased(w_1, w_2, one))

    def near_on_the_simplex() -> bool:
        """Of logits that add up to 0 on the simplex, where they are 10/9 of the coefficients of x and x·y is 9/10 of
        theirs."""
        z, other = near
        gram = [[one if i == j else Fraction(-1, 9) for j in range(10)] for i in range(10)]
        of_logits = all(
            [exact.dot(row, [Fraction(9, 10) * value for value in logits]) for row in gram] == logits
            for logits in (z, other)
        )
        norm = exact.root(2 - Fraction(2, 9))
        both_right = max(z[1:]) < (norm - 1) * z[0] and max(other[:1] + other[2:]) < (norm - 1) * other[1]
        cosine, margin = exact.dot(z, other) / exact.dot(z, z), (1 - Fraction(1, 9)) / norm
        return of_logits and both_right and cosine == Fraction(1279, 1328) and cosine > margin == Fraction(2, 3)

    def free_direction() -> bool:
        t, g = sympy.Symbol("t", positive=True), sympy.Rational(between)
        of_norm_1 = ON_SIMPLEX.subs({ALPHA: sympy.Rational(2, 3), K: 3}) == 1
        right = Fraction(2, 3) + between < 1
        return bool(of_norm_1 and right and sympy.limit((t**2 + g) / (t**2 + 1), t, sympy.oo) == 1)

    return [
        equal(
            r"**If some positive combination of the weights is 0**, and no two are parallel: $z_c \sum_{j \ne c} "
            r"\lambda_j (n_j - \alpha - g_j) = \sum_{j \ne c} \lambda_j ((n_j - \alpha) z_c - z_j)$, see "
            r"`train-test`; within or on $c$'s boundaries of training no term of the right side is below 0, and every "
            r"factor of the left one is above 0, $n^2 - (\alpha + g)^2 = 1 - g^2 > 0$: so $z_c \ge 0$.",
            square - (ALPHA + G) ** 2,
            1 - G**2,
        ),
        equal(
            r"If $z_c > 0$, every $z_j \le (n_j - \alpha) z_c < z_c$, as $(1 + \alpha)^2 - n^2 = 2\alpha(1 - g) > 0$; "
            r"if $z_c = 0$, every $z_j \le 0$ and a positive combination of them is 0, so all are 0. So two classes "
            r"share no $x$ but where all logits are 0, on the simplex in $\mathbb{R}^{C-1}$, $C \ge 3$, none but $x = "
            r"0$. Directions are a compact set: **on that simplex features that are right in training for two classes "
            r"are at least some angle apart, one for each $C$ and $\alpha > 0$.**",
            upper**2 - square,
            2 * ALPHA * (1 - G),
        ),
        Step(
            r"Against it otherwise: $w_1 = (1, 0)$, $w_2 = (7/25, 24/25)$, $\alpha = 1$, $x = -r(4/5, 3/5)$ has $z_1 = "
            r"z_2 = -4r/5$ and $z' = -r$ for *either* label: one feature is right in training for both classes, and "
            r"its loss $\log(1 + e^{-r/5})$ tends to 0 as $r$ grows.",
            both,
            "counterexample",
            {
                "kind": "shared",
                "weights": [exact.texts(EAST), exact.texts(ACUTE)],
                "x": exact.texts(feature),
                "alpha": "1",
            },
        ),
        Step(
            r"**With every class**: $C = 10$ orthonormal weights, $\alpha = 3/4$, $x = -r(1, \dots, 1)$: every $z_c = "
            r"-r$ and every $z'_j = -7r/5$. A network that gives every image this one feature is right in training on "
            r"all of them, at a loss $\log(1 + 9e^{-2r/5})$ that tends to 0, and at test all classes tie. Softmax "
            r"cannot be led there: of one feature with $C$ labels the mean of $-\log p_c$ is at least $\log C$.",
            ten,
            "counterexample",
            {
                "kind": "shared",
                "weights": [exact.texts(w) for w in basis],
                "x": ["-1"] * 10,
                "alpha": exact.text(bias),
            },
        ),
        equal(
            r"**Off the simplex one feature serves every class.** $C = k + 1$ unit weights with the common inner "
            r"product $g$ have $\|\sum_j w_j\|^2 = C + Ckg = C(1 + kg)$, so each has the product $s = \sqrt{(1 + "
            r"kg)/C}$ with the direction $u$ of their sum: 0 on the simplex, $g = -1/k$, and above 0 for every "
            r"larger $g$.",
            (K + 1) + (K + 1) * pairs * G,
            (K + 1) * (1 + K * G),
            "against",
        ),
        equal(
            r"At $x = -ru$ every $z_c = -rs$ and $z'_j = -rs(1 + \alpha)/n$, so $z_c - z'_j = rs(1 + \alpha - n)/n$,",
            -s + (ALPHA * s + s) / N,
            s * (upper - N) / N,
            "against",
        ),
        above_zero(
            r"which with $1 + \alpha - n = d > 0$ is above 0, for every $\alpha > 0$ and $-1/k < g < 1$: as $r$ grows "
            r"the loss tends to 0 on this one feature of all classes.",
            s * gap / N,
            "against",
        ),
        Step(
            r"On the near side too, with a third dimension: $w_1 = (1, 0, 0)$, $w_2 = (7/25, 24/25, 0)$, $\alpha = 1$. "
            r"$x_1 = (1, 0, 2)$ and $x_2 = (7/25, 24/25, 2)$ are right in training, each for its class, $1 > 4/5$, at "
            r"the cosine $107/125$ of each other: closer than the margin in the plane of the weights, whose cosine is "
            r"$4/5$; and as the third coordinate grows their angle goes to 0.",
            close,
            "counterexample",
            {
                "kind": "close",
                "w_c": exact.texts((*EAST, 0)),
                "w_j": exact.texts((*ACUTE, 0)),
                "x": [exact.texts(x) for x in apart],
                "alpha": "1",
            },
        ),
        Step(
            r"The simplex is no exception where features have a direction $u$ that all weights leave free: $C = 4$, "
            r"$\alpha = 2/3$, $n = 1$. $x_c = w_c + tu$ has $z_c = 1 > z'_j = 2/3 - 1/3$ for every $t$, and two such "
            r"features the cosine $(t^2 - 1/3)/(t^2 + 1)$, which tends to 1.",
            free_direction,
            "counterexample",
            {
                "kind": "free-direction",
                "inner": exact.text(Fraction(between)),
                "alpha": "2/3",
                "logits": ["1", exact.text(Fraction(2, 3) + between)],
                "lengths": ["2", "10"],
                "cosines": [exact.text((t * t + between) / (t * t + 1)) for t in (2, 10)],
            },
        ),
        equal(
            r"**By no large angle on the simplex itself, where classes are many.** With $k = C - 1$ and $b = n - "
            r"\alpha$ the logits $y = (1, b, \dots, b, -1 - (k-1)b)$ are on every boundary of training of the first "
            r"class but that with the last, and $y'$, with its first two entries swapped, so of the second; features "
            r"as near to these as one likes are right in training. They have $\sum_j y_j^2 = q(b)$, see `closer`, and "
            r"differ in two entries: $\sum_j (y_j - y'_j)^2 = 2(1-b)^2$, so that their cosine is $1 - (1-b)^2/q(b)$.",
            (1 - B) ** 2 + (B - 1) ** 2,
            2 * widest(B) - 2 * (2 * B + (K - 2) * B**2 + (1 + (K - 1) * B) ** 2),
            "against",
        ),
        equal(
            r"At a given $\alpha$, from $k > 2\alpha$ on, $b$ is above 0, as $n^2 - \alpha^2 = 1 - 2\alpha/k$, below "
            r"1, as $n < 1 + \alpha$, and grows with $k$, as $n^2$ has the derivative $2\alpha/k^2$;",
            sympy.diff(ON_SIMPLEX, K),
            2 * ALPHA / K**2,
            "against",
        ),
        positive(
            r"and $q(b) > (k-1)^2 b^2$: so the cosine is above $1 - 1/((k-1)b)^2$, and the angle goes to 0 as $1/k$.",
            widest(B) - (K - 1) ** 2 * B**2,
            (K, 2),
            (B, 0),
            role="against",
        ),
        Step(
            r"Against a large angle: $C = 10$, $\alpha = 1$, where $n = 4/3$. Features with the logits $(10, 3, \dots, "
            r"3, -34)$ are right in training for the first class, as $3 < 10/3$, with the first two entries swapped "
            r"for the second, and have the cosine $1279/1328$: 15.6° apart, where the margin in the plane of two "
            r"weights, of the cosine $2/3$, is 48.2°.",
            near_on_the_simplex,
            "counterexample",
            {
                "kind": "close-on-the-simplex",
                "logits": [exact.texts(each) for each in near],
                "alpha": "1",
                "cosine": "1279/1328",
            },
        ),
    ]


def mean_angle(
    max_classes: int,
    within: Any = 1,
    slope: Any = SIN,
    far: Any = (Fraction(-4, 5), Fraction(3, 5)),
    longer: Any = 3,
    twice: Any = 2,
) -> list[Step]:
    """ "Lower mean angle corresponds to the compactness of intra-class", so that softmax, whose angle is larger, "can
    not encourage the intra-class compactness"."""
    square, c = sympy.symbols("S c", real=True)
    angle = sympy.Symbol("theta", positive=True)
    p_i, p_j, a_i, a_j = sympy.symbols("p_i p_j a_i a_j", real=True)
    one = [tuple(map(Fraction, far))] * 2
    up, down = (Fraction(4, 5), Fraction(3, 5)), (Fraction(4, 5), Fraction(-3, 5))

    def spread(features: Any) -> Fraction:
        """The mean square of the distances from the mean."""
        count = len(features)
        centre = [sum(each) / count for each in zip(*features, strict=True)]
        apart = [exact.plus(x, centre, Fraction(-1)) for x in features]
        return sum((exact.dot(x, x) for x in apart), Fraction(0)) / count

    def farther_and_more_compact(other: Any) -> bool:
        """Whether every angle of `one` is larger than every one of the other class, and its variance smaller."""
        cosines = [[exact.dot(EAST, x) / exact.root(exact.dot(x, x)) for x in each] for each in (one, other)]
        return max(cosines[0]) < min(cosines[1]) and spread(one) < spread(other)

    def evidence(other: Any) -> dict[str, Any]:
        classes = {name: [exact.texts(x) for x in each] for name, each in (("one", one), ("other", other))}
        return (
            {"kind": "compact", "w": exact.texts(EAST)}
            | classes
            | {"variances": exact.texts([spread(one), spread(other)])}
        )

    directions, lengths = [up, down], [EAST, (Fraction(longer), Fraction(0))]
    return [
        equal(
            r"**Directions at a small mean angle are close.** $N$ unit features with the mean $m$, $S = \|m\|^2$, "
            r"have the variance $\frac1N \sum \|u - m\|^2 = 1 - 2S + S = 1 - S$,",
            within - 2 * square + square,
            1 - square,
        ),
        equal(
            r"and with the mean cosine $c = w^T m$ to their unit weight $\|m - cw\|^2 = S - 2c^2 + c^2 = S - c^2 \ge "
            r"0$: the variance is $1 - c^2$ at most.",
            square - 2 * c * c + c**2,
            square - c**2,
        ),
        equal(
            r"$1 - \cos\theta \le \theta$, as both are 0 at 0 and the derivative of $\theta - 1 + \cos\theta$ is, with "
            r"$t = \tan(\theta/2)$, $1 - \sin\theta = (1 - t)^2/(1 + t^2) \ge 0$: so $c \ge 1 - \bar\theta$,",
            1 - slope,
            (1 - T) ** 2 / (1 + T**2),
        ),
        equal(
            r"and with a mean angle $\bar\theta \le 1$ (57.3°) the variance is $1 - (1 - \bar\theta)^2 = 2\bar\theta - "
            r"\bar\theta^2$ at most, which goes to 0 with it.",
            1 - (1 - angle) ** 2,
            2 * angle - angle**2,
        ),
        Step(
            r"Against it: a class whose features are all $(-4/5, 3/5)$, at 143.1° from $w = (1, 0)$, has no "
            r"variance; one whose features are $(4/5, \pm 3/5)$, half of them each, at 36.9°, has the variance $9/25$.",
            lambda: farther_and_more_compact(directions),
            "counterexample",
            evidence(directions),
        ),
        Step(
            r"Against it too where features have lengths: with $w$ and $3w$, half each, the angle is 0 and the "
            r"variance 1: more than that of the class at 143.1°.",
            lambda: farther_and_more_compact(lengths),
            "counterexample",
            evidence(lengths),
        ),
        equal(
            r"**Softmax asks for one feature a class.** The second derivative of $-\log p_c$ along $v$ is the variance "
            r"under $p$ of $a_j = w_j^T v$: $\sum_j p_j a_j^2 - (\sum_j p_j a_j)^2 = \frac12 \sum_{i,j} p_i p_j (a_i - "
            r"a_j)^2$, term by term with $\sum_i p_i = 1$. It is above 0 unless all $a_j$ are equal: where the "
            r"differences of the weights span the space, as on the simplex in $C - 1$ dimensions, the loss is strictly "
            r"convex, and of all features no longer than $r$ one alone has the least.",
            p_i * p_j * (a_i - a_j) ** 2,
            p_i * p_j * a_i**2 + p_i * p_j * a_j**2 - twice * (p_i * a_i) * (p_j * a_j),
            "against",
        ),
        positive(
            r"W-Softmax asks for one too, on the simplex in $k = C - 1 \ge 2$ dimensions, with $w_c$ and the $w'_j$ "
            r"for weights. If $\sum_{j \ne c} a_j (w_j - (n - \alpha) w_c) = 0$, then, as $w_c = -\sum_{j \ne c} w_j$ "
            r"and any $k$ of the weights are independent, every $a_j$ is $\alpha - n$ times their sum: all are 0 "
            r"unless $k(\alpha - n) = 1$; but $n > \alpha - 1/k$, as $n^2 - (\alpha - 1/k)^2 = 1 - 1/k^2 > 0$. So the "
            r"$w'_j - w_c$, which are these vectors over $n$, span the space.",
            sympy.expand(ON_SIMPLEX - (ALPHA - 1 / K) ** 2),
            (K, 2),
        ),
    ]


CLAIMS = (
    Claim(
        "closer",
        "Sec. 1, 4.1, 4.2",
        "Increasing α forces features to draw close to the weight vectors of their class",
        CONDITIONAL,
        closer,
        (
            {"alpha": Fraction(0)},
            {"w_j": EAST},
            {"others": 1},
            {"away": 2},
            {"square": 1 - G},
            {"widest": lambda b: 1 + K * b**2 + (1 + (K - 1) * b) ** 2},
        ),
        "On the simplex in C − 1 dimensions (C ≥ 3) what is right in training narrows to the weight as α grows, from "
        "83.6° at α = 0 to 74.4° at 1 for ten classes. But the loss is least along the class's weight at every norm "
        "and every α, 0 included: a larger α does not move that point; and softmax with normalised weights asks for it "
        "too, whose boundary is as coincident as that of the conventional softmax, which by Sec. 4.1 therefore cannot "
        "lead to more discriminative features. For two weights that are not parallel a larger α moves the point away, "
        "from w_c and, up to 90° between the two, from w_j.",
    ),
    Claim(
        "kept-apart",
        "Sec. 1, 4.2",
        "The decision boundaries of any two classes get separated, by a large angular margin",
        CONDITIONAL,
        kept_apart,
        (
            {"shared": (Fraction(4, 5), Fraction(3, 5))},
            {"height": Fraction(1, 2)},
            {"size": 0},
            {"pairs": K - 1},
            {"upper": ALPHA},
            {"between": 1},
            {"swapped": (10, 4)},
            {"widest": lambda b: 1 + K * b**2 + (1 + (K - 1) * b) ** 2},
        ),
        "Kept apart, for α > 0, on the simplex in C − 1 dimensions (C ≥ 3), and in the plane of two weights on their "
        "side; but on the simplex, at a given α, by an angle that falls as 1/C or faster: features of two of ten "
        "classes can be 15.6° apart at α = 1. With other weights the printed loss can go to 0 on one and the same "
        "feature for every image.",
    ),
    Claim(
        "mean-angle",
        "Sec. 5.3",
        "A lower mean angle means a more compact class; softmax, whose angle is larger, cannot encourage compactness",
        CONDITIONAL,
        mean_angle,
        (
            {"within": 2},
            {"slope": COS},
            {"far": (1, 0)},
            {"longer": 1},
            {"twice": 1},
        ),
        "A small mean angle makes the directions of a class compact. A large one does not make them spread: all may be "
        "one, far from the weight. And softmax too asks for one feature a class, up to a length, where the differences "
        "of the weights span the space.",
    ),
)
