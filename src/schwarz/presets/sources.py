"""Where the data sets of the presets come from, and how they get here: the one place that knows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """A published data set as the documents use it."""

    name: str
    """What `--data.name` and the presets call it."""
    title: str
    shape: tuple[int, ...]
    """One image, channels first."""
    classes: int
    train: int
    test: int
    archive: str
    """The original file, or the folder that it makes."""
    place: str
    """Where the original is."""
    options: str = ""
    """What `schwarz data add` needs to be told besides."""
    before: str = ""
    """What is to be done by hand first."""

    @property
    def command(self) -> str:
        """The command that makes a data set of it."""
        return " ".join(filter(None, ("schwarz data add", self.archive, "--name", self.name, self.options)))


def _cifar(classes: int) -> Source:
    archive = f"cifar-{classes}-python.tar.gz"
    place = f"https://www.cs.toronto.edu/~kriz/{archive}"
    return Source(f"cifar{classes}", f"CIFAR-{classes}", (3, 32, 32), classes, 50000, 10000, archive, place)


SOURCES = {
    source.name: source
    for source in (
        _cifar(10),
        _cifar(100),
        Source(
            "flowers", "TF-Flowers", (3, 180, 180), 5, 2935, 735, "flower_photos.tgz",
            "http://download.tensorflow.org/example_images/flower_photos.tgz", "--size 180 180",
        ),
        Source(
            "chestct", "chest CT scans, MosMedData", (1, 128, 128, 64), 2, 160, 40, "chestct",
            "https://github.com/hasibzunair/3D-image-classification-tutorial/releases/download/v0.2/CT-0.zip and "
            "CT-23.zip there", "--size 128 128 64 --window -1000 400",
            "unpack both into one folder, chestct",
        ),
        Source(
            "yale", "Extended Yale Face Database B, cropped", (1, 192, 168), 38, 1924, 490, "CroppedYale.zip",
            "http://vision.ucsd.edu/~leekc/ExtYaleDatabase/ExtYaleB.html",
        ),
        Source(
            "food101", "Food-101", (3, 224, 224), 101, 75750, 25250, "food-101.tar.gz",
            "http://data.vision.ee.ethz.ch/cvl/food-101.tar.gz", "--size 224 224",
        ),
        Source(
            "dogs-vs-cats", "Dogs vs. Cats", (3, 224, 224), 2, 20000, 5000, "train.zip",
            "https://www.kaggle.com/c/dogs-vs-cats/data", "--size 224 224",
        ),
        Source(
            "adrenal3d", "AdrenalMNIST3D in 64x64x64", (1, 64, 64, 64), 2, 1188, 298, "adrenalmnist3d_64.npz",
            "https://zenodo.org/records/10519652/files/adrenalmnist3d_64.npz",
        ),
    )
}  # fmt: skip


def remedy(name: str) -> str:
    """How to get a set that is not here; '' for one that is not published."""
    source = SOURCES.get(name)
    if source is None:
        return ""
    before = f"; {source.before}" if source.before else ""
    return f" It is {source.title}: get {source.place}{before}; then: `{source.command}`"
