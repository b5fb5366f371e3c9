"""A folder for each class: CLASS/FILE, or {train,test}/CLASS/FILE. TF-Flowers and MosMedData come so."""

from pathlib import Path

from schwarz.data.listing import Listing, folders, holds_images, visible
from schwarz.data.packed import Part
from schwarz.errors import WrongInput

VALIDATION = {"val", "valid", "validation"}


def fits(folder: Path) -> bool:
    """Whether two folders of `folder`, or of its train folder, hold images or volumes by their names."""
    place = folder / "train" if _has_parts(folder) else folder
    return sum(map(holds_images, folders(place))) > 1


def listing(folder: Path) -> Listing:
    """The files in alphabetical order of their classes and names."""
    layout = _layout(folder)
    classes = tuple(layout["train"])
    strange = [name for name in layout.get("test", {}) if name not in classes]
    if strange:
        raise WrongInput(f"{folder / 'test' / strange[0]}: a class without a folder in {folder / 'train'}.")
    parts: dict[Part, list[tuple[Path, int]]] = {
        part: [(file, classes.index(name)) for name, files in of_class.items() for file in files]
        for part, of_class in layout.items()
    }
    return Listing(classes, parts)


def _has_parts(folder: Path) -> bool:
    found = {path.name for path in folders(folder)}
    return "train" in found and found <= {"train", "test"} | VALIDATION


def _layout(folder: Path) -> dict[Part, dict[str, list[Path]]]:
    """Part -> class -> its files."""
    if not _has_parts(folder):
        return {"train": _class_files(folder)}
    found = {path.name for path in folders(folder)}
    if found & VALIDATION:
        extra = folder / min(found & VALIDATION)
        message = f"{extra}: validation images are chosen from the training images (data.validation)"
        raise WrongInput(f"{message}. Move its images into {folder / 'train'}, or the folder elsewhere.")
    parts: list[Part] = ["train", "test"] if "test" in found else ["train"]
    return {part: _class_files(folder / part) for part in parts}


def _class_files(folder: Path) -> dict[str, list[Path]]:
    classes = folders(folder)
    if not classes:
        raise WrongInput(f"{folder}: holds no class folders. Wanted: {folder}/CLASS/IMAGE for every image.")
    for path in classes:
        if folders(path):
            message = f"{path}: a class folder that holds folders, like {folders(path)[0].name}"
            raise WrongInput(f"{message}. Put its images directly into it.")
        if not holds_images(path):
            raise WrongInput(f"{path}: a class folder without images. Remove it, or put images into it.")
    return {path.name: visible(path) for path in classes}
