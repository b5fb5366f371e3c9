"""Clients that ask without a pause, and what became of every single request."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.unit.serving.served import Served

AGAIN_S = 0.05
"""How long who was told to come back stays away: shorter than told, for more to be turned away."""


class Refused(Exception):
    """The connection is none."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    told: dict[str, Any]
    seconds: float


@dataclass
class Account:
    """Every request is in exactly one of these."""

    answers: list[Answer] = field(default_factory=list)
    refused: int = 0
    """Connections that were refused, or reset before their first answer: the system had them, the server had not."""
    lost: list[str] = field(default_factory=list)
    """Requests without a whole answer."""

    def count(self, status: int) -> int:
        return sum(answer.status == status for answer in self.answers)


async def asked(server: Served, wire: bytes, clients: int, stop: Callable[[], bool], lasting: bool = True) -> Account:
    """What became of the requests of so many clients until `stop`, or until nobody listens.

    `lasting`: one connection for many requests."""
    account = Account()
    await asyncio.gather(*(_client(server, wire, stop, lasting, account) for _ in range(clients)))
    return account


async def _client(server: Served, wire: bytes, stop: Callable[[], bool], lasting: bool, account: Account) -> None:
    while not stop():
        try:
            reader, writer = await asyncio.open_connection(server.host, server.port)
        except OSError:
            account.refused += 1
            return
        try:
            async for answer in _talk(reader, writer, wire, stop):
                account.answers.append(answer)
                if answer.status == 429:
                    await asyncio.sleep(AGAIN_S)
                if not lasting:
                    break
        except Refused:
            account.refused += 1
            return
        except (OSError, asyncio.IncompleteReadError) as fault:
            account.lost.append(repr(fault))
        finally:
            writer.close()


async def _talk(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wire: bytes, stop: Callable[[], bool]
) -> AsyncIterator[Answer]:
    """The answers on one connection until it ends."""
    first = True
    while first or not stop():
        began = time.monotonic()
        writer.write(wire)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except ConnectionResetError:
            if first:
                raise Refused from None
            raise
        status, *lines = head.decode().split("\r\n")[:-2]
        headers = dict(line.split(": ", 1) for line in lines)
        told = json.loads(await reader.readexactly(int(headers["content-length"])))
        yield Answer(int(status.split()[1]), headers, told, time.monotonic() - began)
        if headers.get("connection") == "close":
            return
        first = False
