"""Accuracy epoch by epoch."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis import captions, figures_epochs, records
from fc_width.recipes import Recipe
from fc_width.store import Store

EPOCHS = 10
OTHERS = [("w-softmax:1", 8), ("hinge", 9), ("w-softmax:0.5", 9)]
"""Losses and widths that are none of the figure's, the last as its run diverged."""


@pytest.fixture
def runs(tmp_path, record):
    store = Store(tmp_path / "runs")
    store.create()
    for loss, width in [("softmax", 9), ("w-softmax:1", 9), *OTHERS]:
        for seed in range(5):
            recipe = Recipe(name="digits", width=width, loss=loss, seed=seed, epochs=EPOCHS, softmax_epochs=2)
            rising = [0.8 + 0.01 * epoch + 0.001 * seed**2 for epoch in range(EPOCHS)]
            curves = {"test_accuracy": rising, "train_accuracy": [each - 0.1 for each in rising]}
            made = record(recipe, 0.9) | curves
            if loss == "w-softmax:0.5":
                made = {"run_id": recipe.run_id, "recipe": made["recipe"], "status": "diverged", "classes": 10}
            store.write(made)
    return records.load(store.folder)


def bands(axes):
    return [each.get_paths()[0].vertices for each in axes.collections]


def test_a_curve_is_the_mean_over_seeds_with_its_interval(runs):
    drawing = figures_epochs.accuracy_by_epoch(runs)
    assert set(drawing.source["loss"]) == {"softmax", "w-softmax:1"}
    assert len(drawing.source) == 2 * 2 * 5 * EPOCHS
    test, _, train = drawing.figure.axes
    for axes, base in ((test, 80), (train, 70)):
        line, other = [line for line in axes.lines if len(line.get_xdata()) == EPOCHS]
        assert [each.get_label() for each in (line, other)] == ["softmax", "W-Softmax α = 1"]
        assert list(line.get_xdata()) == list(range(1, EPOCHS + 1))
        means = base + 0.6 + np.arange(EPOCHS)
        assert line.get_ydata() == pytest.approx(means)
        late = means[2:]  # where α has set in
        span = late.max() - late.min()
        top = min(late.max() + 0.4 * span, 100 + 0.05 * span)
        assert axes.get_ylim() == pytest.approx((late.min() - span, top))
        assert [line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 2] == [2.5]
    assert not bands(test)
    assert len(bands(train)) == 2
    values = 71 + np.array([0, 0.1, 0.4, 0.9, 1.6])  # of the second epoch
    low, high = stats.t.interval(0.95, 4, values.mean(), stats.sem(values))
    second = bands(train)[0][bands(train)[0][:, 0] == 2, 1]
    assert (second.min(), second.max()) == pytest.approx((low, high))
    assert bands(train)[0][:, 0].min() == 2  # before it all are softmax
    assert "dashed: where α sets in" in drawing.caption
    assert "5 seeds, 15 runs, 5 of them not done" in drawing.caption


def test_what_a_loss_is_above_softmax_is_paired_by_seed(runs):
    """Its interval has nothing of how seeds differ, and seeds that one of the two lacks do not count."""
    apart = np.array([0.2, 0.4, 0.6, 0.8, 1.5])
    of_loss = runs["loss"] == "w-softmax:1"
    curves = [
        {**own, "test": [value + change / 100 for value in own["test"]]}
        for own, change in zip(
            runs["epoch_accuracy"].where(runs["epoch_accuracy"].notna(), {"test": [], "train": []}),
            np.where(of_loss, apart[runs["seed"]], 0),
            strict=True,
        )
    ]
    changed = runs.assign(epoch_accuracy=curves)
    _, gain, _ = figures_epochs.accuracy_by_epoch(changed).figure.axes
    (line,) = [line for line in gain.lines if len(line.get_xdata()) == EPOCHS]
    assert line.get_label() == "W-Softmax α = 1"
    assert line.get_ydata() == pytest.approx([apart.mean()] * EPOCHS)
    (band,) = bands(gain)
    assert (band[:, 1].min(), band[:, 1].max()) == pytest.approx(
        stats.t.interval(0.95, 4, apart.mean(), stats.sem(apart))
    )
    low, high = gain.get_ylim()
    assert low < 0
    assert high > band[:, 1].max()
    fewer = changed[(changed["loss"] != "softmax") | (changed["seed"] < 4)]
    _, gain, _ = figures_epochs.accuracy_by_epoch(fewer).figure.axes
    (line,) = [line for line in gain.lines if len(line.get_xdata()) == EPOCHS]
    assert line.get_ydata() == pytest.approx([apart[:4].mean()] * EPOCHS)
    assert not bands(gain)


def test_a_dot_is_where_the_validation_images_stop_a_loss(runs):
    held_out = (runs["loss"] == "softmax") & (runs["width"] == 9)
    epochs = runs["seed"].where(held_out) + 3
    stopped = runs.assign(stopped_epoch=epochs, stopped_accuracy=epochs / 10, validation=0.1)
    drawing = figures_epochs.accuracy_by_epoch(stopped)
    tested, *others = ([line for line in axes.lines if line.get_marker() == "o"] for axes in drawing.figure.axes)
    (dot,) = tested
    assert (dot.get_xdata().item(), dot.get_ydata().item()) == pytest.approx((5, 50))
    assert others == [[], []]
    assert "; dots: stopped where accuracy on the validation images is best" in drawing.caption
    assert "10 % of the training images held out" in drawing.caption
    plain = figures_epochs.accuracy_by_epoch(runs).caption
    assert "dots" not in plain
    assert "held out" not in plain


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"flip": 0.5}, "24 epochs, images mirrored with probability 0.5;"),
        ({"shift": 4}, "24 epochs, images moved by up to 4 pixels;"),
        ({"flip": 1.0, "shift": 1}, "24 epochs, images mirrored with probability 1, images moved by up to 1 pixel;"),
    ],
)
def test_a_caption_says_what_is_augmented(changes, told, runs):
    rows = runs.assign(epochs=24)[runs["loss"] == "softmax"]
    assert told in captions.caption(rows.assign(**changes))
    assert "images" not in captions.caption(rows)


def test_few_seeds_have_no_band(runs):
    drawing = figures_epochs.accuracy_by_epoch(runs[(runs["loss"] == "softmax") | (runs["seed"] < 4)])
    assert [len(axes.collections) for axes in drawing.figure.axes] == [0, 0, 1]


def test_losses_without_a_seed_in_common_are_drawn_and_not_compared(runs):
    apart = runs[(runs["loss"] == "softmax") == (runs["seed"] < 2)]
    drawing = figures_epochs.accuracy_by_epoch(apart)
    assert len(drawing.figure.axes) == 2
    assert "paired" not in drawing.caption


def test_without_softmax_nothing_is_compared(runs):
    drawing = figures_epochs.accuracy_by_epoch(runs[runs["loss"] != "softmax"])
    assert [len(axes.collections) for axes in drawing.figure.axes] == [1, 1]


def test_curves_are_drawn_where_two_losses_can_be_compared(runs):
    assert figures_epochs.tells(runs)
    assert not figures_epochs.tells(runs[runs["loss"] == "softmax"])
    assert not figures_epochs.tells(runs[runs["loss"] != "softmax"])
    short = {split: [0.5] * (figures_epochs.LEAST - 1) for split in ("test", "train")}
    assert not figures_epochs.tells(runs.assign(epoch_accuracy=[short] * len(runs)))
    nothing_of_it = runs.assign(softmax_epochs=EPOCHS)
    assert not figures_epochs.tells(nothing_of_it)
    for without in (runs[runs["width"] == 8], nothing_of_it):
        with pytest.raises(ValueError, match="no run at M = C − 1 is done that has more than"):
            figures_epochs.accuracy_by_epoch(without)


def test_curves_that_are_flat_have_an_axis(runs):
    perfect = {"test": [1.0] * EPOCHS, "train": [0.5, *[1.0] * (EPOCHS - 1)]}
    drawing = figures_epochs.accuracy_by_epoch(runs.assign(epoch_accuracy=[perfect] * len(runs)))
    drawing.figure.canvas.draw()
    test, gain, train = (axes.get_ylim() for axes in drawing.figure.axes)
    assert test == train == (99, 100.05)
    assert gain == pytest.approx((-0.1, 0.1))


def of_widths(runs, widths=(5, 8, 9, 18), epochs=20):
    """Softmax at several widths, of which a wider one begins higher and ends lower; at 90, 10(C − 1), diverging."""
    (softmax,) = [rows for loss, rows in runs[runs["width"] == 9].groupby("loss") if loss == "softmax"]
    every = []
    for width in (*widths, 90):
        falls = width / 9 - 1
        curves = [
            {"test": [0.5 + 0.01 * seed + falls * (0.1 - 0.01 * epoch) for epoch in range(epochs)]}
            | {"train": [0.9 + 0.001 * width] * epochs}
            for seed in softmax["seed"]
        ]
        status = "diverged" if width == 90 else "done"
        every.append(softmax.assign(width=width, epoch_accuracy=curves, status=status, epochs=epochs))
    return pd.concat([*every, runs[runs["loss"] != "softmax"]], ignore_index=True)


def test_what_a_width_is_above_the_minimum_is_paired_by_seed(runs):
    drawing = figures_epochs.width_by_epoch(of_widths(runs))
    assert set(drawing.source["width"]) == {5, 8, 9, 18}
    assert len(drawing.source) == 2 * 4 * 5 * 20
    test, gain, train = drawing.figure.axes
    assert [line.get_label() for line in test.lines] == ["M = 5", "M = 8", "M = C − 1 = 9", "M = 18"]
    assert test.lines[2].get_ydata() == pytest.approx([52] * 20)
    lines = {line.get_label(): line for line in gain.lines if len(line.get_xdata()) == 20}
    assert list(lines) == ["M = 5", "M = 8", "M = 18"]
    assert lines["M = 18"].get_ydata() == pytest.approx(10 - np.arange(20))
    assert gain.get_ylabel() == "Test accuracy minus that at M = 9 (points)"
    assert gain.get_ylim()[1] > 9  # of all epochs but the first
    for band in bands(gain):  # seeds differ by as much at every width
        assert band[:, 1].max() - band[:, 1].min() < 19.001
    assert len(bands(gain)) == 3
    assert train.lines[0].get_ydata() == pytest.approx([90.5] * 20)
    assert len({line.get_color() for line in test.lines}) == 4
    assert "24 epochs" not in drawing.caption
    assert "20 epochs; 5 seeds, 20 runs" in drawing.caption
    assert "α" not in drawing.caption


def test_curves_of_widths_are_drawn_where_they_can_be_compared(runs):
    assert figures_epochs.tells_of_widths(of_widths(runs))
    assert not figures_epochs.tells_of_widths(of_widths(runs, widths=(8, 9)))
    assert not figures_epochs.tells_of_widths(of_widths(runs, widths=(5, 8, 18)))
    assert not figures_epochs.tells_of_widths(of_widths(runs, epochs=figures_epochs.LONG - 1))
    assert not figures_epochs.tells_of_widths(runs)
    for widths, told in (((5, 18), "got 5, 18:"), ((9,), "got 9:"), ((), "got none:")):
        with pytest.raises(ValueError, match=f"at other widths below 90 is wanted, {told}"):
            figures_epochs.width_by_epoch(of_widths(runs, widths))
