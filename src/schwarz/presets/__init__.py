"""Complete runs by name, one module for each document; a table of it is one function. Nothing is built before it is
asked for."""

from collections.abc import Mapping

from schwarz.config import Config
from schwarz.errors import WrongInput, nearest
from schwarz.presets import document1, document2, document3, sample, strong
from schwarz.presets.entry import Preset
from schwarz.presets.sample import quickstart, tiny

__all__ = ["PRESETS", "Preset", "preset", "quickstart", "tiny"]

PRESETS: Mapping[str, Preset] = {
    each.name: each for module in (sample, document1, document2, document3, strong) for each in module.PRESETS
}
"""Every preset, those of a group together."""


def preset(name: str) -> Config:
    """The configuration of a preset."""
    if name not in PRESETS:
        raise WrongInput(f"no preset {name!r}.{nearest(name, PRESETS)} `schwarz presets` lists them.")
    return PRESETS[name]()
