"""An experimental claim of the paper, the runs that it is judged on, and what the claims share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from analysis import paired
from analysis.contrasts import Contrast
from analysis.plateau import ERRORS, PLATEAU
from fc_width.recipes import Recipe

FEATURE = Recipe.feature
"""What follows the M units, as it follows every convolution of the trunk (Sec. 5.1)."""

Kind = Literal["runs", "losses timed", "training timed", "network"]


@dataclass(frozen=True)
class Runs:
    """The runs that a claim is judged on: one recipe and one feature, with any number of classes.

    *Attributes*: `recipe`; `dataset`, without its `:K`; `feature`; `frames`, number of classes → rows of
    `records.load`; `classes`, C, whose rows are those of all classes; `changes`, what differs from the paper's
    network, else ""; `kind`, what it is that `frames` hold; `machine`, of times, where it is known; `augmented`,
    whether training images were mirrored or moved, which the paper does not say of its own.
    """

    recipe: str
    dataset: str
    feature: str
    frames: dict[int, pd.DataFrame] = field(repr=False)
    classes: int
    changes: str = ""
    kind: Kind = "runs"
    machine: str = ""
    augmented: bool = False

    @property
    def margin(self) -> float:
        """The difference in accuracy, in points, that is called none: a tenth of a point where accuracies are near
        100 %, else half a point."""
        return 0.1 if self.dataset == "mnist" else 0.5

    def slight(self, accuracy: "pd.Series[float]") -> float:
        """The difference from an accuracy, in %, that is called none, where there may be fewer errors than the margin:
        that, or `plateau.ERRORS` of the errors of most seeds, taken for known, if it is less."""
        return min(self.margin, ERRORS * (100 - float(accuracy.median()))) if len(accuracy) else self.margin

    def rows(self, loss: str, width: int, classes: int | None = None) -> pd.DataFrame:
        """The runs of one loss and width, indexed by seed; empty where there are none."""
        frame = self.frames.get(classes or self.classes)
        if frame is None:
            return pd.DataFrame()
        return frame[(frame["loss"] == loss) & (frame["width"] == width)].set_index("seed")

    def widths(self) -> list[int]:
        """All widths with all classes, the narrowest first."""
        frame = self.frames.get(self.classes)
        return [] if frame is None else sorted(int(width) for width in frame["width"].unique())

    def values(self, column: str, loss: str, width: int, classes: int | None = None) -> "pd.Series[float]":
        """A measurement of the runs that are done, by seed."""
        rows = self.rows(loss, width, classes)
        if not len(rows) or column not in rows:
            return pd.Series(dtype=float)
        return rows.loc[rows["status"] == "done", column].dropna().astype(float)

    def accuracy(self, loss: str, width: int, classes: int | None = None, split: str = "test") -> "pd.Series[float]":
        """Accuracy in %, by seed; a run that diverged or failed counts as guessing."""
        rows = self.rows(loss, width, classes)
        if not len(rows):
            return pd.Series(dtype=float)
        guessing = pd.Series(1 / (classes or self.classes), rows.index)
        column = rows.get(f"{split}_accuracy", guessing)
        return 100 * column.where(rows["status"] == "done", guessing).astype(float)

    def over_widths(
        self,
        loss: str,
        low: float,
        high: float,
        classes: int | None = None,
        whole: bool = False,
        least: int = 1,
        split: str = "test",
    ) -> pd.DataFrame:
        """Accuracy in % at the widths low ≤ M < high: a row a seed, a column a width, no hole; where runs are missing,
        the widths, `least` or more, and seeds of `paired.fullest`; `whole`, without the widths at which a run diverged
        or failed."""
        frame = self.frames.get(classes or self.classes)
        if frame is None:
            return pd.DataFrame()
        within = frame.loc[(frame["loss"] == loss) & frame["width"].between(low, high, "left"), "width"]
        found = {width: self.accuracy(loss, width, classes, split) for width in sorted(within.unique())}
        if whole:
            found = {
                w: values for w, values in found.items() if (self.rows(loss, w, classes)["status"] == "done").all()
            }
        table = pd.DataFrame(found)
        widths, seeds = paired.fullest(table.notna(), least)
        return table.loc[seeds, widths]

    def plateau(self, loss: str, classes: int | None = None, split: str = "test") -> "pd.Series[float]":
        """Mean accuracy in % over the widths of the plateau, by seed, as in `plateau.against_plateau`."""
        low, high = (factor * ((classes or self.classes) - 1) for factor in PLATEAU)
        return mean(self.over_widths(loss, low, high, classes, whole=True, least=2, split=split))


Judge = Callable[[Runs], list[Contrast]]
"""The test of a claim."""

Beside = Callable[[Runs], dict[str, list[Contrast]]]
"""What else runs say of a claim: name → contrasts."""


@dataclass(frozen=True)
class Experiment:
    """An experimental claim of the paper, and the test that judges it.

    *Attributes*: `id`; `source`, the place in the paper; `statement`, what the paper says; `test`, what is measured and
    against what, in one line; `dataset`, the paper's; `contrasts`, the test itself, None if nothing here can run it;
    `losses` and `widths` (C → widths, None for all of a sweep) of the runs that it needs, each with every class or with
    the first k of `classes`; `paper_only`, whether only the paper's own network can tell; `features`, whether it is
    also shown for other features than the trunk's; `on`, the kind of `Runs`; `figure`, the pattern of a figure's name;
    `also`, the claim of `theory` that judges the same sentence; `reason`, `command`, why it is not run and what would
    run it, where these are not the general ones; `beside`, what else the same runs say of it, name → contrasts, which
    is shown and never counts.
    """

    id: str
    source: str
    statement: str
    test: str
    dataset: str
    contrasts: Judge | None
    losses: Sequence[str] = ()
    widths: Callable[[int], Sequence[int]] | None = None
    classes: Sequence[int] = ()
    paper_only: bool = False
    features: bool = False
    on: Kind = "runs"
    figure: str = ""
    also: str = ""
    reason: str = ""
    command: str = ""
    beside: Beside | None = None


SOFTMAX, LOW, MIDDLE, HIGH = "softmax", "w-softmax:0.5", "w-softmax:1", "w-softmax:1.5"
W_SOFTMAX = (LOW, MIDDLE, HIGH)
BOTH = (SOFTMAX, MIDDLE)
"""Where the paper speaks of W-Softmax without an α, α = 1 is judged, the middle of its three."""

COLD_LOSS = " cold"
"""Ends the name of a loss whose runs had no softmax phase, those of the recipe of that name and `recipes.COLD`."""


def at_minimum(classes: int) -> Sequence[int]:
    """M_min alone."""
    return (classes - 1,)


def mean(table: pd.DataFrame) -> "pd.Series[float]":
    """The mean over the columns; empty for no rows."""
    return table.mean(axis=1) if len(table) else pd.Series(dtype=float)
