"""How accuracy goes epoch by epoch: what stopping early, or training on, makes of a comparison of losses, or widths."""

import itertools
from collections.abc import Mapping
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis import captions, paired
from analysis.drawing import LOOKS, Drawing, Style, legend_above, styles
from analysis.plateau import PLATEAU
from analysis.records import done

Curves = dict[str, dict[Any, pd.DataFrame]]

LOSSES = ("softmax", "w-softmax:0", *[loss for loss in LOOKS if loss != "softmax"])
SPLITS = {"test": "Test accuracy after each epoch (%)", "train": "Training accuracy during each epoch (%)"}
LEAST = 8
"""Epochs of a run that is worth a curve."""
LONG = 16
"""Epochs of runs whose widths are worth curves: in eight no small network is seen to overfit."""
ENOUGH = 5
"""Seeds of an interval that is worth a band."""
COLOURS = matplotlib.colormaps["plasma"]
"""Of widths, from narrow to wide."""


def accuracy_by_epoch(runs: pd.DataFrame) -> Drawing:
    """Accuracy of each loss at M = C − 1 after each epoch, on test images, and of the training images as they are met
    in it: the mean over seeds; where softmax was run too, what the others are above it on the test images, seeds
    paired. Of `ENOUGH` seeds, a 95 % t interval. Where images were held out for validation, a dot at the means of the
    epoch that is best on these and of the test accuracy after it.

    *Arguments*: `runs`, rows of `records.load` of one recipe, data set and feature.

    *Raises*: `ValueError` if no run at M = C − 1 is done, or none goes on after the softmax phase.
    """
    chosen = _at_minimum(runs)
    at = done(chosen)
    source = _epochs(at, "loss")
    warm = int(runs["softmax_epochs"].iloc[0])
    if not len(source) or source["epoch"].max() <= warm:
        raise ValueError(f"no run at M = C − 1 is done that has more than {warm} epochs: python -m fc_width.sweep")
    looks = styles(source["loss"])
    looks = {loss: looks[loss] for loss in LOSSES if loss in looks}
    values, panels_of = _panels(source, "loss", "softmax", "Test accuracy minus softmax's (points)")
    figure, panels = _draw(values, looks, panels_of, dict.fromkeys(panels_of, warm))
    if warm:
        for axes in panels.values():
            axes.axvline(warm + 0.5, color="0.4", linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    stopped = at[at["stopped_epoch"].notna()]
    for loss, (_, colour, _, _) in styles(stopped["loss"]).items():
        means = stopped.loc[stopped["loss"] == loss, ["stopped_epoch", "stopped_accuracy"]].astype(float).mean()
        panels["test"].plot(*means.to_numpy() * (1, 100), "o", color=colour, markeredgecolor="black", zorder=5)
    legend_above(figure, panels["test"], f"{captions.title(runs)}, M = C − 1 = {int(at['width'].iloc[0])}")
    told = "; dashed: where α sets in" if warm else ""
    told += "; dots: stopped where accuracy on the validation images is best" if len(stopped) else ""
    return Drawing(figure, source, f"{_read('gain' in values)}{told}. {captions.caption(chosen)}")


def width_by_epoch(runs: pd.DataFrame) -> Drawing:
    """Accuracy of softmax at each width below 10(C − 1) after each epoch, as in `accuracy_by_epoch`, and what other
    widths are above M = C − 1 on the test images, seeds paired: whether wide layers end higher, or only learn faster.

    *Arguments*: `runs`, rows of `records.load` of one recipe, data set and feature.

    *Raises*: `ValueError` if no run of softmax is done at M = C − 1, or at no other width.
    """
    chosen = _of_softmax(runs)
    source = _epochs(done(chosen), "width")
    least = int(runs["classes"].iloc[0]) - 1
    tried = sorted(source["width"].unique()) if len(source) else []
    if len(tried) < 2 or least not in tried:
        raise ValueError(
            f"softmax at M = C − 1 = {least} and at other widths below {PLATEAU[1] * least:g} is wanted, got "
            f"{', '.join(map(str, tried)) or 'none'}: python -m fc_width.sweep"
        )
    values, panels_of = _panels(source, "width", least, f"Test accuracy minus that at M = {least} (points)")
    others = [width for width in tried if width != least]
    colours = COLOURS(np.linspace(0, 0.9, len(others)))
    dashes = itertools.cycle(("--", "-.", ":", "-"))
    looks: dict[int, Style] = {
        width: (f"M = {width}", to_hex(colour), "", dash)
        for width, colour, dash in zip(others, colours, dashes, strict=False)
    }
    looks = {width: looks.get(width, (f"M = C − 1 = {least}", "#000000", "", "-")) for width in tried}
    late = int(source["epoch"].max()) // 4
    figure, panels = _draw(values, looks, panels_of, {"test": late, "gain": 1, "train": late})
    legend_above(figure, panels["test"], f"{captions.title(runs)}, softmax")
    return Drawing(figure, source, f"{_read('gain' in values)}. {captions.caption(chosen)}")


def _epochs(runs: pd.DataFrame, key: str) -> pd.DataFrame:
    """The accuracies, %, of all epochs: columns `key`, seed, epoch, split, accuracy."""
    source = pd.DataFrame(
        {key: of, "seed": seed, "epoch": epoch, "split": split, "accuracy": 100 * accuracy}
        for of, seed, curves in zip(runs[key], runs["seed"], runs["epoch_accuracy"], strict=True)
        for split in SPLITS
        for epoch, accuracy in enumerate(curves[split], 1)
    )
    return source.sort_values(["split", key, "seed", "epoch"], ignore_index=True) if len(source) else source


def _panels(source: pd.DataFrame, key: str, reference: object, label: str) -> tuple[Curves, dict[str, str]]:
    """Panel → what it shows → accuracy, a row an epoch, a column a seed; and panel → its label. The panel `gain`, over
    the `reference`, is there where a seed is both's."""
    values: Curves = {split: _by_epoch(source[source["split"] == split], key) for split in SPLITS}
    panels_of = dict(SPLITS)
    if reference in values["test"]:
        base = values["test"][reference]
        gains = {of: (own - base).dropna(axis=1) for of, own in values["test"].items() if of != reference}
        if gains := {of: own for of, own in gains.items() if own.shape[1]}:
            values["gain"] = gains
            panels_of = {"test": SPLITS["test"], "gain": label, "train": SPLITS["train"]}
    return values, panels_of


def _draw(
    values: Curves, looks: Mapping[Any, Style], panels_of: Mapping[str, str], after: Mapping[str, int]
) -> tuple[Figure, dict[str, Axes]]:
    """A panel each: means over seeds, and bands of differences and of training accuracy, where there are `ENOUGH`
    seeds. The epochs `after` those given set what is seen of a panel, and have bands."""
    banded = {"gain" if "gain" in values else "test", "train"}  # lines that cross are clearer without bands
    figure = Figure(figsize=(0.6 + 4 * len(panels_of), 4.4), layout="constrained")
    panels = dict(zip(panels_of, figure.subplots(1, len(panels_of)), strict=True))
    for name, axes in panels.items():
        late = []
        for of, (label, colour, _, dash) in looks.items():
            if of not in values[name]:
                continue
            own = values[name][of]
            middle = own.mean(axis=1)
            axes.plot(middle.index, middle, dash, color=colour, label=label, linewidth=1.4)
            ends = [middle.loc[after[name] + 1 :]]
            if (seeds := own.dropna(axis=1)).shape[1] >= ENOUGH and name in banded:
                half = seeds.apply(paired.half_width, axis=1)
                low, high = ((middle + sign * half).loc[max(after[name], 1) :] for sign in (-1, 1))
                axes.fill_between(low.index, low, high, color=colour, alpha=0.15, linewidth=0)
                ends += [low, high] if name == "gain" else []
            late += [value for each in ends for value in each]
        span = max(late) - min(late) or 1.0  # of what is compared
        if name == "gain":
            axes.axhline(0, color="black", linewidth=0.8, zorder=1)
            axes.set_ylim(min(0, *late) - 0.1 * span, max(0, *late) + 0.1 * span)
        else:  # as much of the rise before it
            axes.set_ylim(max(min(late) - span, 0), min(max(late) + 0.4 * span, 100 + 0.05 * span))
        axes.set_xlabel("Epoch")
        axes.set_ylabel(panels_of[name])
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y", color="0.92")
        axes.set_axisbelow(True)
    return figure, panels


def _read(compared: bool) -> str:
    """How to read lines and bands."""
    band = f"95 % t interval where there are {ENOUGH} seeds or more"
    return f"Line: mean over seeds; band: {band}{', of differences of paired seeds' if compared else ''}"


def _by_epoch(rows: pd.DataFrame, key: str) -> dict[Any, pd.DataFrame]:
    """Loss or width → accuracy, a row an epoch, a column a seed."""
    return {of: own.pivot(index="epoch", columns="seed", values="accuracy") for of, own in rows.groupby(key)}


def tells(runs: pd.DataFrame) -> bool:
    """Whether there are curves of softmax and of W-Softmax to compare, of `LEAST` epochs or more."""
    at = done(_at_minimum(runs))
    long = at["epoch_accuracy"].map(
        lambda curves: len(curves["test"]) >= max(LEAST, runs["softmax_epochs"].iloc[0] + 1)
    )
    return "softmax" in set(at["loss"]) and at["loss"].nunique() > 1 and bool(long.all())


def tells_of_widths(runs: pd.DataFrame) -> bool:
    """Whether there are curves of softmax at M = C − 1 and two other widths to compare, of `LONG` epochs or more."""
    found = done(_of_softmax(runs))
    long = found["epoch_accuracy"].map(lambda curves: len(curves["test"]) >= LONG)
    widths = set(found["width"])
    return len(widths) > 2 and runs["classes"].iloc[0] - 1 in widths and bool(long.all())


def _at_minimum(runs: pd.DataFrame) -> pd.DataFrame:
    return runs[(runs["width"] == runs["classes"] - 1) & runs["loss"].isin(LOSSES)]


def _of_softmax(runs: pd.DataFrame) -> pd.DataFrame:
    return runs[(runs["width"] < PLATEAU[1] * (runs["classes"] - 1)) & (runs["loss"] == "softmax")]
