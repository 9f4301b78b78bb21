"""What connecting, proving and disconnecting do to claims that are open: from the API to the verdict."""

import pytest

from campaigns.models import Post
from platforms.models import Connection
from platforms.sandbox import words
from platforms.services import accounts, connecting
from platforms.tasks import check_account
from reconciliation.models import Job, PostState, ReconciliationLog
from reconciliation.tasks import look_again
from tests.factories import AffiliateFactory, CampaignFactory
from tests.platforms.support import connected, platform
from tests.reconciliation.support import lane_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]

A_FACEBOOK_POST = 0  # every fourth is a video, whose number alone opens it to the sandbox's own application


@pytest.fixture
def mila():
    return AffiliateFactory(name="Mila Ortega")


@pytest.fixture
def claimed(mila, claim, world_post, drain_all):
    """Mila's claim for a post of the world, looked at once."""

    def make(slug, index=3):
        post = world_post(slug, index)
        submitted = claim(mila, CampaignFactory(), post, 1)
        drain_all()
        return submitted.post, post.author

    return make


def verdict_of(post):
    return PostState.objects.get(post=post).current_verdict


def changed(affiliate, slug):
    """What the queue does once something changed."""
    look_again(str(affiliate.pk), str(platform(slug).pk), "live")


@pytest.mark.parametrize(("slug", "index"), [("tiktok", 3), ("facebook", A_FACEBOOK_POST)])
def test_a_claim_that_only_its_owner_can_show_gets_its_verdict_once_the_owner_connects(
    slug, index, mila, claimed, drain_all
):
    post, author = claimed(slug, index)
    assert verdict_of(post).status == "UNVERIFIABLE"
    connection = connected(slug, mila, author)
    changed(mila, slug)
    assert Job.objects.pending().get(post=post).connection == connection
    assert drain_all() == 1
    assert verdict_of(post).status == "MATCHED"
    assert ReconciliationLog.objects.counted().get(post=post).status == "MATCHED"
    post.refresh_from_db()
    assert post.ownership == Post.Ownership.PROVEN


def test_an_instagram_claim_of_views_gets_its_verdict_too(mila, claimed, drain_all):
    post, author = claimed("instagram")
    assert verdict_of(post).status == "UNVERIFIABLE"
    connected("instagram", mila, author)
    changed(mila, "instagram")
    drain_all()
    assert verdict_of(post).status == "MATCHED"


def test_somebody_elses_connection_verifies_nothing(mila, claimed, drain_all):
    post, author = claimed("tiktok")
    other = AffiliateFactory()
    connected("tiktok", other, author)
    changed(other, "tiktok")
    drain_all()
    assert verdict_of(post).status == "UNVERIFIABLE"
    assert Job.objects.pending().get(post=post).connection == lane_of("tiktok")


def test_a_parked_connection_that_is_made_anew_goes_on_with_what_waits(
    mila, claimed, claim, world_post, drain_all, sandbox
):
    post, author = claimed("tiktok")
    connected("tiktok", mila, author)
    changed(mila, "tiktok")
    sandbox.state.notes.revoke_all("tiktok", author)
    assert drain_all() == 0
    assert Connection.objects.get(affiliate=mila).state == "parked"
    connected("tiktok", mila, author)
    changed(mila, "tiktok")
    assert drain_all() == 1
    assert verdict_of(post).status == "MATCHED"


def test_disconnecting_gives_open_looks_back_to_the_applications_lane(mila, claimed, drain_all):
    post, author = claimed("tiktok")
    connection = connected("tiktok", mila, author)
    changed(mila, "tiktok")
    connecting.disconnect(connection=connection, by=mila.user)
    changed(mila, "tiktok")
    assert Job.objects.pending().get(post=post).connection == lane_of("tiktok")
    drain_all()
    assert verdict_of(post).status == "UNVERIFIABLE"


def test_a_proof_by_code_makes_posts_ones_own(mila, claimed, sandbox):
    post, author = claimed("x")
    assert Post.objects.get(pk=post.pk).ownership == Post.Ownership.UNPROVEN
    account = accounts.claim_account(
        affiliate=mila, platform=post.platform, livemode=True, handle=words.handle("x", author), by=mila.user
    )
    sandbox.state.notes.bios["x", author] = account.code
    accounts.request_check(account=account, by=mila.user)
    check_account(str(account.pk))
    changed(mila, "x")
    assert Post.objects.get(pk=post.pk).ownership == Post.Ownership.PROVEN
    accounts.withdraw_account(account=account, by=mila.user)
    changed(mila, "x")
    assert Post.objects.get(pk=post.pk).ownership == Post.Ownership.UNPROVEN
