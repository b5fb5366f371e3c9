"""Pipelines compiled for two clusters, by the real command line. This writes them anew:

.venv/bin/python -m tests.pipeline.golden.compiled
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
CASES = {"tiny-laptop": ("tiny", "laptop.toml"), "volumes-gpu": ("adrenal3d-vgg9-2x2x1", "gpu.toml")}
"""File -> preset and platform file: images on a laptop's cluster, volumes on GPUs."""
VOLUMES = """
outs: [{md5: 00000000000000000000000000000000.dir, path: adrenal3d}]
meta: {name: adrenal3d, classes: ["no", "yes"], shape: [1, 64, 64, 64], train: 1188, test: 298}
"""


def compiled(folder: Path, case: str, **environment: str) -> str:
    """What `schwarz compile` writes, in a folder that knows the two data sets."""
    preset, platform = CASES[case]
    (folder / "datasets").mkdir(exist_ok=True)
    (folder / "datasets" / "adrenal3d.dvc").write_text(VOLUMES, encoding="utf-8")
    (folder / "data.dvc").write_bytes((ROOT / "data.dvc").read_bytes())
    code = "from schwarz.cli import main; main()"
    call = [sys.executable, "-c", code, "compile", preset, "--platform", str(HERE / platform), "-o", "train.yaml"]
    subprocess.run(call, cwd=folder, env={**os.environ, **environment}, capture_output=True, check=True)
    return (folder / "train.yaml").read_text(encoding="utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        for name in CASES:
            (HERE / f"{name}.yaml").write_text(compiled(Path(scratch), name), encoding="utf-8")
            print(f"{name}.yaml")
