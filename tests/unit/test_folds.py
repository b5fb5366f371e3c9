"""The folds by which the coarse net's own validation accuracy is fitted crosswise."""

import numpy as np

from schwarz.steps.train_coarse import folds


def test_every_image_is_left_out_once_and_every_fold_has_every_class():
    y = np.repeat([0, 1, 2], [20, 30, 50])
    parts = folds(y, 5, seed=3)
    assert sorted(np.concatenate(parts)) == list(range(100))
    for part in parts:
        assert np.bincount(y[part]).tolist() == [4, 6, 10]
