"""Records as runs write them, without runs."""

import base64
import dataclasses

import advised
import numpy as np
import pytest

from fc_width.data import num_classes
from fc_width.recipes import Recipe
from fc_width.store import Store


def bits(accuracy):
    """Correctness bits of 10,000 test images."""
    return base64.b64encode(np.packbits(np.arange(10_000) < round(accuracy * 10_000)).tobytes()).decode()


def made(recipe, accuracy):
    """What `fc_width.train.run` returns, with angles of 10 + class + 5·seed degrees."""
    classes = num_classes(recipe.dataset)
    angles = [float(10 + label + 5 * recipe.seed) for label in range(classes)]
    return {
        "run_id": recipe.run_id,
        "recipe": dataclasses.asdict(recipe),
        "status": "done",
        "classes": classes,
        "train_accuracy": [accuracy],
        "test_accuracy": [accuracy],
        "final": {
            "train_accuracy": accuracy,
            "test_accuracy": accuracy,
            "test_angle": 14.5,
            "test_inverted": 0.0,
        },
        "class_angles": {"train": [angle - 1 for angle in angles], "test": angles},
        "geometry": {"nc1": None, "smallest_angle": 80.0, "weight_sum_norm": 0.5},
        "correct": bits(accuracy),
        "parameters": {
            "fc": 129 * recipe.width,
            "classifier": 0 if "simplex" in recipe.loss else classes * recipe.width,
        },
        "bytes": {},
        "seconds": 1.0,
        "provenance": {
            "version": "0",
            "commit": "abc",
            "torch": "2",
            "device": "cpu: test",
            "data_sha256": "0",
        },
    }


@pytest.fixture
def record():
    """The function that makes a record of a recipe and an accuracy."""
    return made


@pytest.fixture
def runs(tmp_path):
    """Softmax is at its best from M = 4 on; W-Softmax was run at one width."""
    store = Store(tmp_path / "runs")
    store.create()
    rng = np.random.default_rng(0)
    for seed in range(4):
        for width, loss in [*((m, "softmax") for m in (1, 2, 4, 9, 18, 27, 45)), (9, "w-softmax:1")]:
            wrong = {1: 900, 2: 60}.get(width, 20) + rng.integers(0, 2)
            store.write(advised.record(Recipe(name="digits", width=width, seed=seed, loss=loss), wrong))
    return store.folder
