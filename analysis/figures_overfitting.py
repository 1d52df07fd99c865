"""Do wide layers overfit, and does W-Softmax prevent it (Sec. 5.2)?"""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import drawing, paired
from analysis.drawing import Drawing

FACTORS = (10, 20, 30)
"""Multiples of C − 1 at which the paper sees overfitting (Sec. 5.2)."""


def overfitting(runs: pd.DataFrame) -> Drawing:
    """What 10, 20 and 30 times C − 1 units do to the test accuracy, seeds paired: against C − 1 units, and that less
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
    panels[0].set_title("Against C − 1 units, same loss", fontsize=10)
    if against:
        _intervals(panels[1], source[source["against_softmax"].notna()], "against_softmax")
        panels[1].set_title("That, less the same with softmax", fontsize=10)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=8)
    widths = {int(runs["classes"].iloc[0]) - 1, *source["width"]}
    told = drawing.caption(runs[runs["loss"].isin(source["loss"]) & runs["width"].isin(widths)])
    caption = f"Means and 95 % t intervals over paired seeds.{_detectable(source)} {told}"
    return Drawing(figure, source, caption)


def changes(done: pd.DataFrame) -> pd.DataFrame:
    """A row a loss and multiple of C − 1: the change of accuracy since C − 1, and that less softmax's."""
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
            detectable = paired.smallest_detectable(found.images, found.discordant) if found.images else math.nan
            rows.append(row | {"smallest_detectable": detectable} | _against_softmax(done, loss, factor, simplex))
    return pd.DataFrame(rows)


def _against_softmax(done: pd.DataFrame, loss: str, factor: int, simplex: int) -> dict[str, float]:
    """The change of a loss less that of softmax, by paired seeds."""
    table = done[done["loss"].isin([loss, "softmax"])].pivot(
        index="seed", columns=["loss", "width"], values="test_accuracy"
    )
    wanted = [(each, width) for each in (loss, "softmax") for width in (factor * simplex, simplex)]
    names = ("against_softmax", "against_softmax_low", "against_softmax_high")
    if loss == "softmax" or not all(column in table for column in wanted):
        return dict.fromkeys(names, math.nan)
    wide, narrow, softmax_wide, softmax_narrow = (table[column] for column in wanted)
    values = 100 * ((wide - narrow) - (softmax_wide - softmax_narrow)).dropna().to_numpy(np.float64)
    return (
        dict(zip(names, paired.mean_interval(values), strict=True)) if len(values) else dict.fromkeys(names, math.nan)
    )


def _intervals(axes: Axes, source: pd.DataFrame, column: str) -> None:
    """Means with 95 % intervals, losses side by side at each multiple of C − 1."""
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
    axes.axhline(0, color="0.4", linewidth=0.9)
    widths = {factor: int(source.loc[source["factor"] == factor, "width"].iloc[0]) for factor in factors}
    axes.set_xticks(range(len(factors)), [f"{factor}×\nM = {widths[factor]}" for factor in factors])
    axes.set_xlim(-0.6, len(factors) - 0.4)
    axes.set_xlabel("Multiple of C − 1")
    axes.grid(axis="y", color="0.92")
    axes.set_axisbelow(True)


def _detectable(source: pd.DataFrame) -> str:
    least = source["smallest_detectable"].dropna()
    if not len(least):
        return ""
    found = " to ".join(dict.fromkeys(f"{each:.2f}" for each in (least.min(), least.max())))
    return (
        " Smallest difference that one pair of networks can show on this test set (McNemar at 5 %, power 80 %): "
        f"{found} points."
    )
