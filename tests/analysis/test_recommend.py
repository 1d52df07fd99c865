"""What is recommended, and of what it takes to be shown: widths, the simplex, axes of features."""

import base64
import dataclasses
import re
import shlex

import numpy as np
import pytest
from advised import accuracies, advice, features, record, rename, without
from scipy import stats

from analysis.embeddings import EffectiveRank
from analysis.recommend import Advice, recommendation
from fc_width import sweep
from fc_width.recipes import RECIPES, SWEPT, Recipe
from fc_width.store import Store

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
        "but is not shown to lose less than 0.5 points (w-softmax-simplex:1 minus softmax, prelu-bn: 0.00",
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
    simplex(runs, [5, 5, 5, 6], "w-softmax-simplex:1")
    simplex(runs, [-30, -30, -30, -31], "w-softmax-simplex:0.5")
    _, written = advice(["--runs", runs], tmp_path, capsys)
    assert len(written["simplex"]) == 2
    assert "(w-softmax-simplex:0.5 minus softmax" in written["recommendation"][-1]


def test_two_classes_have_no_simplex_to_speak_of(tmp_path, capsys):
    said, _ = advice(["--classes", 2, "--features", 8], tmp_path, capsys)
    assert "fixed simplex" not in said


def test_a_knee_at_the_narrowest_width_tried_says_so(runs, tmp_path, capsys):
    without(runs, 1, 2, 4)
    _, written = advice(["--runs", runs], tmp_path, capsys)
    sentence = written["recommendation"][1]
    assert "Take M = 9: " in sentence
    assert "; fewer than 9 were not tried; " in sentence
    assert "or fewer" not in sentence


def test_a_width_that_a_failed_run_leaves_says_so(runs, tmp_path, capsys):
    store = Store(runs)
    for old in list(store.records()):
        if old["recipe"]["width"] == 9 and old["recipe"]["seed"] == 2 and old["recipe"]["loss"] == "softmax":
            store.write({k: v for k, v in old.items() if k not in ("final", "correct")} | {"status": "diverged"})
    said, _ = advice(["--runs", runs], tmp_path, capsys)
    assert "Take M = 18" in said
    assert "M = 9 is out as a run failed or diverged there, which counts as guessing" in said


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        (
            {1: 30, 2: 4, 3: 0.4, 5: -0.2},
            "PCA to 3 keeps the accuracy within 0.5 points of the 90.00 % that the nearest-mean classifier has on all "
            "12, as does every wider",
        ),
        ({1: -2.5, 2: 7.5, 3: 17.5, 5: 0.4}, "PCA to 5 keeps the accuracy within 0.5 points of the 90.00 % that"),
        (
            {1: 0.1, 2: 0.1, 3: 0.1, 5: 0.5},
            "PCA to none of the widths tried keeps the accuracy within 0.5 points of the 90.00 % that",
        ),
        ({1: 0.1, 2: 0.2}, "PCA to 1 keeps the accuracy within 0.5 points of the 90.00 % that"),
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
            "is no better than naming the largest class every time (15.00 % of 400 rows right, 20.00 %)",
        ),
        (0.2, 400, 0.2, "is no better than naming the largest class"),
        (0.35, 40, 0.25, "is not shown to be better than naming the largest class every time (35.00 % of 40"),
        (0.35, 400, 0.25, None),
    ],
)
def test_features_no_better_than_chance_advise_no_axes(accuracy, rows, chance, said):
    shared = {"accuracy": accuracy, "loss": 0.0, "lost": 0, "gained": 0, "chance": chance, "classifier": "logistic"}
    kept = [{"width": width} | shared for width in (1, 2, 12)]
    sentence = recommendation(Advice(4, 12, [], rank=EffectiveRank(2.0, 2.5, 3, rows, 12), kept=kept))[1]
    assert ("PCA to 1 keeps" in sentence) == (said is None)
    if said is not None:
        assert f"the logistic classifier on all 12 {said}" in sentence
        assert sentence.endswith("so no PCA is recommended.")
        kept = [each | {"classifier": "nearest-mean"} for each in kept]  # which takes no account of frequencies
        sentence = recommendation(Advice(4, 12, [], rank=EffectiveRank(2.0, 2.5, 3, rows, 12), kept=kept))[1]
        assert sentence.endswith("equally frequent: see what --classifier logistic says.")


@pytest.mark.parametrize(
    ("rows", "lost", "gained", "said"),
    [
        (300, 0, 0, "the 90.00 % that the logistic classifier has on all 12, as does every wider one tried, on these"),
        (600, 0, 0, "the 90.00 % that the logistic classifier has on all 12, as does every wider one tried (paired"),
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
    gap = [kept[0] | {"lost": 0, "gained": 0}, kept[1], kept[2]]
    sentence = recommendation(Advice(4, 12, [], rank=EffectiveRank(2.0, 2.5, 3, 2000, 12), kept=gap))[1]
    assert ("that is not shown" in sentence) == (lost >= 30)


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


def test_a_simplex_as_good_on_twenty_images_is_not_shown_to_be(tmp_path, capsys):
    """One image is 5 points: that three seeds are equal leaves room for it."""
    store = Store(tmp_path / "few")
    store.create()
    for seed in range(3):
        for loss in ("softmax", "w-softmax-simplex:1"):
            for width in (9, 18, 27, 45) if loss == "softmax" else (9,):
                made = record(Recipe(name="digits", width=width, seed=seed, loss=loss), 0)
                bits = np.arange(20) > 0
                made |= {"correct": base64.b64encode(np.packbits(bits).tobytes()).decode()}
                store.write(made | {"final": {"test_accuracy": float(bits.mean())}})
    _, written = advice(["--runs", store.folder], tmp_path, capsys)
    (row,) = written["simplex"]
    assert row["difference"] == 0
    assert row["high"] == -row["low"] == pytest.approx(5 * (1 - 0.025 ** (1 / 3)))
    assert "but is not shown to lose less than 0.5 points" in written["recommendation"][-1]


def test_where_only_subsets_decided_they_are_told(tmp_path, capsys):
    knees = tmp_path / "knee.csv"
    knees.write_text("dataset,classes,margin,knee,low\ndigits:3,3,0.5,2,2\ndigits:5,5,0.5,4,3\n")
    said, _ = advice(["--classes", 10, "--features", 8, "--knees", knees], tmp_path, capsys)
    assert "is: digits:3 2 (C − 1 = 2), digits:5 4 (3 to 4; C − 1 = 4); decided for 2 of 2" in said
