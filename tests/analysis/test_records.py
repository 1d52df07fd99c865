"""Records without results: what a table holds of them, and what is said where nothing can be drawn."""

import dataclasses

import pytest

from analysis import records
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
