"""What the tests of the advice share: runs without training, as advice wants them."""

import base64
import dataclasses
import json

import numpy as np

from analysis.advise import main
from fc_width.recipes import Recipe
from fc_width.store import Store


def advice(arguments, tmp_path, capsys):
    """What the command says, and what it writes."""
    assert main([*map(str, arguments), "--json", str(tmp_path / "advice.json")]) == 0
    return capsys.readouterr().out, json.loads((tmp_path / "advice.json").read_text("utf-8"))


def record(recipe, wrong):
    """What a run leaves of which so many of 2,000 images are not right."""
    bits = np.arange(2000) >= wrong
    return {
        "run_id": recipe.run_id,
        "recipe": dataclasses.asdict(recipe),
        "status": "done",
        "classes": 10,
        "final": {"test_accuracy": float(bits.mean())},
        "correct": base64.b64encode(np.packbits(bits).tobytes()).decode(),
        "parameters": {"fc": 129 * recipe.width, "classifier": 10 * recipe.width},
    }


def without(folder, *widths, seeds="*"):
    for width in widths:
        for path in folder.glob(f"*_M{width}_*_s{seeds}_*.json"):
            path.unlink()


def end(folder, status, *widths, **changes):
    """Runs at these widths (default: all) end so, without a result."""
    store = Store(folder)
    for record in list(store.records()):
        if not widths or record["recipe"]["width"] in widths:
            lost = ("final", "correct", *(("classes", "parameters") if status == "failed" else ()))
            store.write({k: v for k, v in record.items() if k not in lost} | {"status": status} | changes)


def rename(folder, **changes):
    """The same runs by another recipe."""
    store = Store(folder)
    for record in list(store.records()):
        recipe = dataclasses.asdict(Recipe(**record["recipe"])) | changes
        store.discard(record["run_id"])
        store.write(record | {"recipe": recipe, "run_id": Recipe(**recipe).run_id})


EVERYTHING = "--widths 1 2 3 4 5 8 9 10 14 18 27 45 --losses"

TOO_FEW = "it wants two widths from M = 18 on and below 90, with the same seeds and every run done; got "


def accuracies(folder, of, **changes):
    """The runs of a folder with other accuracies, a function of width and seed, and their bits, of 2,000 images."""
    store = Store(folder)
    for old in list(store.records()):
        recipe = Recipe(**old["recipe"])
        new = record(recipe, 2000 - round(2000 * of(recipe.width, recipe.seed)))
        store.write(new | changes)


def features(tmp_path, X, y):
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", y)
    return ["--embeddings", tmp_path / "x.npy", "--labels", tmp_path / "y.npy"]
