"""Accuracy epoch by epoch."""

import numpy as np
import pytest
from scipy import stats

from analysis import figures_epochs, records
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


def test_a_curve_is_the_mean_over_seeds_with_its_interval(runs):
    drawing = figures_epochs.accuracy_by_epoch(runs)
    assert set(drawing.source["loss"]) == {"softmax", "w-softmax:1"}
    assert len(drawing.source) == 2 * 2 * 5 * EPOCHS
    for axes, base in zip(drawing.figure.axes, (80, 70), strict=True):
        line, other = [line for line in axes.lines if len(line.get_xdata()) == EPOCHS]
        assert [each.get_label() for each in (line, other)] == ["softmax", "W-Softmax α = 1"]
        assert list(line.get_xdata()) == list(range(1, EPOCHS + 1))
        values = base + np.array([0, 0.1, 0.4, 0.9, 1.6])  # of the first epoch
        assert line.get_ydata()[0] == pytest.approx(values.mean())
        low, high = stats.t.interval(0.95, 4, values.mean(), stats.sem(values))
        ends = axes.collections[0].get_paths()[0].vertices
        first = ends[ends[:, 0] == 1, 1]
        assert (first.min(), first.max()) == pytest.approx((low, high))
        means = base + 0.6 + np.arange(EPOCHS)
        late = means[2:]  # where α has set in
        span = late.max() - late.min()
        top = min(late.max() + 0.4 * span, 100 + 0.05 * span)
        assert axes.get_ylim() == pytest.approx((late.min() - span, top))
        assert [line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 2] == [2.5]
    assert "dashed: where α sets in" in drawing.caption
    assert "5 seeds, 15 runs, 5 of them not done" in drawing.caption


def test_a_dot_is_where_the_validation_images_stop_a_loss(runs):
    held_out = (runs["loss"] == "softmax") & (runs["width"] == 9)
    epochs = runs["seed"].where(held_out) + 3
    stopped = runs.assign(stopped_epoch=epochs, stopped_accuracy=epochs / 10)
    drawing = figures_epochs.accuracy_by_epoch(stopped)
    tested, trained = ([line for line in axes.lines if line.get_marker() == "o"] for axes in drawing.figure.axes)
    (dot,) = tested
    assert (dot.get_xdata().item(), dot.get_ydata().item()) == pytest.approx((5, 50))
    assert not trained
    assert "; dots: stopped where accuracy on the validation images is best" in drawing.caption
    assert "dots" not in figures_epochs.accuracy_by_epoch(runs).caption


def test_few_seeds_have_no_band(runs):
    drawing = figures_epochs.accuracy_by_epoch(runs[(runs["loss"] == "softmax") | (runs["seed"] < 4)])
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
    assert [axes.get_ylim() for axes in drawing.figure.axes] == [(99, 100.05)] * 2
