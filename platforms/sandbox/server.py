"""The sandbox on a socket: HTTP/1.1 with keep-alive, one daemon thread a connection."""

import os
import socket
import struct
import sys
import threading
import time
from dataclasses import replace
from datetime import datetime
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from platforms.sandbox import control, routes, short_links
from platforms.sandbox.state import SandboxState
from platforms.sandbox.wire import Context, Endpoint, FaultKind, Reply, Request, json_reply
from platforms.sandbox.world import World

BODY_LIMIT_BYTES = 1 << 20
SLOW_S = 2.0
HANG_LIMIT_S = 60.0
SHUTDOWN_POLL_S = 0.05


class Hangup(Enum):
    """How a connection ends without an answer: closed in good order, or by a TCP reset."""

    CLOSE = auto()
    RESET = auto()


def platform_reply(endpoint: Endpoint, request: Request, state: SandboxState) -> Reply | Hangup:
    """What the platform answers, its fault of the moment included."""
    if endpoint.ids is not None:
        state.count(endpoint.platform, len(endpoint.ids(request)))
    context = Context(state.world, state.now(), state.data_calls(endpoint.platform), state.notes)
    if endpoint.refuse is None:
        return endpoint.answer(request, context)
    # Tokens come from another host than data; all that reaches them is that the application is refused.
    fault = state.strike(endpoint.platform) if endpoint.ids else state.strike(endpoint.platform, FaultKind.AUTH)
    if fault is None:
        return endpoint.answer(request, context)
    match fault.kind:
        case FaultKind.TIMEOUT:
            fault.cleared.wait(min(fault.seconds_left, HANG_LIMIT_S))
            return Hangup.CLOSE
        case FaultKind.RESET:
            return Hangup.RESET
        case FaultKind.SLOW:
            fault.cleared.wait(SLOW_S)
            return endpoint.answer(request, context)
        case FaultKind.PARTIAL:
            return endpoint.answer(request, replace(context, partial=True))
        case FaultKind.MALFORMED:
            reply = endpoint.answer(request, context)
            return replace(reply, body=reply.body[: len(reply.body) // 2])
        case _:
            # Whole seconds, at least one: nobody is told to come back at once.
            return endpoint.refuse(fault.kind, context, int(fault.seconds_left) + 1)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    # Head and body leave in one packet.
    wbufsize = -1
    server: "_Server"

    def do_GET(self) -> None:
        request = self._request()
        reply = self.server.reply(request) if isinstance(request, Request) else request
        if isinstance(reply, Hangup):
            self._hang_up(reply)
        else:
            self._send(reply)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_GET

    def _request(self) -> Request | Reply:
        """The request that came in, or the refusal of a body that cannot be read (the connection ends with it)."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
            self.close_connection = True
            return json_reply(411, {"error": "a body needs its Content-Length"})
        if len(length) > 9 or int(length) > BODY_LIMIT_BYTES:
            self.close_connection = True
            return json_reply(413, {"error": f"a body may have {BODY_LIMIT_BYTES} bytes"})
        path, _, query_string = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.command, path, query_string, headers, self.rfile.read(int(length)))

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    def _hang_up(self, how: Hangup) -> None:
        self.close_connection = True
        if how is Hangup.RESET:
            # Lingering for zero seconds turns the close into a reset; detached, nobody says goodbye first.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())

    def version_string(self) -> str:
        return "sandbox"

    def log_message(self, format: str, *args: object) -> None:
        """A line for every request would bury whatever else the terminal shows."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], state: SandboxState, latency_ms: int) -> None:
        self.state = state
        self._latency_s = latency_ms / 1000
        self._connections: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def reply(self, request: Request) -> Reply | Hangup:
        found = routes.find(request)
        if found is None:
            return short_links.answer(request, self.state) or control.answer(request, self.state)
        if self._latency_s > 0:
            time.sleep(self._latency_s)
        return platform_reply(*found, self.state)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Stop listening and end the kept-alive connections too: a platform that is gone answers nobody."""
        super().server_close()
        self.state.reset()
        for connection in tuple(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # The other side was faster.

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error of ours; anything else is shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class SandboxServer:
    """A sandbox that listens from the moment it is made; port 0 takes a free one.

    As a context manager it serves from a thread of its own and is gone at the end of the block; `serve_forever` serves
    from the caller's thread. `state` moves its clock, faults and counters without HTTP; latency is added to every call
    of a platform.
    """

    def __init__(
        self, *, seed: int, epoch: datetime, host: str = "127.0.0.1", port: int = 0, latency_ms: int = 0
    ) -> None:
        self.state = SandboxState(World(seed, epoch))
        self._http = _Server((host, port), self.state, latency_ms)
        self.url = f"http://{host}:{self._http.server_address[1]}"

    def serve_forever(self) -> None:
        try:
            self._http.serve_forever(SHUTDOWN_POLL_S)
        finally:
            self._http.server_close()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.serve_forever, name="sandbox", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._http.shutdown()
        self._thread.join()
