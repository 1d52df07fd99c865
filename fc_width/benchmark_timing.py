"""What the benchmarks share: one thread, a device that is waited for, a profiler that is silent."""

import contextlib
import os
import sys
from collections.abc import Iterator

import threadpoolctl
import torch


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch and the libraries of linear algebra use one thread, as a worker of a sweep does."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpoolctl.threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(threads)


def wait(device: torch.device) -> None:
    """For all that a device has been handed."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the profiler's own messages off the terminal."""
    sys.stderr.flush()
    saved = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
