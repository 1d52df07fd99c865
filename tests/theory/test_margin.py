"""Margins against the weights themselves: what is right in training, what at test, direction by direction."""

import math

import mpmath
import numpy as np
import pytest

from theory.margin import biased_angle, biased_weights, boundary_angle, inverted_arc, margin
from theory.simplex import simplex_weights

THETAS = [0.3, math.pi / 2, 2.0, 3.0]
ALPHAS = [0.0, 0.5, 1.0, 1.5, 7.0]


def plane(theta):
    return np.array([[1.0, 0.0], [math.cos(theta), math.sin(theta)]])


def test_eq_1_row_by_row():
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((6, 4))
    unit = weight / np.linalg.norm(weight, axis=1, keepdims=True)
    found = biased_weights(weight, 2, 0.7)
    for j in range(6):
        expected = unit[2] if j == 2 else (0.7 * unit[2] + unit[j]) / np.linalg.norm(0.7 * unit[2] + unit[j])
        np.testing.assert_allclose(found[j], expected, atol=1e-15)


@pytest.mark.parametrize("theta", THETAS)
@pytest.mark.parametrize("alpha", ALPHAS)
def test_boundaries_are_where_the_logits_cross(theta, alpha):
    weight = plane(theta)
    trained = biased_weights(weight, 0, alpha)
    psi = np.linspace(0, 2 * math.pi, 7201)[:-1]
    x = np.stack([np.cos(psi), np.sin(psi)], 1)
    training = x @ trained[0] > x @ trained[1] + 1e-12
    test = x @ weight[0] > x @ weight[1] + 1e-12
    edge, half = float(boundary_angle(theta, alpha)), theta / 2
    step = 2 * math.pi / 7200
    right = psi[training & (psi < math.pi)]
    assert right.max() == pytest.approx(edge, abs=2 * step)
    wrong_at_test = psi[training & ~test]
    low, high = inverted_arc(theta, alpha)
    inside = (wrong_at_test > low - 2 * step) & (wrong_at_test < high + 2 * step)
    assert inside.all()
    assert len(wrong_at_test) * step == pytest.approx(half - edge, abs=3 * step)
    other = x @ biased_weights(weight, 1, alpha)[1] > x @ biased_weights(weight, 1, alpha)[0] + 1e-12
    between = ~training & ~other & (psi < theta)
    assert between.sum() * step == pytest.approx(float(margin(theta, alpha)), abs=3 * step)


def test_known_margins():
    theta = np.array(THETAS)
    np.testing.assert_allclose(margin(theta, 0.0), 0, atol=1e-15)
    np.testing.assert_allclose(margin(theta, 1.0), theta / 2, rtol=1e-14)
    np.testing.assert_allclose(margin(theta, 1e9), theta, rtol=1e-6)
    assert (np.diff(margin(theta[:, None], np.linspace(0, 9, 200)), axis=1) > 0).all()
    assert np.degrees(inverted_arc(math.pi / 2, 1.0)).tolist() == pytest.approx([202.5, 225.0])


@pytest.mark.parametrize("gap", [1e-2, 1e-6, 1e-10, 1e-14])
@pytest.mark.parametrize("shift", [0.0, 1e-3, -1e-8])
def test_it_is_right_near_antipodal_weights_at_alpha_1(gap, shift):
    theta, alpha = math.pi - gap, 1 + shift
    with mpmath.workdps(60):
        exact = mpmath.atan2(mpmath.sin(mpmath.mpf(theta)), mpmath.mpf(alpha) + mpmath.cos(mpmath.mpf(theta)))
    assert float(biased_angle(theta, alpha)) == pytest.approx(float(exact), rel=1e-9)


def test_antipodes():
    assert float(biased_angle(math.pi, 0.5)) == pytest.approx(math.pi)
    assert float(biased_angle(math.pi, 2.0)) == pytest.approx(0)
    assert float(biased_angle(math.pi, 1.0)) == pytest.approx(math.pi / 2)


def test_on_the_simplex_every_biased_weight_is_at_one_angle():
    weight = simplex_weights(5).T
    angle = float(biased_angle(math.acos(-1 / 4), 1.3))
    for c in range(5):
        found = biased_weights(weight, c, 1.3)
        others = np.delete(found @ weight[c], c)
        np.testing.assert_allclose(np.arccos(others), angle, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: biased_weights([[1.0], [-1.0]], 0, 1.0), "antipodal weights at alpha=1.0"),
        (lambda: biased_weights([[1.0], [0.0]], 0, 1.0), "row 1 of weight is zero"),
        (lambda: biased_weights([[1.0]], 0, 1.0), r"got \(1, 1\)"),
        (lambda: biased_weights(np.eye(3), 3, 1.0), "c must be in 0…2, got c=3"),
        (lambda: biased_weights(np.eye(3), 0, -1.0), "alpha must be finite and at least 0, got alpha=-1.0"),
        (lambda: boundary_angle(4.0, 1.0), r"theta must be in \[0, π\], got 4.0"),
        (lambda: boundary_angle(1.0, math.nan), "alpha must be finite"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 3.0, 1e200])
@pytest.mark.parametrize("size", [1e-300, 1e-200, 1.0, 1e200, 1e300])
def test_neither_long_rows_nor_a_large_alpha_overflow(size, alpha):
    rows = np.array([[3.0, 4.0], [-4.0, 3.0], [4.0, 3.0]])
    found = biased_weights(size * rows, 0, alpha)
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(3))
    if alpha < 1e9:
        expected = alpha * rows[0] + rows
        expected[0] = rows[0]
        assert found == pytest.approx(expected / np.linalg.norm(expected, axis=1, keepdims=True))
    else:
        assert found == pytest.approx(np.repeat(rows[:1] / 5, 3, axis=0))
