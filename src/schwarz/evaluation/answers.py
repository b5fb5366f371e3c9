"""What a strategy, or a local network, answers on some images, beside the classes that are right."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Answers:
    """Probabilities [n, K] and the right classes, ints [n]."""

    probabilities: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    @property
    def classes(self) -> int:
        return self.probabilities.shape[1]

    @cached_property
    def named(self) -> np.ndarray:
        """The class of the largest probability; the first of equal ones."""
        return self.probabilities.argmax(1)

    @cached_property
    def right(self) -> np.ndarray:
        """Which images are classified correctly."""
        return self.named == self.y

    @cached_property
    def confidence(self) -> np.ndarray:
        """The probability of the class that is named."""
        return self.probabilities.max(1)
