"""A store that is a bucket's prefix at any S3 endpoint, by the `minio` client, which is told to try nothing again."""

import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from hashlib import file_digest
from http.client import HTTPException
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import urllib3
from minio import Minio
from minio.datatypes import Part

from schwarz.errors import WrongInput
from schwarz.files import replacing
from schwarz.files import sha256 as sha256_of
from schwarz.storage.faults import Place, UploadLost
from schwarz.storage.objects import NoObject, Object, ObjectChanged, ObjectDamaged, Say, StoreAway, checked
from schwarz.storage.retrying import Outage, Patience, persist
from schwarz.storage.sinks import Memory, Sink, Summed
from schwarz.storage.threads import in_order

T = TypeVar("T")
PIECE = 2**24
"""Bytes of one part; a larger object is written in some, so many at once."""
THREADS = 4
MOST_PARTS = 10_000  # S3's own limit
KEPT = "sha256"
"""The object's metadata that holds the sum."""
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
ENDPOINT = re.compile(r"(https?://(?:[\w.-]+|\[[0-9A-Fa-f:]+\])(?::\d{1,5})?)/?")


class S3Store:
    """The objects under `s3://bucket/prefix`. Endpoint and keys come from the environment, also when unpickled."""

    def __init__(self, uri: str, patience: Patience, say: Say) -> None:
        self.uri, self._patience, self._say = uri.rstrip("/"), patience, say
        self._bucket, _, self._prefix = self.uri.removeprefix("s3://").partition("/")
        if not BUCKET.fullmatch(self._bucket):
            shown = re.sub(".*@", "...@", self.uri)
            raise WrongInput(
                f"store {shown!r}: its bucket must have 3 to 63 of a-z, 0-9, '-' and '.'. Form: s3://bucket/prefix."
            )
        if self._prefix:
            checked(self._prefix)
        self._endpoint, self._client = _connect(patience)
        self._outage = Outage(self._endpoint, say)
        self._known = False  # that the bucket is there, and the keys are right

    def __reduce__(self) -> tuple[Any, ...]:
        return S3Store, (self.uri, self._patience, self._say)

    def __repr__(self) -> str:
        return f"S3Store({self.uri!r})"

    def put(self, source: Path, key: str) -> str:
        with source.open("rb") as file:  # once: another file may take its place meanwhile
            value, size = file_digest(file, "sha256").hexdigest(), file.tell()
            found = self.find(key)
            if found and (found.size, found.sha256) == (size, value):
                return value
            if size <= PIECE:
                self._put_whole(os.pread(file.fileno(), size, 0), key, value)
                return value
            try:
                self._put_parts(file.fileno(), key, size, value)
            except UploadLost:  # with the server: once more from the start
                self._put_parts(file.fileno(), key, size, value)
            return value

    def replace(self, source: Path, key: str, version: str | None) -> None:
        content, value = source.read_bytes(), sha256_of(source)
        only = {"If-None-Match": "*"} if version is None else {"If-Match": f'"{version}"'}
        headers = {f"x-amz-meta-{KEPT}": value, **only}
        try:  # minio has no public call that passes a condition on
            self._ask(key, lambda: self._client._put_object(self._bucket, self._name(key), content, dict(headers)))
        except (ObjectChanged, NoObject):
            found = self.find(key)  # ours, where it was written and only the answer did not arrive
            if found is None or found.sha256 != value:
                raise self._place(key).overtaken() from None

    def get(self, key: str, target: Path, sha256: str | None = None) -> int:
        # not "wb": ext4 writes a file that was emptied to the disk as soon as it is closed
        with replacing(target, sync=False) as temporary, temporary.open("r+b", 0) as file:
            sink = Summed(file)
            found = self._receive(key, sink)
            wanted = sha256 or found.sha256
            if wanted and sink.sha256() != wanted:
                raise ObjectDamaged(
                    f"{self._place(key).uri}: its sha256 is {sink.sha256()}, expected is {wanted}: it was damaged "
                    "or written anew. Remove it, then resume the run to write it again."
                )
            return found.size

    def read(self, key: str, start: int, length: int, version: str | None = None) -> bytes:
        if not version:
            found = self._there(key)
            if start + length > found.size:
                raise self._place(key).changed()
            version = found.version
        sink = Memory(length)
        if length:
            self._receive(key, sink, start, start + length, version)
        return bytes(sink.content)

    def find(self, key: str) -> Object | None:
        name = self._name(key)
        try:
            about = self._ask(key, lambda: self._client.stat_object(self._bucket, name))
        except NoObject:
            self._check()
            return None
        except WrongInput:
            self._check()
            raise
        kept = (about.metadata or {}).get(f"x-amz-meta-{KEPT}")
        return Object(key, about.size or 0, kept, about.etag or "")

    def list(self, prefix: str = "") -> Iterator[Object]:
        start = f"{self._prefix}/" if self._prefix else ""

        def ask() -> list[Object]:
            found = self._client.list_objects(self._bucket, prefix=start + prefix, recursive=True)
            return [
                Object((each.object_name or "").removeprefix(start), each.size or 0, None, each.etag or "")
                for each in found
            ]

        found = self._ask(prefix, ask)
        yield from sorted(each for each in found if not each.key.endswith("/"))

    def remove(self, key: str) -> None:
        name = self._name(key)
        with suppress(NoObject):
            self._ask(key, lambda: self._client.remove_object(self._bucket, name))

    def _name(self, key: str) -> str:
        return f"{self._prefix}/{checked(key)}" if self._prefix else checked(key)

    def _place(self, key: str) -> Place:
        return Place(self._endpoint, self._bucket, f"{self._prefix}/{key}".strip("/"))

    def _there(self, key: str) -> Object:
        found = self.find(key)
        if found is None:
            raise self._place(key).absent()
        return found

    def _check(self) -> None:
        """Refuse keys and a bucket that are wrong, where a store has only said that there is no such object: HEAD is
        answered without a word, and some make a bucket that is not there when something is put."""
        if not self._known:
            next(self.list("ready"), None)
            self._known = True

    def _ask(self, key: str, action: Callable[[], T], stop: threading.Event | None = None) -> T:
        """What the client returns, tried again as long as that is worth it; its faults in our words."""
        place = self._place(key)

        def once() -> T:
            try:
                return action()
            except Exception as fault:
                raise place.means(fault) from None

        return persist(once, self._patience, self._outage, self._away, stop or threading.Event())

    def _away(self, why: str) -> StoreAway:
        waited = f"{self._endpoint}: has not answered for {self._patience.total_s:g} s ({why})"
        return StoreAway(f"{waited}. Is it running, and is AWS_ENDPOINT_URL its address? Then run again.")

    def _receive(self, key: str, sink: Sink, at: int = 0, end: int | None = None, version: str = "") -> Object:
        """These bytes of this version of an object, else all of the one that is there, which is returned; where the
        store goes away in between, the rest when it is back.

        One stream: four at once of one object took 20% more processor time, which is what limits reading from a store
        nearby.
        """
        name, place, found = self._name(key), self._place(key), Object(key, end or 0, None, version)

        def more() -> None:
            nonlocal at, end, found
            before = at
            only: dict[str, Any] = {"If-Match": f'"{found.version}"'} if end is not None else {}
            length = 0 if end is None else end - at  # 0: all of it, without asking for a range
            response: Any = self._client.get_object(self._bucket, name, at, length, request_headers=only)
            try:
                if end is None:
                    if "content-length" not in response.headers:
                        raise place.strange(response.status)
                    found = _told(key, response.headers)
                    end = found.size
                else:
                    place.same(response.headers, found.version, at, end)
                while at < end:
                    room = sink.room()[: end - at]
                    try:
                        # urllib3's own reading makes new bytes every time
                        count = response._fp.readinto(room)
                    except (OSError, HTTPException) as fault:
                        raise place.cut(fault, at > before) from None
                    if not count:
                        raise place.cut(None, at > before)
                    sink.got(room[:count])
                    at += count
                response.release_conn()
            finally:
                response.close()  # which leaves a connection alone that was given back

        try:
            self._ask(key, more)
        except NoObject:
            self._check()
            raise
        return found

    def _put_whole(self, content: bytes, key: str, value: str) -> None:
        name, kept = self._name(key), {KEPT: value}
        self._ask(
            key,
            lambda: self._client.put_object(
                self._bucket, name, BytesIO(content), len(content), metadata=dict(kept), part_size=PIECE
            ),
        )

    def _put_parts(self, file: int, key: str, size: int, value: str) -> None:
        """In parts, each of which is tried again by itself: minio has no public call for one."""
        client, name, length, stop = self._client, self._name(key), part_length(size), threading.Event()
        upload = self._ask(
            key, lambda: client._create_multipart_upload(self._bucket, name, {f"x-amz-meta-{KEPT}": value})
        )

        def send(number: int) -> Part:
            content = os.pread(file, length, number * length)
            etag = self._ask(
                key, lambda: client._upload_part(self._bucket, name, content, None, upload, number + 1), stop
            )
            return Part(number + 1, etag)

        try:
            parts = list(in_order(send, -(-size // length), THREADS, stop))
            with suppress(UploadLost):  # it is lost too when it was completed, and only the answer did not arrive
                self._ask(key, lambda: client._complete_multipart_upload(self._bucket, name, upload, parts))
        except BaseException:
            abort = threading.Thread(target=self._abort, args=(name, upload), daemon=True)
            abort.start()
            abort.join(timeout=2)
            raise
        found = self.find(key)
        if found is None or (found.size, found.sha256) != (size, value):
            raise UploadLost(f"{self._place(key).uri}: its parts were not put together. Run again.")

    def _abort(self, name: str, upload: str) -> None:
        with suppress(Exception):  # what is left there, the store's own rule for unfinished uploads removes
            self._client._abort_multipart_upload(self._bucket, name, upload)


def _told(key: str, headers: Mapping[str, str]) -> Object:
    """What an answer with all of an object says of it."""
    version = headers.get("etag", "").replace('"', "")
    return Object(key, int(headers["content-length"]), headers.get(f"x-amz-meta-{KEPT}"), version)


def part_length(size: int) -> int:
    """Bytes of each part of an object of this size, so that there are not too many."""
    return max(PIECE, -(-size // MOST_PARTS // 2**20) * 2**20)


def _connect(patience: Patience) -> tuple[str, Minio]:
    """The endpoint's address and a client for it, from the environment."""
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    text = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    endpoint = _address(text or f"https://s3.{region}.amazonaws.com")
    keys = {name: os.environ.get(name, "") for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    if missing := [name for name, value in keys.items() if not value]:
        it = "it" if len(missing) == 1 else "them"
        raise WrongInput(f"{' and '.join(missing)}: not set, and {endpoint} wants {it}. Set {it} in the environment.")
    pool = urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=min(5.0, patience.answer_s), read=patience.answer_s),
        maxsize=2 * THREADS,
        retries=False,
        ca_certs=os.environ.get("AWS_CA_BUNDLE"),
    )
    secure, _, host = endpoint.partition("://")
    token = os.environ.get("AWS_SESSION_TOKEN")
    return endpoint, Minio(
        host, *keys.values(), session_token=token, secure=secure == "https", region=region, http_client=pool
    )


def _address(text: str) -> str:
    """`http://host:port` of what AWS_ENDPOINT_URL says."""
    if found := ENDPOINT.fullmatch(text):
        return found[1]
    shown = re.sub(".*@", "...@", text)  # what stands before it may be a password
    remedy = "Name the store's own address; keys go into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    raise WrongInput(f"AWS_ENDPOINT_URL: {shown!r} is not of the form http://host:port. {remedy}.")
