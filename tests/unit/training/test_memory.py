"""A set that is larger than memory trains: what is mapped from files is read by the batch."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

STATUS = Path("/proc/self/status")
VOLUMES, SHAPE = 2048, (1, 64, 64, 64)
ROOM_MB = 256
"""What the process may take beyond what it has, for volumes of 512 MB."""
TRAIN = """
import re, resource, sys
import numpy as np
import torch
from torch import nn
from schwarz.config import Training
from schwarz.images import Labelled
from schwarz.training import fit, predict

torch.set_num_threads(1)
small = nn.Sequential(nn.AvgPool3d(16), nn.Flatten(), nn.Linear(64, 2))
class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = small
    def forward(self, x):
        return self.net(x.float() / 255)
few = Labelled(np.zeros((4, 1, 64, 64, 64), np.uint8), np.array([0, 1, 0, 1]))
fit(Scaled(), Training(epochs=1, batch=2), few, few, 0)  # what torch loads when it is first used
taken_kb = int(re.search(r"VmData:\\s+(\\d+)", open("/proc/self/status").read())[1])
limit = taken_kb * 1024 + int(sys.argv[2]) * 2**20
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
x = np.load(sys.argv[1], mmap_mode=sys.argv[3] or None)
images = Labelled(x, np.arange(len(x)) % 2)
history = fit(Scaled(), Training(epochs=2, batch=16, lr=1e-2), images, images, 0)
predict(Scaled(), x)
print(history.train_loss[-1])
"""


def training(file: Path, mode: str) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-c", TRAIN, str(file), str(ROOM_MB), mode]
    return subprocess.run(call, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not STATUS.exists(), reason="needs Linux's limit of a process's data")
def test_volumes_of_twice_the_memory_train(tmp_path: Path):
    """Every second one is bright: that is its class."""
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.uint8, (VOLUMES, *SHAPE))
    x[1::2] = 200
    x.flush()
    done = training(tmp_path / "x.npy", "r")
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 0.5
    assert "MemoryError" in training(tmp_path / "x.npy", "").stderr  # or else the limit would not be one
