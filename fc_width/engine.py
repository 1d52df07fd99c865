"""Many runs on this machine: worker processes that share the work through the store's claims.

On a CPU, one worker a core with one thread each, the data set in shared memory. There is no queue: every
worker walks the same list and claims the next run that nobody has, so that sweeps started side by side, or
after a kill, share the work in the same way."""

import multiprocessing
import multiprocessing.connection
import os
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import threadpoolctl
import torch
import torch.multiprocessing

from fc_width.data import Dataset
from fc_width.recipes import Recipe
from fc_width.store import Store
from fc_width.train import run

ATTEMPTS = 3
"""How often a run is tried whose worker dies."""

BEAT_SECONDS = 2.0

KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**32)}
"""What glibc reads as a worker starts: activations of a megabyte are reused, not given back and faulted in again every
step, which cost a tenth of a run."""


@dataclass(frozen=True)
class Status:
    """Where a sweep stands: `finished` run ids so far, and the fraction done of each that is `running`
    anywhere."""

    finished: frozenset[str]
    running: dict[str, float]


def default_workers(device: torch.device) -> int:
    """One worker a core that this process may use; one on a GPU."""
    if device.type != "cpu":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(
    recipes: Sequence[Recipe],
    dataset: Dataset,
    store: Store,
    device: torch.device,
    workers: int,
    report: Callable[[Status], None],
    poll_seconds: float = 0.3,
) -> None:
    """Run every recipe that has no record yet; return when all have one.

    *Arguments*: `recipes`; `dataset`, that of all of them; `store`, created; `device`; `workers`, how many
    processes; `report`, called every `poll_seconds`.

    A run whose worker dies is tried `ATTEMPTS` times, then recorded as failed, with the reason.

    *Raises*: `RuntimeError` if workers die before they have begun a run.
    """
    wanted = {recipe.run_id: recipe for recipe in recipes}
    for images in (dataset.train_images, dataset.train_labels, dataset.test_images, dataset.test_labels):
        images.share_memory_()
    context = torch.multiprocessing.get_context("spawn")

    def start() -> BaseProcess:
        arguments = (list(recipes), dataset, store.folder, str(device))
        process = context.Process(target=_work, args=arguments, daemon=True)
        before = {name: os.environ.get(name) for name in KEEP_MEMORY}
        os.environ.update({name: value for name, value in KEEP_MEMORY.items() if before[name] is None})
        try:
            process.start()
        finally:
            for name in [name for name, value in before.items() if value is None]:
                del os.environ[name]
        return process

    def status() -> Status:
        finished = frozenset(store.run_ids() & wanted.keys())
        running = {run_id: c.get("fraction", 0.0) for run_id, c in store.claims().items() if run_id in wanted}
        return Status(finished, running)

    now = status()
    remaining = len(wanted) - len(now.finished)
    processes = [start() for _ in range(min(workers, remaining))]
    deaths: dict[str, int] = {}
    early_deaths = 0
    try:
        while processes:
            report(now)
            multiprocessing.connection.wait([process.sentinel for process in processes], timeout=poll_seconds)
            for process in [each for each in processes if each.exitcode is not None]:
                processes.remove(process)
                if process.exitcode == 0:
                    continue
                lost = store.release_of(process.pid or 0)
                early_deaths += not lost
                if early_deaths >= ATTEMPTS:
                    raise RuntimeError(f"workers die before they begin a run: {_reason(process)}")
                for run_id in lost:
                    deaths[run_id] = deaths.get(run_id, 0) + 1
                    if deaths[run_id] >= ATTEMPTS:
                        store.write(_failure(wanted[run_id], f"{_reason(process)}, {ATTEMPTS} times"))
                processes.append(start())
            now = status()
        report(now)
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.join()
            store.release_of(process.pid or 0)


def _reason(process: BaseProcess) -> str:
    code = process.exitcode or 0
    return f"worker ended by {signal.Signals(-code).name}" if code < 0 else f"worker ended with status {code}"


def _failure(recipe: Recipe, error: str) -> dict[str, object]:
    return {"run_id": recipe.run_id, "recipe": asdict(recipe), "status": "failed", "error": error}


def _work(recipes: Sequence[Recipe], dataset: Dataset, folder: Path, device: str) -> None:
    """A worker process: claim, run, record, until every recipe has a record."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
    threadpoolctl.threadpool_limits(1)
    store = Store(folder)
    pending = list(recipes)
    while pending:
        finished = store.run_ids()
        pending = [recipe for recipe in pending if recipe.run_id not in finished]
        claimed = next((recipe for recipe in pending if store.claim(recipe.run_id)), None)
        if claimed is None:
            time.sleep(0.2)  # the rest is with other workers, here or elsewhere
            _exit_if_orphaned()
        elif claimed.run_id in store.run_ids():  # finished between the look and the claim
            store.release(claimed.run_id)
        else:
            store.write(_attempt(claimed, dataset, device, store))
            store.release(claimed.run_id)


def _attempt(recipe: Recipe, dataset: Dataset, device: str, store: Store) -> dict[str, object]:
    last = time.monotonic()

    def progress(fraction: float) -> None:
        nonlocal last
        if time.monotonic() - last > BEAT_SECONDS:
            last = time.monotonic()
            _exit_if_orphaned()
            store.beat(recipe.run_id, fraction)

    try:
        return run(recipe, dataset, device, progress)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return _failure(recipe, f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})")


def _exit_if_orphaned() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        os._exit(1)
