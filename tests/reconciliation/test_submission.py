"""Submitting at the level of the service: who may claim what and when, and what follows from a claim."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from affiliates.models import AuditEvent
from alerts import services as alert_services
from alerts.models import Alert
from campaigns.models import CampaignPlatform, Enrolment, Post, PostText
from config import clock
from platforms.models import Platform
from platforms.sandbox.world import Series
from reconciliation.comparison import Figures
from reconciliation.errors import ClaimRefusedError, SecondClaimantError
from reconciliation.models import AffiliateReport, Job, PlatformReport, PostState, ReconciliationLog, TrustScore
from reconciliation.services import draining, runs, submission
from tests.factories import TODAY, AdvertiserFactory, AffiliateFactory, CampaignFactory, EnrolmentFactory
from tests.reconciliation.support import NEVER_THERE, rows

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]

MADE = {"affiliate": AffiliateFactory, "campaign": CampaignFactory}


def refused(code: str, field: str, **given: Any) -> None:
    """Submitting this is refused with this code, about this field, and leaves no row."""
    made = {name: factory() for name, factory in MADE.items() if name not in given}
    call: dict[str, Any] = {"url": NEVER_THERE, "figures": Figures(views=1), **made, **given}
    call.setdefault("platform", Platform.objects.get(slug="youtube"))
    before = rows()
    with pytest.raises(ClaimRefusedError) as refusal:
        submission.submit(**call)
    assert (refusal.value.code, refusal.value.field, refusal.value.status) == (code, field, 422)
    assert refusal.value.message
    assert rows() == before


# --- What is refused


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://www.reddit.com/r/x/s/AbCdEf123", "platform_mismatch"),
        ("https://x.com/somebody/status/20", "platform_mismatch"),
        ("https://www.youtube.com/", "not_a_post"),
        ("https://example.com/watch?v=AAAAAAAAAAA", "host_not_supported"),
        ("https://user@www.youtube.com/watch?v=AAAAAAAAAAA", "userinfo_not_allowed"),
        ("nonsense", "not_a_url"),
    ],
)
def test_an_address_that_is_no_post_of_the_platform_is_refused_with_its_reason(url, code):
    refused(code, "url", url=url)


@pytest.mark.parametrize("status", ["draft", "paused"])
def test_a_campaign_takes_no_claims_unless_it_is_active_or_completed(status):
    refused("campaign_takes_no_claims", "campaign", campaign=CampaignFactory(status=status))


@pytest.mark.parametrize("status", ["active", "completed"])
def test_a_campaign_takes_claims_while_active_and_when_completed(claim, world_post, status):
    assert claim(AffiliateFactory(), CampaignFactory(status=status), world_post(), 1).outcome == "new_post"


@pytest.mark.parametrize(
    ("zone", "moment", "taken"),
    [
        # Auckland is 13 hours ahead: its 21 November begins at 11:00 UTC on the 20th.
        ("Pacific/Auckland", datetime(2026, 11, 20, 10, 59, 59, tzinfo=UTC), False),
        ("Pacific/Auckland", datetime(2026, 11, 20, 11, 0, tzinfo=UTC), True),
        ("UTC", datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC), False),
        ("UTC", datetime(2026, 11, 21, 0, 0, tzinfo=UTC), True),
        # The window of three days after the 30th ends with 3 December: in Los Angeles at 08:00 UTC on the 4th.
        ("America/Los_Angeles", datetime(2026, 12, 4, 7, 59, 59, tzinfo=UTC), True),
        ("America/Los_Angeles", datetime(2026, 12, 4, 8, 0, tzinfo=UTC), False),
        ("UTC", datetime(2026, 12, 4, 0, 0, tzinfo=UTC), False),
    ],
)
def test_the_days_of_a_campaign_are_the_advertisers_own(claim, world_post, zone, moment, taken):
    campaign = CampaignFactory(
        advertiser__time_zone=zone, starts_on=date(2026, 11, 21), ends_on=date(2026, 11, 30), claim_window_days=3
    )
    with clock.at(moment):
        if taken:
            assert claim(AffiliateFactory(), campaign, world_post(), 1).outcome == "new_post"
        else:
            refused("campaign_takes_no_claims", "campaign", campaign=campaign)


def test_a_campaign_takes_new_posts_only_on_platforms_it_runs_on():
    youtube = Platform.objects.get(slug="youtube")
    refused("platform_not_assigned", "platform", campaign=CampaignFactory(platforms=[Platform.objects.get(slug="x")]))
    closed = CampaignFactory()
    CampaignPlatform.objects.filter(campaign=closed, platform=youtube).update(closed_at=TODAY)
    refused("platform_not_assigned", "platform", campaign=closed)
    Platform.objects.filter(pk=youtube.pk).update(is_active=False)
    refused("platform_not_assigned", "platform")


def test_a_post_that_is_there_is_claimed_again_after_its_platform_was_closed(claim, world_post):
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    first = claim(affiliate, campaign, world_post(), 1)
    CampaignPlatform.objects.filter(campaign=campaign).update(closed_at=TODAY)
    again = claim(affiliate, campaign, world_post(), 2)
    assert (again.outcome, again.post) == ("new_claim", first.post)


@pytest.mark.parametrize("again", [False, True])
def test_a_claim_names_at_least_one_figure(claim, world_post, again):
    if again:
        post = claim(AffiliateFactory(), CampaignFactory(), world_post(), 0).post
        before = rows()
        with pytest.raises(ClaimRefusedError) as refusal:
            submission.claim_again(post=post, figures=Figures())
        assert (refusal.value.code, rows()) == ("nothing_claimed", before)
    else:
        refused("nothing_claimed", "claimed_views", figures=Figures())


# --- Who may join


def test_the_first_claim_joins_an_open_campaign(claim, world_post):
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    for index in range(2):
        claim(affiliate, campaign, world_post("youtube", index), 1)
    assert Enrolment.objects.get(campaign=campaign, affiliate=affiliate).status == "active"


def test_the_first_claim_takes_an_invitation_up(claim, world_post):
    invited = EnrolmentFactory(campaign__is_open=False, status="invited")
    claim(invited.affiliate, invited.campaign, world_post(), 1)
    invited.refresh_from_db()
    assert invited.status == "active"


def test_who_is_not_enrolled_claims_nothing(claim, world_post):
    refused("not_enrolled", "campaign", campaign=CampaignFactory(is_open=False))
    refused("not_enrolled", "campaign", affiliate=AffiliateFactory(is_active=False))
    removed = EnrolmentFactory(status="removed")  # from an open campaign: out is out
    refused("not_enrolled", "campaign", campaign=removed.campaign, affiliate=removed.affiliate)


def test_who_was_removed_does_not_go_on_claiming(claim, world_post):
    submitted = claim(AffiliateFactory(), CampaignFactory(), world_post(), 1)
    Enrolment.objects.update(status="removed")
    before = rows()
    with pytest.raises(ClaimRefusedError) as refusal:
        submission.claim_again(post=submitted.post, figures=Figures(views=2))
    assert (refusal.value.code, rows()) == ("not_enrolled", before)


# --- One piece of content, one claimant


def test_a_second_claimant_is_refused_recorded_and_alerted(claim, world_post):
    first, second = AffiliateFactory(name="The first"), AffiliateFactory()
    campaign = CampaignFactory()
    post = claim(first, campaign, world_post(), 1).post
    before = rows()
    for _ in range(2):
        with pytest.raises(SecondClaimantError) as refusal:
            claim(second, campaign, world_post(), 5)
    assert (refusal.value.code, refusal.value.status) == ("already_claimed", 409)
    assert "The first" not in refusal.value.message
    added = {table: n - before[table] for table, n in rows().items() if n != before[table]}
    assert added == {"affiliates.AuditEvent": 2, "django_q.OrmQ": 2}
    for event in AuditEvent.objects.filter(action="claim.refused_second_claimant"):
        assert (event.object_id, event.changes) == (post.pk, {"affiliate": str(second.pk)})
        alert_services.open_for_refused_claim(event_id=event.pk)
    alert = Alert.objects.get()
    assert (alert.kind, alert.post, alert.affiliate) == ("second_claimant", post, second)


def test_a_post_serves_two_campaigns_only_if_both_allow_it(claim, world_post):
    affiliate = AffiliateFactory()
    shares, shares_too, keeps = (CampaignFactory(allows_shared_content=shared) for shared in (True, True, False))
    first = claim(affiliate, shares, world_post(), 1)
    second = claim(affiliate, shares_too, world_post(), 1)
    assert second.outcome == "new_post"
    assert first.post.external_id == second.post.external_id
    refused("claimed_in_another_campaign", "url", affiliate=affiliate, campaign=keeps, url=world_post().url)
    with pytest.raises(SecondClaimantError):
        claim(AffiliateFactory(), shares_too, world_post(), 1)


def test_content_due_in_two_campaigns_is_asked_for_once(claim, world_post, drain_all, sandbox):
    affiliate = AffiliateFactory()
    for _ in range(2):
        claim(affiliate, CampaignFactory(allows_shared_content=True), world_post(), 1)
    assert drain_all() == 2
    assert sandbox.state.stats()["youtube"] == {"data_calls": 1, "posts": 1}
    assert ReconciliationLog.objects.counted().count() == 2


def test_a_test_claim_takes_nothing_away_from_a_live_one(claim, world_post):
    tried = claim(AffiliateFactory(), CampaignFactory(advertiser=AdvertiserFactory(livemode=False)), world_post(), 1)
    real = claim(AffiliateFactory(), CampaignFactory(), world_post(), 1)
    lanes = {job.post_id: job.connection.livemode for job in Job.objects.select_related("connection")}
    assert lanes == {tried.post.pk: False, real.post.pk: True}


# --- What a claim writes


def test_the_latest_claim_again_adds_nothing_and_an_earlier_one_is_new(claim, world_post):
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    claim(affiliate, campaign, world_post(), 1)
    before = rows()
    assert claim(affiliate, campaign, world_post(), 1).outcome == "unchanged"
    assert rows() == before
    outcomes = [claim(affiliate, campaign, world_post(), views).outcome for views in (2, 1, 1, 2)]  # all in one moment
    assert outcomes == ["new_claim", "new_claim", "unchanged", "new_claim"]
    assert AffiliateReport.objects.count() == 4


def test_a_figure_of_nought_and_one_that_is_not_claimed_differ(claim, world_post):
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    claim(affiliate, campaign, world_post(), 1)
    assert claim(affiliate, campaign, world_post(), 1, clicks=0).outcome == "new_claim"
    latest = PostState.objects.get().current_claim
    assert (latest.claimed_views, latest.claimed_clicks, latest.claimed_conversions) == (1, 0, None)


@pytest.mark.parametrize("url", ["https://youtu.be/{id}?si=abc", "https://m.youtube.com/watch?v={id}&t=10s"])
def test_another_spelling_of_the_address_is_the_same_post(claim, world_post, url):
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    first = claim(affiliate, campaign, world_post(), 1)
    again = submission.submit(
        affiliate=affiliate,
        campaign=campaign,
        platform=first.post.platform,
        url=url.format(id=first.post.external_id),
        figures=Figures(views=1),
    )
    assert (again.outcome, again.post, again.post.url) == ("unchanged", first.post, first.post.url)


def test_words_are_kept_beside_the_post_and_one_that_is_not_said_again_stays(world_post):
    given = {"affiliate": AffiliateFactory(), "campaign": CampaignFactory(), "url": world_post().url}
    given["platform"] = Platform.objects.get(slug="youtube")
    submission.submit(**given, figures=Figures(views=1), title="A title", description="Some words")
    submission.submit(**given, figures=Figures(views=2), title="Another")
    assert PostText.objects.values_list("title", "description").get() == ("Another", "Some words")
    submission.submit(**given, figures=Figures(views=3))
    assert PostText.objects.get().title == "Another"


def test_new_figures_make_the_post_pending_again(claim, world_post, drain_all):
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    claim(affiliate, campaign, world_post(), 1)
    drain_all()
    state = PostState.objects.get()
    settled = state.current_verdict
    again = claim(affiliate, campaign, world_post(), 2)
    state.refresh_from_db()
    assert (state.current_claim, state.current_verdict, state.counted_verdict) == (again.claim, None, settled)
    assert not Post.objects.get().is_reconciled


# --- Looks


def test_clicks_alone_ask_no_platform_and_have_no_truth_yet(claim, world_post, drain_all, sandbox):
    claim(AffiliateFactory(), CampaignFactory(), world_post(), None, clicks=10)
    assert Job.objects.get().connection is None
    assert drain_all() == 1
    verdict = ReconciliationLog.objects.select_related("platform_report").get()
    assert (verdict.status, verdict.trust_effect, verdict.confidence) == ("UNVERIFIABLE", "NONE", 0)
    assert (verdict.platform_report.availability, verdict.platform_report.views) == (None, None)
    assert sandbox.state.data_calls("youtube") == 0


def test_a_look_that_asks_nobody_leaves_the_newest_truth_as_it_was(claim, world_post, drain_all):
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    claim(affiliate, campaign, world_post(), 1)
    drain_all()
    truth = PlatformReport.objects.get()
    with clock.at(TODAY + timedelta(hours=1)):
        claim(affiliate, campaign, world_post(), None, clicks=10)
        assert drain_all() == 1
    assert PostState.objects.get().latest_snapshot == truth
    with clock.at(TODAY + timedelta(hours=2)):
        runs.request_run(posts=Post.objects.all(), by=None, scope={})
        assert drain_all() == 1
    assert PlatformReport.objects.exclude(availability=None).get() == truth


def test_views_claimed_after_clicks_move_the_look_to_the_platforms_lane(claim, world_post, drain_all, sandbox):
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    claim(affiliate, campaign, world_post(), None, clicks=10)
    claim(affiliate, campaign, world_post(), 1)
    assert drain_all() == 1
    assert sorted(ReconciliationLog.objects.values_list("status", flat=True)) == ["MATCHED", "UNVERIFIABLE"]
    assert sandbox.state.data_calls("youtube") == 1


def test_views_on_reddit_have_no_truth(claim, world_post, drain_all, sandbox):
    affiliate = AffiliateFactory()
    claim(affiliate, CampaignFactory(), world_post("reddit"), 900)
    assert drain_all() == 1
    verdict = ReconciliationLog.objects.select_related("platform_report").get()
    assert (verdict.status, verdict.views_discrepancy, verdict.is_counted) == ("UNVERIFIABLE", None, True)
    truth = verdict.platform_report
    assert (truth.availability, truth.views) == ("live", None)
    assert truth.likes is not None
    assert sandbox.state.data_calls("reddit") == 1
    assert TrustScore.objects.get(affiliate=affiliate).total_submissions == 0


@pytest.mark.parametrize(("times", "status", "effect"), [(1, "MATCHED", "NONE"), (3, "DISCREPANCY", "INACCURATE")])
def test_a_young_post_gets_a_second_look_when_its_window_ends(claim, drain_all, sandbox, times, status, effect):
    young = next(
        post
        for post in sandbox.state.world.published_between("youtube", TODAY - timedelta(hours=6), TODAY, 20)
        if not (post.private or post.gone_at or post.revised)
        and post.figures_at(post.published_at + timedelta(hours=24)).views > post.figures_at(TODAY).views * 2 + 100
    )
    window_end = young.published_at + timedelta(hours=24)
    claimed = young.figures_at(window_end).views * times
    submitted = claim(AffiliateFactory(), CampaignFactory(), young, claimed)
    drain_all()
    first = ReconciliationLog.objects.get()
    assert (first.status, first.discrepancy_level, first.next_look_at) == ("TOO_EARLY", "HIGH", window_end)
    assert Job.objects.pending().get().due_at == window_end
    with clock.at(window_end - timedelta(seconds=1)):
        assert drain_all() == 0
    with clock.at(window_end):
        sandbox.state.set_clock(window_end, frozen=True)
        assert drain_all() == 1
    last = ReconciliationLog.objects.counted().get(affiliate_report=submitted.claim)
    assert (last.status, last.trust_effect) == (status, effect)
    assert not Job.objects.pending().exists()


def test_a_revision_is_recorded_and_accuses_nobody(claim, drain_all, sandbox):
    post = next(
        post
        for post in sandbox.state.world.posts("youtube", Series.CURRENT)
        if post.revised and not post.private and TODAY - timedelta(days=8) < post.revised_at < TODAY - timedelta(days=4)
        and post.published_at < post.revised_at - timedelta(days=3)
    )  # fmt: skip
    before, after = post.revised_at - timedelta(hours=1), post.revised_at + timedelta(hours=1)
    affiliate = AffiliateFactory()
    with clock.at(before):
        sandbox.state.set_clock(before, frozen=True)
        claim(affiliate, CampaignFactory(), post, post.figures_at(before).views)
        drain_all()
    with clock.at(after):
        sandbox.state.set_clock(after, frozen=True)
        runs.request_run(posts=Post.objects.all(), by=None, scope={})
        assert drain_all() == 1
    views = list(PlatformReport.objects.order_by("fetched_at").values_list("views", flat=True))
    assert views == [post.figures_at(before).views, post.figures_at(after).views]
    assert views[1] < views[0]
    assert ReconciliationLog.objects.get().status == "MATCHED"
    assert TrustScore.objects.get(affiliate=affiliate).trust_score == 1


def test_a_look_that_finds_nothing_new_writes_no_snapshot(claim, world_post, drain_all):
    claim(AffiliateFactory(), CampaignFactory(), world_post(), 1)
    drain_all()
    with clock.at(TODAY + timedelta(hours=2)):
        runs.request_run(posts=Post.objects.all(), by=None, scope={})
        assert drain_all() == 1
    assert PlatformReport.objects.count() == ReconciliationLog.objects.count() == 1
    assert PostState.objects.get().last_fetched_at == TODAY + timedelta(hours=2)


def test_every_lane_is_its_own(claim, world_post, sandbox):
    claim(AffiliateFactory(), CampaignFactory(), world_post("youtube"), 1)
    claim(AffiliateFactory(), CampaignFactory(), world_post("x"), 1)
    lanes = dict(Job.objects.values_list("post__platform__slug", "connection_id"))
    assert draining.drain(connection_id=lanes["x"], paced=False) == 1
    assert sandbox.state.stats()["youtube"]["data_calls"] == 0
    assert Job.objects.pending().get().connection_id == lanes["youtube"]
