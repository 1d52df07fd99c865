"""One run: a recipe and a data set in, a record out.

On a CPU the record depends on the recipe alone (not on other runs, nor on the number of workers), if torch
runs on one thread; on other hardware, with another torch, or with and without numba, it differs in rounding."""

import base64
import hashlib
import math
import time
import weakref
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import asdict

import numpy as np
import torch

from fc_width import augment, checkpoint, geometry, provenance
from fc_width.backbone import BACKBONES, Backbone
from fc_width.data import Dataset
from fc_width.loss_names import Loss, make_loss, parse_loss
from fc_width.losses import NonFiniteError
from fc_width.recipes import Recipe
from fc_width.record import Record
from fc_width.step import Step, batches
from fc_width.store import Store

AHEAD = 4
"""How many pieces of a run, steps mostly, a GPU is handed before it has done the first of them."""
SAVE_SECONDS = 60.0
FEATURES_KEPT = 300  # of the test set, in the record of a run with M ≤ 3
HISTORY = "train_accuracy", "test_accuracy", "batch_inverted", "batch_angle"
VALIDATION = "validation_accuracy"


def run(recipe: Recipe, dataset: Dataset, device: torch.device | str = "cpu") -> Record:
    """Train and evaluate one network.

    *Arguments*: `recipe`; `dataset`, the one that the recipe names; `device`.

    *Returns*: a record with the keys `run_id`, `recipe`, `classes` (C), `status` (`done`, or `diverged` if the loss
    of an epoch, a feature or a weight was not finite), `train_accuracy` (per epoch, a running mean while training, of
    augmented images where the recipe has them) and `test_accuracy` (per epoch), both in 0…1 and at the test-time
    weights; where the recipe has some of the training images held out, `validation_accuracy` likewise, of these (what
    is of `train` is of the others); `batch_inverted` and `batch_angle` (the loss's `health` on the last batch of each
    epoch); `final` (accuracies, mean angles in degrees and the inverted share, on train and test, of images as they
    are); `class_angles` (Eq. 14, degrees, per class, on train and test);
    `geometry` (smallest angle of the weights, NC1–NC3, norm of the weights' sum); where M ≤ 3, `features` (the first
    test embeddings, their labels, and the classifier); `correct` (the test predictions' correctness, packed bits in
    base64); `largest_class` (the share of the test images that are of their largest class: what naming it every
    time gets right); `parameters` and `bytes` of the FC layer and of the classifier; `seconds`; `provenance`.

    *Raises*: `ValueError` if the data set is not the recipe's, or a field of the recipe does not fit it.
    """
    steps = Running(recipe, dataset, device)
    while steps.record is None:
        steps.advance()
    return steps.record


class Running:
    """A run in pieces, so that several take turns on one device; on CUDA each on a stream of its own.

    *Arguments*: as `run`; `store`, where its state is saved at the end of an epoch, every `SAVE_SECONDS` at most, and
    taken up if it is there.

    *Attributes*: `recipe`; `fraction`, how much is done; `resumed`, how much was when it was taken up, known from the
    first piece on; `record`, once the run has ended.

    *Raises*: `ValueError` if the data set is not the recipe's; `advance` what else `run` does, and `OSError` if the
    state cannot be saved or read."""

    def __init__(
        self, recipe: Recipe, dataset: Dataset, device: torch.device | str = "cpu", store: Store | None = None
    ) -> None:
        if dataset.name != recipe.dataset:
            raise ValueError(f"recipe {recipe.name} is for data set {recipe.dataset!r}, got {dataset.name!r}")
        self.recipe = recipe
        self.fraction = 0.0
        self.resumed: float | None = None
        self.record: Record | None = None
        self._device = torch.device(device)
        self._stream = _stream(self, self._device) if self._device.type == "cuda" else None
        self._handed_over: deque[torch.cuda.Event] = deque()
        self._pieces = _pieces(recipe, dataset, self._device, store)

    def advance(self) -> None:
        """Do the next piece (on CUDA: hand it to the device)."""
        with torch.cuda.stream(self._stream):  # of None: nothing
            try:
                self.fraction = next(self._pieces)
            except StopIteration as end:
                self.fraction, self.record = 1.0, end.value
        if self._stream is not None:
            self._handed_over.append(self._stream.record_event())
            if len(self._handed_over) > AHEAD:  # else a slow GPU lags by minutes, in which no sign of life is given
                self._handed_over.popleft().synchronize()
        if self.resumed is None:
            self.resumed = self.fraction


_free_streams: dict[torch.device, list[torch.cuda.Stream]] = {}


def _stream(run: Running, device: torch.device) -> torch.cuda.Stream:
    """A stream that no other run has, free again once `run` is gone: torch hands out the same 32 in turns, and each
    keeps a workspace."""
    free = _free_streams.setdefault(device, [])
    stream = free.pop() if free else torch.cuda.Stream(device)
    weakref.finalize(run, free.append, stream)
    return stream


def _pieces(
    recipe: Recipe, dataset: Dataset, device: torch.device, store: Store | None
) -> Generator[float, None, Record]:
    started = saved = time.perf_counter()
    backbone, loss = build(recipe, dataset)
    backbone = backbone.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    loss = loss.to(device)
    trained, validation = split(recipe, dataset)
    augment.check_shift(recipe.shift, dataset.image_shape)
    step = Step(recipe, backbone, loss, batches(dataset, device), trained)
    order = torch.Generator().manual_seed(derived_seed(recipe.seed, "order"))
    history: dict[str, list[float]] = {key: [] for key in (*HISTORY, *([VALIDATION] if len(validation) else []))}
    made = provenance.provenance(device, recipe.precision) | {"data_sha256": dataset.checksum}
    if step.kernels:
        made["kernels"] = f"{step.kernels} {provenance.installed(step.kernels)}"
    state = None if store is None else store.saved(recipe.run_id)
    conditions = provenance.conditions(made)
    taken_up = None if state is None else checkpoint.take_up(state, conditions, step, order, history)
    before = taken_up or 0.0
    yield len(history["train_accuracy"]) / recipe.epochs

    def save() -> None:
        nonlocal saved
        now = time.perf_counter()
        if store is not None and now - saved > SAVE_SECONDS:
            store.save(
                recipe.run_id,
                checkpoint.pack(conditions, step, order, history, before + now - started),
            )
            saved = now

    measured: Record | None = None
    if (yield from _train(recipe, step, validation, order, history, save)):
        measured = yield from _measure(step, dataset.num_classes)
    if measured is not None:
        history["test_accuracy"].append(measured["final"]["test_accuracy"])
    record: Record = {
        "run_id": recipe.run_id,
        "recipe": asdict(recipe),
        "classes": dataset.num_classes,
        "status": "diverged" if measured is None else "done",
        **history,
        **(measured or {}),
    }
    if device.type == "cuda" and taken_up is None:  # of one taken up nobody knows how its first steps were taken
        made["steps"] = "launched as they are" if step.graph is None else "a graph"
    parameters = {"fc": backbone.fc_parameters(), "classifier": sum(p.numel() for p in loss.parameters())}
    return record | {
        "parameters": parameters,
        "bytes": {part: 4 * count for part, count in parameters.items()},
        "seconds": before + time.perf_counter() - started,
        "provenance": made,
    }


def build(recipe: Recipe, dataset: Dataset) -> tuple[Backbone, Loss]:
    """The initial network and loss. The trunk is the same for every width, feature and loss of one seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(recipe.seed, "initialisation"))
        backbone = Backbone(BACKBONES[recipe.backbone], dataset.image_shape, recipe.width, recipe.feature)
        loss = make_loss(recipe.loss, recipe.width, dataset.num_classes)
    return backbone, loss


def check_fit(recipe: Recipe, dataset: Dataset) -> None:
    """See that a data set can be trained on as a recipe says; `ValueError` if not, `MemoryError` if the network has no
    room."""
    try:
        build(recipe, dataset)
    except RuntimeError as error:
        if "allocate" not in str(error):
            raise
        raise MemoryError(f"no memory for a network of M={recipe.width} units") from None
    split(recipe, dataset)
    augment.check_shift(recipe.shift, dataset.image_shape)


def split(recipe: Recipe, dataset: Dataset) -> tuple[torch.Tensor, torch.Tensor]:
    """The indices of the training images that the recipe trains on, and of those that it holds out for validation, of
    each class about its share; its seed draws them, the same for every width, feature and loss.

    *Raises*: `ValueError` if a class would have no image on one of the sides."""
    count = len(dataset.train_labels)
    if recipe.validation == 0:
        return torch.arange(count), torch.arange(0)
    from sklearn.model_selection import train_test_split

    seed = derived_seed(recipe.seed, "validation") % 2**32
    try:
        sides = train_test_split(
            np.arange(count), test_size=recipe.validation, stratify=dataset.train_labels.numpy(), random_state=seed
        )
    except ValueError as error:
        raise ValueError(f"validation={recipe.validation} of {count:,} training images: {error}") from None
    kept, held_out = (torch.from_numpy(np.sort(side)) for side in sides)
    for side, what in ((kept, "to train on"), (held_out, "held out")):
        empty = (dataset.train_labels[side].bincount(minlength=dataset.num_classes) == 0).nonzero()
        if len(empty):
            raise ValueError(f"validation={recipe.validation}: class {int(empty[0])} has no image {what}")
    return kept, held_out


def derived_seed(seed: int, purpose: str) -> int:
    """A seed for one purpose, independent of those for others."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:7], "big")


def _train(
    recipe: Recipe,
    step: Step,
    validation: torch.Tensor,
    order: torch.Generator,
    history: dict[str, list[float]],
    save: Callable[[], None],
) -> Generator[float, None, bool]:
    """Train in place, from the first epoch that `history` lacks; calls `save` after every one, yields the fraction
    done, and returns false as soon as a feature, or an epoch's loss, is not finite. The test accuracy of the last epoch
    is left to `_measure`."""
    samples = len(step.trained)
    _, alpha = parse_loss(recipe.loss)
    first = len(history["train_accuracy"])
    steps = -(-samples // recipe.batch_size) * recipe.epochs
    done = steps // recipe.epochs * first
    for epoch in range(first, recipe.epochs):
        bias = 0.0 if alpha is None or epoch < recipe.softmax_epochs else alpha
        met = step.trained[torch.randperm(samples, generator=order)]
        drawn = None
        if recipe.augments:  # by a seed for each epoch, so that a run that goes on needs no state
            seed = derived_seed(recipe.seed, f"augmentation in epoch {epoch}")
            drawn = augment.draw(samples, recipe.flip, recipe.shift, seed)
        try:
            for _ in step.epoch(met, bias, drawn):
                done += 1
                yield done / steps  # after the last one others hand work to their devices before this one is waited for
        except NonFiniteError:
            return False
        history["train_accuracy"].append(float(step.hits) / step.samples)
        if not math.isfinite(float(step.total)):
            return False
        health = step.loss.health()
        history["batch_inverted"].append(health["inverted"])
        history["batch_angle"].append(health["mean_angle"])
        if len(validation):
            correct, _ = yield from _evaluate(step, step.data.train, validation, done / steps)
            history[VALIDATION].append(float(correct.mean()))
        if epoch + 1 < recipe.epochs:  # after the last one all is measured
            correct, _ = yield from _evaluate(step, step.data.test, None, done / steps)
            history["test_accuracy"].append(float(correct.mean()))
        save()
    return True


def evaluation_batch(device: torch.device, batch_size: int, image_shape: tuple[int, ...]) -> int:
    """Images (channels, H, W) at a time in an evaluation: on CUDA 5,000, of 4 million pixels at most (5,000 images of
    224×224 take 30 GiB a layer, and torch's pools count to 2³¹), but no fewer than in training, where they fit."""
    if device.type != "cuda":
        return 500
    height, width = image_shape[-2:]
    return max(batch_size, min(5000, 2**22 // (height * width)))


@torch.no_grad()
def _evaluate(
    step: Step, data: tuple[torch.Tensor, torch.Tensor], chosen: torch.Tensor | None = None, fraction: float = 1.0
) -> Generator[float, None, tuple[torch.Tensor, torch.Tensor]]:
    """Correctness (N,) float64 at the test-time weights, and embeddings (N, M), of the images and labels of `data`
    whose indices are `chosen`, of all unless given; yields `fraction` after every part."""
    step.backbone.eval()
    images, labels = data
    indices = torch.arange(len(images), device=step.device) if chosen is None else chosen.to(step.device)
    size = evaluation_batch(step.device, step.batch_size, images.shape[1:])
    embeddings = torch.empty(len(indices), step.backbone.fc.out_features, device=step.device)
    for rows, part in zip(embeddings.split(size), indices.split(size), strict=True):
        rows.copy_(step.embed(images, part))
        yield fraction
    return (step.loss.logits(embeddings).argmax(1) == labels[indices]).double(), embeddings


@torch.no_grad()
def _measure(step: Step, num_classes: int) -> Generator[float, None, Record | None]:
    """What a record holds of the trained network; None if a feature or a weight is not finite."""
    weight = step.loss.classifier()
    final: dict[str, float] = {}
    class_angles = {}
    for name, data, chosen in (("train", step.data.train, step.trained), ("test", step.data.test, None)):
        correct, embeddings = yield from _evaluate(step, data, chosen)
        labels = data[1] if chosen is None else data[1][chosen.to(step.device)]
        if not bool(torch.isfinite(embeddings).all() and torch.isfinite(weight).all()):
            return None
        angles = torch.rad2deg(geometry.target_angles(embeddings, weight, labels))
        final[f"{name}_accuracy"] = float(correct.mean())
        final[f"{name}_angle"] = float(angles.mean())
        final[f"{name}_inverted"] = float((angles > 90).double().mean())
        class_angles[name] = geometry.class_means(angles, labels, num_classes).tolist()
        if name == "train":
            collapse = geometry.neural_collapse(embeddings, weight, labels)
    record: Record = {}
    if weight.shape[1] <= 3:
        record["features"] = _features(embeddings, step.data.test[1], weight)
    shape = {
        "smallest_angle": geometry.smallest_angle(weight),
        "weight_sum_norm": float(weight.sum(0).norm()),
        **collapse,
    }
    return record | {
        "final": final,
        "class_angles": class_angles,
        # JSON has no NaN: a quantity that does not exist (all class means equal, say) is null
        "geometry": {key: value if math.isfinite(value) else None for key, value in shape.items()},
        "largest_class": float(step.data.test[1].bincount().max()) / len(correct),
        "correct": base64.b64encode(np.packbits(correct.cpu().numpy() > 0).tobytes()).decode(),
    }


def _features(
    embeddings: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor
) -> dict[str, list[list[float]] | list[int]]:
    """What a picture of a plane or a space needs: the first test features, to three digits."""
    rows = embeddings[:FEATURES_KEPT].double()
    return {
        "embeddings": [[float(f"{value:.3g}") for value in row] for row in rows.tolist()],
        "labels": labels[:FEATURES_KEPT].tolist(),
        "weight": [[float(f"{value:.4g}") for value in row] for row in weight.double().tolist()],
    }
