"""Records without results: what a table holds of them, and what is said where nothing can be drawn."""

import dataclasses
import gzip
import math

import pytest

from analysis import __main__ as analysis_main
from analysis import advise, ledger, records
from analysis.__main__ import main
from fc_width.recipes import Recipe
from fc_width.store import Store


@pytest.fixture
def lost(tmp_path):
    """The function that makes a folder of runs that all ended so."""

    def make(*endings):
        store = Store(tmp_path / "runs of mine")
        store.create()
        for seed, status in enumerate(endings):
            recipe = Recipe(name="digits", width=9 * (1 + seed % 2), seed=seed)
            told = {"error": f"no space left\non device {seed}"} if status == "failed" else {}
            store.write({"run_id": recipe.run_id, "recipe": dataclasses.asdict(recipe), "status": status} | told)
        return store.folder

    return make


def test_what_no_run_has_measured_is_nan(lost, record):
    folder = lost("failed", "diverged")
    frame = records.load(folder)
    assert frame[list(records.MEASURED)].isna().all(axis=None)
    assert frame.set_index("status")["error"].isna().to_dict() == {"failed": False, "diverged": True}
    recipe = Recipe(name="digits", width=9, seed=5)
    Store(folder).write(record(recipe, 0.5))
    row = records.load(folder).set_index("seed").loc[5]
    assert row["test_accuracy"] == row["train_accuracy"] == 0.5


def test_later_epochs_are_those_after_the_softmax_phase(tmp_path, record):
    recipe = Recipe(name="digits", width=9, epochs=4, softmax_epochs=1)
    store = Store(tmp_path)
    kept = {"train_accuracy": [0.1, 0.5, 0.6, 1.0], "test_accuracy": [0.2, 0.3, 0.6, 0.3]}
    store.write(record(recipe, 0.3) | kept)
    cold = dataclasses.replace(recipe, softmax_epochs=0, seed=1)
    store.write(record(cold, 0.3) | kept)
    found = records.load(tmp_path).set_index("seed")
    assert found["later_met_accuracy"].tolist() == pytest.approx([0.7, 0.55])
    assert found["later_test_accuracy"].tolist() == pytest.approx([0.4, 0.35])
    assert found["met_accuracy"].tolist() == pytest.approx([0.55, 0.55])


def test_a_run_stopped_in_time_is_that_of_its_best_validation_epoch(tmp_path, record):
    """The first of equal ones, whatever the test images say."""
    store = Store(tmp_path)
    tested = [0.2, 0.5, 0.9, 0.3]
    for seed, held_out in enumerate(
        [[0.1, 0.4, 0.4, 0.4], [0.1, 0.2, 0.3, 0.4], [0.5, 0.1, 0.1, 0.1], None, [0.1, 0.4]]
    ):
        recipe = Recipe(name="digits", width=9, epochs=4, softmax_epochs=1, seed=seed, validation=0.1)
        told = {} if held_out is None else {"validation_accuracy": held_out}
        store.write(record(recipe, 0.3) | {"test_accuracy": tested} | told)
    found = records.load(tmp_path).set_index("seed")
    assert found["stopped_accuracy"].tolist() == pytest.approx([0.5, 0.3, 0.2, math.nan, math.nan], nan_ok=True)
    assert found["stopped_epoch"].tolist() == pytest.approx([2, 4, 1, math.nan, math.nan], nan_ok=True)


def test_what_a_run_measured_before_it_diverged_is_no_result(lost, record):
    folder = lost("failed")
    whole = record(Recipe(name="digits", width=9, seed=5), 0.5)
    kept = {key: whole[key] for key in ("run_id", "recipe", "train_accuracy", "test_accuracy")}
    Store(folder).write(kept | {"status": "diverged", "validation_accuracy": whole["test_accuracy"]})
    frame = records.load(folder)
    assert (
        frame[["test_accuracy", "best_accuracy", "stopped_accuracy", "met_accuracy", "later_test_accuracy"]]
        .isna()
        .all(axis=None)
    )


def test_a_pack_that_is_missing_is_not_a_folder_to_sweep_into(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no records in .*x\.jsonl\.gz: expected a file that"):
        records.load(tmp_path / "x.jsonl.gz")


@pytest.mark.parametrize(
    ("endings", "why"),
    [
        (["failed"] * 3, "none of 3 runs in {} is done: 3 failed, the first with: no space left on device"),
        (["diverged"] * 4, "none of 4 runs in {} is done: 4 diverged. What"),
        (["diverged", "failed", "diverged"], "is done: 2 diverged and 1 failed, the first with: no space left on"),
    ],
)
def test_of_runs_none_of_which_is_done_nothing_is_drawn_and_one_line_says_why(endings, why, lost, tmp_path, capsys):
    folder = lost(*endings)
    assert main(["--runs", str(folder), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert why.format(folder) in error
    assert error.endswith(f"python -m analysis.advise --runs '{folder}'\n")
    assert not (tmp_path / "out").exists()


def test_a_pack_none_of_whose_runs_is_done_is_named_too(lost, tmp_path, capsys):
    records.pack(lost("diverged", "diverged"), tmp_path / "out" / "data" / "digits.jsonl.gz")
    assert main(["--out", str(tmp_path / "out")]) == 2
    assert "none of 2 runs in " in capsys.readouterr().err


def test_a_failed_run_of_pictures_of_one_s_own_has_as_many_classes_as_the_others(lost, record, monkeypatch):
    folder = lost("failed")
    (failed,) = Store(folder).records()
    Store(folder).discard(failed["run_id"])
    recipe = Recipe(name="own-small", dataset="own-pets", width=18)
    Store(folder).write(failed | {"run_id": recipe.run_id, "recipe": dataclasses.asdict(recipe)})
    assert records.load(folder)["classes"].isna().all()
    other = dataclasses.replace(recipe, width=1)
    Store(folder).write(record(dataclasses.replace(other, dataset="digits"), 0.5) | {
        "run_id": other.run_id, "recipe": dataclasses.asdict(other), "classes": 4,
    })  # fmt: skip
    classes = records.load(folder)["classes"]
    assert classes.tolist() == [4, 4]
    assert classes.dtype == int


def test_a_pack_with_a_bit_that_flipped_is_named(lost, tmp_path, capsys):
    pack = tmp_path / "out" / "data" / "digits.jsonl.gz"
    records.pack(lost(*["diverged"] * 40), pack)
    whole = pack.read_bytes()
    seen = set()
    for place in range(20, len(whole) - 8, 7):
        pack.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        for more in ([], ["--commands"]):
            assert main(["--out", str(tmp_path / "out"), *more]) == 2
            error = capsys.readouterr().err
            assert error.startswith(f"error: {pack}: not a file of packed records (")
            assert error.count("\n") == 1
            seen.add(error.rpartition("(")[2][:9])
    assert len(seen) > 1


@pytest.mark.parametrize("module", [analysis_main, advise, ledger])
def test_no_option_is_given_twice(module, tmp_path, capsys):
    options = ["--json", "a", "--json", "b"] if module is advise else ["--out", "a", "--out", "b"]
    assert module.main([*options[:2], *options[2:]]) == 2
    assert capsys.readouterr().err == f"error: {options[0]} is given twice: put all its values after one {options[0]}\n"


def test_a_run_that_failed_takes_no_place_of_one_that_is_done(record, tmp_path):
    """A sweep made anew may end in failures; the folder is packed all the same."""
    store, pack = Store(tmp_path / "runs"), tmp_path / "data" / "digits.jsonl.gz"
    store.create()
    done, other = (Recipe(name="digits", seed=seed) for seed in (0, 1))
    lost = {"recipe": dataclasses.asdict(done), "status": "failed", "error": "worker ended by SIGKILL, 3 times"}
    store.write(record(done, 0.9))
    store.write(lost | {"run_id": other.run_id, "recipe": dataclasses.asdict(other)})
    records.pack(store.folder, pack)
    store.write(lost | {"run_id": done.run_id})
    store.write(record(other, 0.8))
    records.pack(store.folder, pack)
    found = records.load(pack).set_index("seed")
    assert found["status"].tolist() == ["done", "done"]
    assert found["test_accuracy"].tolist() == [0.9, 0.8]
    assert [path.name for path in pack.parent.iterdir()] == [pack.name]


def test_a_pack_of_endless_brackets_is_named(tmp_path, capsys):
    pack = tmp_path / "data" / "digits.jsonl.gz"
    pack.parent.mkdir()
    pack.write_bytes(gzip.compress(b"[" * 100_000 + b"\n"))
    assert main(["--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(f"error: {pack}: not a file of packed records (")


def test_commands_quote_the_folder(tmp_path, capsys):
    with pytest.raises(FileNotFoundError, match=r"--out '.*my runs'$"):
        records.load(tmp_path / "my runs")
    out = tmp_path / "my figures"
    out.mkdir()
    assert ledger.main(["--out", str(out)]) == 2
    assert capsys.readouterr().err.endswith(f" --out '{out}'\n")


def test_a_folder_of_packs_is_named(tmp_path):
    (tmp_path / "digits.jsonl.gz").touch()
    with pytest.raises(FileNotFoundError, match=r"it holds packed files, give one of them, as .*/digits\.jsonl\.gz"):
        records.load(tmp_path)
