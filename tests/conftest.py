"""What holds for every test: one thread a process, and no setting of the person's own environment."""

import os
import signal

import pytest
from hypothesis import settings

# Set before torch is imported: xdist already uses a process per core.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""  # what is the same to the last bit is so on one processor

# A shell that runs the tests in the background ignores these; the programs that tests signal would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# A test run says the same of the same tree. To hunt: pytest --hypothesis-profile default tests/property
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")

OURS = ("SCHWARZ_", "MLFLOW_", "AWS_", "KFP_")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Servers, stores and credentials of the person who runs the tests are not the tests' business, nor is what was
    found on this machine before."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    for name in list(os.environ):
        if name.startswith(OURS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SCHWARZ_SCRATCH", str(tmp_path_factory.mktemp("scratch")))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """All of tests/machine needs the machine: the marker is given here, not by hand in each file."""
    for item in items:
        if item.path.is_relative_to(config.rootpath / "tests" / "machine"):
            item.add_marker("machine")
