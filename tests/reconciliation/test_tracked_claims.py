"""Clicks and sales of our own tracking as truth: from link to click to sale to reversal, and what each verdict says."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns.models import TrackingLink
from campaigns.tracking import keys, links
from config import clock
from config.demo.seeding import run_queued_tasks
from platforms.models import Platform
from reconciliation.comparison import Figures
from reconciliation.errors import ClaimRefusedError
from reconciliation.models import Job, PlatformReport, ReconciliationLog
from reconciliation.pages.history import history
from reconciliation.services import submission
from reconciliation.tasks import look_at_link
from tests.campaigns.shop import Shop
from tests.campaigns.test_clicks import click_of, visit
from tests.factories import TODAY, AffiliateFactory, CampaignFactory, MembershipFactory, UserFactory
from tests.staff import client_for

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign(today):
    return CampaignFactory(landing_url="https://shop.example/bowls")


@pytest.fixture
def shop(campaign):
    return Shop(campaign, keys.create_postback_key(campaign=campaign, by=UserFactory())[1])


@pytest.fixture
def mila():
    return AffiliateFactory(name="Mila")


def link_of(affiliate, campaign, **more):
    return links.make_link(affiliate=affiliate, campaign=campaign, platform=youtube(), **more)[0]


def youtube():
    return Platform.objects.get(slug="youtube")


def claim(affiliate, campaign, *, video="abcdefghijk", link="", **figures):
    return submission.submit(
        affiliate=affiliate,
        campaign=campaign,
        platform=youtube(),
        url=f"https://youtu.be/{video}",
        figures=Figures(**figures),
        tracking_link=link,
    ).post


def verdicts(post):
    return list(ReconciliationLog.objects.filter(post=post).order_by("processed_at", "id"))


def test_from_link_to_click_to_sale_to_reversal(sandbox, client_of, campaign, mila, drain_all):
    """By the ways that people, visitors and shops go; each verdict says what was known at its moment."""
    api = client_of(mila.user)
    manager = client_of(MembershipFactory(advertiser=campaign.advertiser).user)
    shop = Shop(campaign, manager.post(f"/api/v1/campaigns/{campaign.pk}/postback-keys").json()["secret"])
    made = api.post(f"/api/v1/campaigns/{campaign.pk}/links", {"platform": "youtube"}).json()
    link = TrackingLink.objects.get(code=made["url"].rpartition("/t/")[2])

    def standing():
        run_queued_tasks()
        drain_all()
        return api.get(claimed["links"]["self"]).json()

    def verdicts():
        return [each["verdicts"] for each in api.get(f"/api/v1/submissions/{claimed['id']}/metrics").json()["claims"]]

    visitors = [click_of(visit(link, address=f"192.0.2.{n}")) for n in range(6)]
    body = {"campaign": str(campaign.pk), "platform": "youtube", "url": "https://youtu.be/abcdefghijk"}
    claimed = api.post("/api/v1/submissions", body | {"claimed_clicks": 6, "claimed_conversions": 3}).json()

    early = standing()
    assert early["tracking_link"] == link.code
    verdict = early["verdict"]
    assert (early["state"], verdict["status"], verdict["discrepancy_level"]) == ("provisional", "TOO_EARLY", "HIGH")
    assert "our tracking counted 0" in verdict["explanation"]
    assert "Tracked conversions may lag 72 h after the claim" in verdict["explanation"]
    assert verdict["metrics"]["clicks"] == {
        "claimed": 6,
        "truth": 6,
        "difference": 0,
        "percentage": "0.00",
        "provenance": "own_tracking",
        "definition": "own_tracking.clicks.first",
        "gap": None,
    }

    with clock.at(TODAY + timedelta(hours=1)):
        for number, click in enumerate(visitors[:3]):
            assert shop.send(transaction_id=f"T-{number}", click_id=click).status_code == 201
        waiting = standing()
    assert waiting["verdict"] == verdict  # the claim waits for its window; what was sold is on record meanwhile
    assert (waiting["state"], waiting["truth"]["conversions"]) == ("provisional", 3)

    with clock.at(TODAY + timedelta(hours=72)):
        final = standing()
    assert (final["state"], final["verdict"]["status"], final["verdict"]["trust_effect"]) == (
        "final",
        "MATCHED",
        "NONE",
    )
    assert "our tracking counted 6" in final["verdict"]["explanation"]
    assert final["verdict"]["metrics"]["conversions"]["truth"] == 3

    with clock.at(TODAY + timedelta(hours=80)):
        assert shop.send(transaction_id="T-1", click_id=visitors[1], status="reversed").json()["outcome"] == "changed"
        revised = standing()
        page = client_for(UserFactory(is_staff=True)).get(f"/posts/{claimed['id']}/").content.decode()
    assert revised["verdict"] == final["verdict"]  # a fall after a claim is no accusation
    assert revised["truth"]["conversions"] == 2
    assert "Our tracking took back 1 conversion" in page
    assert "3 before, 2 now" in page

    with clock.at(TODAY + timedelta(hours=90)):
        claimed = api.post("/api/v1/submissions", body | {"claimed_clicks": 6, "claimed_conversions": 6}).json()
        over = standing()
        assert (over["verdict"]["status"], over["verdict"]["metrics"]["conversions"]["truth"]) == ("TOO_EARLY", 2)
    with clock.at(TODAY + timedelta(hours=162)):
        over = standing()
    assert (over["verdict"]["status"], over["verdict"]["discrepancy_level"]) == ("DISCREPANCY", "HIGH")
    assert [len(of_claim) for of_claim in verdicts()] == [2, 2]
    assert not Job.objects.pending().exists()
    assert sandbox.state.data_calls("youtube") == 0  # no platform was asked for what only we can count


def test_a_reversal_before_the_last_look_is_no_accusation_of_who_claimed_before(campaign, shop, mila, drain_all):
    link = link_of(mila, campaign)
    visitors = [click_of(visit(link, address=f"192.0.2.{n}")) for n in range(12)]
    post = claim(mila, campaign, conversions=12)
    drain_all()
    with clock.at(TODAY + timedelta(hours=1)):
        for number, click in enumerate(visitors):
            shop.send(transaction_id=f"T-{number}", click_id=click)
    with clock.at(TODAY + timedelta(hours=2)):
        for number in range(5):
            shop.send(transaction_id=f"T-{number}", click_id=visitors[number], status="reversed")
    with clock.at(TODAY + timedelta(hours=72)):
        drain_all()
        early, last = verdicts(post)
        assert (early.status, last.status, last.conversions_discrepancy) == ("TOO_EARLY", "MATCHED", 0)
        assert last.platform_report.conversions == 7  # what stands now, and what is to be paid
        assert (
            "5 of the 12 conversions were reversed after the claim, which is not held against it." in last.explanation
        )
    with clock.at(TODAY + timedelta(hours=73)):
        again = claim(mila, campaign, conversions=13)  # who claims now can know
        drain_all()
    assert again == post
    assert verdicts(post)[-1].conversions_discrepancy == 6


def test_what_nobody_counts_is_unverifiable_and_not_wrong(campaign, mila, drain_all):
    without_landing_page = CampaignFactory()
    without_link = claim(mila, campaign, clicks=5)
    without_page = claim(mila, without_landing_page, video="bbbbbbbbbbb", clicks=5)
    drain_all()
    for post in (without_link, without_page):
        (verdict,) = verdicts(post)
        assert (verdict.status, verdict.platform_report.clicks) == ("UNVERIFIABLE", None)
        assert verdict.explanation == (
            "Claimed 5 clicks; our tracking counts no clicks for this post, so the claim cannot be checked."
        )


def test_sales_are_unknown_where_no_shop_reports_any(campaign, mila, drain_all):
    visit(link_of(mila, campaign))
    post = claim(mila, campaign, clicks=1, conversions=4)
    drain_all()
    (verdict,) = verdicts(post)
    assert (verdict.status, str(verdict.confidence), verdict.platform_report.conversions) == ("MATCHED", "0.500", None)


def test_more_clicks_than_there_were_are_a_discrepancy_at_once(campaign, mila, drain_all):
    link = link_of(mila, campaign)
    for n in range(10):
        visit(link, address=f"192.0.2.{n}")
    visit(link, "Googlebot/2.1")
    post = claim(mila, campaign, clicks=20)
    drain_all()
    (verdict,) = verdicts(post)
    assert (verdict.status, verdict.discrepancy_level, verdict.clicks_discrepancy) == ("DISCREPANCY", "HIGH", 10)
    assert "our tracking counted 10" in verdict.explanation


def test_a_link_that_serves_several_posts_says_so(campaign, shop, mila, drain_all):
    link = link_of(mila, campaign)
    visit(link)
    posts = [claim(mila, campaign, video=f"{n}" * 11, clicks=1) for n in range(3)]
    drain_all()
    for post in posts:
        assert post.tracking_link == link
        (verdict,) = verdicts(post)
        assert verdict.explanation.endswith("The link serves 3 posts, whose clicks are counted together.")


def test_views_come_from_the_platform_and_clicks_from_us(campaign, mila, world_post, drain_all):
    visit(link_of(mila, campaign))
    video = world_post()
    post = claim(mila, campaign, video=video.external_id, views=10, clicks=1)
    drain_all()
    (verdict,) = verdicts(post)
    assert verdict.status == "MATCHED"
    assert verdict.platform_report.provenance["views"] == "public_api"
    assert verdict.platform_report.provenance["clicks"] == "own_tracking"


def test_a_batch_of_tracked_posts_takes_as_many_questions_as_one(campaign, drain_all):
    def settled(count, prefix):
        for n in range(count):
            affiliate = AffiliateFactory()
            visit(link_of(affiliate, campaign))
            claim(affiliate, campaign, video=f"{prefix}{n:010d}", clicks=1)
        with CaptureQueriesContext(connection) as captured:
            drain_all()
        return len([q for q in captured if "campaigns_click" in q["sql"]])

    assert settled(1, "a") == settled(12, "b") == 1


# --- Which link a post has


def test_of_several_links_the_post_names_its_own(campaign, mila):
    first, second = link_of(mila, campaign), link_of(mila, campaign, another=True)
    assert claim(mila, campaign, clicks=1).tracking_link is None
    assert claim(mila, campaign, video="b" * 11, clicks=1, link=second.code).tracking_link == second
    assert claim(mila, campaign, clicks=2, link=first.code).tracking_link == first  # named later


def test_somebody_elses_link_is_none(campaign, mila):
    foreign = [
        link_of(AffiliateFactory(), campaign).code,
        link_of(mila, CampaignFactory(landing_url="https://shop.example/")).code,
        "nosuchcode",
    ]
    for code in foreign:
        with pytest.raises(ClaimRefusedError) as refusal:
            claim(mila, campaign, clicks=1, link=code)
        assert (refusal.value.field, refusal.value.code) == ("tracking_link", "unknown_link")


def test_a_posts_link_stays(campaign, mila):
    link_of(mila, campaign)
    claim(mila, campaign, clicks=1)
    with pytest.raises(ClaimRefusedError) as refusal:
        claim(mila, campaign, clicks=2, link=link_of(mila, campaign, another=True).code)
    assert refusal.value.code == "link_bound"


def test_only_a_reversal_looks_at_posts_that_are_judged(campaign, shop, mila, drain_all):
    link = link_of(mila, campaign)
    visit(link)
    claim(mila, campaign, clicks=1)
    drain_all()
    assert not Job.objects.pending().exists()
    look_at_link(str(link.pk), "approved")
    assert not Job.objects.pending().exists()
    look_at_link(str(link.pk), "reversed")
    assert Job.objects.pending().count() == 1


def test_nobody_is_asked_twice_for_figures_that_stayed(campaign, shop, mila, drain_all):
    link = link_of(mila, campaign)
    visit(link)
    claim(mila, campaign, clicks=1)
    drain_all()
    for _ in range(2):
        look_at_link(str(link.pk), "reversed")
        drain_all()
    assert PlatformReport.objects.count() == 1


def test_a_disabled_link_is_bound_to_no_new_post(campaign, mila):
    links.disable_link(link=link_of(mila, campaign), by=UserFactory())
    assert claim(mila, campaign, clicks=1).tracking_link is None
    assert TrackingLink.objects.count() == 1


def test_history_shows_falls_of_every_figure():
    def look(hours, **figures):
        return PlatformReport(fetched_at=TODAY + timedelta(hours=hours), availability="live", **figures)

    looks = [look(0, views=10, clicks=5, conversions=2), look(1, views=9), look(2, views=9, clicks=4, conversions=0)]
    events = history(affiliate="Mila", platform="YouTube", claims=[], snapshots=looks, verdicts=[])
    falls = {event.title for event in events if "took back" in event.title}
    assert falls == {
        "YouTube took back 1 view",
        "Our tracking took back 1 click",
        "Our tracking took back 2 conversions",
    }
