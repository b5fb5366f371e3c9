"""A version of a data set to a DVC remote, in the form in which `pull`, and DVC itself, find it there."""

import tempfile
from pathlib import Path

from schwarz.data.info import DataInfo
from schwarz.files import write_atomic
from schwarz.storage.objects import open_store
from schwarz.storage.pulling import key_of
from schwarz.storage.sets import fetch, listed


def push(info: DataInfo, remote: str) -> int:
    """Make the remote hold the set, after every file was checked; what is there is not sent again. How many objects
    were sent. The listing goes last: whoever finds it finds the rest."""
    folder, store = fetch(info), open_store(remote)
    md5s, listing = listed(folder)
    sent = [name for name, md5 in md5s.items() if store.find(key_of(md5)) is None]
    for name in sent:
        store.put(folder / name, key_of(md5s[name]))
    if store.find(key_of(info.md5)) is not None:
        return len(sent)
    with tempfile.TemporaryDirectory() as scratch:
        write_atomic(Path(scratch) / "listing", listing)
        store.put(Path(scratch) / "listing", key_of(info.md5))
    return len(sent) + 1
