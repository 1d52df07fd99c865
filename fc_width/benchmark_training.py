"""What a wide layer, and W-Softmax, cost in training: ``python -m fc_width.benchmark training``.

Networks of one recipe, with softmax and with W-Softmax (α = 1, as printed), at M_min = C − 1 units and at 30 M_min,
take the same training steps (batch, forward, backward, optimiser) on the same images, in short turns, every other time
in the opposite order, as a machine may be slower for seconds. A round is many turns of each, its time their median;
each round is told, so that a reader may compare within rounds. On a CPU one thread."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, inf
from statistics import median

import torch

from fc_width.benchmark_step import InTurn
from fc_width.benchmark_timing import one_thread, wait
from fc_width.data import load
from fc_width.options import File, Folder
from fc_width.recipes import Recipe, of_known_data
from fc_width.worker import set_convolutions

LOSSES = ("softmax", "w-softmax:1")
FACTORS = (1, 30)
"""Widths over M_min."""

TURN = 0.1
"""Seconds of a turn at least, by estimate, in whole steps, an epoch's at most."""


@dataclass(frozen=True)
class Training:
    """Milliseconds of a training step with softmax and with W-Softmax, at M_min and at 30 M_min."""

    recipes: tuple[str, ...] = ("digits",)
    """Named recipes, each at those widths."""
    device: str = "auto"
    """cuda, cpu, or auto: CUDA where there is one."""
    rounds: int = 5
    """Rounds, each with a time of its own."""
    seconds: float = 2.0
    """Time to spend on one network in one round, by estimate, one turn at least."""
    data_dir: Folder = None
    """Folder that holds the data sets' original files."""
    json: File = None
    """File to write the measurements to."""


@dataclass(frozen=True)
class Measurement:
    """One network: milliseconds of a step in each round, and the median over rounds of their ratio to those of the
    first network, softmax at M_min, in the same round."""

    recipe: str
    loss: str
    width: int
    milliseconds: tuple[float, ...]
    ratio: float


def measure(options: Training, device: torch.device, say: Callable[[str], None]) -> list[Measurement]:
    """Every recipe, loss and width.

    *Raises*: `ValueError` for a recipe that is none, or times that are not above 0."""
    named = [of_known_data(name) for name in options.recipes]
    if not 0 < options.seconds < inf:
        raise ValueError(f"seconds must be finite and above 0, got {options.seconds}")
    set_convolutions()  # as a sweep does
    with one_thread():
        return [each for recipe in named for each in _of_recipe(recipe, options, device, say)]


def _of_recipe(
    recipe: Recipe, options: Training, device: torch.device, say: Callable[[str], None]
) -> list[Measurement]:
    dataset = load(recipe.dataset, options.data_dir)
    least = dataset.num_classes - 1
    recipes = [dataclasses.replace(recipe, loss=loss, width=factor * least) for factor in FACTORS for loss in LOSSES]
    say(f"{recipe.name}: warming up …")
    networks = [InTurn([each], dataset, device, alpha=1.0) for each in recipes]
    order = torch.randperm(len(dataset.train_labels))[None]
    for network in networks:
        _turn(network, 1, order, device)
    slowest = max(_turn(network, 1, order, device) for network in networks)
    most = max(1, len(dataset.train_labels) // recipe.batch_size)
    steps = min(most, ceil(TURN / slowest))
    turns = ceil(options.seconds / (steps * slowest))
    timed: list[tuple[float, ...]] = [() for _ in networks]
    for done in range(1, options.rounds + 1):
        say(f"{recipe.name}: round {done} of {options.rounds} …")
        order = torch.randperm(len(dataset.train_labels))[None]
        spent: list[list[float]] = [[] for _ in networks]
        for turn in range(turns):
            pairs = list(zip(networks, spent, strict=True))
            for network, times in pairs if (turn + done) % 2 else reversed(pairs):
                times.append(1000 * _turn(network, steps, order, device) / steps)
        timed = [(*rounds, median(times)) for rounds, times in zip(timed, spent, strict=True)]
    return [
        Measurement(
            recipe.name,
            each.loss,
            each.width,
            times,
            median(own / base for own, base in zip(times, timed[0], strict=True)),
        )
        for each, times in zip(recipes, timed, strict=True)
    ]


def _turn(network: InTurn, steps: int, order: torch.Tensor, device: torch.device) -> float:
    """Seconds of so many steps."""
    wait(device)
    started = time.perf_counter()
    network.take(steps, order)
    wait(device)
    return time.perf_counter() - started


def describe(options: Training, device: torch.device) -> str:
    """What was measured, for a heading."""
    return f"A training step (batch, forward, backward, optimiser) in {options.rounds} interleaved rounds"


def table(found: Sequence[Measurement]) -> str:
    """Markdown: a row for each recipe, loss and width."""
    head = ("recipe", "loss", "M", "ms a step, median", "times softmax's at M_min", "ms in each round")
    lines = [f"| {' | '.join(head)} |", "|---|---|---:|---:|---:|---|"]
    for each in found:
        rounds = ", ".join(f"{time:.3f}" for time in each.milliseconds)
        middle = median(each.milliseconds)
        lines.append(f"| {each.recipe} | {each.loss} | {each.width} | {middle:.3f} | {each.ratio:.3f} | {rounds} |")
    return "\n".join(lines)
