"""A person's own images: folders of real PNG and JPEG files, and .npz files, packed whole or refused by name."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from schwarz.data import read, read_meta
from schwarz.data.adding import Packed, build
from schwarz.errors import WrongInput
from tests.unit.own_images import cut, draw, left, refuse


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for k, name in enumerate(("ant", "bee")):
        for i in range(10):
            draw(tmp_path / "photos" / name / f"{i}.png", seed=100 * k + i)
    (tmp_path / "photos/README.txt").write_text("a file beside the class folders")
    (tmp_path / "photos/ant/.hidden").write_text("not an image")
    return tmp_path / "photos"


def test_a_folder_of_grey_images_keeps_one_channel_and_sets_a_fifth_aside(photos: Path, tmp_path: Path) -> None:
    packed = build(photos, "mine", tmp_path)
    assert packed == Packed(tmp_path / "datasets/mine", packed.notes, ())
    meta = read_meta(packed.folder)
    assert (meta.classes, meta.shape, meta.train, meta.test) == (("ant", "bee"), (1, 6, 5), 16, 4)
    assert "20% of every class, by seed 0" in packed.notes[-1]
    assert left(tmp_path) == [f"datasets/mine{file}" for file in ("", "/meta.json", "/test-00.npz", "/train-00.npz")]
    x, y = (
        np.concatenate(pair) for pair in zip(read(packed.folder, "train"), read(packed.folder, "test"), strict=True)
    )
    assert np.bincount(read(packed.folder, "test")[1]).tolist() == [2, 2]
    originals = {draw(tmp_path / "o.png", 100 * k + i).tobytes(): k for k in (0, 1) for i in range(10)}
    assert {image.tobytes(): label for image, label in zip(x, y, strict=True)} == originals


def test_the_test_part_is_the_same_every_time(photos: Path, tmp_path: Path) -> None:
    first, again = (build(photos, name, tmp_path).folder / "test-00.npz" for name in ("a", "b"))
    assert first.read_bytes() == again.read_bytes()


def test_train_and_test_folders_are_the_parts(tmp_path: Path) -> None:
    for part, count in (("train", 3), ("test", 2)):
        for k, name in enumerate(("ant", "bee")):
            for i in range(count):
                draw(tmp_path / "photos" / part / name / f"{i}.png", seed=10 * k + i, mode="RGB")
    folder = build(tmp_path / "photos", "mine", tmp_path).folder
    x, y = read(folder, "test")
    assert (x.shape, y.tolist()) == ((4, 3, 6, 5), [0, 0, 1, 1])
    expected = draw(tmp_path / "o.png", seed=11, mode="RGB")
    np.testing.assert_array_equal(x[3], np.moveaxis(expected, -1, 0))


def test_colour_wins_over_grey_alpha_is_dropped_and_it_is_said(photos: Path, tmp_path: Path) -> None:
    rgba = draw(photos / "bee/0.png", seed=7, mode="RGBA")
    packed = build(photos, "mine", tmp_path)
    x = np.concatenate([read(packed.folder, "train")[0], read(packed.folder, "test")[0]])
    assert x.shape == (20, 3, 6, 5)
    assert any((image == np.moveaxis(rgba[..., :3], -1, 0)).all() for image in x)
    assert "grey images among colour ones became colour" in packed.notes


def test_jpeg_is_read_and_size_resizes(photos: Path, tmp_path: Path) -> None:
    columns = np.tile(np.repeat(np.array([0, 200], np.uint8), 18), (16, 1))  # left half black, right half bright
    Image.fromarray(columns).save(photos / "ant/0.jpeg", quality=95)
    packed = build(photos, "mine", tmp_path, size=(8, 9))
    x = np.concatenate([read(packed.folder, "train")[0], read(packed.folder, "test")[0]])
    assert x.shape == (21, 1, 8, 9)
    assert any((image[..., :4] < 20).all() and (image[..., 5:] > 180).all() for image in x)


def test_sizes_that_differ_are_refused_with_two_examples(photos: Path, tmp_path: Path) -> None:
    draw(photos / "bee/3.png", seed=0, size=(7, 5))
    text = refuse("all images must share one size", photos, tmp_path)
    assert f"{photos / 'ant/0.png'} is 6x5" in text
    assert f"{photos / 'bee/3.png'} is 7x5" in text
    assert "`--size 6 5`" in text


@pytest.mark.parametrize("damage", [cut, lambda f: f.write_text("no image"), lambda f: f.write_bytes(b"")])
def test_an_image_that_does_not_decode_is_named_or_left_out(photos: Path, tmp_path: Path, damage: Callable) -> None:
    damage(photos / "bee/3.png")
    damage(photos / "ant/1.png")
    text = refuse("does not decode", photos, tmp_path)
    assert str(photos / "ant/1.png") in text or str(photos / "bee/3.png") in text
    assert "--skip-bad N" in text
    assert "1 before it were left out" in refuse("does not decode", photos, tmp_path, skip_bad=1)
    packed = build(photos, "mine", tmp_path, skip_bad=2)
    assert read_meta(packed.folder).train + read_meta(packed.folder).test == 18
    assert [line.split(":")[0] for line in sorted(packed.skipped)] == [
        str(photos / "ant/1.png"),
        str(photos / "bee/3.png"),
    ]


def test_sixteen_bit_images_are_refused(photos: Path, tmp_path: Path) -> None:
    Image.fromarray(np.full((6, 5), 40_000, np.uint16)).save(photos / "ant/0.png")
    refuse(r"ant/0\.png: does not decode as an image of 8 bits.*I;16", photos, tmp_path)


def test_images_that_make_pillow_warn_are_read_in_silence(photos: Path, tmp_path: Path) -> None:
    indexed = Image.new("P", (5, 6))
    indexed.putpalette(range(15))
    indexed.save(photos / "ant/0.png", transparency=bytes(range(5)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        build(photos, "mine", tmp_path)
    assert caught == []


def test_one_class_only_is_refused(photos: Path, tmp_path: Path) -> None:
    for file in (photos / "bee").iterdir():
        file.unlink()
    (photos / "bee").rmdir()
    text = refuse("of no known layout.*two class folders or more", photos, tmp_path)
    assert f"Found: 1 file (.txt), folder ant with 10 files (.png) in {photos}." in text


def test_an_empty_class_folder_is_refused(photos: Path, tmp_path: Path) -> None:
    (photos / "cat").mkdir()
    refuse(r"photos/cat: a class folder without images", photos, tmp_path)


def test_too_few_images_of_a_class_are_refused(photos: Path, tmp_path: Path) -> None:
    for i in range(2):
        draw(photos / f"cat/{i}.png", seed=i)
    refuse("class 'cat' has 2 train images, at least 3", photos, tmp_path)


def test_folders_that_hold_one_folder_only_are_passed_through(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "outer/inner").mkdir(parents=True)
    photos.rename(tmp_path / "outer/inner/photos")
    assert read_meta(build(tmp_path / "outer", "mine", tmp_path).folder).classes == ("ant", "bee")


def test_a_class_folder_that_holds_folders_is_refused(photos: Path, tmp_path: Path) -> None:
    (photos / "ant/young").mkdir()
    refuse("ant: a class folder that holds folders, like young", photos, tmp_path)


def test_an_unknown_layout_is_answered_with_what_was_looked_for_and_what_was_found(
    photos: Path, tmp_path: Path
) -> None:
    text = refuse(r"photos/ant: of no known layout.*Found: 10 files \(\.png\)", photos / "ant", tmp_path)
    looked_for = ("data_batch_1", "train-images-idx3-ubyte", "meta/train.txt", "yaleB01", "cat.0.jpg", "CLASS/FILE")
    assert all(word in text for word in (*looked_for, ".tgz", ".npz", "docs/data.md"))
    assert "\n" not in text
    (tmp_path / "empty").mkdir()
    refuse(r"of no known layout.*Found: nothing in", tmp_path / "empty", tmp_path)
    for name in "abc":
        (tmp_path / "deep" / name / "x").mkdir(parents=True)
    refuse(
        r"of no known layout.*Found: folder a with folders, folder b with folders, folder c with folders in",
        tmp_path / "deep",
        tmp_path,
    )
    refuse(r"README\.txt: of no known layout.*Found: a file \.txt", photos / "README.txt", tmp_path)


def test_a_test_class_that_is_not_trained_and_a_validation_folder_are_refused(tmp_path: Path) -> None:
    for part, classes in (("train", ("ant", "bee")), ("test", ("ant", "bee", "cat"))):
        for name in classes:
            for i in range(3):
                draw(tmp_path / "photos" / part / name / f"{i}.png", seed=i)
    refuse(r"test/cat: a class without a folder in .*train", tmp_path / "photos", tmp_path)
    (tmp_path / "photos/test/cat").rename(tmp_path / "elsewhere")
    (tmp_path / "photos/val").mkdir()
    refuse(r"photos/val: validation images are chosen from the training images", tmp_path / "photos", tmp_path)
    (tmp_path / "photos/val").rmdir()
    (tmp_path / "photos/test/bee").rename(tmp_path / "elsewhere-too")
    refuse("class 'bee' has 0 test images, at least 1", tmp_path / "photos", tmp_path)


def test_a_missing_path_is_answered_with_the_nearest(photos: Path, tmp_path: Path) -> None:
    refuse(f"no such file or folder. Did you mean '{photos}'", tmp_path / "photo", tmp_path)
    refuse(f"no such file or folder. Did you mean '{photos}/ant'", tmp_path / "photo/ants", tmp_path)


@pytest.mark.parametrize("name", ["", "../up", "a b", "-x", "sample", "a/b", "x.dvc", "x" * 65])
def test_a_bad_name_is_refused(photos: Path, tmp_path: Path, name: str) -> None:
    refuse("not a name for a data set", photos, tmp_path, name=name)


def test_an_existing_set_is_never_touched_and_the_way_to_replace_it_is_said(photos: Path, tmp_path: Path) -> None:
    folder = build(photos, "mine", tmp_path).folder
    before = {file: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(WrongInput, match=r"datasets/mine exists.*`rm -r .*datasets/mine`"):
        build(photos, "mine", tmp_path)
    (tmp_path / "datasets/mine.dvc").write_text("outs: []")
    with pytest.raises(WrongInput, match=r"`\S*dvc remove .*mine\.dvc; rm -r .*datasets/mine`"):
        build(photos, "mine", tmp_path)
    assert {file: file.read_bytes() for file in folder.iterdir()} == before


Y = np.arange(12) % 3
GREY = np.random.default_rng(0).integers(0, 256, (12, 7, 6), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (12, 7, 6, 3), dtype=np.uint8)
VOLUMES = np.random.default_rng(2).integers(0, 256, (12, 5, 6, 7), dtype=np.uint8)
FLAT = {pixels: np.zeros((12, pixels), np.uint8) for pixels in (784, 2744, 3072, 4096)}
TWO = np.stack([VOLUMES, 255 - VOLUMES], axis=-1)


def npz(tmp_path: Path, **members: np.ndarray) -> Path:
    np.savez_compressed(tmp_path / "own.npz", allow_pickle=True, **members)
    return tmp_path / "own.npz"


@pytest.mark.parametrize(
    ("x", "layout", "shape"),
    [
        (GREY, "HW", (1, 7, 6)),
        (COLOUR, "HWC", (3, 7, 6)),
        (np.moveaxis(COLOUR, -1, 1), "CHW", (3, 7, 6)),
        (VOLUMES, "DHW", (1, 5, 6, 7)),
        (TWO, "DHWC", (2, 5, 6, 7)),
        (np.moveaxis(TWO, -1, 1), "CDHW", (2, 5, 6, 7)),
        (VOLUMES[:, :4], "CHW", (4, 6, 7)),  # an outer axis of 1 to 4 is the channels
    ],
)
def test_an_npz_is_packed_whatever_its_layout_and_the_layout_is_said(tmp_path: Path, x, layout: str, shape) -> None:
    packed = build(npz(tmp_path, x_train=x, y_train=Y[:, None], x_test=x[:3], y_test=Y[:3]), "mine", tmp_path)
    assert read_meta(packed.folder).shape == shape
    assert read_meta(packed.folder).classes == ("0", "1", "2")
    kind = "volume" if "D" in layout else "image"
    assert packed.notes == (f"each {kind} {list(x.shape[1:])} is read as {layout}",)
    expected = np.moveaxis(x, -1, 1) if layout[-1] == "C" else x.reshape(12, *shape)
    np.testing.assert_array_equal(read(packed.folder, "train")[0], expected)
    np.testing.assert_array_equal(read(packed.folder, "test")[0], expected[:3])
    np.testing.assert_array_equal(read(packed.folder, "train")[1], Y)


def test_medmnist_names_its_arrays_the_other_way_and_has_validation_images(tmp_path: Path) -> None:
    members = {"train": VOLUMES[:8], "val": VOLUMES[8:9], "test": VOLUMES[9:]}
    arrays = {f"{part}_images": x for part, x in members.items()}
    labels = {f"{part}_labels": Y[: len(x), None].astype(np.uint8) for part, x in members.items()}
    packed = build(npz(tmp_path, **arrays, **labels), "mine", tmp_path)
    meta = read_meta(packed.folder)
    assert (meta.shape, meta.train, meta.test) == ((1, 5, 6, 7), 8, 3)
    assert packed.notes[1].startswith("val_images left aside")
    np.testing.assert_array_equal(read(packed.folder, "train")[0][:, 0], VOLUMES[:8])
    np.testing.assert_array_equal(read(packed.folder, "test")[1], Y[:3])


def test_an_npz_without_a_test_part_is_split_and_classes_may_be_named(tmp_path: Path) -> None:
    folder = build(npz(tmp_path, x=GREY, y=Y, classes=np.array(["ant", "bee", "cat"])), "mine", tmp_path).folder
    assert read_meta(folder).classes == ("ant", "bee", "cat")
    assert np.bincount(read(folder, "test")[1]).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"x": GREY}, "no member 'y', but x. Wanted: x_train"),
        ({"images": GREY, "labels": Y}, "no member 'x', but images, labels"),
        ({"x_train": GREY, "y_train": Y, "x_test": GREY}, "no member 'y_test'"),
        ({"x": GREY / 255, "y": Y}, r"x is float64, from 0\.0.* to 1\.0; wanted: uint8 .*\(x \* 255\)"),
        ({"x": GREY.astype(np.int32), "y": Y}, r"x is int32.*x\.astype\('uint8'\)"),
        ({"x": GREY, "y": Y[:-1]}, r"y is int64 \[11\]; wanted: one integer per image, \[12\]"),
        ({"x": GREY, "y": Y / 2}, r"y is float64 \[12\]"),
        ({"x": GREY, "y": Y - 1}, r"labels hold -1, outside the 2 classes"),
        ({"x": GREY, "y": Y, "classes": np.array(["a", "b"])}, "labels hold 2, outside the 2 classes"),
        ({"x_train": GREY, "y_train": Y, "x_test": GREY, "y_test": Y + 1}, "test labels hold 3, outside the 3 classes"),
        ({"x": GREY, "y": np.zeros(12, int)}, "holds only the class '0'"),
        ({"x": GREY, "y": Y * 2}, "class '1' has 0 train images"),
        ({"x": GREY[:0], "y": Y[:0]}, "holds no class"),
        ({"x": GREY[:, 0], "y": Y}, r"shape \[12, 6\]; wanted: \[n, H, W\].*\[n, C, D, H, W\]\.$"),
        ({"x": FLAT[784], "y": Y}, r"Rows of 784 values may be images of 28x28: `x\.reshape\(-1, 28, 28\)`\.$"),
        (
            {"x_train": FLAT[2744], "y_train": Y},
            r"2744 values may be volumes of 14x14x14: `x_train\.reshape\(-1, 14, 14, 14\)`\.$",
        ),
        ({"x": FLAT[3072], "y": Y}, r"may be colour images of 3x32x32: `x\.reshape\(-1, 3, 32, 32\)`\.$"),
        ({"x": FLAT[4096], "y": Y}, r"`x\.reshape\(-1, 64, 64\)`, or volumes .*`x\.reshape\(-1, 16, 16, 16\)`\.$"),
        ({"x": GREY.reshape(12, 7, 6, 1, 1, 1), "y": Y}, r"wanted: .*volumes: \[n, D, H, W\]"),
        ({"x": VOLUMES[:, :3, :, :, None], "y": Y}, r"both outer axes can be the channels.*\[n, D, H, W, C\]"),
        ({"x": VOLUMES.repeat(5, axis=1).reshape(12, 5, 5, 6, 7), "y": Y}, "no outer axis can be the channels"),
        ({"x": VOLUMES.astype(float), "y": Y}, "x is float64"),
        ({"x": COLOUR[:, :3], "y": Y}, "both outer axes can be the channels"),
        ({"x_train": GREY, "y_train": Y, "x_test": GREY[:, 1:], "y_test": Y}, "of different shapes"),
        ({"x_train": COLOUR, "y_train": Y, "x_test": GREY, "y_test": Y}, "but the training images are"),
        ({"x": np.array([object()] * 12), "y": Y}, "pickled objects are never loaded"),
    ],
)
def test_an_npz_that_cannot_be_used_is_refused(tmp_path: Path, members: dict[str, np.ndarray], message: str) -> None:
    assert "own.npz" in refuse(message, npz(tmp_path, **members), tmp_path)


def test_a_truncated_npz_and_a_size_for_arrays_are_refused(tmp_path: Path) -> None:
    file = npz(tmp_path, x=GREY, y=Y)
    refuse(r"--size 8 8: the images of an \.npz", file, tmp_path, size=(8, 8))
    refuse(r"--window -1000 400: is for NIfTI volumes, not for an \.npz", file, tmp_path, window=(-1000, 400))
    cut(file)
    refuse(r"own\.npz: not a whole \.npz file", file, tmp_path)
