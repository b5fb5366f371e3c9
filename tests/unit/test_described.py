"""What a model says of itself comes out of its metadata as it went in, and puts boxes where a picture has them."""

from dataclasses import fields, replace

import numpy as np
import pytest

from schwarz.described import Description, one_of_each
from schwarz.errors import WrongInput
from schwarz.partition import Partition
from tests.pipeline.graphs import HALVES


def test_it_comes_back_as_it_was() -> None:
    found = Description.of(HALVES.properties())
    assert found is not None
    for field in fields(Description):
        expected = getattr(HALVES, field.name)
        np.testing.assert_array_equal(getattr(found, field.name), expected)
        assert type(getattr(found, field.name)) is type(expected)


def test_a_stranger_says_nothing() -> None:
    assert Description.of({}) is None
    assert Description.of({name: value for name, value in HALVES.properties().items() if name != "blank"}) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("boxes", "[[[0, 1]]"),
        ("boxes", "[7]"),
        ("blank", "AAAA"),
        ("samples", "no base 64!"),
        ("image_shape", "x"),
        ("sample_classes", "[0, 2]"),
        ("boxes", "[[[0, 1]], [[1, 2]]]"),
    ],
)
def test_what_cannot_be_read_is_told(name: str, value: str) -> None:
    with pytest.raises(WrongInput, match="what the model says of itself cannot be read"):
        Description.of({**HALVES.properties(), name: value})


def test_boxes_of_a_padded_image_lie_on_the_image() -> None:
    """Of 4x4 pixels with 2 around, cut in four: each box keeps its quarter of the picture."""
    about = replace(HALVES, boxes=Partition.grid((8, 8), (2, 2)).boxes, pad=2, blank=np.full((1, 4, 4), 7, np.uint8))
    assert about.places == [
        [(0, 2), (0, 2)], [(0, 2), (2, 4)], [(2, 4), (0, 2)], [(2, 4), (2, 4)],
    ]  # fmt: skip
    left = about.without(np.zeros((1, 4, 4), np.uint8), [1])
    assert left[0].tolist() == [[0, 0, 7, 7], [0, 0, 7, 7], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_samples_show_every_class_before_one_twice() -> None:
    y = np.array([2, 0, 0, 1, 2, 1, 0])
    assert y[one_of_each(y, 5)].tolist() == [0, 1, 2, 0, 1]
    assert one_of_each(y, 3).tolist() == [1, 3, 0]
    assert len(one_of_each(y, 0)) == 0
    assert sorted(one_of_each(y, 99).tolist()) == list(range(7))
