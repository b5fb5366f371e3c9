"""Images whose names begin with their class, in one folder: cat.0.jpg, dog.1.jpg, as Dogs-vs-Cats has in train/."""

import re
from pathlib import Path

from schwarz.data.listing import Listing, folders, holds_images, visible

NAME = re.compile(r"([A-Za-z][\w-]*)\.(\d+)\.\w+")


def fits(folder: Path) -> bool:
    """Whether train/, or else the folder itself, holds such files and nothing else."""
    place = _place(folder)
    return holds_images(place) and not folders(place) and all(NAME.fullmatch(file.name) for file in visible(place))


def listing(folder: Path) -> Listing:
    """Classes in alphabetical order, the images of each by number. What lies beside train/ has no labels."""
    named = [
        (match[1], int(match[2]), file) for file in visible(_place(folder)) if (match := NAME.fullmatch(file.name))
    ]
    classes = tuple(sorted({name for name, _, _ in named}))
    return Listing(classes, {"train": [(file, classes.index(name)) for name, _, file in sorted(named)]},
                   ("classes from the names of the files",))  # fmt: skip


def _place(folder: Path) -> Path:
    return folder / "train" if (folder / "train").is_dir() else folder
