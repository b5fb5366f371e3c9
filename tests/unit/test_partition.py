"""Partitions: cuts, overlap, common size, crop, any boxes; what they cover, views, pieces put together, alignment."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from schwarz.partition import Box, Partition

NAN: Any = math.nan  # the type checker would refuse it, and what else is wrong here, before the code can
box: Any = Box
partition: Any = Partition
grid: Any = Partition.grid


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


def test_tensors_are_split_into_views_as_well():
    x = torch.arange(32).reshape(2, 4, 4)
    parts = Partition.grid((4, 4), (2, 2), overlap=1).split(x)
    assert [tuple(part.shape) for part in parts] == [(2, 3, 3)] * 4
    assert all(part.untyped_storage().data_ptr() == x.untyped_storage().data_ptr() for part in parts)


def test_complete_is_disjoint_and_covering():
    assert Partition.grid((32, 32), (2, 2)).complete
    overlapping = Partition.grid((32, 32), (2, 2), overlap=4)
    assert (overlapping.complete, overlapping.covers) == (False, True)
    cropped = Partition.grid((32, 32), (2, 2), crop=(24, 24))
    assert (cropped.complete, cropped.covers) == (False, False)


def test_as_many_pixels_as_the_input_in_the_boxes_do_not_make_them_cover_it():
    partition = Partition((8,), (Box(((0, 5),)), Box(((3, 6),))))
    assert sum(math.prod(box.shape) for box in partition) == 8
    assert (partition.complete, partition.covers) == (False, False)


def test_coverage_is_exact_on_axes_too_long_for_a_mask():
    n = 10**12
    halves = (Box(((0, n // 2), (0, n))), Box(((n // 2, n), (0, n))))
    assert Partition((n, n), halves).complete
    assert not Partition((n, n), (halves[0], Box(((n // 2 + 1, n), (0, n))))).covers


def test_multiplicity_counts_the_boxes_at_every_pixel():
    assert Partition.grid((6,), (2,), overlap=1).multiplicity.tolist() == [1, 1, 2, 2, 1, 1]
    assert Partition.grid((4,), (1,), crop=(2,)).multiplicity.tolist() == [0, 1, 1, 0]


def test_overlapping_pieces_are_averaged_and_pixels_in_no_box_are_0():
    partition = Partition((6,), (Box(((0, 3),)), Box(((2, 5),))))
    assert partition.assemble([np.full((1, 3), 2.0), np.full((1, 3), 4.0)]).tolist() == [[2, 2, 3, 4, 4, 0]]


def test_images_of_whole_numbers_keep_their_dtype_and_become_fractions_only_where_boxes_overlap():
    x = np.random.default_rng(0).integers(0, 256, (2, 3, 8, 8), np.uint8)
    again = Partition.grid((8, 8), (2, 2)).assemble(Partition.grid((8, 8), (2, 2)).split(x))
    assert again.dtype == np.uint8
    assert (again == x).all()
    overlapping = Partition((2,), (Box(((0, 2),)), Box(((1, 2),))))
    assert overlapping.assemble([np.array([250, 255], np.uint8), np.array([250], np.uint8)]).tolist() == [250, 252.5]


@pytest.mark.parametrize("overlap", [0, 1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_tensors_are_put_together_in_their_dtype_and_pass_gradients_on(overlap: int, dtype: torch.dtype):
    partition = Partition.grid((6, 6), (2, 2), overlap=overlap)
    x = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0)).to(dtype).requires_grad_()
    again = partition.assemble(partition.split(x))
    assert again.dtype == dtype
    assert torch.equal(again, x)
    again.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, torch.ones_like(x), atol=1e-2 if dtype == torch.bfloat16 else 1e-6, rtol=0)


def test_vgg16_at_112_of_stride_32_is_misaligned_and_moves_to_the_nearest_multiple():
    partition = Partition.grid((224, 224), (2, 2))
    assert partition.misaligned(32) == [(1, 1, 112), (2, 0, 112), (3, 0, 112), (3, 1, 112)]
    assert partition.misaligned((16, 32)) == [(1, 1, 112), (3, 1, 112)]
    assert partition.aligned(32).boxes[3] == Box(((96, 208), (96, 208)))  # 128 is as near, and reaches past the image
    assert not partition.aligned(32).covers
    assert partition.misaligned(16) == []
    assert partition.aligned(16) == partition


def test_a_start_halfway_between_two_multiples_moves_up_where_the_box_fits():
    assert Partition((20,), (Box(((4, 10),)),)).aligned(8).boxes[0] == Box(((8, 14),))


@pytest.mark.parametrize(
    ("partition", "text"),
    [
        (Partition.grid((32, 32), (2, 2), overlap=4),
         "Partition 32x32: 4 boxes of 20x20 at (0, 0) (0, 12) (12, 0) (12, 12)"),
        (Partition.grid((10,), (2,), crop=(9,)), "Partition 10: 2 boxes 0:5 5:9"),
        (Partition.grid((4,), (1,)), "Partition 4: 1 box of 4 at (0)"),
        (Partition.grid((64, 64), (4, 4)),
         "Partition 64x64: 16 boxes of 16x16 at (0, 0) (0, 16) (0, 32) (0, 48) (16, 0) (16, 16) (16, 32) (16, 48) ..."),
    ],
)  # fmt: skip
def test_a_partition_tells_itself_in_a_line(partition: Partition, text: str):
    assert str(partition) == text
    assert repr(partition) == f"<{text}>"
    assert repr(Box(((0, 16), (2, 4)))) == "Box(((0, 16), (2, 4)))"


def test_equal_boxes_are_one_value_however_they_were_written():
    assert {Box(((0, 4), (1, 2))), box(tuple((np.int64(a), np.int64(b)) for a, b in ((0, 4), (1, 2))))} == {
        Box(((0, 4), (1, 2)))
    }
    assert Partition.grid((32, 32), (2, 2), overlap=4) == grid(
        np.array([32, 32]), torch.Size([2, 2]), overlap=np.int64(4)
    )
    with pytest.raises(AttributeError, match="cannot assign"):
        Partition.grid((4,), (2,)).shape = (5,)  # type: ignore[misc]  # that it fails is the point


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Partition.grid((32, 32), (2,)), "grid \\[2\\] has 1 axes"),
        (lambda: Partition.grid((4,), (5,)), "5 boxes along an axis of 4"),
        (lambda: Partition.grid((32,), (2,), overlap=17), "overlap 17 .* at most 16"),
        (lambda: Partition.grid((10,), (4,), overlap=3), "overlap 3 .* at most 2"),
        (lambda: Partition.grid((32,), (2,), overlap=-1), "overlap -1: give a whole number of pixels, 0 or more"),
        (lambda: Partition.grid((32,), (2,), overlap=NAN), "overlap nan: give a whole number"),
        (lambda: Partition.grid((32,), (2,), overlap=2, size=(20,)), r"overlap 2 and size \[20\] exclude each other"),
        (lambda: Partition.grid((32, 32), (2, 2), size=(20,)), r"size \[20\] has 1 axes, the input 2: give one"),
        (lambda: Partition.grid((32, 32), (2, 2), crop=(20,)), r"crop \[20\] has 1 axes, the input 2: give one"),
        (lambda: Partition.grid((32,), (0,)), r"grid \[0\]: give whole numbers, 1 or more"),
        (lambda: Partition.grid((32,), (NAN,)), r"grid \[nan\]: give whole numbers, 1 or more"),
        (lambda: Partition.grid((32,), (2,), size=(0,)), r"size \[0\]: give whole numbers, 1 or more"),
        (lambda: Partition.grid((32,), (2,), size=(NAN,)), r"size \[nan\]: give whole numbers, 1 or more"),
        (lambda: Partition.grid((32,), (2,), crop=(-4,)), r"crop \[-4\]: give whole numbers, 1 or more"),
        (lambda: Partition.grid((32,), (2,), size=(40,)), "size 40 on an axis of 32"),
        (lambda: Partition.grid((32,), (2,), crop=(40,)), "crop \\[40\\] is larger"),
        (lambda: Partition((32,), ()), "at least one box"),
        (lambda: Partition((32,), (Box(((0, 33),)),)), "box 0 spans 0:33"),
        (lambda: Partition((32,), (Box(((4, 4),)),)), "hold a pixel"),
        (lambda: Partition((32,), (Box(((0, 4),)), Box(((-1, 4),)))), "box 1 spans -1:4 on axis 0 of 32 .*inside 0:32"),
        (lambda: Partition((32, 32), (Box(((0, 4), (9, 7))),)), "box 0 spans 9:7 on axis 1 of 32 pixels"),
        (lambda: Partition((32, 32), (Box(((0, 4),)),)), "box 0 has 1 axes, the input 2: give a \\(start, stop\\)"),
        (lambda: box(((0, NAN),)), r"a whole \(start, stop\) per axis, .* not \(\(0, nan\),\)"),
        (lambda: box(((0, 1, 2),)), r"a whole \(start, stop\) per axis, .* not \(\(0, 1, 2\),\)"),
        (lambda: box((0, 4)), r"a whole \(start, stop\) per axis, .* not \(0, 4\)"),
        (lambda: box(4), r"a whole \(start, stop\) per axis, .* not 4"),
        (lambda: partition((32.0,), (Box(((0, 4),)),)), r"shape \[32.0\]: give whole numbers, 1 or more, one per axis"),
        (lambda: Partition((-32,), (Box(((0, 4),)),)), r"shape \[-32\]: give whole numbers, 1 or more"),
        (lambda: Partition((), (Box(()),)), r"shape \[\]: give whole numbers, 1 or more, one per axis"),
        (lambda: grid((32, 32), (2, 2.0)), r"grid \[2, 2.0\]: give whole numbers, 1 or more"),
        (lambda: grid((32, 0), (2, 2)), r"shape \[32, 0\]: give whole numbers, 1 or more"),
        (lambda: grid((32,), (2,), overlap=2.5), "overlap 2.5: give a whole number of pixels, 0 or more"),
        (lambda: grid((32,), (2,), overlap="2"), "overlap '2': give a whole number of pixels, 0 or more"),
        (lambda: Partition.grid((8,), (2,)).misaligned(0), r"stride \[0\]: give whole numbers, 1 or more"),
        (lambda: grid((8,), (2,)).aligned(2.5), r"stride \[2.5\]: give whole numbers, 1 or more"),
        (lambda: Partition.grid((8,), (2,)).aligned((2, 2)), r"stride \[2, 2\] has 2 axes, the input 1"),
        (lambda: Partition.grid((8,), (2,)).assemble([np.zeros((1, 4))]), "1 pieces for 2 boxes: give one for each"),
        (
            lambda: Partition.grid((8,), (2,)).assemble([np.zeros((1, 4)), np.zeros((1, 5))]),
            r"piece 1 has shape \(1, 5\), box 1 takes \(1, 4\)",
        ),
        (
            lambda: Partition.grid((8,), (2,)).assemble([np.zeros((1, 4)), np.zeros((2, 4))]),
            r"piece 1 has shape \(2, 4\), box 1 takes \(1, 4\)",
        ),
        (lambda: Partition.grid((8, 8), (2, 2)).split(np.zeros((1, 3, 9, 8))), "does not end in"),
    ],
)
def test_what_cannot_be_is_refused_with_its_value(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: partition(32, (Box(((0, 4),)),)), r"shape 32: give one whole number per axis, such as \(2, 2\)"),
        (lambda: partition((32,), (((0, 4),),)), r"box 0 is \(\(0, 4\),\): give a Box, such as Box"),
        (lambda: partition((32,), Box(((0, 4),))), r"boxes Box\(\(\(0, 4\),\)\): give a list of them, such as \[Box"),
        (lambda: partition((32,), 4), r"boxes 4: give a list of them, such as \[Box"),
        (lambda: grid((32, 32), 2), r"grid 2: give one whole number per axis, such as \(2, 2\)"),
        (lambda: grid((32, 32), "22"), r"grid '22': give one whole number per axis"),
        (lambda: grid(32, (2,)), r"shape 32: give one whole number per axis"),
        (lambda: grid((32,), (2,), size=16), "size 16: give one whole number per axis"),
        (lambda: grid((32,), (2,), size=16, overlap=2), "size 16: give one whole number per axis"),
        (lambda: grid((32,), (2,), crop=16), "crop 16: give one whole number per axis"),
    ],
)
def test_what_is_of_the_wrong_kind_is_refused_with_an_example(make, message):
    with pytest.raises(TypeError, match=message):
        make()
