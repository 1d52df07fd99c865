"""``python -m analysis.advise --classes 1000 --features 2048``: what each width of the layer before the classifier
buys in angle and costs in memory; with records or features of your own, what it costs in accuracy."""

import dataclasses
import inspect
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import tyro

from analysis import records
from analysis.embeddings import Classifier, effective_rank, pca_accuracy, read
from analysis.recommend import Advice, best, guessing, over, recommendation, size
from analysis.remedy import knees_or_remedy
from analysis.widths import cost, knees_elsewhere, simplex_gains
from fc_width.options import File, Folder, Number, Numbers
from fc_width.recipes import sweep_widths
from theory import bounds, console

KNEES = Path("figures/data/knee.csv")


@dataclasses.dataclass(frozen=True)
class Options:
    """Say what each width M of the layer before the classifier buys and costs.

    C − 1 is the width that makes equal angles between C weight vectors possible. It need not be the width that accuracy
    needs: that is measured, with --runs or --embeddings.
    """

    classes: Number = None
    """C, the number of classes (default: that of --runs, or of --labels)."""
    features: Number = None
    """Numbers that go into the FC layer (default: those of --runs, or of --embeddings)."""
    widths: Numbers = ()
    """Widths M (default: the telling ones)."""
    runs: Folder = None
    """Folder of records of your own data, by python -m fc_width.sweep, or a packed file: the knee is measured."""
    embeddings: File = None
    """.npy of features (N, D) of an existing model, on data that it was not trained on, one row a picture, without
    copies or crops of it: their effective rank."""
    labels: File = None
    """.npy of their labels (N,): what accuracy PCA to each width keeps, cross-validated."""
    classifier: Classifier = "nearest-mean"
    """What is fitted on the principal axes; nearest-mean takes all classes for equally frequent."""
    knees: File = None
    """Without --runs and --embeddings: .csv of knees measured elsewhere (default: figures/data/knee.csv, if there)."""
    json: File = None
    """Write all of it to this file too."""


def advise(options: Options) -> Advice:
    """All that the options ask for.

    *Raises*: `ValueError` or `OSError` saying what does not fit.
    """
    if options.labels is not None and options.embeddings is None:
        raise ValueError("--labels are those of --embeddings: give both")
    if options.classifier != Options.classifier and options.labels is None:
        raise ValueError(f"--classifier {options.classifier} wants --labels, by which it is fitted")
    if options.knees is not None and (options.runs is not None or options.embeddings is not None):
        raise ValueError(f"--knees {options.knees} are read without --runs and --embeddings only")
    runs = None if options.runs is None else records.load(options.runs)
    features, labels = (None, None) if options.embeddings is None else read(options.embeddings, options.labels)
    none = "" if runs is None or options.runs is None else records.none_done(runs, options.runs)
    found = {"--classes": options.classes}
    if runs is not None and runs["classes"].notna().any():  # a failed run does not say
        found |= {"--runs": _one(runs["classes"], "number of classes")}
    found |= {} if labels is None else {"--labels": int(labels.max()) + 1}
    classes = _agreed(found, "number of classes, C", none)
    if classes < 2:
        raise ValueError(f"C must be at least 2, got C={classes}")
    found = {"--features": options.features, "--runs": None if runs is None else _inputs(runs)}
    if all(value is None for value in found.values()) and features is not None:
        found["--embeddings"] = features.shape[1]
    if all(value is None for value in found.values()):
        raise ValueError(f"{none + '; ' if none else ''}how many numbers go into the FC layer? Give --features")
    inputs = _agreed(found, "number of inputs of the FC layer")
    if inputs < 1:
        raise ValueError(f"features must be at least 1, got {inputs}")
    widths = sorted(set(options.widths or {*bounds.default_widths(classes), *sweep_widths(classes)}))
    advice = Advice(classes, inputs, cost(classes, inputs, widths))
    if runs is not None and options.runs is not None:
        runs = runs.assign(classes=classes)
        advice = dataclasses.replace(
            advice, knees=knees_or_remedy(runs, options.runs), simplex=simplex_gains(runs) if classes > 2 else []
        )
    elif features is None and (options.knees or KNEES.is_file()):
        advice = dataclasses.replace(advice, elsewhere=knees_elsewhere(options.knees or KNEES))
    if features is not None:
        advice = dataclasses.replace(advice, rank=effective_rank(features))
        if labels is not None:
            kept = pca_accuracy(features, labels, widths, options.classifier).to_dict("records")
            advice = dataclasses.replace(advice, kept=[{str(key): row[key] for key in row} for row in kept])
    return advice


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
        saved = "" if row["simplex_saves"] is None else f"  {size(row['simplex_saves']):>13}"
        sizes = "  ".join(f"{size(count):>10}" for count in (row["fc_bytes"], row["classifier_bytes"], both))
        lines.append(f"{row['M']:>6}  {angle:>21}  {sizes}{saved}")
    lines += _knee_lines(advice) + _feature_lines(advice)
    return "\n".join([*lines, "", *recommendation(advice)])


def _knee_lines(advice: Advice) -> list[str]:
    if not advice.knees:
        return []
    lines = [
        "",
        "Knee: the smallest M shown to lose less than the margin, as all wider ones tried below 10(C − 1), one at "
        f"least; in brackets, what it may be; {over(best(advice) or {'images': None})}",
    ]
    for row in advice.knees:
        what = f"{row['dataset']}, {row['loss']}, {row['feature']}"
        if "problem" in row:
            lines.append(f"  {what}: {row['problem']}")
            continue
        if row["guessing"]:
            lines.append(f"  {what}: {guessing(row)}")
            continue
        lost = f", {row['failures']} runs failed" if row["failures"] else ""
        known = f"{row['text']}  ({row['seeds']} seed{'s' * (row['seeds'] != 1)}{lost}; C − 1 = {row['classes'] - 1})"
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
    if advice.kept:
        lines.append(f"  right by the {advice.kept[0]['classifier']} classifier, cross-validated:")
    for row in advice.kept:
        what = "all" if row["width"] == rank.width else "PCA to"
        lines.append(f"  {what} {row['width']:>5}: {100 * row['accuracy']:.2f} %, {row['loss']:+.2f} points lost")
    return lines


def _one(values: pd.Series, what: str) -> int:
    distinct = sorted(map(int, values.dropna().unique()))
    if len(distinct) != 1:
        raise ValueError(f"expected runs of one {what}, got {distinct}")
    return distinct[0]


def _inputs(runs: pd.DataFrame) -> int | None:
    """What goes into the FC layer of the runs, from its parameters, features × M + M."""
    known = runs.dropna(subset=["fc_parameters"])
    return _one(known["fc_parameters"] / known["width"] - 1, "number of inputs of the FC layer") if len(known) else None


def _agreed(found: dict[str, int | None], what: str, none: str = "") -> int:
    given = {source: value for source, value in found.items() if value is not None}
    if not given:
        raise ValueError(f"{none + '; ' if none else ''}what is the {what}? Give --classes")
    if len(set(given.values())) > 1:
        raise ValueError(f"the {what}, differs: {', '.join(f'{value} by {source}' for source, value in given.items())}")
    return next(iter(given.values()))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status: 0, or 2 for a mistake in the options or the files."""
    options = tyro.cli(Options, args=arguments, prog="python -m analysis.advise", description=inspect.getdoc(Options))
    try:
        console.check_options(arguments, options)
        read_too = [options.embeddings, options.labels, options.runs, options.knees or KNEES]
        if options.json is not None and options.json.resolve() in [path.resolve() for path in read_too if path]:
            raise ValueError(f"json is a file that is read, {options.json}: choose another")
        advice = advise(options)
        if options.json is not None:
            content = dataclasses.asdict(advice) | {"recommendation": recommendation(advice)}
            console.write_whole(options.json, json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n")
    except (OSError, ValueError, MemoryError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(text(advice))
    return 0


if __name__ == "__main__":
    console.run(main)
