"""What is said in JSON."""

import orjson
from starlette.responses import Response

from schwarz.serving.batching import RETRY_S
from schwarz.serving.refused import Refused


def told(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    content = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(content, status, headers, "application/json")


def refusal(fault: Refused) -> Response:
    headers = {"retry-after": str(RETRY_S)} if fault.status == 429 else {}
    return told({"error": fault.message}, fault.status, headers)


def failure(fault: Exception) -> Response:
    return told({"error": f"{type(fault).__name__}: the log of the server has the cause"}, 500)
