"""Platform files: the clusters that runs are compiled for, a TOML file each."""

import os
from pathlib import Path

from schwarz.config import Config
from schwarz.config.cluster import Image, Platform, Pods, Store, Toleration, Tracking, tagged
from schwarz.errors import WrongInput
from schwarz.reading import checked, toml

EXAMPLE = Platform(
    labels={"app.kubernetes.io/part-of": "schwarz"},
    store=Store(uri="s3://schwarz/store", remote="s3://schwarz/dvc", secret="schwarz-object-store"),  # noqa: S106  # a name
    mlflow=Tracking(uri="http://mlflow.schwarz:5000", secret="schwarz-mlflow"),  # noqa: S106  # a name
    local=Pods(
        cpu=2, memory="8Gi", shared_memory="1Gi", timeout_s=86400,
        node_selector={"kubernetes.io/arch": "amd64"},
        tolerations=(Toleration(key="dedicated", value="training", effect="NoSchedule"),),
    ),
    whole=Pods(cpu=4, memory="16Gi", shared_memory="1Gi", timeout_s=86400),
    light=Pods(cpu=1, memory="4Gi", timeout_s=3600),
)  # fmt: skip
"""What `schwarz platform` prints, to be changed."""


def load(path: Path) -> Platform:
    """The cluster that a file describes, its image named; every fault is one message with file, line and remedy."""
    text, values = toml(path, "`schwarz platform` prints a valid file.")
    platform = checked(Platform, values, path, text)
    return platform if platform.image.name else platform.model_copy(update={"image": _named(platform.image, path)})


def _named(image: Image, path: Path) -> Image:
    """The image of a file that leaves its name to the environment."""
    name = os.environ.get("SCHWARZ_IMAGE")
    if not name:
        raise WrongInput(
            f"{path}: image.name is unset, and so is SCHWARZ_IMAGE: name the image that `make images` built and you "
            "pushed, with its tag, in one of the two."
        )
    try:
        return image.model_copy(update={"name": tagged(name)})
    except ValueError as fault:
        raise WrongInput(f"SCHWARZ_IMAGE: {fault}.") from None


def check(platform: Platform, config: Config, path: Path) -> None:
    """Refuse what the run's own `place` contradicts: a device that pods have not, or GPUs that would lie idle."""
    device = config.place.device
    for kind in ("local", "whole"):
        gpus: int = getattr(platform, kind).gpus
        if device == "cuda" and not gpus:
            raise WrongInput(
                f"place.device = 'cuda', but {path} asks for no GPU: {kind}.gpus = 0. Set it and image.cuda there, or "
                "leave out `--place.device`: the GPUs of a platform file are used anyway."
            )
        if device == "cpu" and gpus:
            raise WrongInput(
                f"place.device = 'cpu' would leave the GPUs of {path} idle: {kind}.gpus = {gpus}. Leave out "
                "`--place.device`, or ask for no GPU there."
            )
