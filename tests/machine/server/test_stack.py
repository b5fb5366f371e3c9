"""The whole stack as a person uses it: up, used with a login, killed in between, down, up with all that it held."""

import http.client
import json
import os
import shlex
import signal
import stat
import subprocess
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from schwarz.cli.completion import commands
from schwarz.cli.entry import schwarz as program
from schwarz.cli.grammar import Command, Group
from schwarz.files import read_json
from schwarz.locks import held
from schwarz.stack import Postgres, Seaweed, Stack, environment
from tests.machine.conftest import MAIN, Alone
from tests.machine.leaks import s3 as client_of
from tests.waiting import until

# mlflow 3.17 when it imports its own pyfunc, where it hides the warning from people
pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")

Done = subprocess.CompletedProcess[str]
EXAMPLES = [
    line
    for path, command in commands(program)
    if path.startswith("stack") and isinstance(command, Command | Group)
    for line in command.examples
]


@pytest.fixture
def logged_in(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """MLflow's own client, in the environment that `schwarz stack env` prints."""
    for name, value in stack.environment().items():
        monkeypatch.setenv(name, value)
    return MlflowClient(stack.tracking.address)


@pytest.fixture
def s3(stack: Stack) -> Any:
    """boto3 with what `schwarz stack env` prints."""
    return client_of(stack.environment())


def secrets(stack: Stack) -> set[str]:
    """Every password and key of a stack but the id of the access key, which is a name."""
    kept = [read_json(path) for path in stack.folder.rglob("secrets.json")]
    return {value for values in kept for name, value in values.items() if name != "access key id"}


def processes(stack: Stack) -> list[int | None]:
    return [standing.process for standing in stack.standings()]


def test_the_first_up_says_where_all_is_and_what_to_type(first_up: Done, stack: Stack) -> None:
    lines = first_up.stdout.splitlines()
    assert first_up.stderr == ""
    assert [line for line in lines if line.startswith("starting")] == [f"starting {s.name}" for s in stack.servers]
    assert f"All answer. Their data, logs and passwords are in {stack.folder}" in lines
    assert f"  AWS_ENDPOINT_URL={stack.seaweed.address}" in lines
    assert f"  MLFLOW_TRACKING_URI={stack.tracking.address}" in lines
    assert "  SCHWARZ_STORE=s3://schwarz/store" in lines
    assert "  MLFLOW_TRACKING_PASSWORD=(secret)" in lines
    assert lines[-3].endswith('schwarz stack env)"')
    assert lines[-1].endswith("schwarz stack down")


def test_what_stands_in_the_environment_is_what_a_run_gets(
    stack: Stack, schwarz_alone: Alone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCHWARZ_STACK", str(stack.folder))
    told = schwarz_alone("stack", "env").stdout.splitlines()
    exported = dict(shlex.split(line)[1].split("=", 1) for line in told)
    assert exported == environment(Path("anywhere"))
    assert exported == json.loads(schwarz_alone("stack", "env", "--json").stdout)
    assert exported["SCHWARZ_REMOTE"] == "s3://schwarz/dvc"


@pytest.mark.parametrize("line", [line for line in EXAMPLES if "down" not in line])
def test_the_examples_of_the_help_work(stack: Stack, schwarz_alone: Alone, line: str) -> None:
    before = processes(stack)
    told = schwarz_alone(*shlex.split(line)[1:])
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout
    assert "starting" not in told.stdout
    assert processes(stack) == before


def test_a_run_with_its_artifact_goes_through_the_server_to_the_object_store(
    stack: Stack, logged_in: MlflowClient, s3: Any, tmp_path: Path
) -> None:
    file = tmp_path / "report.html"
    file.write_text("<!doctype html>")
    run = logged_in.create_run(logged_in.create_experiment("schwarz/artifact"))
    logged_in.log_metric(run.info.run_id, "loss", 0.25)
    logged_in.log_artifact(run.info.run_id, str(file))
    assert logged_in.get_run(run.info.run_id).data.metrics == {"loss": 0.25}
    assert str(run.info.artifact_uri).startswith("mlflow-artifacts:/")  # the client needs no key of the store
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket="schwarz", Prefix="mlflow/")["Contents"]]
    assert [key for key in keys if run.info.run_id in key and key.endswith("/artifacts/report.html")]


@pytest.mark.usefixtures("logged_in")
def test_without_the_login_nothing_is_told(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_PASSWORD")
    with pytest.raises(MlflowException, match="not authenticated"):
        MlflowClient(stack.tracking.address).search_experiments()
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "wrong")
    with pytest.raises(MlflowException, match="not authenticated"):
        MlflowClient(stack.tracking.address).search_experiments()


@pytest.mark.usefixtures("logged_in")
def test_doctor_asks_the_servers_as_a_run_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the keys and the login that the environment holds."""
    asked = ("MLFLOW_TRACKING_URI", "SCHWARZ_STORE", "SCHWARZ_REMOTE")
    assert {name: found[name]["ok"] for found in [doctor()] for name in asked} == dict.fromkeys(asked, True)
    for variable, name, word in (
        ("AWS_SECRET_ACCESS_KEY", "SCHWARZ_STORE", "does not know these keys"),
        ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_URI", "does not take this password"),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(variable, "wrong")
            found = doctor()[name]
        assert not found["ok"]
        assert word in found["text"]


def doctor() -> dict[str, Any]:
    """What `schwarz doctor` finds, by name."""
    command = [*MAIN, "doctor", "--json"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    return {each["name"]: each for each in json.loads(told.stdout)}


def test_a_browser_that_is_sent_here_by_another_name_is_refused(stack: Stack) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", stack.tracking.ports["http"])) as connection:
        connection.request("GET", "/api/2.0/mlflow/experiments/get?experiment_id=0", headers={"Host": "evil.example"})
        assert connection.getresponse().status == 403


def test_all_listen_on_loopback_alone(stack: Stack) -> None:
    ours = {port for server in stack.servers for port in server.ports.values()}
    lines: list[Any] = psutil.net_connections("tcp")
    listening = [line.laddr for line in lines if line.status == psutil.CONN_LISTEN]
    heard = {(place.ip, place.port) for place in listening if place.port in ours}
    assert heard == {("127.0.0.1", port) for port in ours}


def test_no_secret_is_printed_logged_or_on_a_command_line(
    first_up: Done, stack: Stack, schwarz_alone: Alone, logged_in: MlflowClient
) -> None:
    logged_in.search_experiments()
    hidden = secrets(stack)
    assert len(hidden) >= 7
    printed = first_up.stdout + schwarz_alone("stack", "status").stdout + schwarz_alone("stack", "up").stdout
    logs = "".join(path.read_text(errors="replace") for path in stack.folder.rglob("log"))
    lines = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            lines += process.cmdline()
    assert "SeaweedFS" in printed
    assert "s3" in logs
    assert any("mlflow" in line for line in lines)
    assert not [secret for secret in hidden if secret in printed or secret in logs or secret in " ".join(lines)]


def test_only_the_owner_may_read_what_is_kept(stack: Stack) -> None:
    entries = [stack.folder, *stack.folder.glob("*"), *stack.folder.glob("*/*")]  # below lies what a server writes
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in entries}
    assert {mode for path, mode in modes.items() if path.is_dir()} <= {0o700, 0o710}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}
    assert {"secrets.json", "state.json", "log", "auth.ini"} <= {path.name for path in entries}


def test_status_names_a_server_that_hangs_and_one_that_is_gone(stack: Stack, schwarz_alone: Alone) -> None:
    assert stack.seaweed.process is not None
    os.kill(stack.seaweed.process.pid, signal.SIGSTOP)
    try:
        hung = schwarz_alone("stack", "status", "--json")
    finally:
        os.kill(stack.seaweed.process.pid, signal.SIGCONT)
    assert hung.returncode == 1
    assert [each["state"] for each in json.loads(hung.stdout)] == ["silent", *["answers"] * (len(stack.servers) - 1)]
    stack.seaweed.kill()
    gone = schwarz_alone("stack", "status")
    assert gone.returncode == 1
    assert "SeaweedFS" in gone.stdout
    assert "stopped" in gone.stdout
    refused = schwarz_alone("stack", "env")
    assert refused.returncode == 2
    assert "not up: SeaweedFS." in refused.stderr
    assert "schwarz stack up` starts" in refused.stderr
    others = processes(stack)[1:]
    assert schwarz_alone("stack", "up").returncode == 0
    assert processes(stack)[1:] == others  # the port is the old one: MLflow need not be started again


def test_down_ends_these_alone_and_up_killed_on_its_way_is_gone_on_with(
    stack: Stack, schwarz_alone: Alone, logged_in: MlflowClient, s3: Any, tmp_path: Path
) -> None:
    experiment = logged_in.create_experiment("schwarz/kept")
    run = logged_in.create_run(experiment).info.run_id
    (tmp_path / "kept.txt").write_text("kept")
    down = tmp_path / "down"
    down.mkdir()
    logged_in.log_artifact(run, str(tmp_path / "kept.txt"))
    s3.put_object(Bucket="schwarz", Key="store/kept", Body=b"kept")
    before, old = stack.environment(), [pid for pid in processes(stack) if pid]
    other = Seaweed(tmp_path / "other")
    other.start()
    try:
        for line in (line for line in EXAMPLES if "down" in line):
            assert schwarz_alone(*shlex.split(line)[1:]).returncode == 0
        assert processes(stack) == [None] * len(stack.servers)
        assert not [pid for pid in old if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]
        assert other.fault() is None
    finally:
        other.kill()
    with subprocess.Popen(
        [*MAIN, "stack", "up"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "SCHWARZ_STACK": str(stack.folder)},
    ) as up:
        until(lambda: stack.tracking.process is not None, up)
        up.kill()
    assert not held(stack.folder / "lock")
    survivor = stack.tracking.process
    again = schwarz_alone("stack", "up")
    assert again.returncode == 0, again.stderr
    assert "starting" not in again.stdout
    assert stack.tracking.process == survivor
    assert stack.environment() == before
    assert s3.get_object(Bucket="schwarz", Key="store/kept")["Body"].read() == b"kept"
    assert logged_in.get_run(run).info.experiment_id == experiment
    assert Path(logged_in.download_artifacts(run, "kept.txt", str(down))).read_text() == "kept"


def test_ctrl_c_ends_what_this_up_has_started(tmp_path: Path, stack: Stack) -> None:
    folder = tmp_path / "second"
    with subprocess.Popen([*MAIN, "stack", "up", "--folder", str(folder)], stdout=subprocess.PIPE, text=True) as up:
        second = Stack(folder)
        until(lambda: second.seaweed.process is not None, up)
        up.send_signal(signal.SIGINT)
        assert up.wait(60) == 130
    assert [server.name for server in second.servers if server.process] == []
    assert stack.seaweed.process is not None


def test_a_disk_without_room_is_named_before_anything_starts(tmp_path: Path, schwarz_alone: Alone) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=60m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.fail("mounting takes root") if os.environ.get("CI") else pytest.skip("mounting takes root")
    try:
        told = schwarz_alone("stack", "up", "--folder", str(disk / "stack"))
        assert told.returncode == 1
        last = told.stderr.splitlines()[-1]
        assert last.startswith(f"Error: {disk / 'stack'}: 6")
        assert "MB are free on its disk, 300 MB are needed" in last
        assert "--folder FOLDER`" in last
        assert not Seaweed(disk / "stack" / "seaweed").process
    finally:
        subprocess.run(["umount", disk], check=True)


def test_without_seaweedfs_the_way_to_get_it_is_told(tmp_path: Path, room: Path) -> None:
    import site
    import sys

    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(Path(sys.executable).resolve())
    paths = os.pathsep.join([*site.getsitepackages(), str(Path(__file__).parents[3] / "src")])
    told = subprocess.run(
        [python, *MAIN[1:], "stack", "up", "--folder", str(tmp_path / "stack")],
        capture_output=True, text=True, check=False, env={"PYTHONPATH": paths, "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert told.returncode == 1
    assert told.stderr.splitlines()[-1].startswith("Error: SeaweedFS (the program `weed`) is not installed. `make up`")


def test_postgres_is_used_where_it_can_be(stack: Stack) -> None:
    usable = Postgres(stack.folder / "postgres").missing() is None
    assert [server.name for server in stack.servers] == ["SeaweedFS", *["PostgreSQL"] * usable, "MLflow"]
    assert (stack.folder / "mlflow" / "runs.db").exists() is not usable
