"""Tables 1, 2 and 5 of the paper: its number, ours with its interval, the command of each row; Markdown and LaTeX."""

import dataclasses
import math
from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from analysis import captions, paired, records
from analysis.experiment import FEATURE
from fc_width.backbone import CHANGES
from fc_width.data import CLASSES
from fc_width.recipes import RECIPES
from theory.printed_tables import QUOTED, TABLE_1, TABLE_2_CIFAR10, TABLE_2_CIFAR100, TABLE_5

METHODS = {  # key in the paper's tables: name, loss
    "hinge": ("Hinge Loss", "hinge"),
    "softmax": ("original softmax", "softmax"),
    "l-softmax": ("L-Softmax", "l-softmax"),
    "0.5": ("W-Softmax (α = 0.5)", "w-softmax:0.5"),
    "1": ("W-Softmax (α = 1)", "w-softmax:1"),
    "1.5": ("W-Softmax (α = 1.5)", "w-softmax:1.5"),
}
BEYOND = {  # not in the paper; shown where they were run
    "W-Softmax (α = 1), centred": "w-softmax-centred:1",
    "W-Softmax (α = 1), fixed simplex": "w-softmax-simplex:1",
}

COLUMNS = ["table", "dataset", "method", "paper", "quoted_from", "recipe", "mean", "low", "high", "seeds", "lost"]
SECTIONS = {
    ("1", "mnist"): "Table 1. Test accuracy (%) on MNIST",
    ("2", "cifar10"): "Table 2. Test accuracy (%) on CIFAR10",
    ("2", "cifar100"): "Table 2. Test accuracy (%) on CIFAR100",
    ("5", "mnist"): "Table 5. The first k classes of MNIST, test accuracy (%)",
    ("5", "cifar10"): "Table 5. The first k classes of CIFAR10, test accuracy (%)",
}
NOTES = (
    "Paper: as printed; the paper gives neither M, nor seeds, nor an interval, and calls those of Table 1 best "
    "results. Quoted: taken by the paper from the work of that number in its references, not run by it.",
    "The hinge loss's rows and, on CIFAR, softmax's name no reference, but are to the hundredth what the paper's "
    "reference [23] prints, as far as known here: probably quoted too (python -m theory.verify --claim significance).",
    "Ours: mean over seeds of the test accuracy after the last epoch at M = C − 1, feature prelu-bn, W-Softmax as "
    "printed unless it says otherwise, with the 95 % t-interval of that mean over seeds, [low, high] (it holds the "
    "chance of initialisation, not that of the test images; one seed gives none).",
    "† A small network, not the paper's: its numbers are for comparison between its own rows only.",
    "L-Softmax needs  pip install -e '.[baselines]'.",
)


def compare(runs: pd.DataFrame) -> pd.DataFrame:
    """The rows of Tables 1, 2 and 5, the paper's network first and a small one where it was run.

    *Arguments*: `runs`, rows of `records.load` of any number of packs.

    *Returns*: the columns `table`, `dataset`, `method`, `paper` (%; NaN where the paper has no such row),
    `quoted_from` (a number of its references), `recipe` ("" where there is nothing to run), `mean`, `low`, `high` (%;
    NaN where not run, the last two also of one seed), `seeds`, `lost` (runs that did not end well), `command`.
    """
    rows: list[dict[str, Any]] = []
    printed = {("1", "mnist"): TABLE_1, ("2", "cifar10"): TABLE_2_CIFAR10, ("2", "cifar100"): TABLE_2_CIFAR100}
    for (table, dataset), numbers in printed.items():
        for key, number in numbers.items():
            name, loss = METHODS.get(key, (key, None))
            known = {"table": table, "method": name, "paper": number / 100, "quoted_from": QUOTED.get(key)}
            rows += _ours(runs, dataset, loss, known) if loss else [known | {"dataset": dataset, "recipe": ""}]
        for name, loss in BEYOND.items():
            known = {"table": table, "method": name, "paper": math.nan, "quoted_from": None}
            rows += [row for row in _ours(runs, dataset, loss, known) if row["seeds"]]
    for first, dataset in ((0, "mnist"), (2, "cifar10")):
        for k, accuracies in TABLE_5.items():
            subset = dataset if k == CLASSES[dataset] else f"{dataset}:{k}"
            for name, loss, number in zip(
                ("softmax", "W-Softmax"), ("softmax", "w-softmax:1"), accuracies[first : first + 2], strict=True
            ):
                known = {"table": "5", "method": f"k = {k}, {name}", "paper": number / 100, "quoted_from": None}
                rows += _ours(runs, subset, loss, known)
    frame = pd.DataFrame(rows, columns=[*COLUMNS, "command"])
    return frame.fillna({"seeds": 0, "lost": 0, "command": ""}).astype(
        {"quoted_from": "Int64", "seeds": int, "lost": int}
    )


def _ours(runs: pd.DataFrame, dataset: str, loss: str, known: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What was measured for one row: by the paper's network, run or not, and by the small one if it was run."""
    base = dataset.partition(":")[0]
    classes = int(dataset.partition(":")[2] or CLASSES[base])
    for name in (f"paper-{base}", f"{base}-small"):
        recipe = dataclasses.replace(
            RECIPES[name].recipe, dataset=dataset, width=classes - 1, loss=loss, feature=FEATURE
        )
        same = {"name": name, "dataset": dataset, "width": classes - 1, "loss": recipe.loss, "feature": FEATURE}
        rows = runs[(runs[list(same)] == pd.Series(same)).all(axis=1)]
        found = known | {"dataset": base, "recipe": name}
        if len(rows):
            accuracy = 100 * records.done(rows)["test_accuracy"].astype(float)
            found |= {"mean": accuracy.mean(), "seeds": len(accuracy), "lost": len(rows) - len(accuracy)}
            if len(accuracy) > 1:
                _, found["low"], found["high"] = paired.mean_interval(accuracy)
            yield found | {
                "command": records.sweep_command(records.recipe_of(rows.iloc[0]), int(rows["seed"].max()) + 1)
            }
        elif name.startswith("paper-"):
            yield found | {"seeds": 0, "lost": 0, "command": records.sweep_command(recipe, RECIPES[name].seeds)}


def markdown(rows: pd.DataFrame, runs: pd.DataFrame) -> str:
    """The tables of `compare` as one Markdown file."""
    parts = ["# The paper's tables, and ours", *_notes(rows, runs)]
    for (table, dataset), heading in SECTIONS.items():
        lines = ["| Method | Paper | Ours [95 %], seeds | Recipe | Command |", "|---|---|---|---|---|"]
        for cells, command in _cells(rows[(rows["table"] == table) & (rows["dataset"] == dataset)]):
            lines.append(f"| {' | '.join(cells)} | {f'`{command}`' if command else ''} |")
        parts += [f"## {heading}", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def latex(rows: pd.DataFrame, runs: pd.DataFrame) -> str:
    """The tables of `compare` as LaTeX, to be `\\input`; needs the packages longtable and array."""
    parts = [r"% Written by python -m analysis; needs \usepackage{longtable,array}."]
    for (table, dataset), heading in SECTIONS.items():
        lines = [
            r"\begingroup\footnotesize\raggedright\setlength{\tabcolsep}{4pt}",
            r"\noindent\textbf{" + _escaped(heading) + r"}\par",
            r"\begin{longtable}{@{}llll>{\raggedright\arraybackslash\ttfamily\scriptsize}p{0.3\textwidth}@{}}",
            r"\hline Method & Paper & Ours [95\,\%], seeds & Recipe & \normalfont\footnotesize Command \\ \hline",
            r"\endhead \hline \endfoot",
        ]
        for cells, command in _cells(rows[(rows["table"] == table) & (rows["dataset"] == dataset)]):
            lines.append(" & ".join(map(_escaped, [*cells, command])) + r" \\")
        parts.append("\n".join([*lines, r"\end{longtable}\endgroup"]))
    parts += [r"{\footnotesize " + _escaped(note) + r"\par}" for note in _notes(rows, runs)]
    return "\n\n".join(parts) + "\n"


def _cells(rows: pd.DataFrame) -> Iterator[tuple[list[str], str]]:
    """The texts of each row: method, paper, ours, recipe; and its command. A method's second row has no name."""
    before = ""
    row: dict[str, Any]
    for row in rows.to_dict("records"):  # type: ignore[assignment]
        quoted = "" if pd.isna(row["quoted_from"]) else f", quoted [{row['quoted_from']}]"
        paper = "not in the paper" if pd.isna(row["paper"]) else f"{row['paper']:.2f}{quoted}"
        method, recipe = row["method"], row["recipe"]
        dagger = " †" if recipe and RECIPES[recipe].recipe.backbone in CHANGES else ""
        first = method != before
        yield [method if first else "", paper if first else "", _number(row), recipe + dagger], row["command"]
        before = method


def _number(row: dict[str, Any]) -> str:
    if not row["recipe"]:
        return ""
    lost = f", {row['lost']} more not done" if row["lost"] else ""
    if not row["seeds"]:
        return f"none of {row['lost']} done" if row["lost"] else "not run"
    interval = "" if row["seeds"] < 2 else f" [{row['low']:.2f}, {row['high']:.2f}]"
    return f"{row['mean']:.2f}{interval}, {row['seeds']}{lost}"


def _notes(rows: pd.DataFrame, runs: pd.DataFrame) -> Iterable[str]:
    """What a reader must know, and of each recipe that was run, what it is."""
    yield from NOTES
    for name in rows.loc[rows["seeds"] > 0, "recipe"].unique():
        ours = runs[(runs["name"] == name) & (runs["feature"] == FEATURE) & (runs["width"] == runs["classes"] - 1)]
        ours = ours[ours["classes"].isin({*TABLE_5, *CLASSES.values()})]
        yield from (f"{captions.caption(group)}." for _, group in ours.groupby("dataset"))


ESCAPES = {
    "%": r"\%",
    "_": r"\_",
    "&": r"\&",
    "#": r"\#",
    "--": "-{}-",
    "α": r"$\alpha$",
    "−": "$-$",
    "†": r"$\dagger$",
}


def _escaped(text: str) -> str:
    for plain, escape in ESCAPES.items():
        text = text.replace(plain, escape)
    return text.replace("×", r"$\times$").replace("'", "\\textquotesingle{}" if "pip " in text else "'")
