"""Paired comparisons against scipy, statements by hand, and simulation."""

import base64
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis import paired


def runs(bits, width=9, loss="softmax", seeds=None, **fields):
    """Rows as `records.load` gives them, one a row of `bits` (seeds, images)."""
    return pd.DataFrame(
        {
            "run_id": f"{loss}_M{width}_s{seed}",
            "name": "mnist-small",
            "dataset": "mnist",
            "loss": loss,
            "feature": "prelu-bn",
            "classes": 10,
            "width": width,
            "seed": seed,
            "status": "done",
            "test_accuracy": float(np.mean(row)),
            "correct": base64.b64encode(np.packbits(np.asarray(row, bool)).tobytes()).decode(),
            **fields,
        }
        for seed, row in zip(seeds or range(len(bits)), bits, strict=True)
    )


def coin(seeds=4, images=101, share=0.9, seed=0):
    return np.random.default_rng(seed).random((seeds, images)) < share


def test_the_bits_come_back_at_any_number_of_images():
    for images in (7, 8, 9, 97, 1000):
        bits = coin(3, images)
        assert (paired.correctness(runs(bits)) == bits).all()
    assert paired.correctness(runs(coin()).assign(correct=None)) is None
    assert paired.correctness(runs(coin()).drop(columns="correct")) is None


def test_a_difference_is_the_mean_over_paired_seeds_with_scipy_s_interval():
    one, other = coin(seed=1), coin(seed=2)
    found = paired.compare(runs(one, loss="w-softmax:1"), runs(other))
    gains = 100 * (one.mean(1) - other.mean(1))
    oracle = stats.ttest_rel(100 * one.mean(1), 100 * other.mean(1)).confidence_interval(0.95)
    assert (found.difference, found.low, found.high) == pytest.approx((gains.mean(), oracle.low, oracle.high))
    assert found.seeds == (0, 1, 2, 3)
    back = paired.compare(runs(other), runs(one, loss="w-softmax:1"))
    assert (back.difference, back.low, back.high) == pytest.approx((-found.difference, -found.high, -found.low))


def test_seeds_are_paired_whatever_their_order():
    one, other = coin(3, seed=1), coin(3, seed=2)
    found = paired.compare(runs(one, seeds=[2, 0, 5]), runs(other, width=4, seeds=[5, 9, 2]))
    assert found.seeds == (2, 5)
    assert found.difference == pytest.approx(
        100 * np.mean([one[0].mean() - other[2].mean(), one[2].mean() - other[0].mean()])
    )


def test_mcnemar_counts_the_discordant_pairs_of_all_seeds():
    one = np.array([[1, 1, 1, 0, 1, 1, 0, 1, 1], [1, 1, 1, 1, 1, 0, 0, 1, 1]], bool)
    other = np.array([[1, 0, 0, 1, 1, 0, 0, 1, 1], [1, 0, 0, 1, 0, 0, 0, 1, 1]], bool)
    found = paired.compare(runs(one, loss="hinge"), runs(other))
    assert (found.images, found.only_one, found.only_other) == (9, 6, 1)
    assert found.discordant == pytest.approx(7 / 18)
    assert found.p_pooled == pytest.approx(2 * (1 + 7) / 2**7)  # by hand: P(X ≤ 1), X ~ Binomial(7, 1/2), twice
    # by hand: the images' sums are 0, 2, 2, −1, 1, 1, 0, 0, 0
    assert found.p_images == pytest.approx(2 * stats.norm.sf(5 / math.sqrt(11)))


def test_equal_runs_differ_in_nothing():
    found = paired.compare(runs(coin(), loss="hinge"), runs(coin()))
    assert (found.difference, found.low, found.high, found.p_pooled, found.p_images) == (0, 0, 0, 1, 1)


def test_without_bits_there_is_no_mcnemar():
    found = paired.compare(runs(coin(seed=1)).drop(columns="correct"), runs(coin(), width=90))
    assert (found.images, found.p_pooled, found.p_images) == (0, None, None)
    assert math.isnan(found.discordant)
    assert found.low < found.difference < found.high


def test_one_seed_has_no_interval_and_failures_are_told():
    one, other = runs(coin(3, seed=1)), runs(coin(3), width=90)
    one.loc[1, "status"], other.loc[2, "status"] = "diverged", "failed"
    found = paired.compare(one, other)
    assert (found.seeds, found.failed_one, found.failed_other) == ((0,), 1, 1)
    assert (found.low, found.high) == (-math.inf, math.inf)


def test_the_images_test_is_not_fooled_by_seeds_that_share_images():
    """Under the null, with networks of all seeds alike, pooling finds a difference far too often; by images it is as
    rare as it should be."""
    rng = np.random.default_rng(0)
    pooled = images = 0
    trials = 300
    for _ in range(trials):
        one, other = (np.repeat(rng.random((1, 800)) < 0.9, 5, axis=0) for _ in range(2))
        found = paired.compare(runs(one, loss="hinge"), runs(other))
        pooled += found.p_pooled < 0.05
        images += found.p_images < 0.05
    assert pooled > 0.2 * trials
    assert stats.binomtest(images, trials, 0.05).pvalue > 1e-3


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        (runs(coin()).assign(loss=["a", "b"] * 2), runs(coin()), "one loss, got a, b"),
        (runs(coin()), runs(coin(), dataset="digits"), "one dataset, got digits, mnist"),
        (runs(coin()), runs(coin(), name="paper-mnist"), "one name"),
        (runs(coin(), data_sha256="a"), runs(coin(), data_sha256="b"), "one data_sha256, got a, b"),
        (runs(coin(), computed_in="float32"), runs(coin(), computed_in="bf16"), "one computed_in, got bf16, float32"),
        (runs(coin()), runs(coin(), seeds=[7, 8, 9, 10]), r"no seed is done in both.*\[0, 1, 2, 3\].*\[7, 8, 9, 10\]"),
        (runs(coin()), pd.concat([runs(coin())] * 2), "more for M=9 seed=0"),
        (runs(coin()), runs(coin(images=120)), r"tested on different numbers of images: \[101, 120\]"),
        (runs(coin()).assign(correct="*"), runs(coin()), "softmax_M9_s0.*no base64"),
        (runs(coin()).assign(correct="//8="), runs(coin()), "softmax_M9_s0.*16 of 9 to 16 images are right"),
    ],
)
def test_a_mistake_is_quoted(one, other, message):
    with pytest.raises(ValueError, match=message):
        paired.compare(one, other)


@pytest.mark.parametrize(("images", "discordant"), [(10_000, 0.01), (10_000, 0.1), (450, 0.05)])
def test_the_smallest_difference_is_found_with_its_power(images, discordant):
    delta = paired.smallest_detectable(images, discordant) / 100
    rng = np.random.default_rng(0)
    m = rng.binomial(images, discordant, 4000)
    better = rng.binomial(m, (1 + delta / discordant) / 2)
    found = np.mean([stats.binomtest(int(k), int(n)).pvalue < 0.05 for k, n in zip(better[:1500], m, strict=False)])
    assert found == pytest.approx(0.8, abs=0.035)
    # Connor (1987), for large samples: n δ² = (1.960 √ψ + 0.842 √(ψ − δ²))²
    connor = (1.95996 * math.sqrt(discordant) + 0.84162 * math.sqrt(discordant - delta**2)) / math.sqrt(images)
    assert delta == pytest.approx(connor, rel=0.12)
    assert delta > connor  # exactness costs


def test_with_few_discordant_images_six_of_one_side_are_needed():
    delta = paired.smallest_detectable(1000, 0.0) / 100
    assert stats.binom.sf(5, 1000, delta) == pytest.approx(0.8, abs=1e-3)
    assert paired.smallest_detectable(1000, 0.002) == pytest.approx(100 * delta)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 0.1), "images must be at least 1, got 0"),
        ((100, -0.1), "discordant must be in 0…1, got -0.1"),
        ((100, 0.1, 1.0), "power must be above 0.05 and below 1, got 1.0"),
        ((10000, 0.01, 0.01), "power must be above 0.05 and below 1, got 0.01"),
        ((5, 0.1), "5 images cannot show any difference"),
    ],
)
def test_what_cannot_be_shown_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        paired.smallest_detectable(*arguments)


@pytest.mark.parametrize("images", [5, 450, 457])
def test_a_run_that_gets_nothing_right_has_as_many_images_as_the_others(images):
    """Its packed bits do not say how many of the last byte's are images."""
    none, some = runs(np.zeros((2, images), bool)), runs(coin(2, images), loss="hinge")
    found = paired.compare(some, none)
    assert (found.images, found.only_other) == (images, 0)
    assert found.only_one == round(images * some["test_accuracy"].sum())
    assert paired.images_tested(pd.concat([none, some])) == paired.images_tested(pd.concat([some, none])) == images
    assert paired.images_tested(some.assign(status="diverged")) is None


def test_a_run_that_gets_nothing_right_of_another_test_set_is_not_compared():
    none, some = runs(np.zeros((2, 40), bool)), runs(coin(2, 20), loss="hinge")
    with pytest.raises(ValueError, match=r"different numbers of images: \[20, 40\]"):
        paired.compare(some, none)


def test_intervals_of_few_seeds_by_the_bootstrap_would_be_too_short():
    """How often 95 % intervals of the mean of n normal numbers hold it: t, and percentiles of 1,000 resamples."""
    rng = np.random.default_rng(0)
    told = []
    for n in (3, 5):
        drawn = rng.standard_normal((2000, n))
        resampled = drawn[:, rng.integers(0, n, (1000, n))].mean(2)
        low, high = np.quantile(resampled, [0.025, 0.975], axis=1)
        told.append(f"{100 * np.mean((low < 0) & (high > 0)):.0f} %")
        ends = np.array([paired.mean_interval(each) for each in drawn])
        assert np.mean((ends[:, 1] < 0) & (ends[:, 2] > 0)) == pytest.approx(0.95, abs=0.01)
    said = f"of three its 95 % interval of a mean holds it in {told[0]} of cases, of five in {told[1]} ("
    assert said in " ".join(Path("analysis/README.md").read_text("utf-8").split())


def test_the_block_of_the_most_runs_where_some_are_missing():
    def fullest(rows, least=1):
        widths, seeds = paired.fullest(pd.DataFrame(rows, columns=[18, 27, 45]).astype(bool), least)
        return widths, list(seeds)

    assert fullest([[1, 1, 1], [1, 1, 1], [1, 1, 1], [0, 1, 1]]) == ([18, 27, 45], [0, 1, 2])
    assert fullest([[0, 1, 1], [0, 1, 1], [0, 1, 1], [1, 0, 0]]) == ([27, 45], [0, 1, 2])
    assert fullest([[0, 1, 1], [1, 0, 1], [1, 1, 0]], least=2)[0] in ([27, 45], [18, 45], [18, 27])
    assert fullest([[1, 0, 0], [1, 0, 0]]) == ([18], [0, 1])
    assert fullest([[1, 0, 0], [1, 0, 0]], least=2) == ([], [])
    assert fullest([[1, 1, 0], [1, 0, 0]]) == ([18], [0, 1])  # of two with as many runs that of more seeds
    assert fullest([[1, 1, 0], [0, 1, 0]]) == ([27], [0, 1])
    widths, seeds = paired.fullest(pd.DataFrame())
    assert (widths, len(seeds)) == ([], 0)


def test_equal_seeds_on_few_images_leave_room_for_one():
    assert paired.image_floor(None, 3, 0.95) == paired.image_floor(20, 0, 0.95) == 0
    floor = paired.image_floor(20, 3, 0.95)
    assert floor == pytest.approx(5 * (1 - 0.05 ** (1 / 3)))
    # a seed that differs with the probability 1 − p^(1/3): none of three does with the probability p
    assert (1 - floor / 5) ** 3 == pytest.approx(0.05)
