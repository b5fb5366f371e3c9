"""The test images, which stay packed until they are measured on."""

import tempfile
from pathlib import Path

from schwarz import data as datasets
from schwarz.images import Labelled, load


def test_images(images: Path, out: Path) -> Labelled:
    """Those that `prepare_data` passed on, laid out in the step's own folder for as long as they are used."""
    with tempfile.TemporaryDirectory(dir=out, prefix=".test.") as folder:  # what is mapped may be unlinked
        datasets.unpack(images / "test", "test", Path(folder))
        return load(Path(folder), ".")
