"""`cost`: what a preset's networks cost, and the tables of document 3 on a page that cannot rot."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "cost.md"
SHOWN = re.findall(r"^```\n\$ schwarz ([^\n]*)\n(.*?)^```", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("arguments", "output"), SHOWN, ids=[arguments for arguments, _ in SHOWN])
def test_the_page_shows_what_the_command_prints(
    schwarz: Callable[..., Any], checkout: Path, arguments: str, output: str
) -> None:
    told = schwarz(*arguments.split())
    assert told.status == 0, told.err
    assert told.out == output, f"docs/cost.md: put the output of `schwarz {arguments}` there"


def test_the_page_shows_the_tables() -> None:
    assert "cost --tables" in [arguments for arguments, _ in SHOWN]


def test_equal_local_networks_stand_together(schwarz: Callable[..., Any], checkout: Path) -> None:
    found = json.loads(schwarz("cost", "tiny", "--json").out)
    assert found["preset"] == "tiny"
    assert found["global"]["input_shape"] == [1, 32, 32]
    (local,) = found["local"]
    assert local["boxes"] == [0, 1, 2, 3]
    assert local["input_shape"] == [1, 16, 16]
    assert local["ratio"]["flops"] == found["global"]["flops"] / local["flops"]
    assert found["global"]["optimizer_bytes"] == 16 * found["global"]["parameters"]
    assert found["global"]["uncounted"] == []
    assert "layers" not in found["global"]


def test_unequal_ones_do_not(schwarz: Callable[..., Any], checkout: Path) -> None:
    flags = ("--partition.grid", "3", "1", "--partition.overlap", "2", "--network.width", "9", "--network.dense", "30")
    found = json.loads(schwarz("cost", "tiny", *flags, "--json").out)
    assert [(local["boxes"], local["input_shape"]) for local in found["local"]] == [
        ([0, 2], [1, 13, 32]),
        ([1], [1, 14, 32]),
    ]
    told = schwarz("cost", "tiny", *flags)
    assert re.search(r"^local 0, 2 +1x13x32 ", told.out, flags=re.MULTILINE)
    assert re.search(r"^  global / local 1  ", told.out, flags=re.MULTILINE)


def test_layers_stand_beside_those_of_the_global_network(schwarz: Callable[..., Any], checkout: Path) -> None:
    found = json.loads(schwarz("cost", "tiny", "--layers", "--json").out)
    whole, local = (network["layers"] for network in (found["global"], found["local"][0]))
    assert [layer["name"] for layer in whole] == [layer["name"] for layer in local]
    first = whole[0]
    assert first == {
        "name": "features.0", "kind": "Conv2d", "shape": [8, 32, 32], "parameters": 72,
        "flops": 32 * 32 * 17 * 8, "activations": 8 * 32 * 32,
    }  # fmt: skip
    text = schwarz("cost", "tiny", "--layers").out
    assert re.search(r"^features\.0 +Conv2d +8x32x32 +72 +0\.1393 +8,192$", text, flags=re.MULTILINE)
    assert re.search(r"^features\.0 +2x16x16 +18 +4\.0 +0\.008704 +16\.0 +512 +16\.0$", text, flags=re.MULTILINE)


def test_the_tables_in_figures(schwarz: Callable[..., Any]) -> None:
    found = {table["number"]: table for table in json.loads(schwarz("cost", "--tables", "--json").out)}
    assert list(found) == ["2.1", "2.2", "3.1", "3.4"]
    assert found["2.1"]["rows"][1]["ours"] == ["224x224x64", "112x112x16", "3x3x3x64", "3x3x3x16"]
    vgg = found["2.2"]["rows"][0]
    assert vgg["parameters"]["ours"] == 138_357_544
    assert vgg["flops"]["printed"] == "31.65"
    assert vgg["flops"]["difference"] == pytest.approx(30_926_971_928 / 31.65e9 - 1)
    assert found["3.4"]["more_per_parameter"] == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("cost", "PRESET is missing"),
        ("cost tinny", "Did you mean 'tiny'?"),
        ("cost tiny --tables", "give no PRESET"),
        ("cost --tables --layers", "no other flag but --json"),
        ("cost --tables --network.width 8", "no other flag but --json"),
        ("cost tiny --network.width 2", "network.width = 2 cannot be shared by 4 local networks"),
        ("cost tiny --partition.grid 2 2 2", "--partition.grid 2 2"),
        ("cost tiny --data.name smaple", "Did you mean 'sample'?"),
        ("cost tiny --layrs", "Did you mean '--layers'?"),
    ],
)
def test_what_cannot_be_counted_is_refused(
    schwarz: Callable[..., Any], checkout: Path, arguments: str, message: str
) -> None:
    told = schwarz(*arguments.split())
    assert told.status == 2
    assert told.out == ""
    assert message in told.last
