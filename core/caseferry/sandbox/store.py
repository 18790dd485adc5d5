"""The object store beside each stand-in: signed URLs, no other credentials, ranges, ETags.

It answers as S3 does in the three ways that clients trip over: an ``Authorization`` header beside a signed
URL is refused with 400, an expired or altered URL with 403, and an unknown key with 404.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from aiohttp import web

from caseferry.sandbox.wire import read_blob, serve_blob, token

if TYPE_CHECKING:
    from collections.abc import Callable

    from caseferry.sandbox.blobs import Blob, Blobs

SECRET = "sandbox"  # noqa: S105  signs URLs of a server on loopback that holds nothing of worth


def _refusal(status: int, code: str, message: str) -> web.Response:
    body = f"<?xml version='1.0'?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return web.Response(text=body, status=status, content_type="application/xml")


class ObjectStore:
    """Keys and the bytes they name.

    Attributes
    ----------
    origin : scheme, host and port; known once the sandbox has started
    objects : key to the SHA-256 of its bytes, plain enough to be kept as JSON
    """

    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs
        self.origin = ""
        self.objects: dict[str, str] = {}
        self.types: dict[str, str] = {}
        self._stored: list[Callable[[str, Blob], None]] = []

    def sign(self, method: str, key: str, seconds: float = 3600) -> str:
        """A URL that allows one method on one key until it expires."""
        expires = f"{time.time() + seconds:.3f}"
        query = urlencode({"expires": expires, "signature": token(SECRET, method, key, expires)})
        return f"{self.origin}/{quote(key)}?{query}"

    def put(self, key: str, blob: Blob, content_type: str | None = None) -> None:
        """Name stored bytes."""
        self.objects[key] = blob.key
        if content_type:
            self.types[key] = content_type

    def get(self, key: str) -> Blob:
        """The bytes of a key.

        Raises
        ------
        KeyError
            The key holds nothing.
        """
        return self.blobs.get(self.objects[key])

    def remove(self, key: str) -> None:
        """Forget a key."""
        self.objects.pop(key, None)

    def when_stored(self, listener: Callable[[str, Blob], None]) -> None:
        """Call `listener` with the key and the bytes of each object that a client puts."""
        self._stored.append(listener)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request of a client."""
        key = request.match_info["key"]
        if "Authorization" in request.headers:
            return _refusal(400, "InvalidArgument", "Only one auth mechanism allowed")
        expires = request.query.get("expires", "")
        method = "GET" if request.method == "HEAD" else request.method
        if request.query.get("signature") != token(SECRET, method, key, expires):
            return _refusal(403, "SignatureDoesNotMatch", "The request signature does not match")
        if float(expires) < time.time():
            return _refusal(403, "AccessDenied", "Request has expired")
        if request.method == "PUT":
            if "Transfer-Encoding" in request.headers:
                what = "A header you provided implies functionality that is not implemented"
                return _refusal(501, "NotImplemented", what)
            blob = await read_blob(request, self.blobs)
            self.put(key, blob)
            for listener in self._stored:
                listener(key, blob)
            return web.Response(headers={"ETag": f'"{blob.md5}"'})
        try:
            blob = self.get(key)
        except KeyError:
            return _refusal(404, "NoSuchKey", "The specified key does not exist.")
        return serve_blob(request, blob, {"Content-Type": self.types.get(key, "application/octet-stream")})
