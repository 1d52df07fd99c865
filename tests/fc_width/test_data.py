"""Data sets: the embedded one, and gzipped IDX files, whole and broken."""

import errno
import gzip
import hashlib
import io
import json
import lzma
import os
import shutil
import struct
import tarfile
import tokenize
import zipfile
import zlib
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


@pytest.mark.parametrize("part", ["train_images", "train_labels", "test_images", "test_labels"])
def test_one_number_makes_another_checksum(part, tmp_path):
    checksums = []
    for change in (0, 1):
        arrays = own_arrays()
        arrays[part] = arrays[part].copy()
        if "labels" in part:
            arrays[part][[0, 1]] = arrays[part][[1, 0] if change else [0, 1]]
        else:
            arrays[part][0, 0, 0, 0] ^= change
        folder = tmp_path / str(change)
        folder.mkdir()
        np.savez(folder / "birds.npz", **arrays)
        checksums.append(data.load(str(folder / "birds.npz")).checksum)
    assert checksums[0] != checksums[1]


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


def own_arrays(**changes):
    rng = np.random.default_rng(2)
    arrays = {
        "train_images": rng.integers(0, 256, (12, 8, 9, 3)).astype(np.uint8),
        "train_labels": np.arange(12) % 3,
        "test_images": rng.integers(0, 256, (6, 8, 9, 3)).astype(np.uint8),
        "test_labels": np.arange(6) % 3,
    }
    return {name: array for name, array in (arrays | changes).items() if array is not None}


def test_an_npz_of_one_s_own(tmp_path):
    np.savez(tmp_path / "birds.npz", **own_arrays())
    loaded = data.load(str(tmp_path / "birds.npz"))
    assert loaded.name == "own-birds"
    assert loaded.num_classes == 3
    assert loaded.image_shape == (3, 8, 9)
    assert np.array_equal(loaded.train_images[0, 2].numpy(), own_arrays()["train_images"][0, :, :, 2])
    grey = {f"{split}_images": own_arrays()[f"{split}_images"][..., 0] for split in ("train", "test")}
    np.savez(tmp_path / "grey.npz", **own_arrays(**grey))
    assert data.load(str(tmp_path / "grey.npz")).image_shape == (1, 8, 9)
    first = {f"{split}_images": own_arrays()[f"{split}_images"].transpose(0, 3, 1, 2) for split in ("train", "test")}
    np.savez(tmp_path / "first.npz", **own_arrays(**first))
    assert torch.equal(data.load(str(tmp_path / "first.npz")).train_images, loaded.train_images)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test_labels": None}, "lacks the array test_labels"),
        ({"train_images": np.zeros((12, 8, 9, 3))}, "train_images must be uint8"),
        ({"train_images": np.zeros((12, 8), np.uint8)}, "train_images must be uint8"),
        ({"train_images": np.zeros((12, 8, 8, 3), np.uint8)}, r"train images are \(3, 8, 8\), test images \(3, 8, 9\)"),
        ({"train_images": np.zeros((12, 8, 9, 7), np.uint8)}, "1, 3 or 4 channels expected"),
        ({"train_labels": np.zeros(12)}, "train_labels must be 12 integers, got float64"),
        ({"train_labels": np.zeros(11, int)}, "train_labels must be 12 integers"),
        ({"train_labels": np.zeros(12, int)}, "C must be at least 2, got C=1"),
        ({"train_labels": np.arange(12) % 3 * 2}, "class 1 has no train image"),
        ({"test_labels": np.arange(6) % 2}, "class 2 has no test image"),
        ({"train_labels": np.arange(12) * 3 * 10**8}, "3300000001 classes, but 12 train images"),
        ({"test_labels": np.full(6, 3)}, "test labels must be in 0…2"),
        ({"train_labels": np.arange(12) % 3 - 1}, "train labels must be in 0…1"),
        ({"train_labels": np.array([{}] * 12)}, "allow_pickle=False"),
    ],
)
def test_a_bad_npz_is_named(tmp_path, changes, message):
    np.savez(tmp_path / "birds.npz", **own_arrays(**changes))
    with pytest.raises(ValueError, match=message) as caught:
        data.load(str(tmp_path / "birds.npz"))
    assert "birds.npz" in str(caught.value)


def packed(change=lambda content: content, compression=zipfile.ZIP_STORED):
    """An .npz whose first array's bytes are changed."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as target:
        for name, array in own_arrays().items():
            content = io.BytesIO()
            np.save(content, array)
            target.writestr(f"{name}.npy", change(content.getvalue()) if name == "train_images" else content.getvalue())
    return bytearray(stream.getvalue())


def of_shape(shape):
    """The first array says that it has another shape, in as many characters."""
    return packed(
        lambda content: content.replace(b"(12, 8, 9, 3), }" + b" " * 20, f"({shape},), }}".ljust(36).encode())
    )


def damaged(compression):
    content = packed(compression=compression)
    content[100:140] = bytes(40)
    return content


def one_array():
    stream = io.BytesIO()
    np.save(stream, own_arrays()["train_images"])
    return stream.getvalue()


def of_unknown_compression():
    return marked(8, 97)


def encrypted():
    return marked(6, 1)


def marked(place, value):
    """A byte of the first member's header, and of its copy at the end."""
    content = packed()
    for header, further in ((b"PK\x03\x04", 0), (b"PK\x01\x02", 2)):
        content[content.index(header) + place + further] = value
    return content


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (packed(lambda content: b"\0" * 5000), ValueError),  # which numpy hands out as the bytes that they are
        (packed(lambda content: content.replace(b"'descr'", b"'desc\0'")), (ValueError, tokenize.TokenError)),
        (of_shape(10**25), OverflowError),
        (of_shape(10**17), MemoryError),
        (damaged(zipfile.ZIP_STORED), zipfile.BadZipFile),
        (damaged(zipfile.ZIP_DEFLATED), zlib.error),
        (damaged(zipfile.ZIP_LZMA), lzma.LZMAError),
        (of_unknown_compression(), NotImplementedError),
        (encrypted(), RuntimeError),
        (packed(lambda content: content[:200]), ValueError),
        (packed()[:-200], zipfile.BadZipFile),
    ],
    ids=[
        "raw",
        "header",
        "overflow",
        "memory",
        "stored",
        "deflated",
        "lzma",
        "compression",
        "encrypted",
        "short",
        "cut",
    ],
)
def test_an_npz_by_somebody_else_is_an_error_with_its_name(tmp_path, content, error):
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.npz: .") as caught:
        data.load(str(tmp_path / "x.npz"))
    assert isinstance(caught.value.__cause__, error)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"hello", one_array()])
def test_an_npz_that_is_none(tmp_path, content):
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.npz"):
        data.load(str(tmp_path / "x.npz"))
    with pytest.raises(FileNotFoundError, match=r"y\.npz: no such file"):
        data.load(str(tmp_path / "y.npz"))


def pictures(folder, classes=("cat", "dog"), count=5, size=(9, 8), mode="RGB"):
    from PIL import Image

    for label, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for n in range(count):
            value = 40 * label + n
            colour = {"L": value, "LA": (value, 255)}.get(mode, (value, 0, 255))
            Image.new(mode, size, colour).save(folder / name / f"{n}.png")


def test_a_folder_of_pictures(tmp_path):
    pictures(tmp_path / "pets")
    loaded = data.load(str(tmp_path / "pets"))
    assert loaded.name == "own-pets"
    assert loaded.num_classes == 2
    assert loaded.image_shape == (3, 8, 9)
    assert len(loaded.train_labels) == 8
    assert loaded.test_labels.bincount().tolist() == [1, 1]
    assert sorted(torch.cat([loaded.train_images, loaded.test_images])[:, 0, 0, 0].tolist()) == [
        0, 1, 2, 3, 4, 40, 41, 42, 43, 44,
    ]  # fmt: skip
    assert loaded.checksum == data.load(str(tmp_path / "pets")).checksum


def test_a_class_of_few_pictures_has_one_to_test(tmp_path):
    pictures(tmp_path / "pets", count=40)
    pictures(tmp_path / "pets", classes=("owl",), count=2)
    loaded = data.load(str(tmp_path / "pets"))
    assert loaded.train_labels.bincount().tolist() == [32, 32, 1]
    assert loaded.test_labels.bincount().tolist() == [8, 8, 1]
    owls = torch.cat([split[labels == 2] for split, labels in (
        (loaded.train_images, loaded.train_labels), (loaded.test_images, loaded.test_labels)
    )])  # fmt: skip
    assert sorted(owls[:, 0, 0, 0].tolist()) == [0, 1]


def test_pictures_of_16_bits_keep_the_upper_eight(tmp_path):
    from PIL import Image

    pictures(tmp_path / "deep", mode="L")
    ramp = np.arange(72, dtype=np.uint16).reshape(8, 9) * 900
    Image.fromarray(ramp).save(tmp_path / "deep" / "cat" / "0.png")
    loaded = data.load(str(tmp_path / "deep"))
    assert loaded.image_shape == (1, 8, 9)
    images = torch.cat([loaded.train_images, loaded.test_images])
    assert any(np.array_equal(image[0].numpy(), ramp >> 8) for image in images)
    (tmp_path / "deep" / "cat" / "0.png").unlink()
    (tmp_path / "deep" / "cat" / "0.pgm").write_bytes(b"P5 9 8 65535\n" + ramp.astype(">u2").tobytes())
    loaded = data.load(str(tmp_path / "deep"))
    images = torch.cat([loaded.train_images, loaded.test_images])
    assert any(np.array_equal(image[0].numpy(), ramp >> 8) for image in images)
    Image.fromarray(ramp.astype(np.float32)).save(tmp_path / "deep" / "cat" / "0.tif")
    with pytest.raises(ValueError, match=r"cat/0\.tif: .*mode F"):
        data.load(str(tmp_path / "deep"))


def test_train_and_test_folders(tmp_path):
    pictures(tmp_path / "pets" / "train", mode="L")
    pictures(tmp_path / "pets" / "test", count=2, mode="L")
    loaded = data.load(str(tmp_path / "pets"))
    assert loaded.image_shape == (1, 8, 9)
    assert (len(loaded.train_labels), len(loaded.test_labels)) == (10, 4)
    shutil.rmtree(tmp_path / "pets" / "test" / "dog")
    with pytest.raises(ValueError, match="its classes are cat, expected cat, dog"):
        data.load(str(tmp_path / "pets"))


def test_bad_folders_of_pictures(tmp_path):
    folder = tmp_path / "pets"
    pictures(folder)
    (folder / "owl").mkdir()
    with pytest.raises(ValueError, match="owl: a class without pictures"):
        data.load(str(folder))
    pictures(tmp_path / "other", classes=("y",), size=(10, 8))
    (tmp_path / "other" / "y" / "0.png").rename(folder / "owl" / "0.png")
    with pytest.raises(ValueError, match=r"owl/0\.png: 10×8 pixels, but .*cat/0\.png has 9×8"):
        data.load(str(folder))
    (folder / "owl" / "0.png").write_bytes(b"not a picture")
    with pytest.raises(ValueError, match=r"owl/0\.png: not a picture"):
        data.load(str(folder))
    shutil.copy(folder / "cat" / "0.png", folder / "owl" / "0.png")
    with pytest.raises(ValueError, match="owl: holds 1 picture, expected 2"):
        data.load(str(folder))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty: no sub-folders; expected one a class, two or more"):
        data.load(str(tmp_path / "empty"))


def test_what_is_passed_over_is_told(tmp_path):
    pictures(tmp_path / "pets")
    (tmp_path / "pets" / "cat" / "more").mkdir()
    for name in ("a.avif", "b.txt", "c.txt"):
        (tmp_path / "pets" / "cat" / name).write_bytes(b"")
    with pytest.warns(UserWarning, match=r"pets/cat: passed over a\.avif, b\.txt, c\.txt and 1 more: no pictures"):
        assert len(data.load(str(tmp_path / "pets")).train_images) == 8


@pytest.mark.parametrize("names", [("train", "val"), ("Train", "Test"), ("train",)])
def test_parts_of_a_data_set_are_no_classes(names, tmp_path):
    for name in names:
        pictures(tmp_path / "pets" / name)
    with pytest.raises(ValueError, match=f"its sub-folders are {', '.join(sorted(names))}: expected train and test"):
        data.load(str(tmp_path / "pets"))


def test_a_path_has_one_name_however_it_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("own-pets", "pets.v1", "pets.v2"):
        pictures(tmp_path / name)
    assert {data.canonical_name(each) for each in ("own-pets", "./own-pets", "own-pets/")} == {"own-pets"}
    assert [data.canonical_name(each) for each in ("pets.v1", "pets.v2/")] == ["own-pets.v1", "own-pets.v2"]
    assert data.canonical_name("X.NPZ") == data.canonical_name("X.npz.NPZ") == "own-X"
    (tmp_path / "pets.npz").mkdir()
    name = data.canonical_name("pets.npz")
    assert data.canonical_name(name) == name == "own-pets"
    with pytest.raises(ValueError, match="data set ''"):
        data.canonical_name("")


def test_grey_with_alpha_is_grey(tmp_path):
    pictures(tmp_path / "pets", mode="LA")
    assert data.load(str(tmp_path / "pets")).image_shape[0] == 1


def test_hidden_files_among_the_pictures_are_passed_over(tmp_path):
    pictures(tmp_path / "pets")
    (tmp_path / "pets" / "cat" / "._0.png").write_bytes(b"what macOS leaves beside a file")
    assert len(data.load(str(tmp_path / "pets")).train_images) == 8


def test_grey_pictures_among_coloured_ones_stay_grey(tmp_path):
    pictures(tmp_path / "pets", classes=("cat",))
    pictures(tmp_path / "pets", classes=("dog", "eel"), mode="L")
    loaded = data.load(str(tmp_path / "pets"))
    eels = torch.cat([loaded.train_images[loaded.train_labels == 2], loaded.test_images[loaded.test_labels == 2]])
    assert eels.shape[1] == 3
    assert sorted(eels[:, 0, 0, 0].tolist()) == [40, 41, 42, 43, 44]
    assert torch.equal(eels[:, 0], eels[:, 1])
    assert torch.equal(eels[:, 0], eels[:, 2])


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


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_shows_through_a_picture_is_white(mode, tmp_path):
    """Black strokes on black that nobody sees, as drawing programs leave them."""
    from PIL import Image

    for label, name in enumerate(("one", "two")):
        (tmp_path / "signs" / name).mkdir(parents=True)
        for n in range(5):
            pixels = np.zeros((8, 9, len(mode)), np.uint8)
            pixels[:, 2 + 3 * label, -1] = 255
            pixels[n, 0, -1] = 51  # a fifth of black over white
            Image.fromarray(pixels, mode).save(tmp_path / "signs" / name / f"{n}.png")
    loaded = data.load(str(tmp_path / "signs"))
    assert loaded.train_images.unique().tolist() == [0, 204, 255]
    assert len(loaded.train_images.unique(dim=0)) == 8
    assert loaded.image_shape[0] == (3 if mode == "RGBA" else 1)


def test_a_picture_that_hides_nothing_is_as_without_alpha(tmp_path):
    from PIL import Image

    for mode in ("RGB", "RGBA"):
        for label, name in enumerate(("cat", "dog")):
            (tmp_path / mode / name).mkdir(parents=True)
            for n in range(3):
                noise = np.random.default_rng(10 * label + n).integers(256, size=(8, 9, 3), dtype=np.uint8)
                Image.fromarray(noise).convert(mode).save(tmp_path / mode / name / f"{n}.png")
    plain, alpha = (data.load(str(tmp_path / mode)) for mode in ("RGB", "RGBA"))
    assert plain.checksum == alpha.checksum


def test_pictures_that_are_all_the_same_grey_are_refused(tmp_path):
    from PIL import Image

    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for n in range(3):
            Image.new("L", (9, 8), 7).save(tmp_path / "pets" / name / f"{n}.png")
    with pytest.raises(ValueError, match="pets: every pixel of every train image is 7: there is nothing to learn"):
        data.load(str(tmp_path / "pets"))


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
