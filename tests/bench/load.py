"""A closed loop of HTTP requests, cheap enough to leave the machine to the servers: plain sockets and one thread."""

import selectors
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

ANSWER_LIMIT_S = 30


@dataclass(frozen=True, slots=True)
class Load:
    """What some connections got answered: each answer's time, in milliseconds, and how long all of it took."""

    durations_ms: list[float]
    elapsed_s: float
    bodies: list[bytes] = field(repr=False)

    @property
    def per_second(self) -> float:
        return len(self.durations_ms) / self.elapsed_s

    def percentile_ms(self, percent: int) -> float:
        """The time within which so many of a hundred requests were answered."""
        ranked = sorted(self.durations_ms)
        return ranked[min(len(ranked) - 1, len(ranked) * percent // 100)]


class UnexpectedAnswerError(AssertionError):
    """A server did not answer as it should have; the message is its answer."""


def request(method: str, path: str, *, key: str = "", body: bytes = b"", headers: str = "") -> bytes:
    """A request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    if key:
        lines.append(f"Authorization: Bearer {key}")
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n" + headers.encode() + b"\r\n" + body


def send(port: int, requests: Iterator[bytes], *, connections: int = 8, status: int, keep_bodies: bool = False) -> Load:
    """Send all the requests, each connection its next one as soon as the last is answered.

    Raises UnexpectedAnswerError where an answer has another status, TimeoutError where none comes.
    """
    durations_ms: list[float] = []
    bodies: list[bytes] = []
    expected = f"HTTP/1.1 {status} ".encode()
    with selectors.DefaultSelector() as selector:
        started = time.perf_counter()
        for _ in range(connections):
            one = _Connection(port)
            if one.send_next(requests):
                selector.register(one.socket, selectors.EVENT_READ, one)
        while selector.get_map():
            ready = selector.select(ANSWER_LIMIT_S)
            if not ready:
                raise TimeoutError(f"No answer within {ANSWER_LIMIT_S} s.")
            for event, _ in ready:
                one = event.data
                if (answer := one.read()) is None:
                    continue
                durations_ms.append((time.perf_counter() - one.sent_at) * 1_000)
                if not answer.startswith(expected):
                    raise UnexpectedAnswerError(answer.decode(errors="replace")[:2_000])
                if keep_bodies:
                    bodies.append(answer.partition(b"\r\n\r\n")[2])
                if not one.send_next(requests):
                    selector.unregister(one.socket)
                    one.socket.close()
        return Load(durations_ms, time.perf_counter() - started, bodies)


class _Connection:
    """One connection, kept open: a request at a time, and its answer as far as it has come."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), ANSWER_LIMIT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent_at = 0.0
        self._answer = b""

    def send_next(self, requests: Iterator[bytes]) -> bool:
        """Whether there was one."""
        given = next(requests, None)
        if given is None:
            return False
        self.sent_at, self._answer = time.perf_counter(), b""
        self.socket.sendall(given)
        return True

    def read(self) -> bytes | None:
        """The answer, once all of it is there."""
        chunk = self.socket.recv(1 << 18)
        if not chunk:
            raise UnexpectedAnswerError(f"The server hung up after {self._answer!r}.")
        self._answer += chunk
        head, gap, body = self._answer.partition(b"\r\n\r\n")
        if not gap:
            return None
        return self._answer if len(body) >= _length(head.lower()) else None


def _length(head: bytes) -> int:
    _, _, rest = head.partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0])
