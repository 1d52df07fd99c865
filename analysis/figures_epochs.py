"""How accuracy goes epoch by epoch: what stopping early, or training on, makes of a comparison of losses."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis import captions, paired
from analysis.drawing import LOOKS, Drawing, legend_above, styles
from analysis.records import done

LOSSES = (*LOOKS, "w-softmax:0")
SPLITS = {"test": "Test accuracy after each epoch (%)", "train": "Training images right when met in it (%)"}
LEAST = 8
"""Epochs of a run that is worth a curve."""
ENOUGH = 5
"""Seeds of an interval that is worth a band."""


def accuracy_by_epoch(runs: pd.DataFrame) -> Drawing:
    """Accuracy of each loss at M = C − 1 after each epoch, on test images, and of the training images when met in it:
    the mean over seeds and, of `ENOUGH` seeds, its 95 % t interval. Where images were held out for validation, a dot at
    the means of the epoch that is best on these and of the test accuracy after it.

    *Arguments*: `runs`, rows of `records.load` of one recipe, data set and feature.

    *Raises*: `ValueError` if no run at M = C − 1 is done, or none goes on after the softmax phase.
    """
    chosen = _at_minimum(runs)
    at = done(chosen)
    source = pd.DataFrame(
        {"loss": loss, "seed": seed, "epoch": epoch, "split": split, "accuracy": 100 * accuracy}
        for loss, seed, curves in zip(at["loss"], at["seed"], at["epoch_accuracy"], strict=True)
        for split in SPLITS
        for epoch, accuracy in enumerate(curves[split], 1)
    )
    warm = int(runs["softmax_epochs"].iloc[0])
    if not len(source) or source["epoch"].max() <= warm:
        raise ValueError(f"no run at M = C − 1 is done that has more than {warm} epochs: python -m fc_width.sweep")
    source = source.sort_values(["split", "loss", "seed", "epoch"], ignore_index=True)
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    panels = dict(zip(SPLITS, figure.subplots(1, 2), strict=True))
    for split, axes in panels.items():
        rows = source[source["split"] == split]
        late = []
        for loss, (label, colour, _, dash) in styles(source["loss"]).items():
            curves = rows[rows["loss"] == loss].groupby("epoch")["accuracy"]
            middle = curves.mean()
            axes.plot(middle.index, middle, dash, color=colour, label=label, linewidth=1.4)
            if curves.size().min() >= ENOUGH:
                half = curves.agg(lambda values: paired.half_width(values.to_numpy(np.float64), 0.975))
                axes.fill_between(middle.index, middle - half, middle + half, color=colour, alpha=0.15, linewidth=0)
            late += middle.loc[warm + 1 :].tolist()
        if warm:
            axes.axvline(warm + 0.5, color="0.4", linewidth=1, linestyle=(0, (4, 3)), zorder=0)
        high = max(late) - min(late) or 1.0  # of what is compared: as much of the rise before it, whatever the bands
        axes.set_ylim(min(late) - high, min(max(late) + 0.4 * high, 100 + 0.05 * high))
        axes.set_xlabel("Epoch")
        axes.set_ylabel(SPLITS[split])
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y", color="0.92")
        axes.set_axisbelow(True)
    stopped = at[at["stopped_epoch"].notna()]
    for loss, (_, colour, _, _) in styles(stopped["loss"]).items():
        means = stopped.loc[stopped["loss"] == loss, ["stopped_epoch", "stopped_accuracy"]].astype(float).mean()
        panels["test"].plot(*means.to_numpy() * (1, 100), "o", color=colour, markeredgecolor="black", zorder=5)
    legend_above(figure, panels["test"], f"{captions.title(runs)}, M = C − 1 = {int(at['width'].iloc[0])}")
    told = "; dashed: where α sets in" if warm else ""
    told += "; dots: stopped where accuracy on the validation images is best" if len(stopped) else ""
    band = f"its 95 % t interval where there are {ENOUGH} seeds or more"
    return Drawing(figure, source, f"Line: mean over seeds; band: {band}{told}. {captions.caption(chosen)}")


def tells(runs: pd.DataFrame) -> bool:
    """Whether there are curves of softmax and of W-Softmax to compare, of `LEAST` epochs or more."""
    at = done(_at_minimum(runs))
    long = at["epoch_accuracy"].map(
        lambda curves: len(curves["test"]) >= max(LEAST, runs["softmax_epochs"].iloc[0] + 1)
    )
    return "softmax" in set(at["loss"]) and at["loss"].nunique() > 1 and bool(long.all())


def _at_minimum(runs: pd.DataFrame) -> pd.DataFrame:
    return runs[(runs["width"] == runs["classes"] - 1) & runs["loss"].isin(LOSSES)]
