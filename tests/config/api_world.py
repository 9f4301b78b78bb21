"""Every address of the API with something behind it, and a client of everybody there is.

A new route needs an entry in `BODIES` where it changes something, and one in `World.ids` or `WORDS` where its path has
a new parameter; its row in the table of docs/api.md is what the tests hold it to.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.test import APIClient

from affiliates.models import User

DOCS = Path(__file__).parents[2] / "docs" / "api.md"
A_FILE = " (a file)"
ROLES = ("anonymous", "affiliate", "viewer", "analyst", "manager", "staff")
METHODS = ("get", "post", "put", "patch", "delete")

FIGURES = {"claimed_views": 1_000, "claimed_clicks": 5, "claimed_conversions": 1}
SUBMISSION = FIGURES | {
    "campaign": "{campaign_id}",
    "platform": "youtube",
    "url": "https://www.youtube.com/watch?v=abcdefghijk",
    "tracking_link": "{link_code}",
    "title": "A title",
    "description": "What it is about.",
}
CAMPAIGN = {
    "starts_on": "2026-12-01",
    "ends_on": "2026-12-31",
    "budget": "10.00",
    "claim_window_days": 7,
    "landing_url": "https://shop.example/",
    "click_window_min": 60,
    "attribution_days": 7,
    "allows_get_postbacks": True,
}
LINK = {"platform": "youtube", "label": "In the bio", "destination": "/sale", "another": True}
PLATFORMS = {"platforms": [{"platform": "youtube", "rate_per_click": "0.50"}]}
SETTINGS = {
    "views_lag_h": 48,
    "rate_calls": 100,
    "rate_window_s": 60,
    "daily_quota": 5_000,
    "breaker_failures": 3,
    "breaker_open_s": 10,
    "breaker_open_max_s": 100,
    "credentials": {"api_key": "secret-of-ours"},
}
ME = {"name": "New name", "discord_user_id": "123456789012345678"}

BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/api/v1/affiliates"): ME | {"email": "new@example.com", "password": "correct horse battery"},
    ("PUT", "/api/v1/affiliates/me"): ME,
    ("PATCH", "/api/v1/affiliates/me"): ME,
    ("POST", "/api/v1/affiliates/me/discord-code"): {},
    ("POST", "/api/v1/affiliates/me/connections"): {"platform": "x", "token": "sb.x.3.1.0"},
    ("DELETE", "/api/v1/affiliates/me/connections/{connection_id}"): {},
    ("POST", "/api/v1/affiliates/me/accounts"): {"platform": "youtube", "handle": "@somebody"},
    ("DELETE", "/api/v1/affiliates/me/accounts/{account_id}"): {},
    ("POST", "/api/v1/affiliates/me/accounts/{account_id}/check"): {
        "post_url": "https://www.reddit.com/r/a/comments/abcdef/",
    },
    ("POST", "/api/v1/submissions"): SUBMISSION,
    ("POST", "/api/v1/affiliates/submissions"): SUBMISSION,
    ("POST", "/api/v1/submissions/bulk"): {"items": [SUBMISSION]},
    ("POST", "/api/v1/imports/{import_id}/apply"): {"rows": "good"},
    ("POST", "/api/v1/imports/{import_id}/discard"): {},
    ("POST", "/api/v1/submissions/{post_id}/withdraw"): {"reason": "mistyped"},
    ("POST", "/api/v1/submissions/{post_id}/correct"): FIGURES | {"reason": "mistyped"},
    ("PUT", "/api/v1/submissions/{post_id}/metrics"): FIGURES,
    ("PUT", "/api/v1/affiliates/submissions/{post_id}/metrics"): FIGURES,
    ("POST", "/api/v1/campaigns"): CAMPAIGN
    | PLATFORMS
    | {
        "advertiser": "{advertiser_id}",
        "brand": "BRAND",
        "market": "MARKET",
        "campaign_name": "New campaign",
        "year": 2027,
        "currency": "EUR",
        "conversion_lag_h": 48,
        "is_open": False,
        "allows_shared_content": True,
        "requires_proof": True,
    },
    ("PUT", "/api/v1/campaigns/{campaign_id}"): CAMPAIGN,
    ("PATCH", "/api/v1/campaigns/{campaign_id}"): CAMPAIGN,
    ("POST", "/api/v1/campaigns/{campaign_id}/activate"): {},
    ("POST", "/api/v1/campaigns/{campaign_id}/pause"): {},
    ("POST", "/api/v1/campaigns/{campaign_id}/complete"): {},
    ("PUT", "/api/v1/campaigns/{campaign_id}/platforms"): PLATFORMS,
    ("POST", "/api/v1/campaigns/{campaign_id}/links"): LINK,
    ("POST", "/api/v1/campaigns/{campaign_id}/postback-keys"): {},
    ("DELETE", "/api/v1/campaigns/{campaign_id}/postback-keys/{key_id}"): {},
    ("POST", "/api/v1/brands"): {"code": "NEW", "name": "New brand", "advertiser": "{advertiser_id}"},
    ("POST", "/api/v1/markets"): {"code": "NEW", "country": "New country", "region": "New region"},
    ("PUT", "/api/v1/platforms/{platform}/config"): SETTINGS,
    ("PATCH", "/api/v1/platforms/{platform}/config"): SETTINGS,
    ("POST", "/api/v1/platforms/{platform}/fetch"): {"posts": ["{post_id}"]},
    ("POST", "/api/v1/reconciliation/run"): {"campaign": "{campaign_id}"},
    ("POST", "/api/v1/reconciliation/runs/{run_id}/cancel"): {},
    ("POST", "/api/v1/reconciliation/results/{result_id}/dispute"): {"text": "These views are real."},
    ("POST", "/api/v1/reconciliation/disputes/{dispute_id}/decide"): {
        "outcome": "DISCREPANCY",
        "level": "LOW",
        "reason": "evidence",
        "note": "Seen in their own analytics.",
    },
    ("POST", "/api/v1/reconciliation/disputes/{dispute_id}/withdraw"): {},
    ("PUT", "/api/v1/alerts/{alert_id}/acknowledge"): {},
    ("PUT", "/api/v1/alerts/{alert_id}/resolve"): {"note": "Talked to them."},
}
"""What each endpoint that changes something takes, files apart, in one form that it accepts."""
FILES = {
    "submissions": b"affiliate,campaign,url,claimed_views\nsomebody,NO_SUCH,https://youtu.be/abcdefghijk,5\n",
    "campaigns": b"brand,market,campaign_name,starts_on,ends_on\nNO,NO,Name,2026-12-01,2026-12-31\n",
    "affiliates": b"name,email\nSomebody,somebody@example.com\n",
}
"""By kind, what its endpoint for files accepts."""
WORDS = {"platform": "youtube", "file_format": "jsonl"}
"""What stands for the parameters of paths that are no ids: everybody knows them."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: who may do what. Cells are by role."""

    method: str
    path: str
    scope: str
    cells: dict[str, str]
    is_upload: bool
    """Whether it is about a file that is sent there in a form."""

    def allows(self, role: str) -> bool:
        return self.cells[role] != "–"


@dataclass(frozen=True, slots=True)
class World:
    """People by role with their clients, clients of strangers of these roles, and ids to stand for parameters."""

    people: dict[str, User]
    clients: dict[str, APIClient]
    strangers: dict[str, APIClient]
    ids: dict[str, str]

    def path(self, template: str) -> str:
        """An address with the world's own ids in it."""
        return template.format(**self.ids, **WORDS)

    def send(self, client: APIClient, row: "Row", **more: Any) -> Any:
        """What an endpoint answers to a body that it accepts."""
        form: dict[str, Any] = {"data": self.body(row) or None}
        if row.is_upload:
            kind = row.path.split("/")[3]
            form = {"data": {"file": SimpleUploadedFile("rows.csv", FILES[kind])}, "format": "multipart"}
        return getattr(client, row.method.lower())(self.path(row.path), **form, **more)

    def client_for(self, row: "Row") -> APIClient:
        """Somebody who may use this endpoint; staff if they may."""
        return self.clients[next(role for role in reversed(ROLES) if row.allows(role))]

    def body(self, row: Row) -> dict[str, Any]:
        """A body that this endpoint accepts."""
        filled: dict[str, Any] = self._filled({} if row.is_upload else BODIES.get((row.method, row.path), {}))
        return filled

    def _filled(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._filled(each) for each in value]
        if isinstance(value, dict):
            return {name: self._filled(each) for name, each in value.items()}
        return value.format(**self.ids) if isinstance(value, str) and value.startswith("{") else value


def documented() -> list[Row]:
    """The rows of docs/api.md."""
    cells = [
        re.split(r"\s*\|\s*", line.strip("| \n")) for line in DOCS.read_text().splitlines() if line.startswith("| ")
    ]
    header = next(row for row in cells if row[:3] == ["method", "path", "scope"])
    assert tuple(header[3:]) == ROLES
    return [
        Row(method, path.removesuffix(A_FILE), scope, dict(zip(ROLES, by_role, strict=True)), path.endswith(A_FILE))
        for method, path, scope, *by_role in cells
        if method.lower() in METHODS
    ]


def routed() -> set[tuple[str, str]]:
    """Every (method, path) under /api/ that the URLconf answers."""
    return {
        (method.upper(), path)
        for path, pattern in _patterns(get_resolver().url_patterns, "/")
        if path.startswith("/api/")
        for method in METHODS
        if hasattr(pattern.callback.cls, method)  # type: ignore[attr-defined]
    }


def _patterns(patterns: Any, prefix: str) -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        path = prefix + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            yield from _patterns(pattern.url_patterns, path)
        else:
            yield path, pattern
