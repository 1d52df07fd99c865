"""What experimental claims are judged on: packed records, times of losses and of training steps, the paper's networks
by count."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from analysis import paired, records
from analysis.experiment import COLD_LOSS, FEATURE, Runs
from fc_width.backbone import BACKBONES, CHANGES, NETWORKS, Backbone
from fc_width.data import CLASSES
from fc_width.recipes import COLD, RECIPES

LOSSES, TRAINING = "benchmark-losses.md", "benchmark-training.md"
"""What `fc_width.benchmark` says of them, beside the figures."""


def load(out: Path) -> list[Runs]:
    """All that experiments are judged on.

    *Arguments*: `out`, a folder as `python -m analysis` leaves it: the packed records in its `data`, taken a recipe and
    a feature at a time (those of a person's own data are passed over); the tables of `fc_width.benchmark` for `losses`
    and `training`, passed over where they are missing. The paper's networks are counted.

    *Raises*: `ValueError` for a corrupt pack, one that mixes recipes or data, or a table that cannot be read."""
    frames = [records.load(pack) for pack in sorted((out / "data").glob(f"*{records.PACK_SUFFIX}"))]
    found = list(of_recipes(pd.concat(frames, ignore_index=True))) if frames else []
    if (losses := out / LOSSES).exists():
        found.append(Runs("the losses timed alone", "benchmark", FEATURE, {0: _losses(losses)}, 0, kind="losses timed"))
    if (training := out / TRAINING).exists():
        found += _training(training)
    return found + [_network(name) for name in NETWORKS]


def of_recipes(table: pd.DataFrame) -> Iterator[Runs]:
    """The runs of a table of records, a recipe and a feature at a time, with every number of classes; those without a
    softmax phase beside those with it, under a loss whose name ends in `experiment.COLD_LOSS`."""
    base = table["dataset"].str.partition(":")[0]
    known = table[base.isin(CLASSES)].drop_duplicates("run_id")
    cold = known["name"].str.endswith(COLD)
    known = known.assign(
        loss=known["loss"] + cold.map({True: COLD_LOSS, False: ""}), name=known["name"].str.removesuffix(COLD)
    )
    for (name, dataset, feature), group in known.groupby(["name", base[known.index].rename("base"), "feature"]):
        frames = {int(C): group[group["classes"] == C] for C in sorted(group["classes"].unique())}
        for frame in frames.values():
            paired.single(frame, [field for field in paired.SAME if field != "softmax_epochs"])
            for _, of_phase in frame.groupby(cold[frame.index]):
                paired.single(of_phase, paired.SAME)
            for _, of_loss in frame.groupby("loss"):
                paired.single_seeds(of_loss)
        changes = CHANGES.get(group["backbone"].iloc[0], "")
        augmented = bool((group["flip"] > 0).any() or (group["shift"] > 0).any())
        whole = CLASSES[str(dataset)]
        yield Runs(str(name), str(dataset), str(feature), frames, whole, changes, augmented=augmented)


def _losses(file: Path) -> pd.DataFrame:
    """The table that `fc_width.benchmark losses` writes: `size` (N, M, C), `loss`, `ms`."""

    def row(cells: Sequence[str]) -> dict[str, Any]:
        return {"size": tuple(int(n) for n in cells[0].split(", ")), "loss": cells[1], "ms": float(cells[2])}

    return pd.DataFrame(_rows(file, r"\d+, \d+, \d+", row, "| N, M, C | loss | ms | …"))


def _training(file: Path) -> Iterator[Runs]:
    """The table that `fc_width.benchmark training` writes, a recipe at a time: of each loss and width the milliseconds
    of a training step, `ms`, with each round for a `seed`."""

    def row(cells: Sequence[str]) -> dict[str, Any]:
        return {"recipe": cells[0], "loss": cells[1], "width": int(cells[2]), "ms": [*map(float, cells[5].split(", "))]}

    names = "|".join(map(re.escape, RECIPES))
    table = pd.DataFrame(_rows(file, names, row, "| recipe | loss | M | … | … | ms in each round |")).explode("ms")
    table = table.assign(seed=table.groupby(["recipe", "loss", "width"]).cumcount(), status="done")
    machine = re.search(r"; ([^;]+), torch ", _text(file))
    for name, rows in table.groupby("recipe"):
        recipe = RECIPES[str(name)].recipe
        changes, classes = CHANGES.get(recipe.backbone, ""), CLASSES[recipe.dataset]
        on = machine.group(1) if machine else ""
        yield Runs(str(name), recipe.dataset, FEATURE, {classes: rows}, classes, changes, "training timed", on)


def _rows(
    file: Path, first: str, parse: Callable[[Sequence[str]], dict[str, Any]], expected: str
) -> list[dict[str, Any]]:
    """The rows of a table in Markdown whose first cell matches `first`, each parsed."""
    found = []
    for line in _text(file).splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if re.fullmatch(first, cells[0]):
            try:
                found.append(parse(cells))
            except (IndexError, ValueError) as error:
                raise ValueError(f"{file}: expected {expected}, got {line!r}") from error
    if not found:
        raise ValueError(f"{file}: no row {expected} in it")
    return found


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: not UTF-8 ({error})") from error


def _network(name: str) -> Runs:
    """The parameters of the paper's network and of its FC layer at M_min, 10 M_min and 30 M_min."""
    shape, classes = NETWORKS[name]
    table = []
    for width in (factor * (classes - 1) for factor in (1, 10, 30)):
        with torch.device("meta"):  # counted, not made
            backbone = Backbone(BACKBONES[name], shape, width)
        whole = sum(each.numel() for each in backbone.parameters()) + classes * width
        counts = {"fc_parameters": backbone.fc_parameters(), "parameters": whole}
        table.append({"loss": "softmax", "width": width, "seed": 0, "status": "done"} | counts)
    return Runs("the paper's network, by count", name, FEATURE, {classes: pd.DataFrame(table)}, classes, kind="network")
