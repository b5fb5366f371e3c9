"""What is said in JSON."""

import orjson
from starlette.responses import Response


def told(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    content = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(content, status, headers, "application/json")
