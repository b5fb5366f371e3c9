"""Partitions: cuts, overlap, common size, crop, views."""

import numpy as np
import pytest

from schwarz.config import PartitionConfig
from schwarz.partition import Box, Partition


def spans(partition: Partition) -> list[tuple[tuple[int, int], ...]]:
    return [box.spans for box in partition]


def test_a_grid_cuts_every_axis_and_lists_boxes_row_by_row():
    assert spans(Partition.grid((32, 32), (2, 2))) == [
        ((0, 16), (0, 16)), ((0, 16), (16, 32)), ((16, 32), (0, 16)), ((16, 32), (16, 32)),
    ]  # fmt: skip


def test_document_3s_overlap_makes_20_of_16_and_grows_past_interior_cuts_only():
    assert spans(Partition.grid((32, 32), (2, 2), overlap=4))[0] == ((0, 20), (0, 20))
    assert spans(Partition.grid((30,), (3,), overlap=2)) == [((0, 12),), ((8, 22),), ((18, 30),)]


def test_an_uneven_axis_is_cut_at_the_nearest_pixel():
    assert spans(Partition.grid((10,), (4,))) == [((0, 3),), ((3, 5),), ((5, 8),), ((8, 10),)]


def test_a_common_size_spreads_the_starts_evenly():
    assert [box.spans[0][0] for box in Partition.grid((176,), (4,), size=(70,))] == [0, 35, 71, 106]


def test_a_crop_is_centred_and_boxes_keep_original_coordinates():
    assert spans(Partition.grid((32,), (2,), crop=(24,))) == [((4, 16),), ((16, 28),)]


def test_volumes_are_cut_along_three_axes():
    partition = Partition.grid((128, 128, 64), (4, 4, 2))
    assert len(partition) == 32
    assert {box.shape for box in partition} == {(32, 32, 32)}


def test_splitting_a_batch_gives_views():
    x = np.zeros((5, 3, 8, 8))
    parts = Partition.grid((8, 8), (2, 2)).split(x)
    assert [part.shape for part in parts] == [(5, 3, 4, 4)] * 4
    assert all(np.shares_memory(part, x) for part in parts)


def test_a_configuration_gives_the_same_partition():
    assert Partition.of(PartitionConfig(grid=(2, 2), overlap=4), (32, 32)) == Partition.grid(
        (32, 32), (2, 2), overlap=4
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Partition.grid((32, 32), (2,)), "grid \\[2\\] has 1 axes"),
        (lambda: Partition.grid((4,), (5,)), "5 boxes along an axis of 4"),
        (lambda: Partition.grid((32,), (2,), overlap=17), "overlap 17 .* at most 16"),
        (lambda: Partition.grid((32,), (2,), size=(40,)), "size 40 on an axis of 32"),
        (lambda: Partition.grid((32,), (2,), crop=(40,)), "crop \\[40\\] is larger"),
        (lambda: Partition((32,), ()), "at least one box"),
        (lambda: Partition((32,), (Box(((0, 33),)),)), "box 0 spans 0:33"),
        (lambda: Partition((32,), (Box(((4, 4),)),)), "hold a pixel"),
        (lambda: Partition((32, 32), (Box(((0, 4),)),)), "box 0 has 1 axes, the input 2"),
        (lambda: Partition.grid((8, 8), (2, 2)).split(np.zeros((1, 3, 9, 8))), "does not end in"),
    ],
)
def test_what_cannot_be_is_refused_with_its_value(make, message):
    with pytest.raises(ValueError, match=message):
        make()
