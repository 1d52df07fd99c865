"""Data sets: the embedded one, and gzipped IDX files, whole and broken."""

import gzip
import shutil
import struct

import numpy as np
import pytest
import torch

from fc_width import data


def idx(array, kind=8):
    header = struct.pack(">HBB", 0, kind, array.ndim) + struct.pack(f">{array.ndim}i", *array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def mnist(tmp_path, monkeypatch):
    """A small MNIST in the original format: 40 + 20 images, its checksums registered."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "mnist"
    folder.mkdir()
    sums = {}
    for split, count in (("train", 40), ("t10k", 20)):
        images = rng.integers(0, 256, (count, 28, 28))
        for kind, array in (("images-idx3", images), ("labels-idx1", np.arange(count) % 10)):
            file = f"mnist/{split}-{kind}-ubyte.gz"
            packed = gzip.compress(idx(array), mtime=0)
            (tmp_path / file).write_bytes(packed)
            sums[file] = data.hashlib.sha256(packed).hexdigest()
    monkeypatch.setattr(data, "MNIST_FILES", sums)
    monkeypatch.setattr(data, "MNIST_COUNTS", (("train", 40), ("t10k", 20)))
    return tmp_path


def test_digits_are_all_there_and_split_evenly():
    digits = data.load("digits")
    assert digits.image_shape == (1, 8, 8)
    assert digits.num_classes == 10
    assert len(digits.train_images) == 1347
    assert len(digits.test_images) == 450
    assert digits.train_images.dtype == torch.uint8
    assert digits.train_labels.dtype == torch.int64
    counts = torch.cat([digits.train_labels, digits.test_labels]).bincount()
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # as the UCI page gives them
    assert (digits.test_labels.bincount() / counts - 0.25).abs().max() < 0.01
    assert digits.checksum == data.load("digits").checksum


def test_mnist_is_read_as_it_was_written(mnist):
    loaded = data.load("mnist", mnist)
    assert loaded.train_images.shape == (40, 1, 28, 28)
    assert loaded.test_labels.tolist() == [n % 10 for n in range(20)]
    expected = np.random.default_rng(0).integers(0, 256, (40, 28, 28))
    assert np.array_equal(loaded.train_images[:, 0].numpy(), expected)


def test_the_checksum_tells_data_sets_apart(mnist):
    before = data.load("mnist", mnist).checksum
    assert before != data.load("digits").checksum
    assert len(before) == 64


def test_unknown_data_set():
    with pytest.raises(ValueError, match="unknown data set 'imagenet': expected one of digits, fashion"):
        data.load("imagenet")


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"train-images-idx3-ubyte\.gz: no such file"):
        data.load("mnist", tmp_path)


def damage_truncate(path):
    path.write_bytes(path.read_bytes()[:-40])


def damage_flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def damage_swap(path):
    shutil.copy(path.with_name(path.name.replace("images-idx3", "labels-idx1")), path)


def damage_other_split(path):
    shutil.copy(path.with_name(path.name.replace("train", "t10k")), path)


def damage_not_gzip(path):
    path.write_bytes(b"<html>404</html>")


def damage_not_idx(path):
    path.write_bytes(gzip.compress(b"hello"))


def damage_short(path):
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-1]))


def damage_long(path):
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + b"\0"))


def damage_float(path):
    path.write_bytes(gzip.compress(idx(np.zeros((40, 28, 28)), kind=13)))


def damage_one_pixel(path):
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[100] ^= 1
    path.write_bytes(gzip.compress(bytes(content)))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_truncate, "truncated or corrupt gzip"),
        (damage_flip, "truncated or corrupt gzip|SHA-256 is"),
        (damage_not_gzip, "truncated or corrupt gzip"),
        (damage_swap, "IDX with 1 dimensions, expected 3"),
        (damage_other_split, r"IDX of shape \(20, 28, 28\), expected \(40, 28, 28\)"),
        (damage_not_idx, "not an IDX file of unsigned bytes"),
        (damage_float, "not an IDX file of unsigned bytes"),
        (damage_short, "holds 31,375 bytes or more, expected 31,376"),
        (damage_long, "holds 31,377 bytes or more, expected 31,376"),
        (damage_one_pixel, "SHA-256 is [0-9a-f]{64}, expected"),
    ],
)
def test_a_damaged_file_is_named(mnist, damage, message):
    path = mnist / "mnist" / "train-images-idx3-ubyte.gz"
    damage(path)
    with pytest.raises(ValueError, match=message) as caught:
        data.load("mnist", mnist)
    assert str(path) in str(caught.value)


def test_a_label_outside_the_classes(mnist, monkeypatch):
    file = "mnist/train-labels-idx1-ubyte.gz"
    packed = gzip.compress(idx(np.full(40, 10)))
    (mnist / file).write_bytes(packed)
    monkeypatch.setitem(data.MNIST_FILES, file, data.hashlib.sha256(packed).hexdigest())
    with pytest.raises(ValueError, match="mnist: label 10 is outside 0…9"):
        data.load("mnist", mnist)


def test_a_download_is_asked_for_with_the_checksum(mnist, monkeypatch):
    """Pooch is asked for the URL, the SHA-256 and a cache folder. The server is a folder here."""
    import pooch

    asked = []

    def retrieve(url, known_hash, fname, path):
        asked.append((url, known_hash))
        assert "fc-width" in str(path)
        return str(mnist / "mnist" / fname)

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    assert len(data.load("mnist").train_images) == 40
    assert asked[0] == (
        data.URLS["mnist"] + "train-images-idx3-ubyte.gz",
        "sha256:" + data.MNIST_FILES["mnist/train-images-idx3-ubyte.gz"],
    )
    assert len(asked) == 4
