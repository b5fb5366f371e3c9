"""The object store dies in the middle of a pipeline and comes back: the pipeline ends with the same weights."""

import os
import subprocess
import time
from pathlib import Path

from schwarz.journal import read
from schwarz.stack import Seaweed
from tests.machine.conftest import MAIN
from tests.waiting import until
from tests.weights import weights

ROOT = Path(__file__).parents[3]
AWAY_S = 5


def killed_and_restarted(store: Seaweed) -> None:
    """As by a machine that loses power; it is away for a while, on the same port afterwards."""
    store.kill()
    time.sleep(AWAY_S)
    store.start()


def test_killed_twice_in_the_middle_of_a_pipeline(seaweed: Seaweed, tmp_path: Path) -> None:
    seaweed.start()
    places = {f"SCHWARZ_{name}": f"s3://schwarz/{name.lower()}" for name in ("STORE", "CHECKPOINTS")}
    alone = {**os.environ, "SCHWARZ_PROJECT": str(ROOT)}
    command = [*MAIN, "run", "tiny", "--local.epochs", "20", "--out"]
    done = subprocess.run(
        [*command, "whole", "--runner", "python"], cwd=tmp_path, env=alone, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr

    environment = {**alone, **seaweed.environment, **places}
    process = subprocess.Popen(
        [*command, "run"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    journal = tmp_path / "run" / "logs" / "journal"

    def told(**event: str) -> bool:
        return any(event.items() <= each.items() for each in read(journal))

    until(lambda: told(event="start", step="split"), process)
    killed_and_restarted(seaweed)
    until(lambda: told(event="progress", step="train_local"), process)
    killed_and_restarted(seaweed)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")
    assert len(weights(tmp_path / "run")) == 14
