"""HTTP/2 as gRPC speaks it, frame by frame: what a stock client cannot be made to do."""

import socket
import threading
from contextlib import suppress

from schwarz.serving.rpc.messages import SERVICE
from tests.unit.serving.served import Served

BEGIN = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, PING = 0, 1, 4, 6
ACK, END_STREAM, END_HEADERS = 1, 1, 4
WINDOW = 4
"""The setting how much may be sent in a stream before more of it is asked for."""


def frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    return len(content).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + content


def call(stream: int, method: str, content: bytes) -> bytes:
    """A whole call with one message."""
    message = b"\0" + len(content).to_bytes(4, "big") + content
    return frame(HEADERS, END_HEADERS, stream, head(f"/{SERVICE}/{method}".encode())) + frame(
        DATA, END_STREAM, stream, message
    )


def head(path: bytes) -> bytes:
    """POST, http, the path, the authority, what every call says."""
    return b"\x83\x86\x04" + bytes([len(path)]) + path + b"\x01\x01a\x5f\x10application/grpc\x40\x02te\x08trailers"


class Deaf:
    """A client that answers what HTTP/2 asks of it, but reads no answer to its calls."""

    def __init__(self, server: Served) -> None:
        host, port = server.grpc.split(":")
        self._sock = socket.create_connection((host, int(port)))
        self._turn, self._calls = threading.Lock(), 0
        window = WINDOW.to_bytes(2, "big") + bytes(4)
        self._send(BEGIN + frame(SETTINGS, 0, 0, window))
        threading.Thread(target=self._obey, daemon=True).start()

    def call(self, method: str, content: bytes) -> None:
        self._calls += 1
        self._send(call(2 * self._calls - 1, method, content))

    def close(self) -> None:
        self._sock.shutdown(socket.SHUT_RDWR)  # the thread reads on what is closed only
        self._sock.close()

    def _send(self, content: bytes) -> None:
        with self._turn:
            self._sock.sendall(content)

    def _obey(self) -> None:
        with suppress(OSError), self._sock.makefile("rb") as stream:
            while len(begun := stream.read(9)) == 9:
                kind, flags, content = begun[3], begun[4], stream.read(int.from_bytes(begun[:3], "big"))
                if kind in (SETTINGS, PING) and not flags & ACK:
                    self._send(frame(kind, ACK, 0, content if kind == PING else b""))
