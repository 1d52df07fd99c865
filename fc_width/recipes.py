"""Recipes: frozen dataclasses that say all of a run, and the named ones with their expected running time.

The paper's settings (Li & Wang 2020, Sec. 5.1) are the defaults of `Recipe`. The paper gives no number of
steps: each recipe chooses its own and says so. "First softmax, then W-Softmax" (Sec. 5.1) is `softmax_epochs`
of the same loss at α = 0, which the paper calls the conventional softmax (Sec. 4.3), then the rest at α;
plain softmax trains for all of `epochs`."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fc_width.backbone import BACKBONES, FEATURES
from fc_width.data import canonical_name
from fc_width.loss_names import loss_name, parse_loss

PRECISIONS = "auto", "float32", "bfloat16"
"""What the trunk computes in, see `step.precision`."""

SWEPT = ("width", "loss", "feature", "seed")
"""The fields in which the runs of one sweep may differ."""


@dataclass(frozen=True)
class Recipe:
    """All of one run. On a CPU equal recipes give equal records on equal hardware with the same packages.

    *Attributes*: `name`, a label; `dataset`; `backbone`, a key of `backbone.BACKBONES`; `width`, M;
    `feature`, what follows the M units; `loss`, see `loss_names.parse_loss`; `epochs`, of which the first
    `softmax_epochs` at α = 0; `batch_size`; learning rate `lr` · `lr_decay` ** (step / `lr_decay_steps`);
    `momentum`; `weight_decay` on weights (not on biases, PReLU or batch norm); `precision`, one of `PRECISIONS`;
    `seed`, from which the seeds of initialisation, data order and validation images are derived separately;
    `validation`, about what share of each class's training images is not trained on (but for the mean and deviation of
    pixels, which are of all), so that by its accuracy after each epoch one can stop in time; `flip`, with what
    probability a training image is mirrored left to right, and `shift`, by how many pixels at most it is moved up or
    down and to a side, in each epoch anew, by a seed that is derived too (see `augment`; never at test time).

    *Raises*: `ValueError` quoting the field that does not fit.
    """

    name: str = "custom"
    dataset: str = "digits"
    backbone: str = "digits"
    width: int = 9
    feature: str = "prelu-bn"
    loss: str = "softmax"
    epochs: int = 30
    softmax_epochs: int = 10
    batch_size: int = 50
    lr: float = 0.01
    lr_decay: float = 0.9
    lr_decay_steps: float = 6000.0
    momentum: float = 0.9
    weight_decay: float = 5e-4
    precision: str = "auto"
    seed: int = 0
    validation: float = 0.0
    flip: float = 0.0
    shift: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "loss", loss_name(*parse_loss(self.loss)))
        object.__setattr__(self, "dataset", canonical_name(self.dataset))
        for field, known in (("backbone", BACKBONES), ("feature", FEATURES), ("precision", PRECISIONS)):
            if getattr(self, field) not in known:
                raise ValueError(
                    f"unknown {field} {getattr(self, field)!r}: expected one of {', '.join(sorted(known))}"
                )
        for each in dataclasses.fields(self):
            if each.type is int and type(getattr(self, each.name)) is not int:
                raise ValueError(f"{each.name} must be an integer, got {getattr(self, each.name)!r}")
        if self.width < 1:
            raise ValueError(f"M must be at least 1, got M={self.width}")
        for field, least in (("epochs", 1), ("batch_size", 2)):  # of one sample, batch norm has no variance
            if getattr(self, field) < least:
                raise ValueError(f"{field} must be at least {least}, got {getattr(self, field)}")
        if not 0 <= self.softmax_epochs <= self.epochs:
            raise ValueError(f"softmax_epochs must be in 0…{self.epochs}, got {self.softmax_epochs}")
        for field in ("lr", "lr_decay", "lr_decay_steps"):
            if not (math.isfinite(getattr(self, field)) and getattr(self, field) > 0):
                raise ValueError(f"{field} must be finite and above 0, got {getattr(self, field)}")
        for field in ("momentum", "weight_decay", "seed", "shift"):
            if not (math.isfinite(getattr(self, field)) and getattr(self, field) >= 0):
                raise ValueError(f"{field} must be finite and at least 0, got {getattr(self, field)}")
        if not 0 <= self.validation < 1:
            raise ValueError(f"validation must be in 0…1, and below 1, got {self.validation}")
        if not 0 <= self.flip <= 1:
            raise ValueError(f"flip must be in 0…1, got {self.flip}")

    @property
    def run_id(self) -> str:
        """A readable prefix and a hash of the fields that differ from their defaults.

        Only those, so that a field added later, at its default, does not orphan the records made before.
        """
        changed = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        }
        digest = hashlib.sha256(json.dumps(changed, sort_keys=True).encode()).hexdigest()[:10]
        loss = self.loss.replace(":", "-")
        return f"{self.name}_{loss}_M{self.width}_{self.feature}_s{self.seed}_{digest}"

    @property
    def augments(self) -> bool:
        """Whether training images are mirrored or moved."""
        return self.flip > 0 or self.shift > 0

    def differences(self, other: "Recipe") -> dict[str, tuple[object, object]]:
        """The fields, other than the swept ones, in which two recipes differ: name → (ours, theirs)."""
        pairs = {
            field.name: (getattr(self, field.name), getattr(other, field.name))
            for field in dataclasses.fields(self)
            if field.name not in SWEPT
        }
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


@dataclass(frozen=True)
class Named:
    """A recipe with its expected `seconds` a run and the hardware they were measured on, the sweep it is meant for,
    and, where it is meant for a GPU, `teraflop`, the counted operations of a run (10¹²), and `on_gpu`, what
    one took there."""

    recipe: Recipe
    seconds: float
    hardware: str
    losses: tuple[str, ...] = (
        "softmax",
        "w-softmax:1",
        "w-softmax-centred:1",
        "w-softmax-simplex:1",
        "w-softmax-simplex:0",
    )
    seeds: int = 3
    teraflop: float = 0.0
    on_gpu: str = "not measured"


EVERY_LOSS = (
    "softmax",
    "w-softmax:0.5",
    "w-softmax:1",
    "w-softmax:1.5",
    "w-softmax-centred:1",
    "w-softmax-simplex:1",
    "w-softmax-simplex:0",
)
"""Softmax and W-Softmax at the paper's three α as printed, centred at α = 1, on the simplex at that and at 0."""

RECIPES: dict[str, Named] = {}


COLD = "-cold"
"""Ends the name of a recipe that is another without its softmax phase, so with α from the first step."""


def _name(named: Named) -> None:
    RECIPES[named.recipe.name] = named


def _name_cold(warm: str) -> None:
    """What the softmax phase is for (Sec. 5.1): W-Softmax at M_min with and without it."""
    named = RECIPES[warm]
    recipe = dataclasses.replace(named.recipe, name=warm + COLD, softmax_epochs=0)
    losses = tuple(loss for loss in named.losses if loss.startswith("w-softmax:"))
    RECIPES[recipe.name] = dataclasses.replace(named, recipe=recipe, losses=losses)


LONG = 3
"""How many times as long a recipe trains whose name ends in `-long`."""


def _name_long(short: str) -> None:
    """Whether what a recipe shows is owed to stopping early: each phase and each step of the learning rate `LONG` times
    as long."""
    named = RECIPES[short]
    stretched = {name: LONG * getattr(named.recipe, name) for name in ("epochs", "softmax_epochs", "lr_decay_steps")}
    recipe = dataclasses.replace(named.recipe, name=f"{short}-long", **stretched)
    RECIPES[recipe.name] = dataclasses.replace(named, recipe=recipe, seconds=LONG * named.seconds)


# The embedded digits: 1,347 training images of 8×8; 32 channels, three convolutions. 15 epochs of 27 steps;
# the learning rate falls from 0.05 to 0.002 along the way.
#     python -m fc_width.sweep
_name(Named(
    Recipe(name="digits", epochs=15, softmax_epochs=5, lr=0.05, lr_decay_steps=13.0),
    seconds=3.4, hardware="one core of an AMD EPYC",
))  # fmt: skip

# MNIST with the paper's backbone at 16 channels for 64, two convolutions a stage for three, and a stride of 2
# in the first convolution for the last pool. Four epochs at batch 128 (the paper's 50 would cost more per
# image on a CPU); the learning rate falls from 0.05 to 0.001 along the way.
#     python -m fc_width.sweep --dataset mnist
_small = Recipe(
    name="mnist-small", dataset="mnist", backbone="mnist-small",
    epochs=4, softmax_epochs=1, batch_size=128, lr=0.05, lr_decay_steps=50.0,
)  # fmt: skip
_name(Named(_small, seconds=53.0, hardware="one core of an AMD EPYC", losses=EVERY_LOSS))
_name(Named(
    dataclasses.replace(_small, name="fashion-mnist-small", dataset="fashion-mnist"),
    seconds=53.0, hardware="one core of an AMD EPYC", losses=EVERY_LOSS,
))  # fmt: skip

#     python -m fc_width.sweep --recipe mnist-small-cold --widths 9
_name_cold("mnist-small")

# MNIST as in the paper: 64 channels, batch 50, the paper's learning rate and decay; 20 epochs (24,000 steps),
# which the paper does not say. Meant for a GPU, or for a CPU that multiplies bfloat16 by itself.
#     python -m fc_width.sweep --recipe paper-mnist
_name(Named(
    Recipe(
        name="paper-mnist", dataset="mnist", backbone="mnist", epochs=20, softmax_epochs=5, precision="bfloat16",
    ),
    seconds=3300.0, hardware="one core of an Intel Xeon with AMX", losses=EVERY_LOSS, teraflop=20 * 41.0,
    on_gpu="20 epochs took 72 s, fourteen runs at once, on an NVIDIA H200",
))  # fmt: skip

#     python -m fc_width.sweep --recipe paper-mnist-cold --widths 9
_name_cold("paper-mnist")

# CIFAR as in the paper: batch 256, the paper's learning rate and decay; 100 epochs (19,600 steps), which the paper
# does not say. Meant for a GPU.
#     python -m fc_width.sweep --recipe paper-cifar10
for _classes in (10, 100):
    _name(Named(
        Recipe(
            name=f"paper-cifar{_classes}", dataset=f"cifar{_classes}", backbone=f"cifar{_classes}",
            width=_classes - 1, epochs=100, softmax_epochs=25, batch_size=256, precision="bfloat16",
        ),
        seconds=3300.0 * {10: 9.8, 100: 34.2}[_classes],
        hardware="one core of an Intel Xeon with AMX (by count of operations; not run)", losses=EVERY_LOSS,
        teraflop=100 * {10: 80.0, 100: 281.0}[_classes],
        on_gpu={
            10: "not measured",
            100: "by the time of its step on an NVIDIA H200, 4.3 to 4.8 ms, 84 to 94 s, evaluations not counted",
        }[_classes],
    ))  # fmt: skip

# CIFAR with a small backbone (see `backbone.BACKBONES`), eight epochs at batch 128; the learning rate falls from 0.05
# to 0.001 along the way. Also what a person's own pictures are swept with.
#     python -m fc_width.sweep --dataset cifar10
for _dataset in ("cifar10", "cifar100", "own"):
    _name(Named(
        Recipe(
            name=f"{_dataset}-small", dataset="own-pictures" if _dataset == "own" else _dataset, backbone="cifar-small",
            width=99 if _dataset == "cifar100" else 9,
            epochs=8, softmax_epochs=2, batch_size=128, lr=0.05, lr_decay_steps=84.0,
        ),
        seconds=105.0, hardware="one core of an AMD EPYC", losses=EVERY_LOSS,
    ))  # fmt: skip

#     python -m fc_width.sweep --recipe cifar10-small-long --widths 5 7 9 18 45 --losses softmax --seeds 8
#     python -m fc_width.sweep --recipe cifar10-small-long --widths 9 --losses w-softmax:{0,0.5,1,1.5} --seeds 8
_name_long("cifar10-small")

# Does W-Softmax gain where softmax is stopped in time? Which epoch that is, images say that are neither trained on nor
# tested on. Fixed before any run: these losses, eight seeds each, and that the test accuracy of that epoch is compared.
#     python -m fc_width.sweep --recipe cifar10-small-validated --widths 9 --seeds 8 \
#         --losses softmax w-softmax:{0.5,1,1.5}
_long = RECIPES["cifar10-small-long"]
_name(dataclasses.replace(
    _long, recipe=dataclasses.replace(_long.recipe, name="cifar10-small-validated", validation=0.1),
))  # fmt: skip

# Does W-Softmax gain where augmentation keeps softmax from overfitting? Fixed before any run: of five seeds, paired,
# the test accuracy after the last epoch with α = 1 minus softmax's; another α, if any, later.
#     python -m fc_width.sweep --recipe cifar10-small-augmented --widths 9 --losses softmax w-softmax:1 --seeds 5
_name(dataclasses.replace(
    _long, recipe=dataclasses.replace(_long.recipe, name="cifar10-small-augmented", flip=0.5, shift=4),
))  # fmt: skip

#     python -m fc_width.sweep --recipe cifar100-small-long --widths 99 --losses softmax w-softmax:1 --seeds 8
_name_long("cifar100-small")


def recipe_from(fields: Mapping[str, Any]) -> Recipe:
    """The recipe of a record; fields that it has no more are passed over.

    *Raises*: `TypeError` or `ValueError` if it is none."""
    known = {field.name for field in dataclasses.fields(Recipe)}
    return Recipe(**{key: value for key, value in fields.items() if key in known})


def of_known_data(name: str) -> Recipe:
    """The recipe of that name; `ValueError` if there is none, or if it is for a person's own pictures, or holds some of
    the training images out or augments them, as an ordinary loop that it is timed against does not."""
    recipes = {each: named.recipe for each, named in RECIPES.items() if not named.recipe.dataset.startswith("own-")}
    known = [each for each, recipe in recipes.items() if not (recipe.validation or recipe.augments)]
    if name not in known:
        raise ValueError(f"unknown recipe {name!r}: expected one of {', '.join(known)}")
    return RECIPES[name].recipe


def default_recipe(dataset: str) -> str:
    """The name of the recipe that a data set is swept with unless another is named."""
    base = canonical_name(dataset).partition(":")[0]
    return "digits" if base == "digits" else "own-small" if base.startswith("own-") else f"{base}-small"


def sweep_widths(num_classes: int) -> list[int]:
    """The widths of a sweep over C classes.

    1, 2, 3, 4, ⌈C/2⌉−1, ⌈C/2⌉, C−2, C−1, C, then 1.5×, 2×, 3×, 5×, 10×, 20×, 30× (C−1); 22 too where C = 100.
    """
    half, simplex = -(-num_classes // 2), num_classes - 1
    widths = {1, 2, 3, 4, half - 1, half, simplex - 1, simplex, num_classes, -(-3 * simplex // 2)}
    widths |= {factor * simplex for factor in (2, 3, 5, 10, 20, 30)}
    if num_classes == 100:
        widths.add(22)
    return sorted(width for width in widths if width >= 1)
