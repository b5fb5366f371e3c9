"""The page at `/` on which a model is tried: three files, which ask `/v1`. Nothing comes from anywhere else."""

from functools import partial
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FILES = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


def page() -> list[Route]:
    folder = Path(__file__).parent
    return [
        Route(address, partial(_given, (folder / file).read_bytes(), kind)) for address, (file, kind) in FILES.items()
    ]


async def _given(content: bytes, kind: str, _: Request) -> Response:
    return Response(content, headers=HEADERS, media_type=kind)
