"""Training images mirrored and moved: what is seen is what was drawn, in training only, the same for every width."""

import dataclasses

import numpy as np
import pytest
import torch

from fc_width import augment, train
from fc_width.recipes import Recipe
from fc_width.step import Step, batches
from fc_width.train import build, check_fit, run, split

QUICK = Recipe(epochs=2, softmax_epochs=1, lr=0.05, flip=0.5, shift=2)


def literally(image, mirrored, down, right):
    """One image (channels, H, W), pixel by pixel."""
    seen = np.zeros_like(image)
    _, height, width = image.shape
    source = image[:, :, ::-1] if mirrored else image
    for h in range(height):
        for w in range(width):
            if 0 <= h - down < height and 0 <= w - right < width:
                seen[:, h, w] = source[:, h - down, w - right]
    return seen


@pytest.mark.parametrize("shift", [0, 1, 4])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 5, 9), (4, 9, 5)])
def test_images_are_mirrored_and_moved_as_drawn(shape, shift):
    generator = torch.Generator().manual_seed(shift)
    images = torch.randint(1, 256, (20, *shape), dtype=torch.uint8, generator=generator)
    chosen = torch.randint(20, (60,), generator=generator)
    drawn = augment.draw(60, 0.5, shift, seed=1)
    drawn[:4, 1:] = torch.tensor([[shift, shift], [-shift, shift], [shift, -shift], [-shift, -shift]])
    seen = augment.augmented(images, chosen, drawn, shift)
    assert seen.dtype == torch.uint8
    assert seen.is_contiguous()
    expected = [literally(images[i].numpy(), *how) for i, how in zip(chosen.tolist(), drawn.tolist(), strict=True)]
    np.testing.assert_array_equal(seen.numpy(), np.stack(expected))


def test_what_is_drawn_is_even():
    drawn = augment.draw(90_000, 0.25, 4, seed=3)
    assert drawn.shape == (90_000, 3)
    assert drawn[:, 0].unique().tolist() == [0, 1]
    assert drawn[:, 0].double().mean() == pytest.approx(0.25, abs=0.01)  # seven standard deviations
    for moves in (drawn[:, 1], drawn[:, 2]):
        values, counts = moves.unique(return_counts=True)
        assert values.tolist() == list(range(-4, 5))
        assert (counts - 10_000).abs().max() < 600  # six
    columns = np.corrcoef(drawn.double().numpy().T)
    assert np.abs(columns - np.eye(3)).max() < 0.02
    assert torch.equal(drawn, augment.draw(90_000, 0.25, 4, seed=3))
    assert not torch.equal(drawn, augment.draw(90_000, 0.25, 4, seed=4))
    assert not augment.draw(1000, 0.0, 0, seed=0).any()
    assert augment.draw(1000, 1.0, 0, seed=0)[:, 0].all()


@pytest.fixture
def seen(monkeypatch):
    """What every step drew of its images, and which they were."""
    found = []
    original = augment.augmented

    def spied(images, chosen, drawn, shift):
        assert torch.is_grad_enabled()  # no evaluation
        found.append((chosen.clone(), drawn.clone(), shift))
        return original(images, chosen, drawn, shift)

    monkeypatch.setattr(augment, "augmented", spied)
    return found


def test_every_epoch_draws_anew_and_every_width_and_loss_the_same(few_digits, seen):
    drawn = []
    for changed in ({}, {"width": 3, "loss": "w-softmax:1"}, {"seed": 1}):
        run(dataclasses.replace(QUICK, **changed), few_digits)
        assert [len(chosen) for chosen, *_ in seen] == [50, 50, 30] * 2
        drawn.append([torch.cat([torch.cat([chosen[:, None], how], 1) for chosen, how, _ in seen[at : at + 3]])
                      for at in (0, 3)])  # fmt: skip
        seen.clear()
    first, other, of_another_seed = drawn
    assert all(torch.equal(one, two) for one, two in zip(first, other, strict=True))
    by_image = [epoch[epoch[:, 0].argsort()] for epoch in (*first, of_another_seed[0])]
    assert not any(torch.equal(one, two) for one, two in ((by_image[0], by_image[1]), (by_image[0], by_image[2])))
    assert all((epoch[:, 2:].abs().amax(0) == 2).all() for epoch in by_image)


@pytest.mark.parametrize("validation", [0.0, 0.2])
def test_the_network_trains_on_what_is_drawn(validation, few_digits):
    """As on a data set that holds those images: the one that an epoch meets in a place, as it was drawn for it."""
    moving = dataclasses.replace(QUICK, epochs=1, softmax_epochs=0, validation=validation)
    trained, _ = split(moving, few_digits)
    order = trained[torch.randperm(len(trained), generator=torch.Generator().manual_seed(0))]
    drawn = augment.draw(len(order), 0.5, 2, seed=5)
    images = few_digits.train_images.clone()
    for index, how in zip(order.tolist(), drawn.tolist(), strict=True):
        images[index] = torch.from_numpy(literally(few_digits.train_images[index].numpy(), *how))
    states = []
    for recipe in (moving, dataclasses.replace(moving, flip=0.0, shift=0)):
        backbone, loss = build(recipe, few_digits)
        data = batches(dataclasses.replace(few_digits), torch.device("cpu"))
        if not recipe.augments:  # normalised by the same numbers
            data.train = images, data.train[1]
        step = Step(recipe, backbone, loss, data, trained)
        list(step.epoch(order, 0.0, drawn if recipe.augments else None))
        states.append([*backbone.state_dict().values(), *loss.state_dict().values(), step.total, step.hits])
    assert all(torch.equal(one, two) for one, two in zip(*states, strict=True))


def test_what_is_drawn_is_given_if_it_is_wanted_and_only_then(few_digits):
    for recipe, drawn in ((QUICK, None), (Recipe(), augment.draw(130, 0.5, 2, 0))):
        backbone, loss = build(recipe, few_digits)
        step = Step(recipe, backbone, loss, batches(few_digits, torch.device("cpu")))
        with pytest.raises(ValueError, match="drawn must be given if the recipe augments, and only then, got drawn="):
            next(step.epoch(torch.arange(130), 0.0, drawn))


def test_a_trained_network_is_measured_on_the_images_as_they_are(few_digits, monkeypatch):
    steps = []
    made = Step.__init__
    monkeypatch.setattr(Step, "__init__", lambda self, *args: (steps.append(self), made(self, *args))[1])
    record = run(QUICK, few_digits)
    (step,) = steps
    step.backbone.eval()
    for split_, images, labels in (
        ("train", few_digits.train_images, few_digits.train_labels),
        ("test", few_digits.test_images, few_digits.test_labels),
    ):
        with torch.no_grad():
            right = step.loss.logits(step.embed(images, torch.arange(len(images)))).argmax(1) == labels
        assert record["final"][f"{split_}_accuracy"] == pytest.approx(right.double().mean().item())


def test_a_recipe_that_asks_for_nothing_draws_nothing(few_digits, seen, monkeypatch):
    monkeypatch.setattr(augment, "draw", lambda *_: pytest.fail("drawn"))
    run(dataclasses.replace(QUICK, flip=0.0, shift=0), few_digits)
    assert not seen


@pytest.mark.parametrize(("flip", "shift"), [(1.0, 0), (0.0, 1)])
def test_each_alone(flip, shift, few_digits, seen):
    run(dataclasses.replace(QUICK, flip=flip, shift=shift), few_digits)
    drawn = torch.cat([how for _, how, _ in seen])
    assert bool(drawn[:, 0].all()) == bool(flip)
    assert bool(drawn[:, 1:].any()) == bool(shift)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 11), (3, 11, 8)])
def test_a_shift_leaves_something_of_every_image(shape):
    augment.check_shift(7, shape)
    _, height, width = shape
    wanted = rf"^shift must be below the height and the width of the images, {height}×{width}, got 8$"
    with pytest.raises(ValueError, match=wanted):
        augment.check_shift(8, shape)


@pytest.mark.parametrize("begin", [check_fit, train.run])
def test_a_run_that_would_shift_too_far_does_not_begin(begin, few_digits):
    with pytest.raises(ValueError, match="shift must be below the height and the width of the images, 8×8, got 8"):
        begin(dataclasses.replace(QUICK, shift=8), few_digits)
