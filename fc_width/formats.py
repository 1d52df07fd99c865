"""File formats → arrays: gzipped IDX, the CIFAR binary layout, .npz, a folder of pictures. No pickle is ever read.

Every reader says what it expects, and an error names the file and what was wrong with it.
"""

import gzip
import hashlib
import lzma
import math
import tokenize
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
NPZ_ERRORS = (
    *(ValueError, tokenize.TokenError, OverflowError, MemoryError),  # a header that is none, or of too large a shape
    *(OSError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError),  # damage, to the file or the disk
    RuntimeError,  # encryption, or (NotImplementedError) a compression that zipfile does not know
)
"""What numpy and zipfile raise at a file that somebody else wrote; the tests have one of each, but of the disk and of a
member that ends too soon."""
MACOS = "__MACOSX"
SPLITS = {"train", "training", "test", "testing", "val", "valid", "validation"}
"""Names of folders that hold parts of a data set, and no class."""
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


def check_sha256(path: Path, content: bytes, sha256: str) -> None:
    """`ValueError`, naming the file, if its content has another SHA-256."""
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(f"{path}: SHA-256 is {found}, expected {sha256}")


def read_idx(path: Path, shape: tuple[int, ...], sha256: str) -> Array:
    """Read one gzipped IDX file of unsigned bytes.

    The format: two zero bytes, the type (8, unsigned byte), the number of dimensions, each dimension as a
    big-endian int32, the data in C order.

    *Arguments*: `path`; `shape`, the shape that the file must have; `sha256` of the gzipped file.

    *Returns*: an array of that shape.

    *Raises*: `FileNotFoundError`; `ValueError`, naming the file, if it is truncated, corrupt, or holds something
    else.
    """
    packed = _read(path, f"gzipped IDX of shape {shape}")
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
    check_sha256(path, packed, sha256)
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape).copy()


def read_cifar(path: Path, records: int, label_bytes: int, sha256: str) -> tuple[Array, Array]:
    """Read one file of CIFAR's binary layout: per record the label bytes, then 3072 bytes, R, G and B planes.

    *Arguments*: `path`; `records`, how many the file must hold; `label_bytes`, 1 (CIFAR-10) or 2 (CIFAR-100:
    coarse, then fine), of which the last is the label; `sha256` of the file.

    *Returns*: images (records, 3, 32, 32), labels (records,).

    *Raises*: `FileNotFoundError`; `ValueError`, naming the file.
    """
    content = _read(path, f"{records:,} CIFAR records")
    size = records * (label_bytes + 3072)
    if len(content) != size:
        raise ValueError(f"{path}: holds {len(content):,} bytes, expected {size:,}")
    check_sha256(path, content, sha256)
    rows = np.frombuffer(content, np.uint8).reshape(records, -1)
    return rows[:, label_bytes:].reshape(-1, 3, 32, 32).copy(), rows[:, label_bytes - 1].copy()


def read_npz(path: Path) -> list[Array]:
    """Read the four arrays of `ARRAYS` from an .npz file.

    Images (N, H, W) or (N, H, W, channels) or (N, channels, H, W), uint8; labels (N,), integers.

    *Returns*: train images (N, channels, H, W), train labels (N,), test images, test labels.

    *Raises*: `FileNotFoundError`; `ValueError`, naming the file and the array.
    """
    start = _read(path, f"an .npz with the arrays {', '.join(ARRAYS)}", limit=4)
    if start[:2] != b"PK":
        raise ValueError(f"{path}: not an .npz file, the archive that numpy.savez writes (it starts with {start!r})")
    found, name = [], "the archive"
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            missing = [name for name in ARRAYS if name not in arrays]
            if missing:
                raise ValueError(f"lacks the array {', '.join(missing)}; it has {', '.join(arrays)}")
            for name in ARRAYS:
                found.append(arrays[name])
                if not isinstance(found[-1], np.ndarray):
                    raise ValueError("not in numpy's format")
    except NPZ_ERRORS as error:
        raise ValueError(f"{path}: {name}: {error or type(error).__name__}") from error
    for index in (0, 2):
        found[index] = _channels_first(f"{path}: {ARRAYS[index]}", found[index])
    for index in (1, 3):
        labels, count = found[index], len(found[index - 1])
        if labels.shape != (count,) or labels.dtype.kind not in "iu":
            raise ValueError(
                f"{path}: {ARRAYS[index]} must be {count} integers, got {labels.dtype} of shape {labels.shape}"
            )
    return found


def _channels_first(what: str, images: Array) -> Array:
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or 0 in images.shape:
        raise ValueError(
            f"{what} must be uint8 (N, H, W), (N, H, W, channels) or (N, channels, H, W), "
            f"got {images.dtype} {images.shape}"
        )
    if images.ndim == 3:
        return images[:, None]
    if images.shape[1] in (1, 3, 4) and images.shape[3] not in (1, 3, 4):
        return images
    if images.shape[3] in (1, 3, 4):
        return images.transpose(0, 3, 1, 2).copy()
    raise ValueError(f"{what}: 1, 3 or 4 channels expected, first or last, got shape {images.shape}")


def read_picture_folder(folder: Path, classes: tuple[str, ...] | None = None) -> tuple[Array, Array, tuple[str, ...]]:
    """Read pictures sorted into one sub-folder a class, in the order of their names.

    *Arguments*: `folder`; `classes`, the sub-folders that it must have (default: those it has).

    *Returns*: images (N, channels, H, W), 1 channel if every picture is grey, else 3; labels (N,); the classes.

    *Warns*: of what is in a class's folder and no picture by its name, and of files beside these folders, as they are
    passed over.

    *Raises*: `FileNotFoundError`; `ValueError` for a class without pictures, pictures of several sizes, or a file
    that is no picture, named.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; expected one sub-folder a class, with pictures")
    found = sub_folders(folder)
    if classes is None and found and {name.lower() for name in found} <= SPLITS:
        raise ValueError(
            f"{folder}: its sub-folders are {', '.join(found)}: expected train and test, by these names, or one a class"
        )
    if classes is not None and found != classes:
        raise ValueError(f"{folder}: its classes are {', '.join(found)}, expected {', '.join(classes)}")
    seen = [path for path in folder.iterdir() if path.name[0] != "."]
    tell_passed_over(folder, [path.name for path in seen if path.is_file()], "in no class's folder")
    arrays, labels = [], []
    first: tuple[Path, tuple[int, int]] | None = None
    for label, name in enumerate(found):
        seen = [path for path in (folder / name).iterdir() if path.name[0] != "."]
        files = sorted(path for path in seen if path.suffix.lower() in PICTURES)
        if not files:
            raise ValueError(f"{folder / name}: a class without pictures ({', '.join(PICTURES)})")
        others = [path.name for path in seen if path.suffix.lower() not in PICTURES]
        tell_passed_over(folder / name, others, "no pictures by name")
        for path in files:
            try:
                with Image.open(path) as picture:
                    ImageOps.exif_transpose(picture, in_place=True)  # as a viewer shows it
                    pixels = _pixels(picture)
            except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
                raise ValueError(f"{path}: not a picture that can be read ({error})") from error
            size = (pixels.shape[1], pixels.shape[0])
            first = first or (path, size)
            if size != first[1]:
                raise ValueError(f"{path}: {size[0]}×{size[1]} pixels, but {first[0]} has {first[1][0]}×{first[1][1]}")
            arrays.append(pixels)
            labels.append(label)
    if any(pixels.ndim == 3 for pixels in arrays):
        arrays = [pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, 2) for pixels in arrays]
        images = np.stack(arrays).transpose(0, 3, 1, 2).copy()
    else:
        images = np.stack(arrays)[:, None] if arrays else np.empty((0, 1, 0, 0), np.uint8)
    return images, np.array(labels, dtype=np.int64), found


def tell_passed_over(folder: Path, names: list[str], reason: str) -> None:
    """A warning, if there are such names."""
    if names:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        warnings.warn(f"{folder}: passed over {', '.join(sorted(names)[:3])}{more}: {reason}", stacklevel=3)


def sub_folders(folder: Path) -> tuple[str, ...]:
    """The names of the sub-folders that a person sees, sorted; not what macOS adds to an archive."""
    return tuple(
        sorted(each.name for each in folder.iterdir() if each.is_dir() and each.name[0] != "." and each.name != MACOS)
    )


def _pixels(picture: Any) -> Array:
    """A picture's pixels as uint8, (H, W) if it is grey, else (H, W, 3); of 16 bits the upper eight, on white where it
    is transparent."""
    if picture.mode.startswith("I;16"):
        return (np.asarray(picture) >> 8).astype(np.uint8)
    if picture.mode == "I" and picture.format == "PPM":  # which Pillow scales to 0…65535
        return (np.asarray(picture) >> 8).astype(np.uint8)
    if picture.mode in ("I", "F"):
        raise ValueError(f"its pixels are of mode {picture.mode}, which has no range; expected 8 or 16 bits")
    grey = picture.mode in ("1", "L", "LA")
    if picture.has_transparency_data:
        from PIL import Image

        page = Image.new("RGBA", picture.size, "white")
        page.alpha_composite(picture.convert("RGBA"))
        picture = page
    return np.asarray(picture.convert("L" if grey else "RGB"))


def _read(path: Path, expected: str, limit: int = -1) -> bytes:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected {expected}")
    with open(path, "rb") as stream:
        return stream.read(limit)
