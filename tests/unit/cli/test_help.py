"""Help is short, quick, and its examples work."""

import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from schwarz.cli import follow
from schwarz.cli.completion import commands
from schwarz.cli.entry import schwarz as program
from schwarz.cli.grammar import Command, Group
from schwarz.cli.options import ConfiguredCommand

COMMANDS = dict(commands(program))
EXAMPLES = [
    example for command in COMMANDS.values() if isinstance(command, Command | Group) for example in command.examples
]
HEAVY = ("torch", "kfp", "mlflow", "numpy")
QUICK = [f"{path} --help" for path, command in COMMANDS.items() if not isinstance(command, ConfiguredCommand)]
PAGE = Path(__file__).parents[3] / "docs" / "command-line.md"
LIMIT_S = 0.3


@pytest.mark.parametrize("path", COMMANDS)
def test_help_is_one_screen_with_examples(schwarz: Callable[..., Any], path: str) -> None:
    told = schwarz(*path.split(), "--help")
    lines = told.out.splitlines()
    assert told.status == 0
    assert len(lines) <= 60
    assert max(map(len, lines)) <= 100
    examples = lines[lines.index("Examples:") + 1 :]
    assert len(examples) >= 2
    assert all(example.startswith(f"  schwarz {path}".rstrip()) for example in examples)


@pytest.mark.parametrize("path", COMMANDS)
def test_the_page_of_the_manual_names_every_command_and_option(path: str) -> None:
    page = PAGE.read_text()
    assert f"`schwarz {path}" in page
    for parameter in COMMANDS[path].params:
        assert all(option in page for option in parameter.opts if option.startswith("-")), parameter.opts


@pytest.fixture
def ready(checkout: Path, run_folder: Path, sample: Path) -> Path:
    """A checkout with DVC, the sample, images of one's own, a finished run."""
    (checkout / ".dvc").mkdir()
    (checkout / ".dvc" / "config").write_text("[core]\nno_scm = true\nanalytics = false\n")
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (checkout / "photos" / name).mkdir(parents=True)
        for number in range(5):
            pixels = rng.integers(0, 255, (40, 40, 3), np.uint8)
            Image.fromarray(pixels).save(checkout / "photos" / name / f"{number}.png")
    x, y = rng.integers(0, 255, (20, 1, 16, 16), np.uint8), np.arange(20) % 2
    np.savez(checkout / "digits.npz", x=x, y=y)
    (checkout / "data").symlink_to(sample)
    return checkout


PIPED = (
    "run",
    "resume",
    "reproduce",
    "study",
    "verify",
    "report",
    "compare",
    "models",
    "promote",
    "rollback",
    "track",
    "compile",
    "submit",
    "serve",
    "stack",
)


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e.split()[1] not in PIPED])
def test_every_example_works(ready: Path, schwarz: Callable[..., Any], example: str) -> None:
    """Those of the commands above are run with the real pipeline, as a process or with servers, in other tests."""
    line, _, target = example.partition(" > ")
    told = schwarz(*shlex.split(line)[1:])
    assert told.status == 0, told.err
    assert told.err == ""
    assert told.out
    assert not target or "/" not in target


def cpu_s(arguments: str, folder: Path) -> float:
    """CPU-seconds of a command line in a process of its own; it must have imported nothing heavy."""
    unwanted = (*HEAVY, "pydantic") if arguments in QUICK else HEAVY  # half the cost, for those that show its fields
    code = (
        "import sys, resource; from schwarz.cli.entry import status; number = status(sys.argv[1:]);"
        f"heavy = set({unwanted}) & set(sys.modules); used = resource.getrusage(resource.RUSAGE_SELF);"
        "print(f'cost {number} {used.ru_utime + used.ru_stime} {sorted(heavy)}', file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, *arguments.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    _, number, cost, heavy = done.stderr.splitlines()[-1].split(maxsplit=3)
    assert heavy == "[]", f"`schwarz {arguments}` imports {heavy}"
    assert number == ("0" if "--help" in arguments or arguments == "presets" else "2")
    return float(cost)


WRONG = ("rnu", "run", "run tniy", "run tiny --local.epoch 3", "run tiny --local.epochs x", "run --config no.toml")
CHECKED = ("run tiny --data.name smaple", "run tiny --partition.grid 40 40", "resume runs/9", "show tiny --runer x")


@pytest.mark.parametrize("arguments", [*(f"{path} --help" for path in COMMANDS), "presets", *WRONG, *CHECKED])
def test_help_and_errors_are_quick(checkout: Path, arguments: str) -> None:
    costs = []
    while not costs or (min(costs) > LIMIT_S and len(costs) < 12):  # a busy machine inflates even CPU time
        costs.append(cpu_s(arguments, checkout))
    assert min(costs) <= LIMIT_S


def test_version_and_bare_command(schwarz: Callable[..., Any]) -> None:
    assert schwarz("--version").out.startswith("schwarz 0.")
    assert schwarz().out == schwarz("--help").out
    assert schwarz("data").out == schwarz("data", "--help").out


def test_what_is_spawned_is_the_pipeline_and_the_sender(tmp_path: Path) -> None:
    _, *work = follow.pipeline_command(tmp_path, "python")
    _, *send = follow.sender_command(tmp_path)
    assert work == ["-m", "pipelines.execute", str(tmp_path), "--runner", "python"]
    assert send == ["-m", "schwarz.tracking", str(tmp_path)]
