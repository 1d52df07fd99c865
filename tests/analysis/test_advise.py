"""The advice: costs against arithmetic and `theory.bounds`, knees against `plateau`, and one-line errors."""

import base64
import dataclasses
import json
import math
import re
import shlex

import numpy as np
import pytest
import tyro
from scipy import stats

from analysis import plateau, records
from analysis.advise import main, recommendation
from analysis.embeddings import EffectiveRank, effective_rank
from analysis.widths import Advice
from fc_width import sweep
from fc_width.recipes import RECIPES, SWEPT, Recipe
from fc_width.store import Store
from theory import bounds


def advice(arguments, tmp_path, capsys):
    """What the command says, and what it writes."""
    assert main([*map(str, arguments), "--json", str(tmp_path / "advice.json")]) == 0
    return capsys.readouterr().out, json.loads((tmp_path / "advice.json").read_text("utf-8"))


def record(recipe, wrong):
    """What a run leaves of which so many of 2,000 images are not right."""
    bits = np.arange(2000) >= wrong
    return {
        "run_id": recipe.run_id,
        "recipe": dataclasses.asdict(recipe),
        "status": "done",
        "classes": 10,
        "final": {"test_accuracy": float(bits.mean())},
        "correct": base64.b64encode(np.packbits(bits).tobytes()).decode(),
        "parameters": {"fc": 129 * recipe.width, "classifier": 10 * recipe.width},
    }


@pytest.fixture
def runs(tmp_path):
    """Softmax is at its best from M = 4 on; W-Softmax was run at one width."""
    store = Store(tmp_path / "runs")
    store.create()
    rng = np.random.default_rng(0)
    for seed in range(4):
        for width, loss in [*((m, "softmax") for m in (1, 2, 4, 9, 18, 27, 45)), (9, "w-softmax:1")]:
            wrong = {1: 900, 2: 60}.get(width, 20) + rng.integers(0, 2)
            store.write(record(Recipe(name="digits", width=width, seed=seed, loss=loss), wrong))
    return store.folder


def test_what_a_width_costs_and_what_angle_it_buys(tmp_path, capsys):
    said, written = advice(["--classes", 1000, "--features", 2048], tmp_path, capsys)
    rows = {row["M"]: row for row in written["widths"]}
    assert {500, 998, 999, 1000} <= set(rows)
    assert rows[999]["fc_parameters"] == 2048 * 999 + 999
    assert rows[999]["fc_bytes"] == 4 * 2049 * 999
    assert rows[999]["classifier_bytes"] == rows[999]["simplex_saves"] == 4 * 1000 * 999
    assert rows[998]["simplex_saves"] is None
    assert math.radians(rows[999]["lower"]) == pytest.approx(math.acos(-1 / 999))
    for M, row in rows.items():
        bound = bounds.largest_min_angle(1000, M)
        assert math.radians(row["lower"]) >= bound.lower
        assert math.radians(row["upper"]) == pytest.approx(bound.upper)
    line = next(line for line in said.splitlines() if line.split()[:1] == ["999"])
    assert line.split() == ["999", "90.06°", "7.8", "MiB", "3.8", "MiB", "11.6", "MiB", "3.8", "MiB"]
    assert "makes equal angles between 1000 weight vectors possible" in written["recommendation"][0]
    assert "it need not be the width that accuracy needs" in written["recommendation"][0]
    assert "Nothing here measures accuracy" in written["recommendation"][1]
    assert said.endswith("\n".join(written["recommendation"]) + "\n")
    assert "33 % of layer and classifier" in written["recommendation"][2]


def test_the_widths_are_those_asked_for(tmp_path, capsys):
    _, written = advice(["--classes", 10, "--features", 64, "--widths", 7, 3], tmp_path, capsys)
    assert [row["M"] for row in written["widths"]] == [3, 7]
    assert (written["knees"], written["rank"], written["kept"]) == ([], None, [])


def test_the_knee_of_one_s_own_runs(runs, tmp_path, capsys):
    said, written = advice(["--runs", runs], tmp_path, capsys)
    assert (written["classes"], written["features"]) == (10, 128)
    frame = records.load(runs)
    softmax = frame[frame["loss"] == "softmax"]
    assert [row["margin"] for row in written["knees"]] == list(plateau.MARGINS)
    for row in written["knees"]:
        expected = plateau.knee(softmax, row["margin"])
        assert (row["width"], row["low"], row["plateau"], row["seeds"]) == (4, 4, expected.plateau, 4)
        assert expected.width == 4
    assert "digits, softmax, prelu-bn, margin 0.1 points: 4  (4 seeds; C − 1 = 9)" in said
    taken, full = 4 * (129 * 4 + 40) / 1024, 4 * (129 * 9 + 90) / 1024
    assert written["recommendation"][1].startswith("Take M = 4: on your runs it is shown to lose less than 0.1 points")
    assert (
        f"with {taken:.1f} KiB of layer and classifier against {full:.1f} KiB at C − 1." in written["recommendation"][1]
    )
    assert "Nothing here measures" not in said


def test_one_seed_is_told_to_be_too_few(runs, tmp_path, capsys):
    for path in runs.glob("*_s[123]_*.json"):
        path.unlink()
    said, written = advice(["--runs", runs], tmp_path, capsys)
    assert [row["width"] for row in written["knees"]] == [None, None]
    assert "Your runs do not decide the knee within 0.5 points" in said
    assert "Take M" not in said


def test_softmax_is_advised_though_another_loss_is_better_known(runs, tmp_path, capsys):
    """Softmax is not decided; W-Softmax is, at a lower plateau: what is said is of softmax, with what is known."""
    store = Store(runs)
    for record in list(store.records()):
        if record["recipe"]["loss"] == "softmax":
            worse = 0.98 * record["final"]["test_accuracy"]
            recipe = dataclasses.replace(Recipe(**record["recipe"]), loss="w-softmax:0.5")
            new = {"run_id": recipe.run_id, "recipe": dataclasses.asdict(recipe), "final": {"test_accuracy": worse}}
            store.write({key: value for key, value in record.items() if key != "correct"} | new)
            if record["recipe"]["width"] == 27:
                noisy = record["final"]["test_accuracy"] - 0.01 * record["recipe"]["seed"]
                store.write({k: v for k, v in record.items() if k != "correct"} | {"final": {"test_accuracy": noisy}})
    said, _ = advice(["--runs", runs], tmp_path, capsys)
    assert "digits, w-softmax:0.5, prelu-bn, margin 0.1 points: 4" in said
    assert "Your runs do not decide the knee within 0.5 points (softmax, prelu-bn, 4 seeds, plateau 98" in said
    assert "by the means alone, M = " in said
    assert "Take M" not in said


def without(folder, *widths, seeds="*"):
    for width in widths:
        for path in folder.glob(f"*_M{width}_*_s{seeds}_*.json"):
            path.unlink()


def end(folder, status, *widths, **changes):
    """Runs at these widths (default: all) end so, without a result."""
    store = Store(folder)
    for record in list(store.records()):
        if not widths or record["recipe"]["width"] in widths:
            lost = ("final", "correct", *(("classes", "parameters") if status == "failed" else ()))
            store.write({k: v for k, v in record.items() if k not in lost} | {"status": status} | changes)


def rename(folder, **changes):
    """The same runs by another recipe."""
    store = Store(folder)
    for record in list(store.records()):
        recipe = dataclasses.asdict(Recipe(**record["recipe"])) | changes
        store.discard(record["run_id"])
        store.write(record | {"recipe": recipe, "run_id": Recipe(**recipe).run_id})


EVERYTHING = "--widths 1 2 3 4 5 8 9 10 14 18 27 45 --losses"
TOO_FEW = "it wants two widths from M = 18 on and below 90, with the same seeds and every run done; got "

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
    for record in list(store.records()):
        recipe = dataclasses.replace(Recipe(**record["recipe"]), loss="w-softmax:0.5")
        store.write(record | {"run_id": recipe.run_id, "recipe": dataclasses.asdict(recipe)})
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


def test_runs_that_all_failed_say_so_before_they_ask(runs, capsys):
    end(runs, "failed", error="no space left\non the device")
    assert main(["--runs", str(runs)]) == 2
    assert capsys.readouterr().err == (
        f"error: none of 32 runs in {runs} is done: 32 failed, the first with: no space left on the device; "
        "how many numbers go into the FC layer? Give --features\n"
    )


def accuracies(folder, of, **changes):
    """The runs of a folder with other accuracies, a function of width and seed, and their bits, of 2,000 images."""
    store = Store(folder)
    for old in list(store.records()):
        recipe = Recipe(**old["recipe"])
        new = record(recipe, 2000 - round(2000 * of(recipe.width, recipe.seed)))
        store.write(new | changes)


GUESSES = {
    "below": lambda width, seed: 0.0975 + 0.001 * (seed % 2),
    "one class all the time, and a little more of it": lambda width, seed: 0.1025,
    "one of them learned": lambda width, seed: 0.4 if seed == 1 and width > 20 else 0.1,
}


@pytest.mark.parametrize("of", GUESSES.values(), ids=GUESSES)
def test_runs_that_only_guess_advise_no_width(of, runs, tmp_path, capsys):
    accuracies(runs, of)
    said, written = advice(["--runs", runs], tmp_path, capsys)
    assert "Take M" not in said
    assert "fixed simplex" not in said
    sentence = written["recommendation"][1]
    plateau_ = written["knees"][0]["plateau"]
    verb = "do no" if plateau_ < 0.1 else "are not shown to do"
    assert sentence.startswith(
        f"No width is advised: your runs {verb} better than guessing, 10 %: plateau {100 * plateau_:.2f} %, "
        f"lower one-sided 95 % end over seeds {100 * written['knees'][0]['plateau_low']:.2f} %, 2,000 test images "
        "(softmax, prelu-bn). "
    )
    assert said.count("better than guessing") == 3 - 1  # the table has it once for both margins
    command = shlex.split(re.search(r"fc_width\.sweep (.*)\.$", sentence)[1])
    assert sweep.main([*command, "--dry-run"]) == 0
    assert "1 to do" in capsys.readouterr().out


def test_what_to_try_is_the_recipe_s_own_or_a_lower_rate(runs, tmp_path, capsys):
    accuracies(runs, lambda width, seed: 0.1)
    _, written = advice(["--runs", runs], tmp_path, capsys)
    own = "--recipe digits --widths 9 --losses softmax --seeds 1"
    assert f", say the recipe's own: python -m fc_width.sweep {own} --out {runs}-anew." in written["recommendation"][1]
    rename(
        runs, **{key: value for key, value in dataclasses.asdict(RECIPES["digits"].recipe).items() if key not in SET}
    )
    _, written = advice(["--runs", runs], tmp_path, capsys)
    assert ", say a tenth of the rate: python -m fc_width.sweep" in written["recommendation"][1]
    lower = RECIPES["digits"].recipe.lr / 10
    assert f"{own} --set lr={lower!r} --out {runs}-lr-{lower:g}." in written["recommendation"][1]


SET = (*SWEPT, "dataset", "name")


def test_runs_that_learned_advise_before_those_that_did_not(runs, tmp_path, capsys):
    store = Store(runs)
    for old in list(store.records()):
        recipe = dataclasses.replace(Recipe(**old["recipe"]), loss="w-softmax:0.5")
        store.write(old | {"run_id": recipe.run_id, "recipe": dataclasses.asdict(recipe)})
        if old["recipe"]["loss"] == "softmax":
            store.write(record(Recipe(**old["recipe"]), 1800))
    said, _ = advice(["--runs", runs], tmp_path, capsys)
    assert "Take M = 4" in said
    assert "w-softmax:0.5, prelu-bn, 4 seeds" in said


def simplex(folder, differences, loss="w-softmax-simplex:1", feature="prelu-bn", **changes):
    """The simplex at C − 1 beside softmax, so many images of 2,000 better or worse, seed by seed."""
    store = Store(folder)
    softmax = {r["recipe"]["seed"]: r for r in store.records() if r["run_id"].startswith("digits_softmax_M9_")}
    for seed, difference in enumerate(differences):
        recipe = Recipe(name="digits", width=9, seed=seed, loss=loss, feature=feature)
        wrong = round(2000 * (1 - softmax[seed]["final"]["test_accuracy"])) - difference
        store.write(record(recipe, wrong) | changes)


NOT_MEASURED = (
    "the fixed simplex costs no classifier (360 B, 7 % of layer and classifier); its accuracy is not measured"
)
SIMPLEX = {
    "as good": ([1, 0, -1, 0], {}, "take the fixed simplex: it saves 360 B, 7 % of layer and classifier, and is shown"),
    "worse": ([-20, -30, -25, -22], {}, "the fixed simplex saves 360 B, 7 % of layer and classifier, but is not shown"),
    "too few": ([1, 1], {}, "but is not shown to lose less than 0.5 points"),
    "one seed": (
        [0],
        {},
        "but is not shown to lose less than 0.5 points (w-softmax-simplex:1 less softmax, prelu-bn: 0.00",
    ),
    "one failed": ([1, 0, -1, 0], {"seed 3": "diverged"}, "but is not shown to lose less than 0.5 points"),
    "after a ReLU": ([1, 0, -1, 0], {"feature": "bn-relu"}, NOT_MEASURED),
    "nothing": ([], {}, NOT_MEASURED),
}


@pytest.mark.parametrize(("differences", "changes", "said"), SIMPLEX.values(), ids=SIMPLEX)
def test_the_simplex_is_recommended_where_the_runs_show_it(differences, changes, said, runs, tmp_path, capsys):
    simplex(runs, differences, feature=changes.get("feature", "prelu-bn"))
    if changes.get("seed 3"):
        store = Store(runs)
        last = next(r for r in store.records() if "simplex" in r["recipe"]["loss"] and r["recipe"]["seed"] == 3)
        store.write({k: v for k, v in last.items() if k not in ("final", "correct")} | {"status": "diverged"})
    _, written = advice(["--runs", runs], tmp_path, capsys)
    sentence = written["recommendation"][-1]
    assert sentence.startswith("If you take C − 1, with features of both signs, ")
    assert said in sentence
    gains = np.array(differences) / 20
    if written["simplex"] and len(gains) > 2 and not changes:
        row = written["simplex"][0]
        half = stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / len(gains) ** 0.5
        assert (row["difference"], row["high"] - row["low"]) == (pytest.approx(gains.mean()), pytest.approx(2 * half))
        ends = f"95 % interval {row['low']:.2f} to {row['high']:.2f}, {len(gains)} seeds)".replace(" -", " −")
        assert sentence.endswith(f"prelu-bn: {gains.mean():.2f} points, ".replace(" -", " −") + ends + ".")


def test_which_simplex_is_compared_is_not_chosen_by_its_result(runs, tmp_path, capsys):
    simplex(runs, [5, 5, 5, 6], "w-softmax-simplex:0.5")
    simplex(runs, [-30, -30, -30, -31], "w-softmax-simplex:1")
    _, written = advice(["--runs", runs], tmp_path, capsys)
    assert len(written["simplex"]) == 2
    assert "(w-softmax-simplex:1 less softmax" in written["recommendation"][-1]


def test_two_classes_have_no_simplex_to_speak_of(tmp_path, capsys):
    said, _ = advice(["--classes", 2, "--features", 8], tmp_path, capsys)
    assert "fixed simplex" not in said


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


def test_a_width_that_a_failed_run_leaves_says_so(runs, tmp_path, capsys):
    store = Store(runs)
    for old in list(store.records()):
        if old["recipe"]["width"] == 9 and old["recipe"]["seed"] == 2 and old["recipe"]["loss"] == "softmax":
            store.write({k: v for k, v in old.items() if k not in ("final", "correct")} | {"status": "diverged"})
    said, _ = advice(["--runs", runs], tmp_path, capsys)
    assert "Take M = 18" in said
    assert "M = 9 is out as a run failed or diverged there, which counts as guessing" in said


def test_what_the_intervals_are_over_is_said(runs, tmp_path, capsys):
    said, written = advice(["--runs", runs], tmp_path, capsys)
    assert said.count("over seeds, not over the draw of the 2,000 test images") == 2
    assert [row["images"] for row in written["knees"]] == [2000, 2000]
    store = Store(runs)
    for old in list(store.records()):
        store.write({key: value for key, value in old.items() if key != "correct"})
    said, _ = advice(["--runs", runs], tmp_path, capsys)
    assert said.count("over seeds, not over the draw of the test images") == 2


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


def test_the_features_of_an_existing_model(tmp_path, capsys):
    rng = np.random.default_rng(0)
    labels = np.arange(600) % 4
    features = 5 * np.eye(4, 32)[labels] + 0.5 * rng.normal(size=(600, 32))
    np.save(tmp_path / "x.npy", features.astype(np.float32))
    np.save(tmp_path / "y.npy", labels)
    arguments = ["--embeddings", tmp_path / "x.npy", "--labels", tmp_path / "y.npy"]
    said, written = advice(arguments, tmp_path, capsys)
    assert (written["classes"], written["features"]) == (4, 32)
    assert written["rank"]["participation"] == pytest.approx(effective_rank(features).participation, rel=1e-4)
    kept = {row["width"]: row["accuracy"] for row in written["kept"]}
    assert sorted(kept) == [1, 2, 3, 4, 5, 6, 9, 15, 30, 32]
    assert kept[3] == kept[32] == 1
    assert kept[1] < 0.95
    near = min(width for width, accuracy in kept.items() if accuracy >= 0.995)
    assert f"PCA to {near} keeps the accuracy within 0.5 points of all 32" in said
    said, written = advice(["--classes", 4, "--embeddings", tmp_path / "x.npy"], tmp_path, capsys)
    assert written["kept"] == []
    assert f"effective rank {written['rank']['participation']:.1f} (participation ratio)" in said


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        (
            {1: 30, 2: 4, 3: 0.4, 5: -0.2},
            "PCA to 3 keeps the accuracy within 0.5 points of all 12, as does every wider",
        ),
        ({1: -2.5, 2: 7.5, 3: 17.5, 5: 0.4}, "PCA to 5 keeps the accuracy within 0.5 points of all 12"),
        (
            {1: 0.1, 2: 0.1, 3: 0.1, 5: 0.5},
            "PCA to none of the widths tried keeps the accuracy within 0.5 points of all",
        ),
        ({1: 0.1, 2: 0.2}, "PCA to 1 keeps the accuracy within 0.5 points of all 12"),
        ({}, "99 % of the variance are on 3."),
    ],
)
def test_the_axes_advised_are_those_from_which_on_none_loses(losses, said):
    kept = [
        {"width": width, "accuracy": 0.9 - loss / 100, "loss": loss, "chance": 0.25, "classifier": "nearest-mean"}
        | {"lost": round(max(200 * loss, 0)), "gained": round(max(-200 * loss, 0))}
        for width, loss in {**losses, 12: 0.0}.items()
    ]
    sentence = recommendation(Advice(4, 12, [], rank=EffectiveRank(2.0, 2.5, 3, 20_000, 12), kept=kept))[1]
    assert said in sentence
    assert ("PCA" in sentence) == bool(losses)


@pytest.mark.parametrize(
    ("accuracy", "rows", "chance", "said"),
    [
        (
            0.15,
            400,
            0.2,
            "do not tell the classes apart (15.00 % of 400 rows right, 20.00 % by naming the largest class",
        ),
        (0.2, 400, 0.2, "do not tell the classes apart"),
        (0.35, 40, 0.25, "are not shown to tell the classes apart (35.00 % of 40 rows right, 25.00 % by naming"),
        (0.35, 400, 0.25, None),
    ],
)
def test_features_no_better_than_chance_advise_no_axes(accuracy, rows, chance, said):
    shared = {"accuracy": accuracy, "loss": 0.0, "lost": 0, "gained": 0, "chance": chance, "classifier": "logistic"}
    kept = [{"width": width} | shared for width in (1, 2, 12)]
    sentence = recommendation(Advice(4, 12, [], rank=EffectiveRank(2.0, 2.5, 3, rows, 12), kept=kept))[1]
    assert ("PCA to 1 keeps" in sentence) == (said is None)
    if said is not None:
        assert f"by the logistic classifier on all 12, these features {said}" in sentence
        assert sentence.endswith("so no PCA is recommended.")


@pytest.mark.parametrize(
    ("rows", "lost", "gained", "said"),
    [
        (300, 0, 0, "PCA to 2 keeps the accuracy within 0.5 points of all 12, as does every wider one tried, on these"),
        (600, 0, 0, "PCA to 2 keeps the accuracy within 0.5 points of all 12, as does every wider one tried (paired"),
        (2000, 30, 30, "on these rows, but that is not shown: of 2000 rows one is 0.05 points; give more rows"),
        (2000, 3, 3, "(paired, one-sided 95 % over 2000 rows): a guide"),
    ],
)
def test_axes_are_advised_where_the_rows_show_it(rows, lost, gained, said):
    shared = {"accuracy": 0.9, "loss": 0.0, "lost": lost, "gained": gained, "chance": 0.25, "classifier": "logistic"}
    kept = [{"width": width} | shared for width in (2, 5, 12)]
    sentence = recommendation(Advice(4, 12, [], rank=EffectiveRank(2.0, 2.5, 3, rows, 12), kept=kept))[1]
    assert said in sentence
    one = [kept[0], kept[1] | {"lost": 0, "gained": 0}, kept[2]]
    sentence = recommendation(Advice(4, 12, [], rank=EffectiveRank(2.0, 2.5, 3, 2000, 12), kept=one))[1]
    assert f"PCA to {2 if lost < 30 else 5} keeps" in sentence


def test_one_axis_that_loses_more_than_the_margin_is_seldom_advised(tmp_path, capsys):
    """Two classes that differ on one axis by much and on another by a little: without that 0.6 points go."""
    advised = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        y = np.arange(60) % 2
        X = rng.normal(size=(60, 2)) * [1.2, 1] + np.outer(2 * y - 1, [1.9, 0.45])
        _, written = advice([*features(tmp_path, X, y), "--widths", 1], tmp_path, capsys)
        sentence = written["recommendation"][1]
        advised += "PCA to 1 keeps" in sentence and "not shown" not in sentence
    assert advised == 0


def features(tmp_path, X, y):
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", y)
    return ["--embeddings", tmp_path / "x.npy", "--labels", tmp_path / "y.npy"]


def test_one_axis_as_good_by_chance_is_not_advised(tmp_path, capsys):
    """Of 40 rows 14 are right with all 12 features, 15 with one axis, and down to 4 with 2 to 9."""
    rng = np.random.default_rng(258)
    y = np.arange(40) % 4
    X = rng.normal(size=(40, 12)) * np.linspace(2, 0.5, 12) + rng.normal(size=(4, 12))[y] * 0.4
    _, written = advice([*features(tmp_path, X, y), "--widths", *range(1, 12)], tmp_path, capsys)
    assert max(row["loss"] for row in written["kept"]) == 25
    assert written["kept"][0]["loss"] < 0
    assert "PCA to" not in written["recommendation"][1]
    assert "35.00 % of 40 rows right" in written["recommendation"][1]


def test_of_one_feature_there_is_no_pca(tmp_path, capsys):
    y = np.arange(40) % 4
    for X in (y + 0.1 * np.random.default_rng(0).normal(size=40), np.random.default_rng(0).normal(size=40)):
        _, written = advice(features(tmp_path, X[:, None], y), tmp_path, capsys)
        assert "PCA" not in " ".join(written["recommendation"])


def test_all_classes_are_counted_and_kept_however_many_the_rows(tmp_path, capsys):
    rng = np.random.default_rng(0)
    y = np.append(np.arange(59_997) % 9, [9] * 3)
    X = (rng.normal(size=(60_000, 4)) + 3 * rng.normal(size=(10, 4))[y]).astype(np.float32)
    said, written = advice([*features(tmp_path, X, y), "--classes", 10, "--widths", 2], tmp_path, capsys)
    assert said.startswith("10 classes, 4 numbers into the FC layer")
    assert written["rank"]["rows"] == 3 * 2223 + 6 * 2222 + 2
    assert "Features used: 20003 × 4" in said


def _save(path, content):
    np.save(path, content, allow_pickle=True)


FILES = {
    "nan.npy": lambda path: _save(path, np.array([[1.0, np.nan], [0, 1]])),
    "flat.npy": lambda path: _save(path, np.arange(6.0)),
    "objects.npy": lambda path: _save(path, np.array([{}, []], dtype=object)),
    "text.npy": lambda path: path.write_text("hello", "utf-8"),
    "empty.npy": lambda path: path.write_bytes(b""),
    "archive.npz": lambda path: np.savez(path, x=np.eye(2)),
    "good.npy": lambda path: _save(path, np.random.default_rng(0).normal(size=(8, 3))),
    "words.npy": lambda path: _save(path, np.array([["a", "b"]] * 2)),
    "short.npy": lambda path: _save(path, np.arange(7)),
    "real.npy": lambda path: _save(path, np.linspace(0, 1, 8)),
    "labels.npy": lambda path: _save(path, np.arange(8) % 2),
    "single.npy": lambda path: _save(path, np.arange(8)),
}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "what is the number of classes, C? Give --classes"),
        ("--classes 10", "Give --features"),
        ("--classes 1 --features 4", "C must be at least 2, got C=1"),
        ("--classes 10 --features 0", "features must be at least 1, got 0"),
        ("--classes 10 --features 4 --widths 0", "M must be at least 1, got M=0"),
        ("--classes 10 --features 4 --labels labels.npy", "give both"),
        ("--classes 10 --runs nothing", "no records in nothing"),
        ("--classes 7 --runs runs", "differs: 7 by --classes, 10 by --runs"),
        ("--runs runs --features 7", "inputs of the FC layer, differs: 7 by --features, 128 by --runs"),
        ("--classes 2 --embeddings absent.npy", "no file absent.npy"),
        ("--classes 2 --embeddings nan.npy", "nan.npy: 1 of 2 rows hold NaN or infinity"),
        ("--classes 2 --embeddings flat.npy", "flat.npy: features must have shape (N, D) with N ≥ 2, got (6,)"),
        ("--classes 2 --embeddings objects.npy", "objects.npy: not a .npy file"),
        ("--classes 2 --embeddings text.npy", "text.npy: not a .npy file"),
        ("--classes 2 --embeddings empty.npy", "empty.npy: not a .npy file"),
        ("--classes 2 --embeddings archive.npz", "archive.npz: expected one array (.npy), got an archive (.npz)"),
        ("--classes 2 --embeddings words.npy", "words.npy: features must be real numbers, got <U1"),
        ("--embeddings good.npy --labels short.npy", "short.npy: expected a label a row, shape (8,), got (7,)"),
        ("--embeddings good.npy --labels real.npy", "real.npy: labels must be integers or text, got float64"),
        ("--embeddings good.npy --labels labels.npy --classes 3", "differs: 3 by --classes, 2 by --labels"),
        (
            "--embeddings good.npy --labels single.npy",
            "at least two classes of at least two rows each, got one row of class 0, and of 7 more",
        ),
        ("--classes 10 --features 4 --json no/such/folder.json", "no/such/folder.json"),
    ],
)
def test_a_mistake_is_one_line(arguments, message, runs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, make in FILES.items():
        make(tmp_path / name)
    assert main(arguments.split()) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("error: ")
    assert shown.err.count("\n") == 1
    assert message in shown.err
    assert not shown.out
