"""How accuracy goes epoch by epoch: what stopping early, or training on, makes of a comparison of losses."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis import captions, paired
from analysis.drawing import LOOKS, Drawing, legend_above, styles
from analysis.records import done

LOSSES = ("softmax", "w-softmax:0", *[loss for loss in LOOKS if loss != "softmax"])
SPLITS = {"test": "Test accuracy after each epoch (%)", "train": "Training accuracy during each epoch (%)"}
GAIN = "Test accuracy minus softmax's (points)"
LEAST = 8
"""Epochs of a run that is worth a curve."""
ENOUGH = 5
"""Seeds of an interval that is worth a band."""


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
    values = {split: _by_epoch(rows) for split, rows in source.groupby("split")}
    if "softmax" in values["test"] and len(values["test"]) > 1:
        softmax = values["test"]["softmax"]
        gains = {loss: (own - softmax).dropna(axis=1) for loss, own in values["test"].items() if loss != "softmax"}
        if gains := {loss: own for loss, own in gains.items() if own.shape[1]}:  # some seed is both's
            values["gain"] = gains
    banded = {"gain" if "gain" in values else "test", "train"}  # lines that cross are clearer without bands
    panels_of = {"test": SPLITS["test"], **({"gain": GAIN} if "gain" in values else {}), "train": SPLITS["train"]}
    figure = Figure(figsize=(0.6 + 4 * len(panels_of), 4.4), layout="constrained")
    panels = dict(zip(panels_of, figure.subplots(1, len(panels_of)), strict=True))
    looks = styles(source["loss"])
    looks = {loss: looks[loss] for loss in LOSSES if loss in looks}
    for name, axes in panels.items():
        late = []
        for loss, own in values[name].items():
            label, colour, _, dash = looks[loss]
            middle = own.mean(axis=1)
            axes.plot(middle.index, middle, dash, color=colour, label=label, linewidth=1.4)
            ends = [middle.loc[warm + 1 :]]
            if (seeds := own.dropna(axis=1)).shape[1] >= ENOUGH and name in banded:
                half = seeds.apply(paired.half_width, axis=1)
                low, high = ((middle + sign * half).loc[max(warm, 1) :] for sign in (-1, 1))
                axes.fill_between(low.index, low, high, color=colour, alpha=0.15, linewidth=0)
                ends += [low, high] if name == "gain" else []
            late += [value for each in ends for value in each]
        if warm:
            axes.axvline(warm + 0.5, color="0.4", linewidth=1, linestyle=(0, (4, 3)), zorder=0)
        span = max(late) - min(late) or 1.0  # of what is compared
        if name == "gain":
            axes.axhline(0, color="black", linewidth=0.8, zorder=1)
            axes.set_ylim(min(0, *late) - 0.1 * span, max(0, *late) + 0.1 * span)
        else:  # as much of the rise before it
            axes.set_ylim(min(late) - span, min(max(late) + 0.4 * span, 100 + 0.05 * span))
        axes.set_xlabel("Epoch")
        axes.set_ylabel(panels_of[name])
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
    band = f"95 % t interval where there are {ENOUGH} seeds or more"
    band += ", of differences of paired seeds" if "gain" in values else ""
    return Drawing(figure, source, f"Line: mean over seeds; band: {band}{told}. {captions.caption(chosen)}")


def _by_epoch(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Loss → accuracy, a row an epoch, a column a seed."""
    found = {loss: own.pivot(index="epoch", columns="seed", values="accuracy") for loss, own in rows.groupby("loss")}
    return {loss: found[loss] for loss in LOSSES if loss in found}


def tells(runs: pd.DataFrame) -> bool:
    """Whether there are curves of softmax and of W-Softmax to compare, of `LEAST` epochs or more."""
    at = done(_at_minimum(runs))
    long = at["epoch_accuracy"].map(
        lambda curves: len(curves["test"]) >= max(LEAST, runs["softmax_epochs"].iloc[0] + 1)
    )
    return "softmax" in set(at["loss"]) and at["loss"].nunique() > 1 and bool(long.all())


def _at_minimum(runs: pd.DataFrame) -> pd.DataFrame:
    return runs[(runs["width"] == runs["classes"] - 1) & runs["loss"].isin(LOSSES)]
