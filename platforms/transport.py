"""HTTP to the platforms: one client a process, bounded in time and size, and silent about URLs and tokens.

The only module that knows httpx. A call is over after `total_s` whatever the other side does, down to a header sent
letter by letter: each wait gets what is left of the call's time (looking up the host's name apart). A body is refused
once it is larger than `body_bytes` after decompression, and is decompressed no further than that.
"""

import json
import logging
import math
import os
import re
import socket
import ssl
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpcore
import httpx
import structlog

from platforms.errors import ErrorKind, PlatformError

log = structlog.get_logger(__name__)
logging.getLogger("httpx").setLevel(logging.WARNING)  # its INFO line prints whole URLs, keys included

_deadline_s: ContextVar[float] = ContextVar("deadline_s")  # on the monotonic clock

# What PostgreSQL cannot store: NUL, and surrogates without their partner.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Limits:
    connect_s: float = 3
    read_s: float = 8
    total_s: float = 10
    body_bytes: int = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, whatever its status. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> object:
        """The body as JSON that can be stored and compared safely: no NaN or infinity, no NUL, no lone surrogates;
        a number too large to be a count stays text. Raises PlatformError (malformed)."""
        try:
            return _storable(
                json.loads(self.body, parse_int=_whole_number, parse_float=_fraction, parse_constant=_no_number)
            )
        except (ValueError, RecursionError):
            raise PlatformError(ErrorKind.MALFORMED, "not_json", "The platform's answer is not JSON.") from None


class Http:
    """The way out. Share one a process: its connections are kept, and made anew after a fork."""

    def __init__(self, limits: Limits = Limits()) -> None:
        self._limits = limits
        self._client: httpx.Client | None = None
        self._pid = 0

    def request(
        self,
        method: str,
        url: str,
        *,
        platform: str,
        ids: int = 0,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> Response:
        """One call; redirects are not followed. `platform` and `ids` (how many posts it asks for) are for the log.

        Raises PlatformError: unavailable for whatever the network does, malformed for a 2xx whose body is too large
        or wrongly compressed. Any other status comes back as it is, with an empty body where that cannot be read.
        """
        started = time.monotonic()
        scope = _deadline_s.set(started + self._limits.total_s)
        status: int | None = None
        try:
            with self._connected().stream(method, url, params=params, headers=headers, data=form) as answer:
                status = answer.status_code
                return Response(status, dict(answer.headers), self._body(answer))
        # Without the cause: httpx's errors carry the request, and some quote the header that holds the token.
        except httpx.TimeoutException:
            raise PlatformError(ErrorKind.UNAVAILABLE, "timeout", "The platform did not answer in time.") from None
        except httpx.TransportError:
            raise PlatformError(ErrorKind.UNAVAILABLE, "network", "The platform could not be reached.") from None
        finally:
            _deadline_s.reset(scope)
            duration_ms = round((time.monotonic() - started) * 1000)
            log.info("platform_call", platform=platform, status=status, duration_ms=duration_ms, ids=ids)

    def close(self) -> None:
        """Let go of the kept connections; the next call makes new ones."""
        if self._client is not None and self._pid == os.getpid():
            self._client.close()
        self._client = None

    def _connected(self) -> httpx.Client:
        # A socket shared by two processes mixes up their answers, so a forked child leaves its parent's client alone.
        if self._client is None or self._pid != os.getpid():
            self._client = httpx.Client(
                transport=_Transport(),
                timeout=httpx.Timeout(self._limits.read_s, connect=self._limits.connect_s),
                follow_redirects=False,
                trust_env=False,
                headers={"User-Agent": "claimcheck", "Accept": "application/json", "Accept-Encoding": "gzip"},
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            )
            self._pid = os.getpid()
        return self._client

    def _body(self, answer: httpx.Response) -> bytes:
        try:
            return _decoded(
                answer.iter_raw(), answer.headers.get("content-encoding", "").lower(), self._limits.body_bytes
            )
        except (PlatformError, httpx.TransportError):
            if answer.is_success:
                raise
            return b""  # the status says enough


shared_http = Http()


def _decoded(chunks: Iterator[bytes], encoding: str, limit_bytes: int) -> bytes:
    """The body, decompressed here since httpx would unpack a bomb whole before anybody could look at its size."""
    if encoding not in ("", "identity", "gzip"):
        raise PlatformError(ErrorKind.MALFORMED, "content_encoding", "The answer's compression is not ours.")
    gzip = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    body = bytearray()
    for chunk in chunks:
        try:
            body += gzip.decompress(chunk, limit_bytes + 1 - len(body)) if gzip else chunk
        except zlib.error:
            raise PlatformError(ErrorKind.MALFORMED, "gzip", "The answer is not the gzip it says it is.") from None
        if len(body) > limit_bytes:
            raise PlatformError(ErrorKind.MALFORMED, "too_large", "The platform's answer is too large.")
    if gzip and not gzip.eof:
        raise PlatformError(ErrorKind.MALFORMED, "gzip", "The answer ends in the middle of its gzip.")
    return bytes(body)


# --- JSON


def _whole_number(text: str) -> int | str:
    return int(text) if len(text) <= 20 else text


def _fraction(text: str) -> float | str:
    return number if math.isfinite(number := float(text)) else text


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _storable(value: object) -> object:
    match value:
        case str():
            return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value)
        case list():
            return [_storable(each) for each in value]
        case dict():
            return {_storable(key): _storable(each) for key, each in value.items()}
    return value


# --- The call's time


def _left_s(timeout_s: float | None) -> float:
    left_s = _deadline_s.get() - time.monotonic()
    if left_s <= 0:
        raise httpcore.ReadTimeout("The call's time is over.")
    return left_s if timeout_s is None else min(timeout_s, left_s)


class _DeadlineStream(httpcore.NetworkStream):
    """A connection whose every wait ends with the call."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left_s(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left_s(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, _left_s(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _DeadlineBackend(httpcore.SyncBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Each address of the host in turn, until the call's time is over; left alone, each would get its own."""
        try:
            addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        failure: httpcore.ConnectError | httpcore.ConnectTimeout = httpcore.ConnectError("The host has no address.")
        for *_, address in addresses:
            try:
                stream = super().connect_tcp(str(address[0]), port, _left_s(timeout), local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _DeadlineStream(stream)
        raise failure


class _Transport(httpx.HTTPTransport):
    """httpx's transport on a pool of our own making: httpx has no argument for the network beneath."""

    def __init__(self) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False),
            max_connections=10,
            keepalive_expiry=5,
            network_backend=_DeadlineBackend(),
        )
