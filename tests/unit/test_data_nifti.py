"""NIfTI-1 volumes in class folders: header, byte order, scaling, window and size; impossible headers are refused."""

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schwarz.data import read, read_meta
from schwarz.data.adding import build
from schwarz.data.nifti import TYPES, header, voxels
from schwarz.data.resampling import resample, weights
from tests.unit.own_images import cut, draw, refuse

CODES = {np.dtype(name): code for code, name in TYPES.items()}


def nifti(values: np.ndarray, order: str = "<", *, slope: float = 1, inter: float = 0, **changes: Any) -> bytes:
    """A file as it comes: the header, four bytes that say no extension, the values with the first axis fastest."""
    dim = changes.get("dim", [values.ndim, *values.shape, *[1] * (7 - values.ndim)])
    content = bytearray(352)
    struct.pack_into(f"{order}i", content, 0, changes.get("sizeof_hdr", 348))
    struct.pack_into(f"{order}8h", content, 40, *dim)
    struct.pack_into(f"{order}h", content, 70, changes.get("datatype", CODES.get(values.dtype, 0)))
    struct.pack_into(f"{order}3f", content, 108, changes.get("offset", 352), slope, inter)
    content[344:348] = changes.get("magic", b"n+1\0")
    return bytes(content) + values.astype(order + values.dtype.str[1:]).tobytes(order="F")


def scan(seed: int, shape: tuple[int, ...] = (6, 5, 4)) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1024, 1500, shape).astype(np.int16)


def write(file: Path, content: bytes) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)
    return file


@pytest.fixture
def mosmed(tmp_path: Path) -> Path:
    """Two classes of five studies, with the masks and lists of the archive beside them."""
    root = tmp_path / "COVID19_1110"
    for k, name in enumerate(("CT-0", "CT-23")):
        for i in range(5):
            write(root / "studies" / name / f"study_{k}{i}.nii.gz", nifti(scan(10 * k + i)))
    write(root / "masks/study_00_mask.nii.gz", nifti(scan(0)))
    (root / "dataset_registry.xlsx").write_text("a list")
    return root


def windowed(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.rint((np.clip(values, low, high) - low) * (255 / (high - low)))


def test_mosmed_s_tree_is_packed_in_the_order_of_its_axes_and_cut_to_the_window(mosmed: Path, tmp_path: Path) -> None:
    packed = build(mosmed, "mine", tmp_path)
    meta = read_meta(packed.folder)
    assert (meta.classes, meta.shape, meta.train, meta.test) == (("CT-0", "CT-23"), (1, 6, 5, 4), 8, 2)
    assert packed.notes[0] == "volumes of 6x5x4 voxels in the file's order of axes, values -1000 to 400 become 0 to 255"
    x = np.concatenate([read(packed.folder, "train")[0], read(packed.folder, "test")[0]])
    for seed in (0, 1, 2, 3, 4, 10, 11, 12, 13, 14):
        expected = windowed(scan(seed), -1000, 400)
        assert any(np.abs(volume[0] - expected).max() <= 1 for volume in x.astype(int))
    assert (x.min(), x.max()) == (0, 255)


def test_a_window_and_a_size_of_one_s_own(mosmed: Path, tmp_path: Path) -> None:
    folder = build(mosmed / "studies", "mine", tmp_path, size=(3, 5, 8), window=(-160, 240)).folder
    assert read_meta(folder).shape == (1, 3, 5, 8)
    expected = resample(windowed(scan(0), -160, 240).astype(np.float32), (3, 5, 8))
    x = np.concatenate([read(folder, "train")[0], read(folder, "test")[0]])
    assert any(np.abs(volume[0] - expected).max() <= 1 for volume in x.astype(float))


@pytest.mark.parametrize("name", sorted(TYPES.values()))
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_type_and_byte_order_is_read(tmp_path: Path, name: str, order: str) -> None:
    values = np.random.default_rng(0).integers(0, 100, (4, 3, 2)).astype(name)
    np.testing.assert_array_equal(voxels(write(tmp_path / "a.nii", nifti(values, order))), values)


def test_values_are_scaled_unless_the_slope_is_zero_or_no_number(tmp_path: Path) -> None:
    values = scan(0)
    scaled = voxels(write(tmp_path / "a.nii", nifti(values, slope=2, inter=-1024)))
    np.testing.assert_array_equal(scaled, values * 2.0 - 1024)
    for slope in (0.0, float("nan")):
        np.testing.assert_array_equal(voxels(write(tmp_path / "b.nii", nifti(values, slope=slope, inter=7))), values)


def test_axes_of_one_behind_the_third_and_an_extension_before_the_values_are_passed_over(tmp_path: Path) -> None:
    content = nifti(scan(0), dim=[4, 6, 5, 4, 1, 1, 1, 1], offset=368)
    file = write(tmp_path / "a.nii", content[:352] + b"sixteen bytes..." + content[352:])
    np.testing.assert_array_equal(voxels(file), scan(0))


def test_a_voxel_that_is_no_number_is_the_low_end(tmp_path: Path) -> None:
    for k, name in enumerate("ab"):
        for i in range(3):
            values = np.full((2, 2, 2), 400, np.float64)
            values[0, 0, 0], values[1, 1, 1], values[0, 1, 1] = np.nan, np.inf, 1e300
            write(tmp_path / "v" / name / f"{k}{i}.nii", nifti(values))
    x, _ = read(build(tmp_path / "v", "mine", tmp_path).folder, "train")
    assert (x[:, 0, 0, 0, 0] == 0).all()
    assert (x.reshape(len(x), -1)[:, 1:] == 255).all()


GOOD = nifti(scan(0))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 bytes, a header has 348"),
        (GOOD[:200], "200 bytes, a header has 348"),
        (GOOD[:-1], "240 bytes of values are promised, 591 are the whole file"),
        (nifti(scan(0), sizeof_hdr=1), "its magic is"),
        (nifti(scan(0), magic=b"ni1\0"), r"the header of a pair \.hdr and \.img, wanted: NIfTI-1 in one file"),
        (struct.pack("<i", 540) + b"n+2\0" + bytes(540), "NIfTI-2, wanted"),
        (nifti(scan(0), magic=b"\0\0\0\0"), "its magic is b"),
        (nifti(scan(0), dim=[3, 6, -5, 4, 1, 1, 1, 1]), r"its dim is \[3, 6, -5, 4, 1, 1, 1, 1\]"),
        (nifti(scan(0), dim=[3, 6, 0, 4, 1, 1, 1, 1]), "its dim is"),
        (nifti(scan(0), dim=[2, 6, 5, 4, 1, 1, 1, 1]), "its dim is"),
        (nifti(scan(0), dim=[9, 6, 5, 4, 1, 1, 1, 1]), "its dim is"),
        (
            nifti(scan(0), dim=[4, 6, 5, 2, 2, 1, 1, 1]),
            "wanted: three axes of one voxel or more, and one of ",
        ),
        (nifti(scan(0), dim=[3, 32767, 32767, 32767, 1, 1, 1, 1]), "70362301923326 bytes of values are promised"),
        (nifti(scan(0), datatype=128), "its datatype is 128, wanted one of 2, 4"),
        (nifti(scan(0), offset=float("nan")), "its vox_offset is nan"),
        (nifti(scan(0), offset=-1), "its vox_offset is -1"),
        (nifti(scan(0), offset=3e38), "bytes of values are promised"),
        (nifti(scan(0), inter=float("inf")), "its scl_inter is inf"),
    ],
)
def test_an_impossible_header_is_refused_or_left_out(
    mosmed: Path, tmp_path: Path, content: bytes, message: str
) -> None:
    bad = mosmed / "studies/CT-0/study_09.nii"
    write(bad, content)
    text = refuse(f"study_09.nii: does not decode as a NIfTI-1 volume .*{message}", mosmed, tmp_path)
    assert "leave out up to N such files: --skip-bad N" in text
    assert len(text) < 600
    packed = build(mosmed, "mine", tmp_path, skip_bad=1)
    assert read_meta(packed.folder).train + read_meta(packed.folder).test == 10
    assert packed.skipped[0].startswith(f"{bad}: ")


def test_a_compressed_volume_that_is_cut_short_or_promises_too_much_is_refused(mosmed: Path, tmp_path: Path) -> None:
    bad = write(mosmed / "studies/CT-0/study_09.nii.gz", GOOD)
    cut(bad)
    refuse("study_09.nii.gz: does not decode", mosmed, tmp_path)
    bad.write_bytes(gzip.compress(GOOD[:-10]))
    refuse("study_09.nii.gz: does not decode .*cut short: 230 of 240 bytes", mosmed, tmp_path)
    bad.write_bytes(gzip.compress(nifti(scan(0), dim=[3, 32767, 32767, 32767, 1, 1, 1, 1])))
    refuse("study_09.nii.gz: does not decode .*bytes of values are promised", mosmed, tmp_path)
    assert packed_without(mosmed, tmp_path) == 10


def packed_without(folder: Path, root: Path) -> int:
    meta = read_meta(build(folder, "mine", root, skip_bad=1).folder)
    return meta.train + meta.test


def test_volumes_of_several_sizes_are_refused_until_a_size_is_given(mosmed: Path, tmp_path: Path) -> None:
    write(mosmed / "studies/CT-23/study_17.nii", nifti(scan(17, (6, 5, 7))))
    text = refuse("all volumes must share one size", mosmed, tmp_path)
    assert "study_00.nii.gz is 6x5x4" in text
    assert "`--size 6 5 4` resamples them" in text
    assert read_meta(build(mosmed, "mine", tmp_path, size=(6, 5, 4)).folder).shape == (1, 6, 5, 4)


def test_too_few_volumes_of_a_class_are_called_volumes(mosmed: Path, tmp_path: Path) -> None:
    for i in range(2):
        write(mosmed / f"studies/CT-4/study_2{i}.nii", nifti(scan(i)))
    refuse("class 'CT-4' has 2 train volumes, at least 3 are needed. Add volumes of it", mosmed, tmp_path)


def test_sizes_and_windows_that_do_not_fit_are_refused(mosmed: Path, tmp_path: Path) -> None:
    refuse("--size 8 8: volumes have three axes. For example: --size 128 128 64", mosmed, tmp_path, size=(8, 8))
    refuse("--size 8 0 8: every extent must be at least 1", mosmed, tmp_path, size=(8, 0, 8))
    refuse("--window 400 -1000: LOW must be below HIGH", mosmed, tmp_path, window=(400, -1000))
    refuse("--window nan 1: LOW must be below HIGH", mosmed, tmp_path, window=(float("nan"), 1))
    for k, name in enumerate(("ant", "bee")):
        for i in range(3):
            draw(tmp_path / "photos" / name / f"{i}.png", seed=10 * k + i)
    refuse("--window 0 1: is for NIfTI volumes, not for images", tmp_path / "photos", tmp_path, window=(0, 1))
    refuse("--size 8 8 8: images have two axes", tmp_path / "photos", tmp_path, size=(8, 8, 8))


def test_volumes_among_images_are_refused(mosmed: Path, tmp_path: Path) -> None:
    draw(mosmed / "studies/CT-0/slice.png", seed=0)
    refuse(r"study_00.nii.gz is a volume, .*slice.png is none", mosmed, tmp_path)


def test_an_axis_that_shrinks_is_averaged_and_one_that_grows_is_interpolated() -> None:
    ramp = np.arange(8, dtype=np.float32)
    np.testing.assert_allclose(weights(8, 4) @ ramp, [1.25 / 1.75, 2.5, 4.5, 7 - 1.25 / 1.75], rtol=1e-6)
    np.testing.assert_allclose(
        weights(2, 4) @ np.array([0, 4], np.float32), [0, 1, 3, 4]
    )  # centres, not corners, are aligned
    np.testing.assert_allclose(weights(5, 5), np.eye(5))
    for old, new in ((512, 128), (40, 64), (7, 3), (1, 4), (4, 1)):
        np.testing.assert_allclose(weights(old, new).sum(axis=1), 1, rtol=1e-5)
        assert (weights(old, new).sum(axis=0) > 0).all()  # no voxel is passed over


def test_resampling_is_that_of_torch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    volume = np.random.default_rng(0).random((1, 1, 12, 9), dtype=np.float32)
    for size in ((5, 4), (12, 20), (3, 30)):
        there = torch.nn.functional.interpolate(
            torch.from_numpy(volume), size=size, mode="bilinear", align_corners=False, antialias=True
        )
        np.testing.assert_allclose(resample(volume[0, 0], size), there[0, 0].numpy(), atol=1e-5)


def test_the_header_says_the_size_without_the_values(tmp_path: Path) -> None:
    assert header(write(tmp_path / "a.nii.gz", GOOD)).size == (6, 5, 4)
