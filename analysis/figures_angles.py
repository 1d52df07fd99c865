"""Fig. 5 and what it does not show: where learned features stand to the weights of their classes, and how that goes
with M."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import paired
from analysis.captions import FEATURE_TITLES, VARIANTS, caption, loss_title, title
from analysis.drawing import (
    CLASS_STYLES,
    LOOKS,
    VARIANT_LOOKS,
    Drawing,
    Style,
    in_order,
    legend_above,
    lines,
    positions,
    series,
    shown,
    side_by_side,
    styles,
    told,
    width_axis,
)
from analysis.experiment import SOFTMAX, W_SOFTMAX
from analysis.records import done

MANY = 20
"""Classes above which there is no room to name each."""

MEANS = "Dark: mean over seeds, each seed faint"

LOSSES = (SOFTMAX, *W_SOFTMAX)
"""The losses of the paper's Fig. 5, which has their mean angles fall in this order."""


def mean_angles(runs: pd.DataFrame) -> Drawing:
    """Fig. 5: mean angle between a feature and its class's weight (Eq. 14), per class, on train and test, at
    M = C − 1; of many classes, each loss's in order of their angle."""
    classes = int(runs["classes"].iloc[0])
    at = shown(runs)
    at = at[at["width"] == classes - 1]
    source = pd.DataFrame(
        {"loss": loss, "seed": seed, "split": split, "class": label, "mean_angle": angle}
        for loss, seed, angles in zip(at["loss"], at["seed"], at["class_angles"], strict=True)
        for split in ("train", "test")
        for label, angle in enumerate(angles[split])
    ).sort_values(["split", "loss", "seed", "class"], ignore_index=True)
    looks = styles(source["loss"])
    figure = Figure(figsize=(9, 4.9), layout="constrained")
    heading = f"{title(runs)}, M = C − 1 = {classes - 1}, features: {FEATURE_TITLES[runs['feature'].iloc[0]]}"
    panels = figure.subplots(1, 2, sharey=True)
    for axes, split in zip(panels, ("train", "test"), strict=True):
        for index, (loss, look) in enumerate(looks.items()):
            rows = source[(source["split"] == split) & (source["loss"] == loss)]
            if classes > MANY:
                _sorted_classes(axes, rows, look, index)
            else:
                _each_class(axes, rows, look, 0.11 * (index - (len(looks) - 1) / 2))
        low, high = axes.get_xlim()
        axes.set_xlim(low - 0.12 * (high - low), high)  # room for what stands at 90°
        _right_angle(axes)
        axes.set_title({"train": "Training set", "test": "Test set"}[split], fontsize=10)
        axes.set_xlabel("Classes, for each loss in order of its mean angles" if classes > MANY else "Class")
        axes.set_xticks([] if classes > MANY else range(classes))
        axes.grid(axis="y", color="0.9")
    panels[0].set_ylabel("Mean angle to the own class's weight (degrees)")
    top = 1.1 * source["mean_angle"].max()
    panels[0].set_ylim(0, top if top < 70 else max(top, 95))
    legend_above(figure, panels[0], heading)
    counted = told(runs)
    return Drawing(figure, source, f"{MEANS}. {caption(counted[counted['width'] == classes - 1])}")


def _right_angle(axes: Axes) -> None:
    """Above 90° a feature is on the far side of its class's weight."""
    axes.axhline(90, color="0.5", linewidth=0.8, linestyle=(0, (1, 3)))
    axes.annotate(
        "far side ↑", (0.01, 90.5), xycoords=("axes fraction", "data"), fontsize=8, color="0.35", annotation_clip=True
    )


def _each_class(axes: Axes, rows: pd.DataFrame, look: Style, shift: float) -> None:
    label, colour, marker, _ = look
    axes.plot(rows["class"] + shift, rows["mean_angle"], marker, color=colour, alpha=0.3, markersize=3)
    mean = rows.groupby("class")["mean_angle"].mean()
    axes.plot(mean.index + shift, mean, marker, color=colour, markersize=5, label=label)


def _sorted_classes(axes: Axes, rows: pd.DataFrame, look: Style, index: int) -> None:
    label, colour, marker, dash = look
    mean = rows.groupby("class")["mean_angle"].mean().sort_values()
    places = pd.Series(range(len(mean)), mean.index)[rows["class"]]
    axes.plot(places, rows["mean_angle"], ".", color=colour, alpha=0.25, markersize=4, markeredgewidth=0)
    axes.plot(
        mean.to_numpy(), dash, marker=marker, markevery=(2 + 4 * index, 25), color=colour, markersize=5, label=label
    )


def angle_against_width(runs: pd.DataFrame) -> Drawing:
    """Beyond Fig. 5, which names no M: the mean angle of test features to their class's weight against M, a line for
    each of its losses, at the widths where all of them were run.

    *Arguments*: `runs`, rows of `records.load` of one recipe, data set and feature.
    """
    widths = widths_of_all(runs)
    at = done(runs[runs["loss"].isin(LOSSES) & runs["width"].isin(widths)])
    source = at[["loss", "width", "seed", "test_angle"]].sort_values(["loss", "width", "seed"], ignore_index=True)
    drawn = source.assign(place=positions(source["width"], widths), value=source["test_angle"])
    figure = Figure(figsize=(7, 4.6), layout="constrained")
    figure.suptitle(f"{title(runs)}, features: {FEATURE_TITLES[runs['feature'].iloc[0]]}", fontsize=10)
    axes = figure.subplots()
    axes.set_ylim(0, max(1.1 * source["test_angle"].max(), 10))
    width_axis(axes, widths, int(runs["classes"].iloc[0]))
    means = drawn.pivot_table(index="place", columns="loss", values="value")
    looks = styles(LOSSES)
    shifts = side_by_side(axes, looks, means)
    for loss, look in looks.items():
        series(axes, look, drawn[drawn["loss"] == loss], shifts[loss], paired.half_width)
    axes.set_ylabel("Mean angle to the own class's weight,\ntest set (degrees)")
    axes.legend(loc="lower right", fontsize=9)
    counted = runs[runs["loss"].isin(LOSSES) & runs["width"].isin(widths)]
    bars = "bar: 95 % t interval of the mean over seeds, cut at the axes"
    return Drawing(figure, source, f"{lines(source)}; {bars}. {_order(means[[*LOSSES]], widths)} {caption(counted)}")


def widths_of_all(runs: pd.DataFrame) -> list[int]:
    """The widths at which every loss of `LOSSES` has a run that is done."""
    rows = done(runs[runs["loss"].isin(LOSSES)])
    counts = rows.groupby("width")["loss"].nunique()
    return sorted(int(width) for width in counts.index[counts == len(LOSSES)])


def _order(means: pd.DataFrame, widths: list[int]) -> str:
    """At which widths which loss has the largest mean, and where the means fall as the paper says.

    *Arguments*: `means`, a row a width, a column each of `LOSSES`, in their order."""
    means = means.set_axis(widths)
    largest = means.idxmax(axis=1)
    where = {loss: [str(width) for width in widths if str(largest[width]) == loss] for loss in LOSSES}
    told = "; ".join(f"{loss_title(loss)} at M = {', '.join(at)}" for loss, at in where.items() if at)
    falls = [str(width) for width in widths if means.loc[width].is_monotonic_decreasing]
    order = f"at M = {', '.join(falls)}" if falls else "at no M"
    return f"Largest mean: {told}. From softmax on, each larger α has the smaller mean, as in the paper, {order}."


def angle_against_alpha(runs: pd.DataFrame) -> Drawing:
    """Mean angle of test features to their class's weight against α, by weights and by feature, at M = C − 1; softmax,
    whose weights have lengths of their own, as a line."""
    at = done(runs[(runs["width"] == runs["classes"] - 1) & runs["loss"].str.fullmatch(r"w-softmax.*|softmax")])
    split = at["loss"].str.split(":", expand=True)
    source = pd.DataFrame(
        {
            "feature": at["feature"],
            "weights": split[0],
            "alpha": split[1].astype(float),
            "seed": at["seed"],
            "test_angle": at["test_angle"],
            "test_inverted": at["test_inverted"],
            "test_accuracy": at["test_accuracy"],
        }
    ).sort_values(["feature", "weights", "alpha", "seed"], ignore_index=True)
    features = sorted(source.loc[source["weights"] != "softmax", "feature"].unique())
    figure = Figure(figsize=(3.1 * len(features) + 0.6, 4.1), layout="constrained")
    panels = figure.subplots(1, len(features), sharey=True, squeeze=False)[0]
    for axes, feature in zip(panels, features, strict=True):
        for weights, (colour, marker, dash) in VARIANT_LOOKS.items():
            rows = source[(source["feature"] == feature) & (source["weights"] == weights)]
            axes.plot(
                rows["alpha"], rows["test_angle"], marker, color=colour, alpha=0.3, markersize=3, linestyle="none"
            )
            mean = rows.groupby("alpha")["test_angle"].mean()
            axes.plot(mean.index, mean, marker + dash, color=colour, label=VARIANTS[weights], markersize=6)
        softmax = source.loc[(source["feature"] == feature) & (source["weights"] == "softmax"), "test_angle"]
        if len(softmax):
            axes.axhline(softmax.mean(), color=LOOKS["softmax"][0], linestyle="--", linewidth=1, label="softmax")
        _right_angle(axes)
        axes.set_title(f"features: {FEATURE_TITLES[feature]}", fontsize=10)
        axes.set_xlabel("α")
        axes.set_xticks(sorted(source["alpha"].dropna().unique()))
        axes.grid(axis="y", color="0.9")
    panels[0].set_ylabel("Mean angle to the own class's weight,\ntest set (degrees)")
    panels[0].set_ylim(0, max(95, 1.05 * source["test_angle"].max()))
    fullest = max(panels, key=lambda axes: len(axes.get_legend_handles_labels()[1]))
    legend_above(figure, fullest, f"{title(at)}, M = C − 1 = {int(at['width'].iloc[0])}")
    return Drawing(figure, source, f"{MEANS}; of softmax the mean. {_accuracy(source)}{caption(at)}")


def _accuracy(source: pd.DataFrame) -> str:
    """With which of W-Softmax's weights, and which feature, accuracy is lowest: a small angle may be that of features
    that lost a class."""
    ours = source[source["weights"].isin(VARIANTS)]
    table = ours.pivot_table(index=["weights", "feature"], columns="alpha", values="test_accuracy").dropna(axis=1)
    means = 100 * table.mean(axis=1).sort_values()
    if len(means) < 2 or table.empty:
        return ""
    common = ", ".join(f"{alpha:g}" for alpha in table)
    weights, feature = means.index[0]
    others = " to ".join(dict.fromkeys(f"{mean:.1f}" for mean in (means.iloc[1], means.iloc[-1])))
    return (
        f"Test accuracy, mean over α = {common}, is lowest with {VARIANTS[weights]}, {FEATURE_TITLES[feature]}: "
        f"{means.iloc[0]:.1f} %; elsewhere {others} %. "
    )


def features_in_the_plane(runs: pd.DataFrame) -> Drawing:
    """Test features and weights of the runs with M = 2 of one seed, the first, and one feature, `linear` if it was run:
    a panel for each loss, lengths divided by the longest feature's."""
    plane = done(runs[(runs["width"] == 2) & runs["features"].notna()])
    feature = min(plane["feature"], key=lambda name: (name != "linear", name))
    plane = plane[plane["feature"] == feature]
    plane = plane[plane["seed"] == plane["seed"].min()]
    by_loss = {loss: plane[plane["loss"] == loss].iloc[0] for loss in in_order(plane["loss"])}
    source = pd.concat(
        [
            pd.DataFrame(
                np.vstack([run["features"]["embeddings"], run["features"]["weight"]]), columns=["x1", "x2"]
            ).assign(
                loss=loss,
                seed=run["seed"],
                kind=["feature"] * len(run["features"]["labels"]) + ["weight"] * int(run["classes"]),
                label=[*run["features"]["labels"], *range(int(run["classes"]))],
            )
            for loss, run in by_loss.items()
        ],
        ignore_index=True,
    )
    columns = len(by_loss) if len(by_loss) < 5 else 3
    rows_of_panels = -(-len(by_loss) // columns)
    figure = Figure(figsize=(2.9 * columns, 3.3 * rows_of_panels + 0.4), layout="constrained")
    figure.suptitle(f"{title(plane)}, M = 2, features: {FEATURE_TITLES[feature]}", fontsize=10)
    panels = list(figure.subplots(rows_of_panels, columns, squeeze=False).flat)
    for axes in panels[len(by_loss) :]:
        axes.remove()
    for axes, (loss, run) in zip(panels, by_loss.items(), strict=False):
        rows = source[source["loss"] == loss]
        longest = np.hypot(*rows.loc[rows["kind"] == "feature", ["x1", "x2"]].to_numpy().T).max()
        for label in range(int(run["classes"])):
            colour, marker = CLASS_STYLES[label % len(CLASS_STYLES)]
            own = rows[rows["label"] == label]
            at = own.loc[own["kind"] == "feature", ["x1", "x2"]].to_numpy() / longest
            axes.plot(*at.T, marker, color=colour, markersize=3, alpha=0.5, linestyle="none")
            tip = own.loc[own["kind"] == "weight", ["x1", "x2"]].to_numpy()[0]
            tip = tip / np.hypot(*tip)
            axes.annotate("", tip, (0, 0), arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 1.6})
            axes.text(*(1.14 * tip), str(label), color=colour, ha="center", va="center", fontsize=9)
        axes.set_title(f"{loss_title(loss)}\nmean angle {run['test_angle']:.1f}°", fontsize=9)
        axes.set_aspect("equal")
        axes.set_xlim(-1.3, 1.3)
        axes.set_ylim(-1.3, 1.3)
        axes.set_xticks([])
        axes.set_yticks([])
    return Drawing(figure, source, caption(plane) + "; arrows: unit weights, points: test features of the same class")
