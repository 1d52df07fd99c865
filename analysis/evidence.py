"""What experimental claims are judged on: packed records, the times of the losses, the paper's networks by count."""

import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from analysis import paired, records
from analysis.contrasts import COLD, FEATURE, Runs
from analysis.figures_network import NETWORKS
from fc_width.backbone import BACKBONES, CHANGES, Backbone
from fc_width.data import CLASSES
from fc_width.recipes import COLD as COLD_RECIPE


def load(data: Path, benchmark: Path) -> list[Runs]:
    """All that experiments are judged on.

    *Arguments*: `data`, a folder of packed records, taken a recipe and a feature at a time (those of a person's own
    data are passed over); `benchmark`, the table of `fc_width.benchmark losses`, passed over where it is missing. The
    paper's networks are counted.

    *Raises*: `ValueError` for a corrupt pack, one that mixes recipes or data, or a table that cannot be read."""
    frames = [records.load(pack) for pack in sorted(data.glob(f"*{records.PACK_SUFFIX}"))]
    found = list(of_recipes(pd.concat(frames, ignore_index=True))) if frames else []
    if benchmark.exists():
        found.append(
            Runs("the losses timed alone", "benchmark", FEATURE, {0: _benchmark(benchmark)}, 0, kind="benchmark")
        )
    return found + [_network(name) for name in NETWORKS]


def of_recipes(table: pd.DataFrame) -> Iterator[Runs]:
    """The runs of a table of records, a recipe and a feature at a time, with every number of classes; those without a
    softmax phase beside those with it, under a loss whose name ends in `contrasts.COLD`."""
    base = table["dataset"].str.partition(":")[0]
    known = table[base.isin(CLASSES)].drop_duplicates("run_id")
    cold = known["name"].str.endswith(COLD_RECIPE)
    known = known.assign(
        loss=known["loss"] + cold.map({True: COLD, False: ""}), name=known["name"].str.removesuffix(COLD_RECIPE)
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
        yield Runs(str(name), str(dataset), str(feature), frames, CLASSES[str(dataset)], changes)


def _benchmark(file: Path) -> pd.DataFrame:
    """The rows of the table that `fc_width.benchmark losses` writes: `size` (N, M, C), `loss`, `ms`."""
    found = []
    for line in file.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if re.fullmatch(r"\d+, \d+, \d+", cells[0]):
            try:
                size = tuple(int(number) for number in cells[0].split(", "))
                found.append({"size": size, "loss": cells[1], "ms": float(cells[2])})
            except (IndexError, ValueError) as error:
                raise ValueError(f"{file}: expected | N, M, C | loss | ms | …, got {line!r}") from error
    if not found:
        raise ValueError(f"{file}: no row | N, M, C | loss | ms | … in it")
    return pd.DataFrame(found)


def _network(name: str) -> Runs:
    """The FC layer of the paper's network at M_min, 10 M_min and 30 M_min."""
    shape, classes = NETWORKS[name]
    table = [
        {"loss": "softmax", "width": width, "seed": 0, "status": "done"}
        | {"fc_parameters": Backbone(BACKBONES[name], shape, width).fc_parameters()}
        for width in (factor * (classes - 1) for factor in (1, 10, 30))
    ]
    return Runs("the paper's network, by count", name, FEATURE, {classes: pd.DataFrame(table)}, classes, kind="network")
