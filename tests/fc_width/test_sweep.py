"""The sweep as a user runs it: its plan, its mistakes, and what it survives."""

import dataclasses
import itertools
import json
import os
import random
import re
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import commands
import numpy as np
import pytest
import torch
from commands import parent_of, quiet, records

from fc_width import company, loss_names, report, sweep
from fc_width.data import canonical_name, num_classes
from fc_width.recipes import RECIPES, Recipe
from fc_width.store import Store
from fc_width.sweep import Options, main, plan
from fc_width.train import run

TINY = ["--widths", "1", "9", "--losses", "softmax", "w-softmax-simplex", "--epochs", "1", "--seeds", "3"]
TINY_RUNS = 9


def command(out, *more):
    return commands.sweep(*TINY, "--out", str(out), *more)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The records of a sweep by one worker that nothing happened to, and what it printed."""
    out = tmp_path_factory.mktemp("undisturbed") / "runs"
    done = subprocess.run(command(out, "--workers", "1"), capture_output=True, text=True, check=True)
    return records(out), done.stdout, out


def test_the_default_plan_is_the_design_s():
    runs = plan(Options(), 10)
    assert {run.loss for run in runs} == {
        "softmax",
        "w-softmax:1",
        "w-softmax-centred:1",
        "w-softmax-simplex:1",
        "w-softmax-simplex:0",
    }
    assert sorted({run.width for run in runs}) == [1, 2, 3, 4, 5, 8, 9, 10, 14, 18, 27, 45, 90, 180, 270]
    assert {run.seed for run in runs} == {0, 1, 2}
    assert len(runs) == 3 * (3 * 15 + 2) == len({run.run_id for run in runs})
    assert {run.width for run in runs if "simplex" in run.loss} == {9}
    assert [run.seed for run in runs] == sorted(run.seed for run in runs)


def test_options_shape_the_plan():
    runs = plan(
        Options(dataset="mnist", widths=(3, 3, 7), losses=("w-softmax:0.50",), seeds=2, features=("bn", "linear")),
        10,
    )
    assert [(r.width, r.loss, r.seed, r.feature) for r in runs[:4]] == [
        (3, "w-softmax:0.5", 0, "bn"),
        (3, "w-softmax:0.5", 0, "linear"),
        (7, "w-softmax:0.5", 0, "bn"),
        (7, "w-softmax:0.5", 0, "linear"),
    ]
    assert len(runs) == 8
    assert {(r.name, r.dataset, r.backbone) for r in runs} == {("mnist-small", "mnist", "mnist-small")}
    halved = plan(Options(epochs=6), 10)[0]
    assert (halved.epochs, halved.softmax_epochs) == (6, 2)
    assert plan(Options(recipe="paper-mnist"), 10)[0].batch_size == 50


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--dataset", "imagenet"],
            "unknown data set 'imagenet': expected one of cifar10, cifar100, digits, fashion-mnist, mnist, one",
        ),
        (["--recipe", "best"], "unknown recipe 'best': expected one of digits, mnist-small"),
        (
            ["--recipe", "digits", "--dataset", "mnist"],
            "recipe 'digits' is for data set 'digits', got 'mnist'",
        ),
        (["--recipe", "paper-mnist", "--dataset", "digits"], "recipe 'paper-mnist' is for data set 'mnist', got "),
        (["--recipe", "own-small"], "recipe 'own-small' is for pictures of your own: give --dataset"),
        (["--dataset", "mnist:03"], "data set 'mnist:03': expected mnist:K with K in 2…10"),
        (["--dataset", "mnist:²"], "data set 'mnist:²': expected mnist:K"),
        (["--set", "batch_size=1"], "batch_size must be at least 2, got 1"),
        (["--set", "precision=half"], "unknown precision 'half': expected one of auto, bfloat16, float32"),
        (["--losses", "w-softmax:-0.5"], "alpha must be finite and at least 0, got alpha=-0.5"),
        (["--losses", "w-softmax:nan"], "alpha must be finite and at least 0, got alpha=nan"),
        (["--losses", "w-softmax:1e20"], "alpha must be at most 1,000,000, got alpha=1e+20"),
        (["--recipe", ""], "--recipe must not be empty, got ''"),
        (["--out", ""], "--out must not be empty, got ''"),
        (["--widths", "--seeds", "1"], "widths must be one at least, got none"),
        (["--dry-run", "--features"], "features must be one at least, got none"),
        (["--seeds", "10000000"], "a sweep has at most 1,000,000 runs, got 10,000,000 seeds of 47"),
        (["--losses", "softmax", "--seeds", "1", "--widths", "9" * 27], "Overflow when unpacking long"),
        (["--losses", "magic"], "unknown loss 'magic': expected one of softmax, "),
        (["--widths", "0"], "M must be at least 1, got M=0"),
        (["--features", "gelu"], "unknown feature 'gelu': expected one of "),
        (["--seeds", "0"], "seeds must be at least 1, got 0"),
        (["--dataset", "mnist:11"], "data set 'mnist:11': expected mnist:K with K in 2…10"),
        (["--set", "speed=3"], "set 'speed=3': expected FIELD=VALUE with FIELD one of backbone, batch_size"),
        (["--set", "width=3"], "set 'width=3': expected FIELD=VALUE"),
        (["--set", "lr=fast"], "set 'lr=fast': lr must be float, got 'fast'"),
        (["--set", "lr=-1"], "lr must be finite and above 0, got -1.0"),
        (["--epochs", "0"], "epochs must be at least 1, got 0"),
        (["--epochs", "9" * 400], "too large"),
        (["--workers", "0"], "workers must be at least 1, got 0"),
        (
            ["--dataset", "mnist", "--data-dir", "/nowhere"],
            "/nowhere/mnist/train-images-idx3-ubyte.gz: no such file",
        ),
        (["--out", "/dev/null/runs"], "/dev/null"),
        (["--status", "None"], "--status must have a value, got None"),
        (["--show-recipe", "--widths", "3"], "--widths is not read with --show-recipe: leave it out"),
        (["--show-recipe"], "--device is not read with --show-recipe: leave it out"),
        (["--status", "x", "--recipe", "digits"], "--recipe is not read with --status: leave it out"),
        (["--set", "epochs=2"], "set 'epochs=2': the recipe's softmax phase is 5 epochs long: set softmax_epochs too"),
        (["--widths", "9" * 12, "--losses", "softmax"], "no memory for a network of M=999999999999 units"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([*arguments, "--device", "cpu"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_a_failed_run_that_another_sweep_makes_meanwhile_is_kept(tmp_path, monkeypatch):
    options = ["--widths", "2", "--losses", "softmax", "--seeds", "1", "--epochs", "1", "--device", "cpu"]
    out = tmp_path / "runs"
    assert main([*options, "--out", str(out)]) == 0
    store = Store(out)
    (made,) = store.records()
    kept = {key: made[key] for key in ("run_id", "recipe")}
    store.write(kept | {"status": "failed", "error": "no memory"})
    load = sweep.load

    def another_sweep_is_faster(*arguments):
        store.write(made)
        return load(*arguments)

    monkeypatch.setattr(sweep, "load", another_sweep_is_faster)
    assert main([*options, "--out", str(out)]) == 0
    assert list(store.records()) == [made]


def test_cuda_where_there_is_none(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(sweep.torch.cuda, "is_available", lambda: False)
    assert main(["--device", "cuda", "--out", str(tmp_path)]) == 2
    assert "torch finds no CUDA device here" in capsys.readouterr().err


def test_a_loss_without_its_library_is_refused_but_its_records_are_not(undisturbed, capsys, monkeypatch, tmp_path):
    _, _, out = undisturbed
    for path in out.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    record = next(iter(Store(out).records()))
    recipe = dataclasses.replace(Recipe(**record["recipe"]), loss="a-softmax")
    Store(tmp_path).write(record | {"run_id": recipe.run_id, "recipe": dataclasses.asdict(recipe)})
    monkeypatch.setattr(loss_names.importlib.util, "find_spec", lambda name: None)
    assert main(command(tmp_path, "--dry-run")[3:]) == 0
    assert "9 done, 0 to do" in capsys.readouterr().out
    assert main(command(tmp_path, "--dry-run", "--losses", "a-softmax")[3:]) == 2
    assert "loss 'a-softmax' needs pytorch-metric-learning: pip install" in capsys.readouterr().err


def test_folders_of_pictures_may_have_any_name(tmp_path):
    for name in ("my:photos", "my:5"):
        (tmp_path / name).mkdir()
        assert canonical_name(str(tmp_path / name)) == f"own-{name.replace(':', '-')}"
        assert num_classes(str(tmp_path / name)) is None


def test_the_time_expected_is_by_rounds_epochs_and_classes(tmp_path):
    store, runs = Store(tmp_path), plan(Options(recipe="mnist-small"), 10)
    assert sweep.expected_seconds(runs, store) == RECIPES["mnist-small"].seconds
    fifth = plan(Options(recipe="mnist-small", dataset="mnist:2", epochs=2), 2)
    assert sweep.expected_seconds(fifth, store) == pytest.approx(RECIPES["mnist-small"].seconds / 10)
    (tmp_path / f"{runs[0].run_id}.json").write_bytes(b"{")
    record = {"run_id": runs[1].run_id, "recipe": {}, "status": "diverged", "seconds": 7.0}
    store.write(record)
    assert sweep.expected_seconds(runs, store) == 7.0
    for other, seconds in zip(runs[2:4], (9.0, 30.0), strict=True):
        store.write(record | {"run_id": other.run_id, "seconds": seconds})
    assert sweep.expected_seconds(runs, store) == 9.0


def test_one_run_takes_as_long_with_two_workers(tmp_path, capsys):
    one = ["--widths", "9", "--losses", "softmax", "--seeds", "1", "--dry-run", "--workers", "2"]
    assert main([*one, "--recipe", "paper-cifar100", "--device", "cpu", "--out", str(tmp_path / "runs")]) == 0
    hours = RECIPES["paper-cifar100"].seconds / 3600
    assert f"1 to do, about {hours:.1f} h with 2 at once" in capsys.readouterr().out


def test_what_fits_no_run_is_said_once(tmp_path, capsys):
    rng = np.random.default_rng(0)
    arrays = {f"{split}_images": rng.integers(0, 255, (20, 2, 2), np.uint8) for split in ("train", "test")}
    labels = {f"{split}_labels": np.arange(20) % 2 for split in ("train", "test")}
    np.savez(tmp_path / "tiny.npz", **arrays, **labels)
    assert main(["--dataset", str(tmp_path / "tiny.npz"), "--device", "cpu", "--out", str(tmp_path / "runs")]) == 2
    error = capsys.readouterr().err
    assert "images of 2×2 are too small for the pools and strides of this backbone" in error
    assert error.count("\n") == 1
    assert not Store(tmp_path / "runs").run_ids()


def test_records_of_another_precision_are_refused(undisturbed):
    _, _, out = undisturbed
    about = company.of_record(next(Store(out).records()))
    for here in (None, "float32"):
        assert not company.check_folder(Store(out), about | {"computed_in": here})
    message = r"holds records of another precision \(computed_in 'float32', not 'bfloat16 autocast'\), \w.* for one: "
    with pytest.raises(ValueError, match=message):
        company.check_folder(Store(out), about | {"computed_in": "bfloat16 autocast"})


def test_a_sweep_in_float32_on_a_gpu_goes_on(tmp_path, monkeypatch):
    """What it computes in is that of its workers' records, whose convolutions are no TF32; torch's are."""
    options = ["--widths", "1", "--losses", "softmax", "--epochs", "1", "--set", "precision=float32"]
    options += ["--out", str(tmp_path / "runs")]
    assert main([*options, "--seeds", "1", "--device", "cpu"]) == 0
    for name, value in (("allow_tf32", True), ("benchmark", False)):
        monkeypatch.setattr(torch.backends.cudnn, name, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    told, ran = [], []
    monkeypatch.setattr(company, "check_others", lambda store, about: told.append(about["computed_in"]))
    monkeypatch.setattr(sweep, "run_all", lambda recipes, *others: ran.append(len(recipes)))
    assert main([*options, "--seeds", "2", "--device", "cuda"]) == 1  # as one run has no record
    assert (told, ran) == (["float32"], [2])


def test_a_precision_that_the_cpu_has_no_units_for_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("fc_width.step.multiplies_bfloat16", lambda: False)
    monkeypatch.setattr(sweep, "run_all", lambda recipes, *others: None)
    options = ["--widths", "1", "--losses", "softmax", "--seeds", "1", "--device", "cpu"]
    for precision, told in (("auto", 0), ("bfloat16", 1)):
        out = str(tmp_path / precision)
        assert main([*options, "--out", out, "--set", f"precision={precision}"]) == 1  # as nothing ran
        said = "note: precision bfloat16: this cpu has no units for it, float32 is taken\n"
        assert capsys.readouterr().err.count(said) == told


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for field in dataclasses.fields(Options):
        assert f"--{field.name.replace('_', '-')}" in text
    for name in RECIPES:
        assert name in text


def test_fields_are_set_from_the_command_line_and_shown(capsys):
    assert main(["--recipe", "paper-mnist", "--set", "lr=0.02", "batch_size=64", "--show-recipe"]) == 0
    said = capsys.readouterr().out
    for line in ("lr = 0.02", "batch_size = 64", "weight_decay = 0.0005", "lr_decay_steps = 6000.0", "epochs = 20"):
        assert f"\n{line}\n" in said
    assert "Stage(channels=64, convs=3, stride=1, pool=True)" in said
    assert "a run: about" in said
    assert "820 TFLOP a run: on one GPU of 790 TFLOP/s at least 1.0 s; 20 epochs took 72 s, fourteen runs" in said


def test_the_first_classes_of_a_data_set(tmp_path, capsys):
    out = tmp_path / "runs"
    options = ["--dataset", "digits:3", "--seeds", "1", "--epochs", "1", "--device", "cpu", "--out", str(out)]
    assert main([*options, "--dry-run"]) == 0
    runs = plan(Options(dataset="digits:3", seeds=1), 3)
    assert f"{len(runs)} runs of digits in" in capsys.readouterr().out
    assert sorted({run.width for run in runs}) == [1, 2, 3, 4, 6, 10, 20, 40, 60]
    assert {run.dataset for run in runs} == {"digits:3"}


def test_other_data_of_the_same_name_is_refused(undisturbed, few_digits):
    _, _, out = undisturbed
    about = company.of_record(next(Store(out).records())) | {"data_sha256": few_digits.checksum}
    wanted = rf"holds records of other data \(data_sha256 '\w+', not '{few_digits.checksum}'\), \S+ for one: choose"
    with pytest.raises(ValueError, match=wanted):
        company.check_folder(Store(out), about)


def test_a_dry_run_says_how_much_and_writes_nothing(tmp_path, capsys):
    out = tmp_path / "runs"
    assert main([*TINY, "--workers", "2", "--device", "cpu", "--out", str(out), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"9 runs of digits in .*: 0 done, 9 to do, about \d+ s with 2 at once on cpu", said)
    assert not out.exists()


def test_a_sweep_ends_with_its_table_and_the_command_that_draws_it(undisturbed):
    found, said, out = undisturbed
    assert len(found) == TINY_RUNS
    assert all(record["status"] == "done" for record in found.values())
    lines = said.splitlines()
    header = next(line for line in lines if line.split()[:1] == ["M"])
    assert header.split() == ["M", "softmax", "w-softmax-simplex:1"]
    values = [100 * r["final"]["test_accuracy"] for r in found.values() if r["recipe"]["width"] == 1]
    row = next(line for line in lines if line.split()[:1] == ["1"])
    assert row.split()[:4] == ["1", f"{sum(values) / 3:.2f}", "±", f"{statistics.stdev(values):.2f}"]
    assert f"python -m analysis --runs {out}" in said
    assert not [name for name in os.listdir(out) if not name.endswith(".json")]


def test_with_validation_images_a_second_table_is_of_runs_stopped_in_time(tmp_path, capsys):
    out = tmp_path / "runs"
    options = ["--widths", "9", "--losses", "softmax", "--seeds", "2", "--epochs", "6", "--set", "validation=0.2"]
    assert main([*options, "--device", "cpu", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    found = list(Store(out).records())
    stopped = [r["test_accuracy"][max(range(6), key=r["validation_accuracy"].__getitem__)] for r in found]
    last = [r["test_accuracy"][-1] for r in found]
    rows = [line.split() for line in said.splitlines() if line.split()[:1] == ["9"]]
    assert [float(row[1]) for row in rows] == [round(50 * sum(values), 2) for values in (last, stopped)]
    assert "in the epoch that is best on the validation images" in said


def test_too_few_images_to_hold_out_are_said_once(tmp_path, capsys):
    assert main(["--set", "validation=0.001", "--device", "cpu", "--out", str(tmp_path / "runs")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: validation=0.001 of 1,347 training images: ")
    assert error.count("\n") == 1


def test_a_finished_sweep_is_not_run_again(undisturbed, capsys):
    _, _, out = undisturbed
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    assert main([*TINY, "--device", "cpu", "--out", str(out)]) == 0
    assert "9 done, 0 to do" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == before


def test_records_of_another_recipe_are_refused(undisturbed, capsys):
    _, _, out = undisturbed
    before = sorted(os.listdir(out))
    assert main(["--epochs", "2", "--device", "cpu", "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert "holds records of another recipe (epochs 1, not 2" in error
    assert error.count("\n") == 1
    assert sorted(os.listdir(out)) == before


def begun_elsewhere(folder, options, classes, **changes):
    """The notice of a sweep on another machine that has no record yet, about the same as one with these options but for
    `changes`."""
    run = plan(sweep.Options(device="cpu", **options), classes)[0]
    about = {"recipe": dataclasses.asdict(run), "data_sha256": None, "computed_in": None} | changes
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".0.sweep"
    path.write_text(json.dumps({"host": "elsewhere", "pid": 1, "about": about}))
    return path


@pytest.mark.parametrize(
    ("options", "changes", "told"),
    [
        ({"set": ("lr=0.5",)}, {}, "(lr 0.5, not 0.05)"),
        ({}, {"data_sha256": "0123"}, "(data_sha256 '0123', not '"),
        ({}, {"computed_in": "bfloat16 autocast"}, "(computed_in 'bfloat16 autocast', not 'float32')"),
    ],
)
def test_sweeps_that_do_not_belong_together_find_out_before_a_record_is_there(options, changes, told, tmp_path, capsys):
    path = begun_elsewhere(tmp_path, {"dataset": "digits", "epochs": 1, **options}, 10, **changes)
    assert main([*TINY, "--device", "cpu", "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "another sweep is at work there" in error
    assert told in error
    assert f"remove {path}" in error
    assert os.listdir(tmp_path) == [path.name]


def test_sweeps_that_belong_together_do_not_mind_each_other(tmp_path, capsys):
    few = ["--widths", "2", "--losses", "softmax", "--seeds", "1", "--epochs", "1"]
    path = begun_elsewhere(tmp_path, {"dataset": "digits", "epochs": 1, "losses": ("w-softmax:1",)}, 10)
    assert main([*few, "--device", "cpu", "--out", str(tmp_path)]) == 0
    assert len(Store(tmp_path).run_ids()) == 1
    assert len(os.listdir(tmp_path)) == 2
    assert path.exists()


def test_of_two_that_start_together_one_at_least_sees_the_other(tmp_path, monkeypatch, capsys):
    """The other posts its notice at the worst moment: after this one has looked at the records, before its own."""
    create = Store.create

    def other_first(store):
        create(store)
        begun_elsewhere(tmp_path, {"dataset": "digits", "epochs": 1, "set": ("lr=0.5",)}, 10)

    monkeypatch.setattr(Store, "create", other_first)
    assert main([*TINY, "--device", "cpu", "--out", str(tmp_path)]) == 2
    assert "lr 0.5, not 0.05" in capsys.readouterr().err


def test_a_sweep_that_began_and_ended_meanwhile_is_seen_by_its_records(undisturbed, tmp_path, monkeypatch, capsys):
    _, _, out = undisturbed
    create = Store.create

    def other_first(store):
        create(store)
        shutil.copy(next(out.glob("*.json")), tmp_path)

    monkeypatch.setattr(Store, "create", other_first)
    assert main([*TINY, "--set", "lr=0.5", "--device", "cpu", "--out", str(tmp_path)]) == 2
    assert "holds records of another recipe (lr 0.05, not 0.5)" in capsys.readouterr().err
    assert len(os.listdir(tmp_path)) == 1


def test_killed_thirty_times_it_finds_every_record_once(tmp_path, digits):
    """SIGKILL of everything, of the parent alone or of a worker, at random moments from a sweep's first instruction on,
    ten of the thirty when it has ended a run and is at others; and in the end the records of a sweep that nothing
    happened to. With two workers and with one in turn."""
    more = [*commands.as_own_data(digits, tmp_path / "digits.npz"), "--seeds", "30"]
    subprocess.run(command(tmp_path / "undisturbed", *more, "--workers", "2"), check=True, timeout=300, **quiet())
    out = tmp_path / "runs"
    rng = random.Random(0)
    seen, cut_short = [], 0
    for kill in range(30):
        process = subprocess.Popen(
            command(out, *more, "--workers", str(2 - kill % 2)), start_new_session=True, **quiet()
        )

        def at_work(process=process):
            return [pid for pid in owners(out) if parent_of(pid) == process.pid]

        if kill % 3 == 0:
            wait_for(lambda: Store(out).run_ids() - set().union(*seen) and at_work(), process)
        time.sleep(rng.uniform(0, 0.3 if kill % 3 == 0 else 4))
        cut_short += bool(at_work())
        whom = rng.choices(("all", "worker", "parent"), weights=(2, 2, 1))[0]  # without a parent workers go on a while
        if whom == "worker":
            for pid in at_work()[:1]:
                os.kill(pid, signal.SIGKILL)
            time.sleep(rng.uniform(0, 1))
        if whom == "parent":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        seen.append(set(Store(out).run_ids()))
    assert all(before <= after for before, after in itertools.pairwise(seen))
    assert cut_short >= 8  # between two runs a worker has none
    assert 10 <= len(seen[-1]) < 90
    subprocess.run(command(out, *more, "--workers", "2"), check=True, timeout=300, **quiet())
    assert records(out) == records(tmp_path / "undisturbed")
    assert len(records(out)) == 90
    assert not list(out.glob("*.claim"))


DISK = """
mount -t tmpfs -o size=400k tmpfs "$DISK"
(until ls "$DISK"/runs/*.json; do sleep 0.05; done; head -c 1M /dev/zero > "$DISK"/filler) > /dev/null 2>&1 &
"$@"; full=$?
cp -r "$DISK"/runs "$OUTSIDE"/full
"$@" 2> "$OUTSIDE"/again; echo $? >> "$OUTSIDE"/again
rm "$DISK"/filler
mount -o remount,ro "$DISK"
"$@" 2> "$OUTSIDE"/readonly; echo $? >> "$OUTSIDE"/readonly
mount -o remount,rw "$DISK"
"$@" > /dev/null 2>&1; echo $? > "$OUTSIDE"/room
cp -r "$DISK"/runs "$OUTSIDE"/done
exit $full
"""


@pytest.mark.skipif(
    subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True).returncode != 0
    if shutil.which("unshare")
    else True,
    reason="needs a mount of its own (unshare -rm)",
)
def test_a_full_disk_and_a_read_only_one_say_so_and_lose_nothing(undisturbed, tmp_path):
    disk, outside = tmp_path / "disk", tmp_path / "outside"
    disk.mkdir()
    outside.mkdir()
    script = ["unshare", "-rm", "sh", "-c", DISK, "sh", *command(disk / "runs", "--workers", "2")]
    places = {"DISK": str(disk), "OUTSIDE": str(outside)}
    ended = subprocess.run(script, env=os.environ | places, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("error: [Errno 28] No space left on device: ")
    assert "Traceback" not in ended.stderr
    whole = records(outside / "full")
    assert 1 <= len(whole) < TINY_RUNS
    assert all(undisturbed[0][run_id] == record for run_id, record in whole.items())
    for name, reason in (("again", "[Errno 28] No space left on device"), ("readonly", "[Errno 30] Read-only")):
        error, status = (outside / name).read_text().splitlines()
        assert error.startswith(f"error: {reason}")
        assert status == "2"
    assert (outside / "room").read_text() == "0\n"
    assert records(outside / "done") == undisturbed[0]


def test_two_sweeps_at_once_share_the_work(undisturbed, tmp_path):
    out = tmp_path / "runs"
    both = [subprocess.Popen(command(out, "--workers", "1"), **quiet()) for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert records(out) == undisturbed[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_it_soon_and_cleanly(number, tmp_path):
    out = tmp_path / "runs"
    slow = command(out, "--epochs", "400")
    process = subprocess.Popen(slow, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: list(out.glob("*.claim")), process)
    process.send_signal(number)
    started = time.monotonic()
    _, error = process.communicate(timeout=30)
    assert time.monotonic() - started < 5
    assert process.returncode == 130
    assert f"it goes on with  python -m fc_width.sweep {shlex.join(slow[3:])}\n" in error
    assert "Traceback" not in error
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_data_is_read_is_one_line_too(number, tmp_path):
    fifo = tmp_path / "own.npz"
    os.mkfifo(fifo)  # a file that takes forever to read
    options = ["--dataset", str(fifo), "--device", "cpu", "--out", str(tmp_path / "runs")]
    process = subprocess.Popen(
        [sys.executable, "-c", f"from fc_width import data, sweep; import time, sys\n{SLOW}\nsweep.main({options!r})"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "reading\n"
    process.send_signal(number)
    _, error = process.communicate(timeout=30)
    assert error.strip() == f"interrupted; it goes on with  python -m fc_width.sweep {shlex.join(options)}"


SLOW = """
def slow(path):
    print("reading", flush=True)
    time.sleep(60)
data._load_own = slow
"""


def test_a_record_with_a_recipe_that_is_none_is_made_again(undisturbed, tmp_path, capsys):
    found, _, out = undisturbed
    for path in out.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    run_id = next(iter(found))
    record = Store(out).read(run_id)
    Store(tmp_path).write(record | {"recipe": record["recipe"] | {"width": "9"}})
    assert main(command(tmp_path, "--dry-run")[3:]) == 0
    said = capsys.readouterr().out
    assert f"{run_id}.json: corrupt record, to be set aside and run again" in said
    assert "8 done, 1 to do" in said
    assert main(command(tmp_path)[3:]) == 0
    assert records(tmp_path) == found
    assert len(list(tmp_path.glob(f"{run_id}.json.corrupt-*"))) == 1


def test_a_worker_that_dies_is_replaced_and_after_three_deaths_the_run_has_failed(tmp_path):
    out = tmp_path / "runs"
    options = command(out, "--widths", "3", "--losses", "softmax", "--seeds", "1", "--epochs", "400")
    process = subprocess.Popen(options, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    killed = set()
    for _ in range(3):
        pid = wait_for(lambda: next(iter(owners(out) - killed), None), process)
        os.kill(pid, signal.SIGKILL)
        killed.add(pid)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    (record,) = Store(out).records()
    assert record["status"] == "failed"
    assert record["error"] == "worker ended by SIGKILL, 3 times"
    assert "failed: digits_softmax_M3" in error


def test_a_corrupt_record_is_set_aside_and_run_again(undisturbed, tmp_path):
    found, _, out = undisturbed
    copy = tmp_path / "runs"
    copy.mkdir()
    for path in out.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    broken = copy / f"{next(iter(found))}.json"
    broken.write_bytes(broken.read_bytes()[:100])
    done = subprocess.run(command(copy), capture_output=True, text=True, check=True)
    assert "corrupt record, set aside and run again" in done.stdout
    assert broken.name in done.stdout
    assert records(copy) == found
    assert len(list(copy.glob("*.corrupt-*"))) == 1


def owners(out):
    found = set()
    for path in out.glob("*.claim"):
        try:
            found.add(json.loads(path.read_bytes())["pid"])
        except (OSError, ValueError):
            continue
    return found


def wait_for(condition, process, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert process.poll() is None, "the sweep ended too soon"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def own(path, seed=0):
    """An .npz file of two classes of noise."""
    made = np.random.default_rng(seed)
    parts = {f"{part}_images": made.integers(256, size=(8, 16, 16), dtype=np.uint8) for part in ("train", "test")}
    labels = {f"{part}_labels": np.arange(8) % 2 for part in ("train", "test")}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **parts, **labels)
    return ["--dataset", str(path), "--widths", "1", "--losses", "softmax", "--seeds", "1", "--epochs", "1"]


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_a_sweep_with_nothing_left_to_do_refuses_other_data_of_the_same_name(more, tmp_path, capsys):
    out = ["--workers", "1", "--device", "cpu", "--out", str(tmp_path / "runs")]
    assert main([*own(tmp_path / "a" / "mine.npz"), *out]) == 0
    assert "own-mine: 2 classes, 8 training and 8 test images of 1×16×16" in capsys.readouterr().out
    assert main([*own(tmp_path / "b" / "mine.npz", seed=1), *out, *more]) == 2
    assert "holds records of other data (data_sha256 '" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "lr=0.1", "--set", "momentum=0.5"], "--set is given twice: put all its values after one --set"),
        (["--set", "lr=0.1", "lr=0.2"], "set 'lr=0.2': lr is given twice"),
        (["--epochs", "1", "--set", "epochs=3"], "epochs is given twice: --epochs 1 and --set epochs=3"),
    ],
)
def test_nothing_is_given_twice(options, message, capsys):
    assert main([*options, "--show-recipe"]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_text("{")])
def test_a_record_that_is_lost_while_a_sweep_runs_is_told_and_made_by_the_next(damage, tmp_path, capsys, monkeypatch):
    options = ["--losses", "softmax", "--widths", "1", "2", "--seeds", "1", "--epochs", "1", "--workers", "1"]
    options += ["--device", "cpu", "--out", str(tmp_path / "runs")]

    def then_lose_one(*arguments):
        run_all(*arguments)
        damage(min((tmp_path / "runs").glob("*.json")))

    run_all = sweep.run_all
    with monkeypatch.context() as patch:
        patch.setattr(sweep, "run_all", then_lose_one)
        assert main(options) == 1
    said = capsys.readouterr()
    assert "1 gone" in said.out
    assert re.fullmatch(
        r"gone: digits_softmax_M1_.*: its record .*: the same command makes it", said.err.splitlines()[-1]
    )
    assert main(options) == 0
    assert len(list((tmp_path / "runs").glob("*.json"))) == 2


def test_a_dry_run_refuses_pictures_that_no_run_takes(tmp_path, capsys):
    rng = np.random.default_rng(0)
    arrays = {f"{split}_images": rng.integers(0, 256, (8, 1, 1)).astype(np.uint8) for split in ("train", "test")}
    labels = {f"{split}_labels": np.arange(8) % 2 for split in ("train", "test")}
    np.savez(tmp_path / "tiny.npz", **arrays, **labels)
    assert main(["--dataset", str(tmp_path / "tiny.npz"), "--dry-run", "--device", "cpu"]) == 2
    assert "images of 1×1 are too small" in capsys.readouterr().err


def test_what_is_refused_leaves_no_folder(tmp_path, capsys):
    out = tmp_path / "runs"
    assert main(["--dataset", "mnist", "--data-dir", str(tmp_path / "none"), "--out", str(out), "--device", "cpu"]) == 2
    assert not out.exists()


def test_a_path_that_a_shell_would_split_is_quoted(tmp_path, capsys):
    out = tmp_path / "my runs"
    assert main([*own(tmp_path / "mine.npz"), "--workers", "1", "--device", "cpu", "--out", str(out)]) == 0
    assert f"python -m analysis --runs '{out}' --out '{out / 'figures'}'" in capsys.readouterr().out


def test_a_batch_larger_than_the_data_is_all_of_it(few_digits):
    recipe = Recipe(epochs=1, softmax_epochs=0, batch_size=130)
    records = [run(dataclasses.replace(recipe, batch_size=size), few_digits) for size in (130, 10**12)]
    assert records[0]["train_accuracy"] == records[1]["train_accuracy"]
    assert records[0]["final"] == records[1]["final"]


def test_an_interrupt_gives_the_caller_its_handler_back(monkeypatch, capsys):
    seen = []

    def interrupted(options):
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(sweep, "_sweep", interrupted)
    monkeypatch.setattr("builtins.print", lambda *words, **more: seen.append(signal.getsignal(signal.SIGINT)))
    assert main([]) == 130
    assert seen == [signal.SIG_IGN]
    assert signal.getsignal(signal.SIGINT) == before


def test_no_memory_is_one_line(monkeypatch, capsys):
    def full(options):
        raise MemoryError

    monkeypatch.setattr(sweep, "_sweep", full)
    assert main([]) == 2
    assert capsys.readouterr().err == "error: MemoryError\n"


def test_the_time_expected_counts_every_gpu(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    options = ["--recipe", "mnist-small", "--widths", "9", "--losses", "softmax", "--seeds", "16", "--workers", "2"]
    assert main([*options, "--dry-run", "--device", "cuda", "--out", str(tmp_path / "runs")]) == 0
    left = report.duration(2 * RECIPES["mnist-small"].seconds)
    assert f"16 to do, about {left} with 8 at once on cuda" in capsys.readouterr().out
