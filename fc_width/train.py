"""One run: a recipe and a data set in, a record out.

On a CPU the record depends on the recipe alone (not on other runs, nor on the number of workers), if torch
runs on one thread."""

import base64
import functools
import hashlib
import importlib.metadata
import math
import platform
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from fc_width import geometry
from fc_width.backbone import BACKBONES, Backbone
from fc_width.data import Dataset
from fc_width.loss_names import Loss, make_loss, parse_loss
from fc_width.losses import NonFiniteError, SimplexWSoftmaxLoss, WSoftmaxLoss
from fc_width.recipes import Recipe
from fc_width.store import Record

Progress = Callable[[float], None]
"""Called now and then with the fraction of the run that is done."""

EVALUATION_BATCH = 500
FEATURES = 300  # of the test set, in the record of a run with M ≤ 3
HISTORY = "train_accuracy", "test_accuracy", "batch_inverted", "batch_angle"


def run(
    recipe: Recipe, dataset: Dataset, device: torch.device | str = "cpu", progress: Progress | None = None
) -> Record:
    """Train and evaluate one network.

    *Arguments*: `recipe`; `dataset`, the one that the recipe names; `device`; `progress`, called with the
    fraction done.

    *Returns*: a record with the keys `run_id`, `recipe`, `classes` (C), `status` (`done`, or `diverged` if the loss
    was not finite), `train_accuracy` (per epoch, a running mean while training) and `test_accuracy` (per epoch), both
    in 0…1 and at the test-time weights; `batch_inverted` and `batch_angle` (the loss's `health` on the last batch of
    each epoch); `final` (accuracies, mean angles in degrees and the inverted share, on train and test);
    `class_angles` (Eq. 14, degrees, per class, on train and test); `geometry` (smallest angle of the weights,
    NC1–NC3, norm of the weights' sum); where M ≤ 3, `features` (the first test embeddings, their labels, and the
    classifier); `correct` (the test predictions' correctness, packed bits in base64); `parameters` and `bytes` of the
    FC layer and of the classifier; `seconds`; `provenance`.

    *Raises*: `ValueError` if the data set is not the recipe's, or a field of the recipe does not fit it.
    """
    if dataset.name != recipe.dataset:
        raise ValueError(f"recipe {recipe.name} is for data set {recipe.dataset!r}, got {dataset.name!r}")
    started = time.perf_counter()
    device = torch.device(device)
    backbone, loss = build(recipe, dataset)
    backbone = backbone.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    loss = loss.to(device)
    data = _Batches(dataset, device)
    history: dict[str, list[float]] = {key: [] for key in HISTORY}
    finite = _train(recipe, backbone, loss, data, history, progress or (lambda fraction: None))
    record: Record = {
        "run_id": recipe.run_id,
        "recipe": asdict(recipe),
        "classes": dataset.num_classes,
        "status": "done" if finite else "diverged",
        **history,
    }
    if finite:
        record |= _measure(backbone, loss, data, dataset.num_classes)
    parameters = {"fc": backbone.fc_parameters(), "classifier": sum(p.numel() for p in loss.parameters())}
    return record | {
        "parameters": parameters,
        "bytes": {part: 4 * count for part, count in parameters.items()},
        "seconds": time.perf_counter() - started,
        "provenance": provenance(device) | {"data_sha256": dataset.checksum},
    }


def build(recipe: Recipe, dataset: Dataset) -> tuple[Backbone, Loss]:
    """The initial network and loss. The trunk is the same for every width, feature and loss of one seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(recipe.seed, "initialisation"))
        backbone = Backbone(BACKBONES[recipe.backbone], dataset.image_shape, recipe.width, recipe.feature)
        loss = make_loss(recipe.loss, recipe.width, dataset.num_classes)
    return backbone, loss


def derived_seed(seed: int, purpose: str) -> int:
    """A seed for one purpose, independent of those for others."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:7], "big")


class _Batches:
    """A data set on a device as uint8, handed out as normalised float batches."""

    def __init__(self, dataset: Dataset, device: torch.device) -> None:
        self.train = dataset.train_images.to(device), dataset.train_labels.to(device)
        self.test = dataset.test_images.to(device), dataset.test_labels.to(device)
        mean, std = channel_statistics(dataset)
        self.mean, self.scale = mean.to(device), (1 / std).to(device)

    def images(self, images: torch.Tensor) -> torch.Tensor:
        normal = (images.float() - self.mean) * self.scale
        return normal.contiguous(memory_format=torch.channels_last)


@functools.lru_cache(maxsize=4)
def channel_statistics(dataset: Dataset) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of each channel of the training images, (1, channels, 1, 1)."""
    pixels = dataset.train_images.numpy()
    mean = pixels.mean(axis=(0, 2, 3), dtype=np.float64)
    std = pixels.std(axis=(0, 2, 3), dtype=np.float64)
    mean, std = (torch.from_numpy(each).float().reshape(1, -1, 1, 1) for each in (mean, std))
    return mean, std


def _train(
    recipe: Recipe,
    backbone: Backbone,
    loss: Loss,
    data: _Batches,
    history: dict[str, list[float]],
    progress: Progress,
) -> bool:
    """Train in place; false as soon as a feature, or an epoch's loss, is not finite."""
    images, labels = data.train
    order = torch.Generator().manual_seed(derived_seed(recipe.seed, "order"))
    optimizer = optimizer_of(recipe, backbone, loss)
    _, alpha = parse_loss(recipe.loss)
    steps, step = -(-len(images) // recipe.batch_size), 0
    for epoch in range(recipe.epochs):
        if isinstance(loss, WSoftmaxLoss | SimplexWSoftmaxLoss):
            loss.alpha = 0.0 if alpha is None or epoch < recipe.softmax_epochs else alpha
        backbone.train()
        hits, total = torch.zeros((), device=labels.device), torch.zeros((), device=labels.device)
        for batch in torch.randperm(len(images), generator=order).to(labels.device).split(recipe.batch_size):
            if len(batch) == 1:
                continue  # batch norm has no variance to divide by
            for group in optimizer.param_groups:
                group["lr"] = recipe.lr * recipe.lr_decay ** (step / recipe.lr_decay_steps)
            embeddings = backbone(data.images(images[batch]))
            try:
                value = loss(embeddings, labels[batch])
            except NonFiniteError:
                return False
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            with torch.no_grad():
                hits += (loss.logits(embeddings).argmax(1) == labels[batch]).sum()
                total += value
            step += 1
            if step % 50 == 0:
                progress(step / (steps * recipe.epochs))
        history["train_accuracy"].append(float(hits) / len(images))
        if not math.isfinite(float(total)):
            return False
        health = loss.health()
        history["batch_inverted"].append(health["inverted"])
        history["batch_angle"].append(health["mean_angle"])
        history["test_accuracy"].append(float(_evaluate(backbone, loss, data, data.test)[0].mean()))
        progress((epoch + 1) / recipe.epochs)
    return True


def optimizer_of(recipe: Recipe, backbone: Backbone, loss: Loss) -> torch.optim.Optimizer:
    """SGD with momentum; weight decay on matrices and kernels, not on biases, PReLU and batch norm."""
    parameters = [*backbone.parameters(), *loss.parameters()]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, fused=True)


@torch.no_grad()
def _evaluate(
    backbone: Backbone, loss: Loss, data: _Batches, split: tuple[torch.Tensor, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Correctness (N,) float64 at the test-time weights, and embeddings (N, M)."""
    backbone.eval()
    images, labels = split
    embeddings = torch.cat([backbone(data.images(part)) for part in images.split(EVALUATION_BATCH)])
    return (loss.logits(embeddings).argmax(1) == labels).double(), embeddings


@torch.no_grad()
def _measure(backbone: Backbone, loss: Loss, data: _Batches, num_classes: int) -> Record:
    weight = loss.classifier()
    final: dict[str, float] = {}
    class_angles = {}
    for name, split in (("train", data.train), ("test", data.test)):
        correct, embeddings = _evaluate(backbone, loss, data, split)
        angles = torch.rad2deg(geometry.target_angles(embeddings, weight, split[1]))
        final[f"{name}_accuracy"] = float(correct.mean())
        final[f"{name}_angle"] = float(angles.mean())
        final[f"{name}_inverted"] = float((angles > 90).double().mean())
        class_angles[name] = geometry.class_means(angles, split[1], num_classes).tolist()
        if name == "train":
            collapse = geometry.neural_collapse(embeddings, weight, split[1])
    record: Record = {}
    if weight.shape[1] <= 3:
        record["features"] = _features(embeddings, data.test[1], weight)
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
        "correct": base64.b64encode(np.packbits(correct.cpu().numpy() > 0).tobytes()).decode(),
    }


def _features(
    embeddings: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor
) -> dict[str, list[list[float]] | list[int]]:
    """What a picture of a plane or a space needs: the first test features, to three digits."""
    rows = embeddings[:FEATURES].double()
    return {
        "embeddings": [[float(f"{value:.3g}") for value in row] for row in rows.tolist()],
        "labels": labels[:FEATURES].tolist(),
        "weight": [[float(f"{value:.4g}") for value in row] for row in weight.double().tolist()],
    }


def provenance(device: torch.device) -> dict[str, str]:
    """Where a record comes from: versions, commit, device."""
    return {
        "version": importlib.metadata.version("fc-width"),
        "commit": _commit(),
        "torch": torch.__version__,
        "device": device_name(device),
    }


def device_name(device: torch.device) -> str:
    """The kind of device and its model."""
    return f"{device.type}: {torch.cuda.get_device_name(device) if device.type == 'cuda' else _cpu_name()}"


@functools.cache
def _commit() -> str:
    """The commit that the package runs from, with `+` if files differ from it; `unknown` outside a
    checkout."""
    root = Path(__file__).resolve().parent
    try:
        commit, changes = (
            subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True).stdout
            for words in (("rev-parse", "HEAD"), ("status", "--porcelain", "--", "."))
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit.strip() + ("+" if changes.strip() else "")


@functools.cache
def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
