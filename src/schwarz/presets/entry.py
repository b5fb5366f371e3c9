"""What a preset is: a name, where it comes from, and a function that makes its whole configuration."""

from collections.abc import Callable
from dataclasses import dataclass

from schwarz.config import Config


@dataclass(frozen=True)
class Preset:
    """One complete run by name; calling it gives its configuration. Cheap to list, for nothing is built before."""

    name: str
    data: str
    """The data set that it needs, as `schwarz.presets.sources` knows it."""
    group: str
    """What it is listed under: a document."""
    summary: str
    make: Callable[[], Config]

    def __call__(self) -> Config:
        return self.make()
