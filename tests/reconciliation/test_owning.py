"""Whose a post is: the author that the platform names against the accounts that its claimant has proven."""

from types import SimpleNamespace

import pytest

from affiliates.models import AuditEvent
from alerts.models import Alert
from alerts.services import open_for_refused_claim
from campaigns.models import Post
from platforms.models import Account, Platform
from reconciliation.comparison import Figures
from reconciliation.errors import ClaimRefusedError, SecondClaimantError
from reconciliation.models import Job, ReconciliationLog
from reconciliation.services import jobs, submission
from reconciliation.services.owning import ownership, recheck_ownership
from tests.factories import TODAY, AffiliateFactory, CampaignFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]

UNKNOWN, PROVEN, UNPROVEN, FOREIGN = Post.Ownership.values


def prove(affiliate, post, *, external_id=None, **changes):
    """Make the author of a post of the sandbox's world a proven account of this affiliate."""
    fields = {"handle": post.author_handle.lower(), "external_id": external_id or post.author_id, "proven_at": TODAY}
    platform = Platform.objects.get(slug=post.platform)
    return Account.objects.create(platform=platform, affiliate=affiliate, **fields | changes)


def account(handle="mila", external_id=None):
    return SimpleNamespace(handle=handle, external_id=external_id)


@pytest.mark.parametrize(
    ("author_id", "handle", "proven", "expected"),
    [
        ("", "", [account()], UNKNOWN),
        ("", "", [], UNKNOWN),
        ("1", "mila", [], UNPROVEN),
        ("1", "mila", [account(external_id="1")], PROVEN),
        ("1", "renamed", [account(external_id="1")], PROVEN),  # handles change, ids don't
        ("2", "mila", [account(external_id="1")], FOREIGN),  # somebody else took the handle over
        ("2", "mila", [account()], PROVEN),  # no id on our side: the handle decides
        ("", "mila", [account(external_id="1")], PROVEN),
        ("", "other", [account(), account("third")], FOREIGN),
        ("", "third", [account(), account("third")], PROVEN),
        ("2", "", [account(external_id="1"), account("b", "2")], PROVEN),
    ],
)
def test_ids_decide_where_both_sides_have_one(author_id, handle, proven, expected):
    assert ownership(author_id, handle, proven) == expected


@pytest.mark.parametrize(
    ("proof", "expected"),
    [
        (None, UNPROVEN),
        ({}, PROVEN),
        ({"external_id": "UCsomebodyelse"}, FOREIGN),
        ({"proven_at": None}, UNPROVEN),  # said is not proven
        ({"livemode": False}, UNPROVEN),  # proof in test mode proves nothing
    ],
)
def test_a_look_notes_whose_the_post_is(claim, world_post, drain_all, proof, expected):
    affiliate, world = AffiliateFactory(), world_post()
    if proof is not None:
        prove(affiliate, world, **proof)
    post = claim(affiliate, CampaignFactory(), world, 1).post
    assert post.ownership == UNKNOWN
    drain_all()
    post.refresh_from_db()
    assert (post.ownership, post.author_id, post.text.author_handle) == (
        expected,
        world.author_id,
        world.author_handle.lower(),
    )


def test_proof_that_comes_later_is_noted_on_the_posts_that_are_there(claim, world_post, drain_all):
    affiliate, world = AffiliateFactory(), world_post()
    post = claim(affiliate, CampaignFactory(), world, 1).post
    drain_all()
    proven = prove(affiliate, world)
    recheck_ownership(affiliate_id=affiliate.pk, platform_id=proven.platform_id, livemode=True)
    post.refresh_from_db()
    assert post.ownership == PROVEN


# --- Campaigns that ask for proof


def test_a_campaign_may_refuse_who_has_proven_no_account(claim, world_post):
    affiliate, campaign = AffiliateFactory(), CampaignFactory(requires_proof=True)
    with pytest.raises(ClaimRefusedError) as refusal:
        claim(affiliate, campaign, world_post(), 1)
    assert (refusal.value.code, refusal.value.field) == ("proof_required", "platform")
    assert not Post.objects.exists()
    prove(affiliate, world_post())
    assert claim(affiliate, campaign, world_post(), 1).outcome == "new_post"


def test_a_post_of_another_account_is_not_verified_until_that_account_is_proven(claim, world_post, drain_all):
    affiliate, campaign = AffiliateFactory(), CampaignFactory(requires_proof=True)
    mine = prove(affiliate, world_post(), external_id="UCanother", handle="another")
    claimed = claim(affiliate, campaign, world_post(), 10)
    drain_all()
    verdict = ReconciliationLog.objects.get()
    assert (verdict.status, verdict.is_counted, verdict.trust_effect) == ("UNVERIFIABLE", False, "NONE")
    assert "proven accounts only" in verdict.explanation
    prove(affiliate, world_post())
    recheck_ownership(affiliate_id=affiliate.pk, platform_id=mine.platform_id, livemode=True)
    assert jobs.look_again(affiliate_id=affiliate.pk, platform_id=mine.platform_id, livemode=True) == 1
    drain_all()
    counted = ReconciliationLog.objects.counted().get()
    assert (counted.affiliate_report, counted.status, counted.trust_effect) == (claimed.claim, "MATCHED", "NONE")


# --- Two claimants


def test_a_proven_owner_takes_the_place_of_an_unproven_claimant(claim, world_post, drain_all):
    squatter, owner, campaign = AffiliateFactory(), AffiliateFactory(), CampaignFactory()
    taken = claim(squatter, campaign, world_post(), 10).post
    drain_all()
    with pytest.raises(SecondClaimantError):
        claim(owner, campaign, world_post(), 10)
    prove(owner, world_post())
    mine = claim(owner, campaign, world_post(), 10)
    assert mine.outcome == "new_post"
    taken.refresh_from_db()
    assert taken.displaced_at == TODAY
    event = AuditEvent.objects.get(action="post.displaced")
    assert (event.object_id, event.actor, event.changes) == (taken.pk, owner.user, {"affiliate": str(owner.pk)})
    open_for_refused_claim(event_id=event.pk)
    assert Alert.objects.get(post=taken).summary.startswith("Two affiliates claimed the same content")
    assert drain_all() == 1
    mine.post.refresh_from_db()
    assert mine.post.ownership == PROVEN
    assert ReconciliationLog.objects.filter(post=taken).count() == 1  # what was said stays said
    with pytest.raises(SecondClaimantError):
        claim(squatter, campaign, world_post(), 11)


def test_nobody_displaces_a_proven_owner_nor_a_claimant_whose_author_is_unknown(claim, world_post, drain_all):
    first, second, campaign = AffiliateFactory(), AffiliateFactory(), CampaignFactory()
    post = claim(first, campaign, world_post(), 10).post
    prove(second, world_post())
    with pytest.raises(SecondClaimantError):  # the platform has not named the author yet
        claim(second, campaign, world_post(), 10)
    Account.objects.all().delete()
    prove(first, world_post())
    drain_all()
    Account.objects.filter(affiliate=first).update(proven_at=None)
    prove(second, world_post())
    with pytest.raises(SecondClaimantError):
        claim(second, campaign, world_post(), 10)
    post.refresh_from_db()
    assert (post.ownership, post.displaced_at) == (PROVEN, None)


def test_a_displaced_post_is_looked_at_no_more(claim, world_post, drain_all):
    squatter, owner, campaign = AffiliateFactory(), AffiliateFactory(), CampaignFactory()
    taken = claim(squatter, campaign, world_post(), 10).post
    drain_all()
    submission.claim_again(post=taken, figures=Figures(views=20))
    assert Job.objects.pending().filter(post=taken).exists()
    prove(owner, world_post())
    claim(owner, campaign, world_post(), 10)
    assert not Job.objects.pending().filter(post=taken).exists()
