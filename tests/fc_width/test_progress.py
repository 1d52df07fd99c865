"""What a sweep shows: every result once, and where it stands."""

import dataclasses
import errno
import os

import pytest

from fc_width import progress as module
from fc_width.progress import Progress
from fc_width.recipes import Recipe
from fc_width.store import Store
from fc_width.worker import Status

RUNS = [Recipe(width=width, epochs=3, softmax_epochs=0) for width in (2, 3, 4, 5)]


def record(run, **more):
    return {"run_id": run.run_id, "recipe": dataclasses.asdict(run), "status": "done", "seconds": 7.2} | more


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path)
    made.create()
    made.write(record(RUNS[0], final={"test_accuracy": 0.5}))
    return made


def test_a_log_has_every_result_once_and_a_line_now_and_then(store, capsys, monkeypatch):
    now, told = 1000.0, []
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    with Progress(RUNS, store, 1000, told.append) as show:
        show(Status(frozenset({RUNS[0].run_id}), {}))
        assert capsys.readouterr().err == ""
        store.write(record(RUNS[1], final={"test_accuracy": 0.9893}))
        store.write(record(RUNS[2], status="failed", error="worker ended by SIGKILL, 3 times"))
        now += 60
        finished = frozenset(run.run_id for run in RUNS[:3])
        show(Status(finished, {RUNS[3].run_id: 0.5, RUNS[1].run_id: 1.0}))
        show(Status(finished, {RUNS[3].run_id: 0.5}))
    lines = capsys.readouterr().err.splitlines()
    assert set(lines[:2]) == {
        "M = 3, softmax, prelu-bn, seed 0: 98.93 % in 8 s",
        "M = 4, softmax, prelu-bn, seed 0: failed: worker ended by SIGKILL, 3 times",
    }
    # 2.5 of 3 runs of 3 epochs of 1,000 images in a minute
    assert lines[2:] == ["2 of 3 runs, 1 running, 1 failed, 125 images/s, 12 s left"] == told[1:]
    assert told[0] == "0 of 3 runs, 0 running"


def test_a_full_disk_keeps_no_sweep_from_going_on(store, monkeypatch):
    def full(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Progress(RUNS, store, 1000, full) as show:
        show(Status(frozenset(), {}))


def test_a_terminal_has_a_bar(store, capsys, monkeypatch):
    monkeypatch.setattr(module.sys.stderr, "isatty", lambda: True, raising=False)
    with Progress(RUNS, store, 1000, lambda line: None) as show:
        store.write(record(RUNS[3], status="diverged"))
        show(Status(frozenset({RUNS[0].run_id, RUNS[3].run_id}), {}))
        assert show._bar.n == 1
    said = capsys.readouterr().err
    assert "M = 5, softmax, prelu-bn, seed 0: diverged" in said
    assert "1 of 3 runs, 0 running, 1 diverged" in said


def test_a_record_that_goes_in_between_is_no_error(store, capsys):
    with Progress(RUNS, store, 1000, lambda line: None) as show:
        show(Status(frozenset({RUNS[0].run_id, RUNS[2].run_id}), {}))
    assert "seed 0: gone" in capsys.readouterr().err


def test_what_was_done_before_is_not_this_sweep_s_speed(store, capsys, monkeypatch):
    """One run taken up at 0.8 and at 0.9 now, one new and at 0.5: 0.6 runs of 3 epochs of 1,000 images in a minute."""
    now = 1000.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    with Progress(RUNS, store, 1000, lambda line: None) as show:
        show(Status(frozenset({RUNS[0].run_id}), {}))
        show(Status(frozenset({RUNS[0].run_id}), {RUNS[1].run_id: 0.0}))  # claimed, its state not yet read
        now += 60
        running = {RUNS[1].run_id: 0.9, RUNS[2].run_id: 0.5}
        show(Status(frozenset({RUNS[0].run_id}), running, {RUNS[1].run_id: 0.8, RUNS[2].run_id: 0.0}))
    assert capsys.readouterr().err.splitlines() == ["0 of 3 runs, 2 running, 30 images/s, 3 min left"]


def test_a_run_that_another_sweep_had_begun_is_not_this_sweep_s_speed(store, capsys, monkeypatch):
    """Found at 0.8 and at 0.9 now, one new and at 0.5."""
    now = 1000.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    finished = frozenset({RUNS[0].run_id})
    with Progress(RUNS, store, 1000, lambda line: None) as show:
        show(Status(finished, {RUNS[1].run_id: 0.8}, {RUNS[1].run_id: 0.0}))
        now += 60
        show(Status(finished, {RUNS[1].run_id: 0.9, RUNS[2].run_id: 0.5}, {RUNS[1].run_id: 0.0, RUNS[2].run_id: 0.0}))
    assert capsys.readouterr().err.splitlines() == ["0 of 3 runs, 2 running, 30 images/s, 3 min left"]


def test_what_this_sweep_did_before_a_worker_died_counts(store, capsys, monkeypatch):
    """Taken up again at 0.4, where this sweep had saved it, and at 0.5 now: half a run in a minute."""
    now = 1000.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    finished = frozenset({RUNS[0].run_id})
    with Progress(RUNS, store, 1000, lambda line: None) as show:
        show(Status(finished, {}))
        show(Status(finished, {RUNS[1].run_id: 0.45}, {RUNS[1].run_id: 0.0}))
        now += 60
        show(Status(finished, {RUNS[1].run_id: 0.5}, {RUNS[1].run_id: 0.4}))
    assert capsys.readouterr().err.splitlines() == ["0 of 3 runs, 1 running, 25 images/s, 5 min left"]


def test_a_record_that_does_not_say_how_long_it_took(store, capsys):
    with Progress(RUNS, store, 1000, lambda line: None) as show:
        made = record(RUNS[1], final={"test_accuracy": 0.9893})
        store.write({key: value for key, value in made.items() if key != "seconds"})
        show(Status(frozenset({RUNS[1].run_id}), {}))
    assert "seed 0: 98.93 %\n" in capsys.readouterr().err
