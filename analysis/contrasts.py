"""How an experiment is judged: contrasts, one number a seed, each against a bound stated beforehand.

*A contrast* is a number that the paper's claim says something about, measured once a seed with everything else the same
(the gain of one loss over another at one width, say), and the bound that it should lie beyond. (Where a share of the
errors is the bound, the rule was stated, and what it gives is taken for known.) Its interval is the 95 % t interval of
its mean over seeds. It is *shown* if the whole interval lies beyond `bound`, and *against* if the whole interval lies
short of `against`. The two bounds differ where the claim gives the sign of an effect: then `bound` is 0 and `against`
the least effect worth the name, so that "no effect" can be told from "too few seeds". An interval that lies between the
two is shown, as the claim has the sign right, and said to be small. What counts against a claim of several numbers is
held to a level divided by how many they are (Bonferroni), as one of them is enough to say that the claim is not
reproduced. (A number held between two bounds is one, and so are those that count against it only together.)

*The verdict* of a claim: REPRODUCED if every contrast is shown, NOT REPRODUCED if one is against, NOT RUN if there are
no runs for any, else INCONCLUSIVE. Below three seeds nothing is shown, and nothing against."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from analysis import paired
from analysis.paired import MIN_SEEDS

REPRODUCED, NOT_REPRODUCED = "REPRODUCED", "NOT REPRODUCED"
INCONCLUSIVE, NOT_RUN = "INCONCLUSIVE", "NOT RUN"

ERROR = 0.05
"""Two-sided: of the intervals shown, and of what counts against a claim of one contrast."""

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
    if against(findings):
        return NOT_REPRODUCED
    return REPRODUCED if states == {"shown"} else INCONCLUSIVE


def decisive(findings: Sequence[Finding]) -> Finding:
    """The finding that a reader should see first: the clearest against; else the least clear, open or shown."""
    if counting := against(findings):
        return max(counting, key=lambda finding: finding.slack)
    for state in ("open", "against", "shown"):
        if of_state := [finding for finding in findings if finding.state == state]:
            return min(of_state, key=lambda finding: finding.slack)
    return findings[0]


def against(findings: Sequence[Finding]) -> list[Finding]:
    """The findings that count against the claim: not those of a `together` of which one does not."""
    others = {finding.contrast.together for finding in findings if finding.state != "against"} - {""}
    return [each for each in findings if each.state == "against" and each.contrast.together not in others]


def _short(number: float) -> str:
    """Four digits at most, with a true minus."""
    text = f"{number:.2f}" if abs(number) < 100 else f"{number:.0f}"
    text = f"{number:.3f}" if 0 < abs(number) < 0.1 else text
    return ("0" if float(text) == 0 else text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")
