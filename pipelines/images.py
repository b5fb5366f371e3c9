"""Which image the steps run in: $SCHWARZ_IMAGE, else the one that `make images` makes of this very tree."""

import os
import subprocess
from pathlib import Path

from schwarz.config.cluster import tagged
from schwarz.errors import WrongInput

NAME = "schwarz/python-train"
TAG = Path(__file__).parents[1] / "docker" / "tag.sh"


def image() -> str:
    """Its name."""
    return os.environ.get("SCHWARZ_IMAGE") or own()


def own() -> str:
    """That of this tree, changes that are not committed included."""
    try:
        told = subprocess.run([TAG], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        raise WrongInput(f"{TAG}: git cannot tell what this tree is. Name an image in SCHWARZ_IMAGE.") from None
    return f"{NAME}:{told.stdout.strip()}"


def for_cluster() -> str:
    """Its name, refused without a tag of its own: Kubeflow's cache goes by it."""
    try:
        return tagged(image())
    except ValueError as fault:
        raise WrongInput(f"SCHWARZ_IMAGE: {fault}.") from None
