"""Figures beyond the paper: what they show is what the records, `plateau`, `paired` and `theory.bounds` say."""

import base64
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import (
    figures_angles,
    figures_geometry,
    figures_overfitting,
    figures_width,
    paired,
    plateau,
    records,
    tables,
)
from analysis.__main__ import drawings
from fc_width.recipes import sweep_widths
from theory import bounds

COMMITTED = Path(__file__).parents[2] / "figures" / "data"
IMAGES = 2000


def runs(classes=10, loss="softmax", seeds=3, good_from=4, name="mnist-small", widths=None, fall=0.0, rng=None):
    """Rows as `records.load` gives them: 99 % from `good_from` on, 95 % below, `fall` less from 10(C − 1) on."""
    rng = rng or np.random.default_rng(1)
    rows = []
    for width in widths or sweep_widths(classes):
        for seed in range(seeds):
            share = 0.99 if width >= good_from else 0.95
            bits = rng.random(IMAGES) < share - (fall if width >= 10 * (classes - 1) else 0.0)
            rows.append(
                {
                    "run_id": f"{loss}_{classes}_M{width}_s{seed}",
                    "status": "done",
                    "name": name,
                    "backbone": "mnist-small",
                    "epochs": 4,
                    "softmax_epochs": 1,
                    "validation": 0.0,
                    "flip": 0.0,
                    "shift": 0,
                    "fc_parameters": 145 * width,
                    "classifier_parameters": classes * width,
                    "epoch_accuracy": {split: [0.9] for split in ("train", "test")},
                    "class_angles": {split: [20.0] * classes for split in ("train", "test")},
                    "features": None,
                    "batch_size": 128,
                    "dataset": "mnist" if classes == 10 else f"mnist:{classes}",
                    "loss": loss,
                    "feature": "prelu-bn",
                    "classes": classes,
                    "width": width,
                    "seed": seed,
                    "test_accuracy": bits.mean(),
                    "correct": base64.b64encode(np.packbits(bits).tobytes()).decode(),
                    "device": "cpu: test",
                    "smallest_angle": 10.0 + seed,
                    "nc1": 0.1 * width,
                    "nc2_means": 1.2,
                    "nc2_weights": 1.1,
                    "nc3": 0.3,
                }
            )
    return pd.DataFrame(rows)


def drawn(axes, gid):
    return [line for line in axes.lines if line.get_gid() == gid]


def texts(axes):
    return [label.get_text() for label in (axes.title, axes.xaxis.label, axes.yaxis.label)]


def test_the_knee_is_drawn_where_plateau_puts_it():
    frames = [runs(classes, good_from=4) for classes in (5, 10)]
    frames += [runs(classes, name="other", good_from=3) for classes in (7, 12)]
    drawing = figures_width.knee_against_classes(pd.concat(frames))
    titles = [axes.get_title() for axes in drawing.figure.axes]
    assert titles == ["MNIST\n(recipe mnist-small)", "MNIST\n(recipe other)", "", "", "", ""]
    rows = [axes.get_ylabel().partition(":")[0] for axes in drawing.figure.axes[::2]]
    assert rows == ["Within 0.5 points", "Within 0.1 points", "At most 5 % more errors"]
    source = drawing.source.set_index(["classes", "margin"])
    assert set(drawing.source["classes"]) == {5, 7, 10, 12}
    for frame, classes in zip(frames[:4], (5, 10, 7, 12), strict=True):
        of_errors = 5 * (1 - plateau.against_plateau(frame).plateau.mean())
        assert plateau.error_margin(frame) == pytest.approx(of_errors)
        for margin in (*plateau.MARGINS, plateau.error_margin(frame)):
            expected = plateau.knee(frame, margin)
            row = source.loc[(classes, margin)]
            for column, value in {"knee": expected.width, "low": expected.low}.items():
                assert row[column] == value or (value is None and math.isnan(row[column]))
            half = -(-classes // 2)
            assert (row["simplex"], row["half"]) == (classes - 1, half)
    lines = {line.get_label(): line for line in drawing.figure.axes[0].lines}
    assert lines["C − 1"].get_xydata().tolist() == [[5, 4], [10, 9]]
    for row, within in enumerate(rows):
        for column, name in enumerate(("mnist-small", "other")):
            (knees,) = drawn(drawing.figure.axes[2 * row + column], "knee")
            at = drawing.source[(drawing.source["within"] == within) & (drawing.source["name"] == name)]
            shown = at["knee"].dropna()
            assert knees.get_ydata().tolist() == shown.tolist()
    assert "mnist-small (mnist, mnist:5)" in drawing.caption


def test_the_table_of_knees_has_a_row_a_data_set_by_the_number_of_classes():
    frames = [runs(10, good_from=4), runs(5, good_from=3), runs(10, name="other"), runs(7, loss="w-softmax:1")]
    _, softmax, told, ours = tables.knees(pd.concat(frames)).split("\n\n")
    assert told.startswith("With W-Softmax as printed")
    (own,) = (line.strip("| ").split(" | ") for line in ours.splitlines()[2:])
    assert own[:4] == ["MNIST, first 7 classes", "w-softmax:1", "6", plateau.knee(frames[3], 0.5).text()]
    lines = [line.strip("| ").split(" | ") for line in softmax.splitlines()]
    assert [(row[0], row[1], row[-1]) for row in lines[2:]] == [
        ("MNIST, first 5 classes", "4", "mnist-small"),
        ("MNIST", "9", "mnist-small"),
        ("MNIST", "9", "other"),
    ]
    assert lines[0][2:4] == [f"within {margin:g} points" for margin in (0.5, 0.1)]
    for row, frame in zip(lines[2:], (frames[1], frames[0], frames[2]), strict=True):
        assert row[2:4] == [plateau.knee(frame, margin).text() for margin in (0.5, 0.1)]
        assert row[4] == plateau.knee(frame, plateau.error_margin(frame)).text()
        assert row[5] == str(plateau.knee(frame, 0.5).estimate)
    assert lines[0][4:6] == ["at most 5 % more errors", "by the means alone, within 0.5 points"]
    assert {row[7] for row in lines[2:]} == {"3"}
    assert tables.knees(runs(widths=[4, 9])) == ""
    fewer = runs(10, seeds=5, good_from=4)
    fewer = fewer[(fewer["width"] != 5) | (fewer["seed"] < 3)]
    assert tables.knees(fewer).splitlines()[-1].endswith("| 3 to 5 | mnist-small |")
    others = [runs(5).assign(dataset=f"{name}:5", name=name) for name in ("cifar10", "own-pets", "digits")]
    order = [line.split(" | ")[0] for line in tables.knees(pd.concat(others)).splitlines()[4:]]
    assert order == ["| Digits, first 5 classes", "| CIFAR10, first 5 classes", "| own-pets, first 5 classes"]


def test_what_is_not_decided_is_drawn_as_an_arrow_not_as_a_knee():
    for axes in figures_width.knee_against_classes(runs(10, seeds=1)).figure.axes:
        (knees,) = drawn(axes, "knee")
        assert not len(knees.get_xdata())
        assert [line.get_ydata()[0] for line in axes.lines if line.get_marker() == "^"] == [45]


def test_the_signs_of_the_knees_are_told_and_a_short_bar_has_a_cap():
    frame = runs(10, seeds=1).assign(test_accuracy=lambda rows: np.where(rows["width"] < 4, 0.95, 0.99), correct=None)
    drawing = figures_width.knee_against_classes(frame)
    (legend,) = drawing.figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels[3:] == [*figures_width.SIGNS]
    source = drawing.source.sort_values("margin", ascending=False)
    lines = [line for axes in drawing.figure.axes for line in axes.lines]
    assert [line.get_ydata()[0] for line in lines if line.get_marker() == "_"] == source["low"].tolist()
    diamonds = [line.get_ydata()[0] for line in lines if line.get_marker() == "D"]
    assert diamonds == source["estimate"].tolist() == [4, 4, 4]
    frame.loc[frame["width"] == 45, "test_accuracy"] = 0.9  # by the means nowhere
    for axes in figures_width.knee_against_classes(frame).figure.axes:
        assert not [line for line in axes.lines if line.get_marker() == "D"]


def test_the_right_angle_is_reached_at_half_the_classes():
    for C in range(2, 20):
        half = -(-C // 2)
        assert bounds.largest_min_angle(C, half).lower >= math.pi / 2 - bounds.TINY
        assert half == 1 or bounds.largest_min_angle(C, half - 1).upper < math.pi / 2 - bounds.TINY


def test_the_rise_is_drawn_for_each_number_of_classes():
    frames = [runs(10), runs(3, good_from=2)]
    drawing = figures_width.rise_to_the_plateau(pd.concat(frames))
    three, ten, *_ = drawing.figure.axes
    assert three.get_title().startswith("C = 3: plateau")
    found = plateau.against_plateau(frames[0])
    lines = {line.get_label(): line for line in ten.lines}
    assert lines["mean over seeds"].get_ydata() == pytest.approx(found.differences.mean().to_numpy())
    assert lines["C − 1"].get_xdata()[0] == 9
    assert len(drawing.source) == 3 * (len(sweep_widths(10)) + len(sweep_widths(3)))
    (bars,) = ten.collections
    widths = found.differences.columns.tolist()
    expected = [paired.mean_interval(found.differences[width])[1:] for width in widths]
    assert [segment[0, 0] for segment in bars.get_segments()] == widths
    assert np.array([segment[:, 1] for segment in bars.get_segments()]) == pytest.approx(np.array(expected))
    (legend,) = drawing.figure.legends
    assert legend.get_title().get_text() == "MNIST: small network (recipe mnist-small), softmax"


def test_the_rise_shows_every_seed_however_far_above_the_plateau():
    frame = runs(10).assign(test_accuracy=lambda rows: rows["test_accuracy"] - 0.1, correct=None)
    frame.loc[(frame["width"] == 18) & (frame["seed"] == 0), "test_accuracy"] += 0.04
    drawing = figures_width.rise_to_the_plateau(frame)
    low, high = drawing.figure.axes[0].get_ylim()
    assert drawing.source["difference"].max() > 2
    assert drawing.source["difference"].between(low, high).all()


def test_the_geometry_stands_over_the_bounds():
    frame = pd.concat([runs(), runs(loss="w-softmax-simplex:1", widths=[9]).assign(smallest_angle=90.0)])
    drawing = figures_geometry.geometry_against_bound(frame)
    assert len(drawing.source) == len(frame)
    at = drawing.source[drawing.source["width"] == 4].iloc[0]
    best = bounds.largest_min_angle(10, 4)
    assert (at["bound_lower"], at["bound_upper"]) == pytest.approx((math.degrees(best.lower), math.degrees(best.upper)))
    assert at["bound_nc2_floor"] == pytest.approx(bounds.nc2_floor(10, 4))
    lines = {line.get_label(): line for line in drawing.figure.axes[0].lines}
    assert lines["softmax"].get_ydata().tolist() == [11.0] * len(sweep_widths(10))
    assert lines["W-Softmax α = 1, fixed simplex"].get_xdata().tolist() == [sweep_widths(10).index(9)]


def test_a_peak_of_nc1_at_the_simplex_s_width_is_explained_where_there_is_one():
    flat, peaked = runs(), runs(loss="w-softmax:1")
    peaked.loc[peaked["width"] == 9, "nc1"] = 50.0
    assert "nearly singular" not in figures_geometry.geometry_against_bound(flat).caption
    caption = figures_geometry.geometry_against_bound(pd.concat([flat, peaked])).caption
    assert "Its median peaks at C − 1 (W-Softmax α = 1): there" in caption


def test_no_committed_record_beats_the_bounds():
    packs = sorted(COMMITTED.glob("*.jsonl.gz"))
    assert packs
    for pack in packs:
        frame = records.load(pack)
        for _, row in frame[frame["status"] == "done"].iterrows():
            C, M = int(row["classes"]), int(row["width"])
            assert math.radians(row["smallest_angle"]) <= bounds.largest_min_angle(C, M).upper + 1e-6
            for measure in ("nc2_means", "nc2_weights"):
                if measure in row and not pd.isna(row[measure]):
                    assert row[measure] >= bounds.nc2_floor(C, M) - 1e-6


def test_overfitting_is_the_paired_change_since_the_simplex_s_width():
    rng = np.random.default_rng(5)
    frame = pd.concat([runs(fall=0.02, rng=rng), runs(loss="w-softmax:1", rng=rng)])
    drawing = figures_overfitting.overfitting(frame)
    source = drawing.source.set_index(["loss", "factor"])
    assert sorted(source.index) == [(loss, factor) for loss in ("softmax", "w-softmax:1") for factor in (10, 20, 30)]
    at = {(loss, width): rows for (loss, width), rows in frame.groupby(["loss", "width"])}
    for (loss, factor), row in source.iterrows():
        expected = paired.compare(at[loss, 9 * factor], at[loss, 9])
        assert (row["change"], row["low"], row["high"]) == (expected.difference, expected.low, expected.high)
        assert row["p_pooled"] == expected.p_pooled
    assert source.loc["softmax", "change"].between(-3.5, -0.8).all()
    by_seed = frame.pivot(index="seed", columns=["loss", "width"], values="test_accuracy") * 100
    gain = (by_seed["w-softmax:1"][90] - by_seed["w-softmax:1"][9]) - (by_seed["softmax"][90] - by_seed["softmax"][9])
    row = source.loc[("w-softmax:1", 10)]
    assert (row["against_softmax"], row["against_softmax_low"], row["against_softmax_high"]) == pytest.approx(
        paired.mean_interval(gain.to_numpy())
    )
    assert source.loc["softmax", "against_softmax"].isna().all()
    assert "Smallest difference that one pair" in drawing.caption
    assert "24 runs" in drawing.caption
    counts = [[text.get_text() for text in axes.texts] for axes in drawing.figure.axes]
    assert counts == [["3"] * 6 + ["seeds:"], ["3"] * 3 + ["seeds:"]]


def test_where_training_fails_too_the_caption_says_that_it_is_no_overfitting():
    rng = np.random.default_rng(7)
    frame = pd.concat([runs(fall=0.6, rng=rng), runs(loss="w-softmax:1", seeds=5, rng=rng)])
    frame["train_accuracy"] = 0.99
    drawing = figures_overfitting.overfitting(frame)
    assert "changes too: softmax at M = 90 by +0.00 points to 99.00 %, " in drawing.caption
    wide = (frame["loss"] == "softmax") & (frame["width"] >= 90)
    frame.loc[wide, "train_accuracy"] = 0.40
    drawing = figures_overfitting.overfitting(frame)
    assert "falls too: softmax at M = 90 by −59.0 points to 40.0 % (failed optimisation), " in drawing.caption
    source = drawing.source.set_index(["loss", "factor"])
    assert source.loc[("softmax", 30), "training_change"] == pytest.approx(-59)
    assert source.loc[("w-softmax:1", 30), ["seeds", "against_softmax_seeds"]].tolist() == [5, 3]
    assert "3 to 5 seeds" in drawing.caption
    one = frame[(frame["width"] == 9) | (frame["seed"] == 0)]
    assert "; 1 seed, 8 runs" in figures_overfitting.overfitting(one).caption


def test_the_angle_against_the_width_is_drawn_where_all_losses_were_run():
    frame = pd.concat(
        runs(loss=loss, widths=[1, 2, 9, 27]).assign(
            test_angle=lambda rows, own=angles: rows["width"].map(own) + rows["seed"], feature="prelu-bn"
        )
        for loss, angles in {
            "softmax": {1: 4, 2: 20, 9: 20, 27: 60},
            "w-softmax:0.5": {1: 3, 2: 10, 9: 30, 27: 10},
            "w-softmax:1": {1: 2, 2: 30, 9: 40, 27: 40},
            "w-softmax:1.5": {1: 1, 2: 40, 9: 50, 27: 50},
        }.items()
    )
    frame = frame[(frame["loss"] != "softmax") | (frame["width"] != 2)]
    stem = "fig5-angle-against-width-mnist-small"
    drawing = dict(drawings({"mnist-small": frame}, alone=True))[stem]
    assert sorted(drawing.source["width"].unique()) == [1, 9, 27]
    lines = {line.get_label(): line for line in drawing.figure.axes[0].lines}
    assert lines["softmax"].get_ydata().tolist() == [5, 21, 61]
    assert "Largest mean: softmax at M = 1, 27; W-Softmax α = 1.5 at M = 9." in drawing.caption
    assert "From softmax on, each larger α has the smaller mean, as in the paper, at M = 1." in drawing.caption
    bars = drawing.figure.axes[0].collections[0].get_segments()
    assert bars[1][:, 1].tolist() == pytest.approx(paired.mean_interval([20, 21, 22])[1:])
    few = {"mnist-small": frame[frame["width"] != 27]}
    assert stem not in dict(drawings(few, alone=True))


def test_of_many_classes_every_seed_is_drawn_and_no_tick_looks_like_a_class():
    drawing = figures_angles.mean_angles(runs(30, widths=[29]).assign(dataset="cifar100"))
    for axes in drawing.figure.axes:
        assert not len(axes.get_xticks())
        assert [len(line.get_xdata()) for line in axes.lines if line.get_marker() == "."] == [3 * 30]


def test_the_records_decide_what_is_drawn():
    mine = ("knee", "rise", "geometry", "overfitting")
    few = {"mnist-small": runs(widths=[4, 9], seeds=2)}
    assert {stem for stem, _ in drawings(few) if stem.startswith(mine)} == {"geometry-mnist-small"}
    both = dict(drawings({"mnist-small": runs(), "mnist-small-5": runs(5)}))
    found = {stem for stem in both if stem.startswith(mine)}
    assert found == {"knee", "rise-mnist-small", "geometry-mnist-small", "overfitting-mnist-small"}
    for stem in found:
        drawing = both[stem]
        assert len(drawing.source)
        drawing.figure.draw_without_rendering()
        assert all(any(texts(axes)) for axes in drawing.figure.axes if axes.axison and axes.lines)


def test_what_cannot_be_drawn_is_told():
    with pytest.raises(ValueError, match=r"no softmax runs with a plateau.*fc_width.sweep"):
        figures_width.knee_against_classes(runs(widths=[4, 9]))
    with pytest.raises(ValueError, match="no loss was run at M = C − 1 and at 10"):
        figures_overfitting.overfitting(runs(widths=[4, 9]))


def test_two_seeds_show_no_fall():
    """They may well be equal."""
    frame = runs(seeds=3).assign(train_accuracy=0.99, correct=None)
    frame["test_accuracy"] = np.where(frame["width"] >= 90, 0.97, 0.99) + 1e-6 * frame["seed"] * frame["width"]
    assert "is shown to fall" in figures_overfitting.overfitting(frame).caption
    two = frame[frame["seed"] < 2]
    drawing = figures_overfitting.overfitting(two.assign(test_accuracy=two["test_accuracy"].round(3)))
    assert (drawing.source["high"] < 0).all()
    assert "is shown to fall" not in drawing.caption


def test_a_test_set_too_small_to_show_any_difference_is_drawn_all_the_same():
    bits = base64.b64encode(np.packbits([True, False]).tobytes()).decode()
    frame = runs(widths=[9, 90]).assign(test_accuracy=0.5, correct=bits)
    drawing = figures_overfitting.overfitting(frame)
    assert drawing.source["smallest_detectable"].isna().all()
    assert "Smallest difference" not in drawing.caption


def test_no_scatter_within_classes_is_no_place_on_a_log_axis():
    """One training picture a class."""
    frame = runs()
    frame.loc[frame["width"] == 9, "nc1"] = 0.0
    for each in (frame, frame.assign(nc1=0.0)):
        axes = figures_geometry.geometry_against_bound(each).figure.axes
        (nc1,) = (one for one in axes if "NC1" in one.get_ylabel())
        assert all(math.isfinite(end) for end in nc1.get_ylim())
        seeds = [line for line in nc1.lines if len(line.get_xdata()) > 2]  # not that of C − 1
        assert not any((line.get_ydata() <= 0).any() for line in seeds)
        assert bool(seeds) == bool((each["nc1"] > 0).any())
