"""In what the runs of a study are not as their preset says: what the documents print is then of something else."""

from collections.abc import Iterator, Sequence

from schwarz.config import Config
from schwarz.presets import PRESETS
from schwarz.presets.sources import SOURCES
from schwarz.runs import differences
from schwarz.study.cells import Cell

ASIDE = ("seed:", "strategies:", "data.md5:", "export.", "register.")
"""Fields that no strategy's figures depend on."""


def departures(preset: str, cells: Sequence[Cell]) -> list[str]:
    """Every field in which a preset was changed, as `local.epochs: 24, not 150`, and whether the images are others than
    those that its data set has where it is published; none of a configuration that is no preset."""
    if preset not in PRESETS:
        return []
    own = [cell for cell in cells if cell.preset == preset]
    config = own[0].run.config
    fields = [text for text in differences(config, PRESETS[preset]()) if not text.startswith(ASIDE)]
    results = next(filter(None, (cell.run.results() for cell in own)), None)
    return [*fields, *(_images(config, results["data"]) if results else [])]


def told(preset: str, cells: Sequence[Cell]) -> str:
    """The same in a line; '' where it is as it says."""
    found = departures(preset, cells)
    return f"not as the preset: {'; '.join(found)}" if found else ""


def _images(config: Config, data: dict) -> Iterator[str]:
    """What is other in number and shape; `data.limit`, which is told as a field, is no other number."""
    source = SOURCES.get(config.data.name)
    if source is None:
        return
    kept = 0 if config.data.validation == "test" else data["validation"]
    train = source.train if config.data.limit else data["train"] + kept
    ours = _words(train, data["test"], data["shape"], len(data["classes"]))
    published = _words(source.train, source.test, source.shape, source.classes)
    if ours != published:
        yield f"the data set {config.data.name}: {ours}, not {published}"


def _words(train: int, test: int, shape: Sequence[int], classes: int) -> str:
    return f"{train:,} + {test:,} images of {'x'.join(map(str, shape))} in {classes} classes"
