"""Make the sample, `data/` and `data.dvc`, from the four files of Fashion-MNIST.

    python sample/make.py [FOLDER]     FOLDER defaults to where Debian's package dataset-fashion-mnist puts them
    dvc push data.dvc                  writes the objects into sample/

1,200 training and 200 test images of each class, chosen by a fixed seed; the same bytes every time.
"""

import gzip
import shutil
import sys
from pathlib import Path

import numpy as np

from schwarz.data.packed import Images, Labels, Meta, pack
from schwarz.errors import SchwarzError, WrongInput
from schwarz.files import write_atomic
from schwarz.storage import track

ROOT = Path(__file__).resolve().parent.parent
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
CLASSES = ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
TRAIN_PER_CLASS, TEST_PER_CLASS = 1200, 200
SHARD_BYTES = 2 * 2**20  # about 1 MB a file once compressed: small objects for a git repository

LICENCE = """The MIT License (MIT) Copyright © 2017 Zalando SE, https://tech.zalando.com

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def idx(file: Path, header_bytes: int) -> np.ndarray:
    """The bytes of a gzipped IDX file after its header."""
    try:
        content = gzip.decompress(file.read_bytes())
    except FileNotFoundError:
        raise WrongInput(f"{file}: no such file. `apt install dataset-fashion-mnist`, or name its folder.") from None
    except (OSError, EOFError) as fault:
        raise WrongInput(f"{file}: not a whole gzip file ({fault}).") from None
    return np.frombuffer(content, np.uint8, offset=header_bytes)


def choose(folder: Path, stem: str, per_class: int) -> tuple[Images, Labels]:
    """`per_class` images of each class of one part, in the order of the original."""
    x = idx(folder / f"{stem}-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)
    y = idx(folder / f"{stem}-labels-idx1-ubyte.gz", 8)
    # RandomState: the one generator whose stream numpy promises never to change.
    random = np.random.RandomState(0)
    chosen = [random.permutation(np.flatnonzero(y == label))[:per_class] for label in range(len(CLASSES))]
    rows = np.sort(np.concatenate(chosen))
    return x[rows], y[rows]


def make(folder: Path) -> None:
    """Pack the chosen images into data/ and track them."""
    train, test = choose(folder, "train", TRAIN_PER_CLASS), choose(folder, "t10k", TEST_PER_CLASS)
    source = "Fashion-MNIST (https://github.com/zalandoresearch/fashion-mnist), a class-balanced part; see docs/data.md"
    meta = Meta("sample", CLASSES, (1, 28, 28), len(train[1]), len(test[1]), "MIT", source)
    out = ROOT / "data"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    pack(out, meta, {"train": train, "test": test}, SHARD_BYTES)
    write_atomic(out / "LICENSE.txt", LICENCE)
    info = track(ROOT, "sample")
    print(f"{info.dvc_file}: {info.train} training and {info.test} test images, version {info.md5}")


if __name__ == "__main__":
    try:
        make(Path(sys.argv[1]) if len(sys.argv) > 1 else DEBIAN)
    except SchwarzError as fault:
        sys.exit(f"sample/make.py: {fault}")
