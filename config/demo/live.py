"""A claim made over the API while one looks on: submitted, waited for, and what came of it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from config.demo.http import Answer, call

VERDICT_TIMEOUT_S = 90
ALERT_TIMEOUT_S = 15
POLL_S = 0.1


class LiveError(Exception):
    """The API refused, or no verdict came; the message is for people."""


@dataclass(frozen=True, slots=True)
class Api:
    """The API as the owner of a key sees it."""

    base_url: str
    key: str

    def get(self, path: str) -> Any:
        """What is at a path below /api/v1/. Raises LiveError."""
        return self._answered(call("GET", f"{self.base_url}/api/v1/{path}", key=self.key))

    def post(self, path: str, body: Mapping[str, object]) -> Any:
        """What comes of a POST there. Raises LiveError."""
        return self._answered(call("POST", f"{self.base_url}/api/v1/{path}", body=body, key=self.key))

    def _answered(self, answer: Answer) -> Any:
        try:
            content = answer.json()
        except ValueError as error:
            raise LiveError(f"Answer {answer.status}, which is not JSON.") from error
        if not answer.ok:
            reasons = "; ".join(f"{each['field']}: {each['detail']}" for each in content["errors"])
            raise LiveError(f"Refused with {answer.status}: {reasons or content['detail']}")
        return content


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of a claim: how the post stands, as the API shows it, and how long the verdict took."""

    standing: Mapping[str, Any]
    took_s: float

    @property
    def verdict(self) -> Mapping[str, Any]:
        verdict: Mapping[str, Any] = self.standing["verdict"]
        return verdict


def pause() -> None:
    """The moment between two looks."""
    time.sleep(POLL_S)


def submit_and_wait(api: Api, claim: Mapping[str, object], pause: Callable[[], None] = pause) -> Seen:
    """Claim figures and wait for the verdict on them, provisional ones included.

    Raises LiveError for a refused claim and when no verdict comes, OSError where nobody answers.
    """
    started = time.monotonic()
    accepted = api.post("submissions", claim)
    while time.monotonic() < started + VERDICT_TIMEOUT_S:
        standing = api.get(f"submissions/{accepted['id']}")
        if standing["state"] == "failed":
            raise LiveError("No look at this post is to come: staff see why.")
        if standing["verdict"]:
            return Seen(standing, time.monotonic() - started)
        pause()
    raise LiveError(f"No verdict within {VERDICT_TIMEOUT_S} s: is a worker running?")


def trust_of(api: Api, affiliate_id: str) -> Mapping[str, Any]:
    """An affiliate's trust, with the counts behind it."""
    trust: Mapping[str, Any] = api.get(f"affiliates/{affiliate_id}/performance")["trust"]
    return trust


def alert_about(api: Api, seen: Seen, pause: Callable[[], None] = pause) -> Mapping[str, Any] | None:
    """The alert that a verdict raised, which follows it shortly; None where none comes."""
    where = f"alerts?affiliate={seen.standing['affiliate']['id']}&campaign={seen.standing['campaign']['id']}"
    deadline = time.monotonic() + ALERT_TIMEOUT_S
    while time.monotonic() < deadline:
        for alert in api.get(where)["results"]:
            if alert["result"] == seen.verdict["id"]:
                found: Mapping[str, Any] = alert
                return found
        pause()
    return None
