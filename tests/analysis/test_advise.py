"""The advice: costs against arithmetic and `theory.bounds`, knees against `plateau`, and one-line errors."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from advised import advice, end, features

from analysis import plateau, records
from analysis.advise import main
from analysis.embeddings import effective_rank
from fc_width.recipes import Recipe
from fc_width.store import Store
from theory import bounds


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
    assert "Nothing here measures accuracy on your data" in written["recommendation"][1]
    assert said.endswith("\n".join(written["recommendation"]) + "\n")
    assert "33 % of layer and classifier" in written["recommendation"][2]


def test_the_widths_are_those_asked_for(tmp_path, capsys):
    _, written = advice(["--classes", 10, "--features", 64, "--widths", 7, 3], tmp_path, capsys)
    assert [row["M"] for row in written["widths"]] == [3, 7]
    assert (written["knees"], written["rank"], written["kept"]) == ([], None, [])


def elsewhere(path):
    """Knees as the figure of them leaves them, at one margin and the other."""
    rows = [
        "mnist,10,0.5,3,3",
        "cifar10,10,0.5,8,7",
        "mnist:5,5,0.5,10,10",
        "cifar100,100,0.5,,198",
        "mnist,10,0.1,90,4",
    ]
    path.write_text("\n".join(["dataset,classes,margin,knee,low", *rows]))
    return path


def test_without_runs_or_features_the_knees_measured_elsewhere_are_told(tmp_path, runs, capsys):
    knees = elsewhere(tmp_path / "knee.csv")
    _, written = advice(["--classes", 21, "--features", 64, "--knees", knees], tmp_path, capsys)
    sentence = written["recommendation"][1]
    assert "within 0.5 points is: mnist 3 (C − 1 = 9), cifar10 8 (7 to 8; C − 1 = 9); decided for 3 of 4 " in sentence
    assert "The largest of these, over C − 1, is 2.5 times it (mnist:5): 50 units here, 16.8 KiB of layer" in sentence
    assert round(4 * (65 * 50 + 21 * 50) / 1024, 1) == 16.8
    _, other = advice(["--classes", 22, "--features", 64, "--knees", knees], tmp_path, capsys)
    assert "is 2.5 times it (mnist:5): 53 units here" in other["recommendation"][1]  # of 52.5
    assert [row["knee"] for row in written["elsewhere"]] == [3, 8, 10, None, 90]
    _, written = advice(["--runs", runs], tmp_path, capsys)
    assert written["elsewhere"] == []
    assert "elsewhere" not in " ".join(written["recommendation"])


def test_the_knees_of_this_repository_are_told_in_it_and_nowhere_else(tmp_path, monkeypatch, capsys):
    _, written = advice(["--classes", 10, "--features", 64], tmp_path, capsys)
    table = pd.read_csv("figures/data/knee.csv")
    assert len(written["elsewhere"]) == len(table)
    cifar = table[(table["dataset"] == "cifar100") & (table["margin"] == 0.5)].iloc[0]
    assert f"cifar100 {cifar['knee']:g} (" in written["recommendation"][1]
    monkeypatch.chdir(tmp_path)
    _, written = advice(["--classes", 10, "--features", 64], tmp_path, capsys)
    assert written["elsewhere"] == []
    assert "elsewhere" not in written["recommendation"][1]


def test_knees_of_which_none_is_decided_are_not_told(tmp_path, capsys):
    (tmp_path / "knee.csv").write_text("dataset,classes,margin,knee,low\nmnist,10,0.5,,3\n")
    _, written = advice(["--classes", 9, "--features", 64, "--knees", tmp_path / "knee.csv"], tmp_path, capsys)
    assert "elsewhere" not in written["recommendation"][1]


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


def test_runs_that_all_failed_say_so_before_they_ask(runs, capsys):
    end(runs, "failed", error="no space left\non the device")
    assert main(["--runs", str(runs)]) == 2
    assert capsys.readouterr().err == (
        f"error: none of 32 runs in {runs} is done: 32 failed, the first with: no space left on the device; "
        "how many numbers go into the FC layer? Give --features\n"
    )


def test_what_the_intervals_are_over_is_said(runs, tmp_path, capsys):
    said, written = advice(["--runs", runs], tmp_path, capsys)
    assert said.count("over seeds, not over the draw of the 2,000 test images") == 2
    assert [row["images"] for row in written["knees"]] == [2000, 2000]
    store = Store(runs)
    for old in list(store.records()):
        store.write({key: value for key, value in old.items() if key != "correct"})
    said, _ = advice(["--runs", runs], tmp_path, capsys)
    assert said.count("over seeds, not over the draw of the test images") == 2


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
    assert f"PCA to {near} keeps the accuracy within 0.5 points of the 100.00 % that the nearest-mean" in said
    assert "\n  right by the nearest-mean classifier, cross-validated:\n" in said
    said, written = advice(["--classes", 4, "--embeddings", tmp_path / "x.npy"], tmp_path, capsys)
    assert written["kept"] == []
    assert f"effective rank {written['rank']['participation']:.1f} (participation ratio)" in said


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
    "one.csv": lambda path: path.write_text("dataset,classes,margin,knee,low\na,2,0.5,1,1\na,1,0.5,1,1\n"),
    "words.csv": lambda path: path.write_text("dataset,classes,margin,knee,low\na,2,0.5,wide,1\n"),
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
        ("--classes 10 --features 4 --classifier logistic", "--classifier logistic wants --labels"),
        ("--runs runs --knees text.npy", "--knees text.npy are read without --runs and --embeddings only"),
        ("--embeddings good.npy --classes 2 --knees text.npy", "--knees text.npy are read without --runs"),
        ("--classes 10 --runs nothing", "no records in nothing"),
        ("--classes 7 --runs runs", "differs: 7 by --classes, 10 by --runs"),
        ("--runs runs --features 7", "inputs of the FC layer, differs: 7 by --features, 128 by --runs"),
        ("--classes 2 --embeddings absent.npy", "no file absent.npy"),
        ("--classes 2 --embeddings nan.npy", "nan.npy: 1 of 2 rows hold NaN or infinity"),
        ("--classes 2 --embeddings flat.npy", "flat.npy: features must have shape (N, D) with N ≥ 2, got (6,)"),
        ("--classes 2 --embeddings objects.npy", "objects.npy: it holds Python objects, which are not read"),
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
        ("--classes 10 --features 4 --knees absent.csv", "absent.csv"),
        ("--classes 10 --features 4 --knees empty.npy", "empty.npy: not a table of knees (No columns to parse"),
        ("--classes 10 --features 4 --knees text.npy", "text.npy: not a table of knees (it has no dataset, classes, "),
        ("--classes 10 --features 4 --knees one.csv", "one.csv: not a table of knees (row 2 is none)"),
        ("--classes 10 --features 4 --knees words.csv", "words.csv: not a table of knees (it has no knee)"),
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
