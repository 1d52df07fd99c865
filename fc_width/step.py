"""A training step made of tensors on the device alone, so that on CUDA it is captured once as a graph and replayed.

Of a small network's step most of the time goes into launching its hundred-odd kernels one by one. Here the place in
the epoch, the learning rate and the running sums live on the device, nothing waits for it or asks the host, and a
replay is one launch. On a CPU the same step runs as it is written; a record does not show the difference."""

import contextlib
import contextvars
import functools
import math
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import nn
from torch.optim.sgd import sgd

from fc_width import augment
from fc_width.backbone import Backbone
from fc_width.checks import check_range, labels_checked
from fc_width.data import Dataset
from fc_width.loss_names import Loss
from fc_width.losses import SimplexWSoftmaxLoss, SoftmaxLoss, WSoftmaxLoss
from fc_width.recipes import Recipe

if TYPE_CHECKING:
    from fc_width.fused import FusedBackbone

CAPTURED = (SoftmaxLoss, WSoftmaxLoss, SimplexWSoftmaxLoss)
"""Losses that never wait for the device; those of other libraries may."""

REHEARSALS = 3
"""Steps before a capture, in which libraries choose their algorithms and take their workspaces."""

CPU_INFO = Path("/proc/cpuinfo")

BFLOAT16_FLAGS = frozenset({"amx_bf16", "avx512_bf16"})
"""By which `CPU_INFO` says that a CPU multiplies bfloat16: matrices, or vectors."""


class CaptureError(RuntimeError):
    """A step that could not be recorded as a graph. What torch allocates then may be lost to this process."""


_eager = contextvars.ContextVar("eager", default=False)


@contextlib.contextmanager
def eager() -> Iterator[None]:
    """For the time of a `with` no step is recorded or replayed: for a profile, as the kernels of a graph do not say
    which operator they belong to, and where none can be recorded."""
    token = _eager.set(True)
    try:
        yield
    finally:
        _eager.reset(token)


class Batches:
    """A data set on a device as uint8, handed out as normalised float batches (N, channels, H, W), channels last."""

    def __init__(self, dataset: Dataset, device: torch.device) -> None:
        # the kernels read images channel by channel, row by row, however a data set made by hand has them in memory
        self.train = dataset.train_images.contiguous().to(device), dataset.train_labels.to(device)
        self.test = dataset.test_images.contiguous().to(device), dataset.test_labels.to(device)
        mean, std = channel_statistics(dataset)
        self.mean, self.scale = mean.to(device), (1 / std).to(device)

    def images(self, images: torch.Tensor) -> torch.Tensor:
        """Normalised images of uint8 ones."""
        normal = images.float().sub_(self.mean).mul_(self.scale)
        return normal.contiguous(memory_format=torch.channels_last)


@functools.lru_cache(maxsize=2)
def batches(dataset: Dataset, device: torch.device) -> Batches:
    """The `Batches` of a data set, one for all runs of this process."""
    return Batches(dataset, device)


@functools.lru_cache(maxsize=4)
def channel_statistics(dataset: Dataset) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of each channel of the training images, (1, channels, 1, 1); 1 for the deviation of a
    channel that is the same everywhere (an opaque alpha, say), which then is 0."""
    channels = dataset.train_images.shape[1]
    count = dataset.train_images.numel() // channels
    first, second = np.zeros((2, channels), np.int64)
    for part in dataset.train_images.split(256):  # all at once would take eight times the memory of the data set
        pixels = part.numpy()
        first += pixels.sum((0, 2, 3), dtype=np.int64)
        second += np.square(pixels, dtype=np.uint16).sum((0, 2, 3), dtype=np.int64)
    sums = list(zip(first.tolist(), second.tolist(), strict=True))
    mean = [total / count for total, _ in sums]
    std = [math.sqrt(count * squares - total**2) / count or 1.0 for total, squares in sums]
    return torch.tensor(mean).reshape(1, -1, 1, 1), torch.tensor(std).reshape(1, -1, 1, 1)


def precision(wanted: str, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """What the trunk computes in: bfloat16 by autocast (batch statistics stay float32) or float32. The FC layer and the
    loss are float32 always."""
    if not in_bfloat16(wanted, device):
        return contextlib.nullcontext()
    return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)  # a cached cast would outlive its graph


def in_bfloat16(wanted: str, device: torch.device) -> bool:
    """Whether `precision` is bfloat16: only where the device has units for it (CUDA from Ampere on, CPUs with AMX or
    AVX-512 for it; others would emulate it, many times as slowly), unless a recipe wants `float32`; and, as small
    networks gain nothing on a CPU, there only if it wants `bfloat16`, not `auto`."""
    if device.type == "cuda":
        return wanted != "float32" and torch.cuda.get_device_capability(device)[0] >= 8
    return wanted == "bfloat16" and device.type == "cpu" and multiplies_bfloat16()


def computed_in(wanted: str, device: torch.device) -> str:
    """What the trunk computes in, as records say it; TF32 where CUDA's convolutions of float32 are that, as torch has
    them and a sweep does not."""
    if in_bfloat16(wanted, device):
        return "bfloat16 autocast"
    if device.type == "cuda" and torch.backends.cudnn.allow_tf32 and torch.cuda.get_device_capability(device)[0] >= 8:
        return "TF32"
    return "float32"


@functools.cache
def multiplies_bfloat16() -> bool:
    """Whether this CPU multiplies numbers of bfloat16 by itself, as far as the system tells."""
    try:
        return not BFLOAT16_FLAGS.isdisjoint(CPU_INFO.read_text().split())
    except OSError:
        return False


@contextlib.contextmanager
def _no_file_of_ours() -> Iterator[None]:
    """An `OSError` within is of whatever makes kernels, not of the store."""
    try:
        yield
    except OSError as error:
        raise RuntimeError(f"a kernel cannot be made: {type(error).__name__}: {error}") from error


class Step:
    """The training of one network, a batch at a time.

    *Arguments*: `recipe`; `backbone` and `loss`, on the device, trained in place; `data`; `trained`, the indices (N,)
    on the host of the training images to train on, all unless given.

    *Attributes*: `trained`; `hits` and `total`, correct samples and summed losses of this epoch, on the device;
    `samples`, how many an epoch trains on, all but a last one alone in its batch, where batch norm has no variance to
    divide by; `fused` and `trunk`, what stands for the backbone on CUDA, or for its trunk on a CPU, else None;
    `kernels`, what makes theirs, `triton` or `numba`, else ""; `recorded`, whether any step of this process has been
    recorded as a graph.

    *Raises*: `ValueError` if a label is no class of the loss (on CUDA a device-side assertion)."""

    recorded: ClassVar[bool] = False

    def __init__(
        self, recipe: Recipe, backbone: Backbone, loss: Loss, data: Batches, trained: torch.Tensor | None = None
    ) -> None:
        images, self.labels = data.train
        self.trained = torch.arange(len(images)) if trained is None else trained
        check_range(self.labels, len(loss.classifier()))
        loss = loss.float()  # else the simplex's coefficients, in float64, are cast in every step
        self.backbone, self.loss, self.data = backbone, loss, data
        self.device = images.device
        count = len(self.trained)
        self.batch_size, self.precision = min(recipe.batch_size, count), recipe.precision
        self.samples = count - (count % self.batch_size == 1)
        self.fused = _fused(backbone, self.precision, self.device)
        self.trunk = _fused_trunk(backbone, self.precision, self.device)
        self.kernels = "triton" if self.fused is not None else "numba" if self.trunk is not None else ""
        self.groups = parameter_groups(recipe, backbone, loss)
        self.momentum = recipe.momentum
        self.buffers = {each: torch.zeros_like(each) for group in self.groups for each in group["params"]}
        numbers = torch.float64 if self.device.type == "cpu" else torch.float32  # what the fused SGD reads
        self.rate = torch.zeros(1, dtype=numbers, device=self.device)
        steps = recipe.epochs * -(-count // recipe.batch_size)
        rates = [recipe.lr * recipe.lr_decay ** (step / recipe.lr_decay_steps) for step in range(steps)]
        self.rates = torch.tensor(rates, dtype=numbers, device=self.device)
        self.step = torch.zeros(1, dtype=torch.int64, device=self.device)
        self.order = self.trained.to(self.device, copy=True)
        self.shift = recipe.shift
        self.drawn = torch.zeros((count, 3), dtype=torch.int64, device=self.device) if recipe.augments else None
        self.each = torch.arange(self.batch_size, device=self.device)
        self.place = torch.arange(self.batch_size, device=self.device)  # of the batch in the epoch's order
        self.right = torch.zeros(self.batch_size, device=self.device)  # how often, at each place of a batch
        self.total = torch.zeros((), device=self.device)
        # a launch less on a GPU; a CPU would not notice, and torch imports sympy where a gradient is given
        self.one = None if self.device.type == "cpu" else torch.ones((), device=self.device)
        self.graph: torch.cuda.CUDAGraph | None = None

    def epoch(self, order: torch.Tensor, alpha: float, drawn: torch.Tensor | None = None) -> Iterator[None]:
        """Train on the samples in an order (N,), at α where the loss has one; yields after every step.

        *Arguments*: `order`; `alpha`; `drawn` (N, 3), of a recipe that augments, and of no other: what is done to each
        sample, in that order, as `augment.draw` has it.

        *Raises*: `ValueError` if `drawn` is missing, or given and not wanted; `NonFiniteError` on a CPU if a feature is
        not finite."""
        if (drawn is None) != (self.drawn is None):
            raise ValueError(f"drawn must be given if the recipe augments, and only then, got drawn={drawn}")
        if isinstance(self.loss, WSoftmaxLoss | SimplexWSoftmaxLoss) and alpha != self.loss.alpha:
            self.loss.alpha, self.graph = alpha, None  # α is a constant of the graph
        self.backbone.train()
        self.order.copy_(order)
        if self.drawn is not None and drawn is not None:
            self.drawn.copy_(drawn)
        self.place.copy_(torch.arange(self.batch_size, device=self.device))
        self.right.zero_()
        self.total.zero_()
        for _ in range(len(order) // self.batch_size):
            self._full_batch()
            yield
        rest = self.samples % self.batch_size
        if rest:
            self._batch(rest)
            yield

    @property
    def hits(self) -> torch.Tensor:
        """A scalar."""
        return self.right.sum()

    def _full_batch(self) -> None:
        if self.device.type != "cuda" or not isinstance(self.loss, CAPTURED) or _eager.get():
            self._batch(self.batch_size)
            return
        if self.graph is None:
            self.rehearse()
            graph = torch.cuda.CUDAGraph()
            try:
                with torch.cuda.graph(graph, stream=torch.cuda.current_stream(self.device)):
                    self._batch(self.batch_size)  # recorded, not run
            except Exception as error:
                raise CaptureError(f"no graph of a step: {type(error).__name__}: {error}") from error
            self.graph, Step.recorded = graph, True
        self.graph.replay()

    def rehearse(self) -> None:
        """Take this step a few times and put everything that it changes back as it was."""
        changed = self.state()
        before = [tensor.clone() for tensor in changed]
        for _ in range(REHEARSALS):
            self._batch(self.batch_size)
            for tensor, value in zip(changed, before, strict=True):
                tensor.copy_(value)
        self._zero_grad()

    @_no_file_of_ours()
    def _batch(self, size: int) -> None:
        places = self.place[:size]
        chosen = self.order[places]
        labels = self.labels[chosen]
        images = self.data.train[0]
        if self.drawn is not None:
            images, chosen = augment.augmented(images, chosen, self.drawn[places], self.shift), self.each[:size]
        torch.index_select(self.rates, 0, self.step, out=self.rate)
        embeddings = self.embed(images, chosen)
        with labels_checked():
            value = self.loss(embeddings, labels)
        self._zero_grad()
        value.backward(self.one)
        if self.fused is not None:
            self.fused.hand_over()
        self._update()
        with torch.no_grad():
            self.right[:size].add_(self.loss.logits(embeddings).argmax(1) == labels)  # `+=` would copy it to itself
            self.total += value
        torch._foreach_add_([self.place, self.step], [self.batch_size, 1])

    def _zero_grad(self) -> None:
        for each in self.buffers:
            each.grad = None

    @torch.no_grad()
    def _update(self) -> None:
        """What `torch.optim.SGD(fused=True)` does in a step, by the function that it is made of: the class itself
        imports torch's compiler, which takes two seconds of the start of every worker."""
        for group in self.groups:
            moved = [each for each in group["params"] if each.grad is not None]
            sgd(
                moved,
                [each.grad for each in moved],
                [self.buffers[each] for each in moved],
                fused=True,
                weight_decay=group["weight_decay"],
                momentum=self.momentum,
                lr=self.rate,  # type: ignore[arg-type]  # a tensor, which a fused step reads on its device
                dampening=0.0,
                nesterov=False,
                maximize=False,
            )

    @_no_file_of_ours()
    def embed(self, images: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        """Embeddings (N, M), float32, of the chosen (N,) of images (…, channels, H, W) as they lie in the data set."""
        if self.fused is not None:
            return self.fused(images, chosen, self.data.mean, self.data.scale)
        with precision(self.precision, self.device):
            normal = self.data.images(images.index_select(0, chosen))
            embeddings: torch.Tensor = self.backbone(normal, self.trunk)
        return embeddings.float()

    def state(self) -> list[torch.Tensor]:
        """All that a step changes, each sharing its memory."""
        modules = (self.backbone, self.loss)
        return [
            *(each.detach() for module in modules for each in (*module.parameters(), *module.buffers())),
            *self.buffers.values(),
            *(self.step, self.place, self.right, self.total),
        ]


def _fused(backbone: Backbone, wanted: str, device: torch.device) -> "FusedBackbone | None":
    """The backbone in fewer kernels: on CUDA, where Triton is, as it is beside torch's own builds for Linux."""
    if device.type != "cuda":
        return None
    try:
        from fc_width import fused

        obstacle = fused.obstacle(device)
    except ImportError as error:
        obstacle = str(error)
    if obstacle:
        warnings.warn(f"torch's own modules train, as Triton can make no kernels: {obstacle}", stacklevel=2)
        return None
    return fused.FusedBackbone(backbone, torch.bfloat16 if in_bfloat16(wanted, device) else torch.float32)


def _fused_trunk(backbone: Backbone, wanted: str, device: torch.device) -> nn.Module | None:
    """The trunk with PReLU and batch norm in one, sharing the backbone's parameters: in float32 on a CPU, where numba
    is, an extra."""
    if device.type != "cpu" or in_bfloat16(wanted, device) or numba_is_off():
        return None
    try:
        from fc_width import fused_norm

        obstacle = fused_norm.obstacle()
    except ModuleNotFoundError:
        return None
    except Exception as error:  # numba is there and does not fit its surroundings
        obstacle = f"{type(error).__name__}: {error}"
    if obstacle:
        warnings.warn(f"torch's own modules train, as numba can make no kernels: {obstacle}", stacklevel=2)
        return None
    return fused_norm.fuse(backbone.trunk)


def numba_is_off() -> bool:
    """Whether `NUMBA_DISABLE_JIT`, numba's own switch, says that it shall not compile: its kernels are no loops to
    interpret."""
    return os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")


def parameter_groups(recipe: Recipe, backbone: Backbone, loss: Loss) -> list[dict[str, Any]]:
    """As `torch.optim` takes them: weight decay on matrices and kernels, not on biases, PReLU and batch norm."""
    parameters = [*backbone.parameters(), *loss.parameters()]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
