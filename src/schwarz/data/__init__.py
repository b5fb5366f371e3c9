"""Packed data sets: describe, read, select, add and show them.

`describe` reads one small file and imports no numpy; what works on images is imported when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from schwarz.data.info import DataInfo, describe, names

if TYPE_CHECKING:
    from schwarz.data.packed import Meta, Part, labels, pack, read, read_meta, shards, unpack
    from schwarz.data.selection import balanced_limit, channel_statistics, parts, split_validation
    from schwarz.data.summary import Summary, contact_sheet, show

_HOME = {
    "packed": ("Meta", "Part", "labels", "pack", "read", "read_meta", "shards", "unpack"),
    "selection": ("balanced_limit", "channel_statistics", "parts", "split_validation"),
    "summary": ("Summary", "contact_sheet", "show"),
}

__all__ = [
    "DataInfo",
    "Meta",
    "Part",
    "Summary",
    "balanced_limit",
    "channel_statistics",
    "contact_sheet",
    "describe",
    "labels",
    "names",
    "pack",
    "parts",
    "read",
    "read_meta",
    "shards",
    "show",
    "split_validation",
    "unpack",
]


def __getattr__(name: str) -> Any:
    for module, members in _HOME.items():
        if name in members:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
