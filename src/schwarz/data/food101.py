"""Food-101 as its archive lays it out: images/CLASS/ID.jpg, and in meta/ the lists train.txt and test.txt."""

import re
from pathlib import Path

from schwarz.data.listing import Listing, folders
from schwarz.data.packed import Part
from schwarz.errors import WrongInput

LISTS: dict[Part, str] = {"train": "meta/train.txt", "test": "meta/test.txt"}
LINE = re.compile(r"(\w[\w-]*)/(\w[\w-]*)")  # CLASS/ID, with no way out of the folder


def fits(folder: Path) -> bool:
    """Whether images/ and one of the lists are there."""
    return (folder / "images").is_dir() and any((folder / file).is_file() for file in LISTS.values())


def listing(folder: Path) -> Listing:
    """The files in the order of the lists; the classes in alphabetical order."""
    classes = tuple(path.name for path in folders(folder / "images"))
    return Listing(
        classes, {part: _listed(folder, file, classes) for part, file in LISTS.items()}, ("Food-101's lists",)
    )


def _listed(folder: Path, name: str, classes: tuple[str, ...]) -> list[tuple[Path, int]]:
    file = folder / name
    if not file.is_file():
        raise WrongInput(f"{file}: missing. Food-101 is images/CLASS/ID.jpg, {' and '.join(LISTS.values())}.")
    listed, numbers = [], {name: number for number, name in enumerate(classes)}
    for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").split(), 1):
        matched = LINE.fullmatch(line)
        image = folder / "images" / f"{line}.jpg"
        if matched is None or matched[1] not in numbers or not image.is_file():
            raise WrongInput(
                f"{file}:{number}: {line!r} is no image below {folder / 'images'}. Fetch the archive again."
            )
        listed.append((image, numbers[matched[1]]))
    return listed
