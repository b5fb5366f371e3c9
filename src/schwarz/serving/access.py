"""Who may ask: whoever has the token, where one is set. Whether the server lives, anybody may ask."""

import hmac
import os
from collections.abc import Sequence

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from schwarz.errors import WrongInput

VARIABLE = "SCHWARZ_SERVE_TOKEN"
SHORT = 16
OPEN = ("/", "/page.css", "/page.js", "/v2/health/live", "/v2/health/ready")
"""The page itself holds nothing of the model: it asks for the token."""
WANTED = "this server wants a token: Authorization: Bearer <token>"


def wanted() -> bytes | None:
    """The token that every request must have; None where none is set."""
    token = os.environ.get(VARIABLE)
    if token is None:
        return None
    if len(token) < SHORT or not token.isascii() or not token.isprintable() or " " in token:
        raise WrongInput(
            f"{VARIABLE}: give {SHORT} or more letters, digits and signs, as `openssl rand -hex 20` makes."
        )
    return token.encode()


def may(given: Sequence[bytes], token: bytes | None) -> bool:
    """Whether a request with these headers `Authorization` may be answered."""
    if token is None or len(given) != 1:
        return token is None
    scheme, _, said = given[0].partition(b" ")
    return scheme.lower() == b"bearer" and hmac.compare_digest(said, token)


class Guarded:
    """Refuses what has no `Authorization: Bearer <token>`."""

    def __init__(self, app: ASGIApp, token: bytes) -> None:
        self._app, self._token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN or self._may(scope):
            await self._app(scope, receive, send)
            return
        content = orjson.dumps({"error": WANTED})
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        headers += [(b"www-authenticate", b"Bearer")]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    def _may(self, scope: Scope) -> bool:
        return may([value for name, value in scope["headers"] if name == b"authorization"], self._token)
