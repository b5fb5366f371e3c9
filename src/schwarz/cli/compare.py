"""`compare`: runs beside each other, on the same test images where they have them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from schwarz.cli.columns import columns
from schwarz.cli.grammar import Command
from schwarz.errors import WrongInput
from schwarz.shell import command

if TYPE_CHECKING:
    from schwarz.config import Strategy
    from schwarz.evaluation import Pair
    from schwarz.runs import RunFolder

SHOWN = ("test", "validation", "cpu_s")


@dataclass(frozen=True)
class Measured:
    """A finished run, and the folder of what `evaluate` left of it."""

    run: "RunFolder"
    results: Mapping[str, Any]
    folder: Path

    @property
    def strategies(self) -> Mapping[str, Mapping[str, Any]]:
        return self.results["strategies"]


@click.command(cls=Command, examples=("schwarz compare tiny/1 tiny/2", "schwarz compare tiny/1 tiny/2 --json"))
@click.argument("names", metavar="RUN RUN...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def compare(names: tuple[str, ...], as_json: bool) -> None:
    """Compare finished runs, strategy by strategy, with the first one.

    On the same test images differences are paired: 95% of them by Newcombe's interval, and McNemar's exact p.
    """
    if len(names) < 2:
        raise WrongInput(f"{''.join(names)}: one run alone; name two or more. `{command('runs')}` lists them.")
    first, *others = map(_measured, names)
    if same := next((each for each in others if each.run.uid == first.run.uid), None):
        raise WrongInput(f"{same.run.path}: the first run again; name another. `{command('runs')}` lists them.")
    found = [_compared(first, other) for other in others]
    if as_json:
        print(json.dumps([{**each, "pairs": [pair.to_json() for pair in each["pairs"]]} for each in found], indent=1))
        return
    print(*("\n\n".join("\n".join(_lines(first, each)) for each in found),), sep="")


def _measured(name: str) -> Measured:
    from schwarz.cli.runs import find
    from schwarz.cli.subjects import finished, whole_steps

    run = find(name)
    results = finished(run)
    return Measured(run, results, whole_steps(run, "evaluate")["evaluate"])


def _compared(first: Measured, other: Measured) -> dict[str, Any]:
    """What is other in the config, and every strategy of both."""
    from schwarz.runs import differences

    return {
        "runs": [str(first.run.path), str(other.run.path)],
        "best": [first.results["best"], other.results["best"]],
        "config": [text for text in differences(other.run.config, first.run.config) if not text.startswith("place.")],
        "commits": [each.results["lineage"]["commit"] for each in (first, other)],
        "strategies": {
            name: [
                {key: each.strategies[name][key] for key in ("test", "validation", "cpu_s")} for each in (first, other)
            ]
            for name in _shared(first, other)
        },
        "pairs": _pairs(first, other),
    }


def _shared(first: Measured, other: Measured) -> "list[Strategy]":
    from schwarz.config import STRATEGIES

    return [name for name in STRATEGIES if name in first.strategies and name in other.strategies]


def _pairs(first: Measured, other: Measured) -> "list[Pair]":
    """Of every strategy of both runs the second against the first; none where they were tested on other images."""
    import numpy as np

    from schwarz.evaluation import Answers, Pair, pairs

    y, theirs = (np.load(each.folder / "classes.npy") for each in (first, other))
    if first.results["data"]["md5"] != other.results["data"]["md5"] or not np.array_equal(y, theirs):
        return []
    found = list[Pair]()
    for name in _shared(first, other):
        answers = {
            f"{name} of {each.run.path}": Answers(np.load(each.folder / "probabilities" / f"{name}.npy"), y)
            for each in (other, first)
        }
        found += pairs(answers)
    return found


def _sure(pair: "Pair") -> tuple[str, str]:
    return f"{pair.low:+.4f} to {pair.high:+.4f}", "<0.0001" if pair.p < 0.0001 else f"{pair.p:.4f}"


def _lines(first: Measured, found: Mapping[str, Any]) -> list[str]:
    a, b = found["runs"]
    pairs: Sequence[Pair] = found["pairs"]
    by_name = dict(zip(found["strategies"], pairs, strict=False)) if pairs else {}
    sure = ("95% interval", "p") if pairs else ()
    rows: list[tuple[str, ...]] = [("strategy", "first", "second", "difference", *sure, "CPU-s", "CPU-s")]
    for name, (mine, theirs) in found["strategies"].items():
        pair = by_name.get(name)
        sure = _sure(pair) if pair else ()
        moved = f"{theirs['test'] - mine['test']:+.4f}"
        rows.append((name, f"{mine['test']:.4f}", f"{theirs['test']:.4f}", moved, *sure,
                     f"{mine['cpu_s']:,.1f}", f"{theirs['cpu_s']:,.1f}"))  # fmt: skip
    about = [
        f"first   {a}, best on validation: {found['best'][0]}",
        f"second  {b}, best on validation: {found['best'][1]}",
    ]
    if found["config"]:
        about += ["config  second, not first:", *(f"        {each}" for each in found["config"])]
    if found["commits"][0] != found["commits"][1]:
        about.append(f"commit  {found['commits'][0][:12]}, {found['commits'][1][:12]}")
    if not pairs:
        about.append(
            "Their test images are not the same: the differences are not paired, and mean little where they are small."
        )
    return [*about, "", *columns(rows, left=1)]
