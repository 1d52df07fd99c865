"""Figures beyond the paper: does the knee of accuracy follow C − 1, and how does accuracy rise to its plateau, C by C.

Drawn like `analysis.figures`: colours safe for the colour-blind, markers and dashes that a grey print tells apart."""

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from analysis import paired, plateau
from analysis.drawing import Drawing, caption_of_several, dataset_place, dataset_title, legend_above, title
from fc_width.recipes import Recipe

MARGIN_STYLES = {0.1: ("#000000", "o", "-"), 0.5: ("#D55E00", "s", "--")}

CAP: dict[str, Any] = {"marker": "_", "markersize": 7, "markeredgewidth": 1.2}
ESTIMATE: dict[str, Any] = {"marker": "D", "markersize": 4.5, "markerfacecolor": "white"}
SIGNS: dict[str, dict[str, Any]] = {
    "widths that the knee may be": {**CAP, "linewidth": 1.6},
    "not decided: or any larger width": {"marker": "^", "markersize": 6, "linestyle": "none"},
    "not decided: knee by the means alone": {**ESTIMATE, "linestyle": "none"},
}
"""The signs of `knee_against_classes` that both margins share."""


def knee_against_classes(runs: pd.DataFrame) -> Drawing:
    """The measured knee (`plateau.knee`) at both margins against the number of classes; over it C − 1 and ⌈C/2⌉, the
    width at which the best possible angle reaches 90° (Rankin 1955). Of softmax; a panel a recipe.

    *Arguments*: `runs`, rows of `records.load`, of one or more data sets.

    *Raises*: `ValueError` if none of them has runs to take a plateau from.
    """
    sweeps = _with_plateau(runs)
    if not sweeps:
        raise ValueError("no softmax runs with a plateau among the records: python -m fc_width.sweep --losses softmax")
    source = pd.DataFrame(_knee_row(sweep, margin) for sweep in sweeps for margin in plateau.MARGINS)
    source = source.sort_values(["name", "classes", "margin"])
    source = source.sort_values("dataset", key=lambda names: names.map(dataset_place), kind="stable", ignore_index=True)
    names = list(dict.fromkeys(source["name"]))
    columns = min(len(names), 2)
    rows_of_panels = math.ceil(len(names) / columns)
    figure = Figure(figsize=(4.4 * columns + 1.6, 3.6 * rows_of_panels + 1.2), layout="constrained")
    panels = figure.subplots(rows_of_panels, columns, sharey=True, squeeze=False).ravel()
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    for axes, name in zip(panels, names, strict=False):
        rows = source[source["name"] == name]
        lines = rows.drop_duplicates("classes")
        axes.plot(lines["classes"], lines["simplex"], "-", color="#56B4E9", linewidth=3.5, label="C − 1")
        axes.plot(
            lines["classes"],
            lines["half"],
            ":",
            color="#00513B",
            linewidth=1.8,
            label="⌈C/2⌉, where the best possible\nsmallest angle reaches 90°",
        )
        for margin in plateau.MARGINS:
            _knees(axes, rows[rows["margin"] == margin], margin)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks(lines["classes"], [str(classes) for classes in lines["classes"]])
        axes.set_xlim(lines["classes"].min() / 1.25, lines["classes"].max() * 1.25)
        top = max(float(source["top"].max()), float(source["simplex"].max())) * 1.35
        ticks = [tick for tick in (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000) if tick <= top]
        axes.set_yticks(ticks, list(map(str, ticks)))
        axes.set_ylim(0.8, top)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_minor_locator(NullLocator())
        whole = dataset_title(rows["dataset"].iloc[0].partition(":")[0])
        axes.set_title(f"{whole} (recipe {name})", fontsize=10)
        axes.set_xlabel("Number of classes C (log axis)")
        axes.grid(axis="y", color="0.92")
        axes.set_axisbelow(True)
    for axes in panels[::columns]:
        axes.set_ylabel("Units M of the FC layer (log axis)")
    handles, labels = panels[0].get_legend_handles_labels()
    handles += [Line2D([], [], color="0.35", label=label, **look) for label, look in SIGNS.items()]
    figure.legend(handles, [*labels, *SIGNS], loc="outside upper center", ncols=3, fontsize=8)
    return Drawing(
        figure,
        source,
        "softmax. Knee: the smallest tested M shown, as all wider ones, to lose less than the margin against the "
        "mean over 2(C − 1) ≤ M < 10(C − 1), seeds paired, one-sided 95 %; bar: the widths that it may be, with an "
        "arrow where none is shown; diamond: where the means alone would then put it, none where they put it "
        f"nowhere, as even the widest falls short. {caption_of_several(sweeps)}",
    )


def rise_to_the_plateau(runs: pd.DataFrame) -> Drawing:
    """Accuracy of softmax less the plateau's against M, a panel for each number of classes, of one recipe."""
    sweeps = sorted(_with_plateau(runs), key=lambda sweep: int(sweep["classes"].iloc[0]))
    found = [plateau.against_plateau(runs) for runs in sweeps]
    source = pd.DataFrame(
        {"C": each.classes, "width": width, "seed": seed, "difference": difference}
        for each in found
        for width, column in each.differences.items()
        for seed, difference in column.dropna().items()
    )
    rows = math.ceil(len(found) / 3)
    columns = min(len(found), 3)
    figure = Figure(figsize=(3.3 * columns + 0.6, 2.9 * rows + 0.5), layout="constrained")
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for axes, each in zip(panels, found, strict=False):
        _rise(axes, each)
    for axes in panels[len(found) :]:
        axes.set_axis_off()
    ends = np.concatenate([source["difference"], *(_intervals(each.differences).to_numpy().ravel() for each in found)])
    low, high = float(ends.min()), max(float(ends.max()), 0.5)
    panels[0].set_yscale("symlog", linthresh=0.5, linscale=1.2)
    ticks = [tick for tick in (-80, -50, -20, -10, -5, -2) if tick > low] + [-0.5, -0.1, 0.1, 0.5]
    ticks += [tick for tick in (2, 5, 10, 20) if tick < high]
    panels[0].set_yticks(ticks, [f"{tick:g}".replace("-", "−") for tick in ticks])
    panels[0].set_ylim(low * 1.2, high * 1.2)
    panels[0].yaxis.set_minor_locator(NullLocator())
    for place in range(0, len(panels), columns):
        panels[place].set_ylabel("Accuracy less the\nplateau's (points)")
    legend_above(figure, panels[0], f"{title(sweeps[-1], of_all_classes=True)}, softmax")
    caption = (
        "Line: mean over seeds, with its 95 % t interval; points: each seed; shaded: the widths of the plateau; linear "
        f"within ±0.5 points, else log. {caption_of_several(sweeps)}"
    )
    return Drawing(figure, source, caption)


def any_plateau(runs: pd.DataFrame) -> bool:
    """Whether any of these runs, of any recipes and data sets, have a plateau to take softmax's knee from."""
    return bool(_with_plateau(runs))


def _with_plateau(runs: pd.DataFrame) -> list[pd.DataFrame]:
    """The runs of softmax and the trunk's feature, a table for each recipe and data set that has a plateau."""
    own = runs[(runs["loss"] == "softmax") & (runs["feature"] == Recipe.feature)]
    return [sweep for _, sweep in own.groupby(["name", "dataset"]) if _has_plateau(sweep)]


def _has_plateau(runs: pd.DataFrame) -> bool:
    try:
        plateau.against_plateau(runs)
    except ValueError:
        return False
    return True


def _name(runs: pd.DataFrame) -> str:
    return str(runs["name"].iloc[0])


def _knee_row(runs: pd.DataFrame, margin: float) -> dict[str, object]:
    found = plateau.knee(runs, margin)
    return {
        "name": _name(runs),
        "dataset": runs["dataset"].iloc[0],
        "classes": found.classes,
        "margin": margin,
        "knee": found.width,
        "low": found.low,
        "estimate": found.estimate,
        "plateau": found.plateau,
        "seeds": found.seeds,
        "failures": found.failures,
        "top": found.widths[-1],
        "simplex": found.classes - 1,
        "half": -(-found.classes // 2),
    }


def _knees(axes: Axes, rows: pd.DataFrame, margin: float) -> None:
    colour, marker, dash = MARGIN_STYLES[margin]
    shift = 0.97 if margin == min(MARGIN_STYLES) else 1.03
    for row in rows.to_dict("records"):
        place, top, decided = row["classes"] * shift, row["top"], not pd.isna(row["knee"])
        if pd.isna(row["low"]):
            axes.plot(place, top, "x", color=colour)
            continue
        end = row["knee"] if decided else top * (1.25 if row["estimate"] == top else 1)  # arrow beside the diamond
        axes.plot([place, place], [row["low"], end], dash, color=colour, linewidth=1.6)
        if row["low"] < end:
            axes.plot(place, row["low"], color=colour, **CAP)
        if not decided:
            if not pd.isna(row["estimate"]):
                axes.plot(place, row["estimate"], color=colour, **ESTIMATE)
            axes.plot(place, end, "^", color=colour, markersize=6)
    known = rows[rows["knee"].notna()]
    face = colour if margin == min(MARGIN_STYLES) else "white"
    label = f"knee, margin {margin:g} points"
    axes.plot(
        known["classes"] * shift,
        known["knee"],
        marker,
        color=colour,
        markerfacecolor=face,
        markersize=6,
        linestyle="none",
        label=label,
    )


def _rise(axes: Axes, found: plateau.AgainstPlateau) -> None:
    """Seeds faintly, their mean with its interval, the margins, and the widths to compare with."""
    differences = found.differences
    widths = [int(width) for width in differences.columns.tolist()]
    axes.axvspan(found.widths[0] * 0.9, found.widths[-1] * 1.1, color="0.93", linewidth=0, zorder=0)
    ends = _intervals(differences)
    axes.vlines(ends.index, ends["low"], ends["high"], color="0.77", linewidth=3)
    for _, values in differences.iterrows():
        axes.plot(widths, values, ".", color="#000000", alpha=0.35, markersize=4)
    axes.plot(widths, differences.mean(), "o-", color="#000000", markersize=4, linewidth=1, label="mean over seeds")
    for margin, (colour, _, dash) in MARGIN_STYLES.items():
        axes.axhline(-margin, color=colour, linewidth=0.9, linestyle=dash, label=f"margin {margin:g} points")
    axes.axvline(found.classes - 1, color="#56B4E9", linewidth=1.6, label="C − 1", zorder=1)
    axes.axvline(-(-found.classes // 2), color="#00513B", linewidth=1.6, linestyle=":", label="⌈C/2⌉", zorder=1)
    axes.set_xscale("log")
    ticks = [tick for tick in (1, 2, 3, 5, 10, 30, 100, 300, 1000, 3000) if tick <= max(widths)]
    axes.set_xticks(ticks, list(map(str, ticks)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_title(f"C = {found.classes}: plateau {100 * found.plateau.mean():.2f} %", fontsize=10)
    axes.set_xlabel("Units M (log axis)", fontsize=9)


def _intervals(differences: pd.DataFrame) -> pd.DataFrame:
    """The 95 % t interval of each width's mean, `low` and `high`, of those with two seeds at least."""
    several = differences.loc[:, differences.notna().sum() > 1]
    ends = {width: paired.mean_interval(values.dropna())[1:] for width, values in several.items()}
    return pd.DataFrame.from_dict(ends, orient="index", columns=["low", "high"])
