"""A data set small enough to train on in a blink, and a store for its records."""

import pytest

from fc_width import w_softmax
from fc_width.data import Dataset, load
from fc_width.store import Store


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return load("digits")


@pytest.fixture(scope="session")
def few_digits(digits) -> Dataset:
    """130 training and 75 test images (an odd last batch at batch size 50)."""
    return Dataset(
        digits.name,
        digits.train_images[:130],
        digits.train_labels[:130],
        digits.test_images[:75],
        digits.test_labels[:75],
        digits.num_classes,
        "few",
    )


@pytest.fixture
def store(tmp_path):
    """An empty store."""
    made = Store(tmp_path / "runs")
    made.create()
    return made


@pytest.fixture(params=["small", "fused", "plain"])
def way(request, monkeypatch):
    """Each way in which the loss of learned weights is computed."""
    monkeypatch.setattr(w_softmax, "SMALL", 2**18 if request.param == "small" else 0)
    if request.param == "plain":
        monkeypatch.setattr(w_softmax, "_fuses", lambda alpha: False)
