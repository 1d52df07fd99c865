"""What the learned weights and features look like at each width, over what is possible at all."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from analysis import captions, drawing
from analysis.drawing import Drawing
from theory import bounds

BEST = "best possible at this width\n(theory.bounds)"
GEOMETRY = {
    "smallest_angle": "Smallest angle between two\nweights (degrees)",
    "nc1": "NC1 = Tr($\\Sigma_W\\Sigma_B^{+}$)/C\n(log axis)",
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
    figure = Figure(figsize=(10, 6.2), layout="constrained")
    figure.suptitle(
        f"{captions.title(runs)}, features: {captions.FEATURE_TITLES[runs['feature'].iloc[0]]}", fontsize=11
    )
    panels = figure.subplots(2, 3).ravel()
    for axes, measure in zip(panels, measures, strict=False):
        if measure == "smallest_angle":
            axes.fill_between(range(len(widths)), best["lower"], best["upper"], color="0.5", alpha=0.3, linewidth=0)
            _bound(axes, best["upper"])
        elif measure.startswith("nc2"):
            _bound(axes, best["nc2_floor"])
        drawable = source[measure].notna() & ((source[measure] > 0) | (measure != "nc1"))  # which is on a log axis
        _lines(axes, source[drawable], measure, widths)
        axes.set_ylabel(GEOMETRY[measure], fontsize=9)
        axes.set_xticks(range(len(widths)), list(map(str, widths)), fontsize=7, rotation=90 if len(widths) > 10 else 0)
        axes.set_xlim(-0.6, len(widths) - 0.4)
        axes.set_xlabel("Units M of the FC layer (not to scale)", fontsize=8)
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
    told = captions.caption(runs[runs["loss"].isin(source["loss"])])
    lines = f"{drawing.lines(source, 'median')}; dashed, M = C − 1 = {classes - 1}."
    return Drawing(figure, source, f"{lines} {_nc1(source, classes)}{told}")


def _lines(axes: Axes, rows: pd.DataFrame, measure: str, widths: list[int]) -> None:
    """A line for each loss, on limits that hold every seed and what is drawn already."""
    looks = drawing.styles(rows["loss"])
    if not len(rows):
        return
    low, high = rows[measure].min(), rows[measure].max()
    if measure == "nc1":
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(low / (high / low) ** 0.05 / 1.1, high * (high / low) ** 0.05 * 1.1)
    else:
        high = 1.05 * max(high, axes.dataLim.ymax if axes.lines else high, 1e-3)  # NC2 of two classes is 0
        axes.set_ylim(-0.03 * high, high)
    drawn = rows.assign(place=drawing.positions(rows["width"], widths), value=rows[measure])
    medians = drawn.pivot_table(index="place", columns="loss", values="value", aggfunc="median")
    shifts = drawing.side_by_side(axes, looks, medians)
    for loss, look in looks.items():
        drawing.series(axes, look, drawn[drawn["loss"] == loss], shifts[loss])


def _nc1(source: pd.DataFrame, classes: int) -> str:
    """What NC1 is and, where it peaks at C − 1, why."""
    if "nc1" not in source or not source["nc1"].notna().any():
        return ""
    text = (
        "NC1 to NC3: 0 is full collapse. NC1: of the scatter within classes, $\\Sigma_W$, and between them, "
        "$\\Sigma_B$, with its pseudo-inverse. "
    )
    peaks = []
    for loss in drawing.in_order(source["loss"]):
        medians = source[source["loss"] == loss].groupby("width")["nc1"].median().dropna()
        below, above = medians[medians.index < classes - 1], medians[medians.index > classes - 1]
        sides = classes - 1 in medians and len(below) and len(above)
        if sides and medians[classes - 1] > max(below.iloc[-1], above.iloc[0]):
            peaks.append(drawing.styles([loss])[loss][0])
    if peaks:
        text += (
            f"Its median peaks at C − 1 ({', '.join(peaks)}): there the C − 1 directions of the class means only just "
            "fill the space, so that $\\Sigma_B$ may be nearly singular, and those in which the means hardly differ "
            "count the most: by itself no sign of more scatter within classes. "
        )
    return text


def _bound(axes: Axes, values: pd.Series) -> None:
    axes.plot(range(len(values)), values, "-", color="0.5", linewidth=3, alpha=0.7, label=BEST, zorder=1)
