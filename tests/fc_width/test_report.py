"""What is said of a folder of records."""

import dataclasses
import errno
import json
import os
import time
from pathlib import Path

import pytest

from fc_width.recipes import Recipe
from fc_width.record import stopped_accuracy
from fc_width.report import duration, status, table
from fc_width.store import _HOST, Store
from fc_width.sweep import main


def test_where_a_sweep_stands(tmp_path, capsys):
    store = Store(tmp_path / "runs")
    store.create()
    recipes = [Recipe(name="digits", seed=seed) for seed in range(10)]
    for age, recipe in enumerate(recipes[:7]):
        store.write(
            {"run_id": recipe.run_id, "recipe": {}, "status": "done", "final": {"test_accuracy": 0.9 + age / 100}}
        )
        then = time.time() - 60 * (10 - age)
        os.utime(store.folder / f"{recipe.run_id}.json", (then, then))
    store.write({"run_id": recipes[7].run_id, "recipe": {}, "status": "failed", "error": "worker ended by SIGKILL"})
    (store.folder / f"{recipes[8].run_id}.json").write_text("{")
    store.claim(recipes[9].run_id)
    store.beat(recipes[9].run_id, 0.375)
    assert main(["--status", str(store.folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{store.folder}: 7 done, 1 failed, 1 corrupt, 1 running"
    assert lines[1].startswith(f"running  38%  {recipes[9].run_id}  process {os.getpid()} on ")
    assert [line.split()[:4] for line in lines[2:7]] == [
        ["done", f"{90 + age}.00", "%", recipe.run_id] for age, recipe in list(enumerate(recipes))[2:7]
    ]
    assert lines[7:] == [f"failed  {recipes[7].run_id}: worker ended by SIGKILL"]
    assert (store.folder / f"{recipes[8].run_id}.json").read_text() == "{"  # a look changes nothing


def test_a_table_is_of_the_accuracy_that_is_asked_for(store):
    """After the last epoch, or in the one that is best on the validation images, here the second and the first."""
    recipes = [Recipe(name="digits", seed=seed, validation=0.1) for seed in (0, 1)]
    for recipe, held_out in zip(recipes, ([0.5, 0.7, 0.6], [0.9, 0.7, 0.8]), strict=True):
        curves = {"validation_accuracy": held_out, "test_accuracy": [0.2, 0.4, 0.8]}
        about = {"run_id": recipe.run_id, "recipe": {}, "status": "done", "final": {"test_accuracy": 0.8}}
        store.write(about | curves)
    assert table(recipes, store).split() == ["M", "softmax", "9", "80.00", "±", "0.00"]
    assert table(recipes, store, stopped_accuracy).split() == ["M", "softmax", "9", "30.00", "±", "14.14"]


def test_a_worker_not_heard_of_for_long_is_silent(tmp_path):
    store = Store(tmp_path)
    for run_id, seconds in (("a_s0_0123456789", 10.0), ("a_s1_0123456789", 590.0)):
        store.claim(run_id)
        then = time.time() - seconds
        os.utime(tmp_path / f"{run_id}.claim", (then, then))
    lines = status(store).splitlines()
    assert lines[0] == f"{tmp_path}: 1 running, 1 silent"
    assert lines[1].startswith("running   0%  a_s0_0123456789  process ")
    assert lines[2].startswith("silent    0%  a_s1_0123456789  process ")
    assert lines[2].endswith("heard of 10 min ago")


def test_a_sweep_elsewhere_says_how_many_runs_it_has_how_fast_it_is_and_how_long_it_takes(tmp_path):
    store = Store(tmp_path)
    store.claim("a_s0_0123456789")
    about = {"recipe": dataclasses.asdict(Recipe())}
    stands = "16 of 18 runs, 2 running, 3,406 images/s, 3 min left"
    notice = tmp_path / ".0.sweep"
    for told, age, said in [
        ("", 5, None),
        (stands, 5, stands),
        (stands, 590, f"silent (if it was killed, remove {notice})"),
    ]:
        notice.write_text(json.dumps({"host": "elsewhere", "pid": 7, "about": about, "stands": told}))
        then = time.time() - age
        os.utime(notice, (then, then))
        lines = [line for line in status(store).splitlines() if line.startswith("sweep")]
        assert len(lines) == bool(told)
        assert all(line.startswith(f"sweep of process 7 on elsewhere: {said}, heard of ") for line in lines)
    store.release("a_s0_0123456789")
    assert "sweep of process 7 on elsewhere" in status(store)  # before it has begun a run


def test_whoever_looks_removes_nothing_that_he_may_not(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.claim("a_s0_0123456789")
    notice = {"host": _HOST, "pid": 2**22, "about": {"recipe": dataclasses.asdict(Recipe())}, "stands": "1 of 2"}
    (tmp_path / ".0.sweep").write_text(json.dumps(notice))

    def refuse(path, missing_ok=False):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "unlink", refuse)
    assert "sweep of" not in status(store)


def test_a_folder_that_is_no_sweep_s_says_so(tmp_path, capsys):
    (tmp_path / "package.json").write_text("{}")
    assert main(["--status", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path}: no sweep has begun a run here\n"


def test_no_folder_is_an_error(tmp_path, capsys):
    assert main(["--status", str(tmp_path / "nothing")]) == 2
    assert capsys.readouterr().err == f"error: no folder {tmp_path / 'nothing'}: --status wants the folder of a sweep\n"
    with pytest.raises(FileNotFoundError, match="no folder"):
        status(Store(tmp_path / "nothing"))


@pytest.mark.parametrize(("seconds", "text"), [(0.1, "1 s"), (89.0, "89 s"), (91.0, "2 min"), (7200.0, "2.0 h")])
def test_durations(seconds, text):
    assert duration(seconds) == text
