"""A run that is killed goes on from its last epoch, and its record is that of a run that nothing happened to."""

import contextlib
import dataclasses
import errno
import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from commands import as_own_data
from safetensors.torch import save

from fc_width import checkpoint, engine, provenance, train, worker
from fc_width.recipes import Recipe
from fc_width.report import status
from fc_width.store import Store
from fc_width.train import Running, run

RECIPE = Recipe(epochs=4, softmax_epochs=2, lr=0.05)


@pytest.fixture(autouse=True)
def at_every_epoch(monkeypatch):
    monkeypatch.setattr(train, "SAVE_SECONDS", 0.0)


def same(record):
    return {key: value for key, value in record.items() if key not in ("seconds", "provenance")}


def until(running, fraction):
    """Let a run be killed when so much of it is done."""
    while running.fraction < fraction:
        running.advance()


def end(running):
    while running.record is None:
        running.advance()
    return running.record


@pytest.mark.parametrize("epochs", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("loss", "changes"),
    [
        ("softmax", {}),
        ("w-softmax:1", {}),
        ("w-softmax:1", {"validation": 0.2}),
        ("w-softmax:1", {"flip": 0.5, "shift": 1, "validation": 0.2}),
        ("w-softmax-simplex:1", {}),
        ("center", {}),
        ("l-softmax", {}),
    ],
)
def test_a_run_goes_on_from_its_last_epoch_to_the_same_record(loss, changes, epochs, store, few_digits):
    """In the softmax phase, at its end, after it, and while it is measured."""
    recipe = dataclasses.replace(RECIPE, loss=loss, **changes)
    killed = Running(recipe, few_digits, store=store)
    saved = set()
    while len(saved) < epochs:
        killed.advance()
        saved |= {store.saved(recipe.run_id)} - {None}
    again = Running(recipe, few_digits, store=store)
    again.advance()
    assert again.resumed == again.fraction == epochs / 4
    assert same(end(again)) == same(run(recipe, few_digits))


def test_killed_again_and_again(store, few_digits):
    for epoch in (1, 2, 3):
        running = Running(RECIPE, few_digits, store=store)
        until(running, epoch / 4 + 0.1)
        assert running.resumed == (epoch - 1) / 4
    record = end(Running(RECIPE, few_digits, store=store))
    assert same(record) == same(run(RECIPE, few_digits))
    store.write(record)
    assert [path.name for path in store.folder.iterdir()] == [f"{RECIPE.run_id}.json"]


def test_the_seconds_are_those_of_all_its_parts(store, few_digits, monkeypatch):
    now = 0.0
    monkeypatch.setattr(train.time, "perf_counter", lambda: now)
    running = Running(RECIPE, few_digits, store=store)
    now = 1.0
    running.advance()
    now = 100.0
    until(running, 0.6)
    now = 1000.0
    again = Running(RECIPE, few_digits, store=store)
    again.advance()
    now = 1007.0
    until(again, 0.8)
    now = 2000.0
    third = Running(RECIPE, few_digits, store=store)
    third.advance()
    now = 2005.0
    assert end(third)["seconds"] == 99.0 + 7.0 + 5.0


def test_a_state_is_saved_every_so_many_seconds_at_most(store, few_digits, monkeypatch):
    now, saves, save = 0.0, [], store.save
    monkeypatch.setattr(train, "SAVE_SECONDS", 30.0)
    monkeypatch.setattr(train.time, "perf_counter", lambda: now)
    monkeypatch.setattr(store, "save", lambda *state: saves.append(now) or save(*state))
    running = Running(RECIPE, few_digits, store=store)
    while running.record is None:
        running.advance()
        now = 100 * running.fraction  # about 25 s an epoch
    assert all(after - before > 30 for before, after in itertools.pairwise([0.0, *saves]))
    assert 1 <= len(saves) <= 3


def test_the_state_of_another_library_is_left(store, few_digits, monkeypatch):
    saved_of(store, few_digits)
    here = provenance.installed
    monkeypatch.setattr(provenance, "installed", lambda name: "0" if name == "pytorch-metric-learning" else here(name))
    again = Running(RECIPE, few_digits, store=store)
    again.advance()
    assert again.resumed == 0


def saved_of(store, dataset, recipe=RECIPE):
    until(Running(recipe, dataset, store=store), 0.6)
    content = store.saved(recipe.run_id)
    assert content is not None
    return content


@pytest.mark.parametrize("damage", [lambda c: b"", lambda c: c[:-1], lambda c: c[:5000] + b"\0\0\0\0" + c[5004:]])
def test_a_damaged_state_is_none(damage, store, few_digits):
    content = saved_of(store, few_digits)
    assert damage(content) != content
    store.save(RECIPE.run_id, damage(content))
    again = Running(RECIPE, few_digits, store=store)
    again.advance()
    assert again.resumed == 0
    assert same(end(again)) == same(run(RECIPE, few_digits))


@pytest.mark.parametrize(
    ("changed", "source", "resumed"),
    [
        ({"torch": "0"}, "this", 0),
        ({"device": "cpu: another"}, "this", 0),
        ({"precision": "bfloat16 autocast"}, "this", 0),
        ({}, "another", 0),
        ({"commit": "another"}, "this", 0.5),  # of the README, say
    ],
)
def test_the_state_of_other_code_or_another_machine_is_left(changed, source, resumed, store, few_digits, monkeypatch):
    monkeypatch.setattr(provenance, "_source", lambda: "this")
    saved_of(store, few_digits)
    here = provenance.provenance
    monkeypatch.setattr(provenance, "provenance", lambda *arguments: here(*arguments) | changed)
    monkeypatch.setattr(provenance, "_source", lambda: source)
    again = Running(RECIPE, few_digits, store=store)
    again.advance()
    assert again.resumed == resumed


def test_a_whole_state_of_something_else_is_none(store, few_digits):
    content = save({"other": torch.zeros(3)})
    content = checkpoint.DIGEST(content).digest() + content
    assert checkpoint.take_up(content, {}, None, None, {}) is None
    store.save(RECIPE.run_id, content)
    again = Running(RECIPE, few_digits, store=store)
    again.advance()
    assert again.resumed == 0


def test_nor_is_that_of_other_data(store, few_digits):
    saved_of(store, few_digits)
    again = Running(RECIPE, dataclasses.replace(few_digits, checksum="other"), store=store)
    again.advance()
    assert again.resumed == 0


def test_short_runs_are_not_saved(store, few_digits, monkeypatch):
    monkeypatch.setattr(train, "SAVE_SECONDS", 60.0)
    end(Running(RECIPE, few_digits, store=store))
    assert not list(store.folder.iterdir())


def test_a_disk_without_room_for_it_ends_the_worker_and_blames_no_run(store, few_digits, monkeypatch):
    def full(run_id, state):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(store, "save", full)
    with pytest.raises(OSError, match="No space left"):
        engine._Worker([RECIPE], few_digits, store, "cpu", 1).work()
    assert not store.run_ids()


def test_a_record_ends_the_state_but_not_one_that_says_that_it_failed(store, few_digits):
    saved_of(store, few_digits)
    assert status(store).splitlines()[0].endswith(": 0 running, 1 interrupted")
    store.write(worker.failure(RECIPE, "worker ended by SIGKILL, 3 times"))
    store.create()
    assert store.saved(RECIPE.run_id) is not None
    store.write(run(RECIPE, few_digits))
    assert store.saved(RECIPE.run_id) is None


def test_a_run_that_comes_further_each_time_may_die_often(monkeypatch, store, few_digits):
    """Killed at every epoch, as by a machine that is short of memory, it is done; killed at one, it has failed."""
    monkeypatch.setattr(torch.multiprocessing, "get_context", lambda kind: multiprocessing.get_context("fork"))

    def work(recipes, dataset, folder, place):
        recipe, store = recipes[0], Store(folder)
        last = 6 if recipe == RECIPE else 4
        if recipe.run_id in store.run_ids() or not store.claim(recipe.run_id):
            return
        before = len(store.saved(recipe.run_id) or b"")
        if before < last:
            time.sleep(0.02)  # a file system's clock has ticks
            store.save(recipe.run_id, bytes(before + 1))
            os._exit(1)
        if last < 6:
            os._exit(1)
        done = {"run_id": recipe.run_id, "recipe": dataclasses.asdict(recipe), "status": "diverged"}
        store.write(done)
        store.release(recipe.run_id)

    monkeypatch.setattr(engine, "_work", work)
    for recipe in (RECIPE, dataclasses.replace(RECIPE, seed=1)):
        engine.run_all([recipe], few_digits, store, torch.device("cpu"), 1, lambda status: None, 0.05)
    assert store.read(RECIPE.run_id)["status"] == "diverged"
    assert store.read(recipe.run_id)["error"] == "worker ended with status 1, 3 times"


def test_a_state_that_a_sleeper_left_beside_a_record_goes_when_the_folder_is_opened(store, few_digits):
    content = saved_of(store, few_digits)
    other = dataclasses.replace(RECIPE, seed=1)
    store.save(other.run_id, content)
    store.write(run(RECIPE, few_digits))
    store.save(RECIPE.run_id, content)
    store.create()
    assert store.saved_ids() == {other.run_id}


SWEEP = """
import sys
from fc_width import train
from fc_width.sweep import main
train.SAVE_SECONDS = 0.0  # in the workers too: they read this file
if __name__ == "__main__":
    sys.exit(main())
"""


def test_a_sweep_killed_as_often_as_it_has_epochs_comes_to_the_same_records(tmp_path, digits):
    """For real: SIGKILL of all as soon as an epoch more is saved. Begun anew every time, it would never end."""
    script = tmp_path / "swept.py"
    script.write_text(SWEEP)
    options = ["--widths", "3", "--losses", "softmax", "w-softmax-centred:1", "--epochs", "5", "--seeds", "1"]
    options += as_own_data(digits, tmp_path / "digits.npz")
    command = [sys.executable, str(script), *options, "--device", "cpu", "--workers", "2"]
    subprocess.run([*command, "--out", str(tmp_path / "undisturbed")], check=True, timeout=300, capture_output=True)
    store = Store(tmp_path / "runs")
    kills = 0
    while len(store.run_ids()) < 2:
        before = {run_id: store.saved(run_id) for run_id in store.saved_ids()}
        ended = store.run_ids()
        process = subprocess.Popen(
            [*command, "--out", str(store.folder)], start_new_session=True, stdout=subprocess.PIPE, text=True
        )
        while process.poll() is None and not further(store, before):
            time.sleep(0.02)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        said = process.communicate()[0]
        begun = len(before.keys() - ended)
        assert f"({begun} of them begun)" in said or not begun
        kills += 1
        assert kills < 20
    assert kills >= 3
    assert {each["run_id"]: same(each) for each in store.records()} == {
        each["run_id"]: same(each) for each in Store(tmp_path / "undisturbed").records()
    }
    assert len(store.run_ids()) == 2
    store.create()  # it was killed as its record was in place, perhaps
    assert not store.saved_ids()


def further(store, before):
    """Whether all runs have come further than `before`, or to their end."""
    now = {run_id: store.saved(run_id) for run_id in store.saved_ids()}
    return len({run_id for run_id in now if now[run_id] not in (None, before.get(run_id))} | store.run_ids()) == 2


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_run_goes_on_from_its_last_epoch_on_cuda(store, few_digits):
    """There to a record that is much the same: a graph recorded anew, of convolutions chosen anew."""
    killed = Running(RECIPE, few_digits, "cuda", store)
    while store.saved(RECIPE.run_id) is None:
        killed.advance()
    again = Running(RECIPE, few_digits, "cuda", store)
    again.advance()
    assert again.resumed == again.fraction > 0
    found, whole = end(again), run(RECIPE, few_digits, "cuda")
    assert "steps" not in found["provenance"]
    assert "steps" in whole["provenance"]
    store.save(RECIPE.run_id, b"refused")
    assert "steps" in end(Running(RECIPE, few_digits, "cuda", store))["provenance"]
    assert found["train_accuracy"] == pytest.approx(whole["train_accuracy"], abs=0.1)
    assert len(found["test_accuracy"]) == RECIPE.epochs
