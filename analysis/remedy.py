"""Why runs tell no width, and the sweep that would."""

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from scipy import stats

from analysis import paired, plateau, records
from analysis.widths import SWEEP, knees
from fc_width.recipes import RECIPES, SWEPT, Recipe, default_recipe, sweep_widths

MORE = 5
"""Seeds at least of a sweep that is to decide."""


def knees_or_remedy(runs: pd.DataFrame, source: Path) -> list[dict[str, Any]]:
    """`widths.knees`, with the `remedy` where they tell no width; where no sweep has a plateau, the one that tells the
    most first.

    *Arguments*: `runs`, rows of `records.load`; `source`, where they were loaded from, for the command.

    *Returns*: the rows of `widths.knees`, those with a `problem` once, with further: `images` of the test set, None if
    the runs do not say; `chance`, the accuracy of naming the largest class every time; `guessing`, whether the plateau
    is not shown to be above that; `remedy`, if no width is told."""
    sweeps: dict[Any, pd.DataFrame] = dict(iter(runs.groupby(list(SWEEP))))
    rows = [(tuple(row[key] for key in SWEEP), row) for row in knees(runs)]
    judged = [_judged(row, sweeps[key], source) for key, row in rows if "problem" not in row]

    def rank(key: Any) -> tuple[bool, bool, int, bool]:
        own = sweeps[key]
        loss, feature = own["loss"].iloc[0], own["feature"].iloc[0]
        return loss != "softmax", _has_one_width(loss), -own["width"].nunique(), feature != Recipe.feature

    first = [] if judged else [min(sweeps, key=rank)]
    lacking = dict.fromkeys([*first, *(key for key, row in rows if "problem" in row)])
    return judged + [_without_plateau(sweeps[key], source) for key in lacking]


def _judged(row: dict[str, Any], own: pd.DataFrame, source: Path) -> dict[str, Any]:
    """A row of `widths.knees` with what more is known of its runs."""
    images = paired.images_tested(own)
    low, plateau_, chance = row["plateau_low"], row["plateau"], float(own["chance"].max())
    above = low is not None and low > chance
    if images is not None:  # networks that name one class every time are all of them right as often as it is there
        above &= bool(
            stats.binomtest(round(plateau_ * images), images, chance, "greater").pvalue < 1 - plateau.CONFIDENCE
        )
    guessing = not above and (low is not None or plateau_ <= chance)
    remedy = ""
    if guessing:
        remedy = _trained_anew(own, source)
    elif row["width"] is None:
        remedy = _more_seeds(own, source, row["untried"])
    known = {"images": images, "chance": chance, "guessing": guessing}
    return row | known | ({"remedy": remedy} if remedy else {})


def _trained_anew(own: pd.DataFrame, source: Path) -> str:
    """What to do about runs that did not learn: see on one run that another recipe does."""
    recipe = records.recipe_of(own.iloc[0])
    told = f"Epochs {recipe.epochs}, learning rate {recipe.lr:g}: see on one run whether others learn"
    swept = {field: getattr(recipe, field) for field in (*SWEPT, "dataset")}
    name = recipe.name if recipe.name in RECIPES else default_recipe(recipe.dataset)
    whole = dataclasses.replace(RECIPES[name].recipe, **swept)
    if dataclasses.replace(recipe, name=name).differences(whole):
        how, suffix = "the recipe's own", "-anew"
    else:
        how = "a tenth of the rate"
        whole, suffix = _slower(whole)
    command = _command(whole, [int(own["classes"].iloc[0]) - 1], 1)
    return f"{told}, say {how}: {command} --out {_out(source, suffix)}."


def _more_seeds(own: pd.DataFrame, source: Path, untried: bool) -> str:
    """The sweep that would decide what runs with a plateau do not; `untried`: also at narrower widths."""
    recipe, C = records.recipe_of(own.iloc[0]), int(own["classes"].iloc[0])
    start, end = (round(factor * (C - 1)) for factor in plateau.PLATEAU)
    how, suffix = "", "" if recipe.name in RECIPES else "-anew"
    seeds = max(MORE, 2 * (int(own["seed"].max()) + 1))
    if (own.loc[own["width"].between(start, end, inclusive="left"), "status"] == "diverged").any():
        recipe, suffix = _slower(recipe)
        how, seeds = " at a tenth of the learning rate", max(MORE, seeds // 2)
    widths = {int(width) for width in own["width"] if width < end}
    widths |= {width for width in sweep_widths(C) if width < min(widths)} if untried else set()
    out = _out(source, suffix)
    looked = not suffix and own["seed"].nunique() >= paired.MIN_SEEDS
    again = "; with such a second look an error of 5 % is one of some 8 to 12 %" if looked else ""
    return f"Run more seeds{how}: {_command(recipe, sorted(widths), seeds)} --out {out}, then --runs {out}{again}."


def _slower(recipe: Recipe) -> tuple[Recipe, str]:
    """A recipe at a tenth of its learning rate, and what its folder's name ends in."""
    slower = dataclasses.replace(recipe, lr=recipe.lr / 10)
    return slower, f"-lr-{slower.lr:g}"


def _out(source: Path, suffix: str) -> str:
    """The folder beside or of the runs, for a shell."""
    folder = source if source.is_dir() else Path("runs", source.name.removesuffix(records.PACK_SUFFIX))
    return shlex.quote(f"{folder}{suffix}")


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
        counts = [
            f"{records.tally(at)} at M = {width}" for width, at in (inside if len(inside) else own).groupby("width")
        ]
        why = (
            f"it wants two widths from M = {start} on and below {end}, with the same seeds and every run done; got "
            f"{', '.join(counts)}"
            if done
            else f"none of {len(own)} runs is done: {records.tally(own)}"
        )
        if ((inside if done else own)["status"] == "diverged").any():
            recipe, suffix = _slower(recipe)
            how = " at a tenth of the learning rate"
    least = 1 if suffix or own["width"].nunique() < 2 else start
    widths = [width for width in sweep_widths(C) if least <= width < end]
    out = _out(source, suffix)
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
    own = recipe.dataset.startswith("own-")  # of which a record does not say where the pictures are
    return records.sweep_command(recipe, seeds, widths, "FOLDER" if own else "")


def _has_one_width(loss: str) -> bool:
    return loss.startswith("w-softmax-simplex")
