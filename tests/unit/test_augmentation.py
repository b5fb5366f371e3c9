"""Training images move anew in every epoch; the boxes of an image together, or each by itself."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from schwarz.augmentation import MIRROR, WHOLE, Motions, Moving, Part, before, motions, moving, training_box
from schwarz.config import Augment, Data, PartitionConfig
from schwarz.files import write_json
from schwarz.images import Labelled, Shards, Some, save_array
from schwarz.partition import Partition, padded
from schwarz.steps.frame import DONE
from schwarz.steps.split import split
from schwarz.training.resident import Resident, resident

MOTIONS = {
    "shift": Augment(shift=3),
    "flip": Augment(flip=True),
    "both": Augment(shift=2, flip=True),
    "rotation": Augment(rotation=20),
    "zoom": Augment(zoom=0.3),
    "all": Augment(shift=2, flip=True, rotation=15, zoom=0.2),
}
FRAMES = {"2D": ((3, 12, 16), [2, 2]), "3D": ((1, 8, 10, 6), [2, 2, 1])}
N = 24


def images(shape: tuple[int, ...], n: int = N) -> Labelled:
    generator = np.random.default_rng(0)
    return Labelled(generator.integers(1, 256, (n, *shape), np.uint8), np.arange(n) % 3)


def laid_out(folder: Path, whole: Labelled) -> Path:
    """As `prepare_data` leaves them."""
    for part in ("train", "validation"):
        save_array(folder / part / "x.npy", whole.x)
        save_array(folder / part / "y.npy", whole.y)
    about = {"shape": whole.shape, "md5": "m", "mean": [0.5], "std": [0.2], "classes": ["a", "b", "c"]}
    write_json(folder / "data.json", about)
    write_json(folder / DONE, {"files": {}, "key": "images"})
    return folder


def cut(tmp_path: Path, whole: Labelled, grid: list[int], pad: int, augment: Augment, overlap: int = 2) -> Shards:
    """What `split` leaves."""
    images = laid_out(tmp_path / "images", whole)
    config = PartitionConfig(grid=tuple(grid), overlap=overlap)
    split(seed=0, data=Data(pad=pad), partition=config, augment=augment, images=images, out=tmp_path / "out")
    return Shards.read(tmp_path / "out")


@pytest.fixture(autouse=True)
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHWARZ_RUN", str(tmp_path / "run"))


@pytest.mark.parametrize("pad", [0, 3])
@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("name", MOTIONS)
def test_the_boxes_of_a_moved_image_are_the_moved_image(tmp_path: Path, name: str, frame: str, pad: int):
    (shape, grid), augment, at = FRAMES[frame], MOTIONS[name], np.array([5, 0, 17, 23, 11, 2])
    whole = images(shape)
    shards = cut(tmp_path, whole, grid, pad, augment)
    boxes = Partition.grid(padded(shape, pad)[1:], grid, 2)
    for epoch in (1, 2):
        moved = moving(whole, augment, seed=7).batch(at, epoch)
        around = np.pad(moved, [(0, 0), (0, 0), *[(pad, pad)] * (len(shape) - 1)])
        for k, box in enumerate(boxes):
            mine = training_box(shards, k, augment, seed=7)
            assert mine.shape == (shape[0], *box.shape)
            assert np.array_equal(mine.batch(at, epoch), around[box.slices])
    assert not np.array_equal(moved, whole.x[at])


@pytest.mark.parametrize("shape", [shape for shape, _ in FRAMES.values()], ids=FRAMES)
@pytest.mark.parametrize("name", [*MOTIONS, "none"])
def test_images_that_stay_on_a_device_are_the_same_to_the_pixel(tmp_path: Path, name: str, shape: tuple[int, ...]):
    """Whole images and boxes of them, with what is around them and in the mirror. The processor is the device."""
    whole, augment, grid = images(shape), MOTIONS.get(name, Augment()), [2] * (len(shape) - 1)
    shards, at = cut(tmp_path, whole, grid, 2, augment, overlap=1), np.array([5, 0, 17, 23, 11, 2])
    boxes = [training_box(shards, k, augment, 7) for k in shards.boxes]
    some = [moving(whole, augment, 7), *boxes, Some(boxes[0], np.arange(N)[::-1])]
    there = resident(some, torch.device("cpu"), room=10**9)
    for one, other in zip(some, there, strict=True):
        assert isinstance(other.all_ if isinstance(other, Some) else other, Resident)
        assert other.shape == one.shape
        for epoch in (1, 2):
            assert np.array_equal(torch.as_tensor(other.batch(at, epoch)).numpy(), one.batch(at, epoch))


def test_what_several_boxes_read_is_on_a_device_once(tmp_path: Path):
    shards = cut(tmp_path, images((3, 12, 16)), [2, 2], 0, Augment(rotation=20))
    some = [training_box(shards, k, Augment(rotation=20), 7) for k in range(4)]
    there = resident(some, torch.device("cpu"), room=some[0].nbytes)
    assert len({id(each.x) for each in there if isinstance(each, Resident)}) == 1


def test_images_larger_than_the_room_on_a_device_stay_where_they_are():
    some = [images((3, 12, 16))]
    assert resident(some, torch.device("cpu"), room=some[0].nbytes - 1) is some
    assert isinstance(resident(some, torch.device("cpu"), room=some[0].nbytes)[0], Resident)


def test_only_what_is_read_is_written(tmp_path: Path):
    whole = images((3, 12, 16))
    files = {
        name: set(cut(tmp_path / name, whole, [2, 2], 0, augment, 0).sha256["0"])
        for name, augment in MOTIONS.items() if name in ("shift", "both", "all")
    }  # fmt: skip
    labels = {"train-y.npy", "validation-x.npy", "validation-y.npy"}
    assert files["shift"] == labels | {"train-x.npy"}
    assert files["both"] == labels | {"train-x.npy", MIRROR}
    assert files["all"] == labels
    across = cut(tmp_path / "across", whole, [2, 1], 0, MOTIONS["flip"], 0)
    assert MIRROR not in across.sha256["0"]  # such a box is its own mirror image
    assert WHOLE not in across.sha256


def test_a_box_by_itself_moves_within_itself(tmp_path: Path):
    augment, whole = Augment(frame="box", shift=2), images((1, 12, 12))
    shards = cut(tmp_path, whole, [2, 2], 0, augment, 0)
    alone = [training_box(shards, k, augment, seed=0) for k in range(4)]
    at = np.arange(N)
    for k, (box, rows) in enumerate(zip(alone, Partition.grid((12, 12), (2, 2)), strict=True)):
        assert isinstance(box, Moving)
        shown, moved = whole.x[rows.slices], motions(augment, N, 2, box.seed, 4).shift
        for image, (one, (down, right)) in enumerate(zip(box.batch(at, 4), moved, strict=True)):
            expected = np.zeros((10, 10), np.uint8)
            expected[2 + down : 8 + down, 2 + right : 8 + right] = shown[image, 0]
            assert np.array_equal(one[0], expected[2:8, 2:8])
        assert k == 0 or not np.array_equal(moved, motions(augment, N, 2, alone[0].seed, 4).shift)  # pyright: ignore[reportAttributeAccessIssue]


def test_motions_are_functions_of_the_epoch_and_each_of_itself():
    both, shift = (motions(MOTIONS[name], 1000, 2, 0, 3) for name in ("all", "both"))
    assert np.array_equal(both.shift, shift.shift)
    assert np.array_equal(both.flip, shift.flip)
    assert not np.array_equal(both.shift, motions(MOTIONS["all"], 1000, 2, 0, 4).shift)
    assert set(np.unique(both.shift)) == {-2, -1, 0, 1, 2}
    assert 400 < both.flip.sum() < 600
    assert np.abs(np.rad2deg(both.angle)).max() == pytest.approx(15, rel=0.02)
    assert (both.zoom.min(), both.zoom.max()) == pytest.approx((0.8, 1.2), rel=0.01)


def still(n: int, **moved: Any) -> Motions:
    at_rest = {"shift": np.zeros((n, 2), int), "flip": np.zeros(n, bool), "angle": np.zeros(n), "zoom": np.ones(n)}
    return Motions(**at_rest | moved)


def shown(x: np.ndarray, moves: Motions) -> np.ndarray:
    """The whole images, moved by resampling."""
    part = Part.whole(x.shape[2:])
    return Moving(x, np.zeros(len(x)), part, Augment(rotation=1), 0)._resampled(np.arange(len(x)), moves)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_quarter_turn_is_numpys(turns: int):
    x = images((2, 7, 7), 3).x.astype(np.float64)
    turned = shown(x, still(3, angle=np.full(3, turns * np.pi / 2)))
    assert np.allclose(turned, np.rot90(x, turns, axes=(2, 3)), atol=1e-9)


def test_zoom_enlarges_about_the_centre():
    x = np.zeros((1, 1, 9, 9))
    x[0, 0, 3:6, 3:6] = 1
    large = shown(x, still(1, zoom=np.array([2.0])))[0, 0]
    assert large[4, 1:8] == pytest.approx([0.5, 1, 1, 1, 1, 1, 0.5])  # three pixels are six, half of one at each end
    assert large[0].sum() == 0


def test_resampling_and_windows_move_alike():
    """The two ways to shift and mirror agree to the rounding."""
    whole, augment = images((3, 12, 16)), MOTIONS["both"]
    moves = motions(augment, N, 2, 0, 1)
    windows = moving(whole, augment, 0).batch(np.arange(N), 1)
    assert np.allclose(shown(whole.x, Motions(moves.shift, moves.flip, np.zeros(N), np.ones(N))), windows, atol=0.05)


def test_where_a_pixel_was_is_exact():
    part = Part((4, 6), ((1, 3), (2, 4)), ((0, 0), (0, 0)))
    was = before(part, still(1), np.float64)[0]
    assert was[..., 1].tolist() == [[(2 * 1 + 1) / 4 - 1] * 2, [(2 * 2 + 1) / 4 - 1] * 2]
    assert was[0, :, 0].tolist() == [(2 * 2 + 1) / 6 - 1, (2 * 3 + 1) / 6 - 1]
