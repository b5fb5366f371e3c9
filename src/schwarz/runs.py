"""The folder of one run: where everything it makes lies, and which run it belongs to."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

from schwarz import reading
from schwarz.config import Config
from schwarz.document import document
from schwarz.errors import WrongInput, nearest_path
from schwarz.files import read_json, write_atomic, write_json
from schwarz.lineage import code
from schwarz.locks import Busy, locked

SCRATCH = "scratch"
"""What is brought here from a store while a run goes on; it is gone when the run is whole."""
BEGUN = {"logs", "run.json", "INDEX.md"}
"""What a run folder holds whose making was cut short: such a folder may be taken."""

INDEX = """# {name}

| file | what it is |
|---|---|
| `config.toml` | the whole configuration: `schwarz run --config config.toml` repeats the run |
| `results.json` | every figure of the run |
| `report.html` | the report, one page, needs no network |
| `model/` | the exported ONNX model |
| `steps/<step>/<part>/` | what each step made: weights (safetensors), how to rebuild the network, histories |
| `store/boxes/` | the images cut into boxes, one folder per box; not here where `SCHWARZ_STORE` names another store |
| `checkpoints/` | while networks are trained: what `schwarz resume` goes on from |
| `logs/` | one log per step, `pipeline.log`, and the journal behind progress and curves |
| `run.json` | the run's identity |
"""


@dataclass(frozen=True)
class RunFolder:
    """A run on disk."""

    path: Path
    config: Config
    uid: str
    project: Path
    """The checkout whose data sets it uses."""

    @property
    def name(self) -> str:
        """`quickstart-3`, or the folder's own name outside runs/."""
        own = self.path.name
        return f"{self.config.preset}-{own}" if own.isdigit() else own

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def journal(self) -> Path:
        return self.logs / "journal"

    @property
    def steps(self) -> Path:
        return self.path / "steps"

    def done(self) -> list[Path]:
        """The folders of the finished steps that count. A run resumed on fewer pods keeps those of the pods it had
        before: the first ones count that have all boxes between them, whatever `place` says by now."""
        pods = sorted(self.steps.glob("train_local/*/done.json"), key=lambda file: int(file.parent.name))
        boxes = accumulate(len(list(file.parent.glob("box-*"))) for file in pods)
        whole = next((n for n, held in enumerate(boxes, 1) if held >= self.config.partition.count), len(pods))
        stale = set(pods[whole:])
        return sorted(file.parent for file in self.steps.glob("**/done.json") if file not in stale)

    def results(self) -> dict[str, Any] | None:
        """The results of a finished run, else None."""
        file = self.path / "results.json"
        return read_json(file) if file.exists() else None

    def forget(self) -> None:
        """Drop all that was made, so that the run begins anew; refused while another process runs it."""
        with self.lock():
            for name in ("results.json", "report.html"):
                (self.path / name).unlink(missing_ok=True)
            for name in ("steps", "checkpoints", "model", SCRATCH):
                shutil.rmtree(self.path / name, ignore_errors=True)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run; a second process that wants it is refused."""
        try:
            with locked(self.logs / "lock", wait=False):
                yield
        except Busy as busy:
            raise WrongInput(f"{self.path}: {busy.who} runs it {busy.since}: wait until it has ended.") from None


def checkpoints_of(run: Path, step: str) -> Path:
    """Where the trainings of a step, or of a part of it, leave what they go on from; those of other code are left
    alone."""
    return run / "checkpoints" / f"{step}-{code()}"


def create(config: Config, out: Path | None = None) -> RunFolder:
    """A new run folder: `out`, or runs/<preset>/<n>. An `out` that holds the same run is opened, another is refused.
    Where a run takes place may change until it is finished."""
    path = Path(out).absolute() if out is not None else _next(Path("runs").absolute() / config.preset)
    if (path / "config.toml").exists():
        return _same(open_run(path), config)
    if foreign(path):
        raise WrongInput(f"{path}: holds something that is not a run. Choose an empty or new folder for --out.")
    (path / "logs" / "journal").mkdir(parents=True, exist_ok=True)
    uid = uuid.uuid4().hex
    project = project_root()
    write_json(path / "run.json", {"uid": uid, "project": str(project)})
    write_atomic(path / "INDEX.md", INDEX.format(name=f"{config.preset} in {path.name}", preset=config.preset))
    _write_config(path, config)  # last: a folder with a config.toml is a whole run folder
    return RunFolder(path, config, uid, project)


def foreign(path: Path) -> bool:
    """Whether something lies there that is neither a run nor one whose making was cut short."""
    if not path.exists() or (path / "config.toml").exists():
        return False
    return not path.is_dir() or bool({p.name for p in path.iterdir()} - BEGUN)


def open_run(path: Path) -> RunFolder:
    """The run in a folder."""
    path = Path(path).absolute()
    if not path.is_dir():
        raise WrongInput(f"{path}: no such run folder.{nearest_path(path)} `schwarz runs` lists the runs here.")
    if missing := [name for name in ("config.toml", "run.json") if not (path / name).exists()]:
        raise WrongInput(f"{path}: not a run folder: it has no {missing[0]}. `schwarz runs` lists the runs here.")
    identity = read_json(path / "run.json")
    return RunFolder(path, reading.load(path / "config.toml"), identity["uid"], Path(identity["project"]))


def project_root() -> Path:
    """The folder whose data sets are meant: $SCHWARZ_PROJECT, else the nearest one, from here upwards, that has any,
    else the checkout that this package is installed from."""
    if "SCHWARZ_PROJECT" in os.environ:
        return Path(os.environ["SCHWARZ_PROJECT"])
    here = Path.cwd()
    checkout = Path(__file__).parents[2]
    return next(
        (
            p
            for p in (here, *here.parents, checkout)
            if (p / "data.dvc").exists() or any((p / "datasets").glob("*.dvc"))
        ),
        here,
    )


def differences(old: Config, new: Config) -> list[str]:
    """The fields in which two configurations differ, as `local.epochs: 3, not 4`; `place` aside."""
    a, b = _flat(old), _flat(new)
    return [f"{name}: {a.get(name)!r}, not {b.get(name)!r}" for name in sorted(a | b) if a.get(name) != b.get(name)]


def another(path: Path, what: str, changed: list[str], remedy: str) -> WrongInput:
    """How a folder is refused that belongs to a configuration which differs in these fields."""
    more = f"; and {len(changed) - 3} more" if len(changed) > 3 else ""
    return WrongInput(f"{path}: {what} ({'; '.join(changed[:3])}{more}). {remedy}")


def _flat(config: Config) -> dict[str, Any]:
    values = config.model_dump(mode="json", by_alias=True, exclude={"place"})
    plain = {name: value for name, value in values.items() if not isinstance(value, dict)}
    nested = {f"{s}.{f}": v for s, section in values.items() if isinstance(section, dict) for f, v in section.items()}
    return plain | nested


def _same(run: RunFolder, config: Config) -> RunFolder:
    if changed := differences(run.config, config):
        raise another(run.path, "holds a run of another configuration", changed, "Choose another --out.")
    if config == run.config or (run.path / "results.json").exists():  # it says where a finished run was made
        return run
    _write_config(run.path, config)  # the same science in another place
    return replace(run, config=config)


def _write_config(path: Path, config: Config) -> None:
    write_atomic(path / "config.toml", document(config))


def _next(parent: Path) -> Path:
    """The next free number; making the folder claims it, so that two runs started at once get one each."""
    parent.mkdir(parents=True, exist_ok=True)
    number = max((int(p.name) for p in parent.iterdir() if p.name.isdigit()), default=0) + 1
    while True:
        try:
            (parent / str(number)).mkdir()
            return parent / str(number)
        except FileExistsError:
            number += 1
