"""The paper's figures, one function each: a table of runs in, a figure and its source data out.

Every seed is shown faintly, the median over seeds as a line, a 95 % bootstrap interval of it as a band.
Losses differ in colour (Okabe & Ito's, safe for the colour-blind), in marker and in dash, so that a grey
print tells them apart."""

from typing import NamedTuple

import matplotlib
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from fc_width.backbone import CHANGES
from theory import bounds

STYLES: dict[str, tuple[str, str, str, str]] = {  # loss: label, colour, marker, dash
    "softmax": ("softmax", "#000000", "o", "-"),
    "w-softmax:0.5": ("W-Softmax α = 0.5", "#E69F00", "s", "--"),
    "w-softmax:1": ("W-Softmax α = 1", "#0072B2", "^", "-."),
    "w-softmax:1.5": ("W-Softmax α = 1.5", "#009E73", "v", ":"),
    "w-softmax-centred:1": ("W-Softmax α = 1, centred", "#CC79A7", "D", "--"),
    "w-softmax-simplex:1": ("W-Softmax α = 1, fixed simplex", "#D55E00", "*", "-"),
}


class Drawing(NamedTuple):
    """A figure, the table of what it shows, and what a reader must know of it."""

    figure: Figure
    source: pd.DataFrame
    caption: str


def accuracy_against_width(runs: pd.DataFrame) -> Drawing:
    """Fig. 4a: test accuracy after the last epoch against M, a line for each loss, M_min = C − 1 marked.

    *Arguments*: `runs`, rows of `records.load` of one recipe and feature.
    """
    source = shown(runs)[["loss", "width", "seed", "test_accuracy"]].sort_values(["loss", "width", "seed"])
    widths = sorted(source["width"].unique())
    figure, axes = _figure()
    error = 100 - 100 * source["test_accuracy"]
    nearest = error[error > 0].min() / 2 if (error > 0).any() else 0.05  # where 100 % is drawn: log 0 is nowhere
    for loss in in_order(source["loss"]):
        group = source[source["loss"] == loss]
        drawn = 100 - error[group.index].clip(lower=nearest)
        _series(axes, loss, _positions(group["width"], widths), drawn)
    axes.set_yscale("function", functions=(_from_accuracy, _to_accuracy))
    axes.set_ylim(100 - error.max() * 1.3, 100 - error.clip(lower=nearest).min() / 1.15)
    low, high = axes.get_ylim()
    ticks = [tick for tick in (0, 50, 80, 90, 95, 98, 99, 99.5, 99.8, 99.9) if low <= tick <= high]
    if (error == 0).any():
        ticks = [tick for tick in ticks if 100 - tick > 1.5 * nearest] + [100 - nearest]
    axes.set_yticks(ticks, [f"{tick:g}" if tick < 100 - nearest else "100" for tick in ticks])
    axes.minorticks_off()
    axes.set_ylabel("Test accuracy (%), spaced by log of the error")
    _width_axis(axes, widths, int(runs["classes"].iloc[0]))
    axes.legend(loc="lower right")
    return Drawing(figure, source, _caption(runs))


def memory_against_width(runs: pd.DataFrame) -> Drawing:
    """Fig. 4d: bytes of the FC layer against M, of the learned classifier, and of both on the simplex head
    (at M = C − 1)."""
    done = _done(runs)
    columns = ["width", "fc_parameters", "classifier_parameters"]
    learned = done[~done["loss"].str.startswith("w-softmax-simplex")][columns].drop_duplicates()
    fixed = done[done["loss"].str.startswith("w-softmax-simplex")][columns].drop_duplicates()
    source = pd.concat({"learned": learned, "simplex": fixed}, names=["classifier"]).droplevel(1).reset_index()
    for part in ("fc", "classifier"):
        source[f"{part}_bytes"] = 4 * source[f"{part}_parameters"]
    widths = sorted(source["width"].unique())
    figure, axes = _figure()
    rows = source[source["classifier"] == "learned"].sort_values("width")
    place = _positions(rows["width"], widths)
    axes.plot(place, rows["fc_bytes"] / 1024, "o-", color="#000000", label="FC layer (M units)")
    axes.plot(place, rows["classifier_bytes"] / 1024, "s--", color="#0072B2", label="classifier, learned (C × M)")
    rows = source[source["classifier"] == "simplex"]
    if len(rows):
        both = (rows["fc_bytes"] + rows["classifier_bytes"]) / 1024
        place = _positions(rows["width"], widths)
        label = "FC layer and classifier,\nfixed simplex"
        axes.plot(place, both, "*", color="#D55E00", markersize=14, label=label)
    axes.set_yscale("log")
    axes.set_ylabel("Parameter memory (KiB, float32)")
    _width_axis(axes, widths, int(runs["classes"].iloc[0]))
    axes.legend(loc="upper left")
    return Drawing(figure, source, _caption(runs))


def mean_angles(runs: pd.DataFrame) -> Drawing:
    """Fig. 5: mean angle between a feature and its class's weight (Eq. 14), per class, on train and test, at
    M = C − 1."""
    classes = int(runs["classes"].iloc[0])
    done = shown(runs)
    done = done[done["width"] == classes - 1]
    source = pd.DataFrame(
        {"loss": loss, "seed": seed, "split": split, "class": label, "mean_angle": angle}
        for loss, seed, angles in zip(done["loss"], done["seed"], done["class_angles"], strict=True)
        for split in ("train", "test")
        for label, angle in enumerate(angles[split])
    ).sort_values(["split", "loss", "seed", "class"], ignore_index=True)
    losses = in_order(source["loss"])
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, split in zip(panels, ("train", "test"), strict=True):
        for index, loss in enumerate(losses):
            rows = source[(source["split"] == split) & (source["loss"] == loss)]
            shift = 0.11 * (index - (len(losses) - 1) / 2)
            label, colour, marker, _ = _style(loss)
            axes.plot(rows["class"] + shift, rows["mean_angle"], marker, color=colour, alpha=0.3, markersize=3)
            median = rows.groupby("class")["mean_angle"].median()
            axes.plot(median.index + shift, median, marker, color=colour, markersize=5, label=label)
        axes.axhline(90, color="0.5", linewidth=0.8, linestyle=(0, (1, 3)))
        axes.set_title({"train": "Training set", "test": "Test set"}[split])
        axes.set_xlabel("Class")
        axes.set_xticks(range(classes))
        axes.grid(axis="y", color="0.9")
    panels[0].set_ylabel("Mean angle to the own class's weight (degrees)")
    top = 1.1 * source["mean_angle"].max()
    panels[0].set_ylim(0, top if top < 70 else max(top, 95))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=8)
    return Drawing(figure, source, _caption(runs))


VARIANTS = {  # how the weights are made: label, colour, marker, dash
    "w-softmax": ("as printed", "#0072B2", "^", "-"),
    "w-softmax-centred": ("centred weights", "#CC79A7", "D", "--"),
    "w-softmax-simplex": ("fixed simplex", "#D55E00", "*", ":"),
}


def angle_against_alpha(runs: pd.DataFrame) -> Drawing:
    """Mean angle of test features to their class's weight against α, by weights and by feature, at M = C − 1."""
    at = _done(runs[(runs["width"] == runs["classes"] - 1) & runs["loss"].str.startswith("w-softmax")])
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
    features = sorted(source["feature"].unique())
    figure = Figure(figsize=(3.1 * len(features) + 0.6, 3.9), layout="constrained")
    panels = figure.subplots(1, len(features), sharey=True, squeeze=False)[0]
    for axes, feature in zip(panels, features, strict=True):
        for weights, (label, colour, marker, dash) in VARIANTS.items():
            rows = source[(source["feature"] == feature) & (source["weights"] == weights)]
            axes.plot(
                rows["alpha"], rows["test_angle"], marker, color=colour, alpha=0.3, markersize=3, linestyle="none"
            )
            median = rows.groupby("alpha")["test_angle"].median()
            axes.plot(median.index, median, marker + dash, color=colour, label=label, markersize=6)
        axes.axhline(90, color="0.5", linewidth=0.8, linestyle=(0, (1, 3)))
        axes.set_title(f"feature: {feature}", fontsize=10)
        axes.set_xlabel("α")
        axes.set_xticks(sorted(source["alpha"].unique()))
        axes.grid(axis="y", color="0.9")
    panels[0].set_ylabel("Mean angle to the own class's weight,\ntest set (degrees)")
    panels[0].set_ylim(0, max(95, 1.05 * source["test_angle"].max()))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=8)
    return Drawing(figure, source, _caption(at))


def features_in_the_plane(runs: pd.DataFrame) -> Drawing:
    """Test features and weights of the runs with M = 2 of one seed, the first: a panel for each loss, lengths divided
    by the longest feature's."""
    plane = _done(runs[(runs["width"] == 2) & runs["features"].notna()])
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
    figure = Figure(figsize=(2.9 * len(by_loss), 3.5), layout="constrained")
    panels = figure.subplots(1, len(by_loss), squeeze=False)[0]
    for axes, (loss, run) in zip(panels, by_loss.items(), strict=True):
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
        axes.set_title(f"{_name(loss)}\nmean angle {run['test_angle']:.1f}°", fontsize=9)
        axes.set_aspect("equal")
        axes.set_xlim(-1.3, 1.3)
        axes.set_ylim(-1.3, 1.3)
        axes.set_xticks([])
        axes.set_yticks([])
    return Drawing(figure, source, _caption(plane) + "; arrows: unit weights, points: test features of the same class")


CLASS_STYLES = [("#0072B2", "o"), ("#D55E00", "^"), ("#009E73", "s"), ("#CC79A7", "D"), ("#000000", "v")]


def _name(loss: str) -> str:
    """How a reader is told of a loss: `w-softmax-centred:1.5` → W-Softmax α = 1.5, centred weights."""
    weights, _, alpha = loss.partition(":")
    return f"W-Softmax α = {alpha}, {VARIANTS[weights][0]}" if weights in VARIANTS else loss


def best_angles(sizes: tuple[int, ...] = (10, 100)) -> Drawing:
    """The largest possible smallest angle of C unit vectors in R^M against M (`theory.bounds`), a panel for each C."""
    source = pd.DataFrame(
        {"C": C, "M": row["M"], "lower": row["lower"], "upper": row["upper"], "exact": row["exact"]}
        for C in sizes
        for row in bounds.table(C, sorted({*range(1, min(C, 12)), *bounds.default_widths(C), C + C // 4}))
    )
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    panels = figure.subplots(1, len(sizes), sharey=True, squeeze=False)[0]
    for axes, C in zip(panels, sizes, strict=True):
        rows = source[source["C"] == C]
        axes.fill_between(rows["M"], rows["lower"], rows["upper"], color="#0072B2", alpha=0.25, linewidth=0)
        axes.plot(rows["M"], rows["lower"], "-", color="#0072B2", linewidth=1)
        known = rows[rows["exact"]]
        axes.plot(known["M"], known["lower"], "o", color="#000000", markersize=5, label="known exactly")
        unknown = rows[~rows["exact"]]
        if len(unknown):
            middle, half = (unknown["upper"] + unknown["lower"]) / 2, (unknown["upper"] - unknown["lower"]) / 2
            axes.errorbar(unknown["M"], middle, half, fmt="none", ecolor="#D55E00", capsize=3, label="between bounds")
        axes.axvline(C - 1, color="0.4", linewidth=1, linestyle=(0, (4, 3)), zorder=0)
        axes.axhline(90, color="0.5", linewidth=0.8, linestyle=(0, (1, 3)))
        gain = np.degrees(bounds.last_width_gain(C))
        axes.set_title(f"C = {C}: the step from C − 2 to C − 1 buys {gain:.2f}°", fontsize=10)
        axes.set_xlabel("Width M" + (" (log axis)" if C > 20 else ""))
        if C > 20:
            axes.set_xscale("log")
        axes.grid(axis="y", color="0.92")
        axes.legend(loc="lower right", fontsize=8)
    panels[0].set_ylabel("Best possible smallest angle\nbetween C weight vectors (degrees)")
    panels[0].set_ylim(0, 105)
    return Drawing(figure, source, "theory.bounds: no data; dashed, M = C − 1")


def _style(loss: str) -> tuple[str, str, str, str]:
    return STYLES.get(loss, (loss, "#56B4E9", "P", "-"))


def in_order(losses: pd.Series) -> list[str]:
    """The distinct losses, those of `STYLES` first and in its order."""
    present = set(losses)
    return [loss for loss in STYLES if loss in present] + sorted(present - set(STYLES))


def shown(runs: pd.DataFrame) -> pd.DataFrame:
    """Finished runs of the losses of `STYLES`, and of any other loss that was run at several widths."""
    done = _done(runs)
    several = done.groupby("loss")["width"].transform("nunique") > 1
    return done[several | done["loss"].isin(STYLES)]


def _done(runs: pd.DataFrame) -> pd.DataFrame:
    return runs[runs["status"] == "done"]


def _figure() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7, 4.6), layout="constrained")
    return figure, figure.subplots()


def _series(axes: Axes, loss: str, places: npt.NDArray[np.float64], values: pd.Series) -> None:
    """Seeds faintly, the median, and the 95 % bootstrap band of the median."""
    label, colour, marker, dash = _style(loss)
    frame = pd.DataFrame({"place": places, "value": values.to_numpy()})
    axes.plot(frame["place"], frame["value"], marker, color=colour, alpha=0.25, markersize=3, linestyle="none")
    summary = frame.groupby("place")["value"].agg(["median", interval])
    low, high = np.array(summary["interval"].tolist()).T
    axes.fill_between(summary.index, low, high, color=colour, alpha=0.15, linewidth=0)
    size = 13 if marker == "*" else 5
    axes.plot(
        summary.index,
        summary["median"],
        marker + dash,
        color=colour,
        label=label,
        markersize=size,
        linewidth=1.2,
    )


def interval(values: pd.Series) -> tuple[float, float]:
    """The 95 % bootstrap interval (percentiles) of the median; the value itself where there is one seed."""
    if len(values) < 2 or values.nunique() == 1:
        return float(values.min()), float(values.max())
    found = stats.bootstrap((values.to_numpy(),), np.median, method="percentile", n_resamples=2000, rng=0)
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def _positions(values: pd.Series, widths: list[int]) -> npt.NDArray[np.float64]:
    return np.searchsorted(widths, values.to_numpy()).astype(np.float64)


def _width_axis(axes: Axes, widths: list[int], classes: int) -> None:
    """Evenly spaced, whatever the widths, as in the paper; M_min marked."""
    axes.set_xticks(range(len(widths)), [str(width) for width in widths])
    axes.set_xlabel("Units M of the FC layer (uneven axis)")
    if classes - 1 in widths:
        place = widths.index(classes - 1)
        axes.axvline(place, color="0.4", linewidth=1, linestyle=(0, (4, 3)), zorder=0)
        axes.annotate(
            f"$M_{{min}}$ = C − 1 = {classes - 1}",
            (place, 1.01),
            xycoords=("data", "axes fraction"),
            ha="center",
        )
    axes.grid(axis="y", color="0.92")
    axes.set_axisbelow(True)


def _from_accuracy(accuracy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return -np.log10(np.maximum(100 - np.asarray(accuracy), 1e-3))


def _to_accuracy(place: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 100 - 10 ** -np.asarray(place)


def _caption(runs: pd.DataFrame) -> str:
    """What was run: recipe, data, backbone, seeds, and on what."""
    first = runs.iloc[0]
    devices = ", ".join(sorted(runs["device"].dropna().unique()))
    feature = ", ".join(sorted(runs["feature"].unique()))
    epochs = f"{first['epochs']} epochs, the first {first['softmax_epochs']} of W-Softmax at α = 0"
    lost = int((runs["status"] != "done").sum())
    counts = _done(runs).groupby(["loss", "width", "feature"])["seed"].nunique()
    low, most = (int(counts.min()), int(counts.max())) if len(counts) else (0, 0)
    seeds = f"{most} seed{'s' * (most != 1)}" if low == most else f"{low} to {most} seeds"
    changes = CHANGES.get(first["backbone"])
    return (
        f"{first['name']}: {first['dataset']}, backbone {first['backbone']}"
        + (f" (the paper's changed: {changes})" if changes else "")
        + f",\nfeature {feature}, {epochs}; {seeds}, {len(runs)} runs"
        + (f", {lost} of them not done" if lost else "")
        + f"; {devices}"
    )


matplotlib.rcParams["svg.hashsalt"] = "fc-width"
