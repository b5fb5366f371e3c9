"""First step, never cached: say what is about to run, and open its entry in the tracking server."""

from pathlib import Path

from schwarz.config import Config
from schwarz.errors import WrongInput
from schwarz.files import write_json
from schwarz.journal import Journal
from schwarz.lineage import lineage
from schwarz.steps.frame import Metrics, step


@step("begin")
def begin(config: Config, *, uid: str, journal: Journal, out: Path) -> Metrics:
    """Writes lineage.json: commit, versions, the configuration's digest, the run's id."""
    if config.data.md5 is None:
        raise WrongInput("data.md5 is not set: `schwarz run` and `schwarz compile` fill it in from the .dvc file.")
    origin = lineage(config, uid)
    tags = {
        "schwarz.run": uid,
        "data.md5": config.data.md5,
        "git.commit": origin["commit"],
        "config.digest": config.science(),
    }
    journal.write("run", run="", params=flat(config), tags=tags)
    write_json(out / "lineage.json", origin)
    return {}


def flat(config: Config) -> dict[str, str | int | float]:
    """The configuration as MLflow's flat parameters; what is unset is left out."""
    values: dict[str, str | int | float] = {}
    for name, value in config.model_dump(mode="json", by_alias=True, exclude_none=True).items():
        section = value if isinstance(value, dict) else {"": value}
        for field, content in section.items():
            text = ", ".join(map(str, content)) if isinstance(content, list) else content
            values[f"{name}.{field}".rstrip(".")] = text
    return values
