"""Partitions of 1, 2 and 3 axes: what holds of every grid, and of any list of boxes."""

from math import prod

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from schwarz.partition import Box, Partition

AXES = st.integers(1, 3)
SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def grids(draw: st.DrawFn, overlapping: bool = False) -> Partition:
    """A grid on all of an input; with overlap as far as the smallest box allows it."""
    axes = draw(AXES)
    counts = [draw(st.integers(1, 4)) for _ in range(axes)]
    shape = [draw(st.integers(p, 12)) for p in counts]
    most = min(n // p for n, p in zip(shape, counts, strict=True))
    return Partition.grid(shape, counts, overlap=draw(st.integers(0, most)) if overlapping else 0)


@st.composite
def listed(draw: st.DrawFn) -> Partition:
    """One to six boxes anywhere, overlapping or apart, the same one twice too."""
    shape = [draw(st.integers(1, 9)) for _ in range(draw(AXES))]

    def box() -> Box:
        starts = [draw(st.integers(0, n - 1)) for n in shape]
        return Box(tuple((a, draw(st.integers(a + 1, n))) for a, n in zip(starts, shape, strict=True)))

    return Partition(tuple(shape), tuple(box() for _ in range(draw(st.integers(1, 6)))))


def counted(partition: Partition) -> np.ndarray:
    """The multiplicity of every pixel, pixel by pixel."""
    count = np.zeros(partition.shape, int)
    for pixel in np.ndindex(*partition.shape):
        count[pixel] = sum(
            all(start <= i < stop for i, (start, stop) in zip(pixel, box, strict=True)) for box in partition
        )
    return count


@given(grids())
def test_a_grid_without_overlap_is_complete(partition: Partition) -> None:
    assert partition.complete
    assert partition.covers
    assert sum(prod(box.shape) for box in partition) == prod(partition.shape)


@given(grids(overlapping=True))
def test_a_grid_covers(partition: Partition) -> None:
    assert partition.covers
    assert partition.complete == (sum(prod(box.shape) for box in partition) == prod(partition.shape))


@given(listed())
def test_complete_covers_and_multiplicity_are_what_a_count_of_every_pixel_says(partition: Partition) -> None:
    count = counted(partition)
    assert (partition.multiplicity == count).all()
    assert partition.multiplicity.sum() == sum(prod(box.shape) for box in partition)
    assert partition.covers == (count > 0).all()
    assert partition.complete == (count == 1).all()


@given(grids(overlapping=True), st.lists(st.integers(1, 3), max_size=2), SEEDS)
def test_pieces_put_together_are_the_input_to_the_last_bit(partition: Partition, lead: list[int], seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal((*lead, *partition.shape))
    again = partition.assemble(partition.split(x))
    assert again.dtype == x.dtype
    assert (again == x).all()


@given(listed(), SEEDS)
def test_any_boxes_give_back_what_they_hold_and_zeros_elsewhere(partition: Partition, seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal((2, *partition.shape))
    assert (partition.assemble(partition.split(x)) == np.where(counted(partition) > 0, x, 0)).all()


@given(listed(), SEEDS)
def test_where_boxes_overlap_their_mean_stands(partition: Partition, seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [rng.standard_normal((3, *box.shape)) for box in partition]
    total = np.zeros((3, *partition.shape))
    for box, part in zip(partition, parts, strict=True):
        total[box.slices] += part
    np.testing.assert_allclose(partition.assemble(parts), total / np.maximum(counted(partition), 1), atol=1e-13)


@given(st.data(), AXES)
def test_a_common_size_is_every_boxs_size_and_the_boxes_reach_both_ends(data: st.DataObject, axes: int) -> None:
    shape = [data.draw(st.integers(1, 12)) for _ in range(axes)]
    size = [data.draw(st.integers(1, n)) for n in shape]
    counts = [data.draw(st.integers(2, 4)) for _ in shape]
    partition = Partition.grid(shape, counts, size=size)
    assert {box.shape for box in partition} == {tuple(size)}
    assert partition.boxes[0].start == (0,) * axes
    assert [stop for _, stop in partition.boxes[-1]] == shape


@given(st.data(), AXES)
def test_a_crop_is_what_its_boxes_hold_together(data: st.DataObject, axes: int) -> None:
    shape = [data.draw(st.integers(2, 12)) for _ in range(axes)]
    crop = [data.draw(st.integers(2, n)) for n in shape]
    partition = Partition.grid(shape, [2] * axes, overlap=data.draw(st.integers(0, 1)), crop=crop)
    held = np.argwhere(partition.multiplicity)
    assert len(held) == prod(crop)
    for n, inner, first, last in zip(shape, crop, held.min(0), held.max(0), strict=True):
        assert last - first + 1 == inner
        assert 0 <= (n - 1 - last) - first <= 1


@given(listed(), st.data())
def test_aligned_starts_are_multiples_and_sizes_are_kept(partition: Partition, data: st.DataObject) -> None:
    strides = [data.draw(st.integers(1, 5)) for _ in partition.shape]
    aligned = partition.aligned(strides)
    assert aligned.misaligned(strides) == []
    assert [box.shape for box in aligned] == [box.shape for box in partition]
    assert aligned.aligned(strides) == aligned


@given(listed(), st.data())
def test_an_aligned_start_is_the_nearest_of_those_that_fit(partition: Partition, data: st.DataObject) -> None:
    strides = [data.draw(st.integers(1, 5)) for _ in partition.shape]
    for old, new in zip(partition, partition.aligned(strides), strict=True):
        for a, (before, after) in enumerate(zip(old.start, new.start, strict=True)):
            fitting = range(0, partition.shape[a] - old.shape[a] + 1, strides[a])
            assert abs(after - before) == min(abs(start - before) for start in fitting)


@given(listed(), st.integers(1, 5))
def test_misaligned_names_exactly_the_starts_that_the_stride_does_not_divide(partition: Partition, stride: int) -> None:
    named = partition.misaligned(stride)
    assert named == [
        (k, a, start) for k, box in enumerate(partition) for a, (start, _) in enumerate(box) if start % stride
    ]


@given(listed())
def test_a_partition_is_its_value(partition: Partition) -> None:
    again = Partition(list(partition.shape), [Box([list(span) for span in box]) for box in partition])  # type: ignore[arg-type]  # lists serve too
    assert again == partition
    assert hash(again) == hash(partition)
    assert len(str(partition)) < 400
