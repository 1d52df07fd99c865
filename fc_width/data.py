"""Data sets as tensors: uint8 images, int64 labels, a checksum. Everything a run reads, and nothing it computes.

MNIST (LeCun et al. 1998), Fashion-MNIST (Xiao et al. 2017) and CIFAR-10 and -100 (Krizhevsky 2009) are read from
their original files, in ``data_dir`` or downloaded once into the user's cache; either way each file must be what its
name says and have the SHA-256 below.
"""

import contextlib
import hashlib
import io
import os
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from fc_width import formats

Array = npt.NDArray[Any]

SHA256 = {
    "mnist/train-images-idx3-ubyte.gz":
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "mnist/train-labels-idx1-ubyte.gz":
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "mnist/t10k-images-idx3-ubyte.gz":
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "mnist/t10k-labels-idx1-ubyte.gz":
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    "fashion-mnist/train-images-idx3-ubyte.gz":
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "fashion-mnist/train-labels-idx1-ubyte.gz":
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "fashion-mnist/t10k-images-idx3-ubyte.gz":
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "fashion-mnist/t10k-labels-idx1-ubyte.gz":
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    "cifar10/data_batch_1.bin":
        "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "cifar10/data_batch_2.bin":
        "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "cifar10/data_batch_3.bin":
        "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "cifar10/data_batch_4.bin":
        "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "cifar10/data_batch_5.bin":
        "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "cifar10/test_batch.bin":
        "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
    "cifar100/train.bin":
        "f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29",
    "cifar100/test.bin":
        "d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a",
}  # fmt: skip

URLS = {
    "mnist": "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "fashion-mnist": "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
    "cifar10": "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "cifar100": "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
}

MNIST_COUNTS = (("train", 60_000), ("t10k", 10_000))
CIFAR_FILES = {  # training files, test file, records in each, label bytes
    "cifar10": (tuple(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin", 10_000, 10_000, 1),
    "cifar100": (("train.bin",), "test.bin", 50_000, 10_000, 2),
}

CLASSES = {"digits": 10, "mnist": 10, "fashion-mnist": 10, "cifar10": 10, "cifar100": 100}
"""The known data sets, each with its number of classes."""

HELD_OUT = 0.2
"""Share of each class that is the test set of a folder of pictures without `train` and `test`."""


@dataclass(frozen=True, eq=False)  # tensors have no one truth value to compare by
class Dataset:
    """Images and labels of one data set, split into train and test; equal to itself alone.

    *Attributes*: `name`; `train_images` (N, channels, H, W) uint8; `train_labels` (N,) int64 in 0…C−1;
    `test_images`, `test_labels` likewise; `num_classes`, C; `checksum`, SHA-256 of the shapes and bytes of all four.
    """

    name: str
    train_images: torch.Tensor
    train_labels: torch.Tensor
    test_images: torch.Tensor
    test_labels: torch.Tensor
    num_classes: int
    checksum: str

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        channels, height, width = self.train_images.shape[1:]
        return channels, height, width


def canonical_name(name: str) -> str:
    """The name that a recipe gives a data set: itself if known, `own-<stem>` for a person's own file or folder.

    *Raises*: `ValueError` for anything else.
    """
    base, colon, first = name.partition(":")
    if not name:
        raise ValueError("data set '': expected a name, an .npz file or a folder")
    if base in CLASSES:
        if colon and not (re.fullmatch(r"[1-9][0-9]*", first) and 2 <= int(first) <= CLASSES[base]):
            raise ValueError(f"data set {name!r}: expected {base}:K with K in 2…{CLASSES[base]} (its first K classes)")
        return name
    path = Path(name)
    if _is_npz(path) or path.is_dir():
        whole = re.sub("[:$\udc80-\udcff]", "-", path.resolve().name)  # $ is TeX to a figure, the last no text
        stem = re.sub(r"(?i)(\.npz)+$", "", whole)
        return f"own-{stem.removeprefix('own-')}"
    if name.startswith("own-"):
        return name
    known = ", ".join(sorted(CLASSES))
    raise ValueError(
        f"unknown data set {name!r}: expected one of {known}, one of them with :K for its first K classes, "
        "an .npz file or a folder with a sub-folder a class"
    )


def _is_npz(path: Path) -> bool:
    return path.suffix.lower() == ".npz" and not path.is_dir()


def num_classes(name: str) -> int | None:
    """C of a known data set; None for a person's own, which must be read to be known."""
    base, _, first = canonical_name(name).partition(":")
    return int(first) if base in CLASSES and first else CLASSES.get(base)


def load(name: str | Path, data_dir: str | Path | None = None) -> Dataset:
    """Load a data set.

    *Arguments*: `name`: `digits` (embedded in scikit-learn, no download), `mnist`, `fashion-mnist`, `cifar10`,
    `cifar100`; one of these with `:K`, its first K classes; the path of an .npz file with the arrays
    `formats.ARRAYS`; or of a folder of pictures, one sub-folder a class, or `train` and `test` folders of such.
    `data_dir`, a folder that holds `<name>/<original files>` (default: download them once into the user's cache).

    *Returns*: a `Dataset`.

    *Warns*: of what lies in a folder of pictures and is passed over.

    *Raises*: `ValueError` for an unknown name or a file that is not what it should be; `OSError` for one that cannot
    be read.
    """
    name = str(name)
    label = canonical_name(name)
    base, _, first = name.partition(":")
    if base not in CLASSES:
        return _dataset(label, *_load_own(Path(name)))
    if base == "digits":
        parts = _load_digits()
    elif base in CIFAR_FILES:
        parts = _load_cifar(base, data_dir)
    else:
        parts = _load_mnist_like(base, data_dir)
    for labels in (parts[1], parts[3]):
        if labels.max() >= CLASSES[base]:
            raise ValueError(f"{base}: label {labels.max()} is outside 0…{CLASSES[base] - 1}")
    if first:
        train, test = parts[1] < int(first), parts[3] < int(first)
        parts = [parts[0][train], parts[1][train], parts[2][test], parts[3][test]]
    return _dataset(label, parts, int(first) if first else CLASSES[base])


def _dataset(name: str, parts: Sequence[Array], num_classes: int) -> Dataset:
    """Train images, train labels, test images, test labels as tensors, with their checksum."""
    digest = hashlib.sha256()
    tensors = []
    for array, dtype in zip(parts, (np.uint8, np.int64) * 2, strict=True):
        plain = np.ascontiguousarray(array, dtype=dtype)
        digest.update(str(plain.shape).encode())
        digest.update(plain.tobytes())
        tensors.append(torch.from_numpy(plain))
    train_images, train_labels, test_images, test_labels = tensors
    return Dataset(name, train_images, train_labels, test_images, test_labels, num_classes, digest.hexdigest())


def _load_digits() -> list[Array]:
    """The 1,797 8×8 digits that ship with scikit-learn; a quarter, stratified by class, is the test set."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = (digits.images * (255 / 16)).round().astype(np.uint8)[:, None]
    train_images, test_images, train_labels, test_labels = train_test_split(
        images, digits.target, test_size=0.25, stratify=digits.target, random_state=0
    )
    return [train_images, train_labels, test_images, test_labels]


def _load_mnist_like(name: str, data_dir: str | Path | None) -> list[Array]:
    arrays: list[Array] = []
    for split, count in MNIST_COUNTS:
        for kind, shape in (("images-idx3", (count, 28, 28)), ("labels-idx1", (count,))):
            file = f"{name}/{split}-{kind}-ubyte.gz"
            array = formats.read_idx(_locate(file, data_dir), shape, SHA256[file])
            arrays.append(array[:, None] if array.ndim == 3 else array)
    return arrays


def _load_cifar(name: str, data_dir: str | Path | None) -> list[Array]:
    training, test, train_count, test_count, label_bytes = CIFAR_FILES[name]
    folder = Path(data_dir) / name if data_dir is not None else _download_cifar(name)

    def read(file: str, count: int) -> tuple[Array, Array]:
        return formats.read_cifar(folder / file, count, label_bytes, SHA256[f"{name}/{file}"])

    batches = [read(file, train_count) for file in training]
    images, labels = (np.concatenate(part) for part in zip(*batches, strict=True))
    return [images, labels, *read(test, test_count)]


def _load_own(path: Path) -> tuple[list[Array], int]:
    if _is_npz(path):
        train_images, train_labels, test_images, test_labels = formats.read_npz(path)
        classes = int(train_labels.max()) + 1
    elif (path / "train").is_dir() and (path / "test").is_dir():
        train_images, train_labels, names = formats.read_picture_folder(path / "train")
        test_images, test_labels, _ = formats.read_picture_folder(path / "test", names)
        classes = len(names)
        train_images, test_images = _in_colour_if_one_is(train_images, test_images)
        loose = (each.name for each in path.iterdir() if each.is_file() and each.name[0] != ".")
        formats.tell_passed_over(
            path, [*({*formats.sub_folders(path)} - {"train", "test"}), *loose], "only train and test are read"
        )
    else:
        from sklearn.model_selection import train_test_split

        images, labels, names = formats.read_picture_folder(path)
        if not names:
            raise ValueError(f"{path}: no sub-folders; expected one a class, two or more")
        classes = len(names)
        counts = np.bincount(labels, minlength=classes)
        if classes >= 2 and counts.min() < 2:
            raise ValueError(f"{path / names[counts.argmin()]}: holds 1 picture, expected 2 or more to hold one out")
        if classes >= 2:
            train, test = train_test_split(
                np.arange(len(images)),
                test_size=max(HELD_OUT, classes / len(images)),
                stratify=labels,
                random_state=0,
            )
            for small in np.setdiff1d(labels, labels[test]):  # so few that their share rounds to none
                moved = train[labels[train] == small][0]
                train, test = train[train != moved], np.append(test, moved)
            train_images, train_labels = images[train], labels[train]
            test_images, test_labels = images[test], labels[test]
    if classes < 2:
        raise ValueError(f"{path}: C must be at least 2, got C={classes}")
    for split, found in (("train", train_labels), ("test", test_labels)):
        if not len(found) or int(found.min()) < 0 or int(found.max()) >= classes:
            got = f"{found.min()}…{found.max()}" if len(found) else "none"
            raise ValueError(
                f"{path}: {split} labels must be in 0…{classes - 1} (C − 1, the largest of the train labels), got {got}"
            )
        if classes > len(found):
            raise ValueError(f"{path}: {classes} classes, but {len(found)} {split} images")
        empty = np.flatnonzero(np.bincount(found, minlength=classes) == 0)
        if len(empty):
            hint = "; labels begin at 0" if empty.tolist() == [0] else ""
            raise ValueError(f"{path}: class {empty[0]} has no {split} image, of the classes 0…{classes - 1}{hint}")
    if train_images.shape[1:] != test_images.shape[1:]:
        raise ValueError(
            f"{path}: train images are {train_images.shape[1:]}, test images {test_images.shape[1:]} (channels, H, W)"
        )
    if train_images.min() == train_images.max():
        raise ValueError(f"{path}: every pixel of every train image is {train_images.max()}: there is nothing to learn")
    return [train_images, train_labels, test_images, test_labels], classes


def _in_colour_if_one_is(*parts: Array) -> tuple[Array, ...]:
    """Images (N, channels, H, W), of which grey ones, of one channel, get three if others have."""
    channels = max(part.shape[1] for part in parts)
    return tuple(np.repeat(part, channels, 1) if part.shape[1] == 1 else part for part in parts)


def _locate(file: str, data_dir: str | Path | None) -> Path:
    if data_dir is not None:
        return Path(data_dir) / file
    import pooch

    folder, name = file.split("/")
    with _downloading(folder):
        fetched = pooch.retrieve(
            URLS[folder] + name, known_hash=f"sha256:{SHA256[file]}", fname=name, path=_cache() / folder
        )
    return Path(fetched)


@contextlib.contextmanager
def _downloading(name: str) -> Iterator[None]:
    """An `OSError` within says what else can be done."""
    try:
        yield
    except OSError as error:
        raise OSError(
            f"{name} could not be downloaded ({error}): put its original files into FOLDER/{name}, and give "
            "--data-dir FOLDER"
        ) from error


def _download_cifar(name: str) -> Path:
    """The folder of the unpacked files. The archive's own checksum is not known; those of its files decide."""
    import pooch

    folder = _cache() / name
    wanted = {file: SHA256[f"{name}/{file}"] for file in (*CIFAR_FILES[name][0], CIFAR_FILES[name][1])}
    if not all((folder / file).is_file() for file in wanted):
        with _downloading(name):
            archive = pooch.retrieve(URLS[name], known_hash=None, fname=f"{name}.tar.gz", path=folder)
        try:
            unpack(Path(archive), wanted, folder)
        except ValueError:
            Path(archive).unlink(missing_ok=True)  # or it would be taken for the archive the next time too
            raise
    return folder


def unpack(archive: Path, wanted: Mapping[str, str], folder: Path, limit: int = 200_000_000) -> None:
    """Take the named regular files, each of which must have the SHA-256 given, and nothing else, out of a .tar.gz,
    whatever folders it has them in.

    *Raises*: `ValueError`, naming the archive, if it is corrupt, lacks a file, or holds one larger than `limit`
    bytes; `OSError` if a file cannot be written."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(archive, "r:gz") as members:
            for member in members:
                name = member.name.rpartition("/")[2]
                if name in wanted and name not in found and member.isfile():
                    if member.size > limit:
                        raise ValueError(f"{name} has {member.size:,} bytes, expected at most {limit:,}")
                    content = (members.extractfile(member) or io.BytesIO()).read(limit)
                    formats.check_sha256(Path(name), content, wanted[name])
                    found[name] = content
    except (tarfile.TarError, OSError, EOFError, ValueError, zlib.error) as error:
        raise ValueError(f"{archive}: not the archive expected ({error})") from error
    if missing := wanted.keys() - found:
        raise ValueError(f"{archive}: lacks {', '.join(sorted(missing))}")
    for name, content in found.items():
        part = folder / f"{name}.{os.getpid()}.part"  # another sweep may do the same
        try:
            part.write_bytes(content)
            part.replace(folder / name)
        finally:
            part.unlink(missing_ok=True)


def _cache() -> Path:
    import pooch

    return Path(pooch.os_cache("fc-width"))
