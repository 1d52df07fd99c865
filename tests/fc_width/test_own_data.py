"""A person's own pictures: an .npz of arrays, or folders; whole, broken, and by somebody else."""

import io
import lzma
import shutil
import tokenize
import zipfile
import zlib

import numpy as np
import pytest
import torch

from fc_width import data


def own_arrays(**changes):
    rng = np.random.default_rng(2)
    arrays = {
        "train_images": rng.integers(0, 256, (12, 8, 9, 3)).astype(np.uint8),
        "train_labels": np.arange(12) % 3,
        "test_images": rng.integers(0, 256, (6, 8, 9, 3)).astype(np.uint8),
        "test_labels": np.arange(6) % 3,
    }
    return {name: array for name, array in (arrays | changes).items() if array is not None}


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
        (
            {"train_labels": np.arange(12) % 3 + 1, "test_labels": np.arange(6) % 3 + 1},
            "class 0 has no train image, of the classes 0…3; labels begin at 0",
        ),
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


def test_of_few_pictures_one_of_each_class_is_held_out(tmp_path):
    pictures(tmp_path / "few", classes=("cat", "dog", "owl"), count=3)
    assert data.load(str(tmp_path / "few")).test_labels.bincount().tolist() == [1, 1, 1]


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


def test_grey_test_pictures_beside_coloured_ones_to_train_with_get_three_channels(tmp_path):
    pictures(tmp_path / "pets" / "train")
    pictures(tmp_path / "pets" / "test", count=2, mode="L")
    loaded = data.load(str(tmp_path / "pets"))
    assert loaded.image_shape == (3, 8, 9)
    assert (loaded.test_images == loaded.test_images[:, :1]).all()
    assert sorted(loaded.test_images[:, 0, 0, 0].tolist()) == [0, 1, 40, 41]


def test_pictures_in_no_class_are_an_error_with_the_name(tmp_path):
    for name in ("train", "test"):
        pictures(tmp_path / "pets", classes=(name,))
    told = pytest.warns(UserWarning, match=r"passed over 0\.png, 1\.png, 2\.png and 2 more: in no class's folder")
    with told, pytest.raises(ValueError, match="pets: C must be at least 2, got C=0"):
        data.load(str(tmp_path / "pets"))


def test_a_third_folder_beside_train_and_test_is_passed_over_and_told(tmp_path):
    for name in ("train", "test", "val", "__MACOSX"):
        pictures(tmp_path / "pets" / name)
    with pytest.warns(UserWarning, match="pets: passed over val: only train and test are read"):
        assert len(data.load(str(tmp_path / "pets")).train_labels) == 10


def test_what_macos_adds_to_an_archive_is_no_class(tmp_path):
    pictures(tmp_path / "pets", classes=("cat", "dog", "__MACOSX"))
    assert data.load(str(tmp_path / "pets")).num_classes == 2


def test_a_picture_is_turned_as_a_viewer_turns_it(tmp_path):
    from PIL import Image

    pictures(tmp_path / "pets")
    pixels = np.arange(72, dtype=np.uint8).reshape(9, 8)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90°
    Image.fromarray(pixels).save(tmp_path / "pets" / "cat" / "0.png", exif=exif)
    images = data.load(str(tmp_path / "pets"))
    found = torch.cat([images.train_images, images.test_images])[:, 0].numpy()
    assert any(np.array_equal(each, np.rot90(pixels, -1)) for each in found)


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


def test_a_name_that_a_figure_cannot_show_is_changed(tmp_path):
    for name, expected in (("a$b^_$.npz", "own-a-b^_-"), ("\udcff.npz", "own--"), ("数据.npz", "own-数据")):
        path = tmp_path / name
        path.touch()
        assert data.canonical_name(str(path)) == expected


def test_files_beside_the_classes_are_told(tmp_path):
    pictures(tmp_path / "pets")
    (tmp_path / "pets" / "labels.csv").touch()
    (tmp_path / "pets" / ".hidden").touch()
    with pytest.warns(UserWarning, match=r"pets: passed over labels\.csv: in no class's folder"):
        from_path = data.load(tmp_path / "pets")
    with pytest.warns(UserWarning, match="labels"):
        assert data.load(str(tmp_path / "pets")).checksum == from_path.checksum
