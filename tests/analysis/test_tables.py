"""The paper's tables beside ours: right numbers, nothing mixed, and commands that do what they say."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import tyro

from analysis import committed, paper_tables, records, tables
from fc_width.recipes import RECIPES, Recipe
from fc_width.store import Store
from fc_width.sweep import Options, plan

ACCURACIES = {0: 0.9890, 1: 0.9905, 2: 0.9912}


@pytest.fixture
def runs(tmp_path, record):
    """Both recipes of MNIST, the small one of its first five classes; runs that no table may show beside them."""
    made = [
        ("mnist-small", "mnist", 9, "softmax", (0, 1, 2)),
        ("mnist-small", "mnist", 90, "softmax", (0, 1)),
        ("mnist-small", "mnist", 9, "w-softmax-simplex:1", (0, 1)),
        ("paper-mnist", "mnist", 9, "w-softmax:1.5", (0,)),
        ("mnist-small", "mnist:5", 4, "w-softmax:1", (0, 1)),
        ("mnist-small", "mnist:5", 9, "softmax", (0, 1)),
    ]
    frames = []
    for place, (name, dataset, width, loss, seeds) in enumerate(made):
        store = Store(tmp_path / str(place))
        store.create()
        base = dataclasses.replace(RECIPES[name].recipe, dataset=dataset, width=width, loss=loss)
        for seed in seeds:
            store.write(record(dataclasses.replace(base, seed=seed), ACCURACIES[seed]))
        linear = dataclasses.replace(base, feature="linear")
        store.write(record(linear, 0.5))
        frames.append(records.load(store.folder))
    return pd.concat(frames, ignore_index=True)


@pytest.fixture
def rows(runs):
    return paper_tables.compare(runs)


def the(rows, table, dataset, method, recipe):
    (row,) = rows[
        (rows["table"] == table)
        & (rows["dataset"] == dataset)
        & (rows["method"] == method)
        & (rows["recipe"] == recipe)
    ].to_dict("records")
    return row


def test_a_row_has_the_runs_of_its_recipe_width_and_feature_alone(rows):
    small = the(rows, "1", "mnist", "original softmax", "mnist-small")
    assert small["paper"] == 99.58
    assert small["seeds"] == 3
    assert small["mean"] == pytest.approx(100 * np.mean(list(ACCURACIES.values())))
    assert the(rows, "1", "mnist", "original softmax", "paper-mnist")["seeds"] == 0
    one = the(rows, "1", "mnist", "W-Softmax (α = 1.5)", "paper-mnist")
    assert (one["seeds"], one["mean"], one["paper"]) == (1, pytest.approx(98.90), 99.69)
    five = the(rows, "5", "mnist", "k = 5, W-Softmax", "mnist-small")
    assert (five["seeds"], five["paper"]) == (2, 99.93)
    assert rows[(rows["table"] == "5") & (rows["seeds"] > 0) & (rows["method"] == "k = 5, softmax")].empty
    assert the(rows, "5", "mnist", "k = 10, softmax", "mnist-small")["seeds"] == 3


def test_every_row_of_the_paper_is_there_once_and_quoted_ones_say_so(rows):
    paper = rows[rows["paper"].notna() & ~rows["recipe"].str.endswith("-small")]
    counts = paper.groupby(["table", "dataset"]).size().to_dict()
    assert counts == {
        ("1", "mnist"): 14,
        ("2", "cifar10"): 13,
        ("2", "cifar100"): 13,
        ("5", "mnist"): 12,
        ("5", "cifar10"): 12,
    }
    assert not paper.duplicated(["table", "dataset", "method"]).any()
    quoted = paper[paper["quoted_from"].notna()].groupby("method")["quoted_from"].first().to_dict()
    assert (quoted["CNN"], quoted["L-Softmax"], quoted["GenPool"]) == (36, 23, 42)
    assert not set(quoted) & {"original softmax", "Hinge Loss", "W-Softmax (α = 1)"}
    assert (rows.loc[rows["recipe"] == "", "quoted_from"].notna()).all()


def test_the_command_of_every_row_makes_its_runs(rows):
    runnable = rows[rows["recipe"] != ""]
    assert len(runnable) == 3 * 6 + 24 + 4  # the paper's; the small network's of Tables 1 and 5
    for row in runnable.to_dict("records"):
        start, _, options = row["command"].partition("sweep ")
        assert start == "python -m fc_width."
        asked = tyro.cli(Options, args=options.split())
        k = int((asked.dataset or "").partition(":")[2] or (100 if row["dataset"] == "cifar100" else 10))
        planned = plan(asked, k)
        assert {run.width for run in planned} == {k - 1}
        assert len({run.loss for run in planned}) == 1
        assert {run.feature for run in planned} == {"prelu-bn"}
        assert {run.name for run in planned} == {row["recipe"]}
        assert len(planned) == (row["seeds"] or 3)
        assert planned[0].dataset.partition(":")[0] == row["dataset"]
        if row["table"] == "5":
            assert row["method"].startswith(f"k = {k},")


def test_a_command_repeats_what_was_set():
    recipe = dataclasses.replace(
        RECIPES["mnist-small"].recipe,
        dataset="mnist:3",
        width=2,
        loss="w-softmax:0.5",
        feature="linear",
        epochs=9,
        lr=0.1,
    )
    command = records.sweep_command(recipe, 2)
    runs = plan(tyro.cli(Options, args=command.split()[3:]), 3)
    assert [run.run_id for run in runs] == [dataclasses.replace(recipe, seed=seed).run_id for seed in (0, 1)]
    row = pd.Series(dataclasses.asdict(recipe) | {"epochs": np.int64(9), "status": "done"})
    assert records.recipe_of(row) == recipe


@pytest.mark.parametrize("pack", sorted(committed.SWEEPS))
def test_the_recipe_of_every_committed_run_is_the_one_in_its_record(pack):
    """Those made before a recipe had all its fields too: the id is a hash of the recipe."""
    table = records.load(Path("figures/data") / f"{pack}{records.PACK_SUFFIX}")
    assert [records.recipe_of(row).run_id for _, row in table.iterrows()] == list(table["run_id"])


def test_the_precision_is_the_recipe_s_and_not_what_it_came_to(tmp_path):
    recipe = Recipe(precision="bfloat16")
    store = Store(tmp_path)
    store.write(
        {
            "run_id": recipe.run_id,
            "recipe": dataclasses.asdict(recipe),
            "status": "diverged",
            "provenance": {"precision": "bfloat16 autocast"},
        }
    )
    (row,) = (row for _, row in records.load(tmp_path).iterrows())
    assert records.recipe_of(row) == recipe
    assert row["computed_in"] == "bfloat16 autocast"


def test_the_markdown_says_what_is_ours_what_is_small_and_what_is_not_run(rows, runs):
    text = paper_tables.markdown(rows, runs)
    lines = text.splitlines()
    softmax = next(place for place, line in enumerate(lines) if line.startswith("| original softmax | 99.58 |"))
    assert "| not run | paper-mnist | `python -m fc_width.sweep --recipe paper-mnist --widths 9" in lines[softmax]
    assert lines[softmax + 1].startswith("|  |  | 99.02 [98.74, 99.30], 3 | mnist-small † | `python")
    assert "| CNN | 99.47, quoted [36] |  |  |  |" in lines
    assert "| W-Softmax (α = 1.5) | 99.69 | 98.90, 1 | paper-mnist |" in text
    assert "| W-Softmax (α = 1), fixed simplex | not in the paper | 98.9" in text
    assert "mnist-small: mnist:5" in text
    small = [line for line in lines if "mnist-small" in line and line.startswith("|")]
    assert small
    assert all("mnist-small † |" in line for line in small)


def test_a_failed_run_is_counted(runs):
    lost = runs["run_id"] == runs[runs["loss"] == "softmax"]["run_id"].iloc[-1]
    place = runs[(runs["name"] == "mnist-small") & (runs["dataset"] == "mnist") & (runs["width"] == 9)].index
    seed_2 = [i for i in place if runs.loc[i, "seed"] == 2 and runs.loc[i, "loss"] == "softmax"]
    assert lost.any()
    changed = runs.copy()
    changed.loc[seed_2, ["status", "test_accuracy"]] = ["diverged", np.nan]
    row = the(paper_tables.compare(changed), "1", "mnist", "original softmax", "mnist-small")
    assert (row["seeds"], row["lost"]) == (2, 1)
    assert ", 2, 1 more not done |" in paper_tables.markdown(paper_tables.compare(changed), changed)


def test_the_latex_has_the_same_cells(rows, runs):
    text = paper_tables.latex(rows, runs)
    cells = [line for line in text.splitlines() if line.endswith(r" \\") and "hline" not in line]
    assert len(cells) == len(rows)
    assert all(line.count(" & ") == 4 for line in cells)
    assert text.count(r"\begin{longtable}") == text.count(r"\end{longtable}") == 5
    body = "\n".join(cells)
    for special in ("α", "†", "−", "--"):
        assert special not in body
    assert body.count("_") == body.count(r"\_") > 0
    assert r"99.02 [98.74, 99.30], 3 & mnist-small $\dagger$ & python -m fc\_width.sweep -{}-recipe mnist-small" in body


def of_accuracies(tmp_path, record, made):
    """Records with the test accuracies of `made`: (loss, feature, width, seed) → accuracy."""
    store = Store(tmp_path)
    store.create()
    base = RECIPES["mnist-small"].recipe
    for (loss, feature, width, seed), accuracy in made.items():
        recipe = dataclasses.replace(base, loss=loss, feature=feature, width=width, seed=seed)
        store.write(record(recipe, accuracy))
    return records.load(tmp_path)


def cells(table):
    """Row and column of a Markdown table → its text."""
    head, _, *lines = ([cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines())
    return {(line[0], column): cell for line in lines for column, cell in zip(head[1:], line[1:], strict=True)}


def test_differences_to_softmax_are_paired_by_seed_and_feature(tmp_path, record):
    made = {("softmax", "prelu-bn", 9, seed): 0.90 + seed / 100 for seed in range(4)}
    made |= {("w-softmax:1", "prelu-bn", 9, seed): 0.89 + seed / 100 for seed in range(3)}
    made |= {("hinge", "prelu-bn", 9, 0): 0.80, ("w-softmax:1", "linear", 9, 7): 0.5, ("softmax", "linear", 9, 6): 0.5}
    found = cells(tables.less_softmax(of_accuracies(tmp_path, record, made)))
    assert found["w-softmax:1", "prelu-bn"] == "−1.00 [−1.00, −1.00], 3"  # unpaired it would be −1.5
    assert found["hinge", "prelu-bn"] == "−10.00, 1"
    assert found["w-softmax:1", "linear"] == ""
    assert ("softmax", "prelu-bn") not in found


def test_differences_to_c_minus_1_are_paired_by_seed(tmp_path, record):
    made = {("softmax", "prelu-bn", 9, seed): 0.90 for seed in range(3)}
    made |= {("softmax", "prelu-bn", 90, seed): 0.90 + (seed - 1) / 100 for seed in range(3)}
    found = cells(tables.less_minimum(of_accuracies(tmp_path, record, made)))
    low, high = scipy.stats.t.interval(0.95, 2, 0, 1 / np.sqrt(3))
    assert found["90", "test"] in [f"{zero} [{low:.2f}, {high:.2f}], 3".replace("-", "−") for zero in ("0.00", "-0.00")]
    assert "9" not in {row for row, _ in found}


def test_a_table_tells_how_long_a_run_took_on_each_device(tmp_path, record):
    store = Store(tmp_path)
    store.create()
    for seed, (device, seconds) in enumerate([("cpu: A", 10.0), ("cpu: A", 30.0), ("cpu: A", 12.0), ("cpu: B", 7.0)]):
        made = record(dataclasses.replace(RECIPES["mnist-small"].recipe, seed=seed), 0.9)
        store.write(made | {"seconds": seconds, "provenance": {"device": device}})
    text = tables.of_a_recipe(records.load(tmp_path), "x")
    assert (
        "On cpu: A a run took 10 to 30 s, median 12 (3 runs). On cpu: B a run took 7 to 7 s, median 7 (one run)."
        in text
    )


def test_a_table_says_how_many_runs_are_not_done(tmp_path, record):
    store = Store(tmp_path)
    store.create()
    for seed in range(3):
        store.write(record(dataclasses.replace(RECIPES["mnist-small"].recipe, seed=seed), 0.9))
    assert "over the seeds, 3 a cell." in tables.of_a_recipe(records.load(tmp_path), "x")
    last = next(each for each in store.records() if each["recipe"]["seed"] == 2)
    store.write({"run_id": last["run_id"], "recipe": last["recipe"], "status": "diverged"})
    assert "over the seeds, 2 a cell; 1 run not done is left out." in tables.of_a_recipe(records.load(tmp_path), "x")
