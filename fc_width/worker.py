"""What a worker process needs, `engine`'s on this machine or `cluster`'s on Ray: how it is made ready for runs, where
those stand, and what is recorded of one that failed."""

import traceback
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path

import threadpoolctl
import torch

from fc_width.recipes import Recipe
from fc_width.record import Record
from fc_width.store import Store

ATTEMPTS = 3
"""How often a run is tried whose worker dies."""

BEAT_SECONDS = 2.0

PACKED = 16
"""Runs at once on one GPU, unless told otherwise."""

KEEP_MEMORY = {
    **{"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**32)},
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
"""What glibc reads as a worker starts: activations of a megabyte are reused, not given back and faulted in again every
step, which cost a tenth of a run; and they lie in huge pages where the system has such."""


@dataclass(frozen=True)
class Status:
    """Where a sweep stands: `finished` run ids so far; the fraction done of each that is `running` anywhere; and the
    fraction at which these were taken up, from a saved state, as `resumed`, of each that says so by now."""

    finished: frozenset[str]
    running: dict[str, float]
    resumed: dict[str, float] = field(default_factory=dict)


def status_of(store: Store, wanted: Collection[str]) -> Status:
    """Where the runs `wanted`, by their ids, stand in a store, whoever runs them."""
    finished = frozenset(run_id for run_id in store.run_ids() if run_id in wanted)
    claims = {run_id: claim for run_id, claim in store.claims().items() if run_id in wanted}
    running = {run_id: claim.get("fraction", 0.0) for run_id, claim in claims.items()}
    resumed = {run_id: claim["resumed"] for run_id, claim in claims.items() if "resumed" in claim}
    return Status(finished, running, resumed)


def default_workers(device: torch.device) -> int:
    """How many runs at once: one a core that this process may use, by its affinity and the limits of its container;
    `PACKED` on a GPU."""
    if device.type != "cpu":
        return PACKED
    import joblib  # which a worker need not wait for

    return int(joblib.cpu_count())


def prepare() -> None:
    """Make this process one for runs: of one thread, with `set_convolutions`."""
    torch.set_num_threads(1)
    threadpoolctl.threadpool_limits(1)
    set_convolutions()


def set_convolutions() -> None:
    """Have this process take CUDA's fastest convolutions that are what records call them: those of float32 no TF32,
    torch's default."""
    torch.backends.cudnn.benchmark = True  # every shape comes thousands of times
    torch.backends.cudnn.allow_tf32 = False


def failure(recipe: Recipe, error: str) -> Record:
    """The record of a run that failed, with the reason."""
    return {"run_id": recipe.run_id, "recipe": asdict(recipe), "status": "failed", "error": error}


def described(error: BaseException) -> str:
    """An exception in one line, its first, with the place it comes from."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    said = str(error).strip().partition("\n")[0]  # torch adds the stack of its C++
    return f"{type(error).__name__}: {said} ({Path(where.filename).name}:{where.lineno})"


def write(store: Store, record: Record) -> None:
    """Put a record in place; one that is no JSON, as a number in it is not finite, as the failure that it is. A failure
    takes the place of none that another process has made meanwhile, whose claim was taken for stale."""
    if record["status"] == "failed" and (made := store.whole(record["run_id"])) and made["status"] != "failed":
        return
    try:
        store.write(record)
    except ValueError as error:
        kept = {"run_id": record["run_id"], "recipe": record["recipe"]}
        store.write(kept | {"status": "failed", "error": f"the record is no JSON: {error}"})
