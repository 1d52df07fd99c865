"""Fig. 4 from records: a table of runs in, a figure and its source data out."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from analysis import paired
from analysis.captions import caption, title
from analysis.drawing import (
    LOOKS,
    STAR,
    Drawing,
    deviation,
    lines,
    minimum,
    points_axis,
    positions,
    series,
    shown,
    side_by_side,
    styles,
    told,
    width_axis,
)
from analysis.records import done

DIGITS = (1, 2, 5, 3, 7, 4, 6, 8, 9, 1.5, 2.5, 3.5, 4.5)
"""Leading digits of the errors that get a tick on the accuracy axis, those first that are to be kept where there is no
room for all."""

FEW_TICKS = 3
"""Below so many of them the axis gets ticks at equal steps of accuracy."""

MEMORY = "The line of both covers the FC layer's where the classifier is small beside it."


def accuracy_against_width(runs: pd.DataFrame) -> Drawing:
    """Fig. 4a–c: test accuracy after the last epoch against M, a line for each loss, M_min = C − 1 marked; below it
    what the other losses gain over softmax at the same M, where they share seeds enough.

    *Arguments*: `runs`, rows of `records.load` of one recipe and feature.
    """
    source = shown(runs)[["loss", "width", "seed", "test_accuracy"]].sort_values(["loss", "width", "seed"])
    widths = sorted(source["width"].unique())
    gains = _gains(source)
    figure = Figure(figsize=(7, 6.4 if len(gains) else 4.6), layout="constrained")
    figure.suptitle(title(runs), fontsize=10)
    ratios = (2, 1) if len(gains) else (1,)
    axes, *below = figure.subplots(len(ratios), height_ratios=ratios, squeeze=False).ravel()
    error = 100 - 100 * source["test_accuracy"]
    nearest = error[error > 0].min() / 2 if (error > 0).any() else 0.05  # where 100 % is drawn: log 0 is nowhere
    _accuracy_axis(axes, error, nearest)
    width_axis(axes, widths, int(runs["classes"].iloc[0]))
    drawn = source.assign(place=positions(source["width"], widths), value=100 - error.clip(lower=nearest))
    looks = styles(source["loss"])
    shifts = side_by_side(axes, looks, drawn.pivot_table(index="place", columns="loss", values="value"))
    for loss, look in looks.items():
        series(axes, look, drawn[drawn["loss"] == loss], shifts[loss], deviation)
    axes.legend(loc="lower right", fontsize=9)
    spread = drawn.groupby(["loss", "place"])["value"].agg(["mean", "std"]).sum(axis=1, skipna=False)
    bars = f"bar: standard deviation over seeds{', cut at 100 %' if (spread > 100).any() else ''}"
    text = ""
    if below:
        near = _less_softmax(below[0], gains, widths, int(runs["classes"].iloc[0]))
        axes.set_xlabel("")
        text = (
            "Below: accuracy minus softmax's at the same M, seeds paired, with its 95 % t interval, linear within "
            f"±{near:g} points, else log. "
        )
    return Drawing(figure, source, f"{lines(source)}; {bars}. {text}{caption(told(runs))}")


def _gains(source: pd.DataFrame) -> pd.DataFrame:
    """What each other loss gains over softmax, in points, with its interval, where they share seeds enough."""
    table = source.pivot(index=["width", "seed"], columns="loss", values="test_accuracy")
    rows = []
    if "softmax" in table:
        for loss in table.columns.drop("softmax"):
            gain = 100 * (table[loss] - table["softmax"]).dropna()
            for width, values in gain.groupby("width"):
                if len(values) >= paired.MIN_SEEDS:
                    rows.append((loss, width, *paired.mean_interval(values)))
    return pd.DataFrame(rows, columns=["loss", "width", "mean", "low", "high"])


def _less_softmax(axes: Axes, gains: pd.DataFrame, widths: list[int], classes: int) -> float:
    """The gains of `_gains`, those of one width side by side; returns how far the axis is linear."""
    near = points_axis(axes, pd.concat([gains["low"], gains["high"]]))
    width_axis(axes, widths, classes, named=False)
    axes.axhline(0, color=LOOKS["softmax"][0], linewidth=1)
    looks = styles(gains["loss"])
    step = min(0.14, 0.7 / len(looks))
    for index, (loss, (_, colour, marker, _)) in enumerate(looks.items()):
        own = gains[gains["loss"] == loss]
        at = positions(own["width"], widths) + step * (index - (len(looks) - 1) / 2)
        ends = [own["mean"] - own["low"], own["high"] - own["mean"]]
        size = 3.5 if marker != "*" else 6
        axes.errorbar(at, own["mean"], ends, fmt=marker, color=colour, markersize=size, elinewidth=1, label=loss)
    axes.set_ylabel("Minus softmax's\n(points)")
    return near


def _accuracy_axis(axes: Axes, error: pd.Series, nearest: float) -> None:
    """Spaced by log of the error, in %; 100 % at half of the smallest error above 0."""
    axes.set_yscale("function", functions=(_from_accuracy, _to_accuracy))
    bottom, top = (float(_from_accuracy(100 - end)) for end in (error.max(), error.clip(lower=nearest).min()))
    room = max(0.06 * (top - bottom), 0.02)
    low, high = max(float(_to_accuracy(bottom - room)), 0.0), float(_to_accuracy(top + room))
    axes.set_ylim(low, high)
    kept = [100 - nearest] if (error == 0).any() else []
    for tick in [0.0, *(round(100 - digit * 10.0**power, 6) for digit in DIGITS for power in (1, 0, -1, -2, -3))]:
        if low <= tick <= high and all(abs(_from_accuracy(tick) - _from_accuracy(other)) > room for other in kept):
            kept.append(tick)
    if len(kept) < FEW_TICKS and (error > 0).all():  # the accuracies lie close together
        kept = [float(tick) for tick in MaxNLocator(6).tick_values(low, high) if low <= tick <= high]
    axes.set_yticks(kept, ["100" if (error == 0).any() and tick == 100 - nearest else f"{tick:g}" for tick in kept])
    axes.minorticks_off()
    axes.set_ylabel("Test accuracy (%), spaced by log of the error")


def memory_against_width(runs: pd.DataFrame) -> Drawing:
    """Fig. 4d: bytes of the FC layer against M, of the learned classifier, of both, and of both on the simplex head (at
    M = C − 1)."""
    finished = done(runs)
    columns = ["width", "fc_parameters", "classifier_parameters"]
    on_simplex = finished["loss"].str.startswith("w-softmax-simplex")
    learned, fixed = (finished.loc[rows, columns].drop_duplicates() for rows in (~on_simplex, on_simplex))
    source = pd.concat({"learned": learned, "simplex": fixed}, names=["classifier"]).droplevel(1).reset_index()
    for part in ("fc", "classifier"):
        source[f"{part}_bytes"] = 4 * source[f"{part}_parameters"]
    figure = Figure(figsize=(7, 4.6), layout="constrained")
    figure.suptitle(title(runs), fontsize=10)
    axes = figure.subplots()
    memory_lines(axes, source, int(runs["classes"].iloc[0]))
    axes.legend(loc="upper left", fontsize=9)
    return Drawing(figure, source, f"{MEMORY} {caption(runs)}")


def memory_lines(axes: Axes, source: pd.DataFrame, classes: int) -> None:
    """Memory against M on one pair of axes, both logarithmic, where what grows linearly is a line of slope 1; over it,
    what the simplex saves.

    *Arguments*: `source`, columns `classifier` (learned or simplex), `width`, `fc_bytes`, `classifier_bytes`.
    """
    rows = source[source["classifier"] == "learned"].sort_values("width").set_index("width")
    fc, head = rows["fc_bytes"] / 1024, rows["classifier_bytes"] / 1024
    axes.plot(fc, "-", color="0.8", linewidth=6, solid_capstyle="butt", label="FC layer (M units)")
    axes.plot(head, "s--", color="#0072B2", markersize=4, label="classifier, learned (C × M)")
    axes.plot(fc + head, "o-", color="#000000", markersize=4, label="both")
    ends = np.array([rows.index.min(), rows.index.max()])
    guide = np.sqrt((fc + head).iloc[0] * head.iloc[0]) * ends / ends[0]
    axes.plot(ends, guide, ":", color="0.4", linewidth=1, label="slope 1: grows as M does")
    fixed = source[source["classifier"] == "simplex"].set_index("width")
    if len(fixed):
        both = (fixed["fc_bytes"] + fixed["classifier_bytes"]) / 1024
        axes.plot(both, "*", color="#D55E00", markersize=STAR, linestyle="none", label="both, fixed simplex")
    if classes - 1 in fixed.index and classes - 1 in rows.index:
        learned = (fc + head)[classes - 1]
        saved = 100 * (learned - both[classes - 1]) / learned
        text = f"at $M_{{min}}$ the fixed simplex\nsaves {saved:.1f} % of both"
        axes.annotate(
            text,
            (0.97, 0.04),
            xycoords="axes fraction",
            ha="right",
            va="bottom",
            fontsize=9,
            color="#B04A00",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:,g}")
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("Units M of the FC layer (log axis)")
    axes.set_ylabel("Parameter memory (KiB, float32, log axis)")
    axes.grid(axis="y", color="0.92")
    axes.set_axisbelow(True)
    if classes - 1 in rows.index:
        minimum(axes, classes - 1, classes)


def _from_accuracy(accuracy: npt.ArrayLike) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float64] = -np.log10(np.maximum(100 - np.asarray(accuracy, dtype=np.float64), 1e-3))
    return found


def _to_accuracy(place: npt.ArrayLike) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float64] = 100 - 10 ** -np.asarray(place, dtype=np.float64)
    return found
