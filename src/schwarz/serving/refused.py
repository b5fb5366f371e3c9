"""A request that is not answered, in the protocol's form."""

from collections.abc import Callable
from typing import Any

LONGEST = 80
"""Of what a client sent so much is said back."""
LEFT = "schwarz.left"
"""The extension of a request's scope that says whether its client has closed the connection."""
GONE = 499
"""The status, by custom, of a request whose client has left: nobody reads it but who counts."""


class Refused(Exception):
    """The request is wrong: `message` says how, `status` is HTTP's."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message, self.status = message, status


class Gone(Refused):
    """Its client has left: nothing more is computed for it."""

    def __init__(self) -> None:
        super().__init__("the client left before its answer was computed", GONE)


def check_left(left: Callable[[], bool]) -> None:
    """`Gone` where the client has."""
    if left():
        raise Gone


def shown(value: Any) -> str:
    """What a client sent, in few words: of lists and objects, which may be vast or deep, only that they are some."""
    if isinstance(value, str):
        return repr(value if len(value) <= LONGEST else f"{value[:LONGEST]}...")
    if value is None or isinstance(value, bool | float):
        return repr(value)
    if isinstance(value, int):
        return repr(value) if abs(value) < 10**LONGEST else "a vast number"
    return "a list" if isinstance(value, list) else "an object"
