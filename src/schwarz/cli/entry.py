"""The command `schwarz`: its sub-commands, and how every error becomes a message and an exit status."""

import errno
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from schwarz.cli import (
    cluster,
    compare,
    completion,
    cost,
    data,
    doctor,
    models,
    networks,
    partition,
    presets,
    report,
    reproduce,
    run,
    runs,
    serve,
    stack,
    study,
    track,
    verify,
)
from schwarz.cli.grammar import Command, Group, Word, WrongFlag, options, usage_message
from schwarz.cli.options import ConfiguredCommand
from schwarz.errors import DONE, FAILED, INTERRUPTED, WRONG_INPUT, SchwarzError

# Else pydantic, looking for plugins, reads what every package here says of itself: a tenth of a short command.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

BROKEN_PIPE = 141  # what a shell reports of a command whose reader went away


@click.group(
    cls=Group,
    examples=("schwarz run quickstart", "schwarz doctor"),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="schwarz", message="schwarz %(version)s")
def schwarz() -> None:
    """Train image networks by domain decomposition, as a Kubeflow pipeline.

    Exit status: 0 done, 1 a step failed, 2 wrong input, 130 Ctrl-C.
    """


for _command in (
    *(
        run.run,
        run.resume,
        report.report,
        compare.compare,
        reproduce.reproduce,
        study.study,
        runs.runs,
        presets.presets,
        presets.show,
        partition.partition,
    ),
    *(cluster.platform, cluster.compile_, cluster.submit),
    *(partition.partition, networks.networks, cost.cost, verify.verify, data.data, track.track, serve.serve),
    stack.stack,
    *(models.models, models.promote, models.rollback),
    *(doctor.doctor, completion.completion),
):
    schwarz.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command line and exit with its status."""
    sys.exit(status(list(sys.argv[1:] if arguments is None else arguments)))


def status(arguments: list[str]) -> int:
    """The exit status of one command line; errors are told on stderr, the message last."""
    try:
        with schwarz.make_context("schwarz", list(arguments)) as context:
            result = schwarz.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as end:
        return end.exit_code
    except (click.UsageError, SchwarzError) as fault:
        return _refused(fault, arguments)
    except (KeyboardInterrupt, click.Abort):
        return _tell(INTERRUPTED, "interrupted.")
    except OSError as fault:
        return _system(fault, arguments)
    except Exception as fault:
        return _tell(FAILED, _unexpected(fault))
    return result if isinstance(result, int) else DONE


def _refused(fault: click.UsageError | SchwarzError, arguments: list[str]) -> int:
    if isinstance(fault, click.exceptions.NoArgsIsHelpError):
        print(fault.message)
        return DONE
    if isinstance(fault, click.UsageError):
        place = fault.ctx.command_path if fault.ctx else _command(arguments)[1]
        other = _other(fault)
        example = None if other else _example(fault, arguments)
        return _tell(WRONG_INPUT, usage_message(fault, place, _known(fault), other), example)
    place = f"{_command(arguments)[1]}: " if isinstance(fault, WrongFlag) else ""
    return _tell(fault.status, f"{place}{fault}", _example(fault, arguments) if fault.status == WRONG_INPUT else None)


def _system(fault: OSError, arguments: list[str]) -> int:
    if isinstance(fault, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the flush at exit fails once more
        return BROKEN_PIPE
    place = f"{fault.filename}: " if fault.filename else ""
    text = f"{place}{os.strerror(fault.errno) if fault.errno else fault}."
    if fault.errno in (errno.ENOSPC, errno.EDQUOT):
        return _tell(FAILED, f"{text} Free some space, then try again; a run goes on with `schwarz resume`.")
    if fault.filename:  # a path that a person named cannot be used
        return _tell(WRONG_INPUT, text, _example(fault, arguments))
    return _tell(FAILED, text)


def _tell(number: int, message: str, example: str | None = None) -> int:
    lines = [f"Example: {example}"] if example else []
    print(*lines, f"Error: {message}", sep="\n", file=sys.stderr)
    return number


def _known(fault: click.UsageError) -> list[str]:
    """The words one of which the person may have meant."""
    command = fault.ctx.command if fault.ctx else schwarz
    if isinstance(command, click.Group) and isinstance(fault, click.exceptions.NoSuchCommand):
        return list(command.commands)
    known = list(options(command))
    if isinstance(command, ConfiguredCommand):
        from schwarz.config import fields

        known += [f"--{name}" for name in fields()]
    return known


def _other(fault: click.UsageError) -> str:
    """The only command that has an option which this one lacks, as it is typed; '' where several have it, or none."""
    if not isinstance(fault, click.NoSuchOption):
        return ""
    option = fault.option_name
    having = [command for command in schwarz.commands.values() if option in options(command)]
    if len(having) != 1:
        return ""
    usage = having[0].collect_usage_pieces(click.Context(having[0]))
    arguments = [piece.strip(".") for piece in usage if not piece.startswith("[OPTIONS")]
    return " ".join(["schwarz", str(having[0].name), *arguments, option])


def _command(arguments: list[str]) -> tuple[click.Command, str]:
    """The command that a command line names, and its path."""
    command: click.Command = schwarz
    path = ["schwarz"]
    for word in arguments:
        if isinstance(command, click.Group) and word in command.commands:
            command = command.commands[word]
            path.append(word)
    return command, " ".join(path)


def _example(fault: Exception, arguments: list[str]) -> str | None:
    """A valid command line near the wrong one, unless the message itself says what to type."""
    if isinstance(fault, SchwarzError) and "`" in str(fault):
        return None
    command, path = _command(arguments)
    if isinstance(fault, WrongFlag):
        return f"{path} quickstart {fault.example}"
    if not isinstance(command, Command | Group):
        return None
    wrong = fault.param if isinstance(fault, click.BadParameter) else None
    if isinstance(wrong, click.Option) and isinstance(wrong.type, Word):
        return f"{command.examples[0]} {wrong.opts[0]} {wrong.type.choices[0]}"
    return command.examples[0]


def _unexpected(fault: Exception) -> str:
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="schwarz-", suffix=".log", delete=False, encoding="utf-8") as log:
        traceback.print_exception(fault, file=log)
    first = str(fault).strip().splitlines()
    return f"unexpected {type(fault).__name__}{': ' + first[0] if first else ''}. The traceback is in {log.name}"
