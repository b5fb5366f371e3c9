"""Who may ask: whoever has the token, where one is set. Whether the server lives, anybody may ask."""

import hmac

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

VARIABLE = "SCHWARZ_SERVE_TOKEN"
OPEN = ("/", "/page.css", "/page.js", "/v2/health/live", "/v2/health/ready")
"""The page itself holds nothing of the model: it asks for the token."""


class Guarded:
    """Refuses what has no `Authorization: Bearer <token>`."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._wanted = app, f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN or self._may(scope):
            await self._app(scope, receive, send)
            return
        content = orjson.dumps({"error": "this server wants a token: Authorization: Bearer <token>"})
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        headers += [(b"www-authenticate", b"Bearer")]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    def _may(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        return len(given) == 1 and hmac.compare_digest(given[0], self._wanted)
