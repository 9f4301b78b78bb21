"""Codes are what programs branch on: each that the code can answer with is in docs/api.md."""

import re
from pathlib import Path

from platforms.links import Refusal
from tests.config.api_world import DOCS

ROOT = Path(__file__).parents[2]
OWN = {
    code
    for app in (
        "affiliates",
        "platforms/refusals.py",
        "platforms/services/accounts.py",
        "platforms/services/connecting.py",
        "platforms/api",
        "platforms/errors.py",
        "platforms/services/settings.py",
        "campaigns",
        "reconciliation",
        "alerts",
        "config/api",
        "config/tables",
        "config/views.py",
        "config/errors.py",
    )
    for path in ([ROOT / app] if app.endswith(".py") else (ROOT / app).rglob("*.py"))
    for code in re.findall(r'\b(?:default_)?code ?= ?"([a-z_]+)"|as_json\(\d+, "([a-z_]+)"', path.read_text())
    for code in code
    if code
}
DRFS = {
    "parse_error",
    "not_authenticated",
    "authentication_failed",
    "permission_denied",
    "not_found",
    "method_not_allowed",
    "not_acceptable",
    "unsupported_media_type",
    "throttled",
}


def test_every_code_is_documented():
    assert {"already_taken", "duplicate_name", "body_too_large", "server_error", "no_platform"} <= OWN
    listed = set(re.findall(r"`([a-z_]+)`", DOCS.read_text().partition("| status | code | why |")[2]))
    assert OWN | DRFS | {refusal.value for refusal in Refusal} <= listed
