"""The flags of the typed config: `--local.epochs 3`, `--partition.grid 2 2`, one for every field.

They are parsed here, before click sees the rest, because a list takes as many values as it is given and because a
misspelt one must be answered with the nearest of all fields.
"""

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin

import click

from schwarz.cli.grammar import Command, Existing, WrongFlag
from schwarz.errors import WrongInput

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from schwarz.config import Config

F = TypeVar("F", bound=Callable[..., Any])
Words = dict[str, list[str]]


class ConfiguredCommand(Command):
    """A command that takes a preset or a config file, and a flag for every config field (parameter `changes`)."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.ensure_object(dict)
        if ctx.help_option_names and not set(ctx.help_option_names) & set(args):
            from schwarz.config import fields

            args, flags = split(args, fields())
        else:
            flags = {}
        rest = super().parse_args(ctx, args)
        ctx.params["changes"] = flags
        return rest

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        from schwarz.config import Config, sections

        named = {info.alias or name: info.description or "" for name, info in Config.model_fields.items()}
        with formatter.section("Config flags, --SECTION.FIELD VALUE"):
            formatter.write_dl([(name, named[name]) for name in sections()])
        formatter.write(
            "\n  Also --seed N and --strategies NAME ...; a list takes several values, `none` unsets a field.\n"
        )
        formatter.write("  `schwarz show PRESET` prints every field with its meaning.\n")


def configured(command: F) -> F:
    """The parameters that choose a config."""
    choose = click.option(
        "--config", "file", type=Existing(), metavar="FILE", help="TOML file, as `schwarz show` prints it"
    )
    return click.argument("preset", required=False)(choose(command))


def chosen(preset: str | None, file: Path | None, changes: Words) -> "Config":
    """The config of a preset or a whole file, of both (the file then changes the preset), and of the flags."""
    from schwarz import presets, reading

    if preset is not None:
        if preset not in presets.PRESETS and preset.endswith(".toml"):
            raise WrongInput(f"no preset {preset!r}. A file is given as `--config {preset}`.")
        base = presets.preset(preset)
        base = reading.load(file, base) if file else base
    elif file is not None:
        base = reading.load(file)
    else:
        raise WrongInput("PRESET is missing: it comes first, before the flags. `schwarz presets` lists them.")
    return applied(base, changes)


def applied(base: "Config", changes: Words) -> "Config":
    """`base` with the flags' values; a refused one is a WrongFlag that shows a valid example."""
    from schwarz.config import fields
    from schwarz.reading import override

    known = fields()
    values = {name: value(known[name], words) for name, words in changes.items()}
    try:
        return override(base, values)
    except WrongInput as fault:
        culprit = next((name for name in values if _refused(base, name, values[name])), next(iter(values)))
        raise WrongFlag(str(fault), example(culprit, base)) from None


def _refused(base: "Config", name: str, value: Any) -> bool:
    from schwarz.reading import override

    try:
        override(base, {name: value})
    except WrongInput:
        return True
    return False


def split(args: list[str], known: Mapping[str, "FieldInfo"]) -> tuple[list[str], Words]:
    """The arguments without the config flags, and the flags with their words."""
    rest: list[str] = []
    flags: Words = {}
    queue = list(args)
    while queue:
        given = queue.pop(0)
        name, equals, text = given[2:].partition("=")
        if given == "--" or not given.startswith("--") or name not in known:
            _check_dotted(given, known)
            rest.append(given)
            if given == "--":
                return rest + queue, flags
            continue
        words = [text] if equals else _take(queue, many(known[name]))
        if not words:
            raise WrongFlag(f"--{name}: its value is missing.", example(name))
        flags[name] = words
    return rest, flags


def _take(queue: list[str], several: bool) -> list[str]:
    """The words that follow a flag: one, or all up to the next flag. A negative number is a word."""
    words: list[str] = []
    while queue and (several or not words) and not re.match(r"-(?![.\d])", queue[0]):
        words.append(queue.pop(0))
    return words


def _check_dotted(given: str, known: Mapping[str, "FieldInfo"]) -> None:
    """A dotted option can only be a config field."""
    name = given.partition("=")[0].removeprefix("--")
    if not given.startswith("--") or "." not in name:
        return
    close = get_close_matches(name, known, 1, 0.6)
    sections = dict.fromkeys(field.partition(".")[0] for field in known if "." in field)
    remedy = f"Did you mean '--{close[0]}'?" if close else f"The sections are {', '.join(sections)}."
    raise WrongFlag(f"no option '--{name}'. {remedy}", example(close[0] if close else "local.epochs"))


def many(info: "FieldInfo") -> bool:
    """Whether a field is a list."""
    return any(get_origin(kind) is tuple for kind in (info.annotation, *get_args(info.annotation)))


def nested(info: "FieldInfo") -> bool:
    """Whether a field is a list of boxes: each is typed as one word, 0:16,16:32."""
    lists = (kind for kind in get_args(info.annotation) if get_origin(kind) is tuple)
    return any(get_origin(kind) is tuple for each in lists for kind in get_args(each))


def pairs(info: "FieldInfo") -> bool:
    """Whether a field is a list of pairs: each is typed as one word, 80:0.1."""
    return get_origin(info.annotation) is tuple and get_origin(get_args(info.annotation)[0]) is tuple


def value(info: "FieldInfo", words: list[str]) -> Any:
    """The words of a flag as the value that the config validates; `none` unsets a field that may be unset."""
    if words == ["none"] and type(None) in get_args(info.annotation):
        return None
    if nested(info):
        return [[span.split(":") for span in word.split(",")] for word in words]
    parts = [part for word in words for part in word.split(",") if part]
    if pairs(info):
        return [] if words == ["none"] else [part.split(":") for part in parts]
    return parts if many(info) else words[0]


def example(name: str, base: "Config | None" = None) -> str:
    """A flag with a value that is valid: the one it has in `base`, else in the quickstart."""
    from schwarz.config import fields
    from schwarz.presets import quickstart

    current: Any = base or quickstart()
    for part in name.split("."):
        current = getattr(current, part if part not in ("global", "register") else f"{part}_")
    info = fields()[name]
    if not current and info.examples:
        current = info.examples[0]
    if current is None:
        return f"--{name} none"
    return f"--{name} {' '.join(map(_word, current[:3]))}" if many(info) else f"--{name} {current}"


def _word(item: Any) -> str:
    """An item of a list as it is typed."""
    if not isinstance(item, tuple | list):
        return str(item)
    return ",".join(map(_word, item)) if isinstance(item[0], tuple | list) else ":".join(map(str, item))
