"""How an experiment is judged: contrasts, one number a seed, each against a bound stated beforehand.

*A contrast* is a number that the paper's claim says something about, measured once a seed with everything else the same
(the gain of one loss over another at one width, say), and the bound that it should lie beyond. Its interval is the 95 %
t interval of its mean over seeds. It is *shown* if the whole interval lies beyond `bound`, and *against* if the whole
interval lies short of `against`. The two bounds differ where the claim gives the sign of an effect: then `bound` is 0
and `against` the least effect worth the name, so that "no effect" can be told from "too few seeds". An interval that
lies between the two is shown, as the claim has the sign right, and said to be small. What counts against a claim of
several numbers is held to a level divided by how many they are (Bonferroni), as one of them is enough to say that the
claim is not reproduced. (A number held between two bounds is one, and so are those that count against it only
together.)

*The verdict* of a claim: REPRODUCED if every contrast is shown, NOT REPRODUCED if one is against, NOT RUN if there are
no runs for any, else INCONCLUSIVE. Below three seeds nothing is shown, and nothing against."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from analysis import paired
from analysis.paired import MIN_SEEDS
from analysis.plateau import PLATEAU
from fc_width.recipes import Recipe

REPRODUCED, NOT_REPRODUCED = "REPRODUCED", "NOT REPRODUCED"
INCONCLUSIVE, NOT_RUN = "INCONCLUSIVE", "NOT RUN"

ERROR = 0.05
"""Two-sided: of the intervals shown, and of what counts against a claim of one contrast."""

FEATURE = Recipe.feature
"""What follows the M units, as it follows every convolution of the trunk (Sec. 5.1)."""

Kind = Literal["runs", "losses timed", "training timed", "network"]
State = Literal["shown", "against", "open", "missing"]


@dataclass(frozen=True)
class Contrast:
    """A number a seed, and the bound that its mean should lie beyond.

    *Attributes*: `text`, what it is; `values`, seed → number, empty where it was not run; `bound`, above which it
    should lie, or below which if not `more`; `against`, on whose other side it counts against the claim, by default
    `bound`, infinite if nothing does; `unit`; `exact`, why there is no interval (it is a count, say), so that one run
    is enough; else ""; `together`, where several contrasts of a claim count against it only if all do, a text that
    these share; else ""; `over`, what there is a number of: a seed, or a round of a benchmark.
    """

    text: str
    values: "pd.Series[float]"
    bound: float
    against: float | None = None
    more: bool = True
    unit: str = "points"
    exact: str = ""
    together: str = ""
    over: str = "seed"

    @property
    def short_of(self) -> float:
        """The bound that `against` is, or stands for."""
        return self.bound if self.against is None else self.against


@dataclass(frozen=True)
class Finding:
    """What a contrast shows.

    *Attributes*: `contrast`; `mean`, `low`, `high`, the mean over `seeds` and its interval, at 95 %, or, if it counts
    against the claim, at the level that this is held to; NaN where not run and infinite for one seed; `level` of the
    interval; `state`.
    """

    contrast: Contrast
    mean: float
    low: float
    high: float
    seeds: int
    state: State
    level: float = 1 - ERROR

    @property
    def slack(self) -> float:
        """By how much the interval lies beyond the bound, negative if it does not; if the contrast counts against the
        claim, by how much it lies short of `against`."""
        low, high = (self.low, self.high) if self.contrast.more else (-self.high, -self.low)
        sign = 1 if self.contrast.more else -1
        return sign * self.contrast.short_of - high if self.state == "against" else low - sign * self.contrast.bound

    @property
    def small(self) -> bool:
        """Whether it is shown, and short of the least effect worth the name."""
        sign = 1 if self.contrast.more else -1
        high = self.high if self.contrast.more else -self.low
        return self.state == "shown" and high < sign * self.contrast.short_of

    def number(self) -> str:
        """The number and its interval: `0.31 points [0.12, 0.50], 5 seeds; wanted above 0`."""
        above, below = ("above", "below") if self.contrast.more else ("below", "above")
        wanted = f"wanted {above} {_short(self.contrast.bound)}"
        if self.contrast.short_of != self.contrast.bound and math.isfinite(self.contrast.short_of):
            wanted += f", against it {below} {_short(self.contrast.short_of)}"
        if self.state == "missing":
            return f"not run; {wanted}"
        unit = f" {self.contrast.unit}" if self.contrast.unit else ""
        if self.contrast.exact:
            return f"{_short(self.mean)}{unit}, {self.contrast.exact}; {wanted}"
        level = "" if self.level == 1 - ERROR else f" at {100 * self.level:.3g} %"
        interval = f" [{_short(self.low)}, {_short(self.high)}{level}]" if self.seeds > 1 else ""
        over = f"{self.seeds} {self.contrast.over}{'s' * (self.seeds != 1)}"
        small = f"; small ({below} {_short(self.contrast.short_of)})" if self.small else ""
        return f"{_short(self.mean)}{unit}{interval}, {over}; {wanted}{small}"


def find(contrast: Contrast, numbers: int = 1) -> Finding:
    """What a contrast shows, as one of so many `numbers` that a claim rests on."""
    values = np.asarray(contrast.values.dropna(), np.float64)
    n = len(values)
    if not n:
        return Finding(contrast, np.nan, np.nan, np.nan, 0, "missing")
    mean = float(values.mean())
    half, strict = 0.0, 0.0
    if not contrast.exact:
        half, strict = (paired.half_width(values, 1 - level / 2) for level in (ERROR, ERROR / numbers))
    sign = 1 if contrast.more else -1
    state: State = "open"
    if n >= MIN_SEEDS or contrast.exact:
        if sign * mean - half > sign * contrast.bound:
            state = "shown"
        elif sign * mean + strict < sign * contrast.short_of:
            return Finding(contrast, mean, mean - strict, mean + strict, n, "against", 1 - ERROR / numbers)
    return Finding(contrast, mean, mean - half, mean + half, n, state)


def find_all(contrasts: Sequence[Contrast]) -> tuple[Finding, ...]:
    """What each of a claim's contrasts shows."""
    numbers = len({contrast.together or contrast.text for contrast in contrasts})
    return tuple(find(contrast, numbers) for contrast in contrasts)


def verdict(findings: Sequence[Finding]) -> str:
    """The verdict that a claim's findings give."""
    states = {finding.state for finding in findings}
    if not states - {"missing"}:
        return NOT_RUN
    if _against(findings):
        return NOT_REPRODUCED
    return REPRODUCED if states == {"shown"} else INCONCLUSIVE


def decisive(findings: Sequence[Finding]) -> Finding:
    """The finding that a reader should see first: the clearest against; else the least clear, open or shown."""
    if against := _against(findings):
        return max(against, key=lambda finding: finding.slack)
    for state in ("open", "against", "shown"):
        if of_state := [finding for finding in findings if finding.state == state]:
            return min(of_state, key=lambda finding: finding.slack)
    return findings[0]


def _against(findings: Sequence[Finding]) -> list[Finding]:
    """The findings that count against the claim: not those of a `together` of which one does not."""
    others = {finding.contrast.together for finding in findings if finding.state != "against"} - {""}
    return [each for each in findings if each.state == "against" and each.contrast.together not in others]


@dataclass(frozen=True)
class Runs:
    """The runs that a claim is judged on: one recipe and one feature, with any number of classes.

    *Attributes*: `recipe`; `dataset`, without its `:K`; `feature`; `frames`, number of classes → rows of
    `records.load`; `classes`, C, whose rows are those of all classes; `changes`, what differs from the paper's
    network, else ""; `kind`, what it is that `frames` hold; `machine`, of times, where it is known.
    """

    recipe: str
    dataset: str
    feature: str
    frames: dict[int, pd.DataFrame] = field(repr=False)
    classes: int
    changes: str = ""
    kind: Kind = "runs"
    machine: str = ""

    @property
    def margin(self) -> float:
        """The difference in accuracy, in points, that is called none: a tenth of a point where accuracies are near
        100 %, else half a point."""
        return 0.1 if self.dataset == "mnist" else 0.5

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

    def slower(self, one: tuple[str, int], other: tuple[str, int]) -> "pd.Series[float]":
        """100 times the logarithm of the time of a training step of one loss and width over that of another, by round:
        if it is small, by how many % the one takes longer. The mean of ratios that vary is above 1 even where neither
        does."""
        times = self.values("ms", *one) / self.values("ms", *other)
        return times.map(lambda ratio: 100 * math.log(ratio)).astype(float)


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
    contrasts: Callable[[Runs], list[Contrast]] | None
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
    beside: Callable[[Runs], Mapping[str, list[Contrast]]] | None = None


SOFTMAX, LOW, MIDDLE, HIGH = "softmax", "w-softmax:0.5", "w-softmax:1", "w-softmax:1.5"
BOTH = (SOFTMAX, MIDDLE)
"""Where the paper speaks of W-Softmax without an α, α = 1 is judged, the middle of its three."""

TIME = (
    "python -m fc_width.benchmark training --device cpu --rounds 15 --seconds 4 --recipes "
    "paper-{mnist,cifar10,cifar100} {mnist,cifar10,cifar100}-small > figures/benchmark-training.md"
)
TIMED = (
    "(Compared by log points, 100 times the natural logarithm of a ratio: for small ones the % by which it is above 1. "
    "Timed for this alone, every network in every round, on the machine named. Until then the times of the recorded "
    "runs were judged, evaluations included, which other work on the machine had lengthened: with the same bound "
    "CIFAR100 was REPRODUCED on the small network, the others were not decided. Stated before any step had been timed. "
    "A first benchmark, in turns of two seconds, differed too much from round to round; a second one, in shorter "
    "turns, five rounds on an AMD EPYC, left four of these six claims INCONCLUSIVE (that W-Softmax is as efficient was "
    "REPRODUCED on MNIST, that M_min reduces the time NOT REPRODUCED on CIFAR10); a third, fifteen rounds on an Intel "
    "Xeon that was at times twice as slow as at others, left three (as efficient: REPRODUCED on MNIST and CIFAR10; "
    "M_min reduces the time: NOT REPRODUCED on MNIST), by the mean of ratios; this one, fifteen rounds again, is "
    "judged by their logarithms, which was settled before it was seen: the mean of ratios that vary is above 1 even "
    "where neither takes longer. No level counts these looks.)"
)
UNTIMED = "no training steps timed"
LOG_POINTS = "log points"
"""Of `Runs.slower`."""
W_SOFTMAX = (LOW, MIDDLE, HIGH)
COLD = " cold"
"""Ends the name of a loss whose runs had no softmax phase, those of the recipe of that name and `recipes.COLD`."""
NAMES = {SOFTMAX: "softmax", "hinge": "hinge loss", "l-softmax": "L-Softmax"}
NAMES |= {loss: f"W-Softmax α = {loss.partition(':')[2]}" for loss in W_SOFTMAX}


def at_minimum(classes: int) -> Sequence[int]:
    """M_min alone."""
    return (classes - 1,)


def mean(table: pd.DataFrame) -> "pd.Series[float]":
    """The mean over the columns; empty for no rows."""
    return table.mean(axis=1) if len(table) else pd.Series(dtype=float)


def _short(number: float) -> str:
    """Four digits at most, with a true minus."""
    text = f"{number:.2f}" if abs(number) < 100 else f"{number:.0f}"
    text = f"{number:.3f}" if 0 < abs(number) < 0.1 else text
    return ("0" if float(text) == 0 else text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")
