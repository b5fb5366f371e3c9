"""Reading 500 MB of shards from an object store: ours, which checks every byte, against minio's own fget_object.

A SeaweedFS is started on this machine for it. Seconds, for both wait for the store; one after the other in each round.
As ten shards: minio's client shard after shard, as its documentation has it, and in as many threads as ours; and as one
object, whose sum cannot be taken in two places at once."""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from minio import Minio

from benchmarks.lines import Line, report
from schwarz.stack import Seaweed
from schwarz.storage import Store, Wanted, get_all, open_store
from schwarz.storage.getting import AT_ONCE

MB = 10**6
ROUNDS = 15
BUCKET = "schwarz"


def plain(server: Seaweed) -> Minio:
    """The client as its documentation has it."""
    keys = [server.environment[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")]
    return Minio(server.address.removeprefix("http://"), *keys, secure=False)


def filled(store: Store, folder: Path, count: int, size: int) -> list[str]:
    """The keys of so many objects of `size` bytes all together."""
    keys = [f"{count}/{number}/train-x.npy" for number in range(count)]
    for key in keys:
        (folder / "shard").write_bytes(os.urandom(size // count))
        store.put(folder / "shard", key)
    return keys


def lines(server: Seaweed, folder: Path, count: int, size: int, rounds: int) -> list[Line]:
    store, client = open_store(f"s3://{BUCKET}/objects"), plain(server)
    keys = filled(store, folder, count, size)
    targets = [folder / str(number) for number in range(count)]
    wanted = [Wanted(key, target) for key, target in zip(keys, targets, strict=True)]

    def fetch(each: Wanted) -> None:
        client.fget_object(BUCKET, f"objects/{each.key}", str(each.target))

    def theirs() -> None:
        for each in wanted:
            fetch(each)

    def theirs_in_threads() -> None:
        with ThreadPoolExecutor(AT_ONCE) as threads:
            list(threads.map(fetch, wanted))

    def ours() -> None:
        get_all(store, wanted)

    ways = [theirs, theirs_in_threads, ours] if count > 1 else [theirs, ours]
    taken: dict[Callable[[], None], list[float]] = {way: [] for way in ways}
    for number in range(rounds + 1):
        for way in ways if number % 2 else reversed(ways):  # the next finds the disk still busy with the one before
            began = time.perf_counter()
            way()
            taken[way].append(time.perf_counter() - began)
            for target in targets:
                target.unlink()
    for key in keys:
        store.remove(key)

    def over(way: Callable[[], None]) -> list[float]:
        return [their_s / our_s for their_s, our_s in zip(taken[way][1:], taken[ours][1:], strict=True)]

    name = f"{count}-shards" if count > 1 else "one-object"
    found = [
        Line(f"{name}-minio-MB-a-second", [size / MB / each for each in taken[theirs][1:]], middle=median),
        Line(f"{name}-ours-MB-a-second", [size / MB / each for each in taken[ours][1:]], middle=median),
    ]
    found.append(Line(f"{name}-ours-over-minio", over(theirs), ">=", 0.8, median))
    if theirs_in_threads in ways:
        found.append(Line(f"{name}-over-minio-in-threads", over(theirs_in_threads), middle=median))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--mb", type=int, default=500, help="in all")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Seaweed(folder / "seaweed")
        server.start()
        try:
            os.environ.update(server.environment)
            found = [line for count in (10, 1) for line in lines(server, folder, count, asked.mb * MB, asked.rounds)]
        finally:
            server.stop()
    return report(found)


if __name__ == "__main__":
    sys.exit(main())
