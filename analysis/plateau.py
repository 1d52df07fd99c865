"""Where accuracy stops rising, and how sure that is.

*The plateau* of a seed is its mean accuracy over the widths 2(C−1) ≤ M < 10(C−1): a mean, because the maximum of noisy
values is above all of them; from twice C − 1, so that neither C − 1 nor its neighbours, which are to be judged, take
part in their own measure; below ten times, where the paper sees overfitting set in, which is a question of its
own (`paired.compare`). Widths from 10(C−1) on decide nothing here.

*The difference* of a width is its accuracy minus the plateau of the same seed, in points, over the seeds that it was
run with. A width that belongs to the plateau is held against the plateau's other widths. (Where accuracy still rises
there, the narrower widths pull the plateau down: a knee is then a lower bound of where it stops.)

*Equivalent* is a width whose mean difference over seeds is shown to be above −margin: the lower end of a one-sided 95 %
t interval is. *Below* is one that is shown to be under −margin: the upper end is. Else nothing is shown; below
`MIN_SEEDS` seeds nothing ever is, as two may well be equal, and their interval of no width says nothing. As more may
be on a small test set, the interval is at least as wide as n equal seeds leave room for: that of another seed's
network one test image is lost or won, with the probability 1 − 0.05^(1/n) (`paired.image_floor`).

*The knee* is the smallest width that is equivalent, as are all wider ones below 10(C−1), of which there is one at
least: that the widest width is as good as itself says nothing. It errs to the safe side: if the width just below the
true knee is worse than the margin, the knee is put at or under it in at most 5 % of all cases (an intersection–union
test: no correction for many widths is due). *What it may be* goes from the smallest width that is not shown to be below
up to the knee. For that end to lie above the true knee the knee itself has to be shown below, by one test: again at
most 5 %. So both ends hold at once in 90 % of all cases or more. All of that is over seeds, on the same test images,
and for a number of seeds that is fixed beforehand: whoever looks, and runs more seeds if nothing is decided, errs at
an end in 8 % of all cases after 3 and 5 seeds, in 8 % after 5 and 10, in 9 % after 3 and 10, in 11 % after 3, 5 and 10,
in 11.5 % after 3, 10 and 20, in 11.5 % after 3, 5 and 15 (of normal differences; `pytest
tests/analysis/test_plateau.py -k look` simulates it).

A run that diverged or failed counts as guessing, 1/C, and its width takes no part in the plateau: so its width is not
equivalent, and hence no narrower one the knee."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis import paired
from analysis.paired import MIN_SEEDS

PLATEAU = (2.0, 10.0)
"""From which multiple of C − 1, up to which (not included), widths make up the plateau."""

MARGINS = (0.1, 0.5)
"""Points of accuracy that a width may lose and still be as good: those that are reported."""

ERRORS = 0.05
"""Share of the plateau's errors by which a width's may exceed them, where they and not points are what counts: half a
point is half of the errors on MNIST, and less than a hundredth of those on CIFAR100."""

CONFIDENCE = 0.95
"""Of each one-sided interval."""


@dataclass(frozen=True)
class Knee:
    """The smallest width that is as good as the plateau.

    *Attributes*: `width`, the knee, None if not decided; `low`, the smallest width that it may be, None if it is above
    all `widths`; `plateau`, mean accuracy over seeds, 0…1; `margin`, points; `seeds`, of the plateau; `failures`, runs
    that diverged or failed at `widths`; `classes`, C; `widths`, those judged, ascending; `estimate`, the smallest width
    whose mean difference, and those of all wider ones, is above −margin, with nothing shown; None if the widest's is
    not; `plateau_low`, the lower end of the plateau's one-sided 95 % interval over seeds, None below `MIN_SEEDS`;
    `failed`, the widths of the `failures`; `fewest`, seeds at the width that has the fewest of those that the knee may
    be and the wider ones.
    """

    width: int | None
    low: int | None
    plateau: float
    margin: float
    seeds: int
    failures: int
    classes: int
    widths: tuple[int, ...]
    estimate: int | None
    plateau_low: float | None = None
    failed: tuple[int, ...] = ()
    fewest: int = 0

    @property
    def untried(self) -> bool:
        """Whether it may be below the narrowest width tried."""
        return self.low == self.widths[0] > 1

    def text(self) -> str:
        """The knee as a person says it: `4`, `4 (3 to 4)`, `not decided: 4 or more`; where narrower widths than those
        tried may do too, `7 or fewer`, `9 (7 or fewer to 9)`, `not decided`."""
        if self.low is None:
            return f"above {self.widths[-1]}"
        if self.width is None:
            return "not decided" if self.untried else f"not decided: {self.low} or more"
        low = f"{self.low} or fewer" if self.untried else str(self.low)
        return low if self.low == self.width else f"{self.width} ({low} to {self.width})"


@dataclass(frozen=True)
class AgainstPlateau:
    """Accuracy minus that of the plateau.

    *Attributes*: `differences`, points, a row a seed, a column a width; NaN where a run is missing; `plateau`, accuracy
    of each seed, 0…1; `widths` of the plateau; `failed`, the number of runs that diverged or failed, by width;
    `classes`, C.
    """

    differences: pd.DataFrame
    plateau: pd.Series
    widths: tuple[int, ...]
    failed: pd.Series
    classes: int


def against_plateau(runs: pd.DataFrame) -> AgainstPlateau:
    """Each run's accuracy minus its seed's plateau, as defined above, at all widths.

    Only seeds with a run at every width of the plateau take part. Its widths are those in its range where no run
    failed; where runs are missing, those widths and seeds that leave the most runs.

    *Arguments*: `runs`, rows of `records.load` of one recipe, data set, loss and feature.

    *Raises*: `ValueError` if they are not, or if fewer than two widths of the plateau were run with the same seed.
    """
    paired.single(runs, (*paired.SAME, "loss", "feature"))
    paired.single_seeds(runs)
    classes = int(runs["classes"].iloc[0])
    accuracy = runs["test_accuracy"].where(runs["status"] == "done")
    table = runs.assign(accuracy=accuracy).pivot(index="seed", columns="width", values="accuracy")
    present = runs.assign(present=True).pivot(index="seed", columns="width", values="present").notna()
    failed = (present & table.isna()).sum()
    first, end = (factor * (classes - 1) for factor in PLATEAU)
    inside = [int(width) for width in sorted(runs["width"].unique()) if first <= width < end]
    widths, seeds = paired.fullest(present[[width for width in inside if not failed[width]]], least=2)
    if len(widths) < 2 or not len(seeds):
        raise ValueError(
            f"no plateau to compare with: it wants two widths from {first:g} on and below {end:g}, run with the same "
            f"seeds and none of them failed, got {inside or 'none'}: "
            f"python -m fc_width.sweep --widths … {first:g} {1.5 * first:g} {2.5 * first:g}"
        )
    table, present = table.loc[seeds], present.loc[seeds]
    plateau = table[widths].mean(axis=1)
    differences = {}
    for width in sorted(map(int, runs["width"].unique())):
        own = table[width].fillna(1 / classes).where(present[width])
        reference = table[[other for other in widths if other != width]].mean(axis=1)
        differences[width] = 100 * (own - reference)
    return AgainstPlateau(pd.DataFrame(differences), plateau, tuple(widths), failed, classes)


def judge(differences: pd.DataFrame, margin: float, images: int | None = None) -> pd.DataFrame:
    """What is shown of each width.

    *Arguments*: `differences`, as `against_plateau` gives them; `margin`, points; `images` of the test set, if known.

    *Returns*: a row a width: `mean`, `low` and `high` (the ends of the two one-sided 95 % intervals), `seeds`,
    `verdict` (`equivalent`, `below` or `open`, which it is below `MIN_SEEDS` seeds).

    *Raises*: `ValueError` for a margin that is not positive and finite.
    """
    if not (math.isfinite(margin) and margin > 0):
        raise ValueError(f"margin must be positive and finite, got {margin}")
    rows = {}
    for width, column in differences.items():
        values = column.dropna().to_numpy(np.float64)
        mean, half = float(values.mean()) if len(values) else math.nan, paired.half_width(values, CONFIDENCE)
        half = max(half, paired.image_floor(images, len(values), CONFIDENCE))
        verdict = "equivalent" if mean - half > -margin else "below" if mean + half < -margin else "open"
        verdict = verdict if len(values) >= MIN_SEEDS else "open"
        rows[width] = {"mean": mean, "low": mean - half, "high": mean + half, "seeds": len(values), "verdict": verdict}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("width")


def knee(runs: pd.DataFrame, margin: float) -> Knee:
    """The smallest width as good as the plateau, by the definitions that open this module.

    *Arguments*: `runs`, rows of `records.load` of one recipe, data set, loss and feature; `margin`, points of accuracy.

    *Raises*: `ValueError` as `against_plateau` and `judge` do.
    """
    found = against_plateau(runs)
    end = PLATEAU[1] * (found.classes - 1)
    differences = found.differences.dropna(axis=1, how="all")  # without widths that no seed of the plateau has
    widths = [width for width in map(int, differences.columns) if width < end]
    judged = judge(differences[widths], margin, paired.images_tested(runs))
    width = _first(widths, (judged["verdict"] == "equivalent").to_numpy())
    possible = (judged["verdict"] != "below").to_numpy()
    low = widths[int(possible.argmax())] if possible.any() else None
    plateau, seeds = float(found.plateau.mean()), len(found.plateau)
    half = paired.half_width(found.plateau, CONFIDENCE)
    return Knee(
        width=width if width != widths[-1] else None,
        low=low,
        plateau=plateau,
        margin=margin,
        seeds=seeds,
        failures=int(found.failed[widths].sum()),
        classes=found.classes,
        widths=tuple(widths),
        estimate=_first(widths, (judged["mean"] > -margin).to_numpy()),
        plateau_low=plateau - half if seeds >= MIN_SEEDS else None,
        failed=tuple(width for width in widths if found.failed[width]),
        fewest=int(judged.loc[low or widths[-1] :, "seeds"].min()),
    )


def error_margin(runs: pd.DataFrame) -> float:
    """`ERRORS` of the plateau's errors, in points; taken for known, as it varies far less than what is held against it.
    Where the plateau makes none, the least number above 0.

    *Arguments*: `runs`, rows of `records.load` of one recipe, data set, loss and feature.

    *Raises*: `ValueError` as `against_plateau` does.
    """
    return max(ERRORS * 100 * (1 - float(against_plateau(runs).plateau.mean())), math.ulp(0.0))


def _first(widths: list[int], good: npt.NDArray[np.bool_]) -> int | None:
    """The smallest width from which on all are good."""
    count = int(np.logical_and.accumulate(good[::-1]).sum())
    return widths[-count] if count else None
