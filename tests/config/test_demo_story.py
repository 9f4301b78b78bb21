"""The demo's story: plain values from plain values."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from config.demo import cast, story, visits
from config.demo.cast import OWNERS_ONLY, Character
from platforms.links import NeedsNetwork, identify
from platforms.metrics import VIEWS_LAG, LagBasis
from platforms.sandbox import words
from platforms.sandbox.world import SPAN, World
from reconciliation.comparison import ACCESS_WITHIN_DAYS

END = datetime(2026, 11, 20, 9, 17, 30, tzinfo=UTC)
WORLD = World(7, END - SPAN)


def told(*, days: int = 30, posts: int = 400, seed: int = 7) -> story.Story:
    return story.tell(WORLD, start=END - timedelta(days=days), end=END, posts=posts, seed=seed)


@pytest.fixture(scope="module")
def month() -> story.Story:
    return told()


@pytest.fixture(scope="module")
def claims(month: story.Story) -> list[story.PlannedClaim]:
    return [claim for session in month.sessions for claim in session.claims]


def test_the_cast_is_as_large_as_was_promised():
    assert len(cast.ADVERTISERS) == 3
    assert len(cast.OWNERS) == 12
    assert len({plan.email for plan in cast.AFFILIATES}) == len({plan.author for plan in cast.AFFILIATES}) == 40
    assert len({advertiser.currency for advertiser in cast.ADVERTISERS}) == 3
    assert len({advertiser.time_zone for advertiser in cast.ADVERTISERS}) == 3
    assert {plan.character for plan in cast.AFFILIATES} == set(Character)


def test_the_same_is_told_twice_and_another_seed_tells_another_story(month):
    assert told() == month
    assert told(seed=8) != month


def test_there_are_about_as_many_posts_as_were_asked_for_on_every_platform(month, claims):
    assert 390 <= month.posts <= 400
    posts = Counter({claim.post.external_id: claim.post.platform for claim in claims}.values())
    assert set(posts) == set(story.SHARES) == set(VIEWS_LAG)
    assert {slug for slug, _ in posts.most_common(3)} == {"youtube", "tiktok", "instagram"}
    assert {claim.affiliate.character for claim in claims} == set(Character)


def test_posts_belong_to_the_account_of_the_affiliate_who_claims_them(claims):
    own = [claim for claim in claims if claim.post.author == claim.affiliate.author]
    assert all(claim.post.author_handle == words.handle(claim.post.platform, claim.affiliate.author) for claim in own)
    assert all(claim.affiliate.posts_on(claim.post.platform) for claim in own)
    assert len(own) > len(claims) * 0.98


def test_some_posts_are_named_by_what_the_share_button_gives(claims):
    shared = [claim for claim in claims if claim.url != claim.post.url]
    platforms = {claim.post.platform for claim in shared}
    assert set(OWNERS_ONLY[:2]) <= platforms <= set(story.SHARES) - {"youtube"}  # which has none
    assert all(isinstance(identify(claim.url), NeedsNetwork) for claim in shared)
    assert 0.04 < len(shared) / len(claims) < 0.12


def test_accounts_are_connected_before_their_first_post_and_by_those_who_connect(month, claims):
    connected = {(account.affiliate.name, account.platform): account.at for account in month.connected}
    assert list(connected.values()) == sorted(connected.values())
    assert len(connected) == len(month.connected)
    for claim in claims:
        if claim.post.platform not in OWNERS_ONLY or claim.post.author != claim.affiliate.author:
            continue
        at = connected.get((claim.affiliate.name, claim.post.platform))
        assert (at is not None) == claim.affiliate.connects
        assert at is None or at < claim.post.published_at
    assert {account.platform for account in month.connected} == set(OWNERS_ONLY)
    assert {plan.connects for plan in cast.AFFILIATES} == {True, False}


def test_who_asks_for_proof_gets_posts_of_accounts_that_are_connected(claims):
    asked = [claim for claim in claims if claim.campaign.requires_proof]
    assert asked
    assert all(claim.affiliate.connects and claim.post.platform in OWNERS_ONLY for claim in asked)


def test_one_takes_back_what_they_allowed_before_their_last_claim_is_looked_at(month):
    withdrawn = month.withdrawn
    assert withdrawn is not None
    theirs = [
        session.at
        for session in month.sessions
        for claim in session.claims
        if (claim.affiliate, claim.post.platform) == (withdrawn.affiliate, withdrawn.platform)
    ]
    assert theirs[0] < withdrawn.at < theirs[-1]
    assert not any(withdrawn.at < session_at < theirs[-1] for session_at in theirs)


def test_a_claim_comes_after_its_post_and_before_the_session_that_looks_at_it(month):
    for session in month.sessions:
        assert list(session.claims) == sorted(session.claims, key=lambda claim: claim.at)
        for claim in session.claims:
            assert month.start <= claim.post.published_at < claim.at < session.at <= END
            assert session.at - claim.at < timedelta(minutes=10)


def test_campaigns_get_claims_only_while_they_take_them(month, claims):
    moved = {(campaign.title, move): at for at, move, campaign in month.moves}
    for claim in claims:
        campaign = claim.campaign
        assert claim.post.platform in campaign.rates
        assert claim.post.subreddit in campaign.topics
        assert moved[campaign.title, story.Move.ACTIVATE] < claim.post.published_at
        assert claim.at < moved.get((campaign.title, story.Move.PAUSE), END)
        assert claim.at < story.day(END, campaign.ends_d + story.CLAIM_WINDOW_DAYS)


def test_what_lies_after_the_end_does_not_happen(month):
    assert all(at <= END for at, _, _ in month.moves)
    last = {campaign.title: move for _, move, campaign in month.moves}
    assert Counter(last.values()) == {
        story.Move.ACTIVATE: 7,
        story.Move.COMPLETE: 2,
        story.Move.PAUSE: 1,
        story.Move.CREATE: 2,
    }


@pytest.mark.parametrize("minute", range(0, 60, 12))
def test_nothing_is_to_be_looked_at_again_right_after_the_end(minute):
    end = END.replace(minute=minute)
    quiet = story.tell(WORLD, start=end - timedelta(days=16), end=end, posts=400, seed=minute)
    for session in quiet.sessions:
        for claim in session.claims:
            lag = VIEWS_LAG[claim.post.platform]
            since = claim.post.published_at if lag.basis is LagBasis.POST_AGE else claim.at
            ends = [since + timedelta(hours=lag.hours)]
            if claim.post.platform in OWNERS_ONLY:
                ends.append(claim.at + timedelta(days=ACCESS_WITHIN_DAYS))
            assert not any(session.at < at and end <= at <= end + story.QUIET_AFTER for at in ends)


def test_honest_ones_never_claim_more_than_there_is_and_dishonest_ones_do(claims: list[story.PlannedClaim]):
    over: Counter[Character] = Counter()
    for claim in claims:
        views = claim.post.figures_at(claim.at).views
        if claim.figures.views is not None and views is not None and claim.figures.views < 10**9:
            over[claim.affiliate.character] += claim.figures.views > views * 1.05
    assert over[Character.HONEST] == over[Character.CARELESS] == 0
    assert over[Character.DISHONEST] > 5
    assert over[Character.GENEROUS] > 0


def test_careless_ones_claim_what_nobody_can_verify(claims: list[story.PlannedClaim]):
    careless = [claim.figures for claim in claims if claim.affiliate.character is Character.CARELESS]
    assert any(figures.views is None and figures.clicks is not None for figures in careless)


def test_some_claim_what_is_anothers_once_its_author_did(claims: list[story.PlannedClaim]):
    claimants: dict[str, list[str]] = {}
    for claim in claims:
        claimants.setdefault(claim.post.external_id, []).append(claim.affiliate.name)
    names = {plan.author: plan.name for plan in cast.AFFILIATES}
    assert max(len(set(each)) for each in claimants.values()) == 2
    assert all(claimants[claim.post.external_id][0] == names[claim.post.author] for claim in claims)


def test_some_get_a_link_before_they_publish_and_claim_what_came_through_it(month, claims):
    assert 4 <= len(month.links) <= visits.LINKS
    for link in month.links:
        assert link.campaign.landing_url
        theirs = (link.affiliate, link.campaign, link.platform)
        own = [each for each in claims if (each.affiliate, each.campaign, each.post.platform) == theirs]
        assert own[0].at == link.claimed_at
        assert link.at < own[0].post.published_at
        assert {(each.figures.clicks, each.figures.conversions) for each in own} == {
            (link.claimed.clicks, link.claimed.conversions)
        }
        assert all(link.at < visit.at < link.claimed_at for visit in link.visits)
        persons = {visit.address for visit in link.visits if visit.agent not in visits.ROBOTS}
        boasts = link.affiliate.character is Character.DISHONEST
        assert (link.claimed.clicks > len(persons)) is boasts
        assert link.claimed.conversions == sum(visit.bought is not None for visit in link.visits)
    assert sum(link.reversed_at is not None for link in month.links) == 1


def test_a_world_of_other_days_has_no_story():
    with pytest.raises(ValueError, match="no posts of these days"):
        story.tell(WORLD, start=END + timedelta(days=40), end=END + timedelta(days=70), posts=10, seed=7)
