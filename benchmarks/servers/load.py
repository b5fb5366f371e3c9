"""Who asks: wrk as quickly as it is answered, and a client that asks at a fixed rate, whatever has been answered."""

import json
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import psutil

from benchmarks.servers.graphs import Asked
from tests.unit.serving.served import Served

CONNECTIONS = 16
SCRIPT = Path(__file__).with_name("post.lua")


@dataclass(frozen=True)
class Counted:
    """What a server did under load."""

    a_second: float
    cpu_s: float
    """Of the server, for each request."""


def full_load(server: Served, model: str, asked: Asked, seconds: int, scratch: Path) -> Counted:
    """Every connection asks again as soon as it is answered. Every answer must be a good one."""
    body = scratch / asked.name
    body.write_bytes(asked.content)
    url = f"http://{server.host}:{server.port}/v2/models/{model}/infer"
    own = [str(body), *([] if asked.header is None else [str(asked.header)])]
    options = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s", "-s", str(SCRIPT)]
    before = cpu_s(server)
    done = subprocess.run(["wrk", *options, url, "--", *own], capture_output=True, text=True, check=True)
    spent = cpu_s(server) - before
    requests, microseconds, wrong = (int(each) for each in done.stdout.split("counted ")[1].split())
    if wrong:
        raise AssertionError(f"{url}: {wrong} of {requests} requests were not answered well\n{done.stdout}")
    return Counted(requests / microseconds * 1e6, spent / requests)


def there() -> bool:
    return shutil.which("wrk") is not None


def cpu_s(server: Served) -> float:
    """Of the process so far."""
    return sum(psutil.Process(server.process.pid).cpu_times()[:2])


def at_rate(server: Served, model: str, asked: Asked, a_second: float, seconds: int) -> list[float]:
    """Seconds from when each request was due to its answer. One that finds no connection free waits for it, and that
    counts: a server that stalls is not asked less often."""
    dues, taken = SimpleQueue[float | None](), list[float]()

    def ask() -> None:
        with server.connect() as connection:
            while (due := dues.get()) is not None:
                status, _ = answer(connection, model, asked)
                taken.append(time.perf_counter() - due)
                assert status == 200

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        asking = [pool.submit(ask) for _ in range(CONNECTIONS)]
        began = time.perf_counter()
        for number in range(round(a_second * seconds)):
            due = began + number / a_second
            time.sleep(max(0.0, due - time.perf_counter()))
            dues.put(due)
        for _ in asking:
            dues.put(None)
        for each in asking:
            each.result()
    return taken


def answer(connection: HTTPConnection, model: str, asked: Asked) -> tuple[int, bytes]:
    connection.request("POST", f"/v2/models/{model}/infer", asked.content, asked.headers)
    found = connection.getresponse()
    return found.status, found.read()


def probabilities(server: Served, model: str, asked: Asked) -> np.ndarray | None:
    """The first output of the answer; None where such a request is refused."""
    with server.connect() as connection:
        status, content = answer(connection, model, asked)
    if status != 200:
        return None
    if asked.header is None:
        return np.array(json.loads(content)["outputs"][0]["data"], np.float32)
    about, behind = json.JSONDecoder().raw_decode(content.decode("latin-1"))
    size = about["outputs"][0]["parameters"]["binary_data_size"]
    return np.frombuffer(content[behind : behind + size], "<f4")
