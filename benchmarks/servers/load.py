"""Who asks: wrk as quickly as it is answered, and a client that asks at a fixed rate, whatever has been answered."""

import asyncio
import json
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import psutil
import uvloop

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
    """Seconds from when each request was to be sent to its answer. One that finds no connection free waits for it, and
    that counts: a server that stalls is not asked less often. On one thread: among several the one that has its answer
    would wait for the interpreter, for longer than the server took."""
    return uvloop.run(_at_rate(server, _request(server, model, asked), a_second, round(a_second * seconds)))


async def _at_rate(server: Served, request: bytes, a_second: float, requests: int) -> list[float]:
    dues, taken = asyncio.Queue[float | None](), list[float]()

    async def ask() -> None:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        while (due := await dues.get()) is not None:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(re.findall(rb"(?i)\r\ncontent-length: *(\d+)", head)[0]))
            taken.append(time.perf_counter() - due)
            assert head.startswith(b"HTTP/1.1 200 ")
        writer.close()

    async with asyncio.TaskGroup() as asking:
        for _ in range(CONNECTIONS):
            asking.create_task(ask())
        began = time.perf_counter()
        for number in range(requests):
            due = began + number / a_second
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            dues.put_nowait(time.perf_counter())  # later than due by what a timer is late, up to 1 ms
        for _ in range(CONNECTIONS):
            dues.put_nowait(None)
    return taken


def _request(server: Served, model: str, asked: Asked) -> bytes:
    headers = {**asked.headers, "host": server.host, "content-length": len(asked.content)}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /v2/models/{model}/infer HTTP/1.1\r\n{lines}\r\n".encode() + asked.content


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
