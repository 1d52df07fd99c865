"""What is known of each width: the best possible angle, the memory, and from records the knee, one's own or measured
elsewhere."""

from collections.abc import Sequence
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import Any

import pandas as pd

from analysis import paired, plateau
from theory import bounds

BYTES = 4  # float32
SWEEP = ("dataset", "loss", "feature")
"""What the runs of one knee share."""
KNEE_COLUMNS = ("dataset", "classes", "margin", "knee", "low")
"""Of the source data of the figure of knees, those that are quoted."""


def cost(classes: int, features: int, widths: Sequence[int]) -> list[dict[str, Any]]:
    """Angle and memory at each width.

    *Returns*: rows of `M`; `lower`, `upper` (degrees), `exact` and `source` of the best possible smallest angle;
    `fc_parameters` = features × M + M and `classifier_parameters` = C × M, and their `_bytes` in float32;
    `simplex_saves`, the bytes that the fixed simplex does without, at M = C − 1, else None.

    *Raises*: `ValueError` for fewer than 2 classes, or a width below 1.
    """
    rows = []
    for row in bounds.table(classes, widths):
        M = row["M"]
        counts = {"fc": features * M + M, "classifier": classes * M}
        kept = {key: row[key] for key in ("M", "lower", "upper", "exact", "source")}
        kept |= {f"{part}_parameters": count for part, count in counts.items()}
        kept |= {f"{part}_bytes": BYTES * count for part, count in counts.items()}
        rows.append(kept | {"simplex_saves": BYTES * counts["classifier"] if classes - 1 == M else None})
    return rows


def knees(runs: pd.DataFrame) -> list[dict[str, Any]]:
    """`plateau.knee` of every loss and feature that was swept, at each of the margins; with `problem` in its place
    where there is no plateau."""
    rows: list[dict[str, Any]] = []
    for _, own in runs.groupby(list(SWEEP)):
        what = {column: str(own[column].iloc[0]) for column in SWEEP}
        if own["width"].nunique() < 2:
            continue
        for margin in plateau.MARGINS:
            try:
                found = plateau.knee(own, margin)
            except ValueError as error:
                rows.append(what | {"margin": margin, "problem": str(error)})
            else:
                rows.append(what | asdict(found) | {"text": found.text(), "untried": found.untried})
    return rows


def knees_elsewhere(path: Path) -> list[dict[str, Any]]:
    """The knees that a figure of them shows (`figures_width.knee_against_classes`).

    *Arguments*: `path`, its source data.

    *Returns*: a row a data set and margin: `KNEE_COLUMNS`, of which `knee` and `low` may be None.

    *Raises*: `OSError`, or `ValueError` naming the file, if it is none.
    """
    try:
        found = pd.read_csv(path, dtype={"dataset": str})
    except ValueError as error:
        raise ValueError(f"{path}: not a table of knees ({' '.join(str(error).split())})") from None
    numbers = [column for column in KNEE_COLUMNS[1:] if column in found and found[column].dtype.kind in "if"]
    lacking = [column for column in KNEE_COLUMNS if column not in ["dataset" if "dataset" in found else "", *numbers]]
    if lacking:
        raise ValueError(f"{path}: not a table of knees (it has no {', '.join(lacking)})")
    decided = found["knee"].between(1, 1e9) & found["low"].between(1, 1e9)
    whole = found["dataset"].notna() & found["classes"].between(2, 1e9) & (found["knee"].isna() | decided)
    if not whole.all():
        raise ValueError(f"{path}: not a table of knees (row {int(whole.argmin()) + 1} is none)")
    found["classes"] = found["classes"].astype(int)
    rows = found[list(KNEE_COLUMNS)].to_dict("records")
    return [{str(key): None if pd.isna(value) else value for key, value in row.items()} for row in rows]


def simplex_gains(runs: pd.DataFrame) -> list[dict[str, Any]]:
    """The accuracy of the fixed simplex minus softmax's at M = C − 1, seeds paired, for features of both signs.

    *Returns*: a row a data set, feature and loss that both were run with: `difference`, points, with its 95 %
    interval `low`, `high` (None for one seed; at least as wide as `paired.image_floor`); `seeds`; `failed`, runs on
    the simplex that diverged or failed.
    """
    rows: list[dict[str, Any]] = []
    narrow = runs[(runs["width"] == runs["classes"] - 1) & (runs["feature"].str.split("-").str[-1] != "relu")]
    for (dataset, feature), group in narrow.groupby(["dataset", "feature"]):
        softmax = group[group["loss"] == "softmax"]
        for loss, own in group[group["loss"].str.startswith("w-softmax-simplex")].groupby("loss"):
            try:
                found = paired.compare(own, softmax)
            except ValueError:  # no softmax to compare with, or of another recipe
                continue
            floor = paired.image_floor(found.images, len(found.seeds), (1 + paired.CONFIDENCE) / 2)
            half = max(found.high - found.difference, floor)
            low, high = (end if isfinite(end) else None for end in (found.difference - half, found.difference + half))
            what = {"dataset": str(dataset), "feature": str(feature), "loss": str(loss)}
            numbers = {"difference": found.difference, "low": low, "high": high, "seeds": len(found.seeds)}
            rows.append(what | numbers | {"failed": found.failed_one})
    return rows
