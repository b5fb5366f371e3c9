"""One signed request to an object store, by the standard library alone: AWS Signature Version 4, without a body.

The storage client would do it too, at the price of its import in every `stack status`.
"""

import hashlib
import hmac
import http.client
import time
from collections.abc import Mapping
from contextlib import closing
from urllib.parse import urlsplit

EMPTY = hashlib.sha256(b"").hexdigest()


def request(method: str, path: str, environment: Mapping[str, str], timeout_s: float = 5) -> int:
    """The HTTP status with which the store that the AWS_ variables name answers, or OSError when nothing does."""
    place = urlsplit(environment["AWS_ENDPOINT_URL"])
    with closing(http.client.HTTPConnection(place.hostname or "", place.port, timeout=timeout_s)) as connection:
        headers = _signed(method, path, place.netloc, environment, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
        try:
            connection.request(method, path, headers=headers)
            return connection.getresponse().status
        except http.client.HTTPException as fault:
            raise OSError(f"no answer of an object store ({fault})") from None


def _signed(method: str, path: str, host: str, environment: Mapping[str, str], now: str) -> dict[str, str]:
    scope = f"{now[:8]}/{environment['AWS_REGION']}/s3/aws4_request"
    headers = {"host": host, "x-amz-content-sha256": EMPTY, "x-amz-date": now}
    names = ";".join(headers)
    canonical = "\n".join([method, path, "", *(f"{name}:{headers[name]}" for name in headers), "", names, EMPTY])
    text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{environment['AWS_SECRET_ACCESS_KEY']}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"{environment['AWS_ACCESS_KEY_ID']}/{scope}"
    return {
        **headers,
        "Authorization": f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}",
    }
