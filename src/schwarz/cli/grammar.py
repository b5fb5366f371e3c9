"""What every command shares: help that ends in examples, and errors that name the nearest valid word or path."""

import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import click

from schwarz.errors import SchwarzError, WrongInput, nearest, nearest_path


class Command(click.Command):
    """A command that shows examples at the end of its help. The tests run each of them."""

    def __init__(self, *args: Any, examples: tuple[str, ...] = (), **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.examples = examples

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Arguments stand before options: an option may take several values."""
        options, *arguments = super().collect_usage_pieces(ctx)
        return [*arguments, options]

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Examples"):
            for example in self.examples:
                formatter.write(f"  {example}\n")


class Group(click.Group):
    """A command that has sub-commands, listed in the order in which they were added."""

    def __init__(self, *args: Any, examples: tuple[str, ...] = (), **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.examples = examples

    format_epilog = cast(Any, Command.format_epilog)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


class Word(click.Choice[str]):
    """One of a few words; another one is answered with the nearest."""

    name = "word"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in self.choices:
            self.fail(f"{value!r} is none of {', '.join(self.choices)}.{nearest(value, self.choices)}", param, ctx)
        return value

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:
        """Nothing beside the name: click would list the words over several lines, and the name shows them."""
        return ""


class AtLeast(click.IntRange):
    """A whole number, `least` or more."""

    def __init__(self, least: int) -> None:
        super().__init__(least)
        self.least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            number = int(value)
        except ValueError:
            self.fail(f"{value!r} is no whole number.", param, ctx)
        if number < self.least:
            self.fail(f"{value} is too few: at least {self.least}.", param, ctx)
        return number


class Existing(click.ParamType[Path]):
    """A file or folder that exists; a misspelt one is answered with the nearest that does."""

    def __init__(self, kind: str = "file") -> None:
        self.name = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(value).expanduser()
        if not path.exists():
            self.fail(f"{value}: no such {self.name}.{nearest_path(path)}", param, ctx)
        if self.name == "file" and path.is_dir():
            self.fail(f"{value}: is a folder, not a file.", param, ctx)
        return path


class Target(click.ParamType[Path]):
    """A file to be written: its folder must exist and take files, and its name end in one of `suffixes`, if any."""

    name = "file"

    def __init__(self, *suffixes: str) -> None:
        self.suffixes = suffixes

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        import tempfile

        path = Path(value).expanduser()
        if not value:
            self.fail("the name is empty. Name a file.", param, ctx)
        if path.is_dir():
            self.fail(f"{value}: is a folder. Name a file in it.", param, ctx)
        if path.exists() and not path.is_file():  # renaming a new file to its name would remove it
            self.fail(f"{value}: is no file but a device or a pipe. Name a file.", param, ctx)
        if not path.parent.is_dir():
            self.fail(f"{value}: its folder {path.parent} does not exist.{nearest_path(path.parent)}", param, ctx)
        if self.suffixes and path.suffix.lower() not in self.suffixes:
            self.fail(f"{value}: what is written is {' or '.join(self.suffixes)}: end its name in that.", param, ctx)
        with writing(path), tempfile.TemporaryFile(dir=path.parent):  # before any work: the folder takes files
            return path


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What keeps the block from writing `path` is said of `path`, not of the temporary file beside it."""
    try:
        yield
    except OSError as fault:
        reason = f"{path}: cannot be written ({fault.strerror or fault})."
        if fault.errno in (errno.ENOSPC, errno.EDQUOT):
            raise SchwarzError(f"{reason} Free some space, or give another place.") from None
        raise WrongInput(f"{reason} Give a place that you may write to.") from None


class WrongFlag(WrongInput):
    """A config flag that cannot be used; carries a valid one to show."""

    def __init__(self, message: str, example: str) -> None:
        super().__init__(message)
        self.example = example


def usage_message(fault: click.UsageError, place: str, known: Iterable[str] = (), other: str = "") -> str:
    """Click's complaint in one line: the command (`place`), the token, the nearest valid one, or the `other` command
    that takes it."""
    if isinstance(fault, click.NoSuchOption):
        elsewhere = f" There is `{other}`."
        text = f"no option {fault.option_name!r}.{elsewhere if other else nearest(fault.option_name, known)}"
    elif isinstance(fault, click.exceptions.NoSuchCommand):
        text = f"no command {fault.command_name!r}.{nearest(fault.command_name, known)}"
    else:
        text = fault.format_message()
        text += "" if text.endswith((".", "?")) else "."
    hint = "" if other or "Did you mean" in text else f" `{place} --help` shows what there is."
    return f"{place}: {text}{hint}"


def options(command: click.Command) -> Iterator[str]:
    """Every option of a command as it is typed."""
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield from parameter.opts
    yield "--help"
