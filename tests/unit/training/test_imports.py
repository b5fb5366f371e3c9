"""A GPU machine needs little: networks are trained with torch, numpy, pydantic and safetensors alone."""

import subprocess
import sys

ALONE = """
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
import re

def wanted(names):
    found = set()
    while names:
        name = re.sub(r"[-_.]+", "-", names.pop()).lower()
        if name not in found:
            found.add(name)
            try:
                lines = requires(name) or ()
            except PackageNotFoundError:  # for another system
                continue
            names |= {re.split(r"[ ;<>=!~\\[(]", line)[0] for line in lines if "extra ==" not in line}
    return found

kept = wanted({"torch", "numpy", "pydantic", "safetensors"})
others = {
    package
    for package, owners in packages_distributions().items()
    if package != "schwarz" and not {re.sub(r"[-_.]+", "-", owner).lower() for owner in owners} & kept
}

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in others:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
assert "yaml" in others and "kfp" in others and "torch" not in others
import schwarz.augmentation, schwarz.blueprint, schwarz.composition, schwarz.training
from schwarz.config import Training
from schwarz.images import Labelled
from schwarz.networks import vgg9
import numpy as np
images = Labelled(np.random.default_rng(0).normal(size=(20, 1, 16, 16)).astype(np.float32), np.arange(20) % 3)
print(schwarz.training.fit(vgg9((1, 16, 16), 3, width=4), Training(epochs=1, batch=10), images, images, 0).epoch)
"""


def test_training_needs_torch_numpy_pydantic_and_safetensors_alone():
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[1]\n"
