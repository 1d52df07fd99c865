"""What the learned weights and features look like at each width, over what is possible at all."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from analysis import drawing
from analysis.drawing import Drawing, Style
from theory import bounds

BEST = "best possible at this width\n(theory.bounds)"
GEOMETRY = {
    "smallest_angle": "Smallest angle between two\nweights (degrees)",
    "nc1": "NC1: scatter within classes\nover between",
    "nc2_means": "NC2 of the class means:\ndistance from the simplex",
    "nc2_weights": "NC2 of the weights:\ndistance from the simplex",
    "nc3": "NC3: weights against\nclass means",
}


def geometry_against_bound(runs: pd.DataFrame) -> Drawing:
    """Smallest angle of the learned weights and NC1–NC3 against M, a line for each loss, over the best possible angle
    and the floor of NC2 (`theory.bounds`).

    *Arguments*: `runs`, rows of `records.load` of one recipe, data set and feature.
    """
    done = drawing.shown(runs)
    classes = int(done["classes"].iloc[0])
    measures = [measure for measure in GEOMETRY if measure in done]
    source = done[["loss", "width", "seed", *measures]].sort_values(["loss", "width", "seed"], ignore_index=True)
    widths = sorted(map(int, source["width"].unique()))
    best = pd.DataFrame(bounds.table(classes, widths)).set_index("M")
    source = source.join(best[["lower", "upper", "nc2_floor"]].add_prefix("bound_"), on="width")
    figure = Figure(figsize=(10, 6), layout="constrained")
    panels = figure.subplots(2, 3).ravel()
    for axes, measure in zip(panels, measures, strict=False):
        for loss, look in drawing.styles(source["loss"]).items():
            _line(axes, look, source[source["loss"] == loss], measure, widths)
        if measure == "smallest_angle":
            axes.fill_between(range(len(widths)), best["lower"], best["upper"], color="0.5", alpha=0.3, linewidth=0)
            _bound(axes, best["upper"], BEST)
        elif measure.startswith("nc2"):
            _bound(axes, best["nc2_floor"], BEST)
        elif measure == "nc1":
            axes.set_yscale("log")
            axes.yaxis.set_minor_formatter(NullFormatter())
        if measure != "nc1":
            axes.set_ylim(bottom=-0.03 * axes.get_ylim()[1])
        axes.set_ylabel(GEOMETRY[measure], fontsize=9)
        axes.set_xticks(range(len(widths)), list(map(str, widths)), fontsize=7, rotation=90 if len(widths) > 10 else 0)
        axes.set_xlabel("Units M of the FC layer (uneven axis)", fontsize=8)
        if classes - 1 in widths:
            axes.axvline(widths.index(classes - 1), color="0.4", linewidth=1, linestyle=(0, (4, 3)), zorder=0)
        axes.grid(axis="y", color="0.92")
        axes.set_axisbelow(True)
    for axes in panels[len(measures) :]:
        axes.set_axis_off()
    entries = dict[str, object]()
    for axes in panels[: len(measures)]:
        entries |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    panels[-1].legend(list(entries.values()), list(entries), loc="center", fontsize=9, frameon=False)
    told = drawing.caption(runs[runs["loss"].isin(source["loss"])])
    caption = f"Median over seeds, each seed faint; dashed, M = C − 1 = {classes - 1}. {told}"
    return Drawing(figure, source, caption)


def _line(axes: Axes, look: Style, rows: pd.DataFrame, measure: str, widths: list[int]) -> None:
    rows = rows[rows[measure].notna()]
    label, colour, marker, dash = look
    size = 12 if marker == "*" else 4
    places = np.searchsorted(widths, rows["width"])
    axes.plot(places, rows[measure], marker, color=colour, alpha=0.25, markersize=3, linestyle="none")
    median = rows.groupby("width")[measure].median()
    places = np.searchsorted(widths, median.index)
    axes.plot(places, median, marker + dash, color=colour, markersize=size, linewidth=1.1, label=label)


def _bound(axes: Axes, values: pd.Series, label: str) -> None:
    axes.plot(range(len(values)), values, "-", color="0.5", linewidth=3, alpha=0.7, label=label, zorder=1)
