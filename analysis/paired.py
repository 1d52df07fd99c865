"""Paired comparisons of runs: what of a difference in accuracy is due to the seeds, what to the test images, and how
small a difference a test set can show at all.

Two questions, two tests, neither of which answers the other. *Would other seeds say the same?* A t interval of the
differences, seeds paired: runs of one seed share the initial trunk and the order of the data. *Would other test images
say the same of these very networks?* McNemar's test on the images that one network of a pair gets right and the other
does not."""

import base64
import binascii
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize, stats

from fc_width.company import MADE
from fc_width.recipes import SWEPT, Recipe

CONFIDENCE = 0.95
"""Of two-sided intervals."""

MIN_SEEDS = 3
"""Below so many seeds nothing is shown: two may well be equal, and their interval of no width says nothing."""

SAME = (*(field.name for field in fields(Recipe) if field.name not in SWEPT), "classes", *MADE)
"""What runs must share to be compared."""


@dataclass(frozen=True)
class Comparison:
    """How much better one set of runs is than another, seeds paired.

    *Attributes*: `difference`, the mean over seeds of the accuracy of the one minus that of the other, in points (0.1
    is a tenth of a percent); `low`, `high`, its 95 % t interval, infinite for one seed; `seeds`, those that are done
    in both; `failed_one`, `failed_other`, the runs that diverged or failed, which the difference cannot hold.
    Of the correctness bits, all 0 or None where runs have none: `images`, in the test set; `only_one`, `only_other`,
    pairs of an image and a seed that only that side gets right; `p_pooled`, two-sided, McNemar's exact test on them,
    which takes each pair for independent although all seeds are tested on the same images; `p_images`, the same
    with the images as clusters (Durkalski et al. 2003: z = Σd/√Σd², d an image's sum over seeds), which does
    not. `p_images` leans on a normal approximation: with one seed and few discordant images `p_pooled` is exact.
    """

    difference: float
    low: float
    high: float
    seeds: tuple[int, ...]
    failed_one: int = 0
    failed_other: int = 0
    images: int = 0
    only_one: int = 0
    only_other: int = 0
    p_pooled: float | None = None
    p_images: float | None = None

    @property
    def discordant(self) -> float:
        """The share of test images that only one network of a pair gets right; NaN without correctness bits."""
        return (self.only_one + self.only_other) / (self.images * len(self.seeds)) if self.images else math.nan


def compare(one: pd.DataFrame, other: pd.DataFrame) -> Comparison:
    """The accuracy of two sets of runs, seeds paired, on the same test images.

    *Arguments*: `one`, `other`, rows of `records.load`, each of one loss, width and feature; both of one recipe and
    data set. They may differ in loss, width or feature.

    *Raises*: `ValueError` if a set mixes what it should not, the two are of different recipes or data, or no seed is
    done in both.
    """
    shared = [field for field in SAME if field in one and field in other]
    for runs in (one, other):
        single(runs, (*SAME, "loss", "feature", "width"))
        single_seeds(runs)
    single(pd.concat([one[shared], other[shared]]), SAME)
    done = [runs[runs["status"] == "done"].set_index("seed") for runs in (one, other)]
    seeds = sorted(set(done[0].index) & set(done[1].index))
    if not seeds:
        raise ValueError(
            f"no seed is done in both sets of runs: {sorted(done[0].index)} in the one, {sorted(done[1].index)} "
            "in the other"
        )
    first, second = (runs.loc[seeds] for runs in done)
    gains = 100 * (first["test_accuracy"] - second["test_accuracy"]).to_numpy(np.float64)
    failed = [int((runs["status"] != "done").sum()) for runs in (one, other)]
    found = Comparison(*mean_interval(gains), tuple(map(int, seeds)), *failed)
    bits = correctness(pd.concat([first, second]))
    return found if bits is None else _mcnemar(found, bits[: len(seeds)], bits[len(seeds) :])


def mean_interval(values: "Sequence[float] | npt.NDArray[np.float64] | pd.Series[float]") -> tuple[float, float, float]:
    """Mean and 95 % t interval of values, one a seed: `(mean, low, high)`; infinite ends for one value.

    *Raises*: `ValueError` for no value.
    """
    array = np.asarray(values, np.float64)
    if not array.size:
        raise ValueError("a mean wants at least one value, got none")
    mean = float(array.mean())
    half = half_width(array)
    return mean, mean - half, mean + half


def half_width(values: npt.ArrayLike, quantile: float = (1 + CONFIDENCE) / 2) -> float:
    """t quantile times the standard error of the mean; infinite for one value."""
    array = np.asarray(values, np.float64)
    n = len(array)
    return float(stats.t.ppf(quantile, n - 1) * array.std(ddof=1) / math.sqrt(n)) if n > 1 else math.inf


def image_floor(images: int | None, seeds: int, quantile: float) -> float:
    """The half width, in points, that the interval of a mean of few seeds has at least, as the test set is of single
    images: n equal seeds leave room for that of another seed's network one image is lost or won, with the probability
    1 − p^(1/n), where p is what may err at one end.

    *Arguments*: `images` of the test set, None where that is not known: 0; `seeds`, n; `quantile`, 1 − p.
    """
    return 100 / images * (1 - (1 - quantile) ** (1 / seeds)) if images and seeds else 0.0


def correctness(runs: pd.DataFrame) -> npt.NDArray[np.bool_] | None:
    """Which test images each run gets right, in the order of the test set.

    *Returns*: (runs, images), bool; None if a run has no record of it.

    *Raises*: `ValueError` naming a run whose bits do not fit its accuracy, or the others' test set.
    """
    if "correct" not in runs or runs["correct"].isna().any():
        return None
    rows = [
        _bits(text, accuracy, run_id)
        for text, accuracy, run_id in zip(runs["correct"], runs["test_accuracy"], runs["run_id"], strict=True)
    ]
    count = min(map(len, rows))
    # a row without a hit does not say how many of its last byte's bits are images
    rows = [row[:count] if not row.any() and len(row) - count < 8 else row for row in rows]
    sizes = sorted({len(row) for row in rows})
    if len(sizes) != 1:
        raise ValueError(f"the runs are tested on different numbers of images: {sizes}")
    return np.array(rows)


def images_tested(runs: pd.DataFrame) -> int | None:
    """How many test images runs were tested on, as the one that gets the most right tells; None if it does not."""
    done = runs[runs["status"] == "done"].sort_values("test_accuracy")
    bits = correctness(done[-1:]) if len(done) else None
    return None if bits is None else bits.shape[1]


def smallest_detectable(images: int, discordant: float, power: float = 0.8) -> float:
    """The smallest difference in accuracy that a test set can show at all, in points, for one pair of networks.

    The least δ such that McNemar's exact two-sided test at 5 % finds it with probability `power`, when a share ψ of the
    images is discordant: of n images, m ~ Binomial(n, ψ) are, of which Binomial(m, (1 + δ/ψ)/2) in favour of the
    better network. No difference is larger than ψ: where even ψ all in favour cannot be shown, ψ is taken to be δ.

    *Arguments*: `images`, n ≥ 1; `discordant`, ψ in 0…1; `power`, above the 5 % that it has where there
    is no difference, below 1.

    *Raises*: `ValueError` for an argument out of range, or if not even a difference of 100 points can be shown.
    """
    if images < 1:
        raise ValueError(f"images must be at least 1, got {images}")
    if not 0 <= discordant <= 1:
        raise ValueError(f"discordant must be in 0…1, got {discordant}")
    if not 1 - CONFIDENCE < power < 1:
        raise ValueError(f"power must be above {1 - CONFIDENCE:g} and below 1, got {power}")

    def lacking(delta: float) -> float:
        return _power(images, max(discordant, delta), delta) - power

    if lacking(1.0) < 0:
        raise ValueError(f"{images} images cannot show any difference with power {power}")
    return 100 * float(optimize.bisect(lacking, 0.0, 1.0, xtol=1e-7))


def _power(images: int, discordant: float, delta: float) -> float:
    """The probability that McNemar's exact test at 5 % finds a difference."""
    if discordant == 0:
        return 0.0
    first, last = (int(stats.binom.ppf(quantile, images, discordant)) for quantile in (1e-9, 1 - 1e-9))
    m = np.arange(first, last + 1)
    # the largest k with P(Binomial(m, 1/2) ≤ k) ≤ 2.5 %: the test rejects up to k, and from m − k on
    k = np.asarray(stats.binom.ppf((1 - CONFIDENCE) / 2, m, 0.5), np.float64)
    k -= stats.binom.cdf(k, m, 0.5) > (1 - CONFIDENCE) / 2
    share = min((1 + delta / discordant) / 2, 1.0)
    rejects = stats.binom.cdf(k, m, share) + stats.binom.sf(m - k - 1, m, share)
    return float((stats.binom.pmf(m, images, discordant) * rejects).sum())


def single(runs: pd.DataFrame, columns: Sequence[str]) -> None:
    """See that runs agree in `columns`; those that the table or a run lacks are passed over.

    *Raises*: `ValueError` quoting the field and its values; for no runs too.
    """
    if not len(runs):
        raise ValueError("no runs to compare")
    for field in columns:
        values = sorted(map(str, runs[field].dropna().unique())) if field in runs else []
        if len(values) > 1:
            raise ValueError(f"expected runs of one {field}, got {', '.join(values)}")


def single_seeds(runs: pd.DataFrame) -> None:
    """See that there is one run a seed and width; `ValueError` naming those that are there twice."""
    twice = runs[runs.duplicated(["seed", "width"])]
    if len(twice):
        names = ", ".join(f"M={width} seed={seed}" for width, seed in zip(twice["width"], twice["seed"], strict=True))
        raise ValueError(f"expected one run a width and seed, got more for {names}")


def fullest(present: pd.DataFrame, least: int = 1) -> tuple[list[int], pd.Index]:
    """Of runs some of which are missing, widths and seeds with a run for each pair of them: of the choices "all widths
    with at least so many runs" and "all widths that this seed has", with the seeds that have them, that of the most
    runs.

    *Arguments*: `present`, a row a seed, a column a width, whether there is a run; `least`, how many widths at least.

    *Returns*: the widths, in their order, and the seeds; of two choices with as many runs, that with more seeds; both
    empty if there is none with `least` widths.
    """
    counts = present.sum()
    choices = [present.columns[counts >= runs] for runs in counts.unique()]
    choices += [present.columns[row] for row in present.to_numpy(bool)]
    blocks = [(widths, present.index[present[widths].all(axis=1)]) for widths in choices if len(widths) >= least]
    whole = [block for block in blocks if len(block[1])]
    none = present.columns[:0], present.index[:0]
    widths, seeds = max(whole, key=lambda block: (len(block[0]) * len(block[1]), len(block[1])), default=none)
    return [int(width) for width in widths], seeds


def _mcnemar(found: Comparison, one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> Comparison:
    gains = one.astype(np.int64) - other
    only_one, only_other = int((gains > 0).sum()), int((gains < 0).sum())
    of_image = gains.sum(0)
    spread = math.sqrt(float((of_image**2).sum()))
    return replace(
        found,
        images=gains.shape[1],
        only_one=only_one,
        only_other=only_other,
        p_pooled=float(stats.binomtest(only_one, only_one + only_other).pvalue) if only_one + only_other else 1.0,
        p_images=float(2 * stats.norm.sf(abs(of_image.sum()) / spread)) if spread else 1.0,
    )


def _bits(text: str, accuracy: float, run_id: str) -> npt.NDArray[np.bool_]:
    """The packed bits of a record; how many of the last byte's are images follows from the accuracy."""
    try:
        packed = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    except binascii.Error as error:
        raise ValueError(f"run {run_id}: its correctness bits are no base64 ({error})") from error
    bits = np.unpackbits(packed).astype(bool)
    hits = int(bits.sum())
    count = round(hits / accuracy) if accuracy > 0 else len(bits)
    if not len(bits) - 8 < count <= len(bits) or bits[count:].any() or abs(hits / count - accuracy) > 1e-6:
        raise ValueError(
            f"run {run_id}: {hits} of {len(bits) - 7} to {len(bits)} images are right, accuracy {accuracy}"
        )
    return bits[:count]
