"""What a worker process needs."""

import dataclasses
import math
import os
import subprocess
import sys

import joblib
import pytest
import torch

from fc_width import worker
from fc_width.recipes import Recipe
from fc_width.train import run

QUICK = Recipe(epochs=1, softmax_epochs=0, lr=0.05)


def test_where_a_sweep_stands_is_read_from_its_store(store, few_digits):
    runs = [dataclasses.replace(QUICK, width=width) for width in (2, 3, 4, 5)]
    done, begun, taken_up, waiting = runs
    store.write(run(done, few_digits))
    for recipe in (begun, taken_up, dataclasses.replace(QUICK, seed=9)):  # the last is of another sweep
        assert store.claim(recipe.run_id)
    store.beat(taken_up.run_id, 0.6, 0.5)
    found = worker.status_of(store, {recipe.run_id: recipe for recipe in runs})
    assert found.finished == {done.run_id}
    assert found.running == {begun.run_id: 0.0, taken_up.run_id: 0.6}
    assert found.resumed == {taken_up.run_id: 0.5}
    assert waiting.run_id not in found.running


def test_a_worker_a_core_and_many_runs_on_a_gpu(monkeypatch):
    assert worker.default_workers(torch.device("cuda")) == worker.PACKED
    monkeypatch.setattr(joblib, "cpu_count", lambda: 3)
    assert worker.default_workers(torch.device("cpu")) == 3


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no process may be bound to a core here")
def test_a_core_that_this_process_may_not_use_has_no_worker():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert worker.default_workers(torch.device("cpu")) == 1
    finally:
        os.sched_setaffinity(0, before)


def test_a_process_for_runs_has_one_thread_and_no_tf32():
    code = (
        "import torch; from fc_width.worker import prepare; assert torch.backends.cudnn.allow_tf32; prepare(); "
        "assert torch.get_num_threads() == 1 and not torch.backends.cudnn.allow_tf32"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_record_that_is_no_json_has_failed(store):
    record = {"run_id": QUICK.run_id, "recipe": dataclasses.asdict(QUICK), "status": "done", "angle": math.nan}
    worker.write(store, record)
    found = store.read(QUICK.run_id)
    assert found["status"] == "failed"
    assert found["error"].startswith("the record is no JSON: ")


def test_a_failure_takes_the_place_of_no_result(store):
    """Of a process that slept, whose claim another took over and whose GPU is gone as it wakes."""
    failed = worker.failure(QUICK, "RuntimeError: CUDA error: unknown error")
    done = failed | {"status": "done", "final": {"test_accuracy": 0.5}}
    for record, kept in ((failed, failed), (done, done), (failed, done)):
        worker.write(store, record)
        assert store.read(QUICK.run_id) == kept


def test_an_error_of_many_lines_is_told_by_its_first():
    try:
        raise RuntimeError("\nthe size of tensor a must match\nException raised from here (most recent call first):")
    except RuntimeError as error:
        said = worker.described(error)
    assert said.startswith("RuntimeError: the size of tensor a must match (test_worker.py:")


@pytest.mark.parametrize("numba", ["0", "1"])
def test_a_worker_does_not_wait_for_torch_s_compiler(numba):
    """Some two seconds of every worker's start, which `torch.optim` and a gradient that is given import; and what the
    engine imports before it has data is all that a worker does."""
    script = (
        "import sys\n"
        "import fc_width.engine\n"
        "assert not {'joblib', 'sklearn', 'scipy', 'pandas'} & sys.modules.keys(), sorted(sys.modules)\n"
        "import dataclasses\n"
        "from fc_width.data import load\n"
        "from fc_width.recipes import RECIPES\n"
        "from fc_width.train import run\n"
        "recipe = dataclasses.replace(RECIPES['digits'].recipe, epochs=2, softmax_epochs=1, loss='w-softmax:1')\n"
        "assert run(recipe, load('digits'))['status'] == 'done'\n"
        "print(*sorted({'torch._dynamo', 'sympy'} & sys.modules.keys()))\n"
    )
    environment = os.environ | {"NUMBA_DISABLE_JIT": numba}
    ended = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert ended.stdout == "\n", ended.stdout + ended.stderr
