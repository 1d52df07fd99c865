"""Recipes: their identity, their checks, the widths of a sweep."""

import dataclasses

import pytest

from fc_width.recipes import RECIPES, Recipe, default_recipe, sweep_widths


def test_run_ids_are_readable_distinct_and_stable():
    recipe = Recipe(name="mnist-small", loss="w-softmax:0.5", width=3)
    assert recipe.run_id.startswith("mnist-small_w-softmax-0.5_M3_prelu-bn_s0_")
    assert recipe.run_id == Recipe(name="mnist-small", loss="w-softmax:0.50", width=3).run_id
    # These ids name records that exist: a change of the scheme, or of a default, would orphan them.
    assert Recipe().run_id == "custom_softmax_M9_prelu-bn_s0_44136fa355"
    kept = dataclasses.replace(RECIPES["digits"].recipe, loss="w-softmax:1.5")
    assert kept.run_id == "digits_w-softmax-1.5_M9_prelu-bn_s0_369961622e"
    changes = [
        {"width": 4},
        {"lr": 0.02},
        {"seed": 1},
        {"epochs": 31},
        {"loss": "softmax"},
        {"momentum": 0.8},
        {"validation": 0.1},
        {"flip": 0.5},
        {"shift": 1},
    ]
    ids = {dataclasses.replace(recipe, **change).run_id for change in changes}
    assert len(ids | {recipe.run_id}) == len(changes) + 1


def test_a_field_added_at_its_default_does_not_change_the_id():
    @dataclasses.dataclass(frozen=True)
    class Later(Recipe):
        dropout: float = 0.0

    assert Later(name="x", width=3).run_id == Recipe(name="x", width=3).run_id
    assert Later(name="x", width=3, dropout=0.5).run_id != Recipe(name="x", width=3).run_id


@pytest.mark.parametrize(
    ("classes", "widths"),
    [
        (10, [1, 2, 3, 4, 5, 8, 9, 10, 14, 18, 27, 45, 90, 180, 270]),
        (100, [1, 2, 3, 4, 22, 49, 50, 98, 99, 100, 149, 198, 297, 495, 990, 1980, 2970]),
        (2, [1, 2, 3, 4, 5, 10, 20, 30]),
    ],
)
def test_widths(classes, widths):
    assert sweep_widths(classes) == widths


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0}, "M must be at least 1, got M=0"),
        ({"width": 2.5}, r"width must be an integer, got 2\.5"),
        ({"seed": True}, "seed must be an integer, got True"),
        ({"dataset": "imagenet"}, "unknown data set 'imagenet'"),
        ({"backbone": "resnet"}, "unknown backbone 'resnet'"),
        ({"feature": "gelu"}, "unknown feature 'gelu'"),
        ({"loss": "w-softmax:-2"}, "alpha must be finite and at least 0, got alpha=-2"),
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"batch_size": 1}, "batch_size must be at least 2, got 1"),
        ({"softmax_epochs": 31}, "softmax_epochs must be in 0…30, got 31"),
        ({"lr": float("nan")}, "lr must be finite and above 0, got nan"),
        ({"validation": 1.0}, "validation must be in 0…1, and below 1, got 1.0"),
        ({"validation": float("nan")}, "validation must be in 0…1, and below 1, got nan"),
        ({"flip": 1.5}, r"flip must be in 0…1, got 1\.5"),
        ({"flip": float("nan")}, "flip must be in 0…1, got nan"),
        ({"shift": -1}, "shift must be finite and at least 0, got -1"),
        ({"shift": 1.0}, r"shift must be an integer, got 1\.0"),
        ({"weight_decay": -1.0}, "weight_decay must be finite and at least 0, got -1.0"),
    ],
)
def test_bad_fields(change, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**change)


def test_named_recipes_are_whole():
    for name, named in RECIPES.items():
        assert named.recipe.name == name
        assert named.seconds > 0
        for loss in named.losses:
            dataclasses.replace(named.recipe, loss=loss)
    for dataset in ("digits", "mnist", "fashion-mnist", "cifar10", "cifar100"):
        assert RECIPES[default_recipe(dataset)].recipe.dataset == dataset
    assert default_recipe("mnist:5") == "mnist-small"
    assert default_recipe("own-photos") == "own-small"


def test_long_cold_validated_and_augmented_change_nothing_else():
    """Three times as long: the same learning rates at the same shares of the training, and nothing else changed."""
    short, long = RECIPES["cifar10-small"].recipe, RECIPES["cifar10-small-long"].recipe
    assert short.differences(long) == {
        "name": ("cifar10-small", "cifar10-small-long"),
        "epochs": (8, 24),
        "softmax_epochs": (2, 6),
        "lr_decay_steps": (84.0, 252.0),
    }
    validated = RECIPES["cifar10-small-validated"].recipe
    told = long.differences(validated)
    assert told == {"name": (long.name, validated.name), "validation": (0.0, 0.1)}
    augmented = RECIPES["cifar10-small-augmented"].recipe
    told = long.differences(augmented)
    assert told == {"name": (long.name, augmented.name), "flip": (0.0, 0.5), "shift": (0, 4)}
    warm, cold = RECIPES["mnist-small"].recipe, RECIPES["mnist-small-cold"].recipe
    assert warm.differences(cold) == {"name": ("mnist-small", "mnist-small-cold"), "softmax_epochs": (1, 0)}


@pytest.mark.parametrize(
    ("name", "batch_size", "epochs", "softmax_epochs"),
    [("paper-mnist", 50, 20, 5), ("paper-cifar10", 256, 100, 25), ("paper-cifar100", 256, 100, 25)],
)
def test_the_paper_s_recipes(name, batch_size, epochs, softmax_epochs):
    """Batch, rate, decay and L2 as Sec. 5.1 prints them; the epochs, which it does not, as the README says."""
    recipe = RECIPES[name].recipe
    assert (recipe.batch_size, recipe.epochs, recipe.softmax_epochs) == (batch_size, epochs, softmax_epochs)
    assert (recipe.lr, recipe.lr_decay, recipe.lr_decay_steps) == (0.01, 0.9, 6000)
    assert (recipe.momentum, recipe.weight_decay) == (0.9, 5e-4)
    assert recipe.backbone == recipe.dataset == name.removeprefix("paper-")
    assert RECIPES[name].seeds == 3
