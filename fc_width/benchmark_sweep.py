"""Many runs by an ordinary PyTorch loop and by the engine: ``python -m fc_width.benchmark sweep``.

The ordinary loop is what a user would write: a Dataset that normalises an image, a DataLoader with workers, an eager
step, one run after the other, torch's own number of threads; and, as that is not the fastest everywhere, the same
without loader processes on one thread; both with autocast too where the engine computes in bfloat16. Each way trains
the same recipes from the same initial weights on the same order of the data, interleaved, each in a process of its own;
the accuracies that come out are compared too, seed by seed."""

import dataclasses
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any, Literal

import numpy as np
import torch
from scipy import stats
from torch import nn
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode

from fc_width.backbone import PReLU
from fc_width.benchmark_timing import wait
from fc_width.data import Dataset, load
from fc_width.engine import run_all
from fc_width.loss_names import check_installed, loss_name, parse_loss
from fc_width.options import File, Folder, Number
from fc_width.recipes import Recipe, of_known_data
from fc_width.step import channel_statistics, in_bfloat16, parameter_groups
from fc_width.store import Store
from fc_width.train import build, derived_seed
from fc_width.worker import default_workers, described

RSS_UNIT = 1024 if sys.platform == "darwin" else 1
"""Of `ru_maxrss` in a KiB: macOS counts in bytes."""

LOADERS = 2
LOOPS: dict[str, tuple[str, dict[str, Any]]] = {
    "loaders": ("ordinary loop", {}),
    "alone": ("ordinary loop, no loader processes, one thread", {"loaders": 0}),
}


@dataclass(frozen=True)
class Sweep:
    """Runs per hour of an ordinary loop, of the engine with one run at a time, and of the engine."""

    recipe: str = "digits"
    """Named recipe, at its own width."""
    loss: str = "softmax"
    """Loss of the runs."""
    device: str = "auto"
    """cuda, cpu, or auto: CUDA where there is one."""
    runs: int = 4
    """Runs of each way in each round, of different seeds."""
    more: int = 0
    """Further runs of the engine in each round, so that its start weighs as little as in a long sweep; their
    accuracies are not compared."""
    loops: tuple[Literal["loaders", "alone"], ...] = ("loaders", "alone")
    """Ordinary loops, the first of which the rest is compared with: with loader processes, and alone, on one thread."""
    rounds: int = 3
    """Interleaved rounds that the medians are over."""
    epochs: Number = None
    """Epochs of a run (default: the recipe's)."""
    workers: Number = None
    """Workers of the engine (default: its own)."""
    data_dir: Folder = None
    """Folder that holds the data set's original files."""
    json: File = None
    """File to write the measurements to."""


@dataclass(frozen=True)
class Measurement:
    """One way: runs per hour and images per second (trained on), medians over rounds; ratio to the ordinary loop's;
    counted GFLOP/s, and their share of what large matrix products reach here (in the engine's precision; on all cores
    of a CPU); peak memory in MiB, of the largest process, on CUDA of the device; mean test accuracy; its difference to
    the ordinary loop's, in points, and the ends of the 95 % t interval of that, seeds paired (None for one run, and for
    the ordinary loop)."""

    way: str
    runs_per_hour: float
    images_per_second: float
    ratio: float
    gflops_per_second: float
    share: float
    peak_mib: float
    accuracy: float
    difference: float
    difference_low: float | None
    difference_high: float | None


def measure(options: Sweep, device: torch.device, say: Callable[[str], None]) -> list[Measurement]:
    """Every way, interleaved.

    *Raises*: `ValueError` for a recipe that is none, or fewer than one run or worker."""
    named = of_known_data(options.recipe)
    if options.runs < 1:
        raise ValueError(f"runs must be at least 1, got {options.runs}")
    if options.more < 0:
        raise ValueError(f"more runs of the engine must be at least 0, got {options.more}")
    if not options.loops:
        raise ValueError("loops must be one at least, loaders or alone, got none")
    workers = default_workers(device) if options.workers is None else options.workers
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    loss, alpha = parse_loss(options.loss)
    check_installed(loss)
    base = dataclasses.replace(named, loss=loss_name(loss, alpha))
    if options.epochs is not None:
        first = named.softmax_epochs * options.epochs // named.epochs
        base = dataclasses.replace(base, epochs=options.epochs, softmax_epochs=first)
    dataset = load(base.dataset, options.data_dir)
    if device.type == "cuda":
        device = torch.device("cuda", 0)  # one, of all
    bfloat16 = in_bfloat16(base.precision, device)
    ways: dict[str, dict[str, Any]] = {
        **{LOOPS[name][0]: {"way": ordinary_runs, **LOOPS[name][1]} for name in options.loops},
        "engine, one at a time": {"way": engine_runs, "workers": 1},
        f"engine, {workers} at a time": {"way": engine_runs, "workers": workers},
    }
    if bfloat16:
        loops = {name: way for name, way in ways.items() if way["way"] is ordinary_runs}
        ways |= {f"{name}, bf16 autocast": {**way, "autocast": True} for name, way in loops.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    accuracy: dict[str, list[float]] = {name: [] for name in ways}
    peak = dict.fromkeys(ways, 0.0)
    if device.type == "cuda":  # Triton keeps its kernels on disk: made here, not in the first time that is taken
        say("warming up …")
        short = dataclasses.replace(base, epochs=1, softmax_epochs=0)
        _in_a_process([short], dataset, str(device), way=engine_runs, workers=1)
    for turn in range(options.rounds):
        seeds = range(turn * options.runs, (turn + 1) * options.runs)
        after = options.rounds * options.runs + turn * options.more
        further = range(after, after + options.more)
        for name, way in ways.items():
            say(f"round {turn + 1} of {options.rounds}: {name} …")
            recipes = [
                dataclasses.replace(base, seed=seed)
                for seed in (*seeds, *(further if way["way"] is engine_runs else ()))
            ]
            took, found, most = _in_a_process(recipes, dataset, str(device), **way)
            say(f"  {took / len(recipes):.1f} s a run, {100 * mean(found):.2f} % right")
            seconds[name].append(took / len(recipes))
            accuracy[name] += found[: options.runs]
            peak[name] = max(peak[name], most)
    images = len(dataset.train_images) * base.epochs
    flops = images * _flops(base, dataset) / 1e9
    ordinary = next(iter(ways))
    peak_rate = _product_rate(device, torch.bfloat16 if bfloat16 else torch.float32)
    return [
        Measurement(
            name,
            3600 / median(seconds[name]),
            images / median(seconds[name]),
            median(seconds[ordinary]) / median(seconds[name]),
            flops / median(seconds[name]),
            flops / median(seconds[name]) / peak_rate,
            peak[name],
            mean(accuracy[name]),
            *_difference(accuracy[name], accuracy[ordinary]),
        )
        for name in ways
    ]


def _in_a_process(
    recipes: list[Recipe], dataset: Dataset, device: str, way: Callable[..., list[float]], **options: Any
) -> tuple[float, list[float], float]:
    """Seconds, accuracies, peak MiB: on a CPU of the largest process, on CUDA of the device, seen from here now and
    then."""
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(send, way, recipes, dataset, device, options))
    free = [torch.cuda.mem_get_info(device)[0]] if device != "cpu" else []
    process.start()
    send.close()
    try:
        while not receive.poll(0.1):
            if free:
                free.append(torch.cuda.mem_get_info(device)[0])
        outcome = receive.recv()
    except EOFError:
        raise OSError("a benchmark process died") from None
    except BaseException:
        process.terminate()  # which ends its loaders too
        process.join(5)
        process.kill()
        raise
    finally:
        process.join()
    if isinstance(outcome, str):
        raise RuntimeError(outcome)
    seconds, found, most = outcome
    return seconds, found, (free[0] - min(free)) / 2**20 if free else most


def _child(send: Any, way: Any, recipes: list[Recipe], dataset: Dataset, device: str, options: dict[str, Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent, which has it too, ends this process
    signal.signal(signal.SIGTERM, lambda *_: _end())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    started = time.perf_counter()
    try:
        found = way(recipes, dataset, device, **options)
    except Exception as error:
        send.send(described(error))
        return
    seconds = time.perf_counter() - started
    most = max(_own_peak(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // RSS_UNIT) / 1024
    send.send((seconds, found, most))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        _end()


def _end() -> None:
    """End this process and its own, whose watch over it begins only once they have started."""
    for each in multiprocessing.active_children():
        each.kill()
    os._exit(1)


def _own_peak() -> int:
    """The highest resident memory of this process, KiB: where the system tells, without that of its parent, which
    `ru_maxrss` inherits."""
    try:
        status = Path("/proc/self/status").read_text("utf-8")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // RSS_UNIT
    return int(status.partition("VmHWM:")[2].split()[0])


class _Order(torch.utils.data.Sampler[int]):
    """The engine's order of the data, epoch by epoch."""

    def __init__(self, recipe: Recipe, samples: int) -> None:
        self.samples = samples
        self.generator = torch.Generator().manual_seed(derived_seed(recipe.seed, "order"))

    def __len__(self) -> int:
        return self.samples

    def __iter__(self) -> Iterator[int]:
        yield from torch.randperm(self.samples, generator=self.generator).tolist()


class _Images(torch.utils.data.Dataset[tuple[torch.Tensor, torch.Tensor]]):
    def __init__(self, images: torch.Tensor, labels: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> None:
        self.images, self.labels, self.mean, self.std = images, labels, mean[0], std[0]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        return (self.images[index].float() - self.mean) / self.std, self.labels[index]


def ordinary_runs(
    recipes: Sequence[Recipe], dataset: Dataset, device: str, autocast: bool = False, loaders: int = LOADERS
) -> list[float]:
    """Test accuracies after the last epoch, of runs one after the other; on one thread if there are no `loaders`."""
    if not loaders:
        torch.set_num_threads(1)
    return [_ordinary_run(recipe, dataset, torch.device(device), autocast, loaders) for recipe in recipes]


def _ordinary_run(recipe: Recipe, dataset: Dataset, device: torch.device, autocast: bool, loaders: int) -> float:
    statistics = channel_statistics(dataset)
    pinned = device.type == "cuda"
    train, test = (
        DataLoader(
            _Images(images, labels, *statistics),
            batch_size=recipe.batch_size,
            sampler=sampler,
            num_workers=loaders,
            persistent_workers=bool(loaders),
            pin_memory=pinned,
        )
        for images, labels, sampler in (
            (dataset.train_images, dataset.train_labels, _Order(recipe, len(dataset.train_images))),
            (dataset.test_images, dataset.test_labels, None),
        )
    )
    backbone, loss = build(recipe, dataset)
    of_torch_alone(backbone).to(device)
    loss.to(device)
    groups = parameter_groups(recipe, backbone, loss)
    optimizer = torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, fused=True)
    rate = recipe.lr_decay ** (1 / recipe.lr_decay_steps)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, rate)
    accuracy, alpha = 0.0, parse_loss(recipe.loss)[1]
    for epoch in range(recipe.epochs):
        backbone.train()
        if alpha is not None:
            loss.alpha = 0.0 if epoch < recipe.softmax_epochs else alpha
        for images, labels in train:
            if len(images) == 1:
                continue  # batch norm has no variance to divide by
            with torch.autocast(device.type, torch.bfloat16, enabled=autocast):
                value = loss(backbone(images.to(device)), labels.to(device))
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            schedule.step()
        backbone.eval()
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=autocast):
            hits = [
                (loss.logits(backbone(images.to(device))).argmax(1) == labels.to(device)).sum().item()
                for images, labels in test
            ]
        accuracy = sum(hits) / len(dataset.test_images)
    return accuracy


def of_torch_alone(network: nn.Module) -> nn.Module:
    """The same network with torch's own PReLU for ours, changed in place."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, PReLU):
                plain = nn.PReLU(child.num_parameters, device=child.weight.device)
                plain.load_state_dict(child.state_dict())
                setattr(module, name, plain)
    return network


def engine_runs(recipes: Sequence[Recipe], dataset: Dataset, device: str, workers: int) -> list[float]:
    """Test accuracies after the last epoch, of runs by the engine; `RuntimeError` if one is not done."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "runs")
        store.create()
        run_all(recipes, dataset, store, torch.device(device), workers, lambda status: None)
        records = [store.read(recipe.run_id) for recipe in recipes]
    for record in records:
        if record["status"] != "done":
            raise RuntimeError(f"{record['run_id']}: {record['status']} {record.get('error', '')}".rstrip())
    return [record["final"]["test_accuracy"] for record in records]


def _flops(recipe: Recipe, dataset: Dataset) -> float:
    """Counted floating-point operations of one training step, per image."""
    backbone, loss = build(recipe, dataset)
    images = torch.zeros(8, *dataset.image_shape)
    with FlopCounterMode(display=False) as counter:
        loss(backbone(images), torch.zeros(8, dtype=torch.int64)).backward()
    return float(counter.get_total_flops()) / 8


def _product_rate(device: torch.device, dtype: torch.dtype) -> float:
    """GFLOP/s of large matrix products here."""
    size = 8192 if device.type == "cuda" else 2048
    repeats = 10 if device.type == "cuda" else 1  # so that the launch is little of it
    one = torch.randn(size, size, device=device).to(dtype)
    one @ one  # the first takes its workspace
    rates = []
    for _ in range(5):
        wait(device)
        started = time.perf_counter()
        for _ in range(repeats):
            one @ one
        wait(device)
        rates.append(2 * size**3 * repeats / (time.perf_counter() - started) / 1e9)
    return max(rates)


def _difference(found: Sequence[float], base: Sequence[float]) -> tuple[float, float | None, float | None]:
    """The mean difference and its 95 % t interval, seeds paired, in points."""
    differences = 100 * (np.array(found) - np.array(base))
    mean = float(differences.mean())
    if found is base or len(found) < 2:
        return mean, None, None
    half = float(stats.t.ppf(0.975, len(found) - 1) * stats.sem(differences))
    return mean, mean - half, mean + half


def describe(options: Sweep, device: torch.device) -> str:
    """What was measured, for a heading."""
    more = f", {options.more} more of the engine," if options.more else ""
    tf32 = "; float32 convolutions of the ordinary loop as torch has them, in TF32" if device.type == "cuda" else ""
    return (
        f"{options.recipe}, {options.loss}, {options.runs} runs of each way{more} in each of {options.rounds} "
        f"interleaved rounds; {default_workers(torch.device('cpu'))} cores{tf32}"
    )


def table(found: Sequence[Measurement]) -> str:
    """Markdown: a row for each way."""
    lines = [
        "| way | runs/hour | images/s | ratio | GFLOP/s | of matmul | peak, MiB | accuracy, % | difference (95 %) |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for each in found:
        interval = ""
        if each.difference_low is not None:
            interval = f" ({each.difference_low:+.2f} to {each.difference_high:+.2f})"
        lines.append(
            f"| {each.way} | {each.runs_per_hour:.0f} | {each.images_per_second:.0f} | {each.ratio:.2f} "
            f"| {each.gflops_per_second:.1f} | {each.share:.0%} | {each.peak_mib:.0f} | {100 * each.accuracy:.2f} "
            f"| {each.difference:+.2f}{interval} |"
        )
    return "\n".join(lines)
