"""Records as runs write them, without runs."""

import base64
import dataclasses

import numpy as np
import pytest

from fc_width.data import num_classes


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
