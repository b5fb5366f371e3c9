"""Validation mask, class-balanced limit and normalisation constants."""

import numpy as np
import pytest

from schwarz.data import balanced_limit, channel_statistics, split_validation
from schwarz.errors import WrongInput

Y = np.repeat([0, 1, 2], [200, 100, 7])


def test_validation_takes_its_share_of_every_class() -> None:
    mask = split_validation(Y, 0.1, seed=3)
    assert mask.dtype == bool
    np.testing.assert_array_equal(np.bincount(Y[mask]), [20, 10, 1])


def test_validation_is_a_function_of_labels_and_seed_and_varies_with_the_seed() -> None:
    np.testing.assert_array_equal(split_validation(Y, 0.1, seed=3), split_validation(Y.copy(), 0.1, seed=3))
    assert (split_validation(Y, 0.1, seed=3) != split_validation(Y, 0.1, seed=4)).any()


def test_validation_draws_evenly_from_a_class() -> None:
    often = np.sum([split_validation(Y, 0.5, seed) for seed in range(200)], axis=0)
    assert often.min() > 50
    assert often.max() < 150


@pytest.mark.parametrize("share", [0.001, 0.999])
def test_every_class_keeps_an_image_on_both_sides(share: float) -> None:
    mask = split_validation(Y, share, seed=0)
    assert np.bincount(Y[mask]).min() >= 1
    assert np.bincount(Y[~mask]).min() >= 1


def test_a_class_of_one_image_cannot_be_validated() -> None:
    with pytest.raises(WrongInput, match="class 1 has one training image"):
        split_validation(np.array([0, 0, 1, 2, 2]), 0.1, seed=0)


def test_a_limit_is_balanced_ascending_and_nested() -> None:
    chosen = balanced_limit(Y, 20, seed=0)
    np.testing.assert_array_equal(np.bincount(Y[chosen]), [7, 7, 6])
    assert (np.diff(chosen) > 0).all()
    assert set(chosen) <= set(balanced_limit(Y, 50, seed=0))  # a larger study holds the smaller one
    assert not np.array_equal(chosen, balanced_limit(Y, 20, seed=1))


def test_a_scarce_class_gives_all_it_has() -> None:
    np.testing.assert_array_equal(np.bincount(Y[balanced_limit(Y, 107, seed=0)]), [50, 50, 7])
    np.testing.assert_array_equal(balanced_limit(Y, len(Y), seed=0), np.arange(len(Y)))


@pytest.mark.parametrize("n", [2, 308])
def test_an_impossible_limit_is_refused(n: int) -> None:
    with pytest.raises(WrongInput, match=f"data.limit {n} is not between 3 .* and 307"):
        balanced_limit(Y, n, seed=0)


def test_statistics_are_those_of_the_raw_pixels_whatever_the_order() -> None:
    x = np.random.default_rng(0).integers(0, 256, (5000, 3, 4, 5), dtype=np.uint8)
    mean, std = channel_statistics(x)
    np.testing.assert_allclose(mean, (x / 255).mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(std, (x / 255).std(axis=(0, 2, 3)), rtol=1e-12)
    again = channel_statistics(x[::-1])
    assert (mean == again[0]).all()
    assert (std == again[1]).all()


def test_a_constant_channel_can_be_divided_by() -> None:
    x = np.full((10, 2, 3, 3), 7, np.uint8)
    x[:5, 1] = 9
    mean, std = channel_statistics(x)
    np.testing.assert_allclose(mean, [7 / 255, 8 / 255])
    np.testing.assert_allclose(std, [0.5 / 255, 1 / 255])
