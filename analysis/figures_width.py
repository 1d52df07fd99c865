"""Figures beyond the paper: does the knee of accuracy follow C − 1, and how does accuracy rise to its plateau, C by C.

Drawn like `analysis.figures`: colours safe for the colour-blind, markers and dashes that a grey print tells apart."""

import math
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from analysis import paired, plateau
from analysis.captions import caption_of_several, dataset_place, dataset_title, title
from analysis.drawing import Drawing, legend_above, points_axis
from fc_width.recipes import Recipe
from theory import bounds

INK = "#000000"
POINTS = tuple(sorted(plateau.MARGINS, reverse=True))
WITHIN = (*(f"Within {margin:g} points" for margin in POINTS), f"At most {100 * plateau.ERRORS:g} % more errors")
"""The margins of a knee: those of so many points, and that of errors."""

SHARE = 0.9
"""Of the simplex's angle."""

MARGIN_STYLES = {0.1: ("#666666", "-."), 0.5: ("#D55E00", "--")}
"""Colour and dash of each margin's line."""

CAP: dict[str, Any] = {"marker": "_", "markersize": 7, "markeredgewidth": 1.2}
ESTIMATE: dict[str, Any] = {"marker": "D", "markersize": 5, "markerfacecolor": "white"}
SIGNS: dict[str, dict[str, Any]] = {
    "knee": {"marker": "o", "markersize": 6, "linestyle": "none"},
    "widths where the knee may be": {**CAP, "linewidth": 1.6},
    "not decided: any width from the lower end on": {"marker": "^", "markersize": 6, "linestyle": "none"},
    "not decided: knee by the means alone": {**ESTIMATE, "linestyle": "none"},
}
"""The signs of `knee_against_classes`."""


def knee_against_classes(runs: pd.DataFrame) -> Drawing:
    """The measured knee (`plateau.knee`) against the number of classes, a column of panels for each recipe, a row for
    each margin; over it C − 1, ⌈C/2⌉, the width at which the best possible angle reaches 90° (Rankin 1955), and the one
    at which it is known to reach `SHARE` of the simplex's. Of softmax.

    *Arguments*: `runs`, rows of `records.load`, of one or more data sets.

    *Raises*: `ValueError` if none of them has runs to take a plateau from.
    """
    sweeps = _with_plateau(runs)
    if not sweeps:
        raise ValueError("no softmax runs with a plateau among the records: python -m fc_width.sweep --losses softmax")
    source = pd.DataFrame(row for sweep in sweeps for row in _knee_rows(sweep))
    source = source.sort_values(["name", "classes", "margin"])
    source = source.sort_values("dataset", key=lambda names: names.map(dataset_place), kind="stable", ignore_index=True)
    names = list(dict.fromkeys(source["name"]))
    figure = Figure(figsize=(2.7 * len(names) + 1.4, 2.6 * len(WITHIN) + 1.1), layout="constrained")
    panels = figure.subplots(len(WITHIN), len(names), sharex="col", sharey=True, squeeze=False)
    top = max(float(source["top"].max()), float(source["simplex"].max())) * 1.35
    for (row, within), (column, name) in product(enumerate(WITHIN), enumerate(names)):
        rows = source[(source["name"] == name) & (source["within"] == within)]
        _knees(panels[row, column], rows, top)
    for axes, name in zip(panels[0], names, strict=True):
        whole = dataset_title(source.loc[source["name"] == name, "dataset"].iloc[0].partition(":")[0])
        axes.set_title(f"{whole}\n(recipe {name})", fontsize=10)
    for axes in panels[-1]:
        axes.set_xlabel("Number of classes C (log axis)", fontsize=9)
    for axes, within in zip(panels[:, 0], WITHIN, strict=True):
        axes.set_ylabel(f"{within}:\nunits M (log axis)")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    handles += [Line2D([], [], color=INK, label=label, **look) for label, look in SIGNS.items()]
    figure.legend(handles, [*labels, *SIGNS], loc="outside upper center", ncols=3, fontsize=8)
    return Drawing(
        figure,
        source,
        "softmax. Knee: the smallest tested M shown, as all wider ones, to lose less than the margin (in points, or of "
        "the plateau's errors) against the plateau, the mean over 2(C − 1) ≤ M < 10(C − 1), seeds paired, "
        "one-sided 95 %; an arrow ends at the widest M that was judged; no cap below where narrower M were not tried; "
        "no diamond where the means alone put the knee nowhere, as even the widest M falls short. "
        f"{caption_of_several(sweeps)}",
    )


def rise_to_the_plateau(runs: pd.DataFrame) -> Drawing:
    """Accuracy of softmax minus the plateau's against M, a panel for each number of classes, of one recipe."""
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
    near = points_axis(panels[0], pd.Series(ends))
    for place in range(0, len(panels), columns):
        panels[place].set_ylabel("Accuracy minus the\nplateau's (points)")
    legend_above(figure, panels[0], f"{title(sweeps[-1], of_all_classes=True)}, softmax")
    caption = (
        "Line: mean over seeds, with its two-sided 95 % t interval; points: each seed; axis linear within "
        f"±{near:g} points, else log. {caption_of_several(sweeps)}"
    )
    return Drawing(figure, source, caption)


def any_plateau(runs: pd.DataFrame) -> bool:
    """Whether any of these runs, of any recipes and data sets, have a plateau to take softmax's knee from."""
    return bool(_with_plateau(runs))


def _with_plateau(runs: pd.DataFrame) -> list[pd.DataFrame]:
    """The runs of softmax and the trunk's feature, a table for each recipe and data set that has a plateau."""
    own = runs[(runs["loss"] == "softmax") & (runs["feature"] == Recipe.feature)]
    return [sweep for _, sweep in own.groupby(["name", "dataset"]) if _has_plateau(sweep)]


def _has_plateau(sweep: pd.DataFrame) -> bool:
    try:
        plateau.against_plateau(sweep)
    except ValueError:
        return False
    return True


def _knee_rows(runs: pd.DataFrame) -> list[dict[str, Any]]:
    """The knees of one sweep, a row a margin, beside C − 1, ⌈C/2⌉ and where the angle is near the simplex's."""
    found = []
    for within, margin in zip(WITHIN, (*POINTS, plateau.error_margin(runs)), strict=True):
        knee = plateau.knee(runs, margin)
        found.append(
            {"name": runs["name"].iloc[0], "dataset": runs["dataset"].iloc[0], "classes": knee.classes}
            | {"margin": margin, "within": within, "knee": knee.width, "low": knee.low, "estimate": knee.estimate}
            | {"plateau": knee.plateau, "seeds": knee.seeds, "failures": knee.failures}
            | {
                "narrowest": knee.widths[0],
                "top": knee.widths[-1],
                "simplex": knee.classes - 1,
                "half": -(-knee.classes // 2),
                "near": bounds.width_of_share(knee.classes, SHARE),
            }
        )
    return found


def _knees(axes: Axes, rows: pd.DataFrame, top: float) -> None:
    """One panel, of one recipe and margin; `top`, where its axis ends."""
    axes.plot(rows["classes"], rows["simplex"], "-", color="#56B4E9", linewidth=3.5, label="C − 1")
    half = "⌈C/2⌉, where the best possible\nsmallest angle reaches 90°"
    axes.plot(rows["classes"], rows["half"], ":", color="#00513B", linewidth=1.8, label=half)
    near = f"where it is known to reach\n{100 * SHARE:g} % of the simplex's"
    axes.plot(rows["classes"], rows["near"], "--", color="#CC79A7", linewidth=1.4, label=near)
    for row in rows.to_dict("records"):
        place, widest, decided = row["classes"], row["top"], not pd.isna(row["knee"])
        if pd.isna(row["low"]):
            axes.plot(place, widest, "x", color=INK)
            continue
        end = row["knee"] if decided else widest * (1.25 if row["estimate"] == widest else 1)  # beside the diamond
        axes.plot([place, place], [row["low"], end], "-", color=INK, linewidth=1.6)
        if row["low"] < end and not row["low"] == row["narrowest"] > 1:
            axes.plot(place, row["low"], color=INK, **CAP)
        if not decided:
            if not pd.isna(row["estimate"]):
                axes.plot(place, row["estimate"], color=INK, **ESTIMATE)
            axes.plot(place, end, "^", color=INK, markersize=6)
    known = rows[rows["knee"].notna()]
    axes.plot(known["classes"], known["knee"], color=INK, gid="knee", **SIGNS["knee"])
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(rows["classes"], [str(classes) for classes in rows["classes"]])
    axes.set_xlim(rows["classes"].min() / 1.25, rows["classes"].max() * 1.25)
    ticks = [tick for tick in (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000) if tick <= top]
    axes.set_yticks(ticks, list(map(str, ticks)))
    axes.set_ylim(0.8, top)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
    axes.grid(axis="y", color="0.92")
    axes.set_axisbelow(True)


def _rise(axes: Axes, found: plateau.AgainstPlateau) -> None:
    """Seeds faintly, their mean with its interval, the margins, and the widths to compare with."""
    differences = found.differences
    at = [int(width) for width in differences.columns.tolist()]
    ends_of_plateau = found.widths[0] * 0.9, found.widths[-1] * 1.1
    axes.axvspan(*ends_of_plateau, color="0.93", linewidth=0, zorder=0, label="widths of the plateau")
    axes.axhline(0, color="0.75", linewidth=0.8, zorder=0.5)
    ends = _intervals(differences)
    axes.vlines(ends.index, ends["low"], ends["high"], color="0.55", linewidth=3, label="95 % interval of the mean")
    for _, values in differences.iterrows():
        axes.plot(at, values, ".", color=INK, alpha=0.35, markersize=4)
    axes.plot(at, differences.mean(), "o-", color=INK, markersize=4, linewidth=1, label="mean over seeds")
    for margin, (colour, dash) in MARGIN_STYLES.items():
        axes.axhline(-margin, color=colour, linewidth=0.9, linestyle=dash, label=f"margin {margin:g} points")
    axes.axvline(found.classes - 1, color="#56B4E9", linewidth=1.6, label="C − 1", zorder=1)
    axes.axvline(-(-found.classes // 2), color="#00513B", linewidth=1.6, linestyle=":", label="⌈C/2⌉", zorder=1)
    axes.set_xscale("log")
    ticks = [tick for tick in (1, 2, 3, 5, 10, 30, 100, 300, 1000, 3000) if tick <= max(at)]
    axes.set_xticks(ticks, list(map(str, ticks)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_title(f"C = {found.classes}: plateau {100 * found.plateau.mean():.2f} %", fontsize=10)
    axes.set_xlabel("Units M (log axis)", fontsize=9)


def _intervals(differences: pd.DataFrame) -> pd.DataFrame:
    """The 95 % t interval of each width's mean, `low` and `high`, of those with two seeds at least."""
    several = differences.loc[:, differences.notna().sum() > 1]
    ends = {width: paired.mean_interval(values.dropna())[1:] for width, values in several.items()}
    return pd.DataFrame.from_dict(ends, orient="index", columns=["low", "high"])
