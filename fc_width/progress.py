"""What a sweep shows while it runs: every result as it comes, and where it stands; on a terminal with a bar, in a log
file as whole lines."""

import contextlib
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType

from tqdm import tqdm

from fc_width.recipes import Recipe
from fc_width.report import duration
from fc_width.store import Store
from fc_width.worker import Status

LOG_SECONDS = 30.0
"""Between two lines on where it stands, in a log file."""


class Progress:
    """Called with a `Status` again and again; to be used in a `with`.

    *Arguments*: `runs`, all of the sweep; `store`; `images`, how many training images one epoch has; `tell`, called
    with where it stands now and then."""

    def __init__(self, runs: Sequence[Recipe], store: Store, images: int, tell: Callable[[str], None]) -> None:
        self._runs = {run.run_id: run for run in runs}
        self._store = store
        self._images = images
        self._tell = tell
        self._known = store.run_ids() & self._runs.keys()  # reported already
        self._todo = len(self._runs) - len(self._known)
        self._counts: Counter[str] = Counter()
        self._before: dict[str, float] | None = None  # what was done of runs that this sweep found begun
        self._started = self._last_line = time.monotonic()
        self._last_told = -math.inf
        terminal = sys.stderr.isatty()
        self._bar = tqdm(total=self._todo, bar_format="{percentage:3.0f}% |{bar}| {desc}", disable=not terminal)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def __call__(self, status: Status) -> None:
        """Show what is new."""
        if self._before is None:  # what is running by now is another sweep's
            self._before = dict(status.running)
        self._before = status.resumed | self._before  # first taken up: whoever dies here goes on from this sweep's work
        for run_id in sorted(status.finished - self._known):
            self._known.add(run_id)
            tqdm.write(self._result(run_id), file=sys.stderr)
        running = {run_id: part for run_id, part in status.running.items() if run_id not in status.finished}
        if time.monotonic() - self._last_told > LOG_SECONDS:
            self._last_told = time.monotonic()
            with contextlib.suppress(OSError):  # a word to others is not worth a sweep
                self._tell(self.line(running))
        if self._bar.disable and time.monotonic() - self._last_line > LOG_SECONDS:
            self._last_line = time.monotonic()
            tqdm.write(self.line(running), file=sys.stderr)
        if not self._bar.disable:
            self._bar.n = self._done(running)
            self._bar.set_description_str(self.line(running))

    def line(self, running: dict[str, float]) -> str:
        """Where the sweep stands, in one line, `running` being run ids and the fraction done of each."""
        ended = sum(self._counts.values())
        parts = [f"{ended} of {self._todo} runs", f"{len(running)} running"]
        parts += [f"{self._counts[name]} {name}" for name in ("diverged", "failed") if self._counts[name]]
        seconds, done = time.monotonic() - self._started, self._done(running)
        here = done - sum((self._before or {}).values())
        if here > 0 and seconds:
            epochs = next(iter(self._runs.values())).epochs
            parts.append(f"{here * epochs * self._images / seconds:,.0f} images/s")
            parts.append(f"{duration(seconds * (self._todo - done) / here)} left")
        return ", ".join(parts)

    def _done(self, running: dict[str, float]) -> float:
        return min(sum(self._counts.values()) + sum(running.values()), self._todo)

    def _result(self, run_id: str) -> str:
        run = self._runs[run_id]
        record = self._store.whole(run_id) or {"status": "gone"}  # another sweep is about to make it again
        self._counts[record["status"]] += 1
        if record["status"] == "done":
            said = f"{100 * record['final']['test_accuracy']:.2f} %"
            said += f" in {duration(record['seconds'])}" if "seconds" in record else ""
        else:
            said = f"{record['status']}{': ' + record['error'] if 'error' in record else ''}"
        return f"M = {run.width}, {run.loss}, {run.feature}, seed {run.seed}: {said}"
