"""Figures from records: what they show is what the records say, and nothing is invented."""

import dataclasses
import gzip
import shutil

import numpy as np
import pandas as pd
import pytest

from analysis import figures, figures_angles, figures_theory, records
from analysis.__main__ import draw_all, main
from fc_width.recipes import Recipe
from fc_width.store import Store

LOSSES = ("softmax", "w-softmax:1", "w-softmax-simplex:1")


def record(recipe, accuracy):
    angles = [float(10 + label + 5 * recipe.seed) for label in range(10)]
    return {
        "run_id": recipe.run_id,
        "recipe": dataclasses.asdict(recipe),
        "status": "done",
        "train_accuracy": [accuracy],
        "test_accuracy": [accuracy],
        "final": {
            "train_accuracy": accuracy,
            "test_accuracy": accuracy,
            "test_angle": 14.5,
            "test_inverted": 0.0,
        },
        "class_angles": {"train": [angle - 1 for angle in angles], "test": angles},
        "geometry": {"nc1": None, "smallest_angle": 80.0},
        "correct": "//8=",
        "parameters": {
            "fc": 129 * recipe.width,
            "classifier": 0 if "simplex" in recipe.loss else 10 * recipe.width,
        },
        "bytes": {},
        "seconds": 1.0,
        "provenance": {
            "version": "0",
            "commit": "abc",
            "torch": "2",
            "device": "cpu: test",
            "data_sha256": "0",
        },
    }


@pytest.fixture
def folder(tmp_path):
    store = Store(tmp_path / "runs")
    store.create()
    for seed in range(3):
        for loss in LOSSES:
            for width in (9,) if "simplex" in loss else (1, 4, 9, 270):
                recipe = Recipe(name="digits", width=width, loss=loss, seed=seed)
                accuracy = {1: 0.2, 4: 0.95, 9: 0.98, 270: 0.985}[width] + 0.001 * seed
                store.write(record(recipe, accuracy))
    lost = Recipe(name="digits", width=4, loss="w-softmax:9")
    store.write({"run_id": lost.run_id, "recipe": dataclasses.asdict(lost), "status": "failed", "error": "x"})
    return store.folder


def test_the_table_has_a_row_a_run(folder):
    frame = records.load(folder)
    assert len(frame) == 28
    assert frame["run_id"].is_unique
    row = frame[(frame["loss"] == "softmax") & (frame["width"] == 4) & (frame["seed"] == 2)].iloc[0]
    assert row["test_accuracy"] == 0.952
    assert row["fc_parameters"] == 516
    assert row["classes"] == 10
    assert row["device"] == "cpu: test"
    assert frame["status"].value_counts().to_dict() == {"done": 27, "failed": 1}


def test_a_pack_holds_the_same_records_in_the_same_bytes(folder, tmp_path):
    packs = [tmp_path / "a" / "one.jsonl.gz", tmp_path / "a" / "two.jsonl.gz"]
    for pack in packs:
        records.pack(folder, pack)
    assert packs[0].read_bytes() == packs[1].read_bytes()
    pd.testing.assert_frame_equal(records.load(packs[0]), records.load(folder))


@pytest.mark.parametrize("content", [b"", b"not gzip", gzip.compress(b"{")])
def test_a_broken_pack_is_named(content, tmp_path):
    pack = tmp_path / "x.jsonl.gz"
    pack.write_bytes(content)
    with pytest.raises((ValueError, FileNotFoundError), match=r"x\.jsonl\.gz"):
        records.load(pack)


def test_every_figure_is_drawn_with_its_source(folder, tmp_path):
    out = tmp_path / "figures"
    written = draw_all(out, folder)
    names = {str(path.relative_to(out)) for path in written}
    stems = ["accuracy-digits", "fig4d-memory-digits", "fig5-angles-digits"]
    drawn = {f for stem in stems for f in (f"pdf/{stem}.pdf", f"{stem}.png", f"data/{stem}.csv")}
    assert names == drawn | {"tables-digits.md"}
    said = (out / "tables-digits.md").read_text("utf-8")
    assert "| 4 | 95.10 ± 0.10 | 95.10 ± 0.10 |  |" in said
    assert "| w-softmax-simplex:1 | 14.50 ± 0.00 |" in said
    assert all(path.stat().st_size > 200 for path in written)
    accuracy = pd.read_csv(out / "data" / "accuracy-digits.csv")
    assert len(accuracy) == 27
    assert set(accuracy["loss"]) == set(LOSSES)
    angles = pd.read_csv(out / "data" / "fig5-angles-digits.csv")
    assert len(angles) == 3 * 3 * 2 * 10
    one = angles[(angles["loss"] == "softmax") & (angles["seed"] == 2) & (angles["split"] == "test")]
    assert one["mean_angle"].tolist() == [20.0 + label for label in range(10)]
    memory = pd.read_csv(out / "data" / "fig4d-memory-digits.csv")
    learned = memory[memory["classifier"] == "learned"].set_index("width")
    assert learned.loc[9, "fc_bytes"] == 4 * 9 * 129
    assert learned.loc[270, "classifier_bytes"] == 4 * 2700
    assert memory[memory["classifier"] == "simplex"]["classifier_bytes"].tolist() == [0]


def test_redrawing_from_the_packed_records_gives_the_same_files(folder, tmp_path):
    out = tmp_path / "figures"
    written = draw_all(out, folder)
    before = {path: path.read_bytes() for path in written}
    shutil.rmtree(folder)
    again = draw_all(out)
    assert set(written) < set(again)
    assert {path: path.read_bytes() for path in written} == before


def test_the_figure_shows_the_median_and_every_seed(folder):
    drawing = figures.accuracy_against_width(records.load(folder))
    (axes,) = drawing.figure.axes
    lines = {line.get_label(): line for line in axes.lines}
    assert lines["softmax"].get_xdata().tolist() == [0, 1, 2, 3]
    assert lines["softmax"].get_ydata() == pytest.approx([20.1, 95.1, 98.1, 98.6])
    points = [y for line in axes.lines if line.get_linestyle() == "None" for y in line.get_ydata()]
    assert len([y for y in points if 94 < y < 96]) >= 6  # M = 4: two losses, three seeds
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "4", "9", "270"]
    assert any("M_{min}" in text.get_text() for text in axes.texts)
    assert "3 seeds, 28 runs, 1 of them not done; cpu: test" in drawing.caption


def test_the_band_holds_the_median():
    low, high = figures.interval(pd.Series([0.1, 0.2, 0.3, 0.4, 0.5]))
    assert 0.1 <= low < 0.3 < high <= 0.5
    assert figures.interval(pd.Series([0.7])) == (0.7, 0.7)


def test_the_scale_of_the_accuracy_axis_is_undone():
    values = np.array([20.0, 90.0, 99.0, 99.9])
    assert figures._to_accuracy(figures._from_accuracy(values)) == pytest.approx(values)


@pytest.mark.parametrize("arguments", [[], ["--runs", "nothing"]])
def test_no_records_is_an_error_that_names_the_command(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "python -m fc_width.sweep" in error
    assert not list(tmp_path.iterdir())


def test_the_angle_against_alpha_needs_the_three_kinds_of_weights(tmp_path):
    store = Store(tmp_path / "runs")
    store.create()
    for seed in range(2):
        for alpha in ("0", "0.5", "1"):
            for kind in ("w-softmax", "w-softmax-centred", "w-softmax-simplex"):
                for feature in ("linear", "prelu-bn"):
                    store.write(record(Recipe(name="digits", loss=f"{kind}:{alpha}", seed=seed, feature=feature), 0.9))
    out = tmp_path / "figures"
    assert out / "loophole-digits.png" in draw_all(out, store.folder)
    source = pd.read_csv(out / "data" / "loophole-digits.csv")
    assert len(source) == 36
    assert sorted(source["alpha"].unique()) == [0, 0.5, 1]
    drawing = figures_angles.angle_against_alpha(records.load(store.folder))
    assert [axes.get_title() for axes in drawing.figure.axes] == ["feature: linear", "feature: prelu-bn"]
    lines = {line.get_label(): list(line.get_ydata()) for line in drawing.figure.axes[0].lines}
    assert lines["as printed"] == lines["fixed simplex"] == [14.5, 14.5, 14.5]


def test_the_best_angles_are_the_theory_s():
    source = figures_theory.best_angles((10,)).source.set_index("M")
    assert source.loc[8, "lower"] == pytest.approx(90)
    assert source.loc[9, "lower"] == pytest.approx(96.3794, abs=1e-4)
    assert source["exact"].all()


def test_the_plane_shows_the_features_and_weights_of_the_records(tmp_path):
    store = Store(tmp_path / "runs")
    store.create()
    for seed in range(2):
        for loss in ("w-softmax:1", "w-softmax-simplex:1"):
            recipe = Recipe(name="digits", dataset="digits:3", width=2, loss=loss, seed=seed)
            features = {
                "embeddings": [[3.0, 4.0], [-1.0, 0.5 + seed]],
                "labels": [2, 0],
                "weight": [[1.0, 0.0], [0.0, 2.0], [-1.0, 0.0]],
            }
            store.write(record(recipe, 0.9) | {"classes": 3, "features": features})
    out = tmp_path / "figures"
    assert out / "plane-digits-3.png" in draw_all(out, store.folder)
    assert (out / "data" / "digits-3.jsonl.gz").exists()
    drawing = figures_angles.features_in_the_plane(records.load(store.folder))
    assert [axes.get_title() for axes in drawing.figure.axes] == [
        "W-Softmax α = 1, as printed\nmean angle 14.5°",
        "W-Softmax α = 1, fixed simplex\nmean angle 14.5°",
    ]
    points = [tuple(point) for line in drawing.figure.axes[0].lines for point in line.get_xydata()]
    assert sorted(points) == [(-0.2, 0.1), (0.6, 0.8)]
    labels = {text.get_text(): text.get_position() for text in drawing.figure.axes[0].texts if text.get_text()}
    assert labels == {"0": (1.14, 0.0), "1": (0.0, 1.14), "2": (-1.14, 0.0)}
    assert set(drawing.source["seed"]) == {0}


def test_an_accuracy_of_100_percent_has_a_place_on_the_axis(tmp_path):
    store = Store(tmp_path / "runs")
    store.create()
    for width, accuracy in ((1, 0.5), (9, 0.99), (18, 1.0)):
        store.write(record(Recipe(name="digits", width=width), accuracy))
    (axes,) = figures.accuracy_against_width(records.load(store.folder)).figure.axes
    ticks = {text.get_text(): place for text, place in zip(axes.get_yticklabels(), axes.get_yticks(), strict=True)}
    assert ticks["100"] == pytest.approx(99.5)  # half of the smallest error above 0
    assert axes.lines[1].get_ydata() == pytest.approx([50, 99, 99.5])
