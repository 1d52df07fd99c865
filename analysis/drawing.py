"""What all figures share: the shape of a drawing, one look for each loss, captions, the axis of widths.

Lines against M: every seed is shown faintly, the mean over seeds as a line that breaks where a width was not run, and
how far it can be relied on as a bar. Losses differ in colour (Okabe & Ito's, safe for the colour-blind), in marker and
in dash, so that a grey print tells them apart; markers that would cover each other stand side by side."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from analysis.captions import loss_title
from analysis.records import done

Style = tuple[str, str, str, str]
"""Label, colour, marker, dash."""

LOOKS = {
    "softmax": ("#000000", "o", "-"),
    "w-softmax:0.5": ("#E69F00", "s", "--"),
    "w-softmax:1": ("#0072B2", "^", "-."),
    "w-softmax:1.5": ("#009E73", "v", ":"),
    "w-softmax-centred:1": ("#CC79A7", "D", "--"),
    "w-softmax-simplex:1": ("#D55E00", "*", "-"),
}
"""Colour, marker and dash of the losses that most figures have."""

SPARE = [
    ("#56B4E9", "P", "-"),
    ("#D55E00", "X", "--"),
    ("#999999", "<", "-."),
    ("#009E73", ">", ":"),
    ("#0072B2", "h", "--"),
    ("#CC79A7", "p", "-."),
]
"""Colour, marker and dash of other losses."""

VARIANT_LOOKS = {
    "w-softmax": ("#0072B2", "^", "-"),
    "w-softmax-centred": ("#CC79A7", "D", "--"),
    "w-softmax-simplex": ("#D55E00", "*", ":"),
}
"""Colour, marker and dash of `captions.VARIANTS`."""

CLASS_STYLES = [("#0072B2", "o"), ("#D55E00", "^"), ("#009E73", "s"), ("#CC79A7", "D"), ("#000000", "v")]
"""Colour and marker of a class, where there are few."""

MARKER, STAR = 5.0, 10.0
"""Sizes of the marker of a mean, in points."""


class Drawing(NamedTuple):
    """A figure, the table of what it shows, and what a reader must know of it."""

    figure: Figure
    source: pd.DataFrame
    caption: str


def styles(losses: Iterable[str]) -> dict[str, Style]:
    """The style of each loss, those of `LOOKS` first and in its order, the others told apart by `SPARE`."""
    ordered = in_order(losses)
    others = [loss for loss in ordered if loss not in LOOKS]
    looks = LOOKS | {loss: SPARE[index % len(SPARE)] for index, loss in enumerate(others)}
    return {loss: (loss_title(loss), *looks[loss]) for loss in ordered}


def in_order(losses: Iterable[str]) -> list[str]:
    """The distinct losses, those of `LOOKS` first and in its order."""
    present = set(losses)
    return [loss for loss in LOOKS if loss in present] + sorted(present - set(LOOKS))


def shown(runs: pd.DataFrame) -> pd.DataFrame:
    """Finished runs of the losses of `LOOKS`, and of any other loss that was run at several widths."""
    finished = done(runs)
    several = finished.groupby("loss")["width"].transform("nunique") > 1
    return finished[several | finished["loss"].isin(LOOKS)]


def told(runs: pd.DataFrame) -> pd.DataFrame:
    """What the caption of a figure of runs counts: those `shown`, and those not done, of whatever loss."""
    return runs[runs.index.isin(shown(runs).index) | (runs["status"] != "done")]


def series(
    axes: Axes, look: Style, rows: pd.DataFrame, shift: pd.Series, half: Callable[[pd.Series], float] | None = None
) -> None:
    """Seeds faintly, their middle as a line that breaks at places where they are missing, and a bar.

    *Arguments*: `rows`, with the columns `place` (on the axis of `width_axis`) and `value`; `shift` of each place, from
    `side_by_side`; `half`, what the bar of some values is long to each side of their mean, not drawn where it is not
    finite; None: no bars, and medians instead of means."""
    label, colour, marker, dash = look
    seeds = rows["place"] + shift[rows["place"]].to_numpy()
    axes.plot(seeds, rows["value"], marker, color=colour, alpha=0.25, markersize=3, linestyle="none")
    values = rows.groupby("place")["value"]
    middle = values.mean() if half else values.median()
    if half:
        bars = values.agg(half)
        bars = bars[np.isfinite(bars)]
        at = bars.index + shift[bars.index]
        axes.errorbar(at, middle[bars.index], bars, fmt="none", ecolor=colour, elinewidth=1, alpha=0.6)
    line = middle.reindex(range(int(middle.index.min()), int(middle.index.max()) + 1)) if len(middle) else middle
    axes.plot(
        line.index + shift.reindex(line.index, fill_value=0.0),
        line,
        marker + dash,
        color=colour,
        label=label,
        markersize=_size(axes, look),
        linewidth=1.2,
    )


def deviation(values: pd.Series) -> float:
    """The standard deviation over seeds; NaN for one."""
    return float(values.std())


def side_by_side(axes: Axes, looks: Mapping[str, Style], middles: pd.DataFrame) -> pd.DataFrame:
    """How far to shift the marker of each loss at each place, so that none covers another: 0 where it would not, else
    by its own amount, the first loss by none, the others to the left and to the right of it.

    *Arguments*: `axes`, whose scale and limits in y are final; `middles`, a row a place, a column a loss."""
    step = min(0.15, 0.8 / len(looks))
    found = pd.DataFrame(0.0, middles.index, list(looks))
    heights = {}
    for loss in looks:
        ends = np.column_stack([np.zeros(len(middles)), middles[loss]])
        heights[loss] = _height(axes) * axes.transLimits.transform(axes.transScale.transform(ends))[:, 1]
    for index, loss in enumerate(looks):
        shift = (-1) ** index * step * ((index + 1) // 2)
        for other in looks:
            near = 0.4 * (_size(axes, looks[loss]) + _size(axes, looks[other]))
            if other != loss:
                found.loc[np.abs(heights[loss] - heights[other]) < near, loss] = shift
    return found


def lines(source: pd.DataFrame, middle: str = "mean") -> str:
    """What a caption says of `series`.

    *Arguments*: `source`, with the columns `loss` and `width`; `middle`, of the seeds."""
    there = source.groupby(["width", "loss"]).size().unstack().notna()
    gaps = any(not own[own.idxmax() : own[::-1].idxmax()].all() for _, own in there.items())
    return f"Line: {middle} over seeds{', broken where a width was not run' if gaps else ''}; each seed faint" + (
        "; markers that would cover each other stand side by side" if there.shape[1] > 1 else ""
    )


def _height(axes: Axes) -> float:
    """Of the axes, about, in points."""
    return float(axes.get_window_extent().height) * 72 / axes.figure.dpi


def _size(axes: Axes, look: Style) -> float:
    return (STAR if look[2] == "*" else MARKER) * (0.75 if _height(axes) < 200 else 1)


def positions(values: pd.Series, widths: list[int]) -> npt.NDArray[np.float64]:
    """The place of each width on the axis of `width_axis`: 0, 1, 2, …"""
    return np.searchsorted(widths, values.to_numpy()).astype(np.float64)


def width_axis(axes: Axes, widths: list[int], classes: int, named: bool = True) -> None:
    """Evenly spaced, whatever the widths, as in the paper; M_min marked, and `named`."""
    axes.set_xticks(range(len(widths)), [str(width) for width in widths], fontsize=8 if len(widths) > 15 else None)
    axes.set_xlabel("Units M of the FC layer (not to scale)")
    axes.set_xlim(-0.6, len(widths) - 0.4)
    if classes - 1 in widths:
        minimum(axes, widths.index(classes - 1), classes, named)
    axes.grid(axis="y", color="0.92")
    axes.set_axisbelow(True)


def points_axis(axes: Axes, ends: pd.Series) -> float:
    """An axis in y of differences of accuracy in points, linear near 0, else log: returns how far linear, half a point,
    or two where not half of `ends`, which it must hold, are within that."""
    near = 0.5 if ends.abs().median() < 0.5 else 2.0
    low, high = min(float(ends.min()), -near / 4), max(float(ends.max()), near / 4)
    axes.set_yscale("symlog", linthresh=near, linscale=1.2)
    sizes = (0.1, 0.5, 2, 10, 50) if near < 1 else (0.5, 1, 2, 5, 20)
    ticks = [tick for size in sizes for tick in (-size, size) if low * 1.2 <= tick <= high * 1.2]
    axes.set_yticks(ticks, [f"{tick:g}".replace("-", "−") for tick in ticks])
    axes.set_ylim(low * 1.2, high * 1.2)
    axes.yaxis.set_minor_locator(NullLocator())
    return near


def minimum(axes: Axes, place: float, classes: int, named: bool = True) -> None:
    """M_min = C − 1, dashed, at its place on the axis, and what it is above it if `named`."""
    axes.axvline(place, color="0.4", linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    if named:
        text = f"$M_{{min}}$ = C − 1 = {classes - 1}"
        axes.annotate(text, (place, 1.01), xycoords=("data", "axes fraction"), ha="center")


def legend_above(figure: Figure, axes: Axes, heading: str) -> None:
    """One legend for all panels, that of `axes`, above them, under the heading of the figure."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, fontsize=8, title=heading, title_fontsize=10)
