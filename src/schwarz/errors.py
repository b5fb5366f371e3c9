"""Errors a person can act on, and the exit status each one has.

A message says three things: the value that is wrong, the place where it stands, and the remedy.
`nearest` supplies the remedy for a misspelt word, `nearest_path` for a misspelt path.
"""

import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

DONE, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130


class SchwarzError(Exception):
    """A failure with a remedy: shown as its message alone, the traceback goes to the log."""

    status = FAILED
    resumable = True
    """Whether the same run may get further when it is resumed."""


class WrongInput(SchwarzError, ValueError):
    """What the person gave cannot be used; nothing was written."""

    status = WRONG_INPUT


class StepFailed(SchwarzError, RuntimeError):
    """A step of the pipeline stopped; what finished before it is kept and can be resumed."""


class WrongSetting(StepFailed):
    """What only a step finds out: as it is configured the run cannot work, so that resuming it would fail again."""

    resumable = False


class Diverged(WrongSetting):
    """A training lost its loss at every rate that was tried: `lr` was asked for, `how` says what became of it."""

    section = ""
    """Of the configuration, where the training is that of one."""

    def __init__(self, lr: float, how: str) -> None:
        super().__init__(lr, how)
        self.lr, self.how = lr, how

    def __str__(self) -> str:
        field = f"{self.section}.lr" if self.section else "lr"
        remedy = f"a run with a lower `--{field}`" if self.section else "use a lower one"
        return f"{field} = {self.lr:g}: {self.how}: {remedy}"


def nearest(word: str, known: Iterable[str]) -> str:
    """' Did you mean X?' when a known word is close to `word`, else ''."""
    close = get_close_matches(word, sorted(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


def nearest_path(path: Path) -> str:
    """' Did you mean X?' for the existing path most like one that does not exist, mended part by part, else ''."""
    mended = _mended(path)
    return f" Did you mean {str(mended)!r}?" if mended not in (None, path) else ""


def _mended(path: Path) -> Path | None:
    """`path` with every part that does not exist replaced by the one most like it; None when one resembles nothing."""
    if path.exists():
        return path
    parent = _mended(path.parent)
    if parent is None or not parent.is_dir() or not os.access(parent, os.R_OK):
        return None
    match = get_close_matches(path.name, [entry.name for entry in parent.iterdir()], 1, 0.6)
    return parent / match[0] if match else None
