"""Ports on loopback that nobody uses."""

import random
import socket

HOST = "127.0.0.1"
# Below those that Linux gives to outgoing connections, for a remembered one must be free again tomorrow.
RANGE = range(10_240, 32_000)


def free(count: int) -> list[int]:
    """Ports that are free now."""
    chosen: list[int] = []
    for port in random.sample(RANGE, len(RANGE)):
        if not taken(port):
            chosen.append(port)
        if len(chosen) == count:
            return chosen
    raise OSError("no free port on loopback: end some of the programs that listen there (`ss -ltn` lists them)")


def taken(port: int) -> bool:
    """Whether a program listens there, on loopback or on every address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # closed connections linger
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False
