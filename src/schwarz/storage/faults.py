"""What a fault of the S3 client means: it may pass, or it is refused with a remedy.

Nothing of a server's own text is repeated but its short code: some stores put keys and signatures into theirs.
"""

import builtins
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import ParseError

from minio.error import InvalidResponseError, S3Error, ServerError
from urllib3.exceptions import HTTPError, LocationParseError, NewConnectionError, SSLError, TimeoutError

from schwarz.errors import SchwarzError, WrongInput
from schwarz.storage.objects import NoObject, ObjectChanged
from schwarz.storage.retrying import Passing


class UploadLost(SchwarzError):
    """The store no longer knows of an upload in parts."""


LATER = {408, 425, 429, 500, 502, 503, 504}
"""Status of an answer that may be another one later."""
LATER_CODES = {
    "RequestTimeout",
    "SlowDown",
    "OperationAborted",
    "ConditionalRequestConflict",
    "InternalError",
    "ServiceUnavailable",
}
KEYS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
LOGIN = (
    WrongInput,
    f"{{endpoint}}: does not know these keys ({{code}}). Check {KEYS} and, where there is one, AWS_SESSION_TOKEN.",
)
ELSEWHERE = (WrongInput, "s3://{bucket}: lies in another region ({code}). AWS_REGION names it.")
CHANGED = (ObjectChanged, "{uri}: was written anew while it was read. Resume the run.")
OVERTAKEN = (ObjectChanged, "{uri}: was written anew, and stays as it is. Look at it and try again.")
ABSENT = (NoObject, "{uri}: there is no such object at {endpoint}. Resume the run to write it again.")
FORBIDDEN = (
    WrongInput,
    f"{{uri}}: the keys to {{endpoint}} do not allow it ({{code}}). Give them that right, or set others in {KEYS}.",
)
OTHER = (SchwarzError, "{uri}: {endpoint} refuses: {code} (HTTP {status}). Look into its log.")
REFUSED: dict[str | int, tuple[type[SchwarzError], str]] = {
    **dict.fromkeys(("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", 401), LOGIN),
    **dict.fromkeys(("PermanentRedirect", "AuthorizationHeaderMalformed", 301, 307), ELSEWHERE),
    **dict.fromkeys(("NoSuchKey", 404), ABSENT),
    **dict.fromkeys((412, 416), CHANGED),
    403: FORBIDDEN,
    "NoSuchBucket": (WrongInput, "{endpoint}: has no bucket {bucket!r}. Make it, or name another one."),
    "RequestTimeTooSkewed": (WrongInput, "{endpoint}: its clock and this one differ too much. Set this machine's."),
    "NoSuchUpload": (UploadLost, "{uri}: {endpoint} no longer knows of the upload. Run again."),
}
"""By the answer's code, else by its status."""


@dataclass(frozen=True)
class Place:
    """What was asked for, and of whom: what a message names."""

    endpoint: str
    bucket: str
    key: str

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}" if self.key else f"s3://{self.bucket}"

    def means(self, fault: Exception) -> Exception:
        """The fault in our words."""
        match fault:
            case S3Error():
                meant = self._answered(fault.code or "", fault.response.status)
            case ServerError():
                meant = self._answered("", fault.status_code)
            case InvalidResponseError():
                meant = self.strange(fault.__reduce__()[1][0])  # its status, which has no public name
            case ParseError():
                meant = self.strange(200)
            case SSLError() if fault.args and isinstance(fault.args[0], ssl.SSLEOFError | ssl.SSLZeroReturnError):
                meant = Passing("the connection was cut")
            case SSLError() | LocationParseError():
                cause = f"speaks no TLS, or its certificate is not trusted ({_short(fault)})"
                remedy = "Check https:// in AWS_ENDPOINT_URL; AWS_CA_BUNDLE names a file of certificates to trust"
                meant = WrongInput(f"{self.endpoint}: {cause}. {remedy}.")
            case HTTPError():
                meant = Passing(_why(fault))
            case _:
                meant = fault
        return meant

    def absent(self) -> SchwarzError:
        return self._refusal(*ABSENT)

    def changed(self) -> SchwarzError:
        return self._refusal(*CHANGED)

    def overtaken(self) -> SchwarzError:
        return self._refusal(*OVERTAKEN)

    def same(self, headers: Mapping[str, str], version: str, start: int, stop: int) -> None:
        """Refuse an answer that is not bytes start to stop of this version, as of a store that knows no If-Match."""
        right = headers.get("content-range", "").startswith(f"bytes {start}-{stop - 1}/")
        if not right or headers.get("etag", "").replace('"', "") != version:
            raise self.changed()

    def cut(self, fault: Exception | None, progressed: bool) -> Passing:
        """What it is to be left in the middle of an answer."""
        why = "no answer in time" if isinstance(fault, builtins.TimeoutError) else "the connection was cut"
        return Passing(why, progressed=progressed)

    def strange(self, status: int) -> Exception:
        """Of an answer that is not XML, or does not say how long it is."""
        if status in LATER:
            return Passing(f"HTTP {status}")
        what = f"answers, but not as an S3 store does (HTTP {status})"
        return WrongInput(f"{self.endpoint}: {what}. Is AWS_ENDPOINT_URL the address of the store itself?")

    def _answered(self, code: str, status: int) -> Exception:
        name = re.sub(r"\W", "", code)[:60] or f"HTTP {status}"
        if status in LATER or code in LATER_CODES:
            return Passing(name)
        kind, text = REFUSED.get(code) or REFUSED.get(status, OTHER)
        return self._refusal(kind, text, code=name, status=status)

    def _refusal(self, kind: type[SchwarzError], text: str, **answer: object) -> SchwarzError:
        return kind(text.format(uri=self.uri, endpoint=self.endpoint, bucket=self.bucket, **answer))


def _why(fault: Exception) -> str:
    if isinstance(fault, NewConnectionError):
        return _short(fault)
    return "no answer in time" if isinstance(fault, TimeoutError) else "the connection was cut"


def _short(fault: Exception) -> str:
    """The end of a text that says more and more precisely what happened, without its numbers."""
    return re.sub(r"\[?(Errno -?\d+|[A-Z_]{9,})\] |\s*\(_ssl.*\)|[()]", "", str(fault).rpartition(": ")[2])
