"""Where bytes are kept: data sets under DVC, objects in a folder or an S3 store.

`add`, `fetch` and `track` work on the sets of a checkout; `pull` gets a set without one. `open_store` gives the same
few operations over a folder and over `s3://bucket/prefix`. The clients, `dvc` and `minio`, are imported when needed.
"""

from schwarz.storage.getting import Wanted, get_all
from schwarz.storage.objects import (
    NoObject,
    Object,
    ObjectChanged,
    ObjectDamaged,
    Store,
    StoreAway,
    open_store,
    ready,
)
from schwarz.storage.pulling import pull
from schwarz.storage.pushing import push
from schwarz.storage.retrying import Patience
from schwarz.storage.sets import NO_ROOM, Added, add, fetch, track, version

__all__ = [
    "NO_ROOM",
    "Added",
    "NoObject",
    "Object",
    "ObjectChanged",
    "ObjectDamaged",
    "Patience",
    "Store",
    "StoreAway",
    "Wanted",
    "add",
    "fetch",
    "get_all",
    "open_store",
    "pull",
    "push",
    "ready",
    "track",
    "version",
]
