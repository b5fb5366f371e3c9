"""From a compiled pipeline to a run: the real program `kfp` and kfp's real client, against a stand-in of a server."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from pipelines import client
from schwarz.cli.cluster import submit as COMMAND  # noqa: N812  # `submit` is what a test calls
from schwarz.cli.entry import status
from schwarz.document import document
from schwarz.platform_file import EXAMPLE
from tests.pipeline.golden.compiled import HERE, ROOT
from tests.pipeline.kubeflow import Kubeflow

QUICK_S = 10
"""Of a busy machine; where nothing answers it takes a tenth of a second."""
KFP = Path(sys.executable).parent / "kfp"


@pytest.fixture
def kubeflow() -> Iterator[Kubeflow]:
    server = Kubeflow()
    server.start()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that knows the sample, two clusters, and a person without settings of kfp."""
    (tmp_path / "data.dvc").write_bytes((ROOT / "data.dvc").read_bytes())
    laptop = (HERE / "laptop.toml").read_text(encoding="utf-8")
    (tmp_path / "laptop.toml").write_text(laptop, encoding="utf-8")
    shared = f'namespace = "imaging"\nservice_account = "schwarz"\n{laptop}'
    (tmp_path / "shared.toml").write_text(shared, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@dataclass
class Told:
    status: int
    out: str
    err: str

    @property
    def last(self) -> str:
        return self.err.strip().splitlines()[-1]


@pytest.fixture
def submit(kubeflow: Kubeflow, capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """`schwarz submit tiny` to the stand-in, or to another host."""

    def run(*arguments: str, host: str | None = None, platform: str = "laptop.toml") -> Told:
        where = ["--platform", platform, "--host", host or kubeflow.host]
        number = status(["submit", "tiny", *where, *arguments])
        out, err = capsys.readouterr()
        return Told(number, out, err)

    return run


@pytest.mark.parametrize("word", ["create", "submit"])
def test_the_program_kfp_runs_what_was_compiled(kubeflow: Kubeflow, word: str) -> None:
    call = [KFP, "--endpoint", kubeflow.host, "run", word, "-e", "tiny", "-f", HERE / "tiny-laptop.yaml"]
    done = subprocess.run(call, capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert kubeflow.experiments.keys() == {"tiny"}
    (run,) = kubeflow.runs
    assert (run["experiment_id"], run["display_name"]) == ("e0", "tiny")
    spec, platform = yaml.safe_load_all((HERE / "tiny-laptop.yaml").read_text(encoding="utf-8"))
    assert run["pipeline_spec"]["pipeline_spec"]["root"]["dag"]["tasks"].keys() == spec["root"]["dag"]["tasks"].keys()
    assert run["pipeline_spec"]["platform_spec"] == platform  # resources, secrets and volumes travel with it
    assert "run-1" in done.stdout
    assert ("deprecated" in done.stderr) == (word == "submit")


def test_submit_compiles_uploads_and_runs(kubeflow: Kubeflow, submit: Callable[..., Told]) -> None:
    told = submit("--seed", "3")
    assert told.status == 0, told.err
    assert told.err == ""
    (upload,) = kubeflow.sent("POST", "/pipelines/upload_version")
    spec, platform = yaml.safe_load_all(upload.uploaded)
    assert spec["root"]["inputDefinitions"]["parameters"]["seed"]["defaultValue"] == 3
    assert "exec-train-local" in platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    (run,) = kubeflow.runs
    version = kubeflow.versions[upload.query["name"]]
    assert run["pipeline_version_reference"] == {
        "pipeline_id": kubeflow.pipelines["schwarz-tiny"]["pipeline_id"],
        "pipeline_version_id": version["pipeline_version_id"],
    }
    assert run["experiment_id"] == kubeflow.experiments["tiny"]["experiment_id"]
    assert run["display_name"] == f"tiny {version['display_name']}"
    assert told.out.splitlines() == [
        f"pipeline    schwarz-tiny, version {version['display_name']}, in schwarz/python-train:0123456",
        "experiment  tiny",
        "run         run-1",
        f"address     {kubeflow.host}/#/runs/details/run-1",
    ]


@pytest.mark.parametrize("example", COMMAND.examples)
def test_every_example_of_submit_works(
    kubeflow: Kubeflow, checkout: Path, monkeypatch: pytest.MonkeyPatch, example: str
) -> None:
    (checkout / "cluster.toml").write_text(document(EXAMPLE), encoding="utf-8")
    monkeypatch.setenv("KFP_ENDPOINT", kubeflow.host)
    monkeypatch.setenv("SCHWARZ_IMAGE", "example.org/schwarz:1")
    assert status(shlex.split(example.replace("http://localhost:8888", kubeflow.host))[1:]) == 0
    assert len(kubeflow.runs) == 1


def test_the_same_pipeline_is_uploaded_once(kubeflow: Kubeflow, submit: Callable[..., Told]) -> None:
    for _ in range(2):
        assert submit().status == 0
    assert len(kubeflow.sent("POST", "/pipelines/upload")) == 1
    assert len(kubeflow.sent("POST", "/pipelines/upload_version")) == 1
    assert len(kubeflow.runs) == 2
    assert submit("--seed", "1").status == 0
    assert len(kubeflow.sent("POST", "/pipelines/upload")) == 1
    assert len(kubeflow.versions) == 2


def test_names_namespace_and_service_account_are_passed_on(kubeflow: Kubeflow, submit: Callable[..., Told]) -> None:
    kubeflow.several_users = True
    kubeflow.experiments["mine"] = {"experiment_id": "e7", "display_name": "mine"}
    told = submit("--experiment", "mine", "--name", "first", platform="shared.toml")
    assert told.status == 0, told.err
    (run,) = kubeflow.runs
    assert (run["experiment_id"], run["display_name"], run["service_account"]) == ("e7", "first", "schwarz")
    for method, path in (("GET", "/experiments"), ("GET", "/pipelines"), ("POST", "/pipelines/upload")):
        assert {each.query["namespace"] for each in kubeflow.sent(method, path)} == {"imaging"}
    assert submit("--namespace", "other", platform="shared.toml").status == 0
    assert kubeflow.sent("POST", "/experiments")[0].json["namespace"] == "other"


def test_host_and_token_come_from_kfps_own_variables(
    kubeflow: Kubeflow, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kubeflow.token = "a-token-of-nobody"
    monkeypatch.setenv("KFP_ENDPOINT", kubeflow.host)
    monkeypatch.setenv("KFP_EXISTING_TOKEN", "a-token-of-nobody")
    monkeypatch.setenv("KF_PIPELINES_UI_ENDPOINT", "https://kubeflow.example.org/_/pipeline/")
    assert status(["submit", "tiny", "--platform", "laptop.toml"]) == 0
    told = capsys.readouterr()
    assert told.out.endswith("address     https://kubeflow.example.org/_/pipeline/#/runs/details/run-1\n")
    assert "a-token-of-nobody" not in told.out + told.err


def test_an_experiment_that_does_not_exist_is_answered_with_the_nearest(
    kubeflow: Kubeflow, submit: Callable[..., Told]
) -> None:
    kubeflow.experiments["flowers"] = {"experiment_id": "e0", "display_name": "flowers"}
    told = submit("--experiment", "flower")
    assert told.status == 2
    assert "no experiment 'flower'" in told.last
    assert "Did you mean 'flowers'? `kfp experiment create flower` makes it" in told.last
    assert kubeflow.runs == []


PAGE = "<html>Log in</html>"
ANSWERS = [
    ((401, "{}"), 2, "does not let you in (HTTP 401 Unauthorized): give a token"),
    ((403, "{}"), 2, "does not let you in (HTTP 403 Forbidden): give a token"),
    ((404, PAGE), 2, "answers, but not as Kubeflow Pipelines' API (HTTP 404 Not Found)"),
    ((200, PAGE), 2, "answers, but not as Kubeflow Pipelines' API (a page that is no JSON)"),
    ((200, "[1]"), 2, "answers, but not as Kubeflow Pipelines' API (a page that is no JSON)"),
    ((503, "{}"), 1, "HTTP 503 Service Unavailable. Try again"),
]


@pytest.mark.parametrize(("answer", "number", "message"), ANSWERS)
def test_what_the_server_says_first_is_one_message(
    kubeflow: Kubeflow, submit: Callable[..., Told], answer: tuple[int, str], number: int, message: str
) -> None:
    kubeflow.faults["/healthz"] = answer
    before = time.monotonic()
    told = submit()
    assert time.monotonic() - before < QUICK_S
    assert told.status == number
    assert told.last.startswith(f"Error: {kubeflow.host}: {message}")
    assert len(told.err.splitlines()) <= 2  # an example may stand above the message
    assert len(kubeflow.requests) == 1


LATER = [
    ("/experiments", 403, 2, "does not let you in (HTTP 403 Forbidden)"),
    ("/pipelines/upload", 500, 1, 'HTTP 500: the database "x" is gone'),
    ("/pipelines/upload_version", 400, 1, 'HTTP 400: the database "x" is gone'),
    ("/runs", 401, 2, "does not let you in (HTTP 401 Unauthorized)"),
]


@pytest.mark.parametrize(("path", "code", "number", "message"), LATER)
def test_what_the_server_says_later_is_one_message(
    kubeflow: Kubeflow, submit: Callable[..., Told], path: str, code: int, number: int, message: str
) -> None:
    kubeflow.faults[path] = (code, '{"message": "the database \\"x\\"\\n  is gone", "code": 13}')
    told = submit()
    assert told.status == number
    assert message in told.last
    assert len(told.err.splitlines()) <= 2  # an example may stand above the message
    assert kubeflow.runs == []


HOSTS = [
    ("http://127.0.0.1:1", 1, "nothing answers"),
    ("http://nobody.invalid:8888", 2, "there is no such host"),
    ("localhost:8888", 2, "http://HOST:PORT or https://HOST is wanted"),
    ("http://", 2, "http://HOST:PORT or https://HOST is wanted"),
    ("http://me:word@localhost", 2, "--host holds a user"),
]


@pytest.mark.parametrize(("host", "number", "message"), HOSTS)
def test_a_host_that_is_not_there_is_said_at_once(
    submit: Callable[..., Told], host: str, number: int, message: str
) -> None:
    before = time.monotonic()
    told = submit(host=host)
    assert time.monotonic() - before < QUICK_S
    assert told.status == number
    assert message in told.last
    assert "word@" not in told.last


@pytest.mark.parametrize("path", ["/healthz", "/experiments", "/runs"])
def test_a_server_that_hangs_is_given_up_soon(
    kubeflow: Kubeflow, submit: Callable[..., Told], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PATIENCE_S", 1)  # ten seconds otherwise
    kubeflow.hung.add(path)
    before = time.monotonic()
    told = submit()
    assert time.monotonic() - before < 60  # of a busy machine, compiling included; kfp's client waits for ever
    assert told.status == 1
    assert "no answer within 1 s" in told.last


def test_a_server_that_has_moved_is_named(kubeflow: Kubeflow, submit: Callable[..., Told]) -> None:
    other = Kubeflow()
    other.start()
    other.moved_to = kubeflow.host
    told = submit(host=other.host)
    other.stop()
    assert told.status == 2
    assert f"{other.host}: is at {kubeflow.host} now: give that as --host" in told.last


def test_a_kubeflow_of_several_users_wants_a_namespace(kubeflow: Kubeflow, submit: Callable[..., Told]) -> None:
    kubeflow.several_users = True
    told = submit()
    assert told.status == 2
    assert "--namespace is missing" in told.last


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["submit", "tiny"], "--platform FILE is missing: `schwarz platform > cluster.toml`"),
        (["submit", "tiny", "--platform", "laptop.toml"], "--host URL is missing"),
        (["submit", "tiny", "--platform", "lapto.toml"], "lapto.toml: no such file. Did you mean 'laptop.toml'?"),
    ],
)
def test_what_is_left_out_is_asked_for(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(arguments) == 2
    assert message in capsys.readouterr().err
