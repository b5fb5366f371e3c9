"""The pipeline whose steps are containers: the same bytes, and none of them left behind."""

import gc
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from schwarz.cli import main
from schwarz.files import read_json
from schwarz.journal import read
from schwarz.runs import open_run
from tests.machine.conftest import MAIN
from tests.machine.container.engine import ROOT, docker
from tests.waiting import until
from tests.weights import weights


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCHWARZ_PROJECT", str(ROOT))
    return tmp_path


def containers(run: Path) -> list[str]:
    """Those of a run that go on."""
    return docker("ps", "-q", "--filter", f"label=schwarz.run={open_run(run).uid}").split()


@pytest.fixture
def started(train: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["subprocess.Popen[str]"]:
    """A run in containers whose local networks are being trained, for long."""
    monkeypatch.setenv("SCHWARZ_IMAGE", train)
    command = [*MAIN, "run", "tiny", "--runner", "docker", "--out", "run", "--local.epochs", "100"]
    process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    journal = home / "run" / "logs" / "journal"
    until(lambda: any(event["event"] == "progress" for event in read(journal)), process, 0.2)
    yield process
    process.kill()
    process.communicate()


def test_containers_give_the_bytes_of_a_process(
    train: str, home: Path, reference: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCHWARZ_IMAGE", train)
    command = [*MAIN, "run", "tiny", "--runner", "docker", "--out", "docker"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    log = home / "docker" / "logs" / "pipeline.log"
    assert done.returncode == 0, done.stdout + done.stderr + (log.read_text()[-3000:] if log.exists() else "")
    assert weights(home / "docker") == reference
    spent = read_json(home / "docker" / "results.json")["run"]
    assert spent["runner"] == "docker"
    assert spent["cpu_s"] > 5
    assert {path.owner() for path in (home / "docker").rglob("*")} == {Path.home().owner()}
    assert containers(home / "docker") == []


def test_ctrl_c_leaves_no_container_and_says_how_to_go_on(started: "subprocess.Popen[str]", home: Path) -> None:
    assert containers(home / "run")
    started.send_signal(signal.SIGINT)
    _, told = started.communicate(timeout=60)
    assert started.returncode == 130, told
    assert shlex.split(told.splitlines()[-1])[1:] == ["resume", str(home / "run"), "--runner", "docker"]
    assert containers(home / "run") == []


def test_a_command_line_that_is_killed_takes_its_containers_along(started: "subprocess.Popen[str]", home: Path) -> None:
    assert containers(home / "run")
    started.kill()
    limit = time.monotonic() + 60
    while containers(home / "run"):
        assert time.monotonic() < limit, "containers outlive the command line"
        time.sleep(0.2)


def test_an_image_that_is_not_there_is_named_before_anything_is_written(
    train: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SCHWARZ_IMAGE", "schwarz/python-train:none")
    monkeypatch.setattr(sys, "argv", ["schwarz", "run", "tiny", "--runner", "docker"])  # as typed
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(
        "Error: image schwarz/python-train:none: the Docker engine here has none. `make images` builds"
    )
    assert train in said.partition("of other trees perhaps: ")[2]
    assert not (home / "runs").exists()


def test_a_gpu_is_refused_where_the_image_has_torch_for_processors(
    train: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SCHWARZ_IMAGE", train)
    typed = ["schwarz", "run", "tiny", "--runner", "docker", "--place.device", "cuda"]
    monkeypatch.setattr(sys, "argv", typed)  # as typed
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(
        f"Error: place.device = 'cuda': image {train} holds torch for CPUs. `make images TORCH=cuda`"
    )
    assert not (home / "runs").exists()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # docker's client leaves its socket open
def test_an_engine_that_does_not_answer_is_named_before_anything_is_written(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{home}/none")
    monkeypatch.setattr(sys, "argv", ["schwarz", "run", "tiny", "--runner", "docker"])  # as typed
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"Error: no Docker engine answers ({home}/none: no such file or directory). Start one")
    assert "DOCKER_HOST" in said
    assert not (home / "runs").exists()
    gc.collect()  # here rather than in another test
