"""First step, never cached: say what is about to run, and refuse at once what could not end well."""

import os
from dataclasses import asdict
from pathlib import Path

from schwarz.config import Config, Place
from schwarz.document import document
from schwarz.errors import WrongInput
from schwarz.files import write_atomic, write_json
from schwarz.journal import Journal
from schwarz.lineage import lineage
from schwarz.steps.frame import Metrics, step
from schwarz.steps.place import store
from schwarz.storage import ready
from schwarz.tracking import about


@step("begin", fresh=True)
def begin(config: Config, *, uid: str, journal: Journal, out: Path) -> Metrics:
    """Writes lineage.json (commit, digests of the code and of the configuration, versions, processor, the run's id) and
    config.toml, the whole configuration."""
    if config.data.md5 is None:
        raise WrongInput("data.md5 is not set: `schwarz run` and `schwarz compile` fill it in from the .dvc file.")
    for place in {
        store(),
        *(os.environ[name] for name in ("SCHWARZ_CHECKPOINTS", "SCHWARZ_REMOTE") if name in os.environ),
    }:
        if place.startswith("s3://"):
            ready(place)  # refused here rather than after the data are fetched, or where a GPU waits
    config = config.model_copy(update={"place": Place.told_by(os.environ)})  # no step is given it: it is no science
    origin = lineage(config, uid)
    tags = {
        "schwarz.run": uid,
        "data.md5": config.data.md5,
        "git.commit": origin["commit"],
        "code.digest": origin["code"],
        "config.digest": config.science(),
    }
    journal.write("run", run="", params=flat(config), tags=tags, about=asdict(about(config)))
    write_json(out / "lineage.json", origin)
    write_atomic(out / "config.toml", document(config))
    return {}


def flat(config: Config) -> dict[str, str | int | float]:
    """The science of a configuration as MLflow's flat parameters; what is unset is left out."""
    values: dict[str, str | int | float] = {}
    for name, value in config.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"place"}).items():
        section = value if isinstance(value, dict) else {"": value}
        for field, content in section.items():
            text = ", ".join(map(str, content)) if isinstance(content, list) else content
            values[f"{name}.{field}".rstrip(".")] = text
    return values
