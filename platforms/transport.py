"""HTTP to the platforms: one client a process, bounded in time and size, and silent about URLs and tokens.

The only module that knows httpx. A call is over after `total_s` whatever the other side does, down to a header sent
letter by letter: each wait gets what is left of the call's time (looking up the host's name apart). A body is refused
once it is larger than `body_bytes` after decompression, and is decompressed no further than that.

Where a stranger chooses what is asked (`public_only`), the connection goes to an address that was looked at first: by
port 443 to the public internet, or not at all.
"""

import json
import logging
import math
import os
import re
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import IPv6Address, IPv6Network, ip_address
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

_GZIP = ("gzip", "x-gzip")  # one thing by two names (RFC 9110, 8.4.1.3)

_IPV6_INTERNET = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Limits:
    connect_s: float = 3
    read_s: float = 8
    total_s: float = 10
    body_bytes: int = 8 * 1024 * 1024
    cut_body: bool = False  # take the start of a larger body instead of refusing it


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, whatever its status. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self, *, lenient: bool = False) -> object:
        """The body as JSON that can be stored and compared safely: no NaN or infinity, no NUL, no lone surrogates;
        a number too large to be a count stays text. Raises PlatformError (malformed). `lenient`: a NaN is null."""
        constant = _null if lenient else _no_number
        try:
            return _storable(
                json.loads(self.body, parse_int=_whole_number, parse_float=_fraction, parse_constant=constant)
            )
        except (ValueError, RecursionError):
            raise PlatformError(ErrorKind.MALFORMED, "not_json", "The platform's answer is not JSON.") from None


class Http:
    """The way out. Share one a process: its connections are kept, and made anew after a fork."""

    def __init__(self, limits: Limits = Limits(), *, public_only: bool = False) -> None:
        self.public_only = public_only
        self._limits = limits
        self._client: httpx.Client | None = None
        self._pid = 0
        self._making = threading.Lock()

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
        json: object = None,
        within_s: float = math.inf,
    ) -> Response:
        """One call; redirects are not followed. `platform` and `ids` (how many posts it asks for) are for the log.
        A body goes out as `form` or as `json`. `within_s` is for a caller whose own time is shorter than a call's.

        Raises PlatformError: unavailable for whatever the network does, malformed for a 2xx whose body ends early, is
        too large or wrongly compressed. Any other status comes back as it is, with an empty body where that cannot be
        read.
        """
        started = time.monotonic()
        scope = _deadline_s.set(started + min(self._limits.total_s, within_s))
        status: int | None = None
        try:
            with self._connected().stream(method, url, params=params, headers=headers, data=form, json=json) as answer:
                status = answer.status_code
                return Response(status, dict(answer.headers), self._body(answer))
        # Without the cause: httpx's errors carry the request, and some quote the header that holds the token.
        except httpx.TimeoutException:
            raise PlatformError(ErrorKind.UNAVAILABLE, "timeout", "The platform did not answer in time.") from None
        except (httpx.TransportError, httpx.InvalidURL):  # the latter for a Location that httpx cannot read
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
        with self._making:  # of several threads that come first, one makes it
            # A socket shared by two processes mixes up their answers: a forked child leaves its parent's client alone.
            if self._client is None or self._pid != os.getpid():
                self._client = httpx.Client(
                    transport=_Transport(_PublicBackend() if self.public_only else _DeadlineBackend()),
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
            return _decoded(answer.iter_raw(), answer.headers.get("content-encoding", "").lower(), self._limits)
        except (PlatformError, httpx.TransportError) as error:
            if not answer.is_success:
                return b""  # the status says enough
            if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError):
                raise PlatformError(ErrorKind.MALFORMED, "cut_short", "The platform's answer ends early.") from None
            raise


shared_http = Http()


def _decoded(chunks: Iterator[bytes], encoding: str, limits: Limits) -> bytes:
    """The body, decompressed here since httpx would unpack a bomb whole before anybody could look at its size."""
    if encoding not in ("", "identity", *_GZIP):
        raise PlatformError(ErrorKind.MALFORMED, "content_encoding", "The answer's compression is not ours.")
    gzip = _Gunzip() if encoding in _GZIP else None
    body = bytearray()
    for chunk in chunks:
        try:
            body += gzip.unpacked(chunk, limits.body_bytes + 1 - len(body)) if gzip else chunk
        except zlib.error:
            raise PlatformError(ErrorKind.MALFORMED, "gzip", "The answer is not the gzip it says it is.") from None
        if len(body) > limits.body_bytes:
            if limits.cut_body:
                return bytes(body[: limits.body_bytes])
            raise PlatformError(ErrorKind.MALFORMED, "too_large", "The platform's answer is too large.")
    if gzip and not gzip.is_whole:
        raise PlatformError(ErrorKind.MALFORMED, "gzip", "The answer ends in the middle of its gzip.")
    return bytes(body)


class _Gunzip:
    """Unpacks a gzip, which may be several, one after the other (RFC 1952, 2.2)."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)

    @property
    def is_whole(self) -> bool:
        return self._member.eof

    def unpacked(self, chunk: bytes, max_bytes: int) -> bytes:
        """At most `max_bytes` of what `chunk` adds; the rest of a chunk that holds more is lost."""
        unpacked = bytearray()
        while chunk and len(unpacked) < max_bytes:
            if self._member.eof:
                self._member = zlib.decompressobj(wbits=31)
            unpacked += self._member.decompress(chunk, max_bytes - len(unpacked))
            chunk = self._member.unused_data
        return bytes(unpacked)


# --- JSON


def _whole_number(text: str) -> int | str:
    return int(text) if len(text) <= 20 else text


def _fraction(text: str) -> float | str:
    return number if math.isfinite(number := float(text)) else text


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _null(name: str) -> None:
    return None


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
        failure: httpcore.ConnectError | httpcore.ConnectTimeout = httpcore.ConnectError("The host has no address.")
        for address in self._addresses(host, port):
            try:
                stream = super().connect_tcp(address, port, _left_s(timeout), local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _DeadlineStream(stream)
        raise failure

    def _addresses(self, host: str, port: int) -> list[str]:
        try:
            return [str(address[0]) for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error


class _PublicBackend(_DeadlineBackend):
    """Connects to what it has looked at, so a name that answers differently a moment later gains nothing."""

    def _addresses(self, host: str, port: int) -> list[str]:
        if port != 443:
            raise httpcore.ConnectError("Only port 443 is asked.")
        addresses = super()._addresses(host, port)
        # One bad address spoils them all: a public host has no business with the inside of anybody's network.
        if host in addresses or not all(map(is_public, addresses)):
            raise httpcore.ConnectError("The host is not on the public internet.")
        return addresses


def is_public(address: str) -> bool:
    """Whether a stranger may send us to this address; an IPv4 address within an IPv6 one is looked at as itself."""
    ip = ip_address(address)
    if isinstance(ip, IPv6Address):
        if ip in _NAT64:
            return is_public(str(ip_address(int(ip) & 0xFFFFFFFF)))
        if ip.ipv4_mapped:
            return is_public(str(ip.ipv4_mapped))
        # What wraps an IPv4 address in some other way (6to4, Teredo) leads somewhere no table of ours speaks of.
        if ip not in _IPV6_INTERNET or ip.sixtofour or ip.teredo:
            return False
    return ip.is_global and not ip.is_multicast


class _Transport(httpx.HTTPTransport):
    """httpx's transport on a pool of our own making: httpx has no argument for the network beneath."""

    def __init__(self, network: httpcore.NetworkBackend) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False),
            max_connections=10,
            keepalive_expiry=5,
            network_backend=network,
        )
