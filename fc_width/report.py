"""What a folder of records says, as text for a terminal: the results, and where a sweep stands."""

import math
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from fc_width.recipes import Recipe
from fc_width.record import Record, last_accuracy
from fc_width.store import STALE_SECONDS, CorruptRecordError, Store

LATEST = 5


def duration(seconds: float) -> str:
    """Seconds as a person says them: `40 s`, `12 min`, `3.4 h`."""
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    return f"{math.ceil(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def table(runs: Sequence[Recipe], store: Store, accuracy: Callable[[Record], float] = last_accuracy) -> str:
    """An accuracy of records that are done, in %, mean ± sd over seeds, by width and by loss and feature."""
    cells: dict[tuple[int, str], list[float]] = {}
    troubles: dict[tuple[int, str], list[str]] = {}
    several = len({run.feature for run in runs}) > 1
    columns = []
    for run in runs:
        column = f"{run.loss} {run.feature}" if several else run.loss
        columns.append(column)
        record = store.whole(run.run_id) or {"status": "gone"}  # the next sweep on the folder makes it again
        if record["status"] == "done":
            cells.setdefault((run.width, column), []).append(100 * accuracy(record))
        else:
            troubles.setdefault((run.width, column), []).append(record["status"])

    def cell(width: int, column: str) -> str:
        values, words = cells.get((width, column), []), troubles.get((width, column), [])
        spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
        shown = [f"{statistics.mean(values):.2f}{spread}"] if values else []
        shown += [f"{words.count(word)} {word}" for word in dict.fromkeys(words)]
        return ", ".join(shown)

    header = ["M", *dict.fromkeys(columns)]
    rows = [[str(m), *(cell(m, c) for c in header[1:])] for m in sorted({run.width for run in runs})]
    sizes = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = ["  ".join(f"{text:>{size}}" for text, size in zip(row, sizes, strict=True)) for row in [header, *rows]]
    return "\n".join(lines)


def status(store: Store) -> str:
    """Where the sweeps on a folder stand: counts; what each says of itself (of how many runs, how fast, how long it
    will take); what runs where and how far (`silent` if not heard of for `STALE_SECONDS`, by this machine's clock); the
    latest results; the failures.

    *Raises*: `FileNotFoundError` if there is no such folder."""
    if not store.folder.is_dir():
        raise FileNotFoundError(f"no folder {store.folder}: --status wants the folder of a sweep")
    notices = [(path, notice) for path, notice in store.notices() if notice.get("stands")]
    if not (store.run_ids() or store.saved_ids() or store.claims() or notices):
        return f"{store.folder}: no sweep has begun a run here"
    times = {run_id: _modified(store.folder / f"{run_id}.json") for run_id in store.run_ids()}
    found = {}
    for run_id in sorted(times, key=lambda each: (times[each], each)):
        try:
            found[run_id] = store.read(run_id)
        except CorruptRecordError:
            found[run_id] = {"status": "corrupt"}
        except FileNotFoundError:  # taken away in between, to be made again
            continue
    running = {run_id: claim for run_id, claim in store.claims().items() if run_id not in found}
    counts = Counter(record["status"] for record in found.values())
    interrupted = len(store.saved_ids() - found.keys() - running.keys())
    parts = [f"{counts[name]} {name}" for name in ("done", "diverged", "failed", "corrupt") if counts[name]]
    heard = {run_id: _modified(store.folder / f"{run_id}.claim") for run_id in running}
    words = {k: "silent" if time.time() - then > STALE_SECONDS else "running" for k, then in heard.items()}
    at_work = Counter(words.values())
    parts += [f"{at_work['running']} running", *([f"{at_work['silent']} silent"] if at_work["silent"] else [])]
    parts += [f"{interrupted} interrupted"] if interrupted else []
    lines = [f"{store.folder}: {', '.join(parts)}"]
    for path, notice in notices:
        then = _modified(path)
        stands = (
            notice["stands"] if time.time() - then <= STALE_SECONDS else f"silent (if it was killed, remove {path})"
        )
        whose = f"process {notice.get('pid')} on {notice.get('host')}"
        lines.append(f"sweep of {whose}: {stands}, heard of {_ago(then)}")
    lines += [
        f"{words[run_id]:7} {claim.get('fraction', 0):4.0%}  {run_id}  process {claim.get('pid')} on "
        f"{claim.get('host')}, heard of {_ago(heard[run_id])}"
        for run_id, claim in sorted(running.items())
    ]
    for run_id in [each for each in found if found[each]["status"] == "done"][-LATEST:]:
        accuracy = 100 * found[run_id]["final"]["test_accuracy"]
        lines.append(f"done {accuracy:.2f} %  {run_id}  {_ago(times[run_id])}")
    lines += [
        f"failed  {run_id}: {record['error']}" for run_id, record in found.items() if record["status"] == "failed"
    ]
    return "\n".join(lines)


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()


def _ago(then: float) -> str:
    return f"{duration(max(0.0, time.time() - then))} ago"
