"""Training image networks by domain decomposition.

from schwarz import Partition, compose, decompose, verify
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from schwarz.cases import Case
    from schwarz.composition import compose
    from schwarz.decomposition import decompose
    from schwarz.moments import compose_moments
    from schwarz.partition import Box, Partition
    from schwarz.task import Task
    from schwarz.theory import verify

_HOME = {
    "Box": "partition",
    "Case": "cases",
    "Partition": "partition",
    "Task": "task",
    "compose": "composition",
    "compose_moments": "moments",
    "decompose": "decomposition",
    "verify": "theory",
}

__all__ = [
    "Box",
    "Case",
    "Partition",
    "Task",
    "compose",
    "compose_moments",
    "decompose",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Public names are imported when first used: `import schwarz`, and with it `schwarz --help`, loads no torch."""
    if name in _HOME:
        return getattr(import_module(f"schwarz.{_HOME[name]}"), name)
    raise AttributeError(f"module 'schwarz' has no attribute {name!r}")
