"""Fixtures of the API's tests."""

from io import BytesIO
from typing import Any

import pytest
from rest_framework.test import APIClient

from alerts import services as alert_services
from alerts.models import Alert
from campaigns.models import Post
from campaigns.tracking.keys import create_postback_key
from platforms.models import Platform
from platforms.services import accounts
from reconciliation.models import Import, ReconciliationLog
from reconciliation.services import disputing, importing, runs
from tests.config.api_world import World
from tests.factories import (
    AdvertiserFactory,
    AffiliateFactory,
    BrandFactory,
    CampaignFactory,
    ConnectionFactory,
    EnrolmentFactory,
    MarketFactory,
    MembershipFactory,
    TrackingLinkFactory,
    UserFactory,
)


@pytest.fixture
def world(db, today, settings, client_of, sandbox, world_post, claim, drain_all):
    """A claim that was judged, in a campaign that nobody else can see, with its alert and a run."""
    settings.OPEN_SIGNUP = True
    advertiser = AdvertiserFactory(decides_disputes=True)
    brand = BrandFactory(advertiser=advertiser, code="BRAND")
    campaign = CampaignFactory(
        advertiser=advertiser,
        brand=brand,
        market=MarketFactory(code="MARKET"),
        is_open=False,
        landing_url="https://shop.example/",
    )
    affiliate = AffiliateFactory()
    EnrolmentFactory(campaign=campaign, affiliate=affiliate)
    members: dict[str, Any] = {
        role: MembershipFactory(advertiser=advertiser, role=role).user for role in ("viewer", "analyst", "manager")
    }
    people: dict[str, Any] = {"affiliate": affiliate.user, **members, "staff": UserFactory(is_staff=True)}
    strangers = {"affiliate": AffiliateFactory().user} | {role: MembershipFactory(role=role).user for role in members}

    claim(affiliate, campaign, world_post("youtube"), 10**9)
    drain_all()
    verdict = ReconciliationLog.objects.get()
    alert_services.open_for_verdicts(verdict_ids=[verdict.pk])
    disputed = disputing.dispute(verdict=verdict, affiliate=affiliate, text="These views are real.")
    run = runs.request_run(posts=Post.objects.all(), by=members["manager"], scope={})
    platform = Platform.objects.get(slug="reddit")
    by_code = {"affiliate": affiliate, "livemode": True, "by": affiliate.user}
    link = TrackingLinkFactory(campaign=campaign, affiliate=affiliate)
    account = accounts.claim_account(platform=platform, handle="@somebody_else", **by_code)
    sent = importing.take_file(
        kind=Import.Kind.AFFILIATES,
        file=BytesIO(b"name,email\nNobody,nobody@example.com\n"),
        name="rows.csv",
        by=members["manager"],
    )
    importing.work(import_id=sent.pk)
    rows = {
        "import_id": sent,
        "account_id": account,
        "connection_id": ConnectionFactory(affiliate=affiliate),
        "advertiser_id": advertiser,
        "affiliate_id": affiliate,
        "alert_id": Alert.objects.get(),
        "campaign_id": campaign,
        "dispute_id": disputed,
        "key_id": create_postback_key(campaign=campaign, by=members["manager"])[0],
        "post_id": verdict.post,
        "result_id": verdict,
        "run_id": run,
    }
    return World(
        people=people,
        clients={"anonymous": APIClient()} | {role: client_of(user) for role, user in people.items()},
        strangers={role: client_of(user) for role, user in strangers.items()},
        ids={name: str(row.pk) for name, row in rows.items()} | {"link_code": link.code},
    )
