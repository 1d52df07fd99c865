"""Data sets: the embedded one, gzipped IDX files, CIFAR's binary ones and their archives, whole and broken."""

import errno
import gzip
import hashlib
import io
import json
import os
import shutil
import struct
import tarfile
from pathlib import Path

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
            sums[file] = hashlib.sha256(packed).hexdigest()
    monkeypatch.setattr(data, "SHA256", data.SHA256 | sums)
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


def test_the_digits_are_those_of_the_records():
    with gzip.open("figures/data/digits.jsonl.gz") as lines:
        made = json.loads(next(lines))["provenance"]["data_sha256"]
    assert data.load("digits").checksum == made


def test_unknown_data_set():
    with pytest.raises(ValueError, match="unknown data set 'imagenet': expected one of cifar10, cifar100, digits"):
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
    monkeypatch.setitem(data.SHA256, file, hashlib.sha256(packed).hexdigest())
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
        "sha256:" + data.SHA256["mnist/train-images-idx3-ubyte.gz"],
    )
    assert len(asked) == 4


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    """A small CIFAR-100 in the official layout: 60 + 20 records."""
    rng = np.random.default_rng(1)
    folder = tmp_path / "cifar100"
    folder.mkdir()
    for file, count in (("train.bin", 60), ("test.bin", 20)):
        rows = rng.integers(0, 256, (count, 3074)).astype(np.uint8)
        rows[:, 0], rows[:, 1] = 77, np.arange(count) % 100
        (folder / file).write_bytes(rows.tobytes())
        monkeypatch.setitem(data.SHA256, f"cifar100/{file}", hashlib.sha256(rows.tobytes()).hexdigest())
    monkeypatch.setitem(data.CIFAR_FILES, "cifar100", (("train.bin",), "test.bin", 60, 20, 2))
    return tmp_path


def test_cifar_takes_the_fine_label_and_the_planes(cifar):
    loaded = data.load("cifar100", cifar)
    assert loaded.train_images.shape == (60, 3, 32, 32)
    assert loaded.train_labels.tolist() == list(range(60))
    raw = np.frombuffer((cifar / "cifar100" / "train.bin").read_bytes(), np.uint8).reshape(60, 3074)
    assert np.array_equal(loaded.train_images[7, 1].numpy().ravel(), raw[7, 2 + 1024 : 2 + 2048])


def test_cifar10_is_its_batches_one_after_the_other(tmp_path, monkeypatch):
    rng = np.random.default_rng(3)
    folder, rows = tmp_path / "cifar10", rng.integers(0, 256, (40, 3073)).astype(np.uint8)
    folder.mkdir()
    rows[:, 0] = np.arange(40) % 10
    training = ("data_batch_1.bin", "data_batch_2.bin")
    for file, part in zip((*training, "test_batch.bin"), (rows[:15], rows[15:30], rows[30:]), strict=True):
        (folder / file).write_bytes(part.tobytes())
        monkeypatch.setitem(data.SHA256, f"cifar10/{file}", hashlib.sha256(part.tobytes()).hexdigest())
    monkeypatch.setitem(data.CIFAR_FILES, "cifar10", (training, "test_batch.bin", 15, 10, 1))
    loaded = data.load("cifar10", tmp_path)
    assert loaded.train_labels.tolist() == [n % 10 for n in range(30)]
    assert loaded.test_labels.tolist() == list(range(10))
    assert np.array_equal(loaded.train_images.numpy().reshape(30, -1), rows[:30, 1:])
    assert np.array_equal(loaded.test_images.numpy().reshape(10, -1), rows[30:, 1:])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda whole: whole[:-1], "holds 61,479 bytes, expected 61,480"),
        (lambda whole: whole[:-1] + b"\0", "SHA-256 is"),
        (lambda whole: whole * 2, "holds 122,960 bytes, expected 61,480"),
    ],
)
def test_a_damaged_cifar_file_is_named(cifar, content, message):
    path = cifar / "cifar100" / "test.bin"
    path.write_bytes(content(path.read_bytes()))
    with pytest.raises(ValueError, match=message) as caught:
        data.load("cifar100", cifar)
    assert str(path) in str(caught.value)


def archive(path, members):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if content is None:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))


def sums(**contents):
    return {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}


@pytest.mark.parametrize("place", range(0, 9000, 700))
def test_a_corrupt_archive_is_named_and_leaves_nothing(place, tmp_path):
    content = np.random.default_rng(0).bytes(9000)
    archive(tmp_path / "a.tgz", {"train.bin": content})
    broken = bytearray((tmp_path / "a.tgz").read_bytes())
    broken[place + 20] ^= 0xFF
    (tmp_path / "a.tgz").write_bytes(broken)
    with pytest.raises(ValueError, match=r"a\.tgz"):
        data.unpack(tmp_path / "a.tgz", sums(**{"train.bin": content}), tmp_path)
    assert not (tmp_path / "train.bin").exists()


def test_an_archive_is_unpacked_to_the_named_files_only(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    archive(tmp_path / "a.tgz", {"../../evil": b"x", "deep/train.bin": b"train", "../test.bin": b"test", "other": b""})
    data.unpack(tmp_path / "a.tgz", sums(**{"train.bin": b"train", "test.bin": b"test"}), out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {"train.bin": b"train", "test.bin": b"test"}
    assert not (tmp_path.parent / "evil").exists()


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"a/train.bin": b"x"}, "lacks test.bin"),
        ({"train.bin": b"x", "test.bin": None}, "lacks test.bin"),
        ({"train.bin": b"x" * 11, "test.bin": b"x"}, "train.bin has 11 bytes, expected at most 10"),
        ({"train.bin": b"x", "test.bin": b"y"}, "test.bin: SHA-256 is "),
    ],
)
def test_a_bad_archive_is_named(tmp_path, members, message):
    archive(tmp_path / "a.tgz", members)
    with pytest.raises(ValueError, match=message) as caught:
        data.unpack(tmp_path / "a.tgz", sums(**{"train.bin": b"x", "test.bin": b"x"}), tmp_path, limit=10)
    assert "a.tgz" in str(caught.value)


def test_a_truncated_archive_is_named(tmp_path):
    archive(tmp_path / "a.tgz", {"train.bin": np.random.default_rng(0).bytes(10_000), "test.bin": b"x"})
    whole = (tmp_path / "a.tgz").read_bytes()
    (tmp_path / "a.tgz").write_bytes(whole[:5000])
    with pytest.raises(ValueError, match=r"a\.tgz: not the archive expected"):
        data.unpack(tmp_path / "a.tgz", sums(**{"train.bin": b"", "test.bin": b""}), tmp_path)


def test_the_first_k_classes():
    whole, five = data.load("digits"), data.load("digits:5")
    assert five.num_classes == data.num_classes("digits:5") == 5
    assert five.name == "digits:5"
    assert five.train_labels.unique().tolist() == [0, 1, 2, 3, 4]
    assert len(five.train_labels) == (whole.train_labels < 5).sum()
    assert torch.equal(five.test_images, whole.test_images[whole.test_labels < 5])


@pytest.mark.parametrize("name", ["digits:1", "digits:11", "digits:x", "cifar100:101", "mnist:"])
def test_bad_numbers_of_classes(name):
    with pytest.raises(ValueError, match=f"data set '{name}': expected"):
        data.load(name)


def test_an_archive_that_is_none_is_fetched_again(tmp_path, monkeypatch):
    import pooch

    def page(url, known_hash, fname, path):
        path.mkdir(parents=True, exist_ok=True)
        (path / fname).write_text("<html>log in first</html>")
        return str(path / fname)

    monkeypatch.setattr(data, "_cache", lambda: tmp_path)
    monkeypatch.setattr(pooch, "retrieve", page)
    with pytest.raises(ValueError, match=r"cifar10\.tar\.gz: not the archive expected"):
        data.load("cifar10")
    assert not list((tmp_path / "cifar10").iterdir())


def test_a_full_disk_is_not_the_archive_s_fault(tmp_path, monkeypatch):
    """The archive stays for the next time, and no part of a file."""
    import pooch

    files = {name.partition("/")[2]: name for name in data.SHA256 if name.startswith("cifar10/")}
    contents = {name: name.encode() for name in files}
    monkeypatch.setattr(data, "SHA256", {files[name]: sums(**{name: c})[name] for name, c in contents.items()})
    monkeypatch.setattr(data, "_cache", lambda: tmp_path)

    def fetched(url, known_hash, fname, path):
        path.mkdir(parents=True, exist_ok=True)
        archive(path / fname, contents)
        return str(path / fname)

    def full(path, content):
        with open(path, "wb") as stream:
            stream.write(content[:3])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(pooch, "retrieve", fetched)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="No space left"):
            data._download_cifar("cifar10")
    assert [path.name for path in (tmp_path / "cifar10").iterdir()] == ["cifar10.tar.gz"]
    folder = data._download_cifar("cifar10")
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name in contents} == contents


def test_two_that_unpack_the_same_archive_do_not_mind_each_other(tmp_path, monkeypatch):
    content = {"train.bin": b"train"}
    archive(tmp_path / "a.tgz", content)
    replace = Path.replace

    def other_first(path, target):
        monkeypatch.setattr(Path, "replace", replace)
        monkeypatch.setattr(data.os, "getpid", lambda: 1)
        data.unpack(tmp_path / "a.tgz", sums(**content), tmp_path)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", other_first)
    data.unpack(tmp_path / "a.tgz", sums(**content), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tgz", "train.bin"]


def test_without_a_network_the_other_way_is_named(tmp_path, monkeypatch):
    import pooch

    def retrieve(*given, **named):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    monkeypatch.setattr(data, "_cache", lambda: tmp_path)
    for name in ("mnist", "cifar10"):
        said = rf"^{name} could not be downloaded \(no route to host\): put its .* FOLDER/{name}, and give --data-dir"
        with pytest.raises(OSError, match=said):
            data.load(name)
