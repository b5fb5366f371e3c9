"""No object of a request has a key twice: of the two, one reader of JSON takes the first and another the last, so that
what stands before this server and the server itself could see different requests."""

import json
from typing import Any

from schwarz.serving.refused import Refused, shown


def check_keys(value: Any, body: bytes | bytearray, header: int | None) -> None:
    """Refused where a key is there twice in the JSON of `body`, which was read as `value`.

    Every key has a colon: where there are as many colons as keys that were kept, none was lost. Only text with a colon
    in it needs a second, slower look."""
    try:
        if _colons(body, header) != _keys(value):
            json.loads(str(memoryview(body)[:header], "utf-8"), object_pairs_hook=_once)
    except RecursionError:
        raise Refused("the request: parameters are nested too deeply") from None


def _colons(body: bytes | bytearray, header: int | None) -> int:
    """All of them, one by one as far as the last quotation mark: behind it stands one at most, and perhaps 10,000
    numbers."""
    last = body.rfind(b'"', 0, header)
    return body.count(b":", 0, max(last, 0)) + (body.find(b":", last, header) >= 0 if last >= 0 else 0)


def _keys(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(_keys, value.values()))
    return sum(map(_keys, value)) if isinstance(value, list) and value and isinstance(value[0], dict) else 0


def _once(pairs: list[tuple[str, Any]]) -> None:
    seen = set[str]()
    for key, _ in pairs:
        if key in seen:
            raise Refused(f"the key {shown(key)} is there twice in one object")
        seen.add(key)
