"""``python -m analysis.advise --classes 1000 --features 2048``: what each width of the layer before the classifier
buys in angle and costs in memory; with records or features of your own, what it costs in accuracy."""

import dataclasses
import itertools
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import tyro
from scipy import stats

from analysis import plateau, records
from analysis.embeddings import Classifier, EffectiveRank, effective_rank, pca_accuracy, read
from analysis.remedy import SWEEP, knees_or_remedy
from analysis.widths import Advice, cost
from fc_width.recipes import sweep_widths
from theory import bounds, console


@dataclasses.dataclass(frozen=True)
class Options:
    """Say what each width M of the layer before the classifier buys and costs.

    C − 1 is the width that makes equal angles between C weight vectors possible. It need not be the width that accuracy
    needs: that is measured, with --runs or --embeddings.
    """

    classes: int | None = None
    """C, the number of classes (default: that of --runs, or of --labels)."""
    features: int | None = None
    """Numbers that go into the FC layer (default: those of --runs, or of --embeddings)."""
    widths: tuple[int, ...] = ()
    """Widths M (default: the telling ones)."""
    runs: Path | None = None
    """Folder of records of your own data, by python -m fc_width.sweep, or a packed file: the knee is measured."""
    embeddings: Path | None = None
    """.npy of features (N, D) of an existing model, on data that it was not trained on: their effective rank."""
    labels: Path | None = None
    """.npy of their labels (N,): what accuracy PCA to each width keeps, cross-validated."""
    classifier: Classifier = "nearest-mean"
    """What is fitted on the principal axes."""
    json: Path | None = None
    """Write all of it to this file too."""


def advise(options: Options) -> Advice:
    """All that the options ask for.

    *Raises*: `ValueError` or `OSError` saying what does not fit.
    """
    if options.labels is not None and options.embeddings is None:
        raise ValueError("--labels are those of --embeddings: give both")
    runs = None if options.runs is None else records.load(options.runs)
    features, labels = (None, None) if options.embeddings is None else read(options.embeddings, options.labels)
    found = {"--classes": options.classes}
    if runs is not None and runs["classes"].notna().any():  # a failed run does not say
        found |= {"--runs": _one(runs["classes"], "number of classes")}
    found |= {} if labels is None else {"--labels": int(labels.max()) + 1}
    classes = _agreed(found, "number of classes, C")
    if classes < 2:
        raise ValueError(f"C must be at least 2, got C={classes}")
    inputs = options.features
    if inputs is None and runs is not None and "fc_parameters" in runs:
        inputs = _inputs(runs)
    if inputs is None and features is not None:
        inputs = features.shape[1]
    if inputs is None:
        raise ValueError("how many numbers go into the FC layer? Give --features")
    if inputs < 1:
        raise ValueError(f"features must be at least 1, got {inputs}")
    widths = sorted(set(options.widths or {*bounds.default_widths(classes), *sweep_widths(classes)}))
    advice = Advice(classes, inputs, cost(classes, inputs, widths))
    if runs is not None and options.runs is not None:
        advice = dataclasses.replace(advice, knees=knees_or_remedy(runs.assign(classes=classes), options.runs))
    if features is not None:
        advice = dataclasses.replace(advice, rank=effective_rank(features))
        if labels is not None:
            kept = pca_accuracy(features, labels, widths, options.classifier).to_dict("records")
            advice = dataclasses.replace(advice, kept=[{str(key): row[key] for key in row} for row in kept])
    return advice


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
            f"Nothing here measures accuracy. ⌈C/2⌉ = {half} already allows angles of 90°; whether that or less does "
            "for your data, a sweep tells: python -m fc_width.sweep --dataset FOLDER, and then --runs."
        )
    whole = _at_simplex(advice)
    share = whole["classifier_bytes"] / (whole["classifier_bytes"] + whole["fc_bytes"])
    said.append(
        "If you take C − 1, with features of both signs, take the fixed simplex: it saves "
        f"{_size(whole['simplex_saves'])}, {100 * share:.0f} % of layer and classifier."
    )
    return said


def _measured(advice: Advice) -> str:
    """What the runs recommend: of softmax, or, where it has no plateau, of another loss, with the feature of the
    highest plateau, the knee at the smallest margin that decides one."""
    if not advice.knees:
        return ""
    known = [row for row in advice.knees if "problem" not in row]
    if not known:
        row = advice.knees[0]
        return f"Your runs ({row['loss']}, {row['feature']}) have {row['problem']}. {row['remedy']}"
    best = min(known, key=lambda row: (row["loss"] != "softmax", -row["plateau"]))
    rows = sorted((row for row in known if all(row[key] == best[key] for key in SWEEP)), key=lambda row: row["margin"])
    decided = [row for row in rows if row["width"] is not None]
    first = decided[0] if decided else rows[-1]
    what = f"{first['loss']}, {first['feature']}, {first['seeds']} seeds, plateau {100 * first['plateau']:.2f} %"
    if first["width"] is None:
        means = "" if first["estimate"] is None else f"; by the means alone, M = {first['estimate']}"
        return (
            f"Your runs do not decide the knee within {first['margin']:g} points ({what}: {first['text']}{means}): "
            "run more seeds, or more widths: python -m fc_width.sweep --seeds …"
        )
    at, full = cost(advice.classes, advice.features, [first["width"]])[0], _at_simplex(advice)
    sizes = [_size(row["fc_bytes"] + row["classifier_bytes"]) for row in (at, full)]
    least = f"; the least that does may be {first['low']}" if first["low"] != first["width"] else ""
    more = [row for row in decided if row["width"] != first["width"]]
    others = "".join(f" For less than {row['margin']:g} points M = {row['text']} does." for row in more)
    return (
        f"Take M = {first['width']}: on your runs it is shown to lose less than {first['margin']:g} points "
        f"({what}{least}), with {sizes[0]} of layer and classifier against {sizes[1]} at C − 1.{others}"
    )


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
    """To how many axes PCA keeps the accuracy: the knee, as `plateau` defines it, with the loss taken as it is."""
    if not kept or rank.width == 1:
        return ""
    *narrower, whole = kept
    accuracy, chance = whole["accuracy"], whole["chance"]
    hits = round(accuracy * rank.rows)
    if stats.binomtest(hits, rank.rows, chance, alternative="greater").pvalue >= 1 - plateau.LEVEL:
        verb = "do not" if accuracy <= chance else "are not shown to"
        return (
            f"; by the {whole['classifier']} classifier on all {rank.width}, these features {verb} tell the classes "
            f"apart ({100 * accuracy:.2f} % of {rank.rows} rows right, {100 * chance:.2f} % by naming the largest "
            "class every time), so no PCA is recommended"
        )
    if not narrower:
        return ""
    margin = max(plateau.MARGINS)
    near = list(itertools.takewhile(lambda row: row["loss"] < margin, reversed(narrower)))
    within = f"keeps the accuracy within {margin:g} points of all {rank.width}"
    if not near:
        return f"; PCA to none of the widths tried {within}"
    wider = ", as does every wider one tried" if len(near) > 1 else ""
    return f"; PCA to {near[-1]['width']} {within}{wider}: a guide to where a sweep should look, not a trained layer"


def text(advice: Advice) -> str:
    """The advice as a person reads it in a terminal."""
    lines = [
        f"{advice.classes} classes, {advice.features} numbers into the FC layer; float32, the FC layer with a bias, "
        "the classifier without",
        "",
        f"{'M':>6}  {'best possible angle':>21}  {'FC layer':>10}  {'classifier':>10}  {'both':>10}  simplex saves",
    ]
    for row in advice.widths:
        both = row["fc_bytes"] + row["classifier_bytes"]
        angle = f"{row['lower']:.2f}°" if row["exact"] else f"{row['lower']:.2f}° to {row['upper']:.2f}°"
        saved = "" if row["simplex_saves"] is None else f"  {_size(row['simplex_saves']):>13}"
        sizes = "  ".join(f"{_size(size):>10}" for size in (row["fc_bytes"], row["classifier_bytes"], both))
        lines.append(f"{row['M']:>6}  {angle:>21}  {sizes}{saved}")
    lines += _knee_lines(advice) + _feature_lines(advice)
    return "\n".join([*lines, "", *recommendation(advice)])


def _knee_lines(advice: Advice) -> list[str]:
    if not advice.knees:
        return []
    lines = [
        "",
        "Knee: the smallest M shown to lose less than the margin, as all wider ones tried below 10(C − 1), one at "
        "least; in brackets, what it may be",
    ]
    for row in advice.knees:
        what = f"{row['dataset']}, {row['loss']}, {row['feature']}"
        if "problem" in row:
            lines.append(f"  {what}: {row['problem']}")
            continue
        lost = f", {row['failures']} runs failed" if row["failures"] else ""
        known = f"{row['text']}  ({row['seeds']} seeds{lost}; C − 1 = {row['classes'] - 1})"
        lines.append(f"  {what}, margin {row['margin']:g} points: {known}")
    return list(dict.fromkeys(lines))  # what is wrong with runs is so at every margin


def _feature_lines(advice: Advice) -> list[str]:
    if advice.rank is None:
        return []
    rank = advice.rank
    lines = [
        "",
        f"Features used: {rank.rows} × {rank.width}; effective rank {rank.participation:.1f} (participation ratio), "
        f"{rank.entropy:.1f} (entropy), {rank.at_99} axes for 99 % of the variance",
    ]
    for row in advice.kept:
        what = "all" if row["width"] == rank.width else "PCA to"
        lines.append(f"  {what} {row['width']:>5}: {100 * row['accuracy']:.2f} %, {row['loss']:+.2f} points lost")
    return lines


def _size(count: float) -> str:
    """Bytes as a person says them."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def _one(values: pd.Series, what: str) -> int:
    distinct = sorted(map(int, values.dropna().unique()))
    if len(distinct) != 1:
        raise ValueError(f"expected runs of one {what}, got {distinct}")
    return distinct[0]


def _inputs(runs: pd.DataFrame) -> int | None:
    """What goes into the FC layer of the runs, from its parameters, features × M + M."""
    known = runs.dropna(subset=["fc_parameters"])
    return _one(known["fc_parameters"] / known["width"] - 1, "number of inputs of the FC layer") if len(known) else None


def _agreed(found: dict[str, int | None], what: str) -> int:
    given = {source: value for source, value in found.items() if value is not None}
    if not given:
        raise ValueError(f"what is the {what}? Give --classes")
    if len(set(given.values())) > 1:
        raise ValueError(f"the {what}, differs: {', '.join(f'{value} by {source}' for source, value in given.items())}")
    return next(iter(given.values()))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status: 0, or 2 for a mistake in the options or the files."""
    options = tyro.cli(Options, args=arguments, prog="python -m analysis.advise", description=Options.__doc__)
    try:
        advice = advise(options)
        if options.json is not None:
            content = dataclasses.asdict(advice) | {"recommendation": recommendation(advice)}
            options.json.write_text(json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n", "utf-8")
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(text(advice))
    return 0


if __name__ == "__main__":
    console.run(main)
