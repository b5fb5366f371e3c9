"""`completion`: a script for the shell, made from the commands and the config; pressing TAB starts no Python."""

import re
import shlex
from collections.abc import Iterator
from typing import Any, get_args

import click

from schwarz.cli.grammar import Command, Existing, Target, Word
from schwarz.cli.options import ConfiguredCommand

BASH = r"""# schwarz: completion for bash. Put `source <(schwarz completion bash)` into ~/.bashrc.
_schwarz() {
    local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" path="" words="" i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "$path ${COMP_WORDS[i]}" in
@PATHS@
        esac
    done
    case "$path $prev" in
@VALUES@
        *) case "$path" in
@WORDS@
        esac ;;
    esac
    case "$words" in
        *@file*) COMPREPLY=($(compgen -W "${words/@file/}" -- "$cur") $(compgen -f -- "$cur")) ;;
        *@run*) COMPREPLY=($(compgen -W "${words/@run/}" -- "$cur") $(compgen -d -- "$cur")) ;;
        *) COMPREPLY=($(compgen -W "$words" -- "$cur")) ;;
    esac
}
"""
BASH_END = "complete -o filenames -F _schwarz schwarz\n"
ZSH = """#compdef schwarz
# schwarz: completion for zsh. Put `source <(schwarz completion zsh)` into ~/.zshrc.
autoload -Uz compinit bashcompinit
(( $+functions[compdef] )) || compinit
bashcompinit
"""
FISH = "# schwarz: completion for fish. Save as ~/.config/fish/completions/schwarz.fish\ncomplete -c schwarz -f\n"
SHELLS = ("bash", "zsh", "fish")


@click.command(
    cls=Command,
    examples=(
        "schwarz completion bash > schwarz-completion.bash",
        "schwarz completion zsh > _schwarz",
        "schwarz completion fish > schwarz.fish",
    ),
)
@click.argument("shell", type=Word(SHELLS), metavar="bash|zsh|fish")
def completion(shell: str) -> None:
    """Print a completion script; its first lines say where it goes."""
    from schwarz.cli.entry import schwarz

    tree = dict(commands(schwarz))
    if shell == "fish":
        print(FISH + "\n".join(fish(tree)))
    else:
        head, _, rest = BASH.partition("\n")
        print((f"{head}\n" if shell == "bash" else ZSH) + filled(rest, tree) + BASH_END, end="")


def commands(command: click.Command, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command by its path: '' for schwarz itself, 'run', 'data add'."""
    yield path, command
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from commands(child, f"{path} {name}".strip())


def filled(script: str, tree: dict[str, click.Command]) -> str:
    """The bash function with the words of this command line."""
    paths, values, words = [], [], []
    for path, command in tree.items():
        if path:
            *above, name = path.split()
            paths.append(f'            "{" ".join(above)} {name}") path="{path}" ;;')
        for option, choices in flags(command).items():
            if choices is not None:
                values.append(f'        "{path} {option}") words={shlex.quote(" ".join(choices))} ;;')
        words.append(f'            "{path}") words={shlex.quote(" ".join([*places(command), *flags(command)]))} ;;')
    blocks = {"@PATHS@": paths, "@VALUES@": values, "@WORDS@": words}
    return re.sub("@[A-Z]+@", lambda mark: "\n".join(blocks[mark[0]]), script)


def fish(tree: dict[str, click.Command]) -> Iterator[str]:
    """The `complete` lines of fish."""
    for path, command in tree.items():
        start = f"complete -c schwarz -n '{_fish_place(path, tree)}'"
        for word in places(command):
            yield f"{start} {'-F' if word.startswith('@') else f'-a {word}'}"
        for option, choices in flags(command).items():
            name = f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
            takes = "" if choices is None else " -r -F" if choices == ["@file"] else f" -x -a '{' '.join(choices)}'"
            yield f"{start} {name}{takes}"


def _fish_place(path: str, tree: dict[str, click.Command]) -> str:
    """fish's condition for standing in this command, and not in one that shares a word with it."""
    if not path:
        return "__fish_use_subcommand"
    groups = [other for other, command in tree.items() if isinstance(command, click.Group) and other]
    below = [other.split()[-1] for other in tree if other.startswith(f"{path} ")]
    others = [name for name in groups if name not in path.split()] + below
    seen = [f"__fish_seen_subcommand_from {word}" for word in path.split()]
    return "; and ".join([*seen, f"not __fish_seen_subcommand_from {' '.join(others)}"])


def places(command: click.Command) -> list[str]:
    """The words that may stand in a command's first place; @file and @run stand for paths."""
    if isinstance(command, click.Group):
        return list(command.commands)
    if isinstance(command, ConfiguredCommand):
        from schwarz.presets import PRESETS

        return list(PRESETS)
    return [word for parameter in command.params if isinstance(parameter, click.Argument) for word in _place(parameter)]


def _place(argument: click.Argument) -> list[str]:
    if isinstance(argument.type, Word):
        return list(argument.type.choices)
    named = {"folder": "@run", "name": "sample"}
    return [named.get(argument.name or "", "@file")]


def flags(command: click.Command) -> dict[str, list[str] | None]:
    """Every option of a command -> the words it takes, ['@file'] for a path; None for a switch."""
    found: dict[str, list[str] | None] = {"--help": None}
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            found |= dict.fromkeys(parameter.opts, None if parameter.is_flag else _words(parameter.type))
    if isinstance(command, ConfiguredCommand):
        from schwarz.config import fields

        found |= {f"--{name}": _literals(info.annotation) for name, info in fields().items()}
    return found


def _words(kind: Any) -> list[str]:
    if isinstance(kind, Word):
        return list(kind.choices)
    return ["@file"] if isinstance(kind, Existing | Target | click.Path) else []


def _literals(annotation: Any) -> list[str]:
    """The words that a config field may hold."""
    inside = get_args(annotation)
    return [word for kind in inside for word in ([kind] if isinstance(kind, str) else _literals(kind))]
