"""Do wide layers overfit, and does W-Softmax prevent it (Sec. 5.2)?"""

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import captions, drawing, paired
from analysis.drawing import Drawing
from analysis.paired import MIN_SEEDS

FACTORS = (10, 20, 30)
"""Multiples of C − 1 at which the paper sees overfitting (Sec. 5.2)."""

SMALL: dict[str, Any] = {"va": "bottom", "fontsize": 8}
SMALL |= {"bbox": {"facecolor": "white", "edgecolor": "none", "pad": 0.8}}
"""How the numbers of seeds are written: over the grid, not through it."""


def overfitting(runs: pd.DataFrame) -> Drawing:
    """What 10, 20 and 30 times C − 1 units do to the test accuracy, seeds paired: against C − 1 units, and that minus
    what they do with softmax.

    *Arguments*: `runs`, rows of `records.load` of one recipe, data set and feature.

    *Raises*: `ValueError` if there is no loss with runs at C − 1 and at one of these.
    """
    source = changes(drawing.shown(runs))
    if not len(source):
        raise ValueError("no loss was run at M = C − 1 and at 10, 20 or 30 times that with the same seed")
    against = bool(source["against_softmax"].notna().any())
    figure = Figure(figsize=(9 if against else 5.4, 4.4), layout="constrained")
    panels = figure.subplots(1, 1 + int(against), sharey=True, squeeze=False)[0]
    _intervals(panels[0], source, "")
    panels[0].set_ylabel("Change of test accuracy (points)")
    panels[0].set_title("Against C − 1 units, with the same loss", fontsize=10)
    if against:
        _intervals(panels[1], source[source["against_softmax"].notna()], "against_softmax")
        panels[1].set_title("That change, minus softmax's", fontsize=10)
    low, high = panels[0].get_ylim()
    panels[0].set_ylim(low - 0.06 * (high - low), high)  # for the numbers of seeds
    drawing.legend_above(figure, panels[0], captions.title(runs))
    caption = f"Means and 95 % t intervals over paired seeds; their number below.{_training(source)}"
    return Drawing(figure, source, f"{caption}{_detectable(source)} {captions.caption(_compared(runs, source))}")


def _compared(runs: pd.DataFrame, source: pd.DataFrame) -> pd.DataFrame:
    """The runs that a change was taken from, and those of the same losses and widths that are not done."""
    simplex = int(runs["classes"].iloc[0]) - 1
    runs = runs.reset_index(drop=True)
    kept = pd.Series(False, runs.index)
    for loss, width in zip(source["loss"], source["width"], strict=True):
        own = runs[(runs["loss"] == loss) & runs["width"].isin((simplex, width))]
        both = own[own["status"] == "done"].groupby("seed")["width"].nunique() == 2
        kept[own.index] |= (own["status"] != "done") | own["seed"].isin(both.index[both])
    return runs[kept]


def changes(done: pd.DataFrame) -> pd.DataFrame:
    """A row a loss and multiple of C − 1: the change of accuracy since C − 1, of the same seeds' in training and where
    that ends, and the change minus softmax's."""
    rows = []
    for loss in drawing.in_order(done["loss"]) if len(done) else []:
        own = done[done["loss"] == loss]
        simplex = int(own["classes"].iloc[0]) - 1
        at = {factor: own[own["width"] == factor * simplex] for factor in (1, *FACTORS)}
        for factor in FACTORS:
            if not set(at[1]["seed"]) & set(at[factor]["seed"]):
                continue
            found = paired.compare(at[factor], at[1])
            row = {"loss": loss, "factor": factor, "width": factor * simplex, "seeds": len(found.seeds)}
            row |= {"change": found.difference, "low": found.low, "high": found.high}
            row |= {"p_pooled": found.p_pooled, "p_images": found.p_images, "discordant": found.discordant}
            row |= {"smallest_detectable": _smallest(found)} | _in_training(at[factor], at[1], found.seeds)
            rows.append(row | _against_softmax(done, loss, factor, simplex))
    return pd.DataFrame(rows)


def _smallest(found: paired.Comparison) -> float:
    """`paired.smallest_detectable`; NaN where the images are unknown, or too few to show any difference."""
    try:
        return paired.smallest_detectable(found.images, found.discordant)
    except ValueError:
        return math.nan


def _in_training(wide: pd.DataFrame, narrow: pd.DataFrame, seeds: tuple[int, ...]) -> dict[str, float]:
    """The change of the accuracy on the training set, in points, and what it is of the wide layers, in %."""
    names = ("training_change", "training_accuracy")
    if "train_accuracy" not in wide:
        return dict.fromkeys(names, math.nan)
    after, before = (
        100 * float(own[own["seed"].isin(seeds) & (own["status"] == "done")]["train_accuracy"].mean())
        for own in (wide, narrow)
    )
    return dict(zip(names, (after - before, after), strict=True))


def _against_softmax(done: pd.DataFrame, loss: str, factor: int, simplex: int) -> dict[str, float]:
    """The change of a loss minus that of softmax, by paired seeds."""
    table = done[done["loss"].isin([loss, "softmax"])].pivot(
        index="seed", columns=["loss", "width"], values="test_accuracy"
    )
    wanted = [(each, width) for each in (loss, "softmax") for width in (factor * simplex, simplex)]
    names = ("against_softmax", "against_softmax_low", "against_softmax_high", "against_softmax_seeds")
    if loss == "softmax" or not all(column in table for column in wanted):
        return dict.fromkeys(names[:3], math.nan) | {names[3]: 0}
    wide, narrow, softmax_wide, softmax_narrow = (table[column] for column in wanted)
    values = 100 * ((wide - narrow) - (softmax_wide - softmax_narrow)).dropna().to_numpy(np.float64)
    interval = paired.mean_interval(values) if len(values) else (math.nan,) * 3
    return dict(zip(names, (*interval, len(values)), strict=True))


def _intervals(axes: Axes, source: pd.DataFrame, column: str) -> None:
    """Means with 95 % intervals, losses side by side at each multiple of C − 1, and how many seeds each rests on."""
    looks = drawing.styles(source["loss"])
    mean, low, high = (column, f"{column}_low", f"{column}_high") if column else ("change", "low", "high")
    factors = sorted(source["factor"].unique())
    for index, (loss, (label, colour, marker, _)) in enumerate(looks.items()):
        rows = source[source["loss"] == loss]
        places = np.searchsorted(factors, rows["factor"]) + 0.13 * (index - (len(looks) - 1) / 2)
        known = np.isfinite(rows[low]).to_numpy()
        bars = np.abs(rows[[low, high]].to_numpy().T - rows[mean].to_numpy())[:, known]
        axes.errorbar(places[known], rows[mean][known], bars, fmt="none", ecolor=colour, capsize=3, linewidth=1.3)
        axes.plot(places, rows[mean], marker, color=colour, markersize=6, linestyle="none", label=label)
        below = axes.get_xaxis_transform()
        for place, count in zip(places, rows[f"{column}_seeds" if column else "seeds"], strict=True):
            axes.text(place, 0.02, f"{count}", transform=below, color=colour, ha="center", **SMALL)
    axes.text(0.01, 0.02, "seeds:", transform=axes.transAxes, color="0.25", **SMALL)
    axes.axhline(0, color="0.4", linewidth=0.9)
    widths = {factor: int(source.loc[source["factor"] == factor, "width"].iloc[0]) for factor in factors}
    axes.set_xticks(range(len(factors)), [f"{factor}×\nM = {widths[factor]}" for factor in factors])
    axes.set_xlim(-0.75, len(factors) - 0.4)
    axes.set_xlabel("Multiple of C − 1")
    axes.grid(axis="y", color="0.92")
    axes.set_axisbelow(True)


def _training(source: pd.DataFrame) -> str:
    """Of the losses and widths at which test accuracy is shown to fall: what becomes of that on the training set."""
    parts = []
    shown = source[(source["high"] < 0) & (source["seeds"] >= MIN_SEEDS) & source["training_change"].notna()]
    for row in shown.to_dict("records"):
        change, after = row["training_change"], row["training_accuracy"]
        failed = " (failed optimisation)" if 2 * after < after - change else ""
        digits = 1 if abs(change) >= 1 else 2
        label = drawing.styles([row["loss"]])[row["loss"]][0]
        parts.append(f"{label} at M = {row['width']} by {change:+.{digits}f} points to {after:.{digits}f} %{failed}")
    if not parts:
        return ""
    all_fall = bool((shown["training_change"] < 0).all())
    verb, so = ("falls too", "So") if all_fall else ("changes too", "Where it falls,")
    text = f" Where test accuracy is shown to fall, accuracy on the training set {verb}: {', '.join(parts)}."
    return text.replace("by -", "by −") + f" {so} less was learned, which is not overfitting."


def _detectable(source: pd.DataFrame) -> str:
    least = source["smallest_detectable"].dropna()
    if not len(least):
        return ""
    found = " to ".join(dict.fromkeys(f"{each:.2f}" for each in (least.min(), least.max())))
    return (
        " Smallest difference that one pair of networks can show on this test set (McNemar at 5 %, power 80 %): "
        f"{found} points."
    )
