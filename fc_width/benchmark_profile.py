"""Where the time of one run goes: ``python -m fc_width.benchmark profile``.

One run under torch's profiler, on one thread on a CPU; on CUDA what counts is the time of the kernels, launched one by
one for once. The profiler itself takes time, most where operators are small: shares, not seconds, are what to read."""

import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from fc_width.benchmark_timing import one_thread, quiet
from fc_width.data import load
from fc_width.options import File, Folder
from fc_width.recipes import of_known_data
from fc_width.step import eager
from fc_width.train import run
from fc_width.worker import set_convolutions

KINDS = {  # part of the name of an operator, or of what called it: what it is
    "_ConvolutionBackward": "convolutions, backward",
    "_Convolution": "convolutions, forward",
    "convolution_backward": "convolutions, backward",
    "convolution": "convolutions, forward",
    "PReLUNorm": "PReLU and batch norm in one, both ways",
    "prelu": "PReLU, both ways",
    "_PReLU": "PReLU, both ways",
    "batch_norm": "batch norm, both ways",
    "max_pool2d": "pools, both ways",
    "_fused_sgd": "optimiser",
    "mm": "matrix products: FC layer, classifier, geometry",
    "_Patches": "batches from the data set",
    "index": "batches from the data set",
}
OTHER = "all else: small operators, Python"


@dataclass(frozen=True)
class Profile:
    """Shares of one run's time, by what it is spent on."""

    recipe: str = "digits"
    """Named recipe, at its own width; with softmax."""
    device: str = "auto"
    """cuda, cpu, or auto: CUDA where there is one."""
    epochs: int = 1
    """Epochs of the run."""
    rounds: int = 1
    """Runs that the shares are over."""
    data_dir: Folder = None
    """Folder that holds the data set's original files."""
    json: File = None
    """File to write the measurements to."""


@dataclass(frozen=True)
class Measurement:
    """One kind of work: seconds and share of the whole."""

    kind: str
    seconds: float
    share: float


def measure(options: Profile, device: torch.device, say: Callable[[str], None]) -> list[Measurement]:
    """Every kind of work, the largest first.

    *Raises*: `ValueError` for a recipe that is none."""
    base = of_known_data(options.recipe)
    recipe = dataclasses.replace(base, loss="softmax", epochs=options.epochs, softmax_epochs=0)
    dataset = load(base.dataset, options.data_dir)
    set_convolutions()  # as a sweep does
    seconds = dict.fromkeys([*KINDS.values(), OTHER], 0.0)
    with one_thread(), quiet(), eager():
        with torch.profiler.profile():  # the first start of a profiler takes seconds
            run(recipe, dataset, device)
        for _ in range(options.rounds):
            with torch.profiler.profile() as profile:
                started = time.perf_counter()
                run(recipe, dataset, device)
                whole = time.perf_counter() - started  # without the profiler's own end
            found = _by_kind(profile.events(), device)
            if device.type == "cpu":  # and what is between the operators
                found[OTHER] = whole - sum(spent for kind, spent in found.items() if kind != OTHER)
            for kind, spent in found.items():
                seconds[kind] += spent
    total = sum(seconds.values())
    rows = [Measurement(kind, spent, spent / total) for kind, spent in seconds.items() if spent > 0]
    return sorted(rows, key=lambda each: -each.seconds)


def _by_kind(events: Iterable[Any], device: torch.device) -> dict[str, float]:
    """Seconds by kind of the operators among the events: of their own time on a CPU, else of their kernels', which are
    events too and would count twice."""
    found: dict[str, float] = {}
    for event in events:
        if event.device_type == torch.autograd.DeviceType.CPU:  # type: ignore[attr-defined]
            kind = _kind(event) or OTHER
            spent = event.self_cpu_time_total if device.type == "cpu" else event.self_device_time_total
            found[kind] = found.get(kind, 0.0) + spent / 1e6
    return found


def _kind(event: Any) -> str | None:
    while event is not None:
        for part, kind in KINDS.items():
            if part in event.name:
                return kind
        event = event.cpu_parent
    return None


def describe(options: Profile, device: torch.device) -> str:
    """What was measured, for a heading."""
    return f"{options.recipe}, softmax, {options.epochs} epoch{'s' * (options.epochs != 1)}"


def table(found: Sequence[Measurement]) -> str:
    """Markdown: a row for each kind of work."""
    lines = ["| what | seconds | share |", "|---|---:|---:|"]
    lines += [f"| {each.kind} | {each.seconds:.2f} | {each.share:.0%} |" for each in found]
    return "\n".join(lines)
