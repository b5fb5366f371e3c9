"""Where networks are trained: on the processor or on a CUDA device (`place.device`)."""

import os
import time

import torch

from schwarz.errors import WrongInput


def device() -> torch.device:
    """As this process was told; WrongInput where there is no such thing."""
    place = chosen(os.environ.get("SCHWARZ_DEVICE", "auto"))
    if place.type == "cuda":  # the same bytes every time, in the precision that was asked for
        torch.backends.cudnn.deterministic, torch.backends.cudnn.allow_tf32 = True, False
    return place


def chosen(asked: str) -> torch.device:
    """The device that `auto`, `cpu` or `cuda` means here."""
    there = torch.cuda.is_available()
    if asked == "cuda" and not there:
        why = "this torch was built without CUDA" if torch.version.cuda is None else "torch finds no CUDA device"
        raise WrongInput(
            f"place.device = 'cuda': {why} (torch {torch.__version__}). `--place.device cpu` trains on the processor; "
            "`schwarz doctor` says what is here."
        )
    return torch.device("cuda" if there and asked != "cpu" else "cpu")


def clock() -> float:
    """What a training's seconds are counted by: CPU-seconds of this process; on a CUDA device, where the processor only
    waits, seconds."""
    return time.process_time() if device().type == "cpu" else time.perf_counter()
