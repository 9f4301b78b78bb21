"""Every page: no barrier that axe finds, in both themes, and nothing to scroll sideways for on a phone."""

import io
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import Page

from alerts.models import Alert
from campaigns.models import Campaign, Post
from campaigns.tracking.keys import create_postback_key
from platforms.models import Platform
from platforms.services import accounts
from reconciliation.models import Import
from reconciliation.services import importing
from tests.factories import TODAY, CampaignFactory, ConnectionFactory, TrackingLinkFactory

pytestmark = pytest.mark.browser

DESKTOP, TABLET, PHONE = ({"width": width, "height": 900} for width in (1440, 768, 390))


def _pages(stage: Any) -> dict[str, str]:
    campaign, alert = stage.campaign.pk, Alert.objects.worst_first()[0].pk
    draft = CampaignFactory(advertiser=stage.advertiser, status=Campaign.Status.DRAFT)
    tracked = CampaignFactory(advertiser=stage.advertiser, landing_url="https://shop.example/")
    TrackingLinkFactory(campaign=tracked, label="In the bio")
    create_postback_key(campaign=tracked, by=stage.manager)
    link = TrackingLinkFactory(campaign=stage.campaign)
    Post.objects.filter(pk=stage.posts["high"].pk).update(tracking_link=link)
    return {
        "campaigns": "/",
        "campaign": reverse("dashboard:campaign", args=[campaign]),
        "nothing matches": reverse("dashboard:campaign", args=[campaign]) + "?q=zzz",
        "draft": reverse("dashboard:campaign", args=[draft.pk]),
        "tracking": reverse("campaign-tracking", args=[tracked.pk]),
        "no landing page": reverse("campaign-tracking", args=[campaign]),
        "tracked campaign": reverse("dashboard:campaign", args=[tracked.pk]),
        "new": reverse("dashboard:campaign-new"),
        "edit": reverse("dashboard:campaign-edit", args=[campaign]),
        "post": reverse("dashboard:post", args=[stage.posts["high"].pk]),
        "waiting post": reverse("dashboard:post", args=[stage.posts["pending"].pk]),
        "trust": reverse("dashboard:trust", args=[stage.mila.pk]),
        "imports": reverse("dashboard:imports"),
        "checked file": reverse("dashboard:import", args=[_checked_file(stage).pk]),
        "clawbacks": reverse("dashboard:campaign-clawbacks", args=[campaign]),
        "no clawbacks": reverse("dashboard:campaign-clawbacks", args=[draft.pk]),
        "discrepancies": reverse("dashboard:discrepancies"),
        "alerts": reverse("alerts:alerts"),
        "alert": reverse("alerts:alert", args=[alert]),
        "password": reverse("password_change"),
        "not there": reverse("dashboard:campaign", args=[alert]),
    }


def _checked_file(stage: Any) -> Import:
    rows = ["affiliate,campaign,url,claimed_views", f"nobody,{stage.campaign.name},https://youtu.be/00000000001,5"]
    rows.append(f"{stage.mila.pk},{stage.campaign.name},https://youtu.be/00000000002,5")
    file = io.BytesIO("\n".join(rows).encode())
    sent = importing.take_file(kind=Import.Kind.CLAIMS, file=file, name="week-46.csv", by=stage.manager)
    importing.work(import_id=sent.pk)
    return sent


def _looks(page: Page, path: str) -> Iterator[str]:
    """Everything that is wrong with one page."""
    for theme, size in (("dark", DESKTOP), ("light", DESKTOP), ("dark", TABLET), ("light", PHONE)):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        page.set_viewport_size(size)  # type: ignore[arg-type]
        page.goto(path)
        page.wait_for_load_state("networkidle")
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if too_wide:
            yield f"{too_wide} px too wide at {size['width']}"
        for violation in Axe().run(page).response["violations"]:
            yield f"{violation['id']} ({theme}, {size['width']}): {[node['target'] for node in violation['nodes']]}"


def test_a_managers_pages(stage, log_in: Callable[[Any], Page]):
    page = log_in(stage.manager)
    found = {name: list(_looks(page, path)) for name, path in _pages(stage).items()}
    assert not {name: problems for name, problems in found.items() if problems}


def test_a_form_with_errors(stage, log_in: Callable[[Any], Page]):
    page = log_in(stage.manager)
    page.goto(reverse("dashboard:campaign-new"))
    page.get_by_role("button", name="Make the campaign").click()
    page.wait_for_load_state("networkidle")
    assert not Axe().run(page).response["violations"]


def test_an_affiliates_pages_and_the_login(stage, log_in: Callable[[Any], Page]):
    page = log_in(stage.mila.user)
    post = reverse("dashboard:post", args=[stage.posts["high"].pk])
    connect = reverse("connections:connect", args=["tiktok"])
    TrackingLinkFactory(affiliate=stage.mila, label="In the bio")
    discord = reverse("affiliates:discord")
    paths = ("/", post, reverse("links"), reverse("connections:connections"), connect, f"{connect}?mode=test", discord)
    assert not [problem for path in paths for problem in _looks(page, path)]
    page.context.clear_cookies()
    assert not list(_looks(page, "/login/"))


def test_connections_in_every_state(stage, log_in: Callable[[Any], Page]):
    mila = stage.mila
    soon = TODAY + timedelta(days=3)
    for slug, state in (
        ("tiktok", {}),
        ("instagram", {"state": "parked", "parked_at": TODAY, "parked_reason": "auth: 190"}),
        ("x", {"refresh_expires_at": soon}),
        ("youtube", {"state": "disconnected", "locked": ""}),
    ):
        ConnectionFactory(affiliate=mila, platform=Platform.objects.get(slug=slug), **state)
    said = {"affiliate": mila, "livemode": True, "by": mila.user}
    for slug, handle in (("reddit", "mila_o"), ("youtube", "a" * 100), ("x", "mila")):
        account = accounts.claim_account(platform=Platform.objects.get(slug=slug), handle=handle, **said)
    accounts.request_check(account=account, by=mila.user)
    page = log_in(mila.user)
    page.goto(reverse("connections:connections"))
    assert not list(_looks(page, reverse("connections:connections")))
    page.locator("summary", has_text="Or paste a token").first.click()
    page.get_by_role("button", name="Try it and connect").first.click()
    page.wait_for_load_state("networkidle")
    assert not Axe().run(page).response["violations"]
