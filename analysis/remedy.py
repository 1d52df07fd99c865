"""Why runs tell no width, and the sweep that would."""

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis import paired, plateau, records
from analysis.widths import knees
from fc_width.recipes import RECIPES, Recipe, default_recipe, sweep_widths

SWEEP = ("dataset", "loss", "feature")
"""What the runs of one knee share."""


def knees_or_remedy(runs: pd.DataFrame, source: Path) -> list[dict[str, Any]]:
    """`widths.knees`; where no sweep has a plateau, the one that tells the most first, with the `remedy`.

    *Arguments*: `runs`, rows of `records.load`; `source`, where they were loaded from, for the command."""
    rows = knees(runs)
    if any("problem" not in row for row in rows):
        return rows

    def rank(own: pd.DataFrame) -> tuple[bool, bool, int, bool]:
        loss, feature = own["loss"].iloc[0], own["feature"].iloc[0]
        return loss != "softmax", _has_one_width(loss), -own["width"].nunique(), feature != Recipe.feature

    first = _without_plateau(min((own for _, own in runs.groupby(list(SWEEP))), key=rank), source)
    return [first, *(row for row in rows if any(row[key] != first[key] for key in SWEEP))]


def _without_plateau(own: pd.DataFrame, source: Path) -> dict[str, Any]:
    """Why a sweep has no plateau, and the command that makes one: of what it lacks, or, where its own recipe does not
    do, of another in another folder."""
    recipe, C = records.recipe_of(own.iloc[0]), int(own["classes"].iloc[0])
    start, end = (round(factor * (C - 1)) for factor in plateau.PLATEAU)
    inside = own[own["width"].between(start, end, inclusive="left")]
    done = bool((own["status"] == "done").any())
    how, suffix = "", "" if recipe.name in RECIPES else "-anew"
    try:
        paired.single(own, (*paired.SAME, *SWEEP))
        paired.single_seeds(own)
    except ValueError as error:
        why, suffix = str(error), "-anew"
    else:
        counts = [f"{_tally(at)} at M = {width}" for width, at in (inside if len(inside) else own).groupby("width")]
        why = (
            f"it wants two widths from M = {start} on and below {end}, with the same seeds and every run done; got "
            f"{', '.join(counts)}"
            if done
            else f"none of {len(own)} runs is done: {_tally(own)}"
        )
        if ((inside if done else own)["status"] == "diverged").any():
            recipe = dataclasses.replace(recipe, lr=recipe.lr / 10)
            how, suffix = " at a tenth of the learning rate", f"-lr-{recipe.lr:g}"
    least = 1 if suffix or own["width"].nunique() < 2 else start
    widths = [width for width in sweep_widths(C) if least <= width < end]
    folder = source if source.is_dir() else Path("runs", source.name.removesuffix(records.PACK_SUFFIX))
    out = shlex.quote(f"{folder}{suffix}")
    command = _command(recipe, widths, int(own["seed"].max()) + 1)
    return {key: str(own[key].iloc[0]) for key in SWEEP} | {
        "margin": min(plateau.MARGINS),
        "problem": f"no plateau to compare with: {why}",
        "remedy": f"Make one{how}: {command} --out {out}, then --runs {out}.",
    }


def _command(recipe: Recipe, widths: Sequence[int], seeds: int) -> str:
    """The sweep of a recipe at these widths."""
    if recipe.name not in RECIPES:
        recipe = dataclasses.replace(recipe, name=default_recipe(recipe.dataset))
    if _has_one_width(recipe.loss):
        recipe = dataclasses.replace(recipe, loss="softmax")
    given = f"--widths {' '.join(map(str, widths))}"
    if recipe.dataset.startswith("own-"):  # a record does not say where its pictures are
        recipe = dataclasses.replace(recipe, dataset=RECIPES[recipe.name].recipe.dataset)
        given = f"--dataset FOLDER {given}"
    return records.sweep_command(recipe, seeds).replace(f"--widths {recipe.width}", given)


def _has_one_width(loss: str) -> bool:
    return loss.startswith("w-softmax-simplex")


def _tally(runs: pd.DataFrame) -> str:
    return " and ".join(f"{count} {status}" for status, count in runs["status"].value_counts().items())
