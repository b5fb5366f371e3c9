"""The presets as the tables of docs/presets.md."""

from collections.abc import Iterator
from itertools import groupby

from schwarz.config import Config
from schwarz.presets import PRESETS
from schwarz.presets.sources import SOURCES, Source
from schwarz.published_accuracies import strategies_printed, times


def tables() -> Iterator[str]:
    """A table for each group of presets, then one of the data sets."""
    for group, members in groupby(PRESETS.values(), key=lambda each: each.group):
        yield from (f"### {group[0].upper()}{group[1:]}", "")
        yield from ("| preset | data | network | boxes | epochs | printed |", "|---|---|---|---|---|---|")
        for each in members:
            config = each()
            seconds = ["times"] if times(each.name, config.augment.moves) else []
            printed = ", ".join([*strategies_printed(each.name), *seconds]) or "-"
            yield f"| `{each.name}` | {each.data} | {' | '.join(_cells(config))} | {printed} |"
        yield ""
    yield from ("### Data sets", "", "| name | what it is | images | original | command |", "|---|---|---|---|---|")
    yield from map(_source, SOURCES.values())


def _cells(config: Config) -> tuple[str, str, str]:
    """Network, boxes and epochs: of the local networks and what goes on from them; of what is trained whole."""
    chosen = config.network.choices
    width = f", {chosen['width']} channels" if chosen.get("width") else ""
    more = config.tune.epochs if "composed_tuned" in config.strategies else 0
    local = f"{config.local.epochs} + {more}" if more else str(config.local.epochs)
    return f"{config.network.family}{width}", config.partition.words, f"{local}; {config.global_.epochs}"


def _source(source: Source) -> str:
    shape = "x".join(map(str, source.shape))
    before = f"{source.before}; then " if source.before else ""
    counts = f"{source.train:,} + {source.test:,} of {shape}, {source.classes} classes"
    return f"| `{source.name}` | {source.title} | {counts} | {source.place} | {before}`{source.command}` |"
