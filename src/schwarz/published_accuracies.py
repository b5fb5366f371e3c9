"""The accuracies and training times that the documents print, digit for digit, by preset and strategy.

A preset has the name of the row it stands for. Strategies bear our names: the documents' avg. prob. is `average`,
maj. vot. `majority`, CNN-DNN `coarse`, SNet-k `local k-1`, GNet-T `composed`, GNet-T-trained `composed_tuned`, a global
CNN or GNet-R-trained `global`.
"""

from functools import cache
from typing import NamedTuple


class Accuracy(NamedTuple):
    """What a table prints of one strategy, on validation and, in brackets there, on training images."""

    table: str
    validation: str
    train: str | None = None
    top5: str | None = None

    @property
    def share(self) -> float:
        """The accuracy on validation images, from 0 to 1: document 3 prints percentages."""
        return float(self.validation) / (100 if self.table.startswith("document 3") else 1)

    @property
    def text(self) -> str:
        return f"{self.share:.4f}" if self.train is None else f"{self.validation} ({self.train})"

    @property
    def text5(self) -> str:
        """The right class among the five likeliest, as a share; '' where that is not printed."""
        return f"{float(self.top5) / 100:.4f}" if self.top5 else ""


class Times(NamedTuple):
    """What a table prints of 10 epochs, in seconds on so many GPUs, which the local networks share; '-' where their
    memory was too small."""

    table: str
    gpus: int
    whole: str
    parts: str

    def __str__(self) -> str:
        known = "-" not in (self.whole, self.parts)
        ratio = f": that is {float(self.whole) / float(self.parts):.2f} times as much" if known else ""
        whole, parts = (f"{text} s" if text != "-" else "nothing" for text in (self.whole, self.parts))
        where = f"{self.gpus} GPU{'s' if self.gpus > 1 else ''}"
        return (
            f"{self.table[0].upper()}{self.table[1:]} prints, of 10 epochs on {where}, {whole} and, for the local "
            f"networks, {parts}{ratio}."
        )


class Faster(NamedTuple):
    """What a document says of training time, without a table."""

    table: str
    ratio: str

    def __str__(self) -> str:
        name = f"{self.table[0].upper()}{self.table[1:]}"
        return f"{name} prints a factor of {self.ratio} for training on its chest CT scans, with its networks."


TABLE_1 = """
cifar10-vgg9-2x2    0.6745 0.7081  0.6237 0.6546  0.7669 0.8071
flowers-vgg9-2x2    0.6162 0.6498  0.5974 0.6026  0.6938 0.7552
flowers-vgg9-4x4    0.7565 0.7745  0.7022 0.7238  0.8471 0.8593
chestct-vgg9-2x2x1  0.8038 0.8279  0.7761 0.7997  0.9143 0.9357
chestct-vgg9-4x4x2  0.8024 0.8409  0.7453 0.7999  0.8988 0.9493
"""
"""Document 1: avg. prob., maj. vot. and CNN-DNN, each on validation and on training images."""

TABLE_2 = """
cifar10-vgg9-2x2      0.7585 0.8487  0.7999 0.8663  0.7515 0.7902  0.8462 0.8889
cifar10-resnet20-2x2  0.8622 0.9343  0.8784 0.9467  0.8998 0.9558  0.9117 0.9664
flowers-vgg9-2x2      0.7887 0.9321  0.8154 0.8827  0.7808 0.8667  0.8378 0.8999
flowers-vgg9-4x4      0.7887 0.9321  0.8589 0.8872  0.7676 0.7995  0.8608 0.8806
flowers-resnet20-2x2  0.8227 0.9178  0.8475 0.9454  0.8776 0.9603  0.8997 0.9702
flowers-resnet20-4x4  0.8227 0.9178  0.8068 0.8892  0.8406 0.9002  0.8654 0.9244
chestct-vgg9-2x2x1    0.7667 0.8214  0.9143 0.9357  0.8889 0.9097  0.9304 0.9577
chestct-vgg9-4x4x2    0.7667 0.8214  0.8988 0.9493  0.8774 0.9305  0.9025 0.9488
"""
"""Document 1: global CNN, CNN-DNN, CNN-DNN-coherent and CNN-DNN-transfer, each on validation and on training images.

Of VGG9's CNN-DNN it has other figures than Table 1 where the images have two axes: 0.7669 and 0.7999 on CIFAR-10."""

TABLE_3_3 = """
local-0         80.49 68.92  81.02 69.27  81.50 69.08  52.30 40.11  53.40 40.35  52.36 39.73
local-1         80.33 68.18  80.08 68.64  81.53 68.09  51.55 44.01  52.91 39.23  52.00 37.49
local-2         80.63 68.68  81.08 68.79  80.10 68.69  52.58 40.04  52.74 39.65  53.21 36.55
local-3         78.97 68.40  79.52 68.18  79.81 67.92  52.21 40.47  52.16 39.73  51.46 37.97
composed        88.33 81.11  88.28 80.65  87.87 80.54  57.70 42.74  60.44 43.70  56.00 38.85
composed_tuned  94.40 94.24  94.76 94.08  94.44 94.27  74.24 73.13  74.49 72.94  71.91 70.72
global          93.26 93.26  93.12 93.12  92.37 92.37  73.68 73.68  72.53 72.53  70.68 70.68
"""
"""Document 3, in percent: ResNet32, 56 and 110 on CIFAR-10, then on CIFAR-100, each with overlap and without; what is
printed once of the global network stands in both places."""

TABLE_3_5 = """
composed        49.09 74.58  25.59 51.11  13.65 37.03  54.69 79.43  26.80 54.45  10.76 31.85
composed_tuned  75.31 91.67  75.08 91.67  74.34 91.82  75.39 91.90  76.56 92.68  70.55 91.82
global          75.72 91.77  75.72 91.77  75.72 91.77  74.40 90.86  74.40 90.86  74.40 90.86
"""
"""Document 3, in percent: ResNet50, then ResNet101, in 4, 8 and 16 parts, Top-1 and Top-5; the global network, printed
once, in three places."""

CIFAR = tuple(
    f"{data}-resnet{layers}-2x2{overlap}"
    for data in ("cifar10", "cifar100")
    for layers in (32, 56, 110)
    for overlap in ("-overlap4", "")
)
FOOD = tuple(f"food101-resnet{layers}-{parts}" for layers in (50, 101) for parts in ("2x2", "8boxes", "4x4"))

TABLE_3_2 = """
global                   1395 461 228 182 173 -  -
global-augmented         1484 472 216 174 169 -  -
2x2-overlap4             620  180 94  83  77  80 68
2x2                      565  170 83  67  60  64 -
2x2-overlap4-augmented   627  191 101 88  84  94 82
2x2-augmented            588  181 89  87  79  88 -
"""
"""Document 3: seconds for 10 epochs of ResNet32 on CIFAR-10, by the sizes of the batches; the global network on four
GPUs, or four local networks on one each."""
BATCHES = (32, 128, 512, 2048, 8192, 16384, 32768)

TABLE_3_4 = """
4-gpus  2227 427 420 521    2507 623 607 736
1-gpu   2723 1347 987 1277  2920 1650 1533 2210
"""
"""Document 3: seconds for 10 epochs on Food-101 of the global ResNet50 and of its 4, 8 or 16 local networks; of
ResNet101 and its."""

FASTER_3D = Faster("document 2", "almost 23")
"""How many times less its training takes on chest CT scans than that of its global network."""
VOLUMES = ("chestct", "adrenal3d")
"""Data sets of ours beside which that can be shown: scans too, but not known to be the same."""


def accuracies(preset: str, strategy: str) -> tuple[Accuracy, ...]:
    """What is printed of a strategy of a preset: nothing, or one figure, or two that disagree."""
    return tuple(found for (name, known), found in _all() if (name, known) == (preset, strategy))


def strategies_printed(preset: str) -> list[str]:
    """The strategies of a preset of which something is printed; its local networks as one."""
    return list(dict.fromkeys(known.split()[0] for (name, known), _ in _all() if name == preset))


def times(preset: str, augmented: bool, gpus: int = 4) -> Times | None:
    """The seconds that are printed for a preset's row: in Table 3.2 with data augmentation or without, and on four
    GPUs; in Table 3.4 on one, too."""
    if preset in FOOD:
        layers, part = divmod(FOOD.index(preset), 3)
        figures = dict(_rows(TABLE_3_4))[f"{gpus}-gpu{'s' if gpus > 1 else ''}"][4 * layers :]
        return Times("document 3, Table 3.4", gpus, figures[0], figures[1 + part])
    partition, found, batch = preset.removeprefix("cifar10-resnet32-").partition("-batch")
    return _times(partition, int(batch), "-augmented" if augmented else "") if found and gpus == 4 else None


def _times(partition: str, batch: int, suffix: str) -> Times:
    """A column of Table 3.2."""
    rows, column = dict(_rows(TABLE_3_2)), BATCHES.index(batch)
    return Times("document 3, Table 3.2", 4, rows[f"global{suffix}"][column], rows[f"{partition}{suffix}"][column])


def faster(data: str) -> Faster | None:
    """What is printed of a data set's training time without a table."""
    return FASTER_3D if data in VOLUMES else None


@cache
def _all() -> tuple[tuple[tuple[str, str], Accuracy], ...]:
    found: list[tuple[tuple[str, str], Accuracy]] = []
    for number, text, strategies in (
        (1, TABLE_1, ("average", "majority", "coarse")),
        (2, TABLE_2, ("global", "coarse", "coherent", "transfer")),
    ):
        for preset, figures in _rows(text):
            for strategy, pair in zip(strategies, _pairs(figures), strict=True):
                found.append(((preset, strategy), Accuracy(f"document 1, Table {number}", *pair)))
    for strategy, figures in _rows(TABLE_3_3):
        for preset, figure in zip(CIFAR, figures, strict=True):
            found.append(((preset, strategy.replace("-", " ")), Accuracy("document 3, Table 3.3", figure)))
    for strategy, figures in _rows(TABLE_3_5):
        for preset, (top1, top5) in zip(FOOD, _pairs(figures), strict=True):
            found.append(((preset, strategy), Accuracy("document 3, Table 3.5", top1, top5=top5)))
    return tuple(found)


def _rows(text: str) -> list[tuple[str, list[str]]]:
    return [(name, figures) for name, *figures in map(str.split, text.strip().splitlines())]


def _pairs(figures: list[str]) -> list[tuple[str, str]]:
    return list(zip(figures[::2], figures[1::2], strict=True))
