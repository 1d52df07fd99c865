"""One thread, as in a worker, so that records are reproducible; and a data set small enough to train on in a
blink."""

import pytest
import torch

from fc_width.data import Dataset, load


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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
