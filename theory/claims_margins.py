"""Section 2.2: what the paper says of L-Softmax [23] and A-Softmax [24].

Both put ψ(θ) for cos θ_c in the logit of the sample's class, with an integer m; here with any m > 0 and k = 0, 1, …,

    ψ(θ) = (−1)^k cos mθ − 2k  for kπ/m ≤ θ ≤ (k+1)π/m,

A-Softmax with weights of norm 1."""

from fractions import Fraction
from typing import Any

import sympy

from theory.claim import Claim
from theory.plane import SIN
from theory.proof import CONDITIONAL, Step, above_zero, equal

_k = sympy.Symbol("k", integer=True, nonnegative=True)
_m = sympy.Symbol("m", positive=True)
_t, _theta = sympy.symbols("t theta", real=True)


def _on_a_piece(shift: int) -> sympy.Expr:
    """ψ with mθ = kπ + t."""
    return (-1) ** _k * sympy.expand_trig(sympy.cos(sympy.pi * _k + _t)) - shift * _k


def integer_m(max_classes: int, shift: int = 2, twice: int = 2, other: Any = Fraction(3, 2)) -> list[Step]:
    """ "Limited by the multiple-angle formula, the hyper parameter m … should be a positive integer"."""
    between = sympy.sympify(other)

    def lies_between() -> bool:
        third = sympy.pi / 3
        values = [sympy.cos(factor * third) for factor in (1, between, 2)]
        return values == [sympy.Rational(1, 2), 0, sympy.Rational(-1, 2)]

    return [
        equal(
            r"For an integer $m$ the formula makes $\cos m\theta$ a polynomial in $\cos\theta$, beginning with 1 and "
            r"$\cos\theta$, by $\cos(m+1)\theta = 2\cos\theta\cos m\theta - \cos(m-1)\theta$: it wants neither the "
            r"angle nor an arccosine.",
            sympy.expand_trig(sympy.cos(_m * _theta + _theta)),
            twice * sympy.cos(_theta) * sympy.cos(_m * _theta) - sympy.expand_trig(sympy.cos(_m * _theta - _theta)),
        ),
        Step(
            r"For no other $m > 0$ is it one: a polynomial in $\cos\theta$ has the period $2\pi$, and $\cos 2\pi m = "
            r"1$ for integers alone; at $m = 3/2$ it is $-1$.",
            lambda: sympy.cos(2 * sympy.pi * between) == -1,
            "finite",
        ),
        equal(
            r"But the losses want no polynomial. For every real $m > 0$, with $m\theta = k\pi + t$ and $0 \le t \le "
            r"\pi$, $\psi = \cos t - 2k$;",
            _on_a_piece(shift),
            sympy.cos(_t) - 2 * _k,
            "against",
        ),
        equal(
            r"where one piece ends, at $t = \pi$, the next begins with the same value, $-1 - 2k$;",
            _on_a_piece(shift).subs(_t, sympy.pi),
            _on_a_piece(shift).subs({_k: _k + 1, _t: 0}),
            "against",
        ),
        above_zero(
            r"and on each $\psi$ falls as $\theta$ grows, $-d\psi/dt = \sin t > 0$. So it is continuous and falls on "
            r"all of $0 \le \theta \le \pi$, which is what the losses ask of it.",
            SIN,
            "against",
        ),
        Step(
            r"$m = 3/2$ lies between softmax and $m = 2$: at $\theta = \pi/3$, $\cos\theta = 1/2$, $\psi_{3/2} = "
            r"\cos\pi/2 = 0$ and $\psi_2 = \cos 2\pi/3 = -1/2$.",
            lies_between,
            "counterexample",
        ),
    ]


def positive_focused(max_classes: int, shift: int = 2, sign: int = 1, rest: int = 1) -> list[Step]:
    """ "Both of them decrease the probability of positive class by enlarging the angle"."""
    z, others = sympy.Symbol("z", real=True), sympy.Symbol("S", positive=True)
    a, b = sympy.symbols("a b", real=True)
    share = sympy.exp(z) / (sympy.exp(z) + rest * others)
    return [
        equal(
            r"Let $m > 1$ and $0 < \theta \le \pi$. Where $k = 0$, so $m\theta \le \pi$, and with $a = (m+1)\theta/2$, "
            r"$b = (m-1)\theta/2$: $\cos\theta - \psi = \cos(a-b) - \cos(a+b) = 2\sin a\sin b > 0$, as $0 < b < a < "
            r"\pi$. The angle is $m\theta$ for $\theta$.",
            sympy.expand_trig(sympy.cos(a - b) - sign * sympy.cos(a + b)),
            2 * sympy.sin(a) * sympy.sin(b),
        ),
        equal(
            r"Where $k \ge 1$, with $m\theta = k\pi + t$: $\cos\theta - \psi = (1 + \cos\theta) + (1 - \cos t) + 2(k - "
            r"1) \ge 0$, and 0 only for $\theta = \pi$, $t = 0$ and $k = 1$, that is $m = 1$.",
            sympy.cos(_theta) - _on_a_piece(shift),
            (1 + sympy.cos(_theta)) + (1 - sympy.cos(_t)) + 2 * (_k - 1),
        ),
        above_zero(
            r"$p_c = e^{z}/(e^{z} + S)$, $S$ of the other classes, grows with $z$, $dp_c/dz = Se^z/(e^z + S)^2 > 0$, "
            r"and $z = \|w_c\| \|x\| \psi$ is below $\|w_c\| \|x\| \cos\theta$: so $p_c$ is lower, for every $\theta > "
            r"0$ and $w_c, x \ne 0$.",
            sympy.diff(share, z),
        ),
        equal(
            r"Not by a larger angle where $m\theta > \pi$: there $k \ge 1$ and $-1 - \psi = (1 - \cos t) + 2(k - 1) > "
            r"0$ (it is 0 at $m\theta = \pi$ alone), so that $\psi$ is the cosine of no angle.",
            -1 - _on_a_piece(shift),
            (1 - sympy.cos(_t)) + 2 * (_k - 1),
            "against",
        ),
        Step(
            r"With $m = 2$ and $\theta = 2\pi/3$: $k = 1$ and $\psi = -\cos(4\pi/3) - 2 = -3/2$.",
            lambda: -sympy.cos(4 * sympy.pi / 3) - shift == sympy.Rational(-3, 2),
            "counterexample",
        ),
    ]


CLAIMS = (
    Claim(
        "integer-m",
        "Sec. 2.2, 4.3",
        "Limited by the multiple-angle formula, m of L-Softmax and A-Softmax should be a positive integer",
        CONDITIONAL,
        integer_m,
        ({"shift": 1}, {"twice": 1}, {"other": 2}),
        "Where cos mθ is computed by the multiple-angle formula, as the paper says. Nothing asks for it: by an "
        "arccosine the same losses make sense, continuous and falling in θ, for every real m > 0.",
    ),
    Claim(
        "positive-focused",
        "Sec. 2.2",
        "L-Softmax and A-Softmax decrease the probability of the positive class, by enlarging its angle",
        CONDITIONAL,
        positive_focused,
        ({"shift": 1}, {"sign": -1}, {"rest": -1}),
        "They decrease it, for m > 1 at every θ > 0; by a larger angle, mθ for θ, up to mθ = π. Beyond, what stands "
        "for cos θ is below −1.",
    ),
)
