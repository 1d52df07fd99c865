"""How a reader is told of runs: the names of data sets, losses and features, and what was run."""

from collections.abc import Sequence

import pandas as pd

from analysis.records import done
from fc_width.backbone import CHANGES

VARIANTS = {"w-softmax": "as printed", "w-softmax-centred": "centred weights", "w-softmax-simplex": "fixed simplex"}
"""How the weights of W-Softmax are made."""

BASELINES = {
    "hinge": "hinge loss",
    "l-softmax": "L-Softmax",
    "a-softmax": "A-Softmax",
    "cosface": "CosFace",
    "arcface": "ArcFace",
    "center": "center loss",
    "contrastive": "contrastive loss",
    "triplet": "triplet loss",
    "sphereface+": "SphereFace+",
}

TITLES = {"digits": "Digits", "mnist": "MNIST", "fashion-mnist": "Fashion-MNIST"}
TITLES |= {"cifar10": "CIFAR10", "cifar100": "CIFAR100"}

FEATURE_TITLES = {
    "linear": "linear",
    "bn": "batch norm",
    "prelu-bn": "PReLU → batch norm",
    "bn-relu": "batch norm → ReLU",
}
"""How a reader is told of what follows the M units."""


def loss_title(loss: str) -> str:
    """How a reader is told of a loss: `w-softmax-centred:1.5` → W-Softmax α = 1.5, centred weights."""
    weights, _, alpha = loss.partition(":")
    if weights == "w-softmax":
        return f"W-Softmax α = {alpha}"
    return f"W-Softmax α = {alpha}, {VARIANTS[weights]}" if weights in VARIANTS else BASELINES.get(loss, loss)


def dataset_title(dataset: str) -> str:
    """How a reader is told of a data set: `mnist:5` → MNIST, first 5 classes."""
    name, _, first = dataset.partition(":")
    return TITLES.get(name, name) + (f", first {first} classes" if first else "")


def dataset_place(dataset: str) -> int:
    """The place of a data set, whole or its first classes, in the order of `TITLES`; after all of them if not there."""
    known = list(TITLES)
    base = dataset.partition(":")[0]
    return known.index(base) if base in known else len(known)


def title(runs: pd.DataFrame, of_all_classes: bool = False) -> str:
    """The data set, with `of_all_classes` without how many of them, and whether the network is the paper's: a small one
    is never shown without a word."""
    first = runs.iloc[0]
    dataset = first["dataset"].partition(":")[0] if of_all_classes else first["dataset"]
    size = "small network" if first["backbone"] in CHANGES else "the paper's network"
    return f"{dataset_title(dataset)}: {size} (recipe {first['name']})"


def caption(runs: pd.DataFrame) -> str:
    """What was run, of one recipe: recipe, data, backbone, seeds, and on what."""
    first = runs.iloc[0]
    warm = int(first["softmax_epochs"])
    epochs = f"{first['epochs']} epochs"
    if runs["loss"].str.startswith(tuple(VARIANTS)).any():
        first_ones = "the first" if warm == 1 else f"the first {warm}"
        epochs += f", {first_ones} of W-Softmax at α = 0" if warm else ", all of them at α"
    if first["validation"]:
        epochs += f", {100 * first['validation']:g} % of the training images held out"
    if first["flip"]:
        epochs += f", images mirrored with probability {first['flip']:g}"
    if shift := int(first["shift"]):
        epochs += f", images moved by up to {shift} pixel{'s' * (shift != 1)}"
    changes = CHANGES.get(first["backbone"])
    return (
        f"{first['name']}: {first['dataset']}, backbone {first['backbone']}"
        + (f" (the paper's changed: {changes})" if changes else "")
        + f", feature {_features(runs)}, {epochs}"
        + f"{precision(runs)}; {_counts(runs)}"
    )


def caption_of_several(sweeps: Sequence[pd.DataFrame]) -> str:
    """What was run, of several recipes or data sets: which, how often, and on what."""
    runs = pd.concat(sweeps)
    datasets = ", ".join(
        f"{name} ({', '.join(sorted(rows['dataset'].unique()))})" for name, rows in runs.groupby("name")
    )
    return f"{datasets}, feature {_features(runs)}; {_counts(runs)}"


def precision(runs: pd.DataFrame) -> str:
    """What a caption adds where a trunk did not compute in float32."""
    low = "computed_in" in runs and runs["computed_in"].astype(str).str.contains("bfloat16").any()
    return ", convolutions in bfloat16" if low else ""


def _features(runs: pd.DataFrame) -> str:
    return ", ".join(sorted(runs["feature"].unique()))


def _counts(runs: pd.DataFrame) -> str:
    """Seeds of a point, runs, those not done, devices."""
    counts = done(runs).groupby(["name", "dataset", "loss", "width", "feature"])["seed"].nunique()
    low, most = (int(counts.min()), int(counts.max())) if len(counts) else (0, 0)
    lost = int((runs["status"] != "done").sum())
    devices = ", ".join(sorted(runs["device"].dropna().unique())) if "device" in runs else ""
    parts = [
        f"{most} seed{'s' * (most != 1)}" if low == most else f"{low} to {most} seeds",
        f"{len(runs)} runs",
        f"{lost} of them not done" if lost else "",
    ]
    return "; ".join(filter(None, [", ".join(filter(None, parts)), devices]))
