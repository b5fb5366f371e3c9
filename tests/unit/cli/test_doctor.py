"""`doctor`: what is here, what is missing, what mends it."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from schwarz.shell import dvc


@pytest.fixture
def machine(checkout: Path, sample: Path) -> Path:
    """A checkout with the sample."""
    (checkout / "data").symlink_to(sample)
    return checkout


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes calls and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://someone:secret@127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def speaking() -> Iterator[str]:
    """The address of a server that answers, with an error page."""
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        Thread(target=server.handle_request, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"


def found(schwarz: Callable[..., Any]) -> tuple[int, dict[str, Any]]:
    told = schwarz("doctor", "--json")
    return told.status, {entry["name"]: entry for entry in json.loads(told.out)}


def test_all_is_well(machine: Path, schwarz: Callable[..., Any]) -> None:
    status, findings = found(schwarz)
    assert status == 0
    assert {"python", "torch", "kfp", "mlflow", "cores", "gpu", "disk", "memory", "docker", "sample"} <= findings.keys()
    assert "12000 + 2000" in findings["sample"]["text"]
    assert schwarz("doctor").out.splitlines()[-1] == "All that a run needs is there."


def test_a_sample_that_was_changed(checkout: Path, schwarz: Callable[..., Any]) -> None:
    (checkout / "data").mkdir()
    (checkout / "data" / "meta.json").write_text("{}")
    status, findings = found(schwarz)
    assert status == 1
    assert not findings["sample"]["ok"]
    assert findings["sample"]["remedy"].startswith(f"`{dvc('checkout', '--force')} ")
    told = schwarz("doctor").out
    assert "MISSING  sample" in told
    assert told.splitlines()[-1] == "1 missing."


def test_a_sample_that_is_not_here_yet_is_no_fault(checkout: Path, schwarz: Callable[..., Any]) -> None:
    status, findings = found(schwarz)
    assert status == 0
    assert "the first run gets it" in findings["sample"]["text"]


def test_a_folder_without_the_sample(checkout: Path, schwarz: Callable[..., Any]) -> None:
    (checkout / "datasets").mkdir()
    (checkout / "data.dvc").rename(checkout / "datasets" / "mine.dvc")
    status, findings = found(schwarz)
    assert status == 1
    assert not findings["sample"]["ok"]


@pytest.mark.parametrize("name", ["MLFLOW_TRACKING_URI", "AWS_ENDPOINT_URL"])
def test_a_silent_server_is_named_within_its_time(
    machine: Path, schwarz: Callable[..., Any], silent: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, silent)
    began = time.monotonic()
    status, findings = found(schwarz)
    assert time.monotonic() - began < 4
    assert status == 1
    assert not findings[name]["ok"]
    assert f"unset {name}" in findings[name]["remedy"]
    assert "secret" not in json.dumps(findings)


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "MLFLOW_S3_ENDPOINT_URL"])
def test_a_store_that_answers(
    machine: Path, schwarz: Callable[..., Any], speaking: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, speaking)
    status, findings = found(schwarz)
    assert status == 0
    assert findings[name]["ok"]


def test_no_program_on_the_path(
    machine: Path, schwarz: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    status, findings = found(schwarz)
    assert status == 0  # neither is needed
    assert not findings["git"]["ok"]
    assert not findings["docker"]["ok"]
