"""Two posts that turn out to be one content: which of them stands, and what becomes of the other."""

from datetime import timedelta
from itertools import islice

import pytest

from affiliates.models import AuditEvent
from campaigns.models import Post
from campaigns.tracking.links import make_link
from config import clock
from config.demo.seeding import run_queued_tasks
from platforms.sandbox.world import Series
from reconciliation.models import AffiliateReport, Job, PostState, ReconciliationLog
from reconciliation.services import merging
from tests.factories import TODAY, AffiliateFactory, CampaignFactory
from tests.reconciliation.test_owning import prove

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]


@pytest.fixture
def editions(sandbox):
    """An edited post of the sandbox's X: as its first id shows it, and as its present one does."""
    world = sandbox.state.world
    posts = (post for post in islice(world.posts("x", Series.CURRENT), 4_000) if len(post.versions) > 1)
    for post in posts:
        first = world.find("x", post.versions[0])
        if post.presence_at(TODAY) == "live" and first.figures_at(TODAY).views < post.figures_at(TODAY).views:
            return first, post
    raise AssertionError("the sandbox's world has no such post")


@pytest.fixture
def drain_all(drain_all):
    """What is due is looked at, and what follows from it by the queue happens too."""

    def drain():
        settled = drain_all()
        run_queued_tasks()
        return settled

    return drain


def test_an_edited_post_is_judged_by_its_newest_edition(claim, drain_all, sandbox, editions):
    first, latest = editions
    post = claim(AffiliateFactory(), CampaignFactory(), first, latest.figures_at(TODAY).views).post
    drain_all()
    post.refresh_from_db()
    assert (post.external_id, post.api_id) == (first.external_id, latest.external_id)
    assert ReconciliationLog.objects.get().status == "MATCHED"  # the first edition's figures stand still
    assert post.platform_reports.get().views == latest.figures_at(TODAY).views
    assert sandbox.state.data_calls("x") == 2
    claim(post.affiliate, post.campaign, first, 1)
    drain_all()
    assert sandbox.state.data_calls("x") == 3  # the newest edition's id is known by now


def test_a_tracking_link_goes_on_with_the_post_that_stands(claim, drain_all, editions):
    first, latest = editions
    affiliate, campaign = AffiliateFactory(), CampaignFactory(landing_url="https://shop.example/")
    standing = claim(affiliate, campaign, latest, 1).post
    drain_all()
    link, _ = make_link(affiliate=affiliate, campaign=campaign, platform=standing.platform)
    with clock.at(TODAY + timedelta(minutes=1)):
        other = claim(affiliate, campaign, first, 2).post
        drain_all()
    for post in (standing, other):
        post.refresh_from_db()
    assert (other.merged_into, standing.tracking_link) == (standing, link)


def test_of_one_affiliates_two_the_first_stands_and_the_newer_claim_is_stated_again(claim, drain_all, editions):
    first, latest = editions
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    standing = claim(affiliate, campaign, latest, 1).post
    drain_all()
    with clock.at(TODAY + timedelta(minutes=1)):
        other = claim(affiliate, campaign, first, 2).post
        drain_all()
        other.refresh_from_db()
        assert other.merged_into == standing
        assert AuditEvent.objects.get(action="post.merged").changes == {"into": str(standing.pk)}
        assert list(standing.affiliate_reports.order_by("claimed_at").values_list("claimed_views", flat=True)) == [1, 2]
        assert other.verdicts.count() == 1  # its own history stays
        drain_all()
        assert ReconciliationLog.objects.counted().filter(post=standing).count() == 2
        again = claim(affiliate, campaign, first, 3)  # the other link is still good
        assert (again.post, again.outcome) == (standing, "new_claim")
        assert not Job.objects.pending().filter(post=other).exists()


def test_an_older_claim_of_the_merged_post_is_not_stated_again(claim, drain_all, editions):
    first, latest = editions
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    standing = claim(affiliate, campaign, latest, 1).post
    with clock.at(TODAY + timedelta(seconds=1)):
        other = claim(affiliate, campaign, first, 2).post
    with clock.at(TODAY + timedelta(seconds=5)):
        claim(affiliate, campaign, latest, 4)
        drain_all()
    other.refresh_from_db()
    assert other.merged_into == standing
    assert PostState.objects.get(post=standing).current_claim.claimed_views == 4
    assert AffiliateReport.objects.filter(post=standing).count() == 2


@pytest.mark.parametrize("second_is_proven", [False, True])
def test_of_two_affiliates_the_first_stands_unless_the_other_is_the_proven_author(
    claim, drain_all, editions, second_is_proven
):
    first, latest = editions
    campaign, second = CampaignFactory(), AffiliateFactory()
    early = claim(AffiliateFactory(), campaign, latest, 1).post
    drain_all()
    if second_is_proven:
        prove(second, latest)
    with clock.at(TODAY + timedelta(seconds=5)):
        late = claim(second, campaign, first, 1).post
        drain_all()
    early.refresh_from_db()
    late.refresh_from_db()
    loser, winner = (early, late) if second_is_proven else (late, early)
    assert (winner.displaced_at, loser.displaced_at) == (None, TODAY + timedelta(seconds=5))
    assert AuditEvent.objects.get(action="post.displaced").object_id == loser.pk


@pytest.mark.parametrize("given_away_by", ["external_id", "api_id"])
@pytest.mark.parametrize("is_settled", [False, True])
def test_twins_that_the_queue_forgot_are_found(claim, drain_all, world_post, given_away_by, is_settled):
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    first = claim(affiliate, campaign, world_post("youtube", 0), 1).post
    clock.set(TODAY + timedelta(seconds=1))
    later = claim(affiliate, campaign, world_post("youtube", 1), 1).post
    assert merging.sweep() == 0
    if is_settled:
        drain_all()
    Post.objects.filter(pk=later.pk).update(api_id=first.external_id)
    if given_away_by == "api_id":
        Post.objects.update(api_id="another")
    assert merging.sweep() == 1
    run_queued_tasks()
    later.refresh_from_db()
    assert later.merged_into == first
    assert merging.sweep() == 0


@pytest.mark.parametrize("shares", [(True, True), (True, False)])
def test_a_content_in_two_campaigns_stands_whatever_they_say_since(claim, world_post, shares):
    affiliate = AffiliateFactory()
    for index, allows_shared_content in enumerate(shares):
        campaign = CampaignFactory(allows_shared_content=allows_shared_content)
        claim(affiliate, campaign, world_post("youtube", index), 1)
    Post.objects.update(api_id="another")
    assert merging.sweep() == 0
