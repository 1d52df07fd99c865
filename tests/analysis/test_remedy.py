"""Runs that do not show a width: why, and the command that makes what is lacking."""

import dataclasses
import re
import shlex

import numpy as np
import pytest
import tyro
from advised import EVERYTHING, TOO_FEW, accuracies, advice, end, record, rename, without

from analysis import records
from analysis.advise import main
from fc_width import sweep
from fc_width.recipes import Recipe
from fc_width.store import Store

UNJUDGED = {
    "no width of the plateau": (
        lambda runs: without(runs, 18, 27, 45),
        f"{TOO_FEW}4 done at M = 1, 4 done at M = 2, 4 done at M = 4, 4 done at M = 9",
        "Make one: ",
        "--widths 18 27 45 --losses softmax --seeds 4",
        "",
    ),
    "one width of the plateau": (
        lambda runs: without(runs, 18, 27),
        f"{TOO_FEW}4 done at M = 45.",
        "Make one: ",
        "--widths 18 27 45 --losses softmax --seeds 4",
        "",
    ),
    "no seed in common": (
        lambda runs: (
            without(runs, 18, 27, seeds="[23]"),
            without(runs, 18, seeds="1"),
            without(runs, 27, seeds="0"),
            without(runs, 45),
        ),
        f"{TOO_FEW}1 done at M = 18, 1 done at M = 27.",
        "Make one: ",
        "--widths 18 27 45 --losses softmax --seeds 4",
        "",
    ),
    "one width": (
        lambda runs: without(runs, 1, 2, 4, 18, 27, 45),
        f"{TOO_FEW}4 done at M = 9.",
        "Make one: ",
        f"{EVERYTHING} softmax --seeds 4",
        "",
    ),
    "the simplex alone": (
        lambda runs: (
            without(runs, 1, 2, 4, 18, 27, 45),
            rename(runs, loss="w-softmax-simplex:1"),
        ),
        f"{TOO_FEW}4 done at M = 9.",
        "Make one: ",
        f"{EVERYTHING} softmax --seeds 4",
        "",
    ),
    "all diverged": (
        lambda runs: end(runs, "diverged"),
        "none of 28 runs is done: 28 diverged.",
        "Make one at a tenth of the learning rate: ",
        f"{EVERYTHING} softmax --seeds 4",
        "-lr-0.001",
    ),
    "diverged where the plateau is": (
        lambda runs: end(runs, "diverged", 18, 27, 45),
        f"{TOO_FEW}4 diverged at M = 18, 4 diverged at M = 27, 4 diverged at M = 45.",
        "Make one at a tenth of the learning rate: ",
        f"{EVERYTHING} softmax --seeds 4",
        "-lr-0.001",
    ),
    "failed where the plateau is": (
        lambda runs: end(runs, "failed", 18, 27, 45, error="no space left"),
        f"{TOO_FEW}4 failed at M = 18, 4 failed at M = 27, 4 failed at M = 45.",
        "Make one: ",
        "--widths 18 27 45 --losses softmax --seeds 4",
        "",
    ),
    "two recipes": (
        lambda runs: Store(runs).write(
            {"recipe": dataclasses.asdict(Recipe(name="digits", width=9, seed=7, lr=0.5)), "status": "done"}
            | {"run_id": Recipe(name="digits", width=9, seed=7, lr=0.5).run_id, "final": {"test_accuracy": 0.5}}
        ),
        "expected runs of one lr, got 0.01, 0.5.",
        "Make one: ",
        f"{EVERYTHING} softmax --seeds 8",
        "-anew",
    ),
    "a recipe without a name": (
        lambda runs: (without(runs, 18, 27), rename(runs, name="custom")),
        f"{TOO_FEW}4 done at M = 45.",
        "Make one: ",
        f"{EVERYTHING} softmax --seeds 4",
        "-anew",
    ),
}


@pytest.mark.parametrize(("change", "why", "make", "options", "suffix"), UNJUDGED.values(), ids=UNJUDGED)
def test_runs_without_a_plateau_say_why_and_the_command_that_makes_one(
    change, why, make, options, suffix, runs, tmp_path, capsys
):
    change(runs)
    said, written = advice(["--runs", runs], tmp_path, capsys)
    assert "Nothing here measures accuracy" not in said
    sentence = written["recommendation"][1]
    loss = written["knees"][0]["loss"]
    assert sentence.startswith(f"Your runs ({loss}, prelu-bn) have no plateau to compare with: {why}")
    assert f". {make}python -m fc_width.sweep --recipe digits {options} " in sentence
    assert sentence.endswith(f" --out {runs}{suffix}, then --runs {runs}{suffix}.")
    command = shlex.split(re.search(r"fc_width\.sweep (.*), then", sentence)[1])
    assert sweep.main([*command, "--dry-run"]) == 0
    table = said.partition("\n\nC − 1")[0]
    assert sum(why.removesuffix(".") in line for line in table.splitlines()) == 1
    asked = tyro.cli(sweep.Options, args=command)
    store = Store(asked.out)
    store.create()
    for recipe in sweep.plan(asked, 10):
        store.write(record(recipe, 20))
    capsys.readouterr()
    _, written = advice(["--runs", store.folder], tmp_path, capsys)
    assert all("problem" not in row for row in written["knees"])


def test_a_plateau_that_another_loss_has_is_enough(runs, tmp_path, capsys):
    store = Store(runs)
    for old in list(store.records()):
        recipe = dataclasses.replace(Recipe(**old["recipe"]), loss="w-softmax:0.5")
        store.write(old | {"run_id": recipe.run_id, "recipe": dataclasses.asdict(recipe)})
    for path in [*runs.glob("*_softmax_M18_*"), *runs.glob("*_softmax_M27_*")]:
        path.unlink()
    said, _ = advice(["--runs", runs], tmp_path, capsys)
    assert "Take M = 4" in said
    assert said.count("digits, softmax, prelu-bn: no plateau to compare with") == 1


def test_packed_runs_at_one_width_say_so(runs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    without(runs, 1, 2, 4, 18, 27, 45)
    records.pack(runs, tmp_path / "some digits.jsonl.gz")
    _, written = advice(["--runs", "some digits.jsonl.gz"], tmp_path, capsys)
    assert f"{TOO_FEW}4 done at M = 9. Make one: " in written["recommendation"][1]
    assert written["recommendation"][1].endswith(" --out 'runs/some digits', then --runs 'runs/some digits'.")


def test_runs_on_pictures_of_one_s_own_want_their_folder(runs, tmp_path, capsys):
    without(runs, 18, 27, 45)
    rename(runs, name="own-small", dataset="own-birds", backbone="cifar-small")
    _, written = advice(["--runs", runs], tmp_path, capsys)
    assert (
        " --recipe own-small --dataset FOLDER --widths 18 27 45 --losses softmax --seeds 4 "
        in (written["recommendation"][1])
    )


def test_runs_that_all_failed_do_not_say_of_how_many_classes(runs, tmp_path, capsys):
    rename(runs, name="own-small", dataset="own-birds", backbone="cifar-small")
    end(runs, "failed", error="no space left")
    assert main(["--runs", str(runs)]) == 2
    assert "what is the number of classes, C? Give --classes" in capsys.readouterr().err
    _, written = advice(["--runs", runs, "--classes", 10, "--features", 128], tmp_path, capsys)
    assert "none of 28 runs is done: 28 failed. Make one: " in written["recommendation"][1]


def test_a_sweep_of_wide_layers_that_does_not_decide_gets_narrow_ones_too(runs, tmp_path, capsys):
    without(runs, 1, 2, 4)
    without(runs, 9, 18, 27, 45, seeds="[123]")
    _, written = advice(["--runs", runs], tmp_path, capsys)
    sentence = written["recommendation"][1]
    assert "--recipe digits --widths 1 2 3 4 5 8 9 18 27 45 --losses softmax " in sentence


def test_runs_that_do_not_decide_get_the_sweep_that_may(runs, tmp_path, capsys):
    without(runs, 1, 2, 4, 9, 18, 27, 45, seeds="[123]")
    _, written = advice(["--runs", runs], tmp_path, capsys)
    sentence = written["recommendation"][1]
    assert (
        " Run more seeds: python -m fc_width.sweep --recipe digits --widths 1 2 4 9 18 27 45 --losses softmax "
        in sentence
    )
    assert sentence.endswith(f" --out {runs}, then --runs {runs}.")
    command = shlex.split(re.search(r"fc_width\.sweep (.*), then", sentence)[1])
    assert sweep.main([*command, "--dry-run"]) == 0
    assert "35 runs of digits" in (shown := capsys.readouterr().out)
    assert ": 7 done, 28 to do" in shown
    store = Store(runs)
    for recipe in sweep.plan(tyro.cli(sweep.Options, args=command), 10):
        store.write(record(recipe, 20))
    _, written = advice(["--runs", runs], tmp_path, capsys)
    assert written["recommendation"][1].startswith("Take M = 1")


def test_more_seeds_of_what_diverges_would_decide_nothing(runs, tmp_path, capsys):
    store = Store(runs)
    for old in list(store.records()):
        if old["recipe"]["width"] == 45 and old["recipe"]["seed"] == 2:
            store.write({k: v for k, v in old.items() if k not in ("final", "correct")} | {"status": "diverged"})
    _, written = advice(["--runs", runs], tmp_path, capsys)
    sentence = written["recommendation"][1]
    assert "1 runs failed or diverged, each counted as guessing). Run more seeds at a tenth of the learning" in sentence
    assert " --seeds 5 --set " in sentence
    assert sentence.endswith(f" --out {runs}-lr-0.001, then --runs {runs}-lr-0.001.")


def test_of_few_seeds_that_do_not_decide_twice_as_many_are_told(runs, tmp_path, capsys):
    store, rng = Store(runs), np.random.default_rng(0)
    for old in list(store.records()):
        recipe = Recipe(**old["recipe"])
        if recipe.seed < 4:
            store.write(record(recipe, int(rng.integers(200, 600))))
        else:
            store.discard(old["run_id"])
    _, written = advice(["--runs", runs], tmp_path, capsys)
    assert " --seeds 8 " in (sentence := written["recommendation"][1])
    assert sentence.endswith(f"--runs {runs}; with such a second look an error of 5 % is one of some 8 to 12 %.")


def test_what_lacks_a_plateau_beside_what_has_one_is_told_without_a_command_to_fill_in(runs, tmp_path, capsys):
    store = Store(runs)
    for old in list(store.records()):
        if old["recipe"]["width"] in (4, 9):
            recipe = dataclasses.replace(Recipe(**old["recipe"]), loss="w-softmax:0.5")
            store.write(old | {"run_id": recipe.run_id, "recipe": dataclasses.asdict(recipe)})
    said, _ = advice(["--runs", runs], tmp_path, capsys)
    assert "Take M = 4" in said
    assert f"digits, w-softmax:0.5, prelu-bn: no plateau to compare with: {TOO_FEW}" in said
    assert "…" not in said


def test_runs_without_a_plateau_are_told_of_beside_features(runs, tmp_path, capsys):
    without(runs, 18, 27)
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(60, 5)))
    _, written = advice(["--runs", runs, "--embeddings", tmp_path / "x.npy"], tmp_path, capsys)
    assert "Your runs (softmax, prelu-bn) have no plateau" in written["recommendation"][1]
    assert "The features vary in about" in written["recommendation"][2]


def test_naming_the_largest_class_every_time_is_guessing(runs, tmp_path, capsys):
    """Nine tenths of the test images are of one class."""
    accuracies(runs, lambda width, seed: 0.9, largest_class=0.9)
    said, written = advice(["--runs", runs], tmp_path, capsys)
    assert {row["guessing"] for row in written["knees"]} == {True}
    assert "your runs do no better than naming the largest class every time, 90 %: plateau 90.00 %" in said
    assert "Take M" not in said
    accuracies(runs, lambda width, seed: 0.93 if width > 1 else 0.9, largest_class=0.9)
    said, written = advice(["--runs", runs], tmp_path, capsys)
    assert {row["guessing"] for row in written["knees"]} == {False}
    assert "Take M = 2" in said
