"""Figures of the network itself, from its table of stages: Fig. 1, and Fig. 4d for the paper's networks."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import nn

from analysis.captions import dataset_title
from analysis.drawing import Drawing, legend_above
from analysis.figures import MEMORY, memory_lines
from fc_width.backbone import BACKBONES, NETWORKS, Backbone, PReLU
from fc_width.loss_names import make_loss
from fc_width.recipes import sweep_widths

LENGTH = 141
"""Of the longest network's picture, in its units."""

LAYERS = {
    nn.Conv2d: "convolution 3×3",
    PReLU: "PReLU",
    nn.BatchNorm2d: "batch norm",
    nn.BatchNorm1d: "batch norm",
    nn.MaxPool2d: "max pool 2×2",
    nn.Linear: "FC layer",
}


def network() -> Drawing:
    """Fig. 1: the paper's networks, a row each: every convolution as a block as high as its pictures and as wide as its
    channels, the FC layer of M units, the classifier. The source lists every layer with its output and parameters."""
    source = pd.concat([layers(name) for name in NETWORKS], ignore_index=True)
    figure = Figure(figsize=(9.6, 6.6), layout="constrained")
    for axes, name in zip(figure.subplots(len(NETWORKS), 1), NETWORKS, strict=True):
        _row(axes, name, source[source["network"] == name])
    text = (
        "fc_width.backbone: no data. Blocks: 3×3 convolutions, each followed by PReLU and batch norm, as high as their "
        "output and as wide as its channels (square roots). The classifier belongs to the loss; M is swept."
    )
    return Drawing(figure, source, text)


def layers(name: str) -> pd.DataFrame:
    """The layers of one of `NETWORKS` at M = C − 1, in order, found by passing an image without content through it.

    *Returns*: the columns `network`, `stage` (0 the input; the FC layer and what follows have none), `layer`, `output`
    (channels × height × width, or units), `parameters`.
    """
    shape, classes = NETWORKS[name]
    with torch.device("meta"):
        model = Backbone(BACKBONES[name], shape, classes - 1).eval()
        head = make_loss("softmax", classes - 1, classes)
        images = torch.zeros(1, *shape)
    rows: list[dict[str, Any]] = [{"stage": 0, "layer": "images", "output": _times(shape), "parameters": 0}]
    stages = [index for index, stage in enumerate(BACKBONES[name], 1) for _ in range(3 * stage.convs + stage.pool)]
    values = images
    for module, stage in zip(_leaves(model), [*stages, None, None, None], strict=True):
        values = module(values.flatten(1) if isinstance(module, nn.Linear) else values)
        count = sum(p.numel() for p in module.parameters())
        output = _times(tuple(values.shape[1:]))
        rows.append({"stage": stage, "layer": LAYERS[type(module)], "output": output, "parameters": count})
    count = sum(p.numel() for p in head.parameters())
    rows.append({"stage": None, "layer": "classifier", "output": str(classes), "parameters": count})
    return (
        pd.DataFrame(rows)
        .astype({"stage": "Int64"})
        .assign(network=name)[["network", "stage", "layer", "output", "parameters"]]
    )


def _leaves(model: Backbone) -> Iterator[nn.Module]:
    for module in model.modules():
        if not list(module.children()):
            yield module


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _row(axes: Axes, name: str, rows: pd.DataFrame) -> None:
    """One network, from left to right; heights in pixels of its pictures."""
    shape, classes = NETWORKS[name]
    pixels = shape[1]
    place = _block(axes, 0, 2, pixels, "0.85", f"{shape[1]}×{shape[2]}×{shape[0]}", "images") + 10
    for number, stage in enumerate(BACKBONES[name], 1):
        convolutions = (rows["stage"] == number) & (rows["layer"] == LAYERS[nn.Conv2d])
        channels, height, width = map(int, rows.loc[convolutions, "output"].iloc[0].split("×"))
        begin, wide = place, channels**0.5 / 4
        for _ in range(int(convolutions.sum())):
            place = _block(axes, place, wide, height, "#56B4E9") + 1
        middle = (begin + place - 1) / 2
        axes.text(middle, height / 2 + 1.5, f"{height}×{width}×{channels}", ha="center", va="bottom", fontsize=8)
        times = f"{stage.convs} × " if stage.convs > 1 else ""
        axes.text(middle, -pixels / 2 - 2, f"{times}conv 3×3, {channels}", ha="center", va="top", fontsize=8)
        place = _arrow(axes, place, "max pool\n2×2") if stage.pool else place + 9
    flat = _flat(rows)
    place = _arrow(axes, place, f"flatten\n{flat:,}")
    place = _block(axes, place, 1.6, 16, "#E69F00", "M units", f"FC layer\nM × ({flat:,} + 1)")
    place = _arrow(axes, place + 1, "PReLU,\nbatch norm")
    _block(axes, place, 1.6, 16, "#CC79A7", f"C = {classes}", "classifier\nC × M")
    trunk = rows.loc[rows["stage"].notna(), "parameters"].sum()
    fc, head = (int(rows.loc[rows["layer"] == part, "parameters"].iloc[0]) for part in ("FC layer", "classifier"))
    axes.set_title(
        f"{dataset_title(name)}: {trunk:,} parameters in the convolutions; at M = C − 1 = {classes - 1}, "
        f"{fc:,} in the FC layer and {head:,} in the classifier",
        fontsize=10,
        loc="left",
    )
    axes.set_xlim(-3, LENGTH)
    axes.set_ylim(-pixels / 2 - 8, pixels / 2 + 5)
    axes.axis("off")


def _flat(rows: pd.DataFrame) -> int:
    """Inputs of the FC layer: the size of the last output before it."""
    size = 1
    for length in rows.loc[rows["stage"].notna(), "output"].iloc[-1].split("×"):
        size *= int(length)
    return size


def _block(axes: Axes, place: float, wide: float, high: float, colour: str, above: str = "", below: str = "") -> float:
    """A block with its labels; returns where it ends."""
    axes.add_patch(Rectangle((place, -high / 2), wide, high, facecolor=colour, edgecolor="black", linewidth=0.8))
    axes.text(place + wide / 2, high / 2 + 1.5, above, ha="center", va="bottom", fontsize=8)
    axes.text(place + wide / 2, -high / 2 - 2, below, ha="center", va="top", fontsize=8)
    return place + wide


def _arrow(axes: Axes, place: float, name: str) -> float:
    """An arrow with its name; returns where it ends."""
    axes.annotate("", (place + 9, 0), (place, 0), arrowprops={"arrowstyle": "->", "linewidth": 1})
    axes.text(place + 4.5, 1.2, name, ha="center", va="bottom", fontsize=7)
    return place + 10


def memory_of_the_networks() -> Drawing:
    """Fig. 4d for the paper's networks, from the networks alone: bytes of the FC layer, of the learned classifier, of
    both, and of both on the simplex head, at every width of a sweep; a panel for each data set."""
    source = pd.concat([_memory(name) for name in NETWORKS], ignore_index=True)
    figure = Figure(figsize=(12, 4.4), layout="constrained")
    panels = figure.subplots(1, len(NETWORKS))
    for axes, (name, (_, classes)) in zip(panels, NETWORKS.items(), strict=True):
        rows = source[source["network"] == name]
        memory_lines(axes, rows, classes)
        axes.set_title(f"{dataset_title(name)}\n", fontsize=10)
    for axes in panels[1:]:
        axes.set_ylabel("")
    legend_above(figure, panels[0], "The paper's networks")
    return Drawing(figure, source, f"fc_width.backbone: no data, by count of parameters. {MEMORY}")


def _memory(name: str) -> pd.DataFrame:
    shape, classes = NETWORKS[name]
    rows = []
    for width in sweep_widths(classes):
        for classifier, loss in (("learned", "softmax"), ("simplex", "w-softmax-simplex:1")):
            if classifier == "simplex" and width != classes - 1:
                continue
            with torch.device("meta"):
                fc = Backbone(BACKBONES[name], shape, width).fc_parameters()
                head = sum(p.numel() for p in make_loss(loss, width, classes).parameters())
            rows.append((name, classifier, width, fc, head, 4 * fc, 4 * head))
    counted = ["fc_parameters", "classifier_parameters", "fc_bytes", "classifier_bytes"]
    return pd.DataFrame(rows, columns=["network", "classifier", "width", *counted])
