"""Figures from records: what they show is what the records say, and nothing is invented."""

import dataclasses
import gzip
import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import tyro
from scipy import stats

from analysis import __main__ as command_line
from analysis import committed, drawing, figures, figures_angles, figures_network, figures_theory, records, tables
from analysis.__main__ import Entry, draw_all, drawings, main, texts
from fc_width.backbone import BACKBONES, NETWORKS, Backbone
from fc_width.recipes import RECIPES, Recipe, sweep_widths
from fc_width.store import Store
from fc_width.sweep import Options, plan
from theory.margin import biased_weights

FIGURES = Path(__file__).parents[2] / "figures"

LOSSES = ("softmax", "w-softmax:1", "w-softmax-simplex:1")


@pytest.fixture
def folder(tmp_path, record):
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


@pytest.mark.parametrize("content", [b"", b"not gzip", gzip.compress(b"{", mtime=0)])
def test_a_broken_pack_is_named(content, tmp_path):
    pack = tmp_path / "x.jsonl.gz"
    pack.write_bytes(content)
    with pytest.raises((ValueError, FileNotFoundError), match=r"x\.jsonl\.gz"):
        records.load(pack)


def test_every_figure_is_drawn_with_its_source(folder, tmp_path):
    out = tmp_path / "figures"
    written = draw_all(out, folder)
    names = {str(path.relative_to(out)) for path in written}
    stems = ["accuracy-digits", "fig4d-memory-digits", "fig5-angles-digits", "geometry-digits", "overfitting-digits"]
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
    (axes,) = figures.memory_against_width(records.load(folder)).figure.axes
    lines = {line.get_label(): line for line in axes.lines}
    both = (learned["fc_bytes"] + learned["classifier_bytes"]).sort_index()
    assert lines["both"].get_xdata().tolist() == [1, 4, 9, 270]
    assert lines["both"].get_ydata() == pytest.approx(both.to_numpy() / 1024)
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    x, y = (np.log(values) for values in lines["slope 1: grows as M does"].get_data())
    assert y[1] - y[0] == pytest.approx(x[1] - x[0])
    saved = 100 * learned.loc[9, "classifier_bytes"] / both[9]
    assert any(f"saves {saved:.1f} % of both" in text.get_text() for text in axes.texts)


def test_redrawing_from_the_packed_records_gives_the_same_files(folder, tmp_path):
    out = tmp_path / "figures"
    written = draw_all(out, folder)
    before = {path: path.read_bytes() for path in written}
    shutil.rmtree(folder)
    again = draw_all(out)
    assert set(written) < set(again)
    assert {path: path.read_bytes() for path in written} == before


def test_the_figure_shows_the_mean_and_every_seed(folder):
    drawing = figures.accuracy_against_width(records.load(folder))
    axes, _ = drawing.figure.axes
    lines = {line.get_label(): line for line in axes.lines}
    assert lines["softmax"].get_xdata().tolist() == [0, 1, 2, 3]
    assert lines["softmax"].get_ydata() == pytest.approx([20.1, 95.1, 98.1, 98.6])
    points = [y for line in axes.lines if line.get_linestyle() == "None" for y in line.get_ydata()]
    assert len([y for y in points if 94 < y < 96]) >= 6  # M = 4: two losses, three seeds
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "4", "9", "270"]
    assert any("M_{min}" in text.get_text() for text in axes.texts)
    assert "3 seeds, 28 runs, 1 of them not done; cpu: test" in drawing.caption


def test_a_line_breaks_where_its_loss_was_not_run_and_no_marker_covers_another(tmp_path, record):
    store = Store(tmp_path / "runs")
    store.create()
    for loss, widths in (("softmax", (1, 2, 3, 9)), ("w-softmax:1", (1, 9)), ("w-softmax-centred:1", (1, 9, 18))):
        for width in widths:
            for seed in range(3):
                accuracy = 0.2 if width == 1 else 0.9 + 0.01 * seed - 0.3 * ("centred" in loss)
                store.write(record(Recipe(name="digits", width=width, loss=loss, seed=seed), accuracy))
    drawn = figures.accuracy_against_width(records.load(store.folder))
    axes, _ = drawn.figure.axes
    lines = {line.get_label(): line.get_xydata() for line in axes.lines}
    assert lines["softmax"] == pytest.approx(np.array([(0, 20), (1, 91), (2, 91), (3, 91)]))
    gaps = lines["W-Softmax α = 1"]
    assert np.isnan(gaps[1:3, 1]).all()
    assert gaps[[0, 3], 1] == pytest.approx([20, 91])
    centred = lines["W-Softmax α = 1, centred weights"]
    assert centred[[3, 4], 0].tolist() == [3, 4]  # nothing to cover there
    at_one, at_nine = ([lines[label][row, 0] for label in list(lines)[1::2]] for row in (0, 3))
    assert len(set(at_one)) == 3
    assert 0 < abs(at_nine[1] - 3) < 0.4
    assert "broken where a width was not run" in drawn.caption
    (bars, *_) = axes.collections
    assert bars.get_segments()[1][:, 1].tolist() == pytest.approx([90, 92])  # one standard deviation
    assert "bar: standard deviation over seeds" in drawn.caption


def test_below_the_accuracies_stands_what_is_gained_over_softmax_pair_by_pair(tmp_path, record):
    """At each width where a loss shares three seeds with softmax."""
    store = Store(tmp_path / "runs")
    store.create()
    gains = {"w-softmax:1": (0.001, 0.002, 0.006), "w-softmax:1.5": (-0.03, -0.01, -0.02), "hinge": (0.1, 0.1)}
    for seed in range(3):
        for width in (9, 18):
            softmax = 0.8 + 0.05 * seed
            store.write(record(Recipe(name="digits", width=width, seed=seed), softmax))
            for loss, gain in gains.items():
                if seed < len(gain) - (width == 18 and loss == "w-softmax:1.5"):
                    store.write(record(Recipe(name="digits", width=width, loss=loss, seed=seed), softmax + gain[seed]))
    drawn = figures.accuracy_against_width(records.load(store.folder))
    _, below = drawn.figure.axes
    found = {bars.get_label(): bars for bars in below.containers}
    assert set(found) == {"w-softmax:1", "w-softmax:1.5"}
    half = stats.t.ppf(0.975, 2) * np.std([0.1, 0.2, 0.6], ddof=1) / 3**0.5
    points, _, (lines,) = found["w-softmax:1"].lines
    assert points.get_ydata() == pytest.approx([0.3, 0.3])
    assert np.round(points.get_xdata()).tolist() == [0, 1]
    assert lines.get_segments()[0][:, 1] == pytest.approx([0.3 - half, 0.3 + half])
    points, _, _ = found["w-softmax:1.5"].lines
    assert points.get_ydata() == pytest.approx([-2])  # of two seeds nothing is shown
    low, high = below.get_ylim()
    assert low < -2 - stats.t.ppf(0.975, 2) / 3**0.5
    assert high > 0.3 + half
    assert "Below: accuracy minus softmax's at the same M, seeds paired" in drawn.caption


@pytest.mark.parametrize(
    ("ends", "near", "ticks"),
    [
        ((-0.2, 0.05, 0.3), 0.5, [-0.1, 0.1]),
        ((-12.0, -0.2, 0.1, 0.2, 0.4), 0.5, [-10, -2, -0.5, -0.1, 0.1]),
        ((-3.0, -2.0, -1.5), 2.0, [-2, -1, -0.5, 0.5]),
        ((-1.0, 1.5, 7.0), 2.0, [-1, -0.5, 0.5, 1, 2, 5]),
    ],
)
def test_an_axis_of_points_is_linear_where_half_of_them_are(ends, near, ticks):
    axes = drawing.Figure().subplots()
    assert drawing.points_axis(axes, pd.Series(ends)) == near
    assert sorted(axes.get_yticks()) == ticks
    low, high = axes.get_ylim()
    assert low < min(*ends, 0)
    assert high > max(*ends, 0)


def test_the_scale_of_the_accuracy_axis_is_undone():
    values = np.array([20.0, 90.0, 99.0, 99.9])
    assert figures._to_accuracy(figures._from_accuracy(values)) == pytest.approx(values)


def test_the_commands_are_those_of_the_committed_figures_alone(capsys):
    assert main(["--commands", "--runs", "runs/mnist-small"]) == 2
    assert (
        capsys.readouterr().err == "error: --commands are those of the committed figures, got --runs runs/mnist-small\n"
    )


@pytest.mark.parametrize("arguments", [[], ["--runs", "nothing"]])
def test_no_records_is_an_error_that_names_the_command(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "python -m fc_width.sweep" in error
    assert not list(tmp_path.iterdir())


def test_the_angle_against_alpha_needs_the_three_kinds_of_weights(tmp_path, record):
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
    assert [axes.get_title() for axes in drawing.figure.axes] == ["features: linear", "features: PReLU → batch norm"]
    lines = {line.get_label(): list(line.get_ydata()) for line in drawing.figure.axes[0].lines}
    assert lines["as printed"] == lines["fixed simplex"] == [14.5, 14.5, 14.5]
    assert "softmax" not in lines
    for seed in range(2):
        softmax = record(Recipe(name="digits", loss="softmax", seed=seed, feature="linear"), 0.5)
        softmax["final"]["test_angle"] = 20.0 + seed
        store.write(softmax)
    drawing = figures_angles.angle_against_alpha(records.load(store.folder))
    first, second = ({line.get_label(): list(line.get_ydata()) for line in each.lines} for each in drawing.figure.axes)
    assert first["softmax"] == [20.5, 20.5]
    assert first["as printed"] == lines["as printed"]
    assert "softmax" not in second
    assert "Test accuracy, mean over α = 0, 0.5, 1, is lowest" in drawing.caption
    assert "50.0 %" not in drawing.caption
    for seed in range(3):  # what one kind alone has, more seeds or another α, does not count against it
        store.write(record(Recipe(name="digits", loss="w-softmax:1.5", seed=seed, feature="linear"), 0.1))
        store.write(record(Recipe(name="digits", loss="w-softmax-centred:1", seed=seed, feature="linear"), 0.87))
        store.write(record(Recipe(name="digits", loss="w-softmax:1", seed=seed, feature="linear"), 0.9))
    caption = figures_angles.angle_against_alpha(records.load(store.folder)).caption
    assert "mean over α = 0, 0.5, 1, is lowest with centred weights, linear: 89.0 %; elsewhere 90.0 %" in caption


def test_the_best_angles_are_the_theory_s():
    source = figures_theory.best_angles((10,)).source.set_index("M")
    assert source.loc[8, "lower"] == pytest.approx(90)
    assert source.loc[9, "lower"] == pytest.approx(96.3794, abs=1e-4)
    assert source["exact"].all()


def test_the_plane_shows_the_features_and_weights_of_the_records(tmp_path, record):
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
        "W-Softmax α = 1\nmean angle 14.5°",
        "W-Softmax α = 1, fixed simplex\nmean angle 14.5°",
    ]
    points = [tuple(point) for line in drawing.figure.axes[0].lines for point in line.get_xydata()]
    assert sorted(points) == [(-0.2, 0.1), (0.6, 0.8)]
    labels = {text.get_text(): text.get_position() for text in drawing.figure.axes[0].texts if text.get_text()}
    assert labels == {"0": (1.14, 0.0), "1": (0.0, 1.14), "2": (-1.14, 0.0)}
    assert set(drawing.source["seed"]) == {0}


def test_variances_stand_in_the_tables_of_runs_that_have_them(tmp_path, record):
    """Records from before they were measured do not."""
    store = Store(tmp_path / "runs")
    store.create()
    geometry = {"nc1": None, "smallest_angle": 80.0, "weight_sum_norm": 0.5}
    for seed in range(2):
        store.write(record(Recipe(name="digits", seed=seed), 0.9) | {"geometry": geometry})
    text = tables.geometry_by_loss(records.load(store.folder))
    assert (
        "Smallest angle between two weights, degrees\n\n| loss | prelu-bn |\n|---|---|\n| softmax | 80.00 ± 0.00 |"
        in text
    )
    assert "Variance within" not in text
    for seed, ratio in ((2, 0.2), (3, 0.4)):
        store.write(record(Recipe(name="digits", seed=seed), 0.9) | {"geometry": geometry | {"variance_ratio": ratio}})
    text = tables.geometry_by_loss(records.load(store.folder))
    assert "| softmax | 0.30 ± 0.14 |" in text.partition("Variance within classes")[2]


def test_an_accuracy_of_100_percent_has_a_place_on_the_axis(tmp_path, record):
    store = Store(tmp_path / "runs")
    store.create()
    for width, accuracy in ((1, 0.5), (9, 0.99), (18, 1.0)):
        store.write(record(Recipe(name="digits", width=width), accuracy))
    (axes,) = figures.accuracy_against_width(records.load(store.folder)).figure.axes
    ticks = {text.get_text(): place for text, place in zip(axes.get_yticklabels(), axes.get_yticks(), strict=True)}
    assert ticks["100"] == pytest.approx(99.5)  # half of the smallest error above 0
    assert axes.lines[1].get_ydata() == pytest.approx([50, 99, 99.5])


def test_accuracies_that_lie_close_together_have_ticks_too(tmp_path, record):
    store = Store(tmp_path / "runs")
    store.create()
    for width, accuracy in ((7, 0.711), (9, 0.725), (18, 0.718)):
        store.write(record(Recipe(name="digits", width=width), accuracy))
    (axes,) = figures.accuracy_against_width(records.load(store.folder)).figure.axes
    low, high = axes.get_ylim()
    assert sum(low <= tick <= high for tick in axes.get_yticks()) >= 4


@pytest.mark.parametrize("name", ["cifar100-small", "cifar10-small", "mnist-small", "paper-mnist"])
def test_accuracies_of_every_data_set_fit_their_axis(name, tmp_path, record):
    recipe = RECIPES[name].recipe
    classes = recipe.width + 1
    store = Store(tmp_path / "runs")
    store.create()
    for width in sweep_widths(classes):
        for loss in ("softmax", "hinge"):
            accuracy = 1 / classes + 0.8 * (1 - 1 / classes) * (1 - 0.5**width)
            store.write(record(dataclasses.replace(recipe, width=width, loss=loss), accuracy))
    made = figures.accuracy_against_width(records.load(store.folder))
    (axes,) = made.figure.axes
    low, high = axes.get_ylim()
    assert low >= 0
    assert all(low <= y <= high for line in axes.lines if line.get_label()[0] != "_" for y in line.get_ydata())
    ticks = axes.get_yticks()
    assert 4 <= len(ticks) <= 14
    assert [text.get_text() for text in axes.get_yticklabels()] == [f"{tick:g}" for tick in ticks]
    made.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in axes.get_xticklabels()]
    assert len(boxes) == len(sweep_widths(classes))
    assert all(one.x1 < other.x0 for one, other in pairwise(boxes))


@pytest.mark.parametrize(
    ("name", "dataset", "stem"),
    [
        ("mnist-small", "mnist", "fig4a-accuracy-mnist-small"),
        ("paper-mnist", "mnist", "fig4a-accuracy-paper-mnist"),
        ("cifar10-small", "cifar10", "fig4b-accuracy-cifar10-small"),
        ("paper-cifar100", "cifar100", "fig4c-accuracy-paper-cifar100"),
        ("fashion-mnist-small", "fashion-mnist", "accuracy-fashion-mnist-small"),
        ("mnist-small", "mnist:2", "accuracy-mnist-small-2"),
        ("cifar100-small", "cifar100:20", "accuracy-cifar100-small-20"),
    ],
)
def test_a_figure_names_its_data_and_whether_its_network_is_the_paper_s(name, dataset, stem, tmp_path, record):
    store = Store(tmp_path / "runs")
    store.create()
    for width in (1, 2):
        store.write(record(dataclasses.replace(RECIPES[name].recipe, dataset=dataset, width=width), 0.5))
    frame = records.load(store.folder)
    pack = command_line._pack(store.folder, tmp_path)
    made = dict(drawings({pack.name.removesuffix(records.PACK_SUFFIX): frame}, alone=True))
    assert stem in made
    heading = made[stem].figure.get_suptitle()
    assert ("the paper's network" in heading) == name.startswith("paper-")
    assert ("small network" in heading) == name.endswith("-small")
    assert (", first " in heading) == (":" in dataset)


def test_no_two_losses_look_the_same():
    losses = [*drawing.LOOKS, "hinge", "l-softmax", "a-softmax", "cosface", "w-softmax-centred:0.5"]
    looks = drawing.styles(reversed(losses))
    assert len({look[1:] for look in looks.values()}) == len({look[0] for look in looks.values()}) == len(losses)
    assert {marker for _, _, marker, _ in looks.values()} == {look[2] for look in looks.values()}
    assert len({look[2] for look in looks.values()}) == len(losses)  # a grey print has the markers alone


@pytest.mark.parametrize(
    ("name", "channels", "inputs"),
    [
        ("mnist", [1, *[64] * 10], 576),
        ("cifar10", [3, *[64] * 5, *[96] * 4, *[128] * 4], 2048),
        ("cifar100", [3, *[96] * 5, *[192] * 4, *[384] * 4], 6144),
    ],
)
def test_the_layers_are_those_of_the_paper_s_networks(name, channels, inputs):
    rows = figures_network.layers(name)
    shape, classes = NETWORKS[name]
    convolutions = rows[rows["layer"] == "convolution 3×3"]
    expected = [9 * a * b + b for a, b in pairwise(channels)]
    assert convolutions["parameters"].tolist() == expected
    counts = rows[rows["layer"] != "convolution 3×3"].groupby("layer")["parameters"].sum()
    width = classes - 1
    assert counts["FC layer"] == width * (inputs + 1)
    assert counts["classifier"] == width * classes
    assert counts["PReLU"] == sum(channels[1:]) + width
    assert counts["batch norm"] == 2 * counts["PReLU"]
    sizes = [int(length) for length in rows[rows["layer"] == "max pool 2×2"]["output"].iloc[-1].split("×")]
    assert np.prod(sizes) == inputs
    model = Backbone(BACKBONES[name], shape, width)
    assert rows["parameters"].sum() - counts["classifier"] == sum(p.numel() for p in model.parameters())


def test_the_memory_of_the_paper_s_networks_is_counted():
    before = torch.random.get_rng_state()
    source = figures_network.memory_of_the_networks().source.set_index(["network", "classifier", "width"]).sort_index()
    assert torch.equal(torch.random.get_rng_state(), before)
    for name, inputs, classes in (("mnist", 576, 10), ("cifar10", 2048, 10), ("cifar100", 6144, 100)):
        learned = source.loc[name, "learned"]
        assert learned.index.tolist() == sweep_widths(classes)
        assert (learned["fc_bytes"] == 4 * learned.index * (inputs + 1)).all()
        assert (learned["classifier_bytes"] == 4 * learned.index * classes).all()
        simplex = source.loc[name, "simplex"]
        assert simplex.index.tolist() == [classes - 1]
        assert simplex["classifier_bytes"].tolist() == [0]
        assert simplex["fc_bytes"].tolist() == [learned.loc[classes - 1, "fc_bytes"]]


def test_the_shaded_features_are_right_in_training_and_wrong_at_test():
    source = figures_theory.decision_boundaries().source
    assert source["alpha"].tolist() == [0, 0.5, 1, 1.5]
    turns = np.radians(np.arange(0.25, 360, 0.5))  # from w_1 towards w_2
    features = np.stack([np.cos(turns), np.sin(turns)], 1)
    weights = np.array([[1, 0], [np.cos(np.radians(120)), np.sin(np.radians(120))]])
    for _, row in source.iterrows():
        trained = features @ biased_weights(weights, 0, row["alpha"]).T
        tested = features @ weights.T
        inverted = (trained[:, 0] > trained[:, 1]) & (tested[:, 0] < tested[:, 1])
        shaded = (np.degrees(turns) > row["inverted_from"]) & (np.degrees(turns) < row["inverted_to"])
        assert (inverted == shaded).all()
        assert shaded.sum() == pytest.approx(row["margin"], abs=1)  # half of it, in steps of half a degree


def test_the_margin_and_the_loophole_are_drawn():
    panels = figures_theory.decision_boundaries().figure.axes
    assert [axes.get_title() for axes in panels] == [
        "α = 0: margin 0°",
        "α = 0.5: margin 30°",
        "α = 1: margin 60°",
        "α = 1.5: margin 79.1°",
    ]
    wedges = [sorted((patch.theta1, patch.theta2) for patch in axes.patches) for axes in panels]
    assert wedges[0] == []
    assert np.array(wedges[2]) == pytest.approx(np.array([(-90, -60), (60, 120), (240, 270)]))
    assert [text.get_text() for text in panels[1].texts if text.get_text()] == ["$w_1$", "$w_2$", "$w'_2$"]


def test_the_simplices_have_equal_angles():
    source = figures_theory.simplices().source
    assert source["C"].tolist() == [2, 2, 3, 3, 3, 4, 4, 4, 4]
    for C, rows in source.groupby("C"):
        vectors = rows[[f"x{axis + 1}" for axis in range(C - 1)]].to_numpy(dtype=float)
        cosines = (vectors @ vectors.T)[~np.eye(C, dtype=bool)]
        assert np.degrees(np.arccos(cosines.clip(-1, 1))) == pytest.approx(rows["angle"].iloc[0])
    assert source.groupby("C")["angle"].first().tolist() == pytest.approx([180, 120, 109.4712206])


def test_a_figure_across_recipes_gets_the_runs_of_all_packs(folder, tmp_path, monkeypatch, record):
    out = tmp_path / "figures"
    draw_all(out, folder)
    store = Store(tmp_path / "more")
    store.create()
    store.write(record(RECIPES["mnist-small"].recipe, 0.99))
    draw_all(out, store.folder)
    seen = []

    def draw(runs):
        seen.append(runs.groupby("name").size().to_dict())
        return drawing.Drawing(figures_theory.Figure(), runs[["run_id"]], "")

    never = Entry(lambda runs: "never", draw, lambda runs: False)
    monkeypatch.setattr(command_line, "OF_ALL", [Entry(lambda runs: "across", draw, lambda runs: True), never])
    frames = {name: records.load(out / "data" / f"{name}.jsonl.gz") for name in ("digits", "mnist-small")}
    stems = [stem for stem, _ in drawings(frames)]
    assert stems.count("across") == 1
    assert "never" not in stems
    assert seen == [{"digits": 28, "mnist-small": 1}]


def test_commands_fill_the_folder_that_is_asked_for(tmp_path, capsys):
    out = str(tmp_path / "my figures")
    assert main(["--commands", "--out", out]) == 0
    packed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("python -m analysis")]
    assert len(packed) == len(committed.SWEEPS)
    assert all(line.endswith(f" --out '{out}'") for line in packed)


@pytest.mark.parametrize("missing", committed.SWEEPS)
def test_a_missing_pack_is_an_error_that_names_the_command(missing, tmp_path, monkeypatch, capsys):
    data = tmp_path / "figures" / "data"
    data.mkdir(parents=True)
    for name in committed.SWEEPS:
        if name != missing:
            shutil.copy(FIGURES / "data" / f"{name}.jsonl.gz", data)
    monkeypatch.chdir(tmp_path)
    assert main([]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"{missing}.jsonl.gz" in error
    assert all(f"python -m fc_width.sweep {options}" in error for options in committed.SWEEPS[missing])
    assert error.rstrip().endswith(f"python -m analysis --runs runs/figures/{missing}")


@pytest.mark.parametrize("name", committed.SWEEPS)
def test_the_commands_of_a_pack_make_its_runs(name):
    made = set()
    for options in committed.SWEEPS[name]:
        words = subprocess.run(["bash", "-c", f"printf '%s\\n' {options}"], capture_output=True, text=True, check=True)
        asked = tyro.cli(Options, args=words.stdout.split())
        runs = records.load(FIGURES / "data" / f"{name}.jsonl.gz")
        made |= {run.run_id for run in plan(asked, int(runs["classes"].iloc[0]))}
    assert set(runs["run_id"]) == made


def test_what_is_committed_is_what_the_committed_records_give():
    packs = {path.name.removesuffix(records.PACK_SUFFIX) for path in (FIGURES / "data").glob("*.jsonl.gz")}
    assert packs == set(committed.SWEEPS), "a pack and its line in committed.SWEEPS go together"
    frames = {name: records.load(FIGURES / "data" / f"{name}.jsonl.gz") for name in sorted(packs)}
    expected = set()
    for stem, made in drawings(frames):
        expected |= {f"{stem}.png", f"pdf/{stem}.pdf", f"data/{stem}.csv"}
        text = made.source.to_csv(index=False, float_format="%.6g")
        (FIGURES / f"{stem}.png").stat()
        assert _same_table(text, (FIGURES / "data" / f"{stem}.csv").read_text("utf-8")), stem
    for name, text in texts(frames):
        assert text == (FIGURES / name).read_text("utf-8"), name
    there = {str(path.relative_to(FIGURES)) for kind in ("png", "pdf", "csv") for path in FIGURES.rglob(f"*.{kind}")}
    assert there == expected | {"data/tables.csv"}, "a figure that nothing draws any more, or one that is not committed"


def test_the_readmes_have_the_committed_knees_of_whole_data_sets():
    readme, measured = ((FIGURES.parent / name).read_text("utf-8") for name in ("README.md", "analysis/README.md"))
    text, table, told, ours = (FIGURES / "knee.md").read_text("utf-8").strip().split("\n\n")
    head, line, *rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()]
    left_out = {place for place, name in enumerate(head) if "0.1 points" in name or "means alone" in name}
    assert len(left_out) == 2
    whole = [head, line, *(row for row in rows if ", first " not in row[0])]
    assert len(whole) == 2 + 6
    shown = ["| " + " | ".join(cell for place, cell in enumerate(row) if place not in left_out) + " |" for row in whole]
    assert "\n".join(shown).replace("| --- ", "|---") in readme
    measured = " ".join(measured.split())
    assert text in measured
    assert told.startswith("With W-Softmax as printed")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in ours.splitlines()[2:]]
    (knee,) = (row[3] for row in rows if row[:2] == ["CIFAR10", "w-softmax:1"])
    assert f"on CIFAR10 with α = 1 it is {knee}" in measured
    knees = [row[3] for row in rows if row[0] == "MNIST"]
    assert f"on MNIST {', '.join(knees[:-1])} and {knees[-1]} with α = 0.5, 1 and 1.5" in measured


def _same_table(one, other):
    """Equal texts, but for the last digits of numbers, which another machine may round the other way."""
    rows, others = ([line.split(",") for line in text.splitlines()] for text in (one, other))
    same = len(rows) == len(others) and all(len(a) == len(b) for a, b in zip(rows, others, strict=True))
    return same and all(
        a == b or float(a) == pytest.approx(float(b), rel=1e-4, abs=1e-9)
        for row, twin in zip(rows, others, strict=True)
        for a, b in zip(row, twin, strict=True)
    )


def test_a_pack_is_never_replaced_by_one_that_holds_less(tmp_path, record):
    """A packed file given for a folder would have been emptied by it."""
    folder, file = tmp_path / "runs", tmp_path / "data" / "digits.jsonl.gz"
    store = Store(folder)
    store.create()
    for seed in (0, 1):
        store.write(record(Recipe(name="digits", seed=seed), 0.9))
    records.pack(folder, file)
    before = file.read_bytes()
    assert main(["--runs", str(file), "--out", str(tmp_path)]) == 2
    with pytest.raises(ValueError, match="no records in"):
        records.pack(tmp_path / "nothing", file)
    assert file.read_bytes() == before
    (gone, *_) = sorted(store.run_ids())
    store.discard(gone)
    records.pack(folder, file)
    assert file.read_bytes() == before
    store.write(record(Recipe(name="digits", seed=2), 0.9))
    records.pack(folder, file)
    assert len(records.load(file)) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 20}, "epochs 30 and 20"),
        ({"dataset": "digits:5"}, "dataset 'digits' and 'digits:5'"),
        ({}, "data_sha256 'this' and 'other'"),
    ],
)
def test_runs_that_do_not_belong_in_one_table_are_never_packed_together(change, message, tmp_path, record):
    file = tmp_path / "digits.jsonl.gz"
    for name, checksum, changes in (("one", "this", {}), ("other", "other", change)):
        store = Store(tmp_path / name)
        store.create()
        made = record(dataclasses.replace(Recipe(name="digits", seed=len(name)), **changes), 0.9)
        store.write(made | {"provenance": {"data_sha256": checksum if not change else "this"}})
    records.pack(tmp_path / "one", file)
    before = file.read_bytes()
    with pytest.raises(ValueError, match=f"do not belong in one table .*{message}"):
        records.pack(tmp_path / "other", file)
    assert file.read_bytes() == before


def test_a_run_that_does_not_say_its_data_does_not_let_others_mix(tmp_path, record):
    store = Store(tmp_path / "runs")
    store.create()
    for seed, status, checksum in ((0, "failed", None), (1, "done", "this"), (2, "done", "other")):
        made = record(Recipe(name="digits", seed=seed), 0.9)
        says = {"provenance": {"data_sha256": checksum}} if checksum else {"provenance": {}, "error": "lost"}
        store.write(made | {"status": status, **says})
    with pytest.raises(ValueError, match=r"do not belong in one table .*data_sha256 'other' and 'this'"):
        records.pack(tmp_path / "runs", tmp_path / "digits.jsonl.gz")


def test_the_commands_of_all_runs_are_printed(capsys):
    assert main(["--commands"]) == 0
    lines = capsys.readouterr().out.splitlines()
    on_cpu = r"# ([\d,]+) runs, which took (\d+) core hours as they are recorded"
    taken = re.fullmatch(rf"{on_cpu}, and (\d+) that took ([\d.]+) hours on a GPU, several at once", lines[0])
    packs = [gzip.decompress(pack.read_bytes()) for pack in (FIGURES / "data").glob(f"*{records.PACK_SUFFIX}")]
    assert int(taken[1].replace(",", "")) + int(taken[3]) == sum(pack.count(b"\n") for pack in packs)
    assert int(taken[3]) == sum(pack.count(b'"cuda: ') for pack in packs) > 0
    text = (FIGURES.parent / "analysis" / "README.md").read_text("utf-8")
    assert f": {taken[2]} core hours and {taken[3]} runs on a GPU;" in text
    assert sum(line.startswith("python -m fc_width.sweep --") for line in lines) == sum(
        map(len, committed.SWEEPS.values())
    )
    assert [line for line in lines if "analysis" in line] == [
        f"python -m analysis --runs runs/figures/{name}" for name in committed.SWEEPS
    ]


@pytest.mark.parametrize(
    ("losses", "widths"),
    [
        (["hinge"], [9]),
        (["w-softmax:2"], [9]),
        (["w-softmax-simplex:0.5"], [9]),
        (["w-softmax:2", "w-softmax-simplex:2"], [4, 9]),
        (["hinge"], [4, 9, 18]),
    ],
)
def test_runs_of_losses_that_no_figure_shows_end_in_no_traceback(losses, widths, tmp_path, record):
    store = Store(tmp_path / "runs")
    store.create()
    for loss in losses:
        for width in [9] if "simplex" in loss else widths:
            for seed in range(3):
                store.write(record(Recipe(name="digits", width=width, loss=loss, seed=seed), 0.9 + 0.01 * seed))
    frames = {"digits": records.load(store.folder)}
    for _, made in drawings(frames, alone=True):
        made.figure.canvas.draw()
    assert dict(texts(frames, alone=True))


def test_runs_that_do_not_say_their_angles_have_no_figure_of_them(tmp_path, record):
    store = Store(tmp_path / "runs")
    store.create()
    for loss in ("softmax", "w-softmax:1"):
        store.write(record(Recipe(name="digits", width=9, loss=loss), 0.9))
    stems = {stem for stem, _ in drawings({"digits": records.load(store.folder)}, alone=True)}
    silent = record(Recipe(name="digits", width=9, loss="w-softmax:1"), 0.9) | {"class_angles": None}
    store.write(silent)
    assert stems - {stem for stem, _ in drawings({"digits": records.load(store.folder)}, alone=True)} == {
        "fig5-angles-digits"
    }
