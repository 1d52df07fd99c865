"""What to do, in plain sentences, from what is known of the widths."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from scipy import stats

from analysis import plateau
from analysis.embeddings import EffectiveRank, shown_to_lose_less
from analysis.paired import MIN_SEEDS
from analysis.widths import SWEEP, cost
from theory import bounds


@dataclass(frozen=True)
class Advice:
    """What is known of the widths.

    *Attributes*: `classes`, C; `features`; `widths`, a row a width (`cost`); `knees`, a row a loss, feature and margin,
    and what is wrong with runs that have none; `simplex`, what the fixed simplex gains (`simplex_gains`); `rank` of the
    features, and `kept`, accuracy by number of principal axes, as rows; `elsewhere`, knees of other data sets
    (`knees_elsewhere`), where nothing is known of one's own.
    """

    classes: int
    features: int
    widths: list[dict[str, Any]]
    knees: list[dict[str, Any]] = field(default_factory=list)
    rank: EffectiveRank | None = None
    kept: list[dict[str, Any]] = field(default_factory=list)
    simplex: list[dict[str, Any]] = field(default_factory=list)
    elsewhere: list[dict[str, Any]] = field(default_factory=list)


def recommendation(advice: Advice) -> list[str]:
    """What to do, in plain sentences, each with the numbers behind it."""
    C = advice.classes
    angle = math.degrees(bounds.largest_min_angle(C, C - 1).lower)
    said = [
        f"C − 1 = {C - 1} is the width that makes equal angles between {C} weight vectors possible ({angle:.2f}°); "
        "it need not be the width that accuracy needs."
    ]
    measured = [_measured(advice), _from_features(advice)]
    said += [sentence for sentence in measured if sentence]
    if not any(measured):
        half = -(-C // 2)
        said.append(
            f"Nothing here measures accuracy on your data. ⌈C/2⌉ = {half} already allows angles of 90°. "
            f"{_elsewhere(advice)}What your data needs, a sweep tells: python -m fc_width.sweep --dataset FOLDER, and "
            "then --runs."
        )
    taken = best(advice)
    if C > 2 and not (taken and taken["guessing"]):
        said.append(f"If you take C − 1, with features of both signs, {_simplex(advice, taken)}.")
    return said


def _elsewhere(advice: Advice) -> str:
    """The knees of other data sets, those with all their classes one by one, and the largest of all over its C − 1."""
    margin = max(plateau.MARGINS)
    rows = [row for row in advice.elsewhere if row["margin"] == margin]
    decided = [row for row in rows if row["knee"] is not None]
    if not decided:
        return ""
    whole = [row for row in decided if ":" not in row["dataset"]] or decided  # of subsets, where there is no more
    told = [f"{row['dataset']} {_from_to(row)}" for row in whole]
    largest = max(decided, key=lambda row: row["knee"] / (row["classes"] - 1))
    factor = largest["knee"] / (largest["classes"] - 1)
    width = math.ceil(factor * (advice.classes - 1))
    at = cost(advice.classes, advice.features, [width])[0]
    taken = size(at["fc_bytes"] + at["classifier_bytes"])
    return (
        f"In the small CNNs measured elsewhere the knee of softmax within {margin:g} points is: {', '.join(told)}; "
        f"decided for {len(decided)} of {len(rows)} data sets and parts of such. The largest of these, over C − 1, is "
        f"{factor:g} times it ({largest['dataset']}): {width} units here, {taken} of layer and classifier; a guess, "
        "from short trainings, in which wide layers may only learn faster. "
    )


def _from_to(row: dict[str, Any]) -> str:
    """`3 (C − 1 = 9)`, `8 (7 to 8; C − 1 = 9)`."""
    may = "" if row["low"] == row["knee"] else f"{row['low']:g} to {row['knee']:g}; "
    return f"{row['knee']:g} ({may}C − 1 = {row['classes'] - 1})"


def best(advice: Advice) -> dict[str, Any] | None:
    """The knee, at any margin, of the runs that are to advise: of those that learned, softmax's, or, where it has no
    plateau, another loss's, with the feature of the highest plateau; None without any."""
    known = [row for row in advice.knees if "problem" not in row]
    return min(known, key=lambda row: (row["guessing"], row["loss"] != "softmax", -row["plateau"]), default=None)


def _measured(advice: Advice) -> str:
    """What the runs recommend: of `best`, the knee at the smallest margin that decides one."""
    if not advice.knees:
        return ""
    taken = best(advice)
    if taken is None:
        row = advice.knees[0]
        return f"Your runs ({row['loss']}, {row['feature']}) have {row['problem']}. {row['remedy']}"
    if taken["guessing"]:
        return f"No width is advised: {guessing(taken)} ({taken['loss']}, {taken['feature']}). {taken['remedy']}"
    rows = [row for row in advice.knees if "problem" not in row and all(row[key] == taken[key] for key in SWEEP)]
    rows = sorted(rows, key=lambda row: row["margin"])
    decided = [row for row in rows if row["width"] is not None]
    first = decided[0] if decided else rows[-1]
    seeds = f"{first['seeds']} seed{'s' * (first['seeds'] != 1)}"
    what = f"{first['loss']}, {first['feature']}, {seeds}, plateau {100 * first['plateau']:.2f} %"
    if first["width"] is None:
        means = "" if first["estimate"] is None else f"; by the means alone, M = {first['estimate']}"
        lost = f"; {first['failures']} runs failed or diverged, each counted as guessing" if first["failures"] else ""
        return (
            f"Your runs do not decide the knee within {first['margin']:g} points ({what}: {first['text']}{means}"
            f"{lost}). {first['remedy']}"
        )
    at, full = cost(advice.classes, advice.features, [first["width"]])[0], _at_simplex(advice)
    sizes = [size(row["fc_bytes"] + row["classifier_bytes"]) for row in (at, full)]
    least = f"; the least that does may be {first['low']}" if first["low"] != first["width"] else ""
    least += f"; fewer than {first['low']} were not tried" if first["untried"] else ""
    narrower = [width for width in first["widths"] if width < first["width"]]
    if narrower and narrower[-1] in first["failed"]:
        least += f"; M = {narrower[-1]} is out as a run failed or diverged there, which counts as guessing"
    more = [row for row in decided if row["width"] != first["width"]]
    others = "".join(f" For less than {row['margin']:g} points M = {row['width']} does." for row in more)
    return (
        f"Take M = {first['width']}: on your runs it is shown to lose less than {first['margin']:g} points "
        f"({what}{least}; {over(first)}), with {sizes[0]} of layer and classifier against {sizes[1]} at C − 1.{others}"
    )


def guessing(row: dict[str, Any]) -> str:
    """That runs do no better than guessing, with the numbers."""
    chance = row["chance"]
    verb = "do no" if row["plateau"] <= chance else "are not shown to do"
    end = row["plateau_low"]
    low = "" if end is None else f", lower one-sided 95 % end over seeds {100 * end:.2f} %"
    images = f", {row['images']:,} test images" if row["images"] else ""
    found = f"plateau {100 * row['plateau']:.2f} %{low}{images}"
    than = "guessing" if math.isclose(chance, 1 / row["classes"]) else "naming the largest class every time"
    return f"your runs {verb} better than {than}, {100 * chance:.4g} %: {found}"


def over(row: dict[str, Any]) -> str:
    """What the intervals of a knee are over."""
    images = f"{row['images']:,} " if row["images"] else ""
    return f"over seeds, not over the draw of the {images}test images"


def _simplex(advice: Advice, knee: dict[str, Any] | None) -> str:
    """What the fixed simplex saves, and what it is shown to cost, by one comparison, which its result does not choose:
    with the feature of the knee, of the most seeds, and with the least α, as what it saves does not depend on α."""
    whole = _at_simplex(advice)
    share = whole["classifier_bytes"] / (whole["classifier_bytes"] + whole["fc_bytes"])
    saved = f"{size(whole['simplex_saves'])}, {100 * share:.0f} % of layer and classifier"
    if not advice.simplex:
        return f"the fixed simplex costs no classifier ({saved}); its accuracy is not measured here"
    feature = None if knee is None else knee["feature"]
    row = min(
        advice.simplex,
        key=lambda row: (row["feature"] != feature, -row["seeds"], float(row["loss"].partition(":")[2] or 1)),
    )
    low, high, margin = row["low"], row["high"], max(plateau.MARGINS)
    interval = "one seed" if low is None else f"95 % interval {low:.2f} to {high:.2f}, {row['seeds']} seeds"
    lost = f", {row['failed']} runs failed" if row["failed"] else ""
    told = f"{row['loss']} minus softmax, {row['feature']}: {row['difference']:.2f} points, {interval}{lost}"
    told = told.replace(" -", " −")
    if low is not None and low > -margin and row["seeds"] >= MIN_SEEDS and not row["failed"]:
        return f"take the fixed simplex: it saves {saved}, and is shown to lose less than {margin:g} points ({told})"
    return f"the fixed simplex saves {saved}, but is not shown to lose less than {margin:g} points ({told})"


def _at_simplex(advice: Advice) -> dict[str, Any]:
    return cost(advice.classes, advice.features, [advice.classes - 1])[0]


def _from_features(advice: Advice) -> str:
    if advice.rank is None:
        return ""
    rank = advice.rank
    said = (
        f"The features vary in about {rank.participation:.1f} (participation) to {rank.entropy:.1f} (entropy) of their "
        f"{rank.width} directions; 99 % of the variance are on {rank.at_99}"
    )
    return f"{said}{_axes(advice.kept, rank)}."


def _axes(kept: Sequence[dict[str, Any]], rank: EffectiveRank) -> str:
    """To how many axes PCA keeps the accuracy: the knee, as `plateau` defines it, each shown over the rows, paired."""
    if not kept or rank.width == 1:
        return ""
    *narrower, whole = kept
    accuracy, chance = whole["accuracy"], whole["chance"]
    hits = round(accuracy * rank.rows)
    if stats.binomtest(hits, rank.rows, chance, alternative="greater").pvalue >= 1 - plateau.CONFIDENCE:
        verb = "is no" if accuracy <= chance else "is not shown to be"
        nearest = whole["classifier"] == "nearest-mean"
        other = (
            "; nearest means take all classes for equally frequent: see what --classifier logistic says"
            if nearest
            else ""
        )
        return (
            f"; the {whole['classifier']} classifier on all {rank.width} {verb} better than naming the largest class "
            f"every time ({100 * accuracy:.2f} % of {rank.rows} rows right, {100 * chance:.2f} %), so no PCA is "
            f"recommended{other}"
        )
    if not narrower:
        return ""
    margin = max(plateau.MARGINS)
    near = list(itertools.takewhile(lambda row: row["loss"] < margin, reversed(narrower)))
    shown = list(
        itertools.takewhile(lambda row: shown_to_lose_less(margin, rank.rows, row["lost"], row["gained"]), near)
    )
    right = f"the {100 * accuracy:.2f} % that the {whole['classifier']} classifier has on all {rank.width}"
    within = f"keeps the accuracy within {margin:g} points of {right}"
    if not near:
        return f"; PCA to none of the widths tried {within}"
    wider = ", as does every wider one tried" if len(shown or near) > 1 else ""
    if not shown:
        return (
            f"; PCA to {near[-1]['width']} {within}{wider}, on these rows, but that is not shown: of {rank.rows} rows "
            f"one is {100 / rank.rows:.2g} points; give more rows, or see it as a guess of where a sweep should look"
        )
    return (
        f"; PCA to {shown[-1]['width']} {within}{wider} (paired, one-sided 95 % over {rank.rows} rows): a guide to "
        "where a sweep should look, not a trained layer, which may use what this classifier does not"
    )


def size(count: float) -> str:
    """Bytes as a person says them."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
