"""Extended Yale B, cropped: a folder yaleBNN for each person, in it yaleBNN_P00A+000E+00.pgm for each light.

Images marked *.bad by the authors, and *_Ambient.pgm (no flash, another size), are passed over.
"""

import re
from pathlib import Path

from schwarz.data.listing import Listing, folders, visible
from schwarz.errors import WrongInput

PERSON = re.compile(r"yaleB\d\d")


def fits(folder: Path) -> bool:
    """Whether a folder of a person is there."""
    return any(PERSON.fullmatch(path.name) for path in folders(folder))


def listing(folder: Path) -> Listing:
    """The persons are the classes; they and their images are in alphabetical order."""
    people = [path for path in folders(folder) if PERSON.fullmatch(path.name)]
    files = [
        (file, label)
        for label, person in enumerate(people)
        for file in visible(person)
        if file.suffix == ".pgm" and not file.stem.endswith("_Ambient")
    ]
    empty = [person for label, person in enumerate(people) if label not in {label for _, label in files}]
    if empty:
        raise WrongInput(f"{empty[0]}: holds no image {empty[0].name}_*.pgm. Fetch the archive again.")
    return Listing(tuple(path.name for path in people), {"train": files}, ("Extended Yale B",))
