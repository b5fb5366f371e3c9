"""Complete runs by name. A preset is a function that returns one whole, typed Config; its docstring is its summary."""

from collections.abc import Callable

from schwarz.config import Config
from schwarz.errors import WrongInput, nearest
from schwarz.presets.document1 import cifar10_vgg9_2x2
from schwarz.presets.sample import quickstart, tiny

__all__ = ["PRESETS", "preset", "quickstart", "tiny"]

PRESETS: dict[str, Callable[[], Config]] = {
    f.__name__.replace("_", "-"): f for f in (quickstart, tiny, cifar10_vgg9_2x2)
}


def preset(name: str) -> Config:
    """The preset of that name."""
    if name not in PRESETS:
        raise WrongInput(f"no preset {name!r}.{nearest(name, PRESETS)} `schwarz presets` lists them.")
    return PRESETS[name]()
