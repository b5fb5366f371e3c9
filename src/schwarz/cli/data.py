"""`data add` and `data show`: a person's own images."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from schwarz.cli.columns import columns
from schwarz.cli.grammar import AtLeast, Command, Existing, Group, Target, writing
from schwarz.errors import SchwarzError

if TYPE_CHECKING:
    from schwarz.data import Summary

SIZE = "--size"


@click.group(cls=Group, examples=("schwarz data show sample", "schwarz data show sample -o sample.png"))
def data() -> None:
    """Add a data set of your own; show one."""


class Sized(Command):
    """A command whose --size takes two values or three: click itself knows a fixed number only."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        spread: list[str] = []
        for word in args:
            following = len(spread) > 1 and spread[-2] == SIZE and spread.count(SIZE) < 3 and word.isdecimal()
            spread += [SIZE, word] if following else [word]
        return super().parse_args(ctx, spread)


@data.command(
    cls=Sized,
    examples=(
        "schwarz data add photos --name photos --size 32 32",
        "schwarz data add digits.npz --name digits",
    ),
)
@click.argument("path", type=Existing("file or folder"))
@click.option("--name", required=True, help="what `--data.name` and `data show` call it")
@click.option("--skip-bad", type=AtLeast(0), default=0, metavar="N", help="leave out up to N files that do not decode")
@click.option(SIZE, type=AtLeast(1), multiple=True, metavar="[D] H W", help="resize every image or NIfTI volume")
@click.option(
    "--window",
    type=float,
    nargs=2,
    metavar="LOW HIGH",
    help="values of a NIfTI volume that become 0 and 255 [-1000 400]",
)
def add(path: Path, name: str, skip_bad: int, size: tuple[int, ...], window: tuple[float, float] | None) -> None:
    """Pack the images at PATH as datasets/NAME and track them with DVC.

    PATH is a folder or an archive of it (.tar.gz, .tgz, .tar, .zip), in one of these layouts, or an .npz file:

    \b
      CLASS/FILE, or {train,test}/CLASS/FILE, of images or NIfTI volumes
      cat.0.jpg dog.1.jpg ... in train/ (Dogs-vs-Cats)
      images/CLASS/ID.jpg, meta/train.txt, meta/test.txt (Food-101)
      yaleB01/*.pgm ... (Extended Yale B, cropped)
      data_batch_1 ... or data_batch_1.bin ... (CIFAR-10; CIFAR-100 alike)
      train-images-idx3-ubyte.gz ... (MNIST, Fashion-MNIST)
      .npz: arrays x_train, y_train, x_test, y_test, or x and y

    Without test images a fifth of every class is set aside. docs/data.md says more.
    """
    from schwarz.cli.first_run import first_run
    from schwarz.runs import project_root
    from schwarz.shell import command
    from schwarz.storage import NO_ROOM
    from schwarz.storage import add as pack_and_track

    root = project_root()
    try:
        added = pack_and_track(path, name, root, size=size or None, window=window, skip_bad=skip_bad)
    except OSError as fault:
        if fault.errno not in NO_ROOM:
            raise
        raise SchwarzError(_full(fault, root, name)) from None
    info, shape = added.info, " x ".join(map(str, added.info.shape))
    lines = [f"left out: {image}" for image in added.skipped] + list(added.notes)
    kind = "volumes" if len(info.shape) == 4 else "images"
    lines += [
        f"{info.folder}: {info.train} training and {info.test} test {kind}, {shape}, {len(info.classes)} classes",
        f"version {info.md5}. To keep it in git, to look at it, to use it:",
        f"  git add {info.dvc_file}",
        f"  {command('data', 'show', name, '-o', f'{name}.png')}",
        f"  {first_run(info)}",
    ]
    print(*lines, sep="\n")


def _full(fault: OSError, root: Path, name: str) -> str:
    """The message of a disk that was full before the set was whole."""
    room = "Make room for the set (there and in .dvc/cache), and for an archive unpacked beside it"
    return f"{root / 'datasets'}: {fault.strerror}: {name!r} was not added. {room}; then give the command again."


@data.command(cls=Command, examples=("schwarz data show sample", "schwarz data show sample --json -o sample.png"))
@click.argument("name")
@click.option("-o", "--output", type=Target(".png"), metavar="PNG", help="also write a contact sheet: a row per class")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def show(name: str, output: Path | None, as_json: bool) -> None:
    """Print what the data set NAME holds: counts, shape, balance, version."""
    from schwarz import data
    from schwarz.runs import project_root
    from schwarz.storage import fetch

    info = data.describe(project_root(), name)
    fetch(info)
    summary = data.show(info)
    if output is not None:
        with writing(output):
            data.contact_sheet(info, output)
    print(json.dumps(asdict(summary), indent=1) if as_json else "\n".join(_lines(summary, output)))


def _lines(summary: "Summary", sheet: Path | None) -> list[str]:
    counts = [(name, str(count["train"]), str(count["test"])) for name, count in summary.counts.items()]
    shape = " x ".join(map(str, summary.shape))
    kind, axes = ("volumes", "depth, height, width") if len(summary.shape) == 4 else ("images", "height, width")
    return [
        f"{summary.name}: {summary.train} training and {summary.test} test {kind}, {shape} (channels, {axes})",
        f"version {summary.md5}, {summary.size_bytes / 1e6:.1f} MB, licence: {summary.licence}",
        *columns([("class", "train", "test"), *counts], left=1),
        *([f"contact sheet {sheet.absolute()}"] if sheet else []),
    ]
