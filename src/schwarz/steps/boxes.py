"""Where the boxes of the images lie: a folder of arrays for each, in a folder that all steps see or in an object store,
from which a step gets those that it reads and no others.

They are addressed by what they hold, so that a second run of the same writes nothing and a later step on the same disk
receives nothing.
"""

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from schwarz.augmentation import WHOLE
from schwarz.errors import StepFailed
from schwarz.files import read_json, sha256, tree, write_json
from schwarz.images import CHECKSUMS, Shards, is_checksum, save_array
from schwarz.steps.place import scratch
from schwarz.steps.streaming import Streamed, checksums
from schwarz.storage import NoObject, ObjectDamaged, Store, Wanted, get_all, open_store

SUMS = "sha256.json"
"""Beside the arrays of a box, written last: their sha256."""
Sums = dict[str, str]


@dataclass(frozen=True)
class Shelf:
    """The boxes of one cut of one set."""

    uri: str

    def keep(self, name: str, make: Callable[[Path], None]) -> Sums:
        """The sums of a box's arrays, which `make` writes into a folder unless they are there."""
        return self._there(name) or self._new(name, make)

    @property
    def remote(self) -> bool:
        """Whether it is no folder that can be read from directly."""
        return self.uri.startswith("s3://")

    @property
    def here(self) -> Path:
        """Where its boxes lie on this machine, as far as they do."""
        return scratch() / "boxes" / Path(self.uri).name if self.remote else Path(self.uri)

    def _there(self, name: str) -> Sums | None:
        """The sums of what an earlier run left whole."""
        folder = self.here / name
        if not self.remote:
            return read_json(folder / SUMS) if (folder / SUMS).exists() and _whole(folder) else None
        store = open_store(self.uri)
        if store.find(f"{name}/{SUMS}") is None:
            return None
        store.get(f"{name}/{SUMS}", folder / SUMS)
        sums: Sums = read_json(folder / SUMS)
        found = {file: store.find(f"{name}/{file}") for file in sums}
        return sums if all(each and each.sha256 == sums[file] for file, each in found.items()) else None

    def _new(self, name: str, make: Callable[[Path], None]) -> Sums:
        folder = self.here / name
        make(folder)
        if self.remote:
            for path in folder.glob("[!.]*-x.npy"):
                save_array(_checksums_of(path), checksums(np.load(path, mmap_mode="r")))
        sums = {path.name: sha256(path) for path in sorted(folder.glob("[!.]*.npy"))}
        write_json(folder / SUMS, sums)
        if self.remote:
            store = open_store(self.uri)
            for file in (*sums, SUMS):
                store.put(folder / file, f"{name}/{file}")
            shutil.rmtree(folder)  # the disk of a pod need not hold all boxes at once
        return sums


def near(
    shards: Path, boxes: Iterable[int] | None = None, say: Callable[[str], None] = lambda text: None
) -> tuple[Shards, int]:
    """What `split` left, with these boxes, or all, in a folder; and how many bytes that takes to read. Images that this
    disk has no room for stay where they are, and are read from there batch by batch."""
    told = Shards.read(shards)
    shelf, names = Shelf(told.uri), [*map(str, told.boxes if boxes is None else boxes)]
    names += [WHOLE] if WHOLE in told.sha256 else []
    files = [(name, file) for name in names for file in told.sha256[name] if not is_checksum(file)]
    if not shelf.remote:
        return told, sum(_size(told.folder / name / file) for name, file in files)
    store, room = open_store(shelf.uri), _room()
    wanted, apart = list[Wanted](), list[Wanted]()
    for name, file in files:
        each = Wanted(f"{name}/{file}", shelf.here / name / file, told.sha256[name][file])
        if each.target.exists() and sha256(each.target) == each.sha256:
            continue
        size = _length(store, each.key) if file.endswith("-x.npy") else 0
        if size and size > room:
            beside = _checksums_of(each.target)
            wanted.append(Wanted(f"{name}/{beside.name}", beside, told.sha256[name][beside.name]))
            apart.append(each)
        else:
            wanted.append(each)
            room -= size
    try:
        received = get_all(store, wanted)
    except (NoObject, ObjectDamaged) as fault:
        raise StepFailed(
            f"{fault} In a cluster KFP's cache says that `split` is done: `cache = false` of [light] in the "
            "platform file makes it write them again."
        ) from None
    streamed = {each.key: Streamed.of(store, each.key, np.load(_checksums_of(each.target))) for each in apart}
    if streamed:
        total = f"{sum(each.nbytes for each in streamed.values()) / 1e6:.0f} MB"
        say(f"{total} of images find no room on this disk: read from {shelf.uri} batch by batch")
    return replace(told, folder=shelf.here, streamed=streamed), received


def _checksums_of(images: Path) -> Path:
    return images.with_name(images.stem + CHECKSUMS)


def _length(store: Store, key: str) -> int:
    found = store.find(key)
    return found.size if found else 0  # whoever gets it says that it is not there


def _room() -> float:
    """How many bytes of images may still be brought here: of `place.disk_gb`, else nearly all that are free."""
    boxes = scratch() / "boxes"
    boxes.mkdir(parents=True, exist_ok=True)
    if given := os.environ.get("SCHWARZ_DISK_GB"):
        return float(given) * 1e9 - sum(_size(path) for path in tree(boxes))
    return 0.9 * shutil.disk_usage(boxes).free


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0  # whoever opens it says what is missing


def _whole(folder: Path) -> bool:
    sums: Sums = read_json(folder / SUMS)
    return all((folder / file).exists() and sha256(folder / file) == value for file, value in sums.items())
