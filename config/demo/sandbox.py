"""How the demo moves the sandbox, and learns which world it serves."""

import re
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import parse_qs, urlencode, urlsplit

from config.demo.http import call
from platforms.errors import PlatformError
from platforms.sandbox.state import utc_moment
from platforms.sandbox.world import World
from platforms.transport import shared_http


class SandboxError(Exception):
    """The sandbox is not there, or is not what answers."""


class SandboxControl:
    """A running sandbox, by its URL."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def world(self) -> World:
        """The world it serves, which is a function of the seed and the epoch on its front page. Raises SandboxError."""
        try:
            page = call("GET", f"{self._url}/").text
        except OSError as error:
            raise SandboxError(f"No sandbox answers at {self._url}: start one with `manage.py sandbox`.") from error
        found = re.search(r"seed (-?\d+), epoch (\S+)", page)
        if not found:
            raise SandboxError(f"What answers at {self._url} is no sandbox.")
        return World(int(found[1]), utc_moment(found[2]))

    def set_clock(self, moment: datetime | None) -> None:
        """Stop its clock at a moment, or let it show the real time with None. Raises SandboxError, OSError."""
        self._post("clock", {"now": moment and moment.isoformat(), "frozen": moment is not None})

    def reset(self) -> None:
        """Let its counters begin anew. Raises SandboxError, OSError."""
        self._post("reset", {})

    def allow(self, address: str, handle: str) -> str:
        """The code that somebody comes back with who allows an application what it asks for. Raises SandboxError."""
        decided = urlencode({"handle": handle, "decision": "allow"})
        try:
            answer = shared_http.request("GET", f"{address}&{decided}", platform="sandbox")
        except PlatformError as error:
            raise SandboxError(f"The sandbox did not let {handle} decide: {error}") from error
        code = parse_qs(urlsplit(answer.headers.get("location", "")).query).get("code")
        if not code:
            raise SandboxError(f"The sandbox sent {handle} back without a code.")
        return code[0]

    def revoke(self, platform: str, handle: str) -> None:
        """Take back all that somebody has allowed so far. Raises SandboxError, OSError."""
        self._post("revoke", {"platform": platform, "handle": handle})

    def _post(self, what: str, body: Mapping[str, object]) -> None:
        answer = call("POST", f"{self._url}/__sandbox__/{what}", body=body)
        if not answer.ok:
            raise SandboxError(f"The sandbox refused: {answer.text[:200]}")
