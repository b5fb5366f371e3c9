"""The layouts in which sets of images come: TF-Flowers, Food-101, Dogs-vs-Cats, Extended Yale B."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from schwarz.data import read, read_meta
from schwarz.data.adding import build
from tests.unit.own_images import cut, draw, refuse


def everything(folder: Path) -> dict[bytes, str]:
    """The pixels of every image of a packed set, and its class."""
    classes = read_meta(folder).classes
    parts = (read(folder, "train"), read(folder, "test"))
    return {image.tobytes(): classes[label] for x, y in parts for image, label in zip(x, y, strict=True)}


def test_tf_flowers_archive_has_its_licence_beside_the_class_folders(tmp_path: Path) -> None:
    flowers = tmp_path / "flower_photos"
    originals = {
        draw(flowers / name / f"{seed}_{i}.png", 10 * seed + i).tobytes(): name
        for seed, name in enumerate(("daisy", "dandelion", "roses", "sunflowers", "tulips"))
        for i in range(3)
    }
    (flowers / "LICENSE.txt").write_text("CC BY, photo by photo")
    archive = shutil.make_archive(str(tmp_path / "flower_photos"), "gztar", tmp_path, "flower_photos")
    Path(archive).rename(tmp_path / "flower_photos.tgz")
    folder = build(tmp_path / "flower_photos.tgz", "flowers", tmp_path).folder
    assert everything(folder) == originals
    assert read_meta(folder).source.startswith(
        "flower_photos.tgz: grey images of 6x5 pixels; no test images told apart"
    )


@pytest.fixture
def food(tmp_path: Path) -> Path:
    """Three classes of five images; the lists put three into training, and are in no order."""
    root = tmp_path / "food-101"
    lists: dict[str, list[str]] = {"train": [], "test": []}
    for k, name in enumerate(("waffles", "apple_pie", "baby_back_ribs")):
        for i in range(5):
            draw(root / "images" / name / f"{1000 + i}.jpg", seed=10 * k + i, mode="RGB", size=(8, 8))
            lists["test" if i in (1, 3) else "train"].append(f"{name}/{1000 + i}")
    (root / "meta").mkdir()
    for part, lines in lists.items():
        (root / f"meta/{part}.txt").write_text("\n".join(lines) + "\n")
        (root / f"meta/{part}.json").write_text("{}")
    (root / "meta/classes.txt").write_text("apple_pie\n")
    for name in ("README.txt", "license_agreement.txt"):
        (root / name).write_text("text")
    return root


def test_food_101_is_split_by_its_lists(food: Path, tmp_path: Path) -> None:
    packed = build(food, "food", tmp_path)
    meta = read_meta(packed.folder)
    assert (meta.classes, meta.shape) == (("apple_pie", "baby_back_ribs", "waffles"), (3, 8, 8))
    assert (meta.train, meta.test) == (9, 6)
    assert packed.notes == ("colour images of 8x8 pixels", "Food-101's lists")
    x, y = read(packed.folder, "test")
    assert y.tolist() == [2, 2, 0, 0, 1, 1]
    with Image.open(food / "images/waffles/1003.jpg") as image:
        np.testing.assert_array_equal(np.moveaxis(x[1], 0, -1), np.asarray(image))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "meta/test.txt").unlink(), r"meta/test\.txt: missing. Food-101 is images/CLASS/ID\.jpg"),
        (lambda f: (f / "meta/test.txt").write_text("waffles/7"), r"meta/test\.txt:1: 'waffles/7' is no image below"),
        (lambda f: (f / "meta/test.txt").write_text("../secret/1"), r"test\.txt:1: '\.\./secret/1' is no image"),
        (lambda f: (f / "meta/test.txt").write_text("waffles/1000\n/etc/passwd"), r"test\.txt:2: '/etc/passwd' is no"),
        (lambda f: (f / "meta/test.txt").write_text(""), "class 'apple_pie' has 0 test images"),
        (lambda f: cut(f / "images/waffles/1001.jpg", 200), r"waffles/1001\.jpg: does not decode"),
        (lambda f: draw(f / "images/waffles/1001.jpg", 0, "RGB", (9, 8)), "all images must share one size"),
    ],
)
def test_a_damaged_food_101_is_refused(
    food: Path, tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    (food.parent / "secret").mkdir()
    draw(food.parent / "secret/1.jpg", seed=0, mode="RGB", size=(8, 8))
    damage(food)
    refuse(message, food, tmp_path)


@pytest.mark.parametrize("place", ["train", "."])
def test_dogs_vs_cats_takes_the_classes_from_the_names_of_the_files(tmp_path: Path, place: str) -> None:
    root = tmp_path / "dogs-vs-cats"
    originals = {
        draw(root / place / f"{name}.{i}.png", 100 * k + i).tobytes(): name
        for k, name in enumerate(("cat", "dog"))
        for i in range(12)
    }
    if place == "train":
        draw(root / "test1/1.png", seed=7)  # no labels: passed over
        (root / "sampleSubmission.csv").write_text("id,label")
    folder = build(root, "pets", tmp_path).folder
    assert everything(folder) == originals
    assert read_meta(folder).classes == ("cat", "dog")
    archive = shutil.make_archive(str(tmp_path / "pets"), "zip", root, place)
    again = build(Path(archive), "zipped", tmp_path).folder
    assert (again / "train-00.npz").read_bytes() == (folder / "train-00.npz").read_bytes()


def test_files_of_a_class_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for i in range(12):
        for name in ("cat", "dog"):
            Image.fromarray(np.full((2, 2), i, np.uint8)).save(tmp_path / f"{name}.{i}.png")
    (tmp_path / "flat").mkdir()
    for file in tmp_path.glob("*.png"):
        file.rename(tmp_path / "flat" / file.name)
    x, y = read(build(tmp_path / "flat", "mine", tmp_path).folder, "train")
    for label in (0, 1):
        assert (np.diff(x[y == label][:, 0, 0, 0].astype(int)) > 0).all()


def test_one_name_among_them_that_has_no_number_is_no_such_set(tmp_path: Path) -> None:
    for i in range(3):
        draw(tmp_path / "flat" / f"cat.{i}.png", seed=i)
    refuse("holds only the class 'cat'", tmp_path / "flat", tmp_path)
    draw(tmp_path / "flat/portrait.png", seed=9)
    refuse("of no known layout", tmp_path / "flat", tmp_path)


UNKNOWN: dict[str, tuple[tuple[str, ...], str]] = {
    "a folder of records": (
        (*(f"unk/rec_{i}.tfrecord" for i in range(5)), "unk/labels.csv"),
        r"Found: 6 files \(\.tfrecord, \.csv\) in {top}/unk\.",
    ),
    "a folder of tables beside a text": (
        ("pk/README", "pk/a/x.parquet"),
        r"Found: 1 file \(README\), folder a with 1 file \(\.parquet\) in {top}/pk\.",
    ),
    "images with a list of labels": (
        ("flat/1.jpg", "flat/2.jpg", "flat/labels.csv"),
        r"Found: 3 files \(\.jpg, \.csv\) in {top}/flat\.",
    ),
    "images and their annotations": (
        ("voc/Annotations/1.xml", "voc/JPEGImages/1.jpg", "voc/Sets/Main/train.txt"),
        r"Found: folder Annotations with 1 file \(\.xml\), .*JPEGImages .*, folder Sets with folders in {top}/voc\.",
    ),
    "training images and their labels": (
        ("yolo/train/images/1.jpg", "yolo/train/labels/1.txt"),
        r"Found: folder images with 1 file \(\.jpg\), folder labels .* in {top}/yolo/train\.",
    ),
    "class folders of DICOM": (("ct/a/1.dcm", "ct/b/1.dcm"), r"Found: folder a with 1 file \(\.dcm\)"),
    "class folders of what Pillow only knows by name": (("ct/a/1.h5", "ct/b/1.h5"), r"Found: folder a .*\.h5"),
    "shards by number": (("s/shard.0.tfrecord", "s/shard.1.tfrecord"), r"Found: 2 files \(\.tfrecord\)"),
    "many folders": (tuple(f"many/{i}/x.bin" for i in range(7)), r"folder 3 with 1 file \(\.bin\), 3 folders more in"),
}


@pytest.mark.parametrize(("names", "found"), UNKNOWN.values(), ids=UNKNOWN)
@pytest.mark.parametrize("archived", [False, True])
def test_an_unknown_layout_below_a_top_folder_is_told_as_such(
    tmp_path: Path, names: tuple[str, ...], found: str, archived: bool
) -> None:
    top = tmp_path / "brought"
    for name in names:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text("content")
    path = Path(shutil.make_archive(str(top), "gztar", top)) if archived else top
    text = refuse("of no known layout. Looked for: .*" + found.format(top=path), path, tmp_path)
    assert text.startswith(f"{path}: ")


def test_a_folder_of_texts_among_class_folders_is_named(tmp_path: Path) -> None:
    for i in range(3):
        for name in ("ant", "bee"):
            draw(tmp_path / "photos" / name / f"{i}.png", seed=i)
    (tmp_path / "photos/docs").mkdir()
    (tmp_path / "photos/docs/readme.txt").write_text("text")
    refuse(r"photos/docs: a class folder without images\. Remove it", tmp_path / "photos", tmp_path)


def test_images_without_a_suffix_and_with_one_in_capitals_are_found(tmp_path: Path) -> None:
    for i in range(3):
        draw(tmp_path / f"photos/ant/{i}.PNG", seed=i)
        draw(tmp_path / f"photos/bee/{i}.png", seed=9 + i).tobytes()
        (tmp_path / f"photos/bee/{i}.png").rename(tmp_path / f"photos/bee/{i}")
    assert read_meta(build(tmp_path / "photos", "mine", tmp_path).folder).classes == ("ant", "bee")


LIGHTS = ("P00A+000E+00", "P00A+005E-10", "P00A-110E+65", "P00A+070E+45")


@pytest.fixture
def yale(tmp_path: Path) -> Path:
    """Persons 01, 02 and 39 under four lights, with what else lies in the archive."""
    root = tmp_path / "CroppedYale"
    for k, person in enumerate(("yaleB01", "yaleB02", "yaleB39")):
        for i, light in enumerate(LIGHTS):
            draw(root / person / f"{person}_{light}.pgm", seed=10 * k + i)
        draw(root / person / f"{person}_P00_Ambient.pgm", seed=0, size=(9, 9))
        (root / person / f"{person}_P00.info").write_text("\n".join(LIGHTS))
        (root / person / f"{person}_P00A-130E+20.pgm.bad").write_bytes(b"P5 broken")
    (root / "yaleB01/WS_FTP.LOG").write_text("log")
    (root / "DEADJOE").write_text("left by an editor")
    return root


def test_extended_yale_b_is_read_without_its_bad_and_ambient_images(yale: Path, tmp_path: Path) -> None:
    (tmp_path / "outer").mkdir()
    yale.rename(tmp_path / "outer/CroppedYale")
    folder = build(tmp_path / "outer", "yale", tmp_path).folder
    meta = read_meta(folder)
    assert (meta.classes, meta.shape, meta.train, meta.test) == (("yaleB01", "yaleB02", "yaleB39"), (1, 6, 5), 9, 3)
    assert everything(folder) == {
        draw(tmp_path / "o.pgm", 10 * k + i).tobytes(): name for k, name in enumerate(meta.classes) for i in range(4)
    }


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: cut(f, 3), r"yaleB02_P00A\+000E\+00\.pgm: does not decode as an image"),
        (lambda f: f.write_bytes(b"P5 nothing"), "does not decode"),
        (lambda f: f.write_bytes(b"P5\n99999999 99999999\n255\n"), "does not decode"),
        (lambda f: f.write_bytes(b"P5\n5 6\n65535\n" + bytes(60)), "its mode is I"),
        (lambda f: [file.unlink() for file in f.parent.glob("*.pgm")], r"yaleB02: holds no image yaleB02_\*\.pgm"),
    ],
)
def test_a_damaged_pgm_is_refused(yale: Path, tmp_path: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(yale / f"yaleB02/yaleB02_{LIGHTS[0]}.pgm")
    refuse(message, yale, tmp_path)
