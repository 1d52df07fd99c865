"""The same, on Ray: many runs on the machines of a Ray cluster, one task a run.

Ray decides what runs where: a run asks for one CPU, and on CUDA for a share of a GPU. This package is installed on
every machine; no code is shipped. The data set is put into Ray's object store once and is there once a machine, in
memory that its workers share.

The driver, the process that runs the sweep, alone reads and writes the folder of records, be it shared or not: a task
sends its progress and at last its record, the driver claims, writes and releases. A worker that wrote by itself into
a folder that it shares would save nothing: Ray ends the tasks of a driver that is gone, and what was recorded before
is in the folder either way. So a driver killed and started again goes on from the records, and sweeps on one folder,
here, on the cluster or on another, share the work by the same claims.

A run whose worker or machine dies is submitted again by the driver, not by Ray's `max_retries`: Ray repeats without
end a task that its memory monitor kills, unless it is to repeat none at all."""

import functools
import importlib
import logging
import math
import os
import signal
import socket
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch

from fc_width.data import Dataset
from fc_width.gpu_errors import is_of_device, is_out_of_memory
from fc_width.recipes import Recipe
from fc_width.record import Record
from fc_width.step import CaptureError, eager
from fc_width.store import Store
from fc_width.train import Running
from fc_width.worker import (
    ATTEMPTS,
    BEAT_SECONDS,
    KEEP_MEMORY,
    PACKED,
    Status,
    described,
    failure,
    prepare,
    status_of,
    write,
)

CONNECT_SECONDS = 5.0

NO_ROOM, NO_GRAPH = "no room", "no graph"
"""What a task sends in place of a record: on its GPU there is no room for it; that records no graph."""


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster that this process is connected to: its `address`, and how many `cpus` and `gpus` it has."""

    address: str
    cpus: int
    gpus: int

    def device(self, name: str) -> torch.device:
        """The kind of device that `auto`, `cpu` or `cuda` means there; `ValueError` for `cuda` without a GPU."""
        if name == "cuda" and not self.gpus:
            raise ValueError(f"device 'cuda': the cluster at {self.address} has no GPU ({self.cpus} CPUs)")
        return torch.device("cuda" if self.gpus and name != "cpu" else "cpu")

    def workers(self, device: torch.device, wanted: int | None) -> int:
        """How many runs at once: on a CPU one a CPU of the cluster; on CUDA, on each GPU, what is `wanted`, else
        `worker.PACKED`. `ValueError` for a number that cannot be had."""
        if device.type == "cpu" and wanted is not None:
            raise ValueError(f"workers {wanted}: on the CPUs of a cluster Ray decides, one run a CPU: leave it out")
        return max(1, self.cpus) if device.type == "cpu" else PACKED if wanted is None else wanted

    def run_all(
        self,
        recipes: Sequence[Recipe],
        dataset: Dataset,
        store: Store,
        device: torch.device,
        workers: int,
        report: Callable[[Status], None],
        poll_seconds: float = 0.3,
    ) -> None:
        """As `engine.run_all`, on the cluster; `workers`, how many runs share a GPU (on a CPU, of no effect).

        A run whose worker or machine dies is tried `worker.ATTEMPTS` times, then recorded as failed, with the reason;
        one that finds no room on its GPU asks for twice the share.

        *Raises*: `OSError` if records cannot be written; `RuntimeError` if a worker cannot begin a run at all.
        """
        share = math.floor(1e4 / workers) / 1e4 if device.type == "cuda" else 0.0  # Ray counts in ten-thousandths
        driver = _Driver(recipes, dataset, store, device, share)
        try:
            while driver.unfinished():
                status = driver.status()
                report(status)
                driver.advance(status, poll_seconds)
            report(driver.status())
        finally:
            store.release_of(os.getpid())


@contextmanager
def connect(address: str) -> Iterator[Cluster]:
    """Be connected to a Ray cluster, for the time of a `with`; at its end the tasks still there are ended.

    *Arguments*: `address`, `HOST:PORT` of the cluster's head, or `auto` for the cluster that this machine is part of
    (or that RAY_ADDRESS names).

    *Raises*: `RuntimeError` if Ray is not installed; `ConnectionError` if there is no such cluster.
    """
    try:
        ray = _ray()
    except ImportError:
        raise RuntimeError(f"cluster {address!r} needs Ray: pip install 'fc-width[cluster]'") from None
    before = signal.getsignal(signal.SIGTERM)  # Ray puts its own in place
    try:
        _see(os.environ.get("RAY_ADDRESS", address) if address == "auto" else address)
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, runtime_env={"env_vars": KEEP_MEMORY})
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ConnectionError(
            f"no Ray cluster at {address!r} ({reason}): expected auto or HOST:PORT of one that this machine is part "
            "of (ray start --head there, ray start --address=HOST:PORT here)"
        ) from None
    signal.signal(signal.SIGTERM, before)
    try:
        resources = ray.cluster_resources()
        yield Cluster(address, int(resources.get("CPU", 0)), int(resources.get("GPU", 0)))
    finally:
        ray.shutdown()


def _ray() -> Any:
    """Ray, an extra, and too slow to import for those who do without."""
    return importlib.import_module("ray")


def _see(address: str) -> None:
    """See that somebody listens at `HOST:PORT`: Ray itself would try for minutes. `OSError` or `ValueError` if not."""
    if address == "auto":
        return
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or "/" in host:
        raise ValueError("not HOST:PORT")
    socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()


class _Driver:
    """The runs of a sweep as Ray tasks, all submitted at once, each a generator of what `_task` sends."""

    def __init__(
        self, recipes: Sequence[Recipe], dataset: Dataset, store: Store, device: torch.device, share: float
    ) -> None:
        self.ray, self.store, self.device = _ray(), store, device
        self.recipes = {recipe.run_id: recipe for recipe in recipes}
        self.share = share  # of a GPU, at first
        self.shares = dict.fromkeys(self.recipes, share)
        self.graphs = True
        self.remote = self.ray.remote(num_cpus=1, num_gpus=share, max_retries=0)(_task)
        parts = {field.name: getattr(dataset, field.name) for field in fields(dataset)}
        self.data = self.ray.put({k: v.numpy() if isinstance(v, torch.Tensor) else v for k, v in parts.items()})
        self.tasks: dict[Any, str] = {}
        self.begun: set[str] = set()  # claimed by this process
        self.elsewhere: set[str] = set()  # claimed by another sweep on the folder
        self.deaths: Counter[str] = Counter()
        finished = store.run_ids()
        for run_id in self.recipes:
            if run_id not in finished:
                self._submit(run_id)

    def unfinished(self) -> bool:
        """Whether a run has no record yet."""
        return bool(self.tasks or self.elsewhere)

    def status(self) -> Status:
        """Where the sweep stands, here and in other sweeps on the folder."""
        return status_of(self.store, self.recipes)

    def advance(self, status: Status, seconds: float) -> None:
        """Take what the tasks have sent, waiting for that long at most."""
        for run_id in self.elsewhere - status.running.keys():  # ended there, or given up
            self.elsewhere.remove(run_id)
            if run_id not in status.finished:
                self._submit(run_id)
        for task, run_id in list(self.tasks.items()):
            if run_id in status.finished and run_id not in self.begun:  # by another sweep, before its turn came
                self._drop(task, run_id, cancel=True)
        if not self.tasks:
            time.sleep(seconds)
            return
        ready, _ = self.ray.wait(list(self.tasks), num_returns=len(self.tasks), timeout=seconds)
        for task in ready:
            if task not in self.tasks:  # dropped for what another one sent
                continue
            run_id = self.tasks[task]
            try:
                message = self.ray.get(next(task))
            except self.ray.exceptions.RayError as error:
                if isinstance(error, self.ray.exceptions.RayTaskError) and run_id not in self.begun:
                    raise RuntimeError(f"a worker cannot begin a run: {str(error).strip().splitlines()[-1]}") from None
                cause = getattr(error, "cause", None)  # of a task's own error; the rest is Ray's frame around it
                said = str(error if cause is None else cause).strip().splitlines()[0]
                self._died(task, run_id, said if cause is not None else f"{type(error).__name__}: {said}")
            else:
                self._take(task, run_id, message)

    def _submit(self, run_id: str) -> None:
        share = self.shares[run_id]
        task = self.remote.options(name=run_id, num_gpus=share)
        arguments = self.recipes[run_id], [self.data], self.device.type, 0 < share < 1, self.graphs
        self.tasks[task.remote(*arguments)] = run_id

    def _take(self, task: Any, run_id: str, message: float | Record | str) -> None:
        if isinstance(message, str):
            if message == NO_ROOM:
                self.shares[run_id] = min(1.0, 2 * self.shares[run_id])
            elif self.graphs:
                self._without_graphs()
            self._drop(task, run_id)
            self._submit(run_id)
        elif isinstance(message, dict):
            write(self.store, message)
            self._drop(task, run_id)
        elif run_id in self.begun:
            self.store.beat(run_id, message)
        elif not self.store.claim(run_id):
            self.elsewhere.add(run_id)
            self._drop(task, run_id, cancel=True)
        else:
            self.begun.add(run_id)
            if run_id in self.store.run_ids():  # finished between the look and the claim
                self._drop(task, run_id, cancel=True)

    def _without_graphs(self) -> None:
        """Do without graphs, as the GPUs record none; shares that grew for want of room for one are as at first, and
        what has not begun is submitted anew."""
        self.graphs = False
        self.shares = dict.fromkeys(self.recipes, self.share)
        for task, run_id in list(self.tasks.items()):
            if run_id not in self.begun:
                self._drop(task, run_id, cancel=True)
                self._submit(run_id)

    def _died(self, task: Any, run_id: str, reason: str) -> None:
        self.deaths[run_id] += 1
        again = self.deaths[run_id] < ATTEMPTS
        if not again and run_id not in self.store.run_ids():
            self.store.write(failure(self.recipes[run_id], f"{reason}, {ATTEMPTS} times"))
        self._drop(task, run_id)
        if again:
            self._submit(run_id)

    def _drop(self, task: Any, run_id: str, cancel: bool = False) -> None:
        del self.tasks[task]
        if run_id in self.begun:
            self.begun.remove(run_id)
            self.store.release(run_id)
        if cancel:
            self.ray.cancel(task, force=True)  # an interrupt in the midst of an import would spoil the worker


def _task(recipe: Recipe, data: list[Any], device: str, shared: bool, graphs: bool) -> Iterator[float | Record | str]:
    """A run, in a worker, with `graphs` or without: yields 0 as it begins, now and then the fraction done, and last its
    record; or `NO_ROOM`, on a GPU that it has `shared` with others, or `NO_GRAPH`.

    *Raises*: what a GPU says that can run nothing more."""
    prepare()
    dataset = _dataset(data[0])
    last = time.monotonic()
    yield 0.0
    with nullcontext() if graphs else eager():
        try:
            running = Running(recipe, dataset, device)
            while running.record is None:
                running.advance()
                if time.monotonic() - last > BEAT_SECONDS:
                    last = time.monotonic()
                    yield running.fraction
            yield running.record
        except Exception as error:
            full, captured = is_out_of_memory(error), isinstance(error, CaptureError)
            if is_of_device(error) and not full and not captured:
                raise RuntimeError(described(error)) from None  # tried again, on another GPU if there is one
            if shared and (full or captured):  # a graph may lack room without saying so
                yield NO_ROOM
            else:
                yield NO_GRAPH if captured and not full else failure(recipe, described(error))


@functools.lru_cache(maxsize=1)
def _dataset(data: Any) -> Dataset:
    """The data set of a reference, its tensors in the shared memory of the object store: nothing writes to them."""
    parts: dict[str, Any] = _ray().get(data)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        parts = {k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in parts.items()}
    return Dataset(**parts)
