"""Images that stay on the device that trains on them: a step of a small network is over before a batch of its images
has been read and sent there."""

from collections.abc import Mapping, Sequence
from mmap import mmap
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from schwarz.augmentation import Moving, Spans, resampled
from schwarz.images import Inputs, Labelled, Some, waits

SHARE = 0.5
"""Of the memory that is free on a device, for images; the rest is for training."""


class Resident:
    """What `Labelled` or `Moving` images are to a training, on a device: to the pixel, but for its rounding where they
    are turned or enlarged."""

    nbytes = 0
    """Nothing is read from files any more."""

    def __init__(self, images: Labelled | Moving, there: Mapping[Any, Tensor]) -> None:
        """`there`: arrays that are on the device."""
        self.images, self.y, self.shape = images, images.y, images.shape
        self.x, *mirror = (there[_key(array)] for array in _arrays(images))
        self.mirror = mirror[0] if mirror else self.x

    def __len__(self) -> int:
        return len(self.y)

    def batch(self, at: np.ndarray, epoch: int) -> Tensor:
        """[batch, C, ...]: the images at these places, as they are in an epoch."""
        images = self.images
        if isinstance(images, Labelled):
            return self.x[torch.from_numpy(at)]
        if images.augment.resamples:
            moved = resampled(self.x[torch.from_numpy(at)], images.part, images.moves(at, epoch))
        else:
            moved = self._shifted(images, at, epoch)
        return _bordered(moved, images.part.border)

    def _shifted(self, images: Moving, at: np.ndarray, epoch: int) -> Tensor:
        """As `Moving` has it: a window of what was read, at a place for each image."""
        moves, part, reach = images.moves(at, epoch), images.part, images.augment.shift
        found = self.x.new_empty((len(at), self.x.shape[1], *part.shape))
        for flip, source in ((False, self.x), (True, self.mirror)):
            mine = np.flatnonzero(moves.flip == flip)
            shift = moves.shift[mine]
            shift[:, -1] *= -1 if flip else 1
            windows = _bordered(source[torch.from_numpy(at[mine])], [(reach - images.rim,) * 2] * len(part.shape))
            for axis, size in enumerate(part.shape):
                windows = windows.unfold(2 + axis, size, 1)
            places = torch.from_numpy(reach - shift).unbind(1)
            chosen = windows.movedim(1, 1 + len(part.shape))[(torch.arange(len(mine)), *places)]
            found[torch.from_numpy(mine)] = chosen.flip(-1) if flip else chosen
        return found


def resident(images: Sequence[Inputs], place: torch.device, room: int | None = None) -> Sequence[Inputs | Resident]:
    """The same images on a device, where they fit; `room`: bytes, unset a share of what is free there."""
    if room is None:
        room = 0 if place.type == "cpu" else int(SHARE * torch.cuda.mem_get_info(place)[0])
    arrays = {_key(array): array for each in images for array in _arrays(each)}
    if any(map(waits, images)) or sum(array.nbytes for array in arrays.values()) > room:
        return images
    there = {key: torch.from_numpy(np.array(array)).to(place) for key, array in arrays.items()}
    return [_there(each, there) for each in images]


def _there(images: Any, there: Mapping[Any, Tensor]) -> Any:
    """Images that are some of others are so there; of a kind that is not known here, where they were."""
    if isinstance(images, Some):
        return Some(_there(images.all_, there), images.rows)
    return Resident(images, there) if isinstance(images, Labelled | Moving) else images


def _arrays(images: Any) -> list[np.ndarray]:
    """What is read of images of a kind that is known here."""
    if isinstance(images, Some):
        return _arrays(images.all_)
    if not isinstance(images, Labelled | Moving):
        return []
    mirror = images.mirror if isinstance(images, Moving) else None
    return [images.x] if mirror is None else [images.x, mirror]


def _key(array: np.ndarray) -> Any:
    """A file that several boxes read, the whole images where these are turned, is one array."""
    return str(array.filename) if isinstance(array, np.memmap) and isinstance(array.base, mmap) else id(array)


def _bordered(x: Tensor, border: Spans) -> Tensor:
    """With zeros around."""
    return pad(x, [zeros for pair in reversed(border) for zeros in pair])
