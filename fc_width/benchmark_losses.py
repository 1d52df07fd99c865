"""Time and memory of every loss beside softmax's: ``python -m fc_width.benchmark losses``.

All losses of one size run interleaved in one process, forward and backward; what is reported is the median and its
ratio to that of the softmax with normalised weights, which is W-Softmax at α = 0. On a CPU one thread."""

import contextlib
import math
import time
import tracemalloc
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from fc_width.benchmark_timing import one_thread, quiet, wait
from fc_width.losses import SimplexWSoftmaxLoss, SoftmaxLoss, WSoftmaxLoss
from fc_width.options import File

SIZES = ((50, 9, 10), (256, 64, 10), (256, 99, 100), (256, 512, 1000), (64, 512, 10575))
NAIVE_LIMIT = 2**25  # numbers in the (N, C, M) tensor of Algorithm 1 as printed


@dataclass(frozen=True)
class Losses:
    """Time and memory of every loss, forward and backward, at each size (N, M, C)."""

    sizes: tuple[tuple[int, int, int], ...] = SIZES
    """Batch, width and classes of each size."""
    device: str = "auto"
    """cuda, cpu, or auto: CUDA where there is one."""
    rounds: int = 15
    """Interleaved rounds that the medians are over."""
    seconds: float = 0.1
    """Time to spend on one loss in one round, by estimate."""
    json: File = None
    """File to write the measurements to."""


@dataclass(frozen=True)
class Measurement:
    """One loss at one size: median milliseconds, ratio to the normalised softmax, and peak memory in MiB beyond the
    inputs, forward and backward."""

    samples: int
    width: int
    classes: int
    loss: str
    milliseconds: float
    ratio: float
    peak_mib: float


class _NormalisedSoftmax(SoftmaxLoss):
    """What a user would write."""

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(embeddings @ F.normalize(self.weight).T, labels)


class _PlainSoftmax(SoftmaxLoss):
    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(embeddings @ self.weight.T, labels)


class _Algorithm1(SoftmaxLoss):
    """W-Softmax at α = 1 as printed: every biased weight of every sample, (N, C, M)."""

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        unit = F.normalize(self.weight)
        biased = F.normalize(unit[labels][:, None] + unit, dim=2)  # at j = c this is w_c
        return F.cross_entropy((biased @ embeddings[..., None]).squeeze(2), labels)


NORMALISED = "softmax, normalised weights"


def losses(samples: int, width: int, classes: int) -> dict[str, nn.Module]:
    """The losses to compare at one size; the library's where it is installed."""
    found: dict[str, nn.Module] = {
        "softmax": _PlainSoftmax(width, classes),
        NORMALISED: _NormalisedSoftmax(width, classes),
        "W-Softmax α = 1, printed": WSoftmaxLoss(width, classes, 1.0, center=False),
        "W-Softmax α = 1, centred": WSoftmaxLoss(width, classes, 1.0),
        "W-Softmax α = 0.5, printed": WSoftmaxLoss(width, classes, 0.5, center=False),
    }
    if width == classes - 1:
        found["W-Softmax α = 1, fixed simplex"] = SimplexWSoftmaxLoss(classes, 1.0)
    if samples * width * classes <= NAIVE_LIMIT:
        found["Algorithm 1, naive"] = _Algorithm1(width, classes)
    with contextlib.suppress(ModuleNotFoundError), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the library hands tensors to scipy
        from pytorch_metric_learning import losses as library

        kinds = ("NormalizedSoftmaxLoss", "LargeMarginSoftmaxLoss", "SphereFaceLoss", "CosFaceLoss", "ArcFaceLoss")
        found |= {f"library: {kind}": getattr(library, kind)(classes, width) for kind in kinds}
    return found


def measure(options: Losses, device: torch.device, say: Callable[[str], None]) -> list[Measurement]:
    """Every loss at every size.

    *Raises*: `ValueError` for a size that is none, or a time that is not finite and above 0."""
    if any(min(size) < 1 or size[2] < 2 for size in options.sizes):
        raise ValueError(f"sizes must be N ≥ 1, M ≥ 1, C ≥ 2, got {options.sizes}")
    if not (math.isfinite(options.seconds) and options.seconds > 0):
        raise ValueError(f"seconds must be finite and above 0, got {options.seconds}")
    found: list[Measurement] = []
    with one_thread():
        for size in options.sizes:
            say(f"measuring N, M, C = {', '.join(map(str, size))} …")
            found += compare(size, device, options.rounds, options.seconds)
    return found


def describe(options: Losses, device: torch.device) -> str:
    """What was measured, for a heading."""
    how = ", operators launched one by one, not as a graph" if device.type == "cuda" else ""
    return f"Forward and backward, median of {options.rounds} interleaved rounds{how}"


def compare(size: tuple[int, int, int], device: torch.device, rounds: int, seconds: float) -> list[Measurement]:
    """Measure every loss at one size (N, M, C)."""
    samples, width, classes = size
    torch.manual_seed(0)
    embeddings = torch.randn(samples, width, device=device, requires_grad=True)
    labels = torch.randint(classes, (samples,), device=device)
    steps = {name: _step(loss.to(device), embeddings, labels) for name, loss in losses(samples, width, classes).items()}
    peaks = {name: _peak(step, device) for name, step in steps.items()}
    repeats = {name: max(1, round(seconds / _timed(step, 3, device))) for name, step in steps.items()}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            times[name].append(_timed(step, repeats[name], device))
    base = median(times[NORMALISED])
    return [
        Measurement(*size, name, 1e3 * median(times[name]), median(times[name]) / base, peaks[name] / 2**20)
        for name in steps
    ]


def _step(loss: nn.Module, embeddings: torch.Tensor, labels: torch.Tensor) -> Callable[[], None]:
    def step() -> None:
        loss(embeddings, labels).backward()
        embeddings.grad = None  # afterwards, so that the gradients count in the peak
        loss.zero_grad()

    return step


def _timed(step: Callable[[], None], repeats: int, device: torch.device) -> float:
    """Seconds a step."""
    wait(device)
    started = time.perf_counter()
    for _ in range(repeats):
        step()
    wait(device)
    return (time.perf_counter() - started) / repeats


def _peak(step: Callable[[], None], device: torch.device) -> float:
    """Bytes at the highest of a step over what was there before; on a CPU torch's and numpy's highest added up."""
    step()
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        step()
        return torch.cuda.max_memory_allocated(device) - before
    with quiet():
        with torch.profiler.profile(profile_memory=True):  # the first one counts its own buffers
            step()
        tracemalloc.start()
        with torch.profiler.profile(profile_memory=True) as profile:
            step()
    numpy_peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    results: Any = profile.profiler
    events = [each for each in results.kineto_results.events() if each.name() == "[memory]"]
    now = highest = 0
    for event in sorted(events, key=lambda each: each.start_ns()):
        now += event.nbytes()
        highest = max(highest, now)
    return highest + numpy_peak


def table(found: Sequence[Measurement]) -> str:
    """Markdown: a block of rows for each size."""
    lines = ["| N, M, C | loss | ms | ratio | peak, MiB |", "|---|---|---:|---:|---:|"]
    for each in found:
        size = f"{each.samples}, {each.width}, {each.classes}"
        lines.append(f"| {size} | {each.loss} | {each.milliseconds:.3g} | {each.ratio:.2f} | {each.peak_mib:.3g} |")
    return "\n".join(lines)
