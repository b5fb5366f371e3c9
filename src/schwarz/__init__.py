"""Training image networks by domain decomposition.

from schwarz import Partition, compose, decompose
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from schwarz.composition import compose
    from schwarz.decomposition import decompose
    from schwarz.partition import Box, Partition

_HOME = {"Box": "partition", "Partition": "partition", "compose": "composition", "decompose": "decomposition"}

__all__ = ["Box", "Partition", "compose", "decompose"]


def __getattr__(name: str) -> Any:
    """Public names are imported when first used: `import schwarz`, and with it `schwarz --help`, loads no torch."""
    if name in _HOME:
        return getattr(import_module(f"schwarz.{_HOME[name]}"), name)
    raise AttributeError(f"module 'schwarz' has no attribute {name!r}")
