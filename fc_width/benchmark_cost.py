"""How the cost of a sweep grows: ``python -m fc_width.benchmark cost``.

One thing is changed at a time, against one and the same run: the width M, the classes C (the same images, with labels
dealt out in turn), the training images, and, through the engine, the number of runs. All cases are interleaved;
what is reported is the median and its ratio to the first value's. On a CPU a run has one thread."""

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

import torch

from fc_width.benchmark_sweep import engine_runs
from fc_width.benchmark_timing import one_thread
from fc_width.data import Dataset, load
from fc_width.options import File, Folder, Number
from fc_width.recipes import Recipe, of_known_data
from fc_width.step import batches
from fc_width.train import run
from fc_width.worker import default_workers, set_convolutions


@dataclass(frozen=True)
class Cost:
    """Seconds of a run against M, C and images, and of a sweep against its number of runs."""

    recipe: str = "digits"
    """Named recipe, at its own width; with centred W-Softmax."""
    device: str = "auto"
    """cuda, cpu, or auto: CUDA where there is one."""
    widths: tuple[int, ...] = (1, 9, 90, 270)
    """Widths M."""
    classes: tuple[int, ...] = (2, 10, 100, 1000)
    """Numbers of classes C."""
    images: tuple[float, ...] = (0.25, 0.5, 1.0)
    """Shares of the training images."""
    runs: tuple[int, ...] = (2, 4, 8, 16)
    """Numbers of runs of a sweep."""
    epochs: Number = None
    """Epochs of a run (default: the recipe's)."""
    rounds: int = 3
    """Interleaved rounds that the medians are over."""
    data_dir: Folder = None
    """Folder that holds the data set's original files."""
    json: File = None
    """File to write the measurements to."""


@dataclass(frozen=True)
class Measurement:
    """One case: what was changed, to which value, median seconds, and their ratio to the first value's."""

    changed: str
    value: float
    seconds: float
    ratio: float


def measure(options: Cost, device: torch.device, say: Callable[[str], None]) -> list[Measurement]:
    """Every case, interleaved.

    *Raises*: `ValueError` for a recipe that is none, or a value that does not fit; `RuntimeError` if a run is not done.
    """
    named = of_known_data(options.recipe)
    if any(count < 1 for count in options.runs):
        raise ValueError(f"runs must be at least 1, got {options.runs}")
    if any(count < 2 for count in options.classes):
        raise ValueError(f"classes must be at least 2, got {options.classes}")
    if any(not 0 < share <= 1 for share in options.images):
        raise ValueError(f"images must be shares in 0…1, got {options.images}")
    base = dataclasses.replace(named, loss="w-softmax-centred:1", softmax_epochs=0)
    if options.epochs is not None:
        base = dataclasses.replace(base, epochs=options.epochs)
    dataset = load(base.dataset, options.data_dir)
    set_convolutions()  # as a sweep does
    cases: list[Case] = []

    def case(changed: str, value: float, recipe: Recipe, data: Dataset) -> None:
        cases.append(Case(changed, value, lambda: _run(recipe, data, device), lambda: batches(data, device)))

    for width in options.widths:
        case("width M", width, dataclasses.replace(base, width=width), dataset)
    for count in options.classes:
        case("classes C", count, base, _with_classes(dataset, count))
    for share in options.images:
        kept = round(share * len(dataset.train_labels))
        if kept < 2:  # of one sample, batch norm has no variance
            raise ValueError(f"images must leave at least 2 of {len(dataset.train_labels)}, got {options.images}")
        case("training images", kept, base, _first(dataset, kept))
    for count in options.runs:
        recipes = [dataclasses.replace(base, seed=seed) for seed in range(count)]
        sweep = functools.partial(engine_runs, recipes, dataset, str(_one(device)), default_workers(device))
        cases.append(Case("runs of a sweep", count, sweep, lambda: None))
    return _interleaved(cases, options.rounds, say)


class Case(NamedTuple):
    """What is changed, to which value; the work to time; and what a sweep does once for all runs, done before."""

    changed: str
    value: float
    work: Callable[[], object]
    prepare: Callable[[], object]


def _one(device: torch.device) -> torch.device:
    """The first GPU, of all."""
    return torch.device("cuda", 0) if device.type == "cuda" else device


def _interleaved(cases: Sequence[Case], rounds: int, say: Callable[[str], None]) -> list[Measurement]:
    seconds: list[list[float]] = [[] for _ in cases]
    with one_thread():
        for turn in range(rounds + 1):  # the first one warms up
            say(f"round {turn} of {rounds} …" if turn else "warming up …")
            for times, each in zip(seconds, cases, strict=True):
                each.prepare()
                started = time.perf_counter()
                each.work()
                times.append(time.perf_counter() - started)
    base: dict[str, float] = {}
    found = []
    for times, each in zip(seconds, cases, strict=True):
        middle = median(times[1:])
        found.append(Measurement(each.changed, each.value, middle, middle / base.setdefault(each.changed, middle)))
    return found


def _with_classes(dataset: Dataset, classes: int) -> Dataset:
    train, test = (torch.arange(len(labels)) % classes for labels in (dataset.train_labels, dataset.test_labels))
    return dataclasses.replace(dataset, train_labels=train, test_labels=test, num_classes=classes)


def _first(dataset: Dataset, kept: int) -> Dataset:
    return dataclasses.replace(
        dataset, train_images=dataset.train_images[:kept], train_labels=dataset.train_labels[:kept]
    )


def _run(recipe: Recipe, dataset: Dataset, device: torch.device) -> None:
    """One run; `RuntimeError` if it is not done: what diverged at once took no time."""
    record = run(recipe, dataset, device)
    if record["status"] != "done":
        raise RuntimeError(f"{record['run_id']}: {record['status']}")


def describe(options: Cost, device: torch.device) -> str:
    """What was measured, for a heading."""
    return (
        f"{options.recipe}, centred W-Softmax, median of {options.rounds} interleaved rounds; sweeps with "
        f"{default_workers(device)} runs at once, their start included"
    )


def table(found: Sequence[Measurement]) -> str:
    """Markdown: a row for each case."""
    lines = ["| changed | to | seconds | ratio |", "|---|---:|---:|---:|"]
    lines += [f"| {each.changed} | {each.value:g} | {each.seconds:.2f} | {each.ratio:.2f} |" for each in found]
    return "\n".join(lines)
