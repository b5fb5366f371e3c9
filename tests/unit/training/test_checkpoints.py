"""Checkpoints are whole or not there, of this configuration or refused; a damaged one is passed over."""

from pathlib import Path

import pytest
import torch

from schwarz.errors import WrongInput
from schwarz.training.checkpoints import Checkpoint, Checkpoints


def written(folder: Path, *epochs: int) -> Checkpoints:
    kept = Checkpoints(folder, {"seed": 0, "local.lr": 0.1})
    for epoch in epochs:
        kept.write(Checkpoint(epoch, {"a": torch.full((2, 3), float(epoch))}, {"told": epoch}))
    return kept


def test_the_newest_comes_back_as_it_was(tmp_path: Path) -> None:
    found = written(tmp_path, 1, 2, 3).newest()
    assert found is not None
    assert (found.epoch, found.about) == (3, {"told": 3})
    assert torch.equal(found.tensors["a"], torch.full((2, 3), 3.0))


def test_two_are_kept(tmp_path: Path) -> None:
    written(tmp_path, 1, 2, 3)
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["000002-000000", "000003-000000"]


def test_an_empty_folder_has_none(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "absent", {}).newest() is None


@pytest.mark.parametrize("place", [0, 4, 9, 20, 80, 200, -1])
def test_a_flipped_byte_anywhere_gives_the_one_before(tmp_path: Path, place: int) -> None:
    kept = written(tmp_path, 1, 2)
    path = tmp_path / "000002-000000.safetensors"
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    found = kept.newest()
    assert found is not None
    assert found.epoch == 1
    assert kept.damaged == [path]


@pytest.mark.parametrize("size", [0, 1, 7, 8, 100, -1])
def test_a_file_cut_off_gives_the_one_before(tmp_path: Path, size: int) -> None:
    kept = written(tmp_path, 1, 2)
    path = tmp_path / "000002-000000.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    found = kept.newest()
    assert found is not None
    assert found.epoch == 1


def test_one_of_another_configuration_is_refused_with_what_differs(tmp_path: Path) -> None:
    written(tmp_path, 1)
    other = Checkpoints(tmp_path, {"seed": 1, "local.lr": 0.1, "local.plateau": 5})
    told = (
        r"000001-000000.safetensors: is of another configuration: local.plateau was None and is 5, seed was 0 and is 1"
    )
    with pytest.raises(WrongInput, match=told):
        other.newest()
