"""Two worlds: what a test key may see and touch of the live one, and the other way round. Nothing."""

import pytest
from django.db import transaction
from django.test import Client

from affiliates.models import Affiliate
from campaigns.models import Advertiser, Campaign, Market
from platforms.models import Account, Connection
from reconciliation.models import Import
from tests.config.api_world import documented
from tests.config.test_api_access import probe
from tests.hostile import assert_problem

TABLE = documented()
SHARED = {"affiliate_id"}
"""People are the same in both modes."""
OPEN_TO_BOTH = {
    ("POST", "/api/v1/affiliates/me/connections"),
    ("POST", "/api/v1/affiliates/me/accounts"),
    ("PUT", "/api/v1/affiliates/me"),
    ("PATCH", "/api/v1/affiliates/me"),
    ("POST", "/api/v1/affiliates"),
    ("POST", "/api/v1/affiliates/me/discord-code"),
    ("POST", "/api/v1/submissions/bulk"),
    ("POST", "/api/v1/campaigns/bulk"),
    ("POST", "/api/v1/affiliates/bulk"),
    ("POST", "/api/v1/markets"),
    ("PUT", "/api/v1/platforms/{platform}/config"),
    ("PATCH", "/api/v1/platforms/{platform}/config"),
}
"""What makes a row of the key's own mode, or changes what modes share: see the test of that."""


@pytest.fixture(params=["test", "live"])
def crossing(request, world, client_of):
    """(The mode of the keys, a client by role); every row of the world is of the other mode."""
    is_live = request.param == "live"
    if is_live:
        for model in (Advertiser, Campaign, Connection, Account, Import):
            rows = model.objects.exclude(affiliate=None) if model is Connection else model.objects.all()
            rows.update(livemode=False)
    return request.param, {role: client_of(user, livemode=is_live) for role, user in world.people.items()}


def test_no_key_sees_or_touches_a_row_of_the_other_mode(world, crossing):
    mode, clients = crossing
    wrong = []
    for row in TABLE:
        for role, client in clients.items():
            response = probe(client, row, world)
            text, name = response.content.decode(), f"{row.method} {row.path} as {role} in {mode} mode"
            found = [name for name, pk in world.ids.items() if pk in text and name not in SHARED]
            if found and row.path != "/api/schema" and response.status_code < 400:
                wrong.append(f"{name} shows {found}")
            if row.method != "GET" and (row.method, row.path) not in OPEN_TO_BOTH and response.status_code < 400:
                wrong.append(f"{name}: {response.status_code}")
            names_a_row = any(f"{{{each}}}" in row.path for each in world.ids if each not in SHARED)
            if names_a_row and response.status_code not in (403, 404):
                wrong.append(f"{name}: {response.status_code}")
    assert wrong == []


def test_a_test_key_sees_its_own_world(world, client_of):
    for model in (Advertiser, Campaign):
        model.objects.update(livemode=False)
    client = client_of(world.people["manager"], livemode=False)
    for address in ("campaigns", "alerts", "reconciliation/results", "reconciliation/runs", "submissions/history"):
        assert client.get(f"/api/v1/{address}").json()["results"], address
    assert client.get(world.path("/api/v1/submissions/{post_id}")).status_code == 200
    assert client.get("/api/v1/exports/verdicts.jsonl").getvalue()


@pytest.mark.parametrize(
    ("role", "method", "path", "body"),
    [
        ("affiliate", "put", "affiliates/me", {"name": "Other name"}),
        ("affiliate", "patch", "affiliates/me", {"name": "Other name"}),
        ("staff", "post", "affiliates", {"name": "Somebody", "email": "somebody@example.com"}),
        ("staff", "post", "affiliates/bulk", {"file": "any"}),
        ("affiliate", "post", "affiliates/me/discord-code", {}),
        ("staff", "post", "markets", {"code": "ZZ", "country": "Nowhere"}),
        ("staff", "put", "platforms/youtube/config", {"views_lag_h": 1}),
    ],
)
def test_a_test_key_changes_nothing_that_both_modes_share(world, client_of, role, method, path, body):
    client = client_of(world.people[role], livemode=False)
    before = Affiliate.objects.count(), Market.objects.count()
    with transaction.atomic():
        assert_problem(getattr(client, method)(f"/api/v1/{path}", body), 403)
    assert (Affiliate.objects.count(), Market.objects.count()) == before
    assert not Affiliate.objects.filter(name="Other name").exists()


@pytest.mark.parametrize(("livemode", "word"), [(True, "live"), (False, "test")])
def test_every_answer_to_a_key_says_its_mode(world, client_of, livemode, word):
    client = client_of(world.people["staff"], livemode=livemode)
    for row in TABLE:
        if row.path.startswith("/api/v1"):
            with transaction.atomic():
                response = getattr(client, row.method.lower())(world.path(row.path), world.body(row) or None)
                assert response["Claimcheck-Mode"] == word, row.path
                transaction.set_rollback(True)
    assert client.get("/api/v1/nowhere")["X-Request-ID"]


def test_people_see_both_modes_and_strangers_are_told_none(world):
    browser = Client()
    browser.force_login(world.people["manager"])
    assert browser.get("/api/v1/campaigns")["Claimcheck-Mode"] == "both"
    assert "Claimcheck-Mode" not in Client().get("/api/v1/campaigns")
    assert "Claimcheck-Mode" not in browser.get("/api/v1/campaigns", headers={"authorization": "Bearer ck_test_no"})
    assert "Claimcheck-Mode" not in browser.get("/")
