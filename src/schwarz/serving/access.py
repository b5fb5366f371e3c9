"""Who may ask: whoever has the token, where one is set. Whether the server lives, anybody may ask. Where no token is
set and this machine alone can ask, no page of another site may."""

import hmac
import os
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from schwarz.errors import WrongInput
from schwarz.serving.answers import told
from schwarz.serving.refused import shown

VARIABLE = "SCHWARZ_SERVE_TOKEN"
SHORT = 16
OPEN = ("/", "/page.css", "/page.js", "/v2/health/live", "/v2/health/ready")
"""The page itself holds nothing of the model: it asks for the token."""
WANTED = "this server wants a token: authorization: Bearer <token>"


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


def guarded(app: ASGIApp, token: bytes | None, address: str) -> ASGIApp:
    """An application that listens at an address, behind what keeps others away."""
    if token:
        return Guarded(app, token)
    return Local(app) if ip_address(address).is_loopback else app


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
        if scope["type"] != "http" or scope["path"] in OPEN or may(_headers(scope, b"authorization"), self._token):
            await self._app(scope, receive, send)
        else:
            await told({"error": WANTED}, 401, {"www-authenticate": "Bearer"})(scope, receive, send)


class Local:
    """Refuses requests to a name that is not this machine's own. A site can give its name the address of whoever visits
    it, and its page then asks a server that nobody else was to reach (DNS rebinding); the name stands in `Host`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        foreign = [] if scope["type"] != "http" else [host for host in _headers(scope, b"host") if not own(host)]
        if foreign:
            message = f"this server answers to localhost and to addresses, not to {shown(foreign[0].decode('latin-1'))}"
            message += f": set {VARIABLE}, and it answers to any name"
            await told({"error": message}, 421)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


@lru_cache(256)
def own(host: bytes) -> bool:
    """Whether `Host` names this machine, or gives an address and so no name at all."""
    try:
        name = urlsplit(f"//{host.decode('ascii')}").hostname or ""
        return name == "localhost" or name.endswith(".localhost") or bool(ip_address(name))
    except ValueError:
        return False


def _headers(scope: Scope, wanted: bytes) -> list[bytes]:
    return [value for name, value in scope["headers"] if name == wanted]
