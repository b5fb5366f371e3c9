"""Work shared out to processes of one machine: one thread each goes further than as many threads in one process."""

import os
import traceback
from collections.abc import Callable, Sequence
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from threading import Thread

from schwarz.errors import SchwarzError
from schwarz.training.memory import keep_freed_memory

KILLED = "a worker process was killed, perhaps for lack of memory: give fewer `place.workers`"
Tell = Callable[..., None]
"""What a share says of its progress: any plain values."""


def workers() -> int:
    """Into how many processes a step shares its work: `place.workers`."""
    return int(os.environ.get("SCHWARZ_WORKERS", "1"))


def side_by_side(shares: Sequence[Callable[[Tell], None]], tell: Tell) -> None:
    """Do all shares, each in a process of its own, a single one in this; `tell` is called here with what they say.

    The first that fails ends the others, and its fault is raised.
    """
    if len(shares) == 1:
        shares[0](tell)
        return
    context, processes, ears = get_context("spawn"), [], []
    try:
        for share in shares:
            ear, mouth = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(share, mouth), daemon=True)
            process.start()
            mouth.close()  # ours: the child's end is then the only one, and its end is told by the pipe
            processes, ears = [*processes, process], [*ears, ear]
        _listen(ears, tell)
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _listen(ears: list[Connection], tell: Tell) -> None:
    open_ = list(ears)
    while open_:
        for ear in wait(open_):
            assert isinstance(ear, Connection)
            try:
                said = ear.recv()
            except EOFError:  # whoever is done says so
                raise SchwarzError(KILLED) from None
            if isinstance(said, BaseException):
                raise said
            if said is None:
                open_.remove(ear)
            else:
                tell(*said)


def _work(share: Callable[[Tell], None], mouth: Connection) -> None:
    """What runs in a process."""
    keep_freed_memory()
    Thread(target=_end_with_parent, daemon=True).start()
    try:
        share(lambda *said: mouth.send(said))
        mouth.send(None)
    except BrokenPipeError:  # nobody listens any more
        return
    except Exception as fault:
        travels = type(fault).__module__ in ("builtins", SchwarzError.__module__)  # others may ask for more than a text
        told = fault if travels else SchwarzError(f"{type(fault).__name__}: {fault}")
        if not isinstance(fault, SchwarzError):
            told.add_note(f"In a worker process:\n{traceback.format_exc()}")
        mouth.send(told)


def _end_with_parent() -> None:
    """Whoever began this may be killed: a rerun must not meet a process that still writes its checkpoints."""
    parent = parent_process()
    assert parent, "a worker has a parent"
    parent.join()
    os._exit(1)
