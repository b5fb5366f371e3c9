"""Volumes brought to another size: linear along each axis, averaging where it shrinks."""

import numpy as np


def resample(volume: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """`volume` at `size`, one axis after the other; both cover the same space, from edge to edge.

    Growing interpolates between the centres of voxels. Shrinking weighs all voxels within reach of the new centre by a
    triangle as wide as two new voxels, so that none is passed over. An axis that keeps its extent keeps its values.
    """
    for axis, extent in enumerate(size):
        if volume.shape[axis] != extent:
            moved = np.tensordot(weights(volume.shape[axis], extent), volume, axes=(1, axis))
            volume = np.moveaxis(moved, 0, axis)
    return volume


def weights(old: int, new: int) -> np.ndarray:
    """float32 [new, old], each row with sum 1: how much each old voxel counts in each new one."""
    step = old / new
    centres = (np.arange(new) + 0.5) * step - 0.5  # in old voxels, whose centres are the whole numbers
    reach = max(1.0, step)
    tent = np.clip(1 - np.abs(np.arange(old) - centres[:, None]) / reach, 0, None)
    return (tent / tent.sum(axis=1, keepdims=True)).astype(np.float32)
