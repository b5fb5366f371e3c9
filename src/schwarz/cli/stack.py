"""`stack up`, `stack down`, `stack status`, `stack env`: the local object store and tracking server."""

import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from schwarz.cli.columns import columns
from schwarz.cli.grammar import Command, Group
from schwarz.errors import DONE, FAILED

if TYPE_CHECKING:
    from schwarz.stack import Stack

SECRET = ("AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD")
folder_option = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="where its data lie; unset: $SCHWARZ_STACK, else .stack in the checkout",
)
json_option = click.option("--json", "as_json", is_flag=True, help="print JSON")


@click.group(cls=Group, examples=("schwarz stack up", "schwarz stack status"))
def stack() -> None:
    """Real servers on this machine: an object store (SeaweedFS) and a tracking server (MLflow).

    They listen on 127.0.0.1 alone and ask for a login. `schwarz run PRESET --stack` uses them.
    """


@stack.command(cls=Command, examples=("schwarz stack up", "schwarz stack up --folder servers"))
@folder_option
def up(folder: Path | None) -> None:
    """Start what does not run; return when all answer.

    Ports and passwords are chosen once and remembered. MLflow keeps its runs in PostgreSQL where that is installed
    and can be used, else in SQLite.
    """
    stack = _stack(folder)
    stack.up(lambda text: print(text, flush=True))
    print(*columns([(standing.name, standing.address) for standing in stack.standings()], left=2), sep="\n")
    print(f"All answer. Their data, logs and passwords are in {stack.folder}")
    hidden = {name: "(secret)" if name in SECRET else value for name, value in stack.environment().items()}
    print("The environment to export:", *(f"  {name}={value}" for name, value in hidden.items()), sep="\n")
    print("To export it, to run on it, to end it:", f'  eval "$({stack.command("env")})"', sep="\n")
    from schwarz.shell import command

    print(f"  {command('run', 'quickstart', '--stack')}", f"  {stack.command('down')}", sep="\n")


@stack.command(cls=Command, examples=("schwarz stack down", "schwarz stack down --folder servers"))
@folder_option
def down(folder: Path | None) -> None:
    """End the servers of the stack, and no other process.

    What they hold stays for the next `up`.
    """
    stack = _stack(folder)
    stack.down(lambda text: print(text, flush=True))
    kept = "Its data stay there: remove the folder to forget them." if stack.servers else "There never was one."
    print(f"Nothing of the stack in {stack.folder} runs. {kept}")


@stack.command(cls=Command, examples=("schwarz stack status", "schwarz stack status --json"))
@folder_option
@json_option
def status(folder: Path | None, as_json: bool) -> int:
    """Say of each server whether it answers.

    Exit status 0 when all answer, else 1.
    """
    stack = _stack(folder)
    standings = stack.standings()
    if as_json:
        print(json.dumps([asdict(standing) for standing in standings], indent=1))
    elif standings:
        rows = [(each.name, each.state, each.address, str(each.process or ""), each.log) for each in standings]
        print(*columns([("server", "state", "address", "process", "log"), *rows], left=5), sep="\n")
        print(*(f"{each.name}: {each.reason}" for each in standings if each.reason), sep="\n", end="")
    else:
        print(f"No stack in {stack.folder}. To start one: {stack.command('up')}")
    return DONE if standings and all(each.state == "answers" for each in standings) else FAILED


@stack.command(cls=Command, examples=("schwarz stack env", "schwarz stack env --json"))
@folder_option
@json_option
def env(folder: Path | None, as_json: bool) -> None:
    """Print the environment to export, with the passwords.

    In a shell: eval "$(schwarz stack env)"
    """
    values = _stack(folder).environment()
    if as_json:
        print(json.dumps(values, indent=1))
    else:
        print(*(f"export {name}={shlex.quote(value)}" for name, value in values.items()), sep="\n")


def _stack(folder: Path | None) -> "Stack":
    from schwarz.runs import project_root
    from schwarz.stack import Stack, folder_of

    return Stack(folder or folder_of(project_root()))
