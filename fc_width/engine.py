"""Many runs on this machine: worker processes that share the work through the store's claims.

On a CPU, one worker a core with one thread each, the data set in shared memory. On CUDA one worker a GPU, in which
several runs take turns, each on a stream of its own (see `step`). There is no queue: every worker walks the same
list and claims the next run that nobody has, so that sweeps started side by side, or after a kill, share the work in
the same way."""

import errno
import gc
import math
import multiprocessing
import multiprocessing.connection
import multiprocessing.resource_tracker
import os
import signal
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch
import torch.multiprocessing

from fc_width.data import Dataset
from fc_width.gpu_errors import chain, is_of_device, is_out_of_memory
from fc_width.recipes import Recipe
from fc_width.record import Record
from fc_width.step import CaptureError, Step, eager
from fc_width.store import Store
from fc_width.train import Running
from fc_width.worker import (
    ATTEMPTS,
    BEAT_SECONDS,
    KEEP_MEMORY,
    Status,
    described,
    failure,
    prepare,
    status_of,
    write,
)

STORE_FAILED = 64
"""A worker that cannot write to the store ends with this plus the system's error number."""

CAPTURE_FAILED = 3
"""A worker ends with this whose GPU records no graph: the next one at its place does without."""

GPU_LOST = 4
"""A worker ends with this that can run nothing more, its only run recorded as failed, or put back."""

WAIT_SECONDS = 10.0
"""Between two tries of a GPU that others have filled."""


def run_all(
    recipes: Sequence[Recipe],
    dataset: Dataset,
    store: Store,
    device: torch.device,
    workers: int,
    report: Callable[[Status], None],
    poll_seconds: float = 0.3,
) -> None:
    """Run every recipe that has no record yet; return when all have had one.

    *Arguments*: `recipes`; `dataset`, that of all of them; `store`, created; `device`, `cpu`, or `cuda` for every GPU
    that is visible; `workers`, how many runs at once, on each GPU where there are several; `report`, called every
    `poll_seconds`.

    A run whose worker dies `ATTEMPTS` times without coming further is recorded as failed, with the reason. Of several
    at once in one worker nobody knows which it was: they are tried again, fewer at once.

    *Raises*: `OSError` if records cannot be written (a full disk, say); `MemoryError` if shared memory has no room for
    the data set; `RuntimeError` if all workers die before they have begun a run.
    """
    wanted = {recipe.run_id: recipe for recipe in recipes}
    _share(dataset)
    now = status_of(store, wanted)
    remaining = len(wanted) - len(now.finished)
    packed = 1 if device.type == "cpu" else workers
    places = _places(device, min(workers, remaining))[:remaining]
    processes: dict[BaseProcess, _Place] = {}
    deaths: Counter[tuple[str, int]] = Counter()  # of a run since its state was saved: since it came further
    try:
        for place in (_Place(at, packed) for at in places):
            processes[_start(recipes, dataset, store, place)] = place
        while processes:
            report(now)
            multiprocessing.connection.wait([process.sentinel for process in processes], timeout=poll_seconds)
            for process in [each for each in processes if each.exitcode is not None]:
                place = processes.pop(process)
                if process.exitcode == 0:
                    continue
                lost = [run_id for run_id in store.release_of(process.pid or 0) if run_id in wanted]
                if (process.exitcode or 0) > STORE_FAILED:
                    code = (process.exitcode or 0) - STORE_FAILED
                    raise OSError(code, os.strerror(code), str(store.folder))
                if len(lost) == 1 and process.exitcode != CAPTURE_FAILED:
                    _count_death(wanted[lost[0]], process, store, deaths)
                place = _next_place(place, process, len(lost))
                if place.idle < ATTEMPTS:
                    processes[_start(recipes, dataset, store, place)] = place
                elif not processes and wanted.keys() - store.run_ids():
                    raise RuntimeError(f"workers die before they begin a run: {_reason(process)}")
            now = status_of(store, wanted)
        report(now)
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.join()
            store.release_of(process.pid or 0)


def _start(recipes: Sequence[Recipe], dataset: Dataset, store: Store, place: "_Place") -> BaseProcess:
    """Start a worker."""
    context = torch.multiprocessing.get_context("spawn")
    process = context.Process(target=_work, args=(list(recipes), dataset, store.folder, place), daemon=True)
    before = {name: os.environ.get(name) for name in KEEP_MEMORY}
    os.environ.update({name: value for name, value in KEEP_MEMORY.items() if before[name] is None})
    multiprocessing.resource_tracker.ensure_running()  # as it starts it unblocks SIGINT
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # the worker's too, until it ignores it
    try:
        process.start()
    finally:
        for name in [name for name, value in before.items() if value is None]:
            del os.environ[name]
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return process


def _count_death(recipe: Recipe, process: BaseProcess, store: Store, deaths: Counter[tuple[str, int]]) -> None:
    """Of the one run that a worker had when it died: the `ATTEMPTS`th where it came no further is its last."""
    at = recipe.run_id, store.saved_at(recipe.run_id)
    deaths[at] += 1
    if deaths[at] >= ATTEMPTS and recipe.run_id not in store.run_ids():
        store.write(failure(recipe, f"{_reason(process)}, {ATTEMPTS} times"))


def _next_place(place: "_Place", process: BaseProcess, lost: int) -> "_Place":
    """Where the worker goes on that replaces one that died with so many runs `lost`."""
    began = lost or process.exitcode == GPU_LOST
    place = replace(place, idle=0 if began else place.idle + 1)
    if process.exitcode == CAPTURE_FAILED:
        return replace(place, eager=True)
    return replace(place, packed=lost // 2) if lost > 1 else place


def _share(dataset: Dataset) -> None:
    """Put a data set where the workers find it without a copy."""
    parts = [dataset.train_images, dataset.train_labels, dataset.test_images, dataset.test_labels]
    try:
        for part in parts:
            part.share_memory_()
    except RuntimeError as error:
        size = sum(part.nbytes for part in parts) / 2**20
        raise MemoryError(
            f"no room in shared memory for the {size:,.0f} MiB of {dataset.name} ({described(error)}): make it larger "
            "(docker run --shm-size=1g; mount -o remount,size=1g /dev/shm)"
        ) from None


@dataclass(frozen=True)
class _Place:
    """Where a worker runs: the `device`; `packed`, how many runs at once; `eager`, without graphs; `idle`, how many
    workers in a row died there before they had begun a run."""

    device: str
    packed: int
    eager: bool = False
    idle: int = 0


def _reason(process: BaseProcess) -> str:
    code = process.exitcode or 0
    return f"worker ended by {signal.Signals(-code).name}" if code < 0 else f"worker ended with status {code}"


def _places(device: torch.device, workers: int) -> list[str]:
    """The device of each worker process."""
    if device.type != "cuda":
        return [str(device)] * workers
    return [f"cuda:{index}" for index in range(torch.cuda.device_count())] if device.index is None else [str(device)]


def _work(recipes: Sequence[Recipe], dataset: Dataset, folder: Path, place: _Place) -> None:
    """A worker process: claim, run, record, until every recipe has a record."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    prepare()
    if place.device != "cpu":
        torch.cuda.set_device(place.device)
        torch.zeros((), device=place.device)  # a GPU that cannot start ends this worker, and no run
    try:
        with eager() if place.eager else nullcontext():
            _Worker(recipes, dataset, Store(folder), place.device, place.packed).work()
    except OSError as error:
        os._exit(STORE_FAILED + min(error.errno or errno.EIO, 255 - STORE_FAILED))


class _Worker:
    """Up to `packed` runs in turns."""

    def __init__(self, recipes: Sequence[Recipe], dataset: Dataset, store: Store, device: str, packed: int) -> None:
        self.pending = list(recipes)
        self.dataset, self.store, self.device, self.packed = dataset, store, device, packed
        self.running: dict[str, Running] = {}
        self.last_beat = time.monotonic()
        self.last_look = -math.inf

    def work(self) -> None:
        """Until every recipe has a record. `OSError` if the store cannot be written."""
        while self.pending or self.running:
            if len(self.running) < self.packed and self.pending and self._may_look():
                self._begin()
            if not self.running:
                time.sleep(0.2)  # the rest is with other workers, here or elsewhere
                _exit_if_orphaned()
            for run_id in list(self.running):
                self._advance(run_id)

    def _may_look(self) -> bool:
        """Not at every step, once nothing was found while others are running: a look lists the store."""
        return not self.running or time.monotonic() - self.last_look > BEAT_SECONDS

    def _begin(self) -> None:
        """Claim the next run that nobody has, if there is one."""
        finished = self.store.run_ids()
        self.pending = [recipe for recipe in self.pending if recipe.run_id not in finished]
        claimed = next((recipe for recipe in self.pending if self.store.claim(recipe.run_id)), None)
        if claimed is None:
            self.last_look = time.monotonic()
            return
        self.pending.remove(claimed)
        if claimed.run_id in self.store.run_ids():  # finished between the look and the claim
            self.store.release(claimed.run_id)
            return
        try:
            self.running[claimed.run_id] = Running(claimed, self.dataset, self.device, self.store)
        except Exception as error:
            if is_of_device(error):
                self.store.release(claimed.run_id)
                os._exit(1)
            self._end(claimed.run_id, failure(claimed, described(error)))

    def _advance(self, run_id: str) -> None:
        running, crowded, waits = self.running[run_id], False, False
        try:
            running.advance()
        except OSError:  # of the store: a run does nothing else of that kind
            raise
        except Exception as error:
            alone, full = len(self.running) == 1, is_out_of_memory(error)
            captured = isinstance(error, CaptureError)
            if captured and not full and (alone or not Step.recorded):  # else the GPU can, and lacked room for one more
                reasons = "; after ".join(map(described, chain(error)))
                warnings.warn(f"steps are launched as they are, which is slower: {reasons}", stacklevel=1)
                os._exit(CAPTURE_FAILED)
            lost = captured or (is_of_device(error) and not full)  # the GPU, to this process
            crowded = full and not lost and not alone
            waits = full and alone and _filled_by_others(self.device)
            if not waits and (alone or not (lost or crowded)):
                self._end(run_id, failure(running.recipe, described(error)))
            if waits and lost:
                self.store.release(run_id)
                time.sleep(WAIT_SECONDS)
            if lost:
                # of several, an error that comes late may be another's: the next worker takes fewer
                os._exit(GPU_LOST if alone else 1)
        if crowded or waits:  # here, where no traceback holds its tensors any more
            del running
            self._put_back(run_id)
            if waits:
                self._wait_for_room()
            else:  # that many at once no more
                self.packed = len(self.running)
        elif running.record is not None:
            self._end(run_id, running.record)
        elif time.monotonic() - self.last_beat > BEAT_SECONDS:
            self.last_beat = time.monotonic()
            _exit_if_orphaned()
            for other, one in self.running.items():
                self.store.beat(other, one.fraction, one.resumed)

    def _end(self, run_id: str, record: Record) -> None:
        self.running.pop(run_id, None)
        write(self.store, record)
        self.store.release(run_id)

    def _put_back(self, run_id: str) -> None:
        """Leave a run for later, or to others, and its memory to the GPU."""
        self.pending.append(self.running.pop(run_id).recipe)
        self.store.release(run_id)
        gc.collect()
        torch.cuda.empty_cache()

    def _wait_for_room(self) -> None:
        warnings.warn(f"others have filled {self.device}: waits until there is room for a run", stacklevel=1)
        time.sleep(WAIT_SECONDS)
        _exit_if_orphaned()


def _filled_by_others(device: str) -> bool:
    """Whether other processes have more than a quarter of a GPU's memory: a run that finds no room there need not be
    too large."""
    if device == "cpu":
        return False
    free, total = torch.cuda.mem_get_info(device)
    return total - free - torch.cuda.memory_reserved(device) > total / 4


def _exit_if_orphaned() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        os._exit(1)
