"""The OpenAPI document and the page that shows it."""

import json
import os
import re
import subprocess
import sys
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import call_command
from rest_framework.test import APIClient

from config.api.schema import MadeOnce

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def schema():
    return MadeOnce().get_schema()


def operations(schema):
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_schema_is_valid_and_free_of_guesses():
    written = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=written)
    assert written.getvalue().startswith("openapi: 3.1.0")


def test_every_operation_says_what_it_does_who_may_and_how_it_errs(schema):
    wrong = []
    for name, operation in operations(schema):
        error = operation["responses"]["default"]["content"]
        complete = (
            operation["summary"]
            and {"apiKey": []} in operation["security"]
            and error == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
            and any(status.startswith("2") for status in operation["responses"])
        )
        if not complete:
            wrong.append(name)
    assert wrong == []


def test_identifiers_of_operations_are_told_apart(schema):
    names = [operation["operationId"] for _, operation in operations(schema)]
    assert len(names) == len(set(names))


def test_pages_are_described_as_they_are(schema):
    page = schema["components"]["schemas"]["PaginatedCampaignList"]
    assert set(page["required"]) == {"next", "previous", "results"}
    parameters = {each["name"]: each["schema"] for each in schema["paths"]["/api/v1/campaigns"]["get"]["parameters"]}
    assert parameters["page_size"] == {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}
    assert set(parameters) == {"advertiser", "brand", "cursor", "market", "page_size", "platform", "status"}


def test_no_affiliate_is_promised_what_it_does_not_get(schema):
    required = schema["components"]["schemas"]["Campaign"]["required"]
    assert not {"budget", "conversion_lag_h"} & set(required)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/vnd.oai.openapi+json", "application/vnd.oai.openapi+json"),
        ("application/yaml", "application/yaml; charset=utf-8"),
    ],
)
@pytest.mark.parametrize("path", ["/api/schema", "/api/schema/"])
def test_anybody_may_read_it(accept, content_type, path):
    response = APIClient().get(path, headers={"accept": accept} if accept else {})
    assert (response.status_code, response["Content-Type"]) == (200, content_type)
    if "json" in content_type:
        assert json.loads(response.content)["openapi"] == "3.1.0"


def test_the_page_needs_no_exception_from_the_content_policy_and_no_other_host():
    page = APIClient().get("/api/docs/")
    assert page.status_code == 200
    assert "unsafe" not in page["Content-Security-Policy"]
    html = page.content.decode()
    assert not re.search(r"<style|style=|<script>|https?://", html)
    assets = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert len(assets) == 5
    assert all(asset.startswith(("/static/", "/api/docs/")) for asset in assets)
    script = APIClient().get(next(asset for asset in assets if asset.startswith("/api/docs/")))
    assert script["Content-Type"].startswith("application/javascript")
    assert '"/api/schema"' in script.content.decode()


FIRST_READERS = """
import sys
from concurrent.futures import ThreadPoolExecutor
import django
django.setup()
from config.api.schema import MadeOnce
sys.setswitchinterval(1e-6)
with ThreadPoolExecutor(4) as pool:
    first, *others = pool.map(lambda _: MadeOnce().get_schema(), range(4))
assert all(each is first for each in others)
"""


def test_the_first_to_ask_may_be_several_at_once():
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    subprocess.run([sys.executable, "-c", FIRST_READERS], check=True, cwd=settings.BASE_DIR, env=environment)
