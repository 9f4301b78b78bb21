"""Looking at posts with their owner's connection: what only the owner is shown, and the ids that only the owner has."""

from datetime import timedelta
from itertools import islice

import pytest
from django.db.models import Count

from campaigns.models import Post
from config import clock, vault
from platforms.links import identify
from platforms.models import Account, Connection, Platform
from platforms.sandbox.tokens import Kind, Token
from platforms.sandbox.world import Series
from reconciliation.models import AffiliateReport, Job, PlatformReport, PostState, ReconciliationLog
from reconciliation.services import jobs
from reconciliation.services.owning import recheck_ownership
from tests.factories import TODAY, AffiliateFactory, CampaignFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]

AUTHOR = 7
OWNERS_ONLY = ("tiktok", "instagram", "facebook")


def connect(affiliate, platform, author=AUTHOR, *, livemode=True, token=None):
    """The affiliate's own connection for the account of one of the sandbox's authors."""
    row = Platform.objects.get(slug=platform)
    kind = Kind.PAGE if platform == "facebook" else Kind.ACCESS
    token = token or Token(platform, author, 1, 0, kind).text
    return Connection.objects.create(
        platform=row,
        affiliate=affiliate,
        livemode=livemode,
        method="oauth",
        locked=vault.lock({"access_token": token}),
    )


def prove(connection, post):
    """The account behind a connection is proven by it."""
    return Account.objects.create(
        platform=connection.platform,
        affiliate=connection.affiliate,
        livemode=connection.livemode,
        connection=connection,
        handle=post.author_handle.lower(),
        external_id=post.author_id,
        proven_at=TODAY,
    )


@pytest.fixture
def posts_of(sandbox):
    def find(platform, count=1, series=Series.EVEN, author=AUTHOR, start=0):
        """Of Facebook's, posts: an application may read the videos of others."""
        posts = sandbox.state.world.posts_of(platform, author, series)
        return list(islice((post for post in posts if not post.is_video), start, start + count))

    return find


def look_again(connection):
    """What connecting leads to."""
    whose = {"affiliate_id": connection.affiliate_id, "platform_id": connection.platform_id}
    recheck_ownership(**whose, livemode=connection.livemode)
    return jobs.look_again(**whose, livemode=connection.livemode)


@pytest.mark.parametrize("platform", OWNERS_ONLY)
def test_a_claim_that_could_not_be_verified_can_once_its_account_is_connected(
    claim, drain_all, sandbox, posts_of, platform
):
    affiliate, (post,) = AffiliateFactory(), posts_of(platform)
    claimed = claim(affiliate, CampaignFactory(), post, post.final.views)
    drain_all()
    waiting = ReconciliationLog.objects.get()
    assert (waiting.status, waiting.is_counted) == ("UNVERIFIABLE", False)
    assert "the account is not connected" in waiting.explanation
    assert sandbox.state.data_calls(platform) == 0  # nothing that could be asked
    with clock.at(TODAY + timedelta(days=3)):
        connection = connect(affiliate, platform)
        prove(connection, post)
        assert look_again(connection) == 1
        assert Job.objects.pending().get().connection == connection
        drain_all()
    counted = ReconciliationLog.objects.counted().get()
    assert (counted.affiliate_report, counted.status) == (claimed.claim, "MATCHED")
    snapshot = counted.platform_report
    assert (snapshot.views, snapshot.connection, snapshot.provenance["views"]) == (
        post.final.views,
        connection,
        "connection",
    )
    claimed.post.refresh_from_db()
    assert claimed.post.ownership == Post.Ownership.PROVEN
    assert claimed.post.api_id == (None if post.api_id == post.external_id else post.api_id)
    assert not Job.objects.pending().exists()


@pytest.mark.parametrize("platform", OWNERS_ONLY)
def test_a_claim_that_nobody_connects_for_counts_as_it_stands_after_a_fortnight(claim, drain_all, posts_of, platform):
    claim(AffiliateFactory(), CampaignFactory(), *posts_of(platform), 900)
    drain_all()
    with clock.at(TODAY + timedelta(days=14)):
        drain_all()
    counted = ReconciliationLog.objects.counted().get()
    assert (counted.status, counted.trust_effect) == ("UNVERIFIABLE", "NONE")


@pytest.mark.parametrize("platform", ["instagram", "facebook"])
def test_a_post_of_another_account_is_not_called_missing(claim, drain_all, posts_of, platform):
    affiliate = AffiliateFactory()
    own, strange = posts_of(platform)[0], posts_of(platform, author=8)[0]
    prove(connect(affiliate, platform), own)
    claim(affiliate, CampaignFactory(), strange, 900)
    drain_all()
    assert ReconciliationLog.objects.get().status in ("UNVERIFIABLE", "POST_MISSING")
    assert PlatformReport.objects.get().views is None


def test_a_video_that_the_application_is_not_shown_waits_for_its_owner(claim, drain_all, sandbox, settings):
    """An application of no further rights can't tell a video that is gone from one that it may not see."""
    ours = settings.PLATFORMS["facebook"] | {"credentials": {"access_token": "an-ordinary-application"}}
    settings.PLATFORMS = settings.PLATFORMS | {"facebook": ours}
    video = next(post for post in sandbox.state.world.posts_of("facebook", AUTHOR, Series.EVEN) if post.is_video)
    claim(AffiliateFactory(), CampaignFactory(), video, 900)
    drain_all()
    assert sandbox.state.data_calls("facebook") == 1
    waiting = ReconciliationLog.objects.get()
    assert (waiting.status, waiting.platform_report.denial, waiting.is_counted) == (
        "UNVERIFIABLE",
        "not_connected",
        False,
    )


def test_a_connection_serves_its_own_affiliate_and_mode_alone(claim, drain_all, posts_of):
    connected, other, campaign = AffiliateFactory(), AffiliateFactory(), CampaignFactory()
    mine, theirs = posts_of("tiktok", 2)
    lane = connect(connected, "tiktok")
    connect(other, "tiktok", livemode=False)
    claim(connected, campaign, mine, 1)
    claim(other, campaign, theirs, 1)
    assert set(Job.objects.values_list("post__affiliate", "connection__affiliate")) == {
        (connected.pk, connected.pk),
        (other.pk, None),
    }
    drain_all()
    assert ReconciliationLog.objects.get(post__affiliate=connected).platform_report.connection == lane
    assert ReconciliationLog.objects.get(post__affiliate=other).status == "UNVERIFIABLE"


def test_one_affiliates_revoked_token_stops_nobody_else(claim, drain_all, sandbox, posts_of):
    campaign = CampaignFactory()
    revoked, sound = AffiliateFactory(), AffiliateFactory()
    bad = connect(revoked, "tiktok", 8)
    good = connect(sound, "tiktok")
    sandbox.state.notes.revoke(Token("tiktok", 8, 1, 0))
    claim(revoked, campaign, *posts_of("tiktok", author=8), 1)
    claim(sound, campaign, *posts_of("tiktok"), 1)
    drain_all()
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.state, good.state) == ("parked", "active")
    assert bad.parked_reason.startswith("auth: ")
    assert ReconciliationLog.objects.get().post.affiliate == sound
    assert Job.objects.pending().values_list("state", "attempts").get() == ("due", 0)


def test_disconnecting_sends_what_waits_to_the_applications_lane(claim, drain_all, posts_of):
    affiliate = AffiliateFactory()
    lane = connect(affiliate, "tiktok")
    claim(affiliate, CampaignFactory(), *posts_of("tiktok"), 1)
    Connection.objects.filter(pk=lane.pk).update(state="disconnected", locked="")
    assert look_again(lane) == 1
    assert Job.objects.pending().get().connection.affiliate is None
    drain_all()
    assert ReconciliationLog.objects.get().status == "UNVERIFIABLE"


def claim_in_bulk(affiliate, campaign, worlds):
    """A claim of one view, due now, for each of these posts: the rows that submitting would write."""
    platform = Platform.objects.get(slug=worlds[0].platform)
    posts = Post.objects.bulk_create(
        Post(
            campaign=campaign,
            affiliate=affiliate,
            platform=platform,
            external_id=world.external_id,
            url=identify(world.url).canonical_url,
        )
        for world in worlds
    )
    claims = AffiliateReport.objects.bulk_create(
        AffiliateReport(post=post, claimed_views=1, claimed_at=TODAY) for post in posts
    )
    PostState.objects.write_claims({claim.post_id: claim.pk for claim in claims})
    jobs.request_looks(
        posts={post.pk: True for post in posts}, reason=Job.Reason.MANUAL, due_at=clock.now(), request_id=""
    )


CALLS = {"youtube": 20, "reddit": 10, "x": 10, "tiktok": 50, "instagram": 20 + 15, "facebook": 20 + 15}
"""Instagram's ids, and Facebook's opaque ones, are looked up in their owner's list: fifteen pages of a hundred."""


@pytest.mark.parametrize("platform", CALLS)
def test_a_thousand_due_posts_of_one_lane_take_as_few_calls_as_its_batches_allow(
    sandbox, drain_all, posts_of, platform
):
    affiliate = AffiliateFactory()
    if platform in OWNERS_ONLY:
        worlds = list(sandbox.state.world.posts_of(platform, AUTHOR, Series.EVEN, Series.ARCHIVE))
        prove(connect(affiliate, platform), worlds[0])
    else:
        worlds = list(islice(sandbox.state.world.posts(platform, Series.ARCHIVE), 1_000))
    claim_in_bulk(affiliate, CampaignFactory(), worlds)
    assert sum(iter(drain_all, 0)) == 1_000  # a drain that has worked long enough hands the lane on
    assert sandbox.state.data_calls(platform) == CALLS[platform]
    counts = ReconciliationLog.objects.values_list("status").annotate(n=Count("pk"))
    assert dict(counts) == {"UNVERIFIABLE" if platform == "reddit" else "MATCHED": 1_000}
