"""Fig. 4 from records, and the names that the other figures share: a table of runs in, a figure and its source data
out."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.drawing import (
    STYLES,
    VARIANTS,
    Drawing,
    caption,
    done,
    in_order,
    positions,
    series,
    shown,
    styles,
    title,
    told,
    width_axis,
)

__all__ = [
    "STYLES",
    "VARIANTS",
    "Drawing",
    "accuracy_against_width",
    "in_order",
    "memory_against_width",
    "shown",
]

DIGITS = (1, 2, 5, 3, 7, 4, 6, 8, 9, 1.5, 2.5, 3.5, 4.5)
"""Leading digits of the errors that get a tick on the accuracy axis, those first that are to be kept where there is no
room for all."""


def accuracy_against_width(runs: pd.DataFrame) -> Drawing:
    """Fig. 4a–c: test accuracy after the last epoch against M, a line for each loss, M_min = C − 1 marked.

    *Arguments*: `runs`, rows of `records.load` of one recipe and feature.
    """
    source = shown(runs)[["loss", "width", "seed", "test_accuracy"]].sort_values(["loss", "width", "seed"])
    widths = sorted(source["width"].unique())
    figure, axes = _figure(title(runs))
    error = 100 - 100 * source["test_accuracy"]
    nearest = error[error > 0].min() / 2 if (error > 0).any() else 0.05  # where 100 % is drawn: log 0 is nowhere
    for loss, look in styles(source["loss"]).items():
        group = source[source["loss"] == loss]
        drawn = 100 - error[group.index].clip(lower=nearest)
        series(axes, look, positions(group["width"], widths), drawn)
    _accuracy_axis(axes, error, nearest)
    width_axis(axes, widths, int(runs["classes"].iloc[0]))
    axes.legend(loc="lower right", fontsize=9)
    return Drawing(figure, source, f"Line: mean over seeds, band: their range. {caption(told(runs))}")


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
    axes.set_yticks(kept, ["100" if (error == 0).any() and tick == 100 - nearest else f"{tick:g}" for tick in kept])
    axes.minorticks_off()
    axes.set_ylabel("Test accuracy (%), spaced by log of the error")


def memory_against_width(runs: pd.DataFrame) -> Drawing:
    """Fig. 4d: bytes of the FC layer against M, of the learned classifier, and of both on the simplex head
    (at M = C − 1)."""
    finished = done(runs)
    columns = ["width", "fc_parameters", "classifier_parameters"]
    on_simplex = finished["loss"].str.startswith("w-softmax-simplex")
    learned, fixed = (finished.loc[rows, columns].drop_duplicates() for rows in (~on_simplex, on_simplex))
    source = pd.concat({"learned": learned, "simplex": fixed}, names=["classifier"]).droplevel(1).reset_index()
    for part in ("fc", "classifier"):
        source[f"{part}_bytes"] = 4 * source[f"{part}_parameters"]
    figure, axes = _figure(title(runs))
    memory_lines(axes, source, int(runs["classes"].iloc[0]))
    axes.legend(loc="upper left", fontsize=9)
    return Drawing(figure, source, caption(runs))


def memory_lines(axes: Axes, source: pd.DataFrame, classes: int) -> None:
    """Memory against M on one pair of axes.

    *Arguments*: `source`, columns `classifier` (learned or simplex), `width`, `fc_bytes`, `classifier_bytes`.
    """
    widths = sorted(source["width"].unique())
    rows = source[source["classifier"] == "learned"].sort_values("width")
    place = positions(rows["width"], widths)
    axes.plot(place, rows["fc_bytes"] / 1024, "o-", color="#000000", label="FC layer (M units)")
    axes.plot(place, rows["classifier_bytes"] / 1024, "s--", color="#0072B2", label="classifier, learned (C × M)")
    rows = source[source["classifier"] == "simplex"]
    if len(rows):
        both = (rows["fc_bytes"] + rows["classifier_bytes"]) / 1024
        place = positions(rows["width"], widths)
        label = "FC layer and classifier,\nfixed simplex"
        axes.plot(place, both, "*", color="#D55E00", markersize=14, label=label)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.set_ylabel("Parameter memory (KiB, float32)")
    width_axis(axes, widths, classes)


def _figure(heading: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7, 4.6), layout="constrained")
    figure.suptitle(heading, fontsize=10)
    return figure, figure.subplots()


def _from_accuracy(accuracy: npt.ArrayLike) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float64] = -np.log10(np.maximum(100 - np.asarray(accuracy, dtype=np.float64), 1e-3))
    return found


def _to_accuracy(place: npt.ArrayLike) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float64] = 100 - 10 ** -np.asarray(place, dtype=np.float64)
    return found
