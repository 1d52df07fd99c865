"""The engine's training step against others that it could be: ``python -m fc_width.benchmark step``.

K networks of one recipe and K seeds take the same steps, interleaved. *In turn*: by the engine's step, one network
after the other (on CUDA recorded as a graph, each network on a stream of its own). *In turn, compiled*: the same with
the trunk compiled by torch, which on a CPU wants a C++ compiler, and some time once, not counted here; on CUDA in place
of the kernels of `fused`. *Stacked*: all K by one step whose parameters, buffers and momenta have one more dimension,
of K, by `torch.func.vmap` (on CUDA recorded too), which makes one grouped convolution of the K. On a CPU all have one
thread."""

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

import torch
from torch import nn
from torch.func import functional_call, grad, stack_module_state, vmap

from fc_width.backbone import Backbone
from fc_width.benchmark_sweep import of_torch_alone
from fc_width.benchmark_timing import one_thread, wait
from fc_width.data import Dataset, load
from fc_width.loss_names import Loss
from fc_width.options import File, Folder
from fc_width.recipes import Recipe, of_known_data
from fc_width.step import REHEARSALS, Step, batches, precision
from fc_width.train import build
from fc_width.worker import set_convolutions


@dataclass(frozen=True)
class StepTime:
    """Milliseconds of a network's step, as the engine takes it, compiled, and stacked by vmap."""

    recipe: str = "digits"
    """Named recipe, at its own width; with softmax."""
    device: str = "auto"
    """cuda, cpu, or auto: CUDA where there is one."""
    networks: tuple[int, ...] = (1, 4, 16)
    """Numbers of networks K."""
    ways: tuple[Literal["compiled", "stacked"], ...] = ("compiled", "stacked")
    """What the engine's step is compared with."""
    steps: int = 20
    """Steps of every network in a round, an epoch's at most."""
    rounds: int = 5
    """Interleaved rounds that the medians are over."""
    data_dir: Folder = None
    """Folder that holds the data set's original files."""
    json: File = None
    """File to write the measurements to."""


@dataclass(frozen=True)
class Measurement:
    """A way and K: median milliseconds of one network's step, and how many times as fast as in turn that is."""

    way: str
    networks: int
    milliseconds: float
    ratio: float


def measure(options: StepTime, device: torch.device, say: Callable[[str], None]) -> list[Measurement]:
    """Every K and way.

    *Raises*: `ValueError` for a recipe that is none, fewer than one network or step, or more steps than an epoch."""
    recipe = dataclasses.replace(of_known_data(options.recipe), loss="softmax")
    if any(count < 1 for count in options.networks) or options.steps < 1:
        raise ValueError(f"networks and steps must be at least 1, got {options.networks} and {options.steps}")
    dataset = load(recipe.dataset, options.data_dir)
    steps, most = options.steps, len(dataset.train_labels) // recipe.batch_size
    if steps > most:
        raise ValueError(f"steps must be at most {most}, those of an epoch of {recipe.dataset}, got {steps}")
    wanted = {"in turn": InTurn} | {WAYS[name][0]: WAYS[name][1] for name in options.ways}
    set_convolutions()  # as a sweep does
    found = []
    with one_thread():
        for count in options.networks:
            recipes = [dataclasses.replace(recipe, seed=seed) for seed in range(count)]
            ways = {name: way(recipes, dataset, device) for name, way in wanted.items()}
            spent: dict[str, list[float]] = {name: [] for name in ways}
            for turn in range(options.rounds + 1):  # the first one warms up
                say(f"K = {count}: " + (f"round {turn} of {options.rounds} …" if turn else "warming up …"))
                orders = torch.stack([torch.randperm(len(dataset.train_labels)) for _ in recipes])
                for name, way in ways.items():
                    wait(device)
                    started = time.perf_counter()
                    way.take(steps, orders)
                    wait(device)
                    spent[name].append((time.perf_counter() - started) / steps / count)
            middle = {name: 1000 * median(seconds[1:]) for name, seconds in spent.items()}
            found += [Measurement(name, count, each, middle["in turn"] / each) for name, each in middle.items()]
    return found


class InTurn:
    """Networks trained by a `Step` each, at `alpha` where the loss has one; the trunk `compiled` or not."""

    def __init__(
        self,
        recipes: Sequence[Recipe],
        dataset: Dataset,
        device: torch.device,
        compiled: bool = False,
        alpha: float = 0.0,
    ) -> None:
        self.data, self.alpha = batches(dataset, device), alpha
        self.steps = []
        for recipe in recipes:
            backbone, loss = build(recipe, dataset)
            if compiled:
                trunk = of_torch_alone(backbone.trunk)
                trunk.forward = torch.compile(trunk.forward)  # `trunk.compile()` skips torch's own modules
            backbone = backbone.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            self.steps.append(Step(recipe, backbone, loss.to(device), self.data))
            if compiled:
                self.steps[-1].fused = self.steps[-1].trunk = None  # which would do without the trunk as it is compiled
        self.streams = [torch.cuda.Stream(device) if device.type == "cuda" else None for _ in recipes]

    def take(self, steps: int, orders: torch.Tensor) -> None:
        """So many steps of every network, an epoch's at most, in the order (K, N) of the data, from the first learning
        rate on."""
        for stream, each in zip(self.streams, self.steps, strict=True):
            with torch.cuda.stream(stream):  # of None: nothing
                each.step.zero_()  # the rates are those of a run, and rounds are more
        epochs = [step.epoch(order, self.alpha) for step, order in zip(self.steps, orders, strict=True)]
        for _ in range(steps):
            for stream, epoch in zip(self.streams, epochs, strict=True):
                with torch.cuda.stream(stream):
                    next(epoch)


class Stacked:
    """Networks trained as one: what `Step` does, with one more dimension.

    *Attributes*: `parameters`, by name, each (K, …)."""

    def __init__(self, recipes: Sequence[Recipe], dataset: Dataset, device: torch.device) -> None:
        self.recipe, self.data, self.device = recipes[0], batches(dataset, device), device
        networks = [of_torch_alone(_Network(*build(recipe, dataset)).to(device)) for recipe in recipes]
        self.network = networks[0].train()
        for module in self.network.modules():  # under vmap batch norm takes no bfloat16 beside float32
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.register_forward_pre_hook(lambda _, inputs: inputs[0].float())
        stacked, self.buffers = stack_module_state(networks)
        self.parameters: dict[str, torch.Tensor] = {name: each.detach() for name, each in stacked.items()}
        self.size = min(self.recipe.batch_size, len(dataset.train_labels))
        self.place = torch.arange(self.size, device=device)
        self.orders = torch.arange(len(dataset.train_labels), device=device).repeat(len(recipes), 1)
        self.hits, self.total = (torch.zeros(len(recipes), device=device) for _ in range(2))
        every = list(self.parameters.values())
        groups = [
            {"params": [each for each in every if each.ndim > 2], "weight_decay": self.recipe.weight_decay},
            {"params": [each for each in every if each.ndim <= 2], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.SGD(groups, lr=self.recipe.lr, momentum=self.recipe.momentum, fused=True)
        self.slopes = vmap(grad(self._value, has_aux=True))
        self.graph: torch.cuda.CUDAGraph | None = None

    def take(self, steps: int, orders: torch.Tensor) -> None:
        """So many steps of every network, in the order (K, N) of the data, at the first learning rate."""
        self.orders.copy_(orders)
        self.place.copy_(torch.arange(self.size, device=self.device))
        if self.device.type == "cuda" and self.graph is None:
            for _ in range(REHEARSALS):
                self._batch()
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self._batch()
            self.place.copy_(torch.arange(self.size, device=self.device))
        self.hits.zero_()
        self.total.zero_()
        for _ in range(steps):
            self._batch() if self.graph is None else self.graph.replay()

    def _value(
        self,
        parameters: dict[str, torch.Tensor],
        buffers: dict[str, torch.Tensor],
        images: torch.Tensor,
        labels: torch.Tensor,
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
        """One network's loss, and which images are right before the step; `Step` asks its classifier after it."""
        value, right = functional_call(self.network, (parameters, buffers), (images, labels))
        return value, (value.detach(), right)

    def _batch(self) -> None:
        chosen = self.orders[:, self.place]
        labels = self.data.train[1][chosen]
        images = self.data.images(self.data.train[0][chosen.flatten()]).unflatten(0, chosen.shape)
        images = images.contiguous()  # channels last is slower for grouped convolutions
        with precision(self.recipe.precision, self.device):
            slopes, (values, right) = self.slopes(self.parameters, self.buffers, images, labels)
        for name, parameter in self.parameters.items():
            parameter.grad = slopes[name]
        self.optimizer.step()
        self.hits += right
        self.total += values
        self.place += self.size


WAYS: dict[str, tuple[str, Any]] = {
    "compiled": ("in turn, compiled", functools.partial(InTurn, compiled=True)),
    "stacked": ("stacked", Stacked),
}


class _Network(nn.Module):
    """Images (N, channels, H, W) and labels (N,) to the loss and the number of correct samples."""

    def __init__(self, backbone: Backbone, loss: Loss) -> None:
        super().__init__()
        self.backbone, self.loss = backbone, loss

    def forward(self, images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        embeddings = self.backbone(images).float()
        right = (self.loss.logits(embeddings).argmax(1) == labels).sum()
        return self.loss(embeddings, labels), right


def describe(options: StepTime, device: torch.device) -> str:
    """What was measured, for a heading."""
    return f"{options.recipe}, softmax, median of {options.rounds} interleaved rounds of {options.steps} steps"


def table(found: Sequence[Measurement]) -> str:
    """Markdown: a row for each K and way."""
    lines = ["| way | networks K | ms a step | times as fast as in turn |", "|---|---:|---:|---:|"]
    lines += [f"| {each.way} | {each.networks} | {each.milliseconds:.2f} | {each.ratio:.2f} |" for each in found]
    return "\n".join(lines)
