"""A run made again: what was recorded of it, what is other here than it was there, and whether the bytes are the same.

A record is read from the run's folder, or from MLflow: from a registered version, whose run holds the files of RECORD.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from schwarz import reading, tracking
from schwarz.config import Config
from schwarz.errors import WrongInput
from schwarz.files import read_json, sha256, write_atomic, write_json
from schwarz.lineage import code, commit_of, processor, versions
from schwarz.locks import held
from schwarz.runs import RunFolder, checkpoints_of
from schwarz.shell import command

CONFIG, LINEAGE, WEIGHTS = "config.toml", "lineage.json", "weights.json"
RECORD = (CONFIG, LINEAGE, WEIGHTS)
"""What the parent run in MLflow holds for this."""

DECISIVE = ("python", "torch", "numpy", "safetensors", "onnx", "onnxscript")
"""The versions that weights and model may depend on."""


@dataclass(frozen=True)
class Made:
    """The sha256 of all that a run trained and exported."""

    networks: dict[str, str]
    """Of each network's weights.safetensors: `local 0`, ..., `coarse`, `global`, ..."""
    model: dict[str, str]
    """`file` and `sha256` of the ONNX model."""
    in_step: dict[str, list[list[int]]] = field(default_factory=dict)
    """Which local networks, by their boxes, were trained as one: of every pod that trained several, and of those that
    one step trained for itself, by the folder of their checkpoints."""
    devices: list[str] = field(default_factory=list)
    """The kinds of device that networks were trained on."""
    damage: tuple[str, ...] = ()
    """What the files say that are no longer as they were written."""

    def to_json(self) -> dict[str, Any]:
        """The content of weights.json."""
        told = ("networks", "model", "in_step", "devices")
        return {name: getattr(self, name) for name in told}


@dataclass(frozen=True)
class Record:
    """All that making a run again needs."""

    source: str
    config: Config
    lineage: dict[str, Any]
    made: Made

    @property
    def again(self) -> Config:
        """What to make it again with: as it was; by one process where its networks were trained in step across those
        that share them now, for their number was changed while it was made."""
        from schwarz.shares import shared  # torch

        for fleets in self.made.in_step.values():
            shares = shared(_boxes(fleets), self.config.place.workers)
            if not all(any(set(fleet) <= set(share) for share in shares) for fleet in fleets):
                return reading.override(self.config, {"place.workers": 1})
        return self.config


@dataclass(frozen=True)
class Other:
    """Something that is not here what it was there."""

    cause: str
    """In a few words, for the verdict."""
    told: str
    """In a line, before the work."""


def made(run: RunFolder) -> Made:
    """What the steps of a run left; WrongInput while it is not finished."""
    return made_of(run.steps / "export_onnx", run.done(), partial(_read, run))


def made_of(exported: Path, results: Iterable[Path], read: Callable[[Path], Any] = read_json) -> Made:
    """What steps left, by what their done.json says."""
    kept = read(exported / "model.json")
    model = {name: kept[name] for name in ("file", "sha256")}
    networks, in_step, devices = dict[str, str](), dict[str, list[list[int]]](), set[str]()
    damage = _damaged(exported / model["file"], model["sha256"])
    for folder in results:
        done = read(folder / "done.json")
        weights = {name: value for name, value in done["files"].items() if Path(name).name == "weights.safetensors"}
        about = [read((folder / name).with_name("network.json")) for name in weights]
        for (name, value), network in zip(weights.items(), about, strict=True):
            networks[_name(network)] = value
            damage += _damaged(folder / name, value)
        in_step |= _in_step("-".join(filter(None, (done["step"], done["part"]))), about)
        devices |= {network["device"] for network in about if "device" in network}
    networks = {name: networks[name] for name in sorted(networks, key=_by_number)}
    return Made(networks, model, in_step, sorted(devices), tuple(damage))


def record_of(begun: Path, exported: Path) -> dict[str, str]:
    """The files of RECORD, for MLflow to keep, from what the first step and the export left."""
    files = (begun / CONFIG, begun / LINEAGE, exported / WEIGHTS)
    return {file.name: file.read_text(encoding="utf-8") for file in files}


def of_folder(run: RunFolder) -> Record:
    """The record of a run whose folder is here."""
    return Record(str(run.path), run.config, _read(run, run.steps / "begin" / LINEAGE), made(run))


def of_mlflow(name: str, uri: str) -> Record:
    """The record of a registered version, or of the id of a parent run, from MLflow alone."""
    found = tracking.recorded(name, uri, RECORD)
    lineage = json.loads(found.files[LINEAGE])
    weights = json.loads(found.files[WEIGHTS])
    return Record(name, _config(name, found.files[CONFIG], lineage["commit"]), lineage, Made(**weights))


def others(record: Record) -> list[Other]:
    """What is other here, in the order in which it explains other bytes."""
    return [*_code(record.lineage), *_versions(record.lineage), *_device(record), *_processor(record.lineage)]


def choose_alike(record: Record, run: RunFolder) -> None:
    """Lay down in a new run folder who was trained in step with whom: that is chosen by speed, where it is not known,
    and changes the rounding."""
    from schwarz.shares import shared  # torch
    from schwarz.training import Checkpoints
    from schwarz.training.choice import KEPT

    for training, fleets in record.made.in_step.items():
        step, *part = training.split("/")
        kept = Checkpoints(checkpoints_of(run.path, step).joinpath(*part), {})
        for share in shared(_boxes(fleets), run.config.place.workers):
            places = [[share.index(k) for k in fleet] for fleet in fleets if fleet[0] in share]
            write_json(kept.of(*share).folder / KEPT, places)


def model_as_of(run: RunFolder, file: str, commit: str) -> str | None:
    """sha256 of a run's ONNX model if it had been made at `commit`: the model names the one it was made at. None where
    the run exported another one."""
    path = run.steps / "export_onnx" / file
    if not path.exists():
        return None
    import onnx

    model = onnx.load(path)
    for each in model.metadata_props:
        if each.key == "commit":
            each.value = commit
    return hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()


def _name(network: dict[str, Any]) -> str:
    return f"local {network['box']}" if network["role"] == "local" else network["role"]


def _boxes(fleets: list[list[int]]) -> list[int]:
    return sorted(k for fleet in fleets for k in fleet)


def _by_number(name: str) -> list[str | int]:
    return [int(word) if word.isdigit() else word for word in name.split()]


def _in_step(step: str, networks: list[dict[str, Any]]) -> dict[str, list[list[int]]]:
    """Whose networks a step trained as one; what it keeps in one network it knows of several trainings."""
    together = {tuple(network["together"]) for network in networks if "together" in network}
    of_pod = {step: [list(boxes) for boxes in sorted(together)]} if len(networks) > 1 else {}
    apart = {f"{step}/{name}": boxes for each in networks for name, boxes in each.get("in_step", {}).items()}
    return of_pod | apart


def _damaged(path: Path, value: str) -> list[str]:
    if not path.exists():
        return [f"{path} is gone: compared with what was written down of it"]
    if (found := sha256(path)) != value:
        return [f"{path} is damaged: its sha256 is {found[:12]}, {value[:12]} was written down and is what counts"]
    return []


def _read(run: RunFolder, path: Path) -> Any:
    """A file of a step's result."""
    try:
        return read_json(path)
    except FileNotFoundError:
        if held(run.logs / "lock"):
            raise WrongInput(f"{run.path}: another process runs it now: wait until it has ended.") from None
        raise WrongInput(
            f"{run.path}: is not finished: {path.relative_to(run.path)} is missing. `{command('resume', run.path)}` "
            "makes it."
        ) from None
    except ValueError as fault:
        raise WrongInput(
            f"{path}: damaged ({fault}). Remove that file and results.json, then `{command('resume', run.path)}`."
        ) from None


def _config(name: str, text: str, commit: str) -> Config:
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / CONFIG
        write_atomic(file, text)
        try:
            return reading.load(file)
        except WrongInput as fault:  # written by other code, which had other fields
            reason = str(fault).replace(str(file), CONFIG)
            raise WrongInput(f"{name}: {reason} `git checkout {commit}` brings back the code that wrote it.") from None


def _code(lineage: dict[str, Any]) -> Iterable[Other]:
    if (known := lineage.get("code")) == code():  # the same source, whatever else a commit changed
        return
    commit, dirty = commit_of(Path(__file__).parent)
    if known is None and lineage["commit"] == commit and not dirty and not lineage["dirty"]:
        return
    there = f"{lineage['commit'][:12]}{' with changes that were not committed' if lineage['dirty'] else ''}"
    here = f"{commit[:12]}{' with changes that are not committed' if dirty else ''}"
    what = "the code is not the same" if known else "it is not known whether the code is the same"
    back = "" if lineage["dirty"] else f" `git checkout {lineage['commit']}` brings it back."
    yield Other("other code", f"Warning: {what}: commit {there} there, {here} here.{back}")


def _versions(lineage: dict[str, Any]) -> Iterable[Other]:
    here, there = versions(), lineage["versions"]
    for name in DECISIVE:
        if name in there and there[name] != here.get(name):
            cause = f"{name} {there[name]} there and {here.get(name, 'none')} here"
            yield Other(cause, f"Note: {cause}.")


def _processor(lineage: dict[str, Any]) -> Iterable[Other]:
    there = lineage.get("processor")
    if there is not None and there != processor():
        yield Other("another processor", f"Note: the processor there was {there}; here it is {processor()}.")


def _device(record: Record) -> Iterable[Other]:
    from schwarz.training.device import chosen  # torch

    there, here = " and ".join(record.made.devices), chosen(record.config.place.device).type
    if there not in ("", here):
        cause = f"place.device: {there} there and {here} here"
        yield Other(cause, f"Note: {cause}.")
