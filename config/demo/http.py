"""JSON over HTTP to our own servers, for the demo's programs. Platforms are spoken to through `platforms.transport`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

TIMEOUT_S = 10

# What the environment says of proxies is meant for the outside world, not for servers on this machine.
_opener = build_opener(ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    text: str

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The body. Raises ValueError if it is not JSON."""
        return json.loads(self.text)


def call(method: str, url: str, *, body: Mapping[str, object] | None = None, key: str | None = None) -> Answer:
    """One call, whatever its status. Raises OSError where nobody answers."""
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, data=data, headers=headers, method=method)  # noqa: S310 (addresses are our own)
    try:
        with _opener.open(request, timeout=TIMEOUT_S) as answer:
            return Answer(answer.status, answer.read().decode())
    except HTTPError as refusal:
        with refusal:
            return Answer(refusal.code, refusal.read().decode())
