"""First step, never cached: say what is about to run, and refuse at once what could not end well."""

import os
from pathlib import Path

from schwarz.config import Config
from schwarz.errors import WrongInput
from schwarz.files import write_json
from schwarz.journal import Journal
from schwarz.lineage import lineage
from schwarz.steps.frame import Metrics, run_folder, step


@step("begin", fresh=True)
def begin(config: Config, *, uid: str, journal: Journal, out: Path) -> Metrics:
    """Writes lineage.json: commit, digests of the code and of the configuration, versions, processor, the run's id."""
    if config.data.md5 is None:
        raise WrongInput("data.md5 is not set: `schwarz run` and `schwarz compile` fill it in from the .dvc file.")
    if run_folder() is None and "SCHWARZ_STORE" not in os.environ:
        raise WrongInput(
            "neither SCHWARZ_RUN nor SCHWARZ_STORE is set: name the folder that all pods see in SCHWARZ_STORE."
        )
    origin = lineage(config, uid)
    tags = {
        "schwarz.run": uid,
        "data.md5": config.data.md5,
        "git.commit": origin["commit"],
        "code.digest": origin["code"],
        "config.digest": config.science(),
    }
    journal.write("run", run="", params=flat(config), tags=tags)
    write_json(out / "lineage.json", origin)
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
