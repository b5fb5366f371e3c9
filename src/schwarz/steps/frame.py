"""What every step does around its own work, written once.

A step is a plain function: configuration sections, the folders of the steps before it, the folder `out` to fill; it
returns its metrics. The frame around it reads sections given as JSON strings (KFP's form), checks that the inputs are
whole, takes an earlier result of the same key instead of working, tells the journal, and writes `done.json` last:
a folder without one is no result. Nothing here knows KFP.
"""

import errno
import functools
import inspect
import logging
import os
import resource
import shutil
import time
import traceback
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schwarz.config import Section, digest
from schwarz.errors import FAILED, SchwarzError, StepFailed
from schwarz.files import read_json, sha256, tree, write_atomic, write_json
from schwarz.journal import Journal
from schwarz.lineage import code
from schwarz.reading import read_section
from schwarz.steps.again import again
from schwarz.steps.mirror import checkpoints_at
from schwarz.steps.place import Place, run_folder
from schwarz.steps.telling import Telling

if TYPE_CHECKING:
    from schwarz.training import Checkpoints

DONE, ERROR = "done.json", "error.json"
Metrics = dict[str, float]


def step(
    title: str | Callable[..., str], name: str = "", part: str = "", fresh: bool = False
) -> Callable[[Callable[..., Metrics]], Callable[..., Metrics]]:
    """Make a function a step. `title` names it in the journal and `part` the part of the step `name` that it does;
    both may hold {argument}, and a title may be made of all arguments by a function. A `fresh` step is done anew in
    every run: its effect is outside its result."""

    def decorate(work: Callable[..., Metrics]) -> Callable[..., Metrics]:
        @functools.wraps(work)
        def framed(*, out: Path, **given: Any) -> Metrics:
            place, told = Place(name or work.__name__, part.format(**given), out), Telling.in_pod()
            journal = Journal(told.run.journal_of(place.label) if told else place.journal, place.step, place.part)
            with again(), _noted(journal), told.beside(place.step) if told else nullcontext():
                try:
                    journal.write("start", title=title.format(**given) if isinstance(title, str) else title(**given))
                    return _run(work, _typed(work, given), place, journal, told, fresh)
                except BaseException as fault:
                    _tell(fault, journal, place)
                    raise

        return framed

    return decorate


class _Notes(logging.Handler):
    """What a library says while a step works, in its journal: a person who waits sees what for."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(logging.WARNING)
        self.journal = journal

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):  # a full disk: the step itself finds out
            self.journal.write("note", text=record.getMessage())


@contextmanager
def _noted(journal: Journal) -> Iterator[None]:
    """Stores tell that they are away, and that they are back."""
    log, handler = logging.getLogger("schwarz.storage"), _Notes(journal)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


def whole(folder: Path) -> bool:
    """Whether a folder holds a finished step's result, every file as it was written."""
    try:
        files: Mapping[str, str] = read_json(folder / DONE)["files"]
    except (OSError, ValueError, KeyError, TypeError):  # absent, or no longer what was written
        return False
    return all((folder / name).exists() and sha256(folder / name) == value for name, value in files.items())


def _run(
    work: Callable[..., Metrics], arguments: dict[str, Any], place: Place, journal: Journal, told: Telling | None,
    fresh: bool,
) -> Metrics:  # fmt: skip
    out, kept = place.out, place.kept
    known = {name: _identity(name, value) for name, value in arguments.items()}
    key = digest([place.step, place.part, known, code()])
    if not fresh and whole(kept) and (done := read_json(kept / DONE))["key"] == key:
        _publish(kept, out)
        journal.write("reused", saved_s=done["wall_s"], metrics=done["metrics"], process=_process())
        return done["metrics"]
    for folder in {kept, out}:
        shutil.rmtree(folder, ignore_errors=True)
    out.mkdir(parents=True)
    wall, cpu = time.monotonic(), _cpu_s()
    wanted = inspect.signature(work).parameters
    given: dict[str, Any] = {"journal": journal} if "journal" in wanted else {}
    if "told" in wanted:
        given["told"] = told or ((run := run_folder()) and Telling.in_run(run))
    with _checkpoints(known, place, key, journal) if "checkpoints" in wanted else nullcontext() as kept_from:
        if kept_from:
            given["checkpoints"] = kept_from
        metrics = work(**arguments, **given, out=out)
        spent = {"wall_s": round(time.monotonic() - wall, 3), "cpu_s": round(_cpu_s() - cpu, 3)}
        _finish(place, key, metrics, spent)
        left = {"checkpoints": key} if kept_from and told else {}
        if kept_from and not left:
            shutil.rmtree(kept_from.folder, ignore_errors=True)
    # what a pod made is safe only when KFP has taken it, after this process: `finish` removes what it would go on from
    journal.write("done", **spent, metrics=metrics, process=_process(), **left)
    return metrics


def _finish(place: Place, key: str, metrics: Metrics, spent: dict[str, float]) -> None:
    """From here on the result is one."""
    files = {str(path.relative_to(place.out)): sha256(path) for path in tree(place.out)}
    about = {"step": place.step, "part": place.part, "key": key, "files": files, "metrics": metrics, **spent}
    write_json(place.out / DONE, about)
    _publish(place.out, place.kept)


@contextmanager
def _checkpoints(known: Mapping[str, Any], place: Place, key: str, journal: Journal) -> Iterator["Checkpoints"]:
    """What a step that trains goes on from."""
    from schwarz.training import Checkpoints, keep_freed_memory  # torch: not for a step that trains nothing

    keep_freed_memory()
    minutes = float(os.environ.get("SCHWARZ_CHECKPOINT_MINUTES", "10"))
    with checkpoints_at(place, key, lambda text: journal.write("note", text=text)) as folder:
        yield Checkpoints(folder, _flat(known), minutes)


def _cpu_s() -> float:
    """CPU-seconds of this process, and of its workers that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _process() -> dict[str, float]:
    """What this process took, from its beginning: a container's is nobody's child."""
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {"cpu_s": round(_cpu_s(), 1), "peak_mb": round(peak / 1e3)}


def _typed(work: Callable[..., Metrics], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments, with every section that came as a JSON string made what the step's signature says."""
    hints = typing.get_type_hints(work)
    typed = {}
    for name, value in given.items():
        hint = hints.get(name)
        if isinstance(hint, type) and issubclass(hint, Section) and isinstance(value, str):
            typed[name] = read_section(hint, value, name)
        else:
            typed[name] = value
    return typed


def _identity(name: str, value: Any) -> Any:
    """What an argument means to a result: an input folder counts by its key, wherever it lies."""
    if isinstance(value, Section):
        return value.model_dump(mode="json", exclude={"place"})
    if isinstance(value, Path):
        if not whole(value):
            raise StepFailed(
                f"input {name!r} ({value}) is not whole: the step before it did not finish. Resume the run."
            )
        return read_json(value / DONE)["key"]
    if isinstance(value, list):  # sorted: which pod ended first is no part of a result
        return sorted(_identity(name, each) for each in value)
    return value


def _flat(known: Mapping[str, Any]) -> dict[str, Any]:
    """All that decides a result, by the name that a person gives it: seed, local.lr, ..., and each input's key."""
    flat: dict[str, Any] = {}
    for name, value in known.items():
        named = value if isinstance(value, dict) else {"": value}
        flat |= {f"{name.rstrip('_')}.{field}".rstrip("."): each for field, each in named.items()}
    return flat


def _publish(source: Path, target: Path) -> None:
    """Make `target` hold what `source` does, `done.json` last; hard links cost neither time nor space."""
    if source == target:
        return
    shutil.rmtree(target, ignore_errors=True)
    for path in sorted(tree(source), key=lambda path: path.name == DONE):
        goal = target / path.relative_to(source)
        goal.parent.mkdir(parents=True, exist_ok=True)
        try:
            goal.hardlink_to(path)
        except OSError:  # another file system
            shutil.copy2(path, goal)


def _tell(fault: BaseException, journal: Journal, place: Place) -> None:
    """Leave the cause where the command line, or whoever looks at the pod, finds it."""
    log = place.logs / f"{place.label}.log"
    told = {
        "error": _cause(fault, place), "log": str(log), "status": getattr(fault, "status", FAILED),
        "resumable": getattr(fault, "resumable", True),
    }  # fmt: skip
    for tell in (
        lambda: journal.write("failed", **told, interrupted=isinstance(fault, KeyboardInterrupt)),
        lambda: write_atomic(log, _written(fault)),
        lambda: write_json(place.out / ERROR, told),
    ):
        with suppress(OSError):  # a full disk may refuse one and still take another; the fault itself is raised on
            tell()


def _cause(fault: BaseException, place: Place) -> str:
    if isinstance(fault, SchwarzError):
        return str(fault)
    if isinstance(fault, OSError) and (fault.errno in (errno.ENOSPC, errno.EDQUOT) or _full(place.kept)):
        return f"no space left on the disk of {place.kept}: free some, then resume"
    return f"{type(fault).__name__}: {fault}"


def _written(fault: BaseException) -> str:
    """What the log says: where it was lies only of what nobody foresaw."""
    if isinstance(fault, SchwarzError):
        return "\n".join([str(fault), *getattr(fault, "__notes__", [])]) + "\n"
    return "".join(traceback.format_exception(fault))


def _full(folder: Path) -> bool:
    """Whether nothing more can be written: numpy reports a full disk without saying so."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(there).free < 2**20


def folder_of(artifact: Any) -> Path | None:
    """The folder of an artifact that a graph may have left out: anything with a `path`, or None."""
    return Path(artifact.path) if artifact else None
