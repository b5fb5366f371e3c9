"""What is known of a data set without touching its images: the content of its small .dvc file."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schwarz.errors import WrongInput, nearest

SAMPLE = "sample"
_VERSION = re.compile(r"[0-9a-f]{32}\.dir")


@dataclass(frozen=True)
class DataInfo:
    """One version of one packed set."""

    name: str
    md5: str  # '<32 hex digits>.dir': the version of the set, as in its .dvc file
    shape: tuple[int, ...]  # one image: (C, H, W), or (C, D, H, W)
    classes: tuple[str, ...]
    train: int
    test: int
    folder: Path
    dvc_file: Path


def describe(root: Path, name: str) -> DataInfo:
    """The set `name` of the checkout `root`, from its .dvc file alone: the images need not be there."""
    import yaml  # not for whoever serves a model from a store

    dvc_file = dvc_file_of(root, name)
    try:
        content = yaml.safe_load(dvc_file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WrongInput(f"no data set {name!r}: {dvc_file} does not exist.{_remedy(name, root)}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as fault:
        cause = " ".join(str(fault).split())  # YAML draws its faults over several lines
        raise WrongInput(f"{dvc_file}: cannot be read: {cause}. `git checkout {dvc_file}` restores it.") from None
    try:
        return _parse(content, dvc_file)
    except (KeyError, TypeError, ValueError, IndexError) as fault:
        message = f"{dvc_file}: not the .dvc file of a packed set ({fault!r}). `git checkout {dvc_file}` restores it."
        raise WrongInput(f"{message} `schwarz data add` makes a new one.") from None


def _remedy(name: str, root: Path) -> str:
    """How to get a set that is not here: a published one from where it is kept."""
    from schwarz.presets.sources import remedy  # with all presets: only where it is needed

    return remedy(name) or nearest(name, names(root)) or f" There are: {', '.join(names(root)) or 'none'}."


def names(root: Path) -> list[str]:
    """Every set of the checkout, the sample first."""
    added = sorted(file.stem for file in (root / "datasets").glob("*.dvc"))
    return [SAMPLE, *added] if dvc_file_of(root, SAMPLE).exists() else added


def dvc_file_of(root: Path, name: str) -> Path:
    """Where the .dvc file of a set lies; its images lie beside it, in the folder of that name without '.dvc'."""
    return root / "data.dvc" if name == SAMPLE else root / "datasets" / f"{name}.dvc"


def _parse(content: Any, dvc_file: Path) -> DataInfo:
    (out,), meta = content["outs"], content["meta"]
    md5 = out["md5"]
    if not _VERSION.fullmatch(md5):
        raise ValueError(f"md5 {md5!r} is not that of a folder")
    return DataInfo(
        name=str(meta["name"]),
        md5=md5,
        shape=tuple(int(extent) for extent in meta["shape"]),
        classes=tuple(str(name) for name in meta["classes"]),
        train=int(meta["train"]),
        test=int(meta["test"]),
        folder=dvc_file.parent / out["path"],
        dvc_file=dvc_file,
    )
