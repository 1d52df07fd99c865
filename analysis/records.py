"""Records → one tidy DataFrame; and records packed into one small file, the source data of the committed
figures."""

import dataclasses
import gzip
import io
import json
import math
import shlex
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd

from fc_width import company
from fc_width.data import num_classes
from fc_width.recipes import RECIPES, Recipe
from fc_width.record import check_record, stopped_accuracy, stopped_epoch
from fc_width.store import CorruptRecordError, Store
from theory import console

PACK_SUFFIX = ".jsonl.gz"

MEASURED = (
    *(f"{split}_{what}" for split in ("train", "test") for what in ("accuracy", "angle", "inverted")),
    *("smallest_angle", "weight_sum_norm", "nc1", "variance_ratio", "nc2_means", "nc2_weights", "nc3"),
    *("fc_parameters", "classifier_parameters"),
)
"""What a run that is done has measured, as columns of `load`."""


def load(source: str | Path) -> pd.DataFrame:
    """All records of a folder of runs, or of one packed file, as a table with one row a run.

    *Arguments*: `source`, a folder that `fc_width.sweep` wrote, or a file that `pack` wrote.

    *Returns*: a DataFrame with the columns `run_id`, `status`, every field of the recipe, `classes` (C), `chance` (the
    share of the test images that are of their largest class; where a run does not say, 1/C), the final measurements
    (`test_accuracy` and the like, accuracies and shares in 0…1, angles in degrees), `met_accuracy` (the share of all
    samples met in training, augmented where the recipe says so, that were right when met: the features from before the
    step on them, the classifier from after it), `best_accuracy` (the test accuracy of the epoch that has the highest),
    `stopped_epoch` (from 1 on: the one that is best on the validation images; NaN where none were held out) and
    `stopped_accuracy` (the test accuracy after it), `later_met_accuracy` and `later_test_accuracy` (the means of those
    over the epochs after the softmax phase), the geometry (`nc1`, …), `fc_parameters`, `classifier_parameters`,
    `seconds`, `error` (why a run failed), the provenance (its precision as `computed_in`), and, as objects,
    `class_angles` (split → list of degrees), `epoch_accuracy` (split → list of 0…1, on `train` of the images when met),
    `correct` (base64 of packed bits) and `features` (M ≤ 3). What a run does not have (a diverged one, say) is NaN or
    None; the columns of `MEASURED` are there though no run has them.

    *Raises*: `FileNotFoundError` if there is no record, naming the command that makes them; `ValueError` if a
    record or the file is corrupt."""
    source = Path(source)
    rows = [_row(record) for record in _records(source)]
    if not rows:
        if source.is_file() or source.name.endswith(PACK_SUFFIX):
            raise FileNotFoundError(f"no records in {source}: expected a file that  python -m analysis --runs  packed")
        if packed := sorted(source.glob(f"*{PACK_SUFFIX}")):
            raise FileNotFoundError(f"no records in {source}: it holds packed files, give one of them, as {packed[0]}")
        command = f"python -m fc_width.sweep --out {shlex.quote(str(source))}"
        raise FileNotFoundError(f"no records in {source}: make them with  {command}")
    frame = pd.DataFrame(rows).sort_values("run_id", ignore_index=True)
    classes = pd.to_numeric(frame["classes"])  # a failed run of a person's own pictures does not say how many
    classes = classes.fillna(classes.groupby(frame["dataset"]).transform("max"))
    frame["classes"] = classes if classes.isna().any() else classes.astype(int)
    frame["chance"] = pd.to_numeric(frame["chance"]).fillna(1 / classes)
    return frame.assign(**{name: math.nan for name in MEASURED if name not in frame})


def done(runs: pd.DataFrame) -> pd.DataFrame:
    """Finished runs."""
    return runs[runs["status"] == "done"]


def none_done(runs: pd.DataFrame, source: str | Path) -> str:
    """That no run is done, and the first reason; "" if one is.

    *Arguments*: `runs`, rows of `load`; `source`, where they were loaded from."""
    if (runs["status"] == "done").any():
        return ""
    reasons = runs["error"].dropna()
    why = f", the first with: {' '.join(str(reasons.iloc[0]).split())}" if len(reasons) else ""
    return f"none of {len(runs)} runs in {source} is done: {tally(runs)}{why}"


def tally(runs: pd.DataFrame) -> str:
    """How many runs ended how: `3 done and 1 failed`."""
    return " and ".join(f"{count} {status}" for status, count in runs["status"].value_counts().items())


def pack(folder: str | Path, file: Path) -> None:
    """Write all records of a folder into one gzipped file of JSON lines, the same bytes for the same records, whole or
    not at all. Those that the file holds already stay if the folder has none of the run; and, if they are done, where
    the folder's is not.

    *Raises*: `ValueError` if the folder has none, or if they are not all of one recipe, data and precision."""
    own = {record["run_id"]: record for record in Store(folder).records()}
    if not own:
        raise ValueError(f"no records in {folder}: expected a folder that python -m fc_width.sweep wrote")
    kept = {record["run_id"]: record for record in _records(file)} if file.exists() else {}
    done = {run_id for run_id, record in kept.items() if record["status"] == "done"}
    together = kept | {k: record for k, record in own.items() if record["status"] == "done" or k not in done}
    known = company.of_record(next(iter(own.values())))
    for record in together.values():
        about = company.of_record(record)
        if apart := company.apart(about, known):
            told = company.told(apart, " and ")
            raise ValueError(
                f"{file} and {folder} hold runs that do not belong in one table ({told}): choose another --out"
            )
        known |= {key: value for key, value in about.items() if value is not None}  # a failed run knows less
    lines = "".join(f"{json.dumps(together[run_id])}\n" for run_id in sorted(together))
    file.parent.mkdir(parents=True, exist_ok=True)
    packed = io.BytesIO()
    with gzip.GzipFile("", "wb", 9, packed, mtime=0) as stream:
        stream.write(lines.encode())
    console.write_whole(file, packed.getvalue())


def recipe_of(run: "pd.Series[Any]") -> Recipe:
    """The recipe of a row of `load`."""
    default = dataclasses.asdict(Recipe())
    return Recipe(**{name: type(value)(run[name]) for name, value in default.items()})


def sweep_command(recipe: Recipe, seeds: int, widths: Sequence[int] = (), dataset: str = "") -> str:
    """The command that makes the runs of a recipe.

    *Arguments*: `recipe`, with any seed; `seeds`, how many, from the first on; `widths`, if not the recipe's;
    `dataset`, what to call its data, if not by its name.

    *Raises*: `KeyError` if its name is not one of `RECIPES`."""
    base = RECIPES[recipe.name].recipe
    parts = [f"python -m fc_width.sweep --recipe {recipe.name}"]
    if dataset or recipe.dataset != base.dataset:
        parts.append(f"--dataset {dataset or recipe.dataset}")
    parts.append(f"--widths {' '.join(map(str, widths or [recipe.width]))} --losses {recipe.loss} --seeds {seeds}")
    if recipe.feature != Recipe.feature:
        parts.append(f"--features {recipe.feature}")
    changes = [f"{name}={ours}" for name, (ours, _) in recipe.differences(base).items() if name != "dataset"]
    return " ".join([*parts, *(["--set", *changes] if changes else [])])


def _records(source: Path) -> Iterator[dict[str, Any]]:
    if source.is_dir() or not source.exists():
        yield from Store(source).records()
        return
    try:
        with gzip.open(source, "rt", encoding="utf-8") as stream:
            for line in stream:
                record = json.loads(line)
                check_record(record)
                yield record
    except (OSError, EOFError, ValueError, RecursionError, zlib.error) as error:
        raise CorruptRecordError(f"{source}: not a file of packed records ({error})") from error


def _row(record: dict[str, Any]) -> dict[str, Any]:
    provenance = dict(record.get("provenance", {}))
    computed_in = provenance.pop("precision", None)  # while `precision` is what the recipe asks for
    row: dict[str, Any] = provenance | {"run_id": record["run_id"], "status": record["status"]}
    row |= dataclasses.asdict(Recipe()) | record["recipe"]  # a field younger than the record is at its default
    done = record["status"] == "done"
    row["met_accuracy"] = fmean(record.get("train_accuracy") or [math.nan]) if done else math.nan
    row["stopped_epoch"], row["stopped_accuracy"] = stopped_epoch(record), stopped_accuracy(record)
    row["best_accuracy"] = max(record.get("test_accuracy") or [math.nan]) if done else math.nan
    for name, split in (("later_met_accuracy", "train"), ("later_test_accuracy", "test")):
        later = record.get(f"{split}_accuracy", [])[row["softmax_epochs"] :]
        row[name] = fmean(later or [math.nan]) if done else math.nan
    row["epoch_accuracy"] = {split: record.get(f"{split}_accuracy", []) for split in ("train", "test")}
    row["classes"] = record.get("classes") or num_classes(row["dataset"])
    row["chance"] = record.get("largest_class")
    row |= {"test_accuracy": math.nan} | record.get("final", {}) | record.get("geometry", {})
    row |= {f"{part}_parameters": count for part, count in record.get("parameters", {}).items()}
    row["computed_in"] = computed_in
    return row | {key: record.get(key) for key in ("seconds", "error", "class_angles", "correct", "features")}
