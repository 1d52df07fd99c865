"""Data sets as tensors: uint8 images, int64 labels, a checksum. Everything a run reads, and nothing it
computes.

The files of MNIST (LeCun et al. 1998) and Fashion-MNIST (Xiao et al. 2017) are the originals, gzipped IDX.
They come from ``data_dir`` or are downloaded into the user's cache; either way each file must parse as what
its name says and have the SHA-256 below."""

import gzip
import hashlib
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

MNIST_FILES = {  # file: SHA-256
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
}  # fmt: skip

MNIST_COUNTS = (("train", 60_000), ("t10k", 10_000))

URLS = {
    "mnist": "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "fashion-mnist": "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
}

CLASSES = {
    "digits": tuple("0123456789"),
    "mnist": tuple("0123456789"),
    "fashion-mnist": (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
        "Ankle boot",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Dataset:
    """Images and labels of one data set, split into train and test.

    *Attributes*: `name`; `train_images` (N, channels, H, W) uint8; `train_labels` (N,) int64 in 0…C−1;
    `test_images`, `test_labels` likewise; `classes`, the C names; `checksum`, SHA-256 of all four tensors'
    bytes."""

    name: str
    train_images: torch.Tensor
    train_labels: torch.Tensor
    test_images: torch.Tensor
    test_labels: torch.Tensor
    classes: tuple[str, ...]
    checksum: str

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.classes)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        channels, height, width = self.train_images.shape[1:]
        return channels, height, width


def load(name: str, data_dir: str | Path | None = None) -> Dataset:
    """Load a data set by name.

    *Arguments*: `name`, one of `digits` (embedded in scikit-learn, no download), `mnist`, `fashion-mnist`;
    `data_dir`, a folder that holds `<name>/train-images-idx3-ubyte.gz` and its three sisters (default:
    download them once into the user's cache).

    *Returns*: a `Dataset`.

    *Raises*: `ValueError` for an unknown name or a file that is not what it should be; `OSError` for one that
    cannot be read."""
    if name not in CLASSES:
        raise ValueError(f"unknown data set {name!r}: expected one of {', '.join(sorted(CLASSES))}")
    parts = _load_digits() if name == "digits" else _load_mnist_like(name, data_dir)
    return _dataset(name, *parts)


def _dataset(
    name: str,
    train_images: npt.NDArray[np.uint8],
    train_labels: npt.NDArray[np.uint8],
    test_images: npt.NDArray[np.uint8],
    test_labels: npt.NDArray[np.uint8],
) -> Dataset:
    digest = hashlib.sha256()
    for array in (train_images, train_labels, test_images, test_labels):
        digest.update(str(array.shape).encode())
        digest.update(np.ascontiguousarray(array).tobytes())

    def images(array: npt.NDArray[np.uint8]) -> torch.Tensor:
        return torch.from_numpy(array.reshape(len(array), -1, *array.shape[-2:]))

    def labels(array: npt.NDArray[np.uint8]) -> torch.Tensor:
        return torch.from_numpy(array.astype(np.int64))

    return Dataset(
        name,
        images(train_images),
        labels(train_labels),
        images(test_images),
        labels(test_labels),
        CLASSES[name],
        digest.hexdigest(),
    )


def _load_digits() -> tuple[npt.NDArray[np.uint8], ...]:
    """The 1,797 8×8 digits that ship with scikit-learn; a quarter, stratified by class, is the test set."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = (digits.images * (255 / 16)).round().astype(np.uint8)
    train_images, test_images, train_labels, test_labels = train_test_split(
        images, digits.target.astype(np.uint8), test_size=0.25, stratify=digits.target, random_state=0
    )
    return train_images, train_labels, test_images, test_labels


def _load_mnist_like(name: str, data_dir: str | Path | None) -> tuple[npt.NDArray[np.uint8], ...]:
    arrays = []
    for split, count in MNIST_COUNTS:
        for kind, shape in (("images-idx3", (count, 28, 28)), ("labels-idx1", (count,))):
            file = f"{name}/{split}-{kind}-ubyte.gz"
            arrays.append(read_idx(_locate(file, data_dir), shape, MNIST_FILES[file]))
    for labels in (arrays[1], arrays[3]):
        if labels.max() >= len(CLASSES[name]):
            raise ValueError(f"{name}: label {labels.max()} is outside 0…{len(CLASSES[name]) - 1}")
    return tuple(arrays)


def _locate(file: str, data_dir: str | Path | None) -> Path:
    if data_dir is not None:
        return Path(data_dir) / file
    import pooch

    folder, name = file.split("/")
    fetched = pooch.retrieve(
        URLS[folder] + name,
        known_hash=f"sha256:{MNIST_FILES[file]}",
        fname=name,
        path=pooch.os_cache("fc-width") / folder,
    )
    return Path(fetched)


def read_idx(path: Path, shape: tuple[int, ...], sha256: str | None = None) -> npt.NDArray[np.uint8]:
    """Read one gzipped IDX file of unsigned bytes.

    The format: two zero bytes, the type (8, unsigned byte), the number of dimensions, each dimension as a
    big-endian int32, the data in C order.

    *Arguments*: `path`; `shape`, the shape that the file must have; `sha256` of the gzipped file, checked if
    given.

    *Returns*: an array of that shape, uint8.

    *Raises*: `FileNotFoundError`; `ValueError`, naming the file, if it is truncated, corrupt, or holds
    something else."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected gzipped IDX of shape {shape}")
    packed = path.read_bytes()
    header = 4 + 4 * len(shape)
    size = header + math.prod(shape)
    try:
        with gzip.open(path) as stream:
            content = stream.read(size + 1)  # one byte past the end: too long is wrong as well
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path}: truncated or corrupt gzip file ({error})") from error
    if content[:3] != b"\0\0\x08" or len(content) < header:
        raise ValueError(f"{path}: not an IDX file of unsigned bytes (starts with {content[:4]!r})")
    if content[3] != len(shape):
        raise ValueError(f"{path}: IDX with {content[3]} dimensions, expected {len(shape)} {shape}")
    found = tuple(int(n) for n in np.frombuffer(content, ">i4", len(shape), offset=4))
    if found != shape:
        raise ValueError(f"{path}: IDX of shape {found}, expected {shape}")
    if len(content) != size:
        raise ValueError(f"{path}: holds {len(content):,} bytes or more, expected {size:,}")
    digest = hashlib.sha256(packed).hexdigest()
    if sha256 is not None and digest != sha256:
        raise ValueError(f"{path}: SHA-256 is {digest}, expected {sha256}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape).copy()
