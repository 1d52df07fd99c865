"""Tables in Markdown: a table of runs in, text out."""

from typing import Any

import pandas as pd

from analysis import captions, drawing, paired, plateau, records, widths
from fc_width.recipes import Recipe


def of_a_recipe(frame: pd.DataFrame, name: str) -> str:
    """All tables of one recipe, as the text of one Markdown file with the heading `name`."""
    done = records.done(frame)
    counts = done.groupby(["loss", "feature", "width"])["seed"].nunique()
    seeds = f"{counts.min()}" if counts.min() == counts.max() else f"{counts.min()} to {counts.max()}"
    lost = len(frame) - len(done)
    without = f"; {lost} run{'s' * (lost > 1)} not done {'are' if lost > 1 else 'is'} left out" if lost else ""
    parts = [
        f"# {name}",
        f"Written by `python -m analysis`. Mean ± standard deviation over the seeds, {seeds} a cell"
        f"{without}{captions.precision(frame)}. {_times(frame)}".rstrip(),
    ]
    for feature, runs in frame.groupby("feature"):
        if runs["width"].nunique() > 1:
            parts += [f"## Test accuracy, %, feature {feature}", accuracy_by_width(runs, "test_accuracy")]
            parts += [f"## Training accuracy, %, feature {feature}", accuracy_by_width(runs, "train_accuracy")]
    at_minimum = frame[frame["width"] == frame["classes"] - 1]
    if (at_minimum["loss"] == "softmax").any() and at_minimum["loss"].nunique() > 1:
        parts += ["## Test accuracy minus softmax's, M = C − 1", PAIRED, less_softmax(at_minimum)]
    wide = frame[(frame["loss"] == "softmax") & (frame["feature"] == Recipe.feature)]
    if wide["width"].nunique() > 1 and (wide["width"] == wide["classes"] - 1).any():
        parts += ["## Accuracy minus that at M = C − 1, softmax", PAIRED, less_minimum(wide)]
    if len(at_minimum):
        parts += ["## Geometry at M = C − 1", geometry_by_loss(frame)]
    return "\n\n".join(parts) + "\n"


def _times(runs: pd.DataFrame) -> str:
    """How long a run took on each device, by the clock, whatever else that device did."""
    if not {"seconds", "device"} <= set(runs):
        return ""
    return " ".join(
        f"On {device} a run took {own.min():.0f} to {own.max():.0f} s, median {own.median():.0f} "
        f"({f'{len(own)} runs' if len(own) > 1 else 'one run'})."
        for device, own in records.done(runs).groupby("device")["seconds"]
    )


PAIRED = "Points, with the 95 % t interval over the seeds that both have, paired, and their number."


def accuracy_by_width(runs: pd.DataFrame, measure: str) -> str:
    """Accuracy after the last epoch in %, mean ± sd over seeds: a row a width, a column a loss.

    *Arguments*: `runs`, rows of `records.load` of one recipe and feature; `measure`, `test_accuracy` or
    `train_accuracy`.
    """
    done = drawing.shown(runs)
    table = _cells(100 * done[measure], [done["width"], done["loss"]])
    return _markdown(table[drawing.in_order(done["loss"])], "M")


def less_softmax(runs: pd.DataFrame) -> str:
    """Test accuracy minus softmax's, seeds paired: a row a loss, a column a feature.

    *Arguments*: `runs`, rows of `records.load` of one recipe and width.
    """
    cells: dict[str, dict[str, str]] = {}
    for feature, group in runs.groupby("feature"):
        softmax = group[group["loss"] == "softmax"]
        for loss, own in group[group["loss"] != "softmax"].groupby("loss"):
            cells.setdefault(str(loss), {})[str(feature)] = _difference(own, softmax, "test_accuracy")
    return _markdown(pd.DataFrame(cells).T.loc[sorted(cells, key=_place)].fillna(""), "loss")


def less_minimum(runs: pd.DataFrame) -> str:
    """Test and training accuracy minus those at M = C − 1, seeds paired: a row a width.

    *Arguments*: `runs`, rows of `records.load` of one recipe, loss and feature.
    """
    minimum = runs[runs["width"] == runs["classes"] - 1]
    cells = {
        width: {name: _difference(own, minimum, f"{name}_accuracy") for name in ("test", "train")}
        for width, own in runs.groupby("width")
        if width != minimum["width"].iloc[0]
    }
    return _markdown(pd.DataFrame(cells).T, "M")


def _difference(one: pd.DataFrame, other: pd.DataFrame, measure: str) -> str:
    """The text of `paired.mean_interval` of a difference in points; empty if no seed is done in both."""
    first, second = (100 * records.done(runs).set_index("seed")[measure].astype(float) for runs in (one, other))
    gains = (first - second).dropna()
    if not len(gains):
        return ""
    mean, low, high = paired.mean_interval(gains)
    interval = f" [{low:.2f}, {high:.2f}]" if len(gains) > 1 else ""
    return f"{mean:.2f}{interval}, {len(gains)}".replace("-", "−")


def geometry_by_loss(runs: pd.DataFrame) -> str:
    """Mean angle (degrees), inverted features (%), accuracy (%), also of the best epochs, on test at M = C − 1, the
    smallest angle of the weights, where it was recorded the ratio of variances, and the norm of the sum of W-Softmax's
    weights: mean ± sd by loss and feature."""
    done = runs[(runs["status"] == "done") & (runs["width"] == runs["classes"] - 1)]
    parts = {
        "Mean angle, degrees": done["test_angle"],
        "Inverted (cos θ < 0), %": 100 * done["test_inverted"],
        "Accuracy, %": 100 * done["test_accuracy"],
        "Accuracy of the epoch that is best on the test set, %": 100 * done["best_accuracy"],
    }
    if done["stopped_accuracy"].notna().any():
        parts["Accuracy of the epoch that is best on the validation images, %"] = 100 * done["stopped_accuracy"]
    parts["Smallest angle between two weights, degrees"] = done["smallest_angle"]
    if done["variance_ratio"].notna().any():
        told = "Variance within classes over that between them, training set, of the runs that have it"
        parts[told] = done["variance_ratio"].dropna()
    ours = done[done["loss"].str.startswith("w-softmax")]
    if len(ours):
        parts["Norm of the sum of the unit weights (0 if they balance, C if all are one)"] = ours["weight_sum_norm"]
    texts = []
    for name, values in parts.items():
        table = _cells(values, [done["loss"], done["feature"]])
        texts.append(f"{name}\n\n{_markdown(table.loc[sorted(table.index, key=_place)], 'loss')}")
    return "\n\n".join(texts)


KNEES = (
    "**Plateau**: the mean accuracy over the widths 2(C − 1) ≤ M < 10(C − 1). **Knee**: the smallest width M such that "
    "M and every wider width tried below 10(C − 1), at least one, is shown to lose less than the margin against the "
    "plateau (three paired seeds at least, one-sided 95 %, over seeds, not over the draw of test images). In brackets: "
    "where the knee may lie; *or fewer*: narrower ones were not tried. *Not decided*: it may be that width or any "
    "larger one, or, with none named, any. A width of the plateau is held against its other widths. Where accuracy "
    "still rises within the plateau, as on CIFAR100 after eight epochs, the knee is a lower bound of where it stops. "
    "Seeds were added where fewer had not decided: with such looks an error of 5 % is one of 8 to 12 %."
)


def knees(runs: pd.DataFrame) -> str:
    """The measured knee (`plateau.knee`) at each margin beside C − 1: of softmax, then of W-Softmax as printed, a row
    for each recipe and data set that has a plateau; empty if softmax has none.

    *Arguments*: `runs`, rows of `records.load` of any recipes and data sets.
    """
    own = runs[runs["feature"] == Recipe.feature]
    softmax, others = (
        _knees(own[chosen]) for chosen in (own["loss"] == "softmax", own["loss"].str.startswith("w-softmax:"))
    )
    if softmax.empty:
        return ""
    parts = [KNEES, _markdown(softmax.drop(columns="loss"), "data")]
    if not others.empty:
        parts += ["With W-Softmax as printed, each α against its own plateau:", _markdown(others, "data")]
    return "\n\n".join(parts)


def _knees(runs: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table of knees, as text."""
    rows = [
        row | {"recipe": name, "errors": plateau.knee(own, plateau.error_margin(own)).text()}
        for (name, _, _), own in runs.groupby(["name", "dataset", "loss"])
        for row in widths.knees(own)
        if "problem" not in row
    ]
    found = pd.DataFrame(rows)
    if found.empty:
        return found
    cells = {}
    for _, knee in found.groupby([found["dataset"].map(captions.dataset_place), "recipe", "classes", "loss"]):
        by_margin = knee.set_index("margin").sort_index(ascending=False)
        first = by_margin.iloc[0]
        cells[captions.dataset_title(first["dataset"]), first["recipe"], first["loss"]] = (
            {"loss": first["loss"], "C − 1": str(first["classes"] - 1)}
            | {f"within {margin:g} points": text for margin, text in by_margin["text"].items()}
            | {f"at most {100 * plateau.ERRORS:g} % more errors": first["errors"]}
            | {f"by the means alone, within {by_margin.index[0]:g} points": _estimate(first)}
            | {"plateau, %": f"{100 * first['plateau']:.2f}", "seeds": _seeds(by_margin), "recipe": first["recipe"]}
        )
    return pd.DataFrame(cells.values(), index=[title for title, *_ in cells])


def _seeds(by_margin: pd.DataFrame) -> str:
    """Of the plateau, and the fewest at a width that decides."""
    fewest, seeds = int(by_margin["fewest"].min()), int(by_margin["seeds"].iloc[0])
    return str(seeds) if fewest == seeds else f"{fewest} to {seeds}"


def _estimate(knee: "pd.Series[Any]") -> str:
    return f"above {knee['widths'][-1]}" if pd.isna(knee["estimate"]) else f"{knee['estimate']:g}"


def _place(loss: str) -> tuple[int, float]:
    """Softmax, then each kind of weights by α, then the rest."""
    weights, _, alpha = loss.partition(":")
    kinds = ["softmax", *captions.VARIANTS]
    return (kinds.index(weights) if weights in kinds else len(kinds), float(alpha or 0))


def _cells(values: pd.Series, groups: list[pd.Series]) -> pd.DataFrame:
    """Mean ± sd as text, the second group in columns."""
    grouped = values.groupby(groups)
    cells = grouped.mean().map("{:.2f}".format) + grouped.std().map(lambda sd: "" if pd.isna(sd) else f" ± {sd:.2f}")
    return cells.unstack().fillna("")


def _markdown(table: pd.DataFrame, corner: str) -> str:
    lines = [f"| {corner} | {' | '.join(map(str, table.columns))} |", "|---" * (1 + table.shape[1]) + "|"]
    lines += [
        f"| {index} | {' | '.join(row)} |" for index, row in zip(table.index, table.to_numpy().tolist(), strict=True)
    ]
    return "\n".join(lines)
