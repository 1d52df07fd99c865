"""One worker with several runs in turns: the same records, and what it does when there is no room."""

import dataclasses

import pytest
import torch

from fc_width import engine
from fc_width.engine import _places, _Worker, default_workers
from fc_width.recipes import Recipe
from fc_width.store import Store
from fc_width.train import run

QUICK = Recipe(epochs=2, softmax_epochs=1, lr=0.05)
RUNS = [dataclasses.replace(QUICK, width=width, loss=loss) for width in (2, 3) for loss in ("softmax", "w-softmax:1")]


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "runs")
    made.create()
    return made


def same(record):
    return {key: value for key, value in record.items() if key not in ("seconds", "provenance")}


@pytest.mark.parametrize("packed", [1, 3, 9])
def test_a_run_does_not_see_its_company(packed, store, few_digits):
    _Worker(RUNS, few_digits, store, "cpu", packed).work()
    for recipe in RUNS:
        assert same(store.read(recipe.run_id)) == same(run(recipe, few_digits))
    assert not store.claims()


class Scripted:
    """A run in three pieces that fails as told."""

    alive = 0
    most = 0

    def __init__(self, recipe, dataset, device):
        self.recipe, self.record, self.fraction = recipe, None, 0.0
        Scripted.alive += 1
        Scripted.most = max(Scripted.most, Scripted.alive)

    def __del__(self):
        Scripted.alive -= 1

    def advance(self):
        if self.recipe.width >= 7 and (Scripted.alive > 2 or self.recipe.width == 9):
            try:
                raise torch.OutOfMemoryError("CUDA out of memory: tried to allocate all of it")
            finally:
                if self.recipe.width == 8:  # as where a graph is being captured
                    raise RuntimeError("CUDA error: operation failed due to a previous error during capture")
        if self.recipe.width == 6:
            raise MemoryError("no room")
        self.fraction += 1 / 3
        if self.fraction > 0.9:
            self.record = {
                "run_id": self.recipe.run_id,
                "recipe": dataclasses.asdict(self.recipe),
                "status": "done",
                "with": Scripted.alive,
            }


@pytest.fixture
def scripted(monkeypatch):
    monkeypatch.setattr(engine, "Running", Scripted)
    Scripted.alive = Scripted.most = 0


@pytest.mark.parametrize("width", [7, 8])
def test_where_memory_runs_out_fewer_runs_go_on(width, scripted, store, few_digits):
    """Four at once are too many, two are not; nothing is lost."""
    recipes = [dataclasses.replace(QUICK, width=width, seed=seed) for seed in range(6)]
    worker = _Worker(recipes, few_digits, store, "cpu", 4)
    worker.work()
    assert worker.packed == 2
    assert Scripted.most == 3  # the third was one too many: a fourth was never tried
    records = [store.read(recipe.run_id) for recipe in recipes]
    assert [record["status"] for record in records] == ["done"] * 6
    assert max(record["with"] for record in records) == 2
    assert not store.claims()


def test_a_run_too_large_to_be_alone_has_failed(scripted, store, few_digits):
    recipes = [dataclasses.replace(QUICK, width=width) for width in (9, 2)]
    _Worker(recipes, few_digits, store, "cpu", 2).work()
    large, other = (store.read(recipe.run_id) for recipe in recipes)
    assert large["status"] == "failed"
    assert large["error"].startswith("OutOfMemoryError: CUDA out of memory")
    assert other["status"] == "done"


def test_an_exception_in_a_run_is_its_record_and_the_others_go_on(scripted, store, few_digits):
    recipes = [dataclasses.replace(QUICK, width=width) for width in (6, 2)]
    _Worker(recipes, few_digits, store, "cpu", 1).work()
    failed, done = (store.read(recipe.run_id) for recipe in recipes)
    assert failed["status"] == "failed"
    assert failed["error"].startswith("MemoryError: no room (test_engine.py:")
    assert done["status"] == "done"


def test_a_run_that_cannot_begin_has_failed(store, few_digits):
    recipes = [dataclasses.replace(QUICK, loss="w-softmax-simplex:1", width=3), QUICK]
    _Worker(recipes, few_digits, store, "cpu", 2).work()
    wrong, right = (store.read(recipe.run_id) for recipe in recipes)
    assert wrong["status"] == "failed"
    assert "needs M = C − 1 = 9, got M=3" in wrong["error"]
    assert right["status"] == "done"


def test_places(monkeypatch):
    assert _places(torch.device("cpu"), 3) == ["cpu"] * 3
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert _places(torch.device("cuda"), 8) == ["cuda:0", "cuda:1"]
    assert _places(torch.device("cuda:1"), 8) == ["cuda:1"]
    assert default_workers(torch.device("cuda")) == engine.PACKED
    assert default_workers(torch.device("cpu")) >= 1
