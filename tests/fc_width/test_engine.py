"""One worker with several runs in turns: the same records, and what it does when there is no room."""

import contextlib
import dataclasses
import itertools
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from fc_width import engine, worker
from fc_width.backbone import Backbone
from fc_width.engine import _places, _Worker
from fc_width.recipes import Recipe
from fc_width.step import CaptureError, Step
from fc_width.store import Store
from fc_width.train import run

QUICK = Recipe(epochs=2, softmax_epochs=1, lr=0.05)
RUNS = [dataclasses.replace(QUICK, width=width, loss=loss) for width in (2, 3) for loss in ("softmax", "w-softmax:1")]


def same(record):
    return {key: value for key, value in record.items() if key not in ("seconds", "provenance")}


@pytest.mark.parametrize("packed", [1, 3, 9])
def test_a_run_does_not_see_its_company(packed, store, few_digits):
    _Worker(RUNS, few_digits, store, "cpu", packed).work()
    for recipe in RUNS:
        assert same(store.read(recipe.run_id)) == same(run(recipe, few_digits))
    assert not store.claims()


def ended(code, pid=7):
    return SimpleNamespace(exitcode=code, pid=pid)


@pytest.mark.parametrize(
    ("code", "lost", "expected"),
    [
        (-9, 0, {"idle": 3}),  # once more before it began a run
        (-9, 1, {}),
        (-9, 5, {"packed": 2}),
        (engine.GPU_LOST, 0, {}),
        (engine.CAPTURE_FAILED, 1, {"eager": True}),
        (engine.CAPTURE_FAILED, 4, {"eager": True}),
    ],
)
def test_where_the_next_worker_goes_on(code, lost, expected):
    place = engine._Place("cpu", 8, idle=2)
    assert engine._next_place(place, ended(code), lost) == dataclasses.replace(place, **{"idle": 0} | expected)


def test_the_third_death_of_a_run_that_came_no_further_is_its_last(store):
    deaths, recipe = Counter(), RUNS[0]
    for _ in range(worker.ATTEMPTS - 1):
        engine._count_death(recipe, ended(-9), store, deaths)
        assert not store.run_ids()
    engine._count_death(recipe, ended(-9), store, deaths)
    record = store.read(recipe.run_id)
    assert (record["status"], record["error"]) == ("failed", "worker ended by SIGKILL, 3 times")


class Scripted:
    """A run in three pieces that fails as told."""

    alive = 0
    most = 0

    def __init__(self, recipe, dataset, device, store):
        self.recipe, self.record, self.fraction, self.resumed = recipe, None, 0.0, None
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
                if self.recipe.width == 11:
                    raise RuntimeError("Triton Error [CUDA]: out of memory") from None
                if self.recipe.width == 10:
                    raise RuntimeError("FIND was unable to find an engine to execute this computation") from None
        if self.recipe.width == 6:
            raise MemoryError("no room")
        if self.recipe.width == 5:
            raise RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED")
        if self.recipe.width == 1:
            raise RuntimeError("Triton Error [CUDA]: an illegal memory access was encountered")
        if self.recipe.width == 4:
            raise CaptureError("no graph of a step: RuntimeError: operation not permitted when stream is capturing")
        if self.recipe.width == 3:
            try:
                raise torch.OutOfMemoryError("CUDA out of memory")
            except torch.OutOfMemoryError as error:
                raise CaptureError("no graph of a step") from error
        self.fraction += 1 / 3
        if self.fraction > 0.9:
            self.record = {
                "run_id": self.recipe.run_id,
                "recipe": dataclasses.asdict(self.recipe),
                "status": "done",
                "final": {"test_accuracy": 0.5},
                "with": Scripted.alive,
            }


@pytest.fixture
def scripted(monkeypatch):
    monkeypatch.setattr(engine, "Running", Scripted)
    Scripted.alive = Scripted.most = 0

    def leave(code):
        raise SystemExit(code)

    monkeypatch.setattr(engine.os, "_exit", leave)


@pytest.mark.parametrize("width", [7, 8, 10, 11])
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


@pytest.mark.parametrize("captured", [False, True])
@pytest.mark.parametrize(("reserved", "waits"), [(10, True), (80, False)])
def test_where_others_have_filled_the_gpu_a_run_waits(
    reserved, waits, captured, scripted, store, few_digits, monkeypatch
):
    """A second sweep on it, say: of its runs none has failed, as alone they are not too large."""
    tight, slept = [True, True], []

    class Squeezed(Scripted):
        def advance(self):
            if tight and tight.pop():
                try:
                    raise torch.OutOfMemoryError("CUDA out of memory")
                except torch.OutOfMemoryError:
                    if captured:
                        raise CaptureError("no graph of a step") from None
                    raise
            super().advance()

    monkeypatch.setattr(engine, "Running", Squeezed)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (5, 100))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: reserved)
    monkeypatch.setattr(engine.time, "sleep", slept.append)
    recipes = [dataclasses.replace(QUICK, width=2, seed=seed) for seed in range(3)]

    def work():
        told = waits and not captured
        with pytest.warns(UserWarning, match="others have filled cuda:0") if told else contextlib.nullcontext():
            _Worker(recipes, few_digits, store, "cuda:0", 1).work()

    for _ in range(2 if captured else 0):  # what cannot be captured ends its worker
        with pytest.raises(SystemExit) as ended:
            work()
        assert ended.value.code == engine.GPU_LOST
        assert not store.claims()
    work()
    assert not tight
    assert slept.count(engine.WAIT_SECONDS) == (2 if waits else 0)
    failed = [recipe.run_id for recipe in recipes if store.read(recipe.run_id)["status"] == "failed"]
    assert len(failed) == (0 if waits else 2)
    assert not store.claims()


CAPTURE, LOST = engine.CAPTURE_FAILED, engine.GPU_LOST


@pytest.mark.parametrize(
    ("width", "graphs", "code", "alone", "recorded"),
    [
        (5, False, 1, LOST, True),
        (1, False, 1, LOST, True),
        (4, False, CAPTURE, CAPTURE, False),
        (4, True, 1, CAPTURE, False),  # of a GPU that has recorded others: several may lack room
        (3, False, 1, LOST, True),
    ],
)
def test_where_the_gpu_is_lost_the_worker_ends_and_blames_a_run_only_if_it_was_alone(
    width, graphs, code, alone, recorded, scripted, store, few_digits, monkeypatch
):
    monkeypatch.setattr(Step, "recorded", graphs)
    good, bad = (dataclasses.replace(QUICK, width=each) for each in (2, width))
    for packed, among in ((3, [good, bad, dataclasses.replace(good, seed=1)]), (1, [bad])):
        expected = code if packed == 3 else alone
        told = pytest.warns(UserWarning, match="as they are.*: CaptureError: no graph.*operation not permitted")
        with told if expected == CAPTURE else contextlib.nullcontext(), pytest.raises(SystemExit) as ended:
            _Worker(among, few_digits, store, "cpu", packed).work()
        assert ended.value.code == expected
        assert (bad.run_id in store.run_ids()) is (recorded and packed == 1)
        for run_id in store.claims():
            store.release(run_id)
    if recorded:
        assert store.read(bad.run_id)["status"] == "failed"


def work_of(dies):
    """A worker that claims as many runs as it may at once, and dies where `dies(place, claimed)` is a status."""

    def work(recipes, dataset, folder, place):
        store = Store(folder)
        while todo := [recipe for recipe in recipes if recipe.run_id not in store.run_ids()]:
            claimed = list(itertools.islice((r for r in todo if store.claim(r.run_id)), place.packed))
            if status := dies(place, claimed):
                os._exit(status)
            for recipe in claimed:
                done = {"run_id": recipe.run_id, "recipe": dataclasses.asdict(recipe), "status": "done"}
                store.write(done | {"final": {"test_accuracy": 0.5}})
                store.release(recipe.run_id)

    return work


@pytest.fixture
def forked(monkeypatch):
    """Workers that know what a test has changed."""
    monkeypatch.setattr(torch.multiprocessing, "get_context", lambda kind: multiprocessing.get_context("fork"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def swept(store, dataset, recipes, packed=8):
    engine.run_all(recipes, dataset, store, torch.device("cuda"), packed, lambda status: None, 0.05)
    return {recipe.width: store.read(recipe.run_id) for recipe in recipes}


FIVE = [dataclasses.replace(QUICK, width=width) for width in (2, 3, 4, 5, 6)]


def test_of_several_runs_in_a_worker_that_dies_the_one_at_fault_is_found(monkeypatch, forked, store, few_digits):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(engine, "_work", work_of(lambda place, claimed: any(r.width == 4 for r in claimed)))
    found = swept(store, few_digits, FIVE)
    assert {width: record["status"] for width, record in found.items()} == {
        **dict.fromkeys((2, 3, 5, 6), "done"),
        4: "failed",
    }
    assert found[4]["error"] == "worker ended with status 1, 3 times"


def test_a_gpu_that_does_not_start_is_done_without(monkeypatch, forked, store, few_digits):
    monkeypatch.setattr(engine, "_work", work_of(lambda place, claimed: False))
    work = engine._work

    def one_is_dead(recipes, dataset, folder, place):
        return os._exit(1) if place.device == "cuda:0" else work(recipes, dataset, folder, place)

    monkeypatch.setattr(engine, "_work", one_is_dead)
    assert {record["status"] for record in swept(store, few_digits, FIVE).values()} == {"done"}
    monkeypatch.setattr(engine, "_work", lambda *arguments: os._exit(1))
    with pytest.raises(RuntimeError, match="workers die before they begin a run: worker ended with status 1"):
        swept(store, few_digits, [dataclasses.replace(QUICK, width=7)])


def test_runs_that_lose_their_gpu_one_after_the_other_are_all_tried(monkeypatch, forked, store, few_digits):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)

    def work(recipes, dataset, folder, place):
        store = Store(folder)
        recipe = next(recipe for recipe in recipes if recipe.run_id not in store.run_ids())
        store.write(worker.failure(recipe, "lost"))
        os._exit(engine.GPU_LOST)

    monkeypatch.setattr(engine, "_work", work)
    assert {record["status"] for record in swept(store, few_digits, FIVE).values()} == {"failed"}


def test_where_no_graph_can_be_recorded_the_next_worker_does_without(monkeypatch, forked, store, few_digits):
    monkeypatch.setattr(engine, "_work", work_of(lambda place, claimed: 0 if place.eager else engine.CAPTURE_FAILED))
    assert {record["status"] for record in swept(store, few_digits, FIVE).values()} == {"done"}


def test_an_exception_in_a_run_is_its_record_and_the_others_go_on(scripted, store, few_digits):
    recipes = [dataclasses.replace(QUICK, width=width) for width in (6, 2)]
    _Worker(recipes, few_digits, store, "cpu", 1).work()
    failed, done = (store.read(recipe.run_id) for recipe in recipes)
    assert failed["status"] == "failed"
    assert failed["error"].startswith("MemoryError: no room (test_engine.py:")
    assert done["status"] == "done"


def test_a_kernel_that_cannot_be_made_is_no_fault_of_the_store(store, few_digits, monkeypatch):
    def no_compiler(backbone, images, trunk):
        raise FileNotFoundError(2, "No such file or directory", "ptxas")

    monkeypatch.setattr(Backbone, "forward", no_compiler)
    _Worker([QUICK], few_digits, store, "cpu", 1).work()
    record = store.read(QUICK.run_id)
    assert record["status"] == "failed"
    assert record["error"].startswith("RuntimeError: a kernel cannot be made: FileNotFoundError: ")
    assert "ptxas" in record["error"]


def test_a_worker_with_room_does_not_look_for_more_at_every_step(scripted, store, few_digits, monkeypatch):
    """Of two runs another sweep has one; the record of that comes when ours is done."""
    ours, theirs = (dataclasses.replace(QUICK, width=2, seed=seed) for seed in range(2))
    looks, others = [], Store(store.folder)
    assert others.claim(theirs.run_id)
    one = _Worker([theirs, ours], few_digits, store, "cpu", 2)
    begin = one._begin

    def look():
        looks.append(len(one.running))
        begin()
        if looks[-2:] == [0, 0]:
            others.write({"run_id": theirs.run_id, "recipe": dataclasses.asdict(theirs), "status": "done"})

    monkeypatch.setattr(one, "_begin", look)
    one.work()
    assert looks[:2] == [0, 1]  # ours, then that there is no other, in three steps once
    assert set(looks[2:]) == {0}
    assert store.run_ids() == {ours.run_id, theirs.run_id}


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


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("precision", ["auto", "float32"])
def test_runs_in_turns_on_a_gpu_learn_what_they_learn_alone(precision, store, few_digits, monkeypatch):
    recipes = [dataclasses.replace(each, epochs=8, softmax_epochs=2, precision=precision) for each in RUNS]
    recipes[-1] = dataclasses.replace(recipes[-1], validation=0.2, flip=0.5, shift=1)
    engine.run_all(recipes, few_digits, store, torch.device("cuda"), 3, lambda status: None)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    for recipe in recipes:
        record = store.read(recipe.run_id)
        assert record["status"] == "done"
        for device in ("cuda",) if precision == "auto" else ("cuda", "cpu"):  # bfloat16 is further from float32
            alone = run(recipe, few_digits, device)
            assert record["train_accuracy"] == pytest.approx(alone["train_accuracy"], abs=0.1)
            assert record["provenance"]["precision"] == alone["provenance"]["precision"]
    assert not store.claims()


def test_no_more_workers_than_runs(monkeypatch, forked, store, few_digits):
    monkeypatch.setattr(engine, "_work", work_of(lambda place, claimed: False))
    engine.run_all(FIVE, few_digits, store, torch.device("cpu"), 10**12, lambda status: None, 0.05)
    assert len(store.run_ids()) == 5


def test_a_worker_starts_with_interrupts_blocked_and_the_parent_goes_on_without(monkeypatch, forked, store, few_digits):
    work = work_of(lambda place, claimed: False)

    def blocked(*arguments):
        if signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ()):
            os._exit(1)
        work(*arguments)

    monkeypatch.setattr(engine, "_work", blocked)
    assert {record["status"] for record in swept(store, few_digits, FIVE).values()} == {"done"}
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_worker_at_work_ignores_interrupts_and_blocks_none():
    code = (
        "import signal; from pathlib import Path; from fc_width import engine\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}); signal.raise_signal(signal.SIGINT)\n"
        "engine._work([], None, Path('.'), engine._Place('cpu', 1))\n"
        "assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())\n"
        "assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


class _Seen(Exception):
    """Enough of a sweep."""


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="Linux tells what memory is shared")
def test_workers_share_one_data_set(store, few_digits):
    """Of 190 MiB of images, all of which a worker looks at for their mean before it trains, none has a copy."""
    if shutil.disk_usage("/dev/shm").free < 300 * 2**20:
        pytest.skip("the images want room in /dev/shm")
    peaks = []
    for repeats, epochs in ((1, 400), (1500, 1)):
        dataset = dataclasses.replace(
            few_digits,
            train_images=few_digits.train_images.repeat(repeats, 16, 1, 1),
            train_labels=few_digits.train_labels.repeat(repeats),
            test_images=few_digits.test_images.repeat(1, 16, 1, 1),
        )
        own = []

        def look(status, own=own):
            if len(status.running) == 2 and min(status.running.values()) > 0:
                for child in multiprocessing.active_children():
                    with contextlib.suppress(OSError):  # it may have ended
                        lines = Path(f"/proc/{child.pid}/smaps_rollup").read_text().splitlines()[1:]
                        own.append(sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024)
            if len(own) > 6:
                raise _Seen

        recipes = [dataclasses.replace(RUNS[0], epochs=epochs, softmax_epochs=0, seed=seed) for seed in range(2)]
        with pytest.raises(_Seen):
            engine.run_all(recipes, dataset, store, torch.device("cpu"), 2, look, poll_seconds=0.1)
        peaks.append(max(own))
    assert dataset.train_images.nbytes > 190 * 2**20
    assert peaks[1] < peaks[0] + 90


def test_no_room_in_shared_memory_is_told_with_its_remedy(store, few_digits, monkeypatch):
    def full(tensor):
        raise RuntimeError("unable to allocate shared memory(shm) for file </torch_1>: No space left on device (28)")

    monkeypatch.setattr(torch.Tensor, "share_memory_", full)
    large = dataclasses.replace(few_digits, train_images=torch.zeros(130, 3, 240, 240, dtype=torch.uint8))
    with pytest.raises(MemoryError, match=r"the 21 MiB of digits .*No space left.*--shm-size"):
        engine.run_all(RUNS, large, store, torch.device("cpu"), 1, lambda status: None)


def test_a_run_finished_between_the_look_and_the_claim_is_not_made_again(scripted, store, few_digits, monkeypatch):
    recipe, claim = dataclasses.replace(RUNS[0], width=2), store.claim
    theirs = {"run_id": recipe.run_id, "recipe": dataclasses.asdict(recipe), "status": "diverged"}
    monkeypatch.setattr(store, "claim", lambda run_id: store.write(theirs) or claim(run_id))
    _Worker([recipe], few_digits, store, "cpu", 1).work()
    assert store.read(recipe.run_id)["status"] == "diverged"
    assert not store.claims()
