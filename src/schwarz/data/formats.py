"""Which format lies at a path: the one place that decides."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from schwarz.data import archives, cifar, class_folders, food101, idx, named_files, yale
from schwarz.data.arrays import from_npz
from schwarz.data.collected import Collected, Treatment
from schwarz.data.listing import Listing, folders, visible
from schwarz.data.listing import collect as collect_files
from schwarz.errors import WrongInput


@dataclass(frozen=True)
class Format:
    """A layout of a folder."""

    files: str  # what is looked for
    fits: Callable[[Path], bool]
    collect: Callable[[Path, Treatment], Collected]


def _files(listing: Callable[[Path], Listing]) -> Callable[[Path, Treatment], Collected]:
    """Collecting what a layout of folders lists."""
    return lambda folder, treatment: collect_files(listing(folder), treatment)


# In this order: what has names of its own before what any folder of folders looks like.
FORMATS = (
    Format("CIFAR-10 or CIFAR-100 (data_batch_1, test_batch, batches.meta; train, test, meta; or the .bin files)",
           cifar.fits, cifar.collect),
    Format("IDX files (train-images-idx3-ubyte, ... t10k-labels-idx1-ubyte, or .gz)", idx.fits, idx.collect),
    Format("Food-101 (images/, meta/train.txt, meta/test.txt)", food101.fits, _files(food101.listing)),
    Format("Extended Yale B (yaleB01/*.pgm)", yale.fits, _files(yale.listing)),
    Format("files named by class (cat.0.jpg, dog.1.jpg)", named_files.fits, _files(named_files.listing)),
    Format("two class folders or more (CLASS/FILE or train/CLASS/FILE) of images or NIfTI volumes",
           class_folders.fits, _files(class_folders.listing)),
)  # fmt: skip
DEEPEST = 4  # folders that hold one folder only, one in the other
MOST = 4  # folders, and suffixes of files, that are told of what was found


def collect(path: Path, treatment: Treatment, scratch: Path) -> Collected:
    """The images at `path`, a folder or a file; an archive is unpacked in the empty folder `scratch`."""
    if archives.is_archive(path):
        archives.unpack(path, scratch)
        return _from_folder(scratch, treatment)
    if path.is_dir():
        return _from_folder(path, treatment)
    if path.suffix != ".npz":
        raise _unknown(path, f"a file {path.suffix or 'without a suffix'}")
    treatment.nothing_for("an .npz file")
    return from_npz(path)


def _from_folder(folder: Path, treatment: Treatment) -> Collected:
    for known in FORMATS:
        for place in _places(folder):
            if known.fits(place):
                return known.collect(place, treatment)
    place = next((place for place in _places(folder) if visible(place) or len(folders(place)) != 1), folder)
    raise _unknown(folder, f"{_counted(place)} in {place}")


def _places(folder: Path) -> Iterator[Path]:
    """The folder, and what lies below it as long as that is one folder; of MosMedData's archive its `studies` alone."""
    for _ in range(DEEPEST):
        if (folder / "studies").is_dir() and folders(folder / "studies"):
            folder = folder / "studies"
        yield folder
        below = folders(folder)
        if len(below) != 1:
            return
        folder = below[0]


def _counted(folder: Path) -> str:
    """'3 files (.txt, .csv), folder a with 2 files (.xml), folder b with folders'"""
    below = folders(folder)
    each = [
        f"folder {path.name} with {_files_of(path) or ('folders' if folders(path) else 'nothing')}"
        for path in below[:MOST]
    ]
    more = f"{len(below) - MOST} folders more" if len(below) > MOST else ""
    return ", ".join(found for found in (_files_of(folder), *each, more) if found) or "nothing"


def _files_of(folder: Path) -> str:
    """'3 files (.txt, .csv)', the most frequent suffixes first; '' of none."""
    suffixes = Counter(file.suffix or file.name for file in visible(folder))
    count, names = suffixes.total(), ", ".join(name for name, _ in suffixes.most_common(MOST))
    return f"{count} file{'s' * (count > 1)} ({names})" if count else ""


def _unknown(path: Path, found: str) -> WrongInput:
    wanted = "; ".join(known.files for known in FORMATS)
    kinds = f"{', '.join(archives.SUFFIXES)} of one of these; an .npz file"
    return WrongInput(
        f"{path}: of no known layout. Looked for: {wanted}; {kinds}. Found: {found}. docs/data.md has examples."
    )
